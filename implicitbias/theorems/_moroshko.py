"""The theorems of Moroshko et al. (2020) on classification, as functions, where there is something to compute.

Gradient flow on the exponential loss ``L(w) = (1/N) sum exp(-y_n <x_n, w>)`` of ``w = w_+^D - w_-^D`` from
``w_+ = w_- = alpha w0``, with accuracy ``gamma~ = -log L``; the paper has ``w0 = 1``. Scales and times
are given by their logarithms: nothing here is limited by the range of floats.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..regularizer import L1, L2, Q
from ..solvers.margin import max_margin
from ._arguments import require_depth

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "l2_margin",
    "moroshko_lemma3_accuracy",
    "moroshko_lemma3_loss",
    "moroshko_theorem4",
    "moroshko_theorem6",
    "moroshko_theorem6_accuracy",
    "moroshko_theorem6_log_mu",
    "moroshko_theorem7",
]


def l2_margin(X: ArrayLike, y: ArrayLike, D: float = 2, w0: ArrayLike | None = None) -> float:
    r"""Largest margin of a predictor of unit norm.

    .. math:: \gamma_2 = \max_{\|w\| = 1} \min_n y_n \langle x_n, w\rangle, \qquad
              \|w\|^2 = \sum_i w_i^2 / w_{0i}^{2(D-1)} .

    Parameters
    ----------
    X, y
        Samples ``(N, d)`` and labels ``(N,)``.
    D, w0
        Depth and shape, ``(d,)``, of the initialization. Without a shape the norm is the plain one.

    Returns
    -------
    float
        The margin, positive.

    Raises
    ------
    NotSeparableError
        If there is none.

    Notes
    -----
    Moroshko et al. (2020), above Lemma 3, for ``w0 = 1``. The inverse of the norm of :func:`moroshko_theorem4`.
    """
    norm = L2(_kernel_weights(D, w0))
    return float(1.0 / np.sqrt(2.0 * norm(moroshko_theorem4(X, y, D, w0))))


def moroshko_lemma3_loss(t: ArrayLike, alpha: float, D: float, gamma2: float) -> Any:
    r"""Upper bound of the loss at time t.

    .. math:: L(u(t)) \le \frac{1}{1 + 2 D^2 \alpha^{2D-2} \gamma_2^2 t} .

    Parameters
    ----------
    t
        Times of the flow ``u' = -grad L``, any shape, not negative.
    alpha, D
        Scale of initialization and depth.
    gamma2
        :func:`l2_margin`.

    Returns
    -------
    float or array
        The bound, of the shape of `t`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Moroshko et al. (2020), Lemma 3; as printed, and sharp: at ``t = 0`` the slopes are equal where the mean of the
    ``y_n x_n`` is the point nearest to zero of their convex hull. For another shape of the initialization it holds
    with the margin in the norm of that shape. Derived in ``derivations/classification.py``.
    """
    times = np.asarray(t, dtype=np.float64)
    if not (times >= 0.0).all():
        raise ValueError(f"t must not be negative, got {times.min()}")
    if not 0.0 < alpha < math.inf:
        raise ValueError(f"alpha must be positive and finite, got {alpha}")
    with np.errstate(divide="ignore"):
        log_time = np.log(times)
    return np.exp(-moroshko_lemma3_accuracy(log_time, math.log(alpha), D, gamma2))


def moroshko_lemma3_accuracy(log_time: ArrayLike, log_alpha: float, D: float, gamma2: float) -> Any:
    """Lower bound of ``-log L``: :func:`moroshko_lemma3_loss` for times and scales that no float holds.

    Parameters
    ----------
    log_time
        Natural logarithms of times, any shape; ``-inf`` for the start.
    log_alpha, D
        Natural logarithm of the scale of initialization, and the depth.
    gamma2
        :func:`l2_margin`.

    Returns
    -------
    float or array
        ``log(1 + 2 D^2 alpha^{2D-2} gamma_2^2 t)``, of the shape of `log_time`.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    require_depth(D)
    if not 0.0 < gamma2 < math.inf:
        raise ValueError(f"gamma2 must be positive and finite, got {gamma2}")
    rate = math.log(2.0) + 2.0 * (math.log(D) + math.log(gamma2)) + (2.0 * D - 2.0) * log_alpha
    return np.logaddexp(0.0, rate + np.asarray(log_time, dtype=np.float64))


def moroshko_theorem4(X: ArrayLike, y: ArrayLike, D: float = 2, w0: ArrayLike | None = None) -> NDArray[np.float64]:
    r"""Limit of ``w/gamma`` in the kernel regime, where ``gamma~`` is much less than ``alpha^D``.

    .. math:: \operatorname{argmin} \sum_i w_i^2 / w_{0i}^{2(D-1)}
              \quad\text{s.t.}\quad y_n\langle x_n, w\rangle \ge 1 .

    Parameters
    ----------
    X, y
        Samples ``(N, d)`` and labels ``(N,)``.
    D, w0
        Depth and shape of the initialization, ``(d,)``.

    Returns
    -------
    ndarray
        The l2 max-margin predictor, ``(d,)``.

    Raises
    ------
    NotSeparableError
        If there is none.

    Notes
    -----
    Moroshko et al. (2020), Theorem 4: the limit as ``alpha -> inf`` with ``gamma~ -> inf`` and
    ``gamma~/alpha^D -> 0``. The distance is of the order of ``1/gamma~`` (margins of support vectors differ by a
    constant) plus that of ``(gamma~/alpha^D)^2`` (the first correction of ``Q_mu`` to l2).
    """
    return np.asarray(max_margin(X, y, L2(_kernel_weights(D, w0))).beta)


def moroshko_theorem6_log_mu(accuracy: ArrayLike, log_alpha: float, D: float) -> Any:
    """Logarithm of ``mu = alpha^D / gamma~``, that of the regularizer ``Q_mu`` next to the flow.

    Parameters
    ----------
    accuracy
        ``gamma~ = -log loss``, positive, any shape.
    log_alpha, D
        Natural logarithm of the scale of initialization, and the depth.

    Returns
    -------
    float or array
        ``log mu``, of the shape of `accuracy`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Moroshko et al. (2020), Theorem 6, without a constant factor: with ``2 mu`` or ``mu/2`` it is false.
    """
    require_depth(D)
    gamma = np.asarray(accuracy, dtype=np.float64)
    if not (gamma > 0.0).all():
        raise ValueError(f"accuracy must be positive, got {gamma.min()}")
    return D * log_alpha - np.log(gamma)


def moroshko_theorem6_accuracy(log_mu: ArrayLike, log_alpha: float, D: float) -> Any:
    """Accuracy ``gamma~ = alpha^D / mu`` at which the flow is next to ``Q_mu``; its logarithm, as both may be huge.

    Parameters
    ----------
    log_mu
        ``log mu``, any shape.
    log_alpha, D
        Natural logarithm of the scale of initialization, and the depth.

    Returns
    -------
    float or array
        ``log gamma~``. At a fixed distance from the rich limit, so at a fixed mu, it grows with ``log alpha^D``, at
        slope 1.

    Raises
    ------
    ValueError
        If the depth is out of range.
    """
    require_depth(D)
    return D * log_alpha - np.asarray(log_mu, dtype=np.float64)


def moroshko_theorem6(
    X: ArrayLike, y: ArrayLike, accuracy: float, log_alpha: float, D: float = 2, w0: ArrayLike | None = None
) -> NDArray[np.float64]:
    r"""Predictor that ``w/gamma`` is near to at an accuracy of the order of ``alpha^D``.

    .. math:: \operatorname{argmin} Q_\mu^D(w) \quad\text{s.t.}\quad y_n\langle x_n, w\rangle \ge 1, \qquad
              \mu = \alpha^D / \tilde\gamma .

    Parameters
    ----------
    X, y
        Samples ``(N, d)`` and labels ``(N,)``.
    accuracy
        ``gamma~ = -log loss``.
    log_alpha, D, w0
        Natural logarithm of the scale, depth, and shape, ``(d,)``, of the initialization.

    Returns
    -------
    ndarray
        The predictor, ``(d,)``.

    Raises
    ------
    NotSeparableError
        If there is none.
    ValueError
        If an argument is out of range.

    Notes
    -----
    Moroshko et al. (2020), Theorem 6. It needs their Condition 5, the stability of support vectors
    (:func:`implicitbias.flow.stability`). What takes its place without is :func:`implicitbias.flow_limit`. The
    distance is of the order of ``1/gamma~`` up to a logarithm.
    """
    log_mu = float(moroshko_theorem6_log_mu(accuracy, log_alpha, D))
    return np.asarray(max_margin(X, y, Q.from_log_alpha(log_mu / D, D, w0)).beta)


def moroshko_theorem7(X: ArrayLike, y: ArrayLike, D: float = 2, w0: ArrayLike | None = None) -> NDArray[np.float64]:
    r"""Limit of ``w/gamma`` in the rich regime, where ``gamma~`` is much more than ``alpha^D``.

    .. math:: \operatorname{argmin} \sum_i w_{0i}^{2-D} |w_i| \quad\text{s.t.}\quad y_n\langle x_n, w\rangle \ge 1 .

    Parameters
    ----------
    X, y
        Samples ``(N, d)`` and labels ``(N,)``.
    D, w0
        Depth and shape of the initialization, ``(d,)``.

    Returns
    -------
    ndarray
        An l1 max-margin predictor, ``(d,)``.

    Raises
    ------
    NotSeparableError
        If there is none.

    Notes
    -----
    Moroshko et al. (2020), Theorem 7, with two provisos. Where there are several such predictors the theorem says
    that limit points are among them, not which. At D > 2 it needs Condition 5 and with it that this predictor is
    stationary for the ``l_{2/D}`` quasi-norm; where it is not, as for ``three_points.deeper_norm()``, Condition 5
    fails and the flow ends elsewhere.
    """
    require_depth(D)
    weights = None if w0 is None or D == 2 else np.abs(np.asarray(w0, dtype=np.float64)) ** (2.0 - D)
    return np.asarray(max_margin(X, y, L1(weights)).beta)


def _kernel_weights(D: float, w0: ArrayLike | None) -> NDArray[np.float64] | None:
    require_depth(D)
    return None if w0 is None else np.abs(np.asarray(w0, dtype=np.float64)) ** (2.0 - 2.0 * D)
