"""A sweep over depths and alphas as the command runs it, and what it shows: a table, JSON and one figure."""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ._crosscheck import crosscheck, minimum_norms
from ._report import MinimumNorms, Report, new_figure
from ._result import ImplicitBiasError
from .regularizer import Q
from .solvers import interpolate

__all__: list[str] = []

_COLORS = ("#7570b3", "#d95f02", "#1b9e77", "#e7298a", "#66a61e", "#a6761d")
_MARKERS = "os^Dv*"
_CURVE_POINTS = 41
_EXCESS_FLOOR = 1e-8  # the accuracy to which a default run trains; below it an excess is the trainer's error
_TARGET = 1e-20  # the relative loss to which a default run trains
_EXPENDABLE = ("solve", "train", "l2 norm")  # columns a narrow terminal does without, in this order


@dataclass
class Sweep:
    """What a sweep has come to.

    Attributes
    ----------
    reports
        One per run that ended, an interrupted training included.
    failures
        ``(D, alpha, reason)`` of each run that raised.
    interrupted
        Whether the runs after these are missing.
    """

    reports: list[Report] = field(default_factory=list)
    failures: list[tuple[float, str, str]] = field(default_factory=list)
    interrupted: bool = False

    @property
    def complaints(self) -> list[str]:
        """One line for every run that did not end in agreement."""
        failed = [f"D = {depth:g}, alpha = {alpha}: failed: {reason}" for depth, alpha, reason in self.failures]
        return [report.complaint for report in self.reports if report.complaint] + failed


def run_sweep(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    alphas: Sequence[str],
    depths: Sequence[float],
    device: str | None,
    notes: Console,
) -> Sweep:
    """Cross-check every depth with every alpha; one that fails or is interrupted leaves the others standing.

    Parameters
    ----------
    X, y, device
        As for :func:`implicitbias.crosscheck`.
    alphas, depths
        The runs, in the order of the depths.
    notes
        Where progress is shown, if it is a terminal.

    Raises
    ------
    InfeasibleError
        If ``X beta = y`` has no solution.
    """
    minimum = minimum_norms(X, y)
    sweep = Sweep()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.0e}"),
        TimeElapsedColumn(),
        console=notes,
        transient=True,
        disable=not notes.is_terminal,
    ) as progress:
        for depth in depths:
            for alpha in alphas:
                task = progress.add_task(f"D = {depth:g}, alpha = {alpha}", total=-math.log(_TARGET), loss=1.0)
                callback = _follower(progress, task) if notes.is_terminal else None
                try:
                    report = crosscheck(X, y, alpha, depth, device=device, minimum=minimum, callback=callback)
                except KeyboardInterrupt:  # outside the training, which would have returned
                    sweep.interrupted = True
                    return sweep
                except (ArithmeticError, ImplicitBiasError, ValueError) as error:  # LinAlgError is a ValueError
                    sweep.failures.append((depth, alpha, " ".join(str(error).split()) or type(error).__name__))
                else:
                    sweep.reports.append(report)
                    if report.verdict == "interrupted":
                        sweep.interrupted = True
                        return sweep
                progress.remove_task(task)
    return sweep


def _follower(progress: Progress, task: Any) -> Callable[[Any], None]:
    target = -math.log(_TARGET)

    def follow(now: Any) -> None:
        done = -math.log(now.loss) if now.loss > 0 else target
        progress.update(task, completed=min(max(done, 0.0), target), loss=now.loss)

    return follow


def sweep_table(reports: Sequence[Report], width: int = 80) -> Table:
    """One row per (D, alpha): norms of the trained end point between their minima, agreement and cost.

    Parameters
    ----------
    reports
        At least one.
    width
        Of the terminal; where not every column fits, those of :data:`_EXPENDABLE` are left out.
    """
    console = Console(width=10_000)
    for count in range(len(_EXPENDABLE) + 1):
        table = _table(reports, _EXPENDABLE[:count])
        if Measurement.get(console, console.options, table).maximum <= width:
            break
    return table


def _table(reports: Sequence[Report], without: Sequence[str]) -> Table:
    minimum = reports[0].norms()
    least = (minimum["minimum_l1"]["l1"], minimum["minimum_l2"]["l2"])
    timed = [name for name in ("solve", "train") if name not in without]
    table = Table(
        caption=(
            f"norms of the trained end point; the smallest possible are l1 = {least[0]:.6g} "
            f"(rich regime, alpha -> 0) and l2 = {least[1]:.6g} (kernel regime, alpha -> inf). KKT: largest "
            "optimality residual of the predicted and of the trained end point"
            + (f"; {', '.join(timed)}: seconds" if timed else "")
        ),
        caption_justify="left",
        # no vertical rules and little padding: the table has to fit into 80 columns
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    names = ("D", "alpha", "l1 norm", "l2 norm", "distance", "KKT", "KKT train", "solve", "train", "")
    for name in names:
        if name not in without:
            table.add_column(name, justify="right", no_wrap=True)
    before: float | None = None
    for report in reports:
        if before is not None and before != report.D:
            table.add_section()
        before = report.D
        norms = report.norms()["trained"]
        style = "green" if report.agrees else "bold red"
        cells = (
            f"{report.D:g}",
            str(report.alpha),
            f"{norms['l1']:.4f}",
            f"{norms['l2']:.4f}",
            f"[{style}]{report.distance:.1e}[/]",
            f"{max(report.residuals['predicted'].values()):.0e}",
            f"{max(report.residuals['trained'].values()):.0e}",
            f"{report.predicted.seconds:.3f}",
            f"{report.trained.seconds:.2f}",
            f"[{style}]{report.verdict}[/]",
        )
        table.add_row(*(cell for name, cell in zip(names, cells, strict=True) if name not in without))
    return table


def predicted_excess(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    alphas: NDArray[np.float64],
    D: float,
    minimum: MinimumNorms,
) -> NDArray[np.float64]:
    """Excess of the predicted end point's l1 and l2 norm over the least ones, shape ``(len(alphas), 2)``.

    Points at which the solver does not succeed are nan, which leaves a gap in the curve.
    """
    rows = []
    for alpha in alphas:
        try:
            solution = interpolate(X, y, Q(float(alpha), D=D), throw=False)
        except (ArithmeticError, ValueError):
            rows.append((np.nan, np.nan))
        else:
            rows.append(_excess(solution.beta, minimum) if solution.success else (np.nan, np.nan))
    return np.array(rows)


def sweep_figure(X: NDArray[np.float64], y: NDArray[np.float64], reports: Sequence[Report], title: str) -> Any:
    """Excess of the l1 and of the l2 norm over its minimum against alpha: predicted curves, trained points.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels on logarithmic axes, one colour per depth.
    """
    figure = new_figure((10, 4.4))
    panels = figure.subplots(1, 2, sharex=True)
    by_depth: dict[float, list[Report]] = {}
    for report in reports:
        by_depth.setdefault(report.D, []).append(report)
    trained = [float(report.alpha) for report in reports]
    grid = np.geomspace(min(trained) / 1.5, min(max(trained) * 1.5, sys.float_info.max), _CURVE_POINTS)
    minimum = reports[0].minimum
    for index, (depth, group) in enumerate(by_depth.items()):
        color, marker = _COLORS[index % len(_COLORS)], _MARKERS[index % len(_MARKERS)]
        curve = predicted_excess(X, y, grid, depth, minimum)
        points = np.array([_excess(report.trained.beta, minimum) for report in group])
        alphas = [float(report.alpha) for report in group]
        for column, panel in enumerate(panels):
            shown = np.where(curve[:, column] > _EXCESS_FLOOR, curve[:, column], np.nan)
            panel.loglog(grid, shown, color=color, linewidth=1.4, label=f"D = {depth:g}, predicted")
            seen = points[:, column] > _EXCESS_FLOOR
            panel.loglog(
                np.array(alphas)[seen],
                points[seen, column],
                marker,
                color=color,
                markerfacecolor="white",
                markeredgewidth=1.5,
                label=f"D = {depth:g}, trained",
            )
    for panel, norm, limit in zip(panels, ("\\ell_1", "\\ell_2"), ("rich", "kernel"), strict=True):
        panel.set_xlabel(r"scale of initialization $\alpha$")
        panel.set_title(rf"excess ${norm}$ norm: zero in the {limit} limit", fontsize=10)
        panel.set_ylabel(rf"$\|\beta\|_{norm[-1]} \,/\, \min\|\beta\|_{norm[-1]} - 1$")
        panel.grid(which="major", color="0.92")
        panel.set_axisbelow(True)
    panels[0].legend(frameon=False, fontsize=9)
    figure.suptitle(textwrap.fill(title, 110), fontsize=10)
    return figure


def sweep_json(description: str, sweep: Sweep) -> Mapping[str, Any]:
    """Return the whole sweep as plain lists, numbers and strings; a distance that is not finite is None."""
    largest = float(np.max([report.distance for report in sweep.reports], initial=-math.inf))
    return {
        "description": description,
        "agrees": not sweep.complaints,
        "largest_distance": largest if math.isfinite(largest) else None,
        "rows": [report.as_dict() for report in sweep.reports],
        "failed": [{"depth": depth, "alpha": alpha, "reason": reason} for depth, alpha, reason in sweep.failures],
    }


def _excess(beta: NDArray[np.float64], minimum: MinimumNorms) -> tuple[float, float]:
    return (
        float(np.abs(beta).sum() / np.abs(minimum.l1.beta).sum() - 1),
        float(np.linalg.norm(beta) / np.linalg.norm(minimum.l2.beta) - 1),
    )
