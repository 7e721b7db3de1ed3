"""The command ``implicitbias verify``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ._input import FAILURE, INTERRUPTED, SUCCESS, InputError, require_writable, write

__all__ = ["add_verify"]


def add_verify(commands: Any) -> None:
    """Add the command to the parser."""
    verify = commands.add_parser(
        "verify",
        help="every claim of the papers, with evidence that is run",
        description=(
            "Runs the evidence for every numbered claim of the papers (SymPy proofs, interval arithmetic, random "
            "searches, exact counterexamples) and prints what is known of each. Exit status 1 if evidence fails."
        ),
    )
    verify.add_argument(
        "claims",
        metavar="ID",
        nargs="*",
        help="claims by id, by the start of an id (woodworth, woodworth.lemma-5) or with * (default: all)",
    )
    verify.add_argument("--list", action="store_true", help="list the claims with their verdicts, run nothing")
    verify.add_argument("--quick", action="store_true", help="fewer cases, no long proofs: under a minute")
    verify.add_argument("--steps", action="store_true", help="print every step of the evidence")
    verify.add_argument("--jobs", metavar="K", help="processes (default: one per core)")
    verify.add_argument(
        "--json", metavar="FILE", nargs="?", const="-", help="write JSON to FILE, or instead of the table"
    )
    verify.add_argument("--html", metavar="FILE", help="write a page to read in a browser")
    verify.add_argument(
        "--errata",
        metavar="FILE",
        help="write what is false as printed, as Markdown; runs the counterexamples only",
    )
    verify.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    jobs = _jobs(options.jobs)
    for flag, name in (("--json", options.json), ("--html", options.html), ("--errata", options.errata)):
        if name not in (None, "-"):
            require_writable(flag, Path(name))
    from rich.console import Console

    from .. import ledger

    terminal, notes = Console(), Console(stderr=True)
    try:
        claims = ledger.select(ledger.load(), options.claims)
    except ValueError as error:
        raise InputError(str(error)) from error
    if options.list:
        for claim in claims.values():
            print(f"{claim.id:<44} {claim.verdict.value:<20} {claim.source}")
        return SUCCESS
    if options.errata:
        text = ledger.errata(claims)
        write("--errata", options.errata, lambda file: file.write_text(text, encoding="utf-8"))
        return SUCCESS

    verification = _verify_with_bar(claims, options.quick, jobs, notes)
    record = json.dumps(ledger.as_json(verification), indent=2, ensure_ascii=False, allow_nan=False)
    if options.json == "-":
        print(record)
    else:
        terminal.print(ledger.table(verification))
    if options.steps and options.json != "-":
        for outcome in verification.outcomes.values():
            print(f"{outcome.name}", *(f"  {i}. {step}" for i, step in enumerate(outcome.steps, 1)), sep="\n")
    if options.json not in (None, "-"):
        write("--json", options.json, lambda file: file.write_text(record + "\n", encoding="utf-8"))
    if options.html:
        page = ledger.html(verification)
        write("--html", options.html, lambda file: file.write_text(page, encoding="utf-8"))
    for outcome in verification.failures:
        notes.print(f"implicitbias: {outcome.name} fails: {outcome.result}", style="bold red", markup=False)
    (notes if options.json == "-" else terminal).print(ledger.summary(verification), highlight=False)
    return INTERRUPTED if verification.interrupted else FAILURE if verification.failures else SUCCESS


def _jobs(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.strip().isdecimal() or int(text) < 1:
        raise InputError(f"argument --jobs: a whole number of at least 1 expected, got {text.strip()!r}")
    return int(text)


def _verify_with_bar(claims: Any, quick: bool, jobs: int | None, notes: Any) -> Any:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from .. import ledger

    columns = (TextColumn("evidence"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[now]}"), console=notes, transient=True) as progress:
        task = progress.add_task("", total=None, now="")

        def follow(outcome: ledger.Outcome, total: int) -> None:
            progress.update(task, advance=1, total=total, now=outcome.name)

        return ledger.verify(claims, quick=quick, jobs=jobs, follow=follow)
