"""End points over depths and alphas: the runs, a table and one figure."""

from __future__ import annotations

import functools
import math
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from .._crosscheck import crosscheck, minimum_norms
from .._report import MinimumNorms, Report
from ..regularizer import Q
from ..solvers import interpolate
from ._run import Follower, Job, Sweep, run_jobs
from ._tables import fitted, plain_table

__all__ = ["draw_end_points", "end_point_sweep", "end_point_table"]

COLORS = ("#7570b3", "#d95f02", "#1b9e77", "#e7298a", "#66a61e", "#a6761d")
MARKERS = "os^Dv*"
_CURVE_POINTS = 41
_EXCESS_FLOOR = 1e-8  # the accuracy to which a default run trains; below it an excess is the trainer's error
_TARGET = 1e-20  # the relative loss to which a default run trains
_EXPENDABLE = ("solve", "train", "l2 norm")  # columns a narrow terminal does without, in this order


def end_point_sweep(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    alphas: Sequence[str],
    depths: Sequence[float],
    device: str | None,
    notes: Console,
) -> Sweep[Report]:
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

    def run(depth: float, alpha: str, callback: Follower | None) -> Report:
        return crosscheck(X, y, alpha, depth, device=device, minimum=minimum, callback=callback)

    jobs = [Job(depth, alpha, functools.partial(run, depth, alpha)) for depth in depths for alpha in alphas]
    target = -math.log(_TARGET)
    return run_jobs(
        jobs,
        notes,
        target,
        lambda now: -math.log(now.loss) if now.loss > 0 else target,
        lambda now: f"loss {now.loss:.0e}",
    )


def end_point_table(reports: Sequence[Report], width: int = 80) -> Table:
    """One row per (D, alpha): norms of the trained end point between their minima, agreement and cost.

    Parameters
    ----------
    reports
        At least one.
    width
        Of the terminal; where not every column fits, those of :data:`_EXPENDABLE` are left out.
    """
    return fitted(lambda without: _table(reports, without), _EXPENDABLE, width)


def _table(reports: Sequence[Report], without: Sequence[str]) -> Table:
    minimum = reports[0].norms()
    least = (minimum["minimum_l1"]["l1"], minimum["minimum_l2"]["l2"])
    timed = [name for name in ("solve", "train") if name not in without]
    names = ("D", "alpha", "l1 norm", "l2 norm", "distance", "KKT", "KKT train", "solve", "train", "")
    table = plain_table(
        f"norms of the trained end point; the smallest possible are l1 = {least[0]:.6g} "
        f"(rich regime, alpha -> 0) and l2 = {least[1]:.6g} (kernel regime, alpha -> inf). KKT: largest "
        "optimality residual of the predicted and of the trained end point"
        + (f"; {', '.join(timed)}: seconds" if timed else ""),
        [name for name in names if name not in without],
    )
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


def draw_end_points(
    figure: Any, X: NDArray[np.float64], y: NDArray[np.float64], reports: Sequence[Report], title: str
) -> None:
    """Excess of the l1 and of the l2 norm over its minimum against alpha: predicted curves, trained points.

    Parameters
    ----------
    figure
        Where two panels on logarithmic axes are drawn, one colour per depth.
    """
    panels = figure.subplots(1, 2, sharex=True)
    by_depth: dict[float, list[Report]] = {}
    for report in reports:
        by_depth.setdefault(report.D, []).append(report)
    trained = [float(report.alpha) for report in reports]
    grid = np.geomspace(min(trained) / 1.5, min(max(trained) * 1.5, sys.float_info.max), _CURVE_POINTS)
    minimum = reports[0].minimum
    for index, (depth, group) in enumerate(by_depth.items()):
        color, marker = COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]
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


def _excess(beta: NDArray[np.float64], minimum: MinimumNorms) -> tuple[float, float]:
    return (
        float(np.abs(beta).sum() / np.abs(minimum.l1.beta).sum() - 1),
        float(np.linalg.norm(beta) / np.linalg.norm(minimum.l2.beta) - 1),
    )
