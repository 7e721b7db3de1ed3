"""Paths of classifiers over depths and alphas: the runs, a table and one figure."""

from __future__ import annotations

import functools
import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from .._crosscheck import crosscheck, minimum_norms
from .._report import TrajectoryReport
from ..flow import Trajectory, gradient_flow
from ._end_points import COLORS, MARKERS
from ._run import Follower, Job, Sweep, run_jobs
from ._tables import fitted, plain_table

__all__ = ["PATH_ACCURACY", "draw_paths", "path_sweep", "path_table"]

PATH_ACCURACY = 1000.0  # to which the flow is trained: a loss of 1e-434, which no float holds
_DESCENT_ACCURACY = 10.0  # to which normalized gradient descent gets in a second or two
_DESCENT_STEP = 1e-3
_DESCENT_AGREEMENT = 0.02  # its error is of the first order in the step, times slopes of order 10
_DESCENT_DEPTH = 4  # the deepest that it is run at: beyond, this step is too long
_DESCENT_ALPHA = "1"  # beyond some 3 this step is too long for the curvature, far below 1 it takes for ever
_EXPENDABLE = ("solve", "train", "accuracy", "to Q_mu")  # columns a narrow terminal does without, in this order
_CURVE_POINTS = 61


def path_sweep(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    alphas: Sequence[str],
    depths: Sequence[float],
    loss: str,
    device: str | None,
    notes: Console,
    *,
    descent: bool,
) -> Sweep[TrajectoryReport]:
    """Cross-check every depth with every alpha; one that fails or is interrupted leaves the others standing.

    Parameters
    ----------
    X, y, loss, device
        As for :func:`implicitbias.crosscheck`.
    alphas, depths
        The runs, in the order of the depths.
    notes
        Where progress is shown, if it is a terminal.
    descent
        Whether to add a run by normalized gradient descent for every depth up to 4.

    Raises
    ------
    NotSeparableError
        If no predictor separates the classes.
    """
    minimum = minimum_norms(X, y, loss)
    plain: dict[str, Any] = {"until_accuracy": PATH_ACCURACY}
    stepwise: dict[str, Any] = {
        "trainer": "normalized",
        "until_accuracy": _DESCENT_ACCURACY,
        "step_size": _DESCENT_STEP,
        "agreement": _DESCENT_AGREEMENT,
    }

    def run(depth: float, alpha: str, options: dict[str, Any], callback: Follower | None) -> TrajectoryReport:
        kind: Any = loss
        report: TrajectoryReport = crosscheck(
            X, y, alpha, depth, loss=kind, device=device, minimum=minimum, callback=callback, **options
        )
        return report

    jobs = []
    for depth in depths:
        jobs += [Job(depth, alpha, functools.partial(run, depth, alpha, plain)) for alpha in alphas]
        if descent and depth <= _DESCENT_DEPTH:
            jobs.append(Job(depth, _DESCENT_ALPHA, functools.partial(run, depth, _DESCENT_ALPHA, stepwise)))
    return run_jobs(
        jobs,
        notes,
        math.log1p(PATH_ACCURACY),
        lambda now: math.log1p(max(now.accuracy, 0.0)),
        lambda now: f"accuracy {now.accuracy:.4g}",
    )


def path_table(reports: Sequence[TrajectoryReport], width: int = 80) -> Table:
    """One row per run: how far it got, agreement, where the direction is between the max-margin ones, and cost.

    Parameters
    ----------
    reports
        At least one.
    width
        Of the terminal; where not every column fits, those of :data:`_EXPENDABLE` are left out.
    """
    return fitted(lambda without: _table(reports, without), _EXPENDABLE, width)


def _table(reports: Sequence[TrajectoryReport], without: Sequence[str]) -> Table:
    timed = [name for name in ("solve", "train") if name not in without]
    names = ("D", "alpha", "trainer", "accuracy", "distance", "to l2", "to Q_mu", "to l1", "solve", "train", "")
    table = plain_table(
        "accuracy: -log loss reached. distance: largest relative one between trained and predicted predictors at "
        "the same accuracy. to l2, Q_mu, l1: from the last trained direction to the max-margin ones, mu = "
        f"alpha^D / accuracy. normalized: gradient descent with steps of {_DESCENT_STEP:g}, whose error is of "
        "first order in them" + (f". {', '.join(timed)}: seconds" if timed else ""),
        [name for name in names if name not in without],
    )
    before: float | None = None
    for report in reports:
        if before is not None and before != report.D:
            table.add_section()
        before = report.D
        limits = report.limit_distances()
        style = "green" if report.agrees else "bold red"
        cells = (
            f"{report.D:g}",
            str(report.alpha),
            report.trainer,
            f"{report.accuracy[-1]:.4g}" if len(report.accuracy) else "none",
            f"[{style}]{report.distance:.1e}[/]",
            *(f"{limits[name]:.4f}" for name in ("l2", "path", "l1")),
            f"{report.predicted.seconds:.2f}",
            f"{report.trained.seconds:.2f}",
            f"[{style}]{report.verdict}[/]",
        )
        table.add_row(*(cell for name, cell in zip(names, cells, strict=True) if name not in without))
    return table


def draw_paths(figure: Any, reports: Sequence[TrajectoryReport], title: str) -> None:
    """Excess of the l1 and of the l2 norm at margin 1 against the accuracy: predicted curves, trained points.

    Parameters
    ----------
    figure
        Where two panels on logarithmic axes are drawn, a colour per alpha, a style per depth.
    """
    panels = figure.subplots(1, 2, sharex=True)
    depths = list(dict.fromkeys(report.D for report in reports))
    alphas = list(dict.fromkeys(report.alpha for report in reports))
    for report in reports:
        color = COLORS[alphas.index(report.alpha) % len(COLORS)]
        index = depths.index(report.D)
        line, marker = ("-", "--", ":", "-.")[index % 4], MARKERS[index % len(MARKERS)]
        flow = report.trainer == "flow"
        if flow:
            label = rf"$D = {report.D:g}$, $\alpha = {report.alpha}$"
            path = _predicted_path(report)
            for panel, curve in zip(panels, _excess(path.beta, report), strict=True):
                panel.loglog(path.accuracy, curve, line, color=color, linewidth=1.2, label=label)
        for panel, points in zip(panels, _excess(report.beta, report), strict=True):
            fill = "white" if flow else color
            panel.loglog(report.accuracy, points, marker, color=color, markerfacecolor=fill, markersize=4)
    for panel, norm in zip(panels, (r"$\ell_1$", r"squared $\ell_2$"), strict=True):
        panel.set_xlabel(r"accuracy $-\log L$")
        panel.set_ylabel(f"excess of the {norm} norm at margin 1")
        panel.grid(which="major", color="0.92")
        panel.set_axisbelow(True)
    panels[1].legend(frameon=False, fontsize=8)
    figure.suptitle(textwrap.fill(title, 110), fontsize=10)


def _predicted_path(report: TrajectoryReport) -> Trajectory:
    """The prediction at more states than the training has."""
    flow = report.predicted
    marks = np.geomspace(report.accuracy[0], report.accuracy[-1], _CURVE_POINTS)[:-1]
    return gradient_flow(
        flow.X,
        flow.y,
        report.alpha,
        report.D,
        loss=report.loss,
        w0=flow.w0,
        until_accuracy=report.accuracy[-1],
        save_at=marks,
        throw=False,
    )


def _excess(beta: NDArray[np.float64], report: TrajectoryReport) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of the l1 and of the squared l2 norm at margin 1, ``(k,)``; nan where a sample is on the wrong side."""
    margins = (beta @ report.predicted.signed.T).min(axis=1)
    scaled = beta / np.where(margins > 0, margins, np.nan)[:, None]
    l1, l2 = report.minimum.l1.beta, report.minimum.l2.beta
    return (
        np.abs(scaled).sum(axis=1) / np.abs(l1).sum() - 1.0,
        np.square(scaled).sum(axis=1) / np.square(l2).sum() - 1.0,
    )
