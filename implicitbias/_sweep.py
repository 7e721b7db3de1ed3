"""What the command shows of a sweep over alpha: a table for the terminal and one figure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ._report import MinimumNorms, Report, new_figure
from .regularizer import Q
from .solvers import interpolate

__all__: list[str] = []

_COLORS = ("#7570b3", "#d95f02", "#1b9e77", "#e7298a", "#66a61e", "#a6761d")
_MARKERS = "os^Dv*"
_CURVE_POINTS = 41
_EXCESS_FLOOR = 1e-8  # the accuracy to which a default run trains; below it an excess is the trainer's error


def sweep_table(reports: Sequence[Report]) -> Table:
    """One row per (D, alpha): norms of the trained end point between their minima, agreement and cost."""
    minimum = reports[0].norms()
    least = (minimum["minimum_l1"]["l1"], minimum["minimum_l2"]["l2"])
    table = Table(
        caption=(
            f"norms of the trained end point; the smallest possible are l1 = {least[0]:.6g} "
            f"(rich regime, alpha -> 0) and l2 = {least[1]:.6g} (kernel regime, alpha -> inf). KKT: largest "
            "optimality residual of the predicted and of the trained end point; solve, train: seconds"
        ),
        caption_justify="left",
        # no vertical rules and little padding: the table has to fit into 80 columns
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    for name in ("D", "alpha", "l1 norm", "l2 norm", "distance", "KKT", "trained", "solve", "train", ""):
        table.add_column(name, justify="right", no_wrap=True)
    before: float | None = None
    for report in reports:
        if before is not None and before != report.D:
            table.add_section()
        before = report.D
        norms = report.norms()["trained"]
        style, verdict = ("green", "agree") if report.agrees else ("bold red", "DIFFER")
        table.add_row(
            f"{report.D:g}",
            str(report.alpha),
            f"{norms['l1']:.4f}",
            f"{norms['l2']:.4f}",
            f"[{style}]{report.distance:.1e}[/]",
            f"{max(report.residuals['predicted'].values()):.0e}",
            f"{max(report.residuals['trained'].values()):.0e}",
            f"{report.predicted.seconds:.3f}",
            f"{report.trained.seconds:.2f}",
            f"[{style}]{verdict}[/]",
        )
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
        solution = interpolate(X, y, Q(float(alpha), D=D), throw=False)
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
    grid = np.geomspace(min(trained) / 1.5, max(trained) * 1.5, _CURVE_POINTS)
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


def sweep_json(description: str, reports: Sequence[Report]) -> Mapping[str, Any]:
    """Return the whole sweep as plain lists, numbers and strings."""
    return {
        "description": description,
        "agrees": all(report.agrees for report in reports),
        "largest_distance": max(report.as_dict()["distance"] for report in reports),
        "rows": [report.as_dict() for report in reports],
    }


def _excess(beta: NDArray[np.float64], minimum: MinimumNorms) -> tuple[float, float]:
    return (
        float(np.abs(beta).sum() / np.abs(minimum.l1.beta).sum() - 1),
        float(np.linalg.norm(beta) / np.linalg.norm(minimum.l2.beta) - 1),
    )
