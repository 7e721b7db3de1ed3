"""The path of training a classifier, predicted and trained."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._report import MinimumNorms, TrajectoryReport
from .._report._trajectories import direction_gap
from ..flow import gradient_flow
from ..problems import Margins
from ..regularizer import Q
from ..solvers import max_margin
from ._devices import on_device
from ._minimum import minimum_norms
from ._options import check_options

__all__ = ["PATH_TRAINERS", "compare_trajectories"]

PATH_TRAINERS = ("flow", "normalized")
_ACCURACY = 1e3  # to train to where the caller names none
_MARKS = 12
_FIRST_MARK = 1e-3  # of the way, for the first of them


def compare_trajectories(
    X: ArrayLike,
    y: ArrayLike,
    alpha: float | str,
    D: float,
    *,
    w0: ArrayLike | None,
    loss: str,
    device: str | None,
    trainer: str,
    agreement: float,
    minimum: MinimumNorms | None,
    options: dict[str, Any],
) -> TrajectoryReport:
    """Train, predict the states it passed and compare; arguments as for :func:`implicitbias.crosscheck`."""
    problem = Margins(X, y)
    reg = Q(alpha, D=D, w0=w0)
    from ..train import DiagonalNetwork, train_by_log_flow, train_by_normalized_descent

    train = train_by_log_flow if trainer == "flow" else train_by_normalized_descent
    check_options(trainer, train, options)
    marks = options.pop("save_at", None)
    until = options.pop("until_accuracy", None)
    if until is None:
        until = _ACCURACY if marks is None else max(marks)
    # Before anything expensive: training is the long part, and a bad device or alpha shows here.
    points, labels = on_device(problem, device)
    network = DiagonalNetwork(problem.shape[1], D, alpha, w0, device=points.device)
    least = minimum_norms(problem.X, problem.y, loss) if minimum is None else minimum

    trained = train(
        network,
        lambda: labels * network(points),
        loss=loss,
        until_accuracy=until,
        save_at=_marks(until) if marks is None else marks,
        **options,
    )
    kept = trained.info["saved_accuracy"] > trained.info["initial_accuracy"]  # at the start there is no direction
    accuracy, beta = trained.info["saved_accuracy"][kept], trained.info["saved_beta"][kept]
    # Where there is nothing to compare the flow is asked for one state, which costs next to nothing.
    wanted = accuracy if len(accuracy) else [until]
    predicted = gradient_flow(problem.X, problem.y, alpha, D, loss=loss, w0=w0, save_at=wanted, throw=False)
    shared = min(len(accuracy), len(predicted))
    ahead = predicted.beta[:shared]
    with np.errstate(invalid="ignore", divide="ignore"):
        distances = np.linalg.norm(ahead - beta[:shared], axis=1) / np.linalg.norm(ahead, axis=1)
    last = float(accuracy[shared - 1]) if shared else until
    scale = Q.from_log_alpha(reg.log_alpha - math.log(last) / float(D), D=D, w0=w0)
    return TrajectoryReport(
        alpha=alpha,
        D=D,
        loss=loss,
        predicted=predicted,
        trained=trained,
        accuracy=accuracy[:shared],
        beta=beta[:shared],
        distances=distances,
        direction_distances=direction_gap(ahead, beta[:shared]),
        agreement=agreement,
        minimum=least,
        path=max_margin(problem.X, problem.y, scale, throw=False),
        trainer=trainer,
        device="cpu" if device is None else str(device),
        shape=problem.shape,
    )


def _marks(until: float) -> list[float]:
    """A dozen accuracies, evenly on a logarithmic scale, the last of which is the goal."""
    if not 0 < until < math.inf:
        raise ValueError(f"until_accuracy must be positive and finite, got {until}")
    return [*np.geomspace(_FIRST_MARK * until, until, _MARKS)[:-1].tolist(), until]
