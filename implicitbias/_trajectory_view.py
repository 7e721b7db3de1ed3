"""What the command shows of a trajectory: a progress bar, a table, JSON and a picture."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ._report import new_figure
from ._result import ImplicitBiasError
from ._sweep import fitted, plain_table
from .flow._progress import progress_bar as flow_bar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .flow import Trajectory

__all__ = ["progress_bar", "trajectory_figure", "trajectory_json", "trajectory_rows", "trajectory_table"]

_ROWS = 12
_LINES = 10  # coordinates in a picture, the largest ones
_HEADINGS = {
    "accuracy": "accuracy",
    "log10_loss": "log10 loss",
    "margin": "margin",
    "l1_excess": "l1 excess",
    "l2_excess": "l2 excess",
    "path_distance": "to Q_mu",
    "support": "support",
}
_EXPENDABLE = ("margin", "l2_excess", "log10_loss")


@contextlib.contextmanager
def progress_bar(start: float, end: float, notes: Console) -> Iterator[Callable[[Any], None] | None]:
    """A bar in the logarithm of the accuracy gained; yields what is to be called with states, or None.

    Parameters
    ----------
    start, end
        Accuracies between which the flow runs.
    notes
        Where the bar is; without a terminal there is none.
    """
    if not notes.is_terminal:
        yield None
        return
    with flow_bar(start, end, notes) as follow:
        yield follow


def trajectory_rows(trajectory: Trajectory) -> list[dict[str, Any]]:
    """A dozen of its states, evenly over those saved and always the last, with what follows from each.

    Returns
    -------
    list of dict
        Numbers of the kind the trajectory has; None where one does not exist, such as an excess before the classes
        are separated. ``support`` lists the samples that are support vectors.
    """
    if not len(trajectory):
        return []
    few = _states(trajectory, np.unique(np.linspace(0, len(trajectory) - 1, _ROWS).round().astype(int)))
    columns: dict[str, Any] = {"accuracy": few.accuracy, "log10_loss": few.log10_loss, "log10_time": few.log10_time}
    for name in ("l1_excess", "l2_excess", "path_distance"):
        columns[name] = _or_none(few, name)
    if trajectory.loss != "squared":
        columns["margin"] = few.margin
        columns["support"] = [np.flatnonzero(active).tolist() for active in few.support]
    return [{name: values[i] for name, values in columns.items()} for i in range(len(few))]


def _states(trajectory: Trajectory, chosen: NDArray[np.int_]) -> Trajectory:
    """Only these states of it, so that only of these the end points are computed."""
    names = ("accuracy", "beta", "dual", "log10_time")
    return replace(trajectory, **{name: getattr(trajectory, name)[chosen] for name in names})


def _or_none(few: Trajectory, name: str) -> list[float | None]:
    try:
        values = getattr(few, name)
    except ImplicitBiasError:  # the end point it is compared with is out of the solver's reach
        return [None] * len(few)
    return [float(value) if math.isfinite(value) else None for value in values]


def trajectory_table(trajectory: Trajectory, rows: list[dict[str, Any]], width: int) -> Table:
    """One line per row of :func:`trajectory_rows`; columns that a narrow terminal has no room for are left out."""
    squared = trajectory.loss == "squared"
    names = [name for name in _HEADINGS if not (squared and name in ("margin", "support"))]
    caption = (
        "to Q_mu: relative distance to the predicted end point"
        if squared
        else (
            "excess: l1 and squared l2 norm at margin 1, over the least possible. to Q_mu: relative distance to "
            "the max-margin predictor at mu = alpha^D / accuracy. support: support vectors, of "
            f"{len(trajectory.y)} samples"
        )
    )

    def make(without: Any) -> Table:
        kept = [name for name in names if name not in without]
        table = plain_table(caption, [_HEADINGS[name] for name in kept])
        for row in rows:
            table.add_row(*(_cell(name, row[name]) for name in kept))
        return table

    return fitted(make, _EXPENDABLE, width)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "support":
        return str(len(value))
    if name in ("l1_excess", "l2_excess", "path_distance"):
        return f"{value:.2e}"
    return _text(value, 6)


def _text(value: Any, digits: int) -> str:
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    import mpmath

    return str(mpmath.nstr(value, digits))


def trajectory_json(trajectory: Trajectory, description: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows and the last predictor in plain words; mpmath numbers become decimal strings."""

    def plain(value: Any) -> Any:
        if isinstance(value, list | np.ndarray):
            return [plain(item) for item in value]
        if value is None or isinstance(value, int | np.integer):
            return value if value is None else int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else None
        return _text(value, trajectory.digits or 17)

    last = trajectory.beta[-1] if len(trajectory) else []
    return {
        "description": description,
        "alpha": str(trajectory.alpha),
        "depth": float(trajectory.D),
        "loss": trajectory.loss,
        "digits": trajectory.digits,
        "status": trajectory.status.name.lower(),
        "states": len(trajectory),
        "steps": trajectory.steps,
        "seconds": trajectory.seconds,
        "rows": [{name: plain(value) for name, value in row.items()} for row in rows],
        "beta": plain(last),
    }


def trajectory_figure(trajectory: Trajectory, title: str) -> Any:
    """Draw the direction, the largest coordinates of it, and how far it is from its limits, against the accuracy.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels that share the accuracy; for the squared loss coordinates of the predictor.
    """
    figure = new_figure((8, 6))
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    squared = trajectory.loss == "squared"
    accuracy = trajectory.accuracy.astype(float)
    vectors = (trajectory.beta if squared else trajectory.direction).astype(float)
    for index, i in enumerate(np.argsort(-np.abs(vectors[-1]), kind="stable")[:_LINES]):
        top.plot(accuracy, vectors[:, i], color=f"C{index}", linewidth=1.3, label=rf"${i}$")
    top.axhline(0, color="0.8", linewidth=0.8)
    top.set_ylabel(r"$\beta_i$" if squared else r"$\beta_i \,/\, \|\beta\|$")
    top.legend(
        frameon=False, fontsize=8, title="coordinate", title_fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5)
    )
    top.set_title(title, fontsize=10)
    rows = trajectory_rows(trajectory)
    for name, label, style in (
        ("l1_excess", r"excess $\ell_1$ norm", "-"),
        ("l2_excess", r"excess $\ell_2$ norm, squared", "-"),
        ("path_distance", "distance to the end point" if squared else r"distance to $Q_\mu$ path", "o--"),
    ):
        curve = [(float(row["accuracy"]), row[name]) for row in rows if row[name] is not None and row[name] > 0]
        if name != "path_distance":
            values = _or_none(trajectory, name)
            curve = [(a, v) for a, v in zip(accuracy, values, strict=True) if v is not None and v > 0]
        bottom.plot([a for a, _ in curve], [v for _, v in curve], style, markersize=3.5, linewidth=1.2, label=label)
    bottom.set_yscale("log")
    if not squared:
        bottom.set_xscale("log")
    bottom.set_xlabel(r"accuracy, $-\log L$")
    bottom.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
