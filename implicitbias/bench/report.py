"""What a comparison shows: a table per depth, the ratios that matter, what went wrong, and all of it as JSON."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .measurement import USABLE, Measurement
from .problems import RICH
from .run import Record

__all__ = ["Cell", "Ratio", "cells", "complaints", "ratios", "record_json", "remarks", "tables"]

_PACKAGE: Final = "implicitbias"
_EXACT: Final = 1e-13
"""Errors below this count as equal: they are rounding."""
_L1: Final = 1e-12
"""Relative excess of an l1 norm up to which it is the least."""
_NAME, _COLUMN, _PADDING = 28, 13, 2


@dataclass(frozen=True)
class Cell:
    """All repetitions of one run.

    Attributes
    ----------
    peer, kind, D, alpha
        What was run.
    seconds, solver_seconds
        Medians.
    error, tiny, l1_error
        Largest of the repetitions; None where one has none.
    reason, note
        Of the first repetition that has one.
    repetitions
        How many there were.
    """

    peer: str
    kind: str
    D: float
    alpha: str
    seconds: float
    solver_seconds: float | None
    error: float | None
    tiny: float | None
    l1_error: float | None
    reason: str
    note: str
    repetitions: int

    @property
    def usable(self) -> bool:
        """Whether every repetition gave a solution that deserves the name."""
        return not self.reason and self.error is not None


def cells(measurements: Iterable[Measurement]) -> dict[tuple[str, float, str], Cell]:
    """Repetitions gathered, by peer, depth and alpha."""
    groups: dict[tuple[str, float, str], list[Measurement]] = {}
    for m in measurements:
        groups.setdefault((m.peer, m.D, m.alpha), []).append(m)
    return {key: _cell(group) for key, group in groups.items()}


def _cell(group: Sequence[Measurement]) -> Cell:
    first = group[0]
    proper = [m.solver_seconds for m in group if m.solver_seconds is not None]
    return Cell(
        first.peer,
        first.kind,
        first.D,
        first.alpha,
        statistics.median(m.seconds for m in group),
        statistics.median(proper) if proper else None,
        _worst([m.error for m in group]),
        _worst([m.tiny for m in group]),
        _worst([m.l1_error for m in group]),
        next((m.reason for m in group if m.reason), ""),
        next((m.note for m in group if m.note), ""),
        len(group),
    )


def _worst(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return max(found) if len(found) == len(values) else None


def tables(record: Record, width: int) -> list[Table]:
    """One table per depth, peers against alphas; several where the terminal is narrower than one.

    A cell has the median time and the relative error; where there is no usable solution, what happened.
    """
    found = cells(record.measurements)
    fit = max(1, (width - _NAME - _PADDING) // (_COLUMN + _PADDING))
    built = []
    for D in record.plan.depths:
        alphas = [alpha.label for alpha in record.plan.alphas]
        for begin in range(0, len(alphas), fit):
            built.append(_table(record, found, D, alphas[begin : begin + fit]))
    return built


def _table(record: Record, found: Mapping[tuple[str, float, str], Cell], D: float, alphas: Sequence[str]) -> Table:
    size = record.plan.size
    table = Table(
        title=f"D = {D:g}, N = {size.N}, d = {size.d}: median time and relative error",
        title_justify="left",
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    table.add_column("alpha", no_wrap=True, max_width=_NAME)
    for alpha in alphas:
        table.add_column(alpha, justify="right", no_wrap=True)
    kind = ""
    for peer in record.plan.peers:
        row = [found.get((peer.name, D, alpha)) for alpha in alphas]
        if peer.name in record.missing:
            texts = ["not installed"] + [""] * (len(alphas) - 1)
        elif any(row):
            late = {alpha for name, depth, alpha in record.late if (name, depth) == (peer.name, D)}
            texts = [
                _text(cell) if cell else "too slow" if alpha in late else ""
                for cell, alpha in zip(row, alphas, strict=True)
            ]
        else:
            continue
        if kind and kind != peer.kind:
            table.add_section()
        kind = peer.kind
        style = "bold" if peer.name == _PACKAGE else None
        table.add_row(peer.name, *texts, style=style)
    return table


def _text(cell: Cell) -> str:
    if cell.usable:
        return f"{_seconds(cell.seconds)} {cell.error:.0e}"
    if cell.error is not None and cell.error > USABLE:
        return f"[red]{100 * cell.error:.3g} % off[/]" if cell.error < 10 else f"[red]{cell.error:.0e} off[/]"
    for what in ("time limit", "crashed"):
        if cell.reason.startswith(what):
            return f"[red]{what}[/]"
    return "[red]failed[/]"


def _seconds(value: float) -> str:
    return f"{1e3 * value:.2g} ms" if value < 0.0995 else f"{value:.2g} s" if value < 99.5 else f"{value:.0f} s"


def remarks(record: Record) -> list[str]:
    """Where each peer fails, a line per peer, depth and reason; what is missing comes last."""
    lines: dict[tuple[str, float, str], list[str]] = {}
    for cell in cells(record.measurements).values():
        if cell.reason:
            lines.setdefault((cell.peer, cell.D, cell.reason), []).append(cell.alpha)
    texts = [f"{peer}, D = {D:g}, alpha = {', '.join(at)}: {reason}" for (peer, D, reason), at in lines.items()]
    return texts + [f"{name}: not installed (needs {module})" for name, module in record.missing.items()]


def complaints(record: Record) -> list[str]:
    """One line for every run of the package itself that has no usable solution."""
    found = cells(record.measurements).values()
    return [
        f"D = {cell.D:g}, alpha = {cell.alpha}: {cell.reason}"
        for cell in found
        if cell.peer == _PACKAGE and cell.reason
    ]


@dataclass(frozen=True)
class Ratio:
    """One of the figures at the end.

    Attributes
    ----------
    what
        Which.
    D, alpha
        Where.
    value
        The figure; None where it cannot be given.
    detail
        What it compares.
    """

    what: str
    D: float
    alpha: str
    value: float | None
    detail: str

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.alpha}: -, {self.detail}"
        shown = f"{self.value:.0e}" if self.what == _TINY else f"{self.value:.3g}"
        return f"{self.alpha}: {shown}{'' if self.what == _TINY else ' times'}, {self.detail}"


_TINY: Final = "median relative error of coordinates below 1e-6 of the largest"
_FASTER: Final[tuple[tuple[str, Callable[[Cell], bool], bool], ...]] = (
    (
        "faster than the best conic solver, at equal or better accuracy",
        lambda cell: cell.kind == "conic",
        False,
    ),
    ("faster than the best of SciPy, at equal or better accuracy", lambda cell: cell.kind == "smooth", False),
    ("faster than training, to the same distance or nearer", lambda cell: cell.kind == "training", False),
    (
        "faster than gradient descent, to the same distance or nearer",
        lambda cell: cell.peer.startswith("gradient descent"),
        False,
    ),
    ("faster than HiGHS at the l1 end", lambda cell: cell.peer.startswith("HiGHS"), True),
)


def ratios(record: Record) -> list[Ratio]:
    """The figures that the package is held to, for every depth and alpha."""
    found = cells(record.measurements)
    out: list[Ratio] = []
    places = [(D, alpha) for D in record.plan.depths for alpha in record.plan.alphas]
    for what, chosen, rich in _FASTER:
        for D, alpha in places:
            ours = found.get((_PACKAGE, D, alpha.label))
            if ours is None or (rich and alpha.log > RICH):
                continue
            others = [c for c in found.values() if (c.D, c.alpha) == (D, alpha.label) and chosen(c)]
            excess = _excess(record, D, alpha.label) if rich else 0.0
            if others and excess > _L1:
                detail = f"the end point itself has an l1 norm {excess:.0e} above the least: not the l1 end yet"
                out.append(Ratio(what, D, alpha.label, None, detail))
            elif others:
                out.append(_faster(what, ours, others, rich=rich))
    for D, alpha in places:
        ours, path = found.get((_PACKAGE, D, alpha.label)), found.get((f"{_PACKAGE}, path", D, alpha.label))
        what = "time of the path of 100 points over that of its smallest alpha"
        if ours is not None and path is not None:
            if path.usable and ours.usable:
                detail = f"{_seconds(path.seconds)} over {_seconds(ours.seconds)}"
                out.append(Ratio(what, D, alpha.label, path.seconds / ours.seconds, detail))
            else:
                out.append(Ratio(what, D, alpha.label, None, path.reason or ours.reason))
    for D, alpha in places:
        here = [c for c in found.values() if (c.D, c.alpha) == (D, alpha.label) and c.usable and c.tiny is not None]
        own, others = ([c for c in here if c.peer.startswith(_PACKAGE) is mine] for mine in (True, False))
        for cell in [*own, *sorted(others, key=lambda c: c.tiny or 0.0)[:1]]:
            best = "" if cell in own else ", the best of the others"
            out.append(Ratio(_TINY, D, alpha.label, cell.tiny, cell.peer + best))
    return out


def _excess(record: Record, D: float, alpha: str) -> float:
    """How far, relatively, the l1 norm of the exact end point is above the least one."""
    if record.least_l1 is None or (D, alpha) not in record.references:
        return 0.0
    least = Decimal(record.least_l1)
    return float((Decimal(record.references[D, alpha][1]) - least) / least)


def _faster(what: str, ours: Cell, others: Sequence[Cell], *, rich: bool) -> Ratio:
    usable = [c for c in others if c.usable]
    if not ours.usable:
        return Ratio(what, ours.D, ours.alpha, None, f"the package failed: {ours.reason}")
    if not usable:
        longest = max(others, key=lambda c: c.seconds)
        detail = f"none came within {USABLE:.0%}"
        if "time limit" in longest.reason:
            detail += (
                f"; {longest.peer} had {_seconds(longest.seconds)}, {longest.seconds / ours.seconds:.3g} times the "
                f"{_seconds(ours.seconds)} of the package"
            )
        return Ratio(what, ours.D, ours.alpha, None, detail)

    def accuracy(cell: Cell) -> float:
        return max((cell.l1_error if rich else cell.error) or 0.0, _EXACT)

    comparable = [c for c in usable if accuracy(c) >= accuracy(ours)]
    if not comparable:
        best = min(usable, key=lambda c: c.seconds)
        return Ratio(what, ours.D, ours.alpha, None, f"{best.peer} is more accurate, {accuracy(best):.0e}")
    best = min(comparable, key=lambda c: c.seconds)
    measure = "l1 value " if rich else ""
    detail = (
        f"{best.peer} {_seconds(best.seconds)}, {measure}{(best.l1_error if rich else best.error):.0e}; "
        f"package {_seconds(ours.seconds)}, {(ours.l1_error if rich else ours.error):.0e}"
    )
    if best.note:
        detail += f", where it said: {best.note}"
    if best.solver_seconds is not None:
        detail += f" ({best.solver_seconds / ours.seconds:.3g} without the modelling layer)"
    return Ratio(what, ours.D, ours.alpha, best.seconds / ours.seconds, detail)


def record_json(record: Record) -> dict[str, Any]:
    """Everything as plain lists, numbers and strings."""
    return {
        "settings": record.plan.settings,
        "machine": record.machine,
        "interrupted": record.interrupted,
        "least_l1": record.least_l1,
        "references": [
            {"depth": D, "alpha": alpha, "error_bound": bound, "l1": l1}
            for (D, alpha), (bound, l1) in record.references.items()
        ],
        "peers": [
            {"name": p.name, "kind": p.kind, "solves": p.solves, "installed": p.name not in record.missing}
            for p in record.plan.peers
        ],
        "cells": [dataclasses.asdict(cell) for cell in cells(record.measurements).values()],
        "late": [{"peer": name, "depth": D, "alpha": alpha} for name, D, alpha in record.late],
        "ratios": [dataclasses.asdict(ratio) for ratio in ratios(record)],
        "measurements": [dataclasses.asdict(m) for m in record.measurements],
    }
