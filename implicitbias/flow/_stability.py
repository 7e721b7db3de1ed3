"""What the theorems ask of a trajectory, measured on it: stable support vectors, and closeness to a KKT point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ._trajectory import Trajectory

    Vector = NDArray[np.float64]

__all__ = ["ParameterKKT", "Stability", "SupportChange", "parameter_kkt", "stability"]


class SupportChange(NamedTuple):
    """A sample that becomes a support vector, or ceases to be one."""

    accuracy: float
    """``-log loss`` where it happens, known to the spacing of the saved states."""
    sample: int
    kind: Literal["enters", "leaves"]


@dataclass(frozen=True, eq=False)
class Stability:
    """Whether support vectors are stable along a trajectory, in the sense of Condition 5.

    Attributes
    ----------
    stable
        Whether every sample that is not a support vector at the end keeps ``m_n >= rho0 gamma`` in the window.
    support
        Support vectors at the end, ``(N,)``.
    window
        First and last accuracy looked at.
    rho0
        The ratio asked for.
    ratio
        Least ``m_n / gamma`` in the window, ``(N,)``.
    failed_at
        Largest accuracy in the window with ``m_n < rho0 gamma``, ``(N,)``; nan for support vectors at the end and
        for samples that never fail.
    changes
        Changes of the set of support vectors in the window, in order.
    """

    stable: bool
    support: NDArray[np.bool_]
    window: tuple[float, float]
    rho0: float
    ratio: Vector
    failed_at: Vector
    changes: tuple[SupportChange, ...]


def stability(
    trajectory: Trajectory, *, rho0: float = 1.05, start: float | None = None, share: float = 1e-8
) -> Stability:
    r"""Condition 5 of Moroshko et al. (2020), the stability of support vectors, on a trajectory.

    Condition 5 asks of every sample with ``y_n <x_n, w>/gamma > 1`` at the end that its margin be at least
    ``rho_0 > 1`` times the smallest one at all losses between ``epsilon`` (the end) and some
    :math:`\epsilon^* = e^{-o(\alpha^D)}`. Where it fails, the flow need not end near the minimizer of ``Q_mu``, and
    :func:`implicitbias.flow_limit` tells where it goes instead.

    Parameters
    ----------
    trajectory
        Of the exponential or the logistic loss; only its saved states are looked at.
    rho0
        Ratio asked for, above 1.
    start
        First accuracy of the window, ``-log epsilon*``. None means ``alpha^{D/2}``, the geometric mean of the
        scales where the flow separates the data (1) and where it leaves the kernel regime (``alpha^D``), but not
        less than ``log(1/share)/(rho0 - 1)``: below that no margins are told apart.
    share
        Share of the slope of the loss, relative to the largest, from which on a sample is a support vector.

    Returns
    -------
    Stability
        The verdict with its evidence.

    Raises
    ------
    ValueError
        If the trajectory is one of the squared loss, has no state in the window, or an argument is out of range.

    Notes
    -----
    Margins of support vectors are equal only up to a constant: ``m_n - gamma = log(p_max/p_n)`` exactly, with the
    shares ``p`` of the slope of an exponential loss. So the tolerance is ``log(1/share)/gamma``, which falls
    along the trajectory, and not a fixed one: the multipliers of support vectors grow along ``p_n``, which is of
    order one for them and ``e^{-(rho - 1) gamma}`` for the others.
    """
    if getattr(trajectory, "loss", None) not in {"exponential", "logistic"}:
        got = f"one of the {trajectory.loss} loss" if hasattr(trajectory, "loss") else repr(trajectory)
        raise ValueError(f"trajectory must be one of the exponential or logistic loss, got {got}")
    if not 1.0 < rho0 < math.inf:
        raise ValueError(f"rho0 must be a number above 1, got {rho0}")
    if not 0.0 < share < 1.0:
        raise ValueError(f"share must lie between 0 and 1, got {share}")
    accuracy = np.asarray(trajectory.accuracy).astype(np.float64)
    lowest = math.log(1.0 / share) / (rho0 - 1.0)
    if start is None:
        half = 0.5 * float(trajectory.D) * float(trajectory.log_alpha)
        start = max(math.exp(min(half, 700.0)), lowest)
    inside = accuracy >= start
    if not inside.any():
        raise ValueError(
            f"the window must hold a saved state: it starts at accuracy {start:.6g}, the trajectory ends at "
            f"{accuracy[-1]:.6g}; follow it further, or give another start"
        )
    accuracy = accuracy[inside]
    margins = np.asarray(trajectory.margins)[inside]
    gamma = np.min(margins, axis=1)
    behind = (margins - gamma[:, None]).astype(np.float64)  # before rounding to float64, in multiprecision
    ratios = 1.0 + behind / gamma.astype(np.float64)[:, None]
    excess = behind - math.log(1.0 / share)
    support = excess[-1] <= 0.0
    below = (ratios < rho0) & ~support
    failed = np.array([accuracy[column].max() if column.any() else math.nan for column in below.T])
    return Stability(
        stable=not below.any(),
        support=support,
        window=(float(accuracy[0]), float(accuracy[-1])),
        rho0=rho0,
        ratio=ratios.min(axis=0),
        failed_at=failed,
        changes=_changes(accuracy, excess),
    )


def _changes(accuracy: Vector, excess: Vector) -> tuple[SupportChange, ...]:
    """Crossings of zero of the excess of each margin over what makes a support vector, ``(k, N)``."""
    found = []
    for row, sample in np.argwhere((excess[1:] <= 0.0) != (excess[:-1] <= 0.0)):
        before, after = float(excess[row, sample]), float(excess[row + 1, sample])
        place = accuracy[row] + (accuracy[row + 1] - accuracy[row]) * before / (before - after)
        kind: Literal["enters", "leaves"] = "enters" if after <= 0.0 else "leaves"
        found.append(SupportChange(float(place), int(sample), kind))
    return tuple(sorted(found))


@dataclass(frozen=True, eq=False)
class ParameterKKT:
    """How far ``u/||u||``, the direction of all weights, is from a KKT point; entries of ``(k,)`` or numbers.

    Attributes
    ----------
    stationarity
        ``min_c ||u/||u|| - c g||``, with g the gradient of the loss in the weights: the sine of the angle between
        the weights and minus that gradient.
    complementarity
        ``sum p_n (m_n - gamma) / sum p_n m_n``, p the shares of the slope: the weight that the multipliers put on
        constraints that are not tight.
    """

    stationarity: Any
    complementarity: Any


def parameter_kkt(trajectory: Trajectory) -> ParameterKKT:
    r"""How far the saved states are, in direction, from KKT points of the largest margin in the weights.

    The problem is :math:`\min_u \|u\|_2` subject to ``y_n f(u, x_n) >= 1`` over the weights ``u = (w_+, w_-)``; the
    multipliers are those that the flow provides, in proportion to the shares ``p_n``.

    Parameters
    ----------
    trajectory
        Of the exponential or the logistic loss.

    Returns
    -------
    ParameterKKT
        Both residuals at every saved state, ``(k,)``. The first stays near 1 until the accuracy is of the order of
        ``alpha^D``, both then tend to zero. nan where not all margins are positive.

    Raises
    ------
    ValueError
        If the trajectory is one of the squared loss.

    Notes
    -----
    Lyu and Li (2020), Theorem 4.4 (with approximate KKT points), which Moroshko et al. (2020) quote as Theorem 2.
    Both residuals are free of units.
    """
    if getattr(trajectory, "loss", None) not in {"exponential", "logistic"}:
        got = f"one of the {trajectory.loss} loss" if hasattr(trajectory, "loss") else repr(trajectory)
        raise ValueError(f"trajectory must be one of the exponential or logistic loss, got {got}")
    found = [
        weights_kkt(plus, minus, trajectory.signed, trajectory.D, share, margin)
        for plus, minus, share, margin in zip(
            trajectory.w_plus, trajectory.w_minus, trajectory.softmax, trajectory.margins, strict=True
        )
    ]
    return ParameterKKT(
        np.array([one.stationarity for one in found]), np.array([one.complementarity for one in found])
    )


def weights_kkt(
    w_plus: ArrayLike, w_minus: ArrayLike, signed: ArrayLike, D: Any, share: ArrayLike, margins: ArrayLike
) -> ParameterKKT:
    """The same for one set of weights, ``(d,)`` each.

    Parameters
    ----------
    w_plus, w_minus
        Weights, positive.
    signed
        Rows ``y_n x_n``, ``(N, d)``.
    D
        Depth.
    share
        Multipliers up to a factor, ``(N,)``.
    margins
        Margins of ``w_+^D - w_-^D``, ``(N,)``.
    """
    u = np.concatenate([np.asarray(w_plus), np.asarray(w_minus)])
    u = (u / u.max()).astype(np.float64)
    p, m = np.asarray(share).astype(np.float64), np.asarray(margins)
    gamma = m.min()
    if not gamma > 0:
        return ParameterKKT(math.nan, math.nan)
    u /= np.linalg.norm(u)
    pull = np.asarray(signed).T @ p
    down = u ** (float(D) - 1.0) * np.concatenate([pull, -pull])
    down /= np.linalg.norm(down)
    residual = float(np.linalg.norm(u - (u @ down) * down))
    over = float(p @ (m - gamma).astype(np.float64))
    return ParameterKKT(residual, over / (over + float(gamma) * float(p.sum())))
