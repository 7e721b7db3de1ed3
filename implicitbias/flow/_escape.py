"""How long gradient flow from a small initialization stays near the saddle at zero."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problems import Interpolation, Margins
from ..regularizer import Q
from ._clock import log_rate
from ._gradient_flow import gradient_flow
from ._marks import initial_accuracy

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ._trajectory import Trajectory

__all__ = ["SaddleEscape", "saddle_escape"]


@dataclass(frozen=True, eq=False)
class SaddleEscape:
    """When the flow has left the saddle at zero.

    Attributes
    ----------
    log10_time
        Decimal logarithm of the time at which the loss has fallen by the fraction asked for.
    predicted
        The same to leading order as alpha goes to 0.
    coordinate
        The coordinate of the predictor that grows first.
    trajectory
        The trajectory up to there.
    """

    log10_time: float
    predicted: float
    coordinate: int
    trajectory: Trajectory = field(repr=False)


def saddle_escape(
    X: ArrayLike,
    y: ArrayLike,
    alpha: Any,
    D: Any = 2,
    loss: str = "squared",
    *,
    w0: ArrayLike | None = None,
    fraction: float = 0.01,
    digits: int | None = None,
) -> SaddleEscape:
    r"""Time after which the loss has fallen by a fraction, measured and to leading order in a small alpha.

    Near zero the loss pulls with its gradient at zero, ``theta = t g`` with ``g_i = c |x_i^T y|`` for the squared
    loss (``c = 8`` at D = 2, ``2 D (D-2) alpha^(D-2)`` beyond). Coordinate i stays small until theta_i gets to
    where its curve does not: ``log(1/(alpha w0_i)^2)`` at D = 2, the end ``w0_i^(2-D)`` of the domain beyond. So

    ``t ~ min_i log(1/(alpha w0_i)^2) / (8 |x_i^T y|)`` and ``t ~ min_i (alpha w0_i)^(2-D) / (2D(D-2) |x_i^T y|)``.

    Parameters
    ----------
    X, y, alpha, D, loss, w0, digits
        As for :func:`implicitbias.gradient_flow`.
    fraction
        Fraction of the initial loss by which the loss has fallen, in (0, 1).

    Returns
    -------
    SaddleEscape
        The relative difference of the two times is ``O(1/log(1/alpha))`` at D = 2 and vanishes with a power of
        alpha beyond.

    Raises
    ------
    ValueError
        If `fraction` is out of range, or as :func:`implicitbias.gradient_flow` does.
    """
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"fraction must lie in (0, 1), got {fraction}")
    reg = Q(alpha, D, w0)
    squared = loss == "squared"
    problem: Any = Interpolation(X, y) if squared else Margins(X, y)
    start = initial_accuracy(problem, loss)
    if squared:
        pull = np.abs(problem.X.T @ problem.y)
    else:
        pull = np.abs(problem.signed.mean(axis=0)) * (1.0 if loss == "exponential" else 0.5)
    depth = float(reg.D)
    shape = np.ones(problem.shape[1]) if reg.w0 is None else reg.w0
    log_a = reg.log_alpha + np.log(shape)
    with np.errstate(divide="ignore"):
        if depth == 2.0:
            log_way = np.log(np.maximum(-2.0 * log_a, np.finfo(float).tiny))
        else:
            log_way = (2.0 - depth) * np.log(shape)
        log_times = log_way - np.log(pull) - log_rate(reg.log_alpha, depth, squared=squared)
    first = int(np.argmin(log_times))
    trajectory = gradient_flow(
        problem.X,
        problem.y,
        alpha,
        D,
        loss,
        w0=w0,
        until_accuracy=start - math.log1p(-fraction),
        save_at=1,
        digits=digits,
    )
    return SaddleEscape(
        float(trajectory.log10_time[-1]), float(log_times[first]) / math.log(10.0), first, trajectory
    )
