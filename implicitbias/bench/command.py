"""The comparison as the command line runs it: options, progress, and what is printed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .peers import PEERS
from .problems import SIZES, Alpha
from .report import ratios, remarks, tables
from .run import QUICK, Plan, Record, run_plan
from .store import ReferenceStore

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

__all__ = ["log_file", "peer_table", "plan_of", "run_with_progress", "show"]


def plan_of(options: argparse.Namespace) -> Plan:
    """What the options of the command ask for; those given count more than those that ``--quick`` stands for.

    Raises
    ------
    ValueError
        If one is out of range; the message is a line for the user.
    """
    if options.size not in SIZES:
        raise ValueError(f"argument --size: one of {', '.join(SIZES)} expected, got {options.size!r}")
    settings: dict[str, Any] = {"size": SIZES[options.size], "budget": SIZES[options.size].budget}
    if options.quick:
        settings |= QUICK
    if options.alpha is not None:
        try:
            alphas = {Alpha(text.strip()) for text in options.alpha}
        except ValueError as error:
            raise ValueError(f"argument --alpha: {error}") from error
        settings["alphas"] = tuple(sorted(alphas, key=lambda alpha: -alpha.log))
    if options.depth is not None:
        depths = (_number("--depth", text, 2.0, 1e3) for text in options.depth)
        settings["depths"] = tuple(dict.fromkeys(int(D) if D == int(D) else D for D in depths))
    if options.peer is not None:
        chosen = [peer for peer in PEERS if any(name.lower() in peer.name.lower() for name in options.peer)]
        if not chosen:
            raise ValueError(
                f"argument --peer: no peer has a name with {' or '.join(options.peer)} in it; see --list"
            )
        settings["peers"] = tuple(chosen)
    if options.repeat is not None:
        settings["repetitions"] = _whole("--repeat", options.repeat, 1, 1000)
    if options.budget is not None:
        settings["budget"] = _number("--budget", options.budget, 1e-3, 86_400.0)
    return Plan(seed=_whole("--seed", options.seed, 0, 2**32), **settings)


def _number(flag: str, text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise ValueError(f"argument {flag}: a number from {least:g} to {most:g} expected, got {text.strip()!r}")
    return value


def _whole(flag: str, text: str, least: int, most: int) -> int:
    if not text.strip().isdecimal() or not least <= int(text) <= most:
        raise ValueError(f"argument {flag}: a whole number from {least} to {most} expected, got {text.strip()!r}")
    return int(text)


def log_file(directory: Path, plan: Plan) -> Path:
    """Where the measurements of a plan are kept."""
    return directory / f"measurements-{plan.size.name}-seed{plan.seed}.jsonl"


def run_with_progress(plan: Plan, directory: Path, notes: Console, *, resume: bool) -> Record:
    """Run a plan with a progress bar on `notes`, if that is a terminal."""
    with Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=notes,
        transient=True,
        disable=not notes.is_terminal,
    ) as progress:
        task = progress.add_task("starting", total=None)

        def step(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        return run_plan(plan, ReferenceStore(directory), log_file(directory, plan), resume=resume, step=step)


def show(record: Record, terminal: Console) -> None:
    """Print the tables, what failed, and the ratios."""
    for table in tables(record, terminal.width):
        terminal.print(table)
    notes = remarks(record)
    if notes:
        terminal.print("Where they fail", style="bold")
        for line in notes:
            _line(terminal, f"  {line}")
    if record.references:
        worst = max(bound for bound, _ in record.references.values())
        _line(terminal, f"\nErrors are relative, against references proven to {worst:.0e}. One thread.")
    heading = None
    for ratio in ratios(record):
        if (ratio.what, ratio.D) != heading:
            heading = ratio.what, ratio.D
            terminal.print(f"\nD = {ratio.D:g}: {ratio.what}", style="bold", markup=False, highlight=False)
        _line(terminal, f"  {ratio}")
    if record.interrupted:
        terminal.print("\nInterrupted; --resume goes on from here.", style="bold")


def peer_table() -> Table:
    """Names of the peers, what each is given, and whether it is installed."""
    table = Table("name", "solves", "", box=None, pad_edge=False)
    for peer in PEERS:
        table.add_row(peer.name, peer.solves, f"needs {peer.missing}" if peer.missing else "")
    return table


def _line(terminal: Console, text: Any) -> None:
    terminal.print(text, soft_wrap=True, markup=False, highlight=False)
