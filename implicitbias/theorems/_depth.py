"""Statements on networks of depth D > 2, and on how the end point moves with the scale of initialization."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..regularizer import Q

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["interpolation_derivative", "lemma8_bound", "lemma8_log_bound"]


def lemma8_bound(alpha: float, D: float, *, printed: bool = False) -> float:
    r"""Bound of every entry of ``X^T int_0^t r`` along the flow of ``||X beta - y||^2`` at depth D > 2.

    .. math:: \left\|X^\top\int_0^t r\right\|_\infty < \frac{\alpha^{2-D}}{2D(D-2)} .

    Parameters
    ----------
    alpha
        Scale of the initialization, positive.
    D
        Depth, a real number above 2.
    printed
        Twice as much, as printed, which is the sharp bound for half the loss.

    Returns
    -------
    float
        The bound; the supremum over all problems, never attained.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Woodworth et al. (2020), Lemma 8; proved in ``derivations/depth.py``, ``implicitbias verify woodworth.lemma-8``.
    Where the bound leaves the range of floats it is 0 or infinite; :func:`lemma8_log_bound` does not.
    """
    if not 0.0 < alpha < math.inf:
        raise ValueError(f"alpha must be positive and finite, got {alpha}")
    bound = lemma8_log_bound(math.log(alpha), D, printed=printed)
    return math.exp(bound) if bound < 709.78 else math.inf


def lemma8_log_bound(log_alpha: float, D: float, *, printed: bool = False) -> float:
    """Natural logarithm of :func:`lemma8_bound`, from that of the scale: any scale will do.

    Parameters
    ----------
    log_alpha
        Natural logarithm of the scale, finite.
    D, printed
        As for :func:`lemma8_bound`.

    Returns
    -------
    float
        ``(2-D) log alpha - log(2D(D-2))``.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    if not 2.0 < D < math.inf:
        raise ValueError(f"D must be a finite number > 2, got {D}")
    if not math.isfinite(log_alpha):
        raise ValueError(f"log_alpha must be finite, got {log_alpha}")
    return (2.0 - D) * log_alpha - math.log(D * (D - 2.0)) - (0.0 if printed else math.log(2.0))


def interpolation_derivative(X: ArrayLike, beta: ArrayLike, reg: Q) -> NDArray[np.float64]:
    r"""How the end point of training moves with the logarithm of the scale of initialization.

    .. math::
        \frac{d\beta}{d\log\alpha} = D\left(\beta - W X^\top(XWX^\top)^{-1}X\beta\right),
        \qquad W = (\nabla^2 Q(\beta))^{-1}

    Parameters
    ----------
    X
        Design matrix, ``(N, d)``, of any rank.
    beta
        The end point, ``(d,)``: ``interpolate(X, y, reg).beta``.
    reg
        Its regularizer, with any shape and without a reference point.

    Returns
    -------
    ndarray
        The derivative, ``(d,)``; ``X`` times it is zero.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Derived in ``derivations/scale.py``, ``implicitbias verify new.path-derivative``. With ``W^{1/2}`` taken out on
    both sides it is an orthogonal projection, which is how it is computed.
    """
    design, point = np.asarray(X, dtype=np.float64), np.asarray(beta, dtype=np.float64)
    if design.ndim != 2 or point.shape != (design.shape[1],):
        raise ValueError(f"X must be (N, d) and beta (d,), got {design.shape} and {point.shape}")
    root = 1.0 / np.sqrt(np.asarray(reg.hess_diag(point), dtype=np.float64))
    scaled = design * (root / root.max())
    # beta = W^(1/2) u; what is left of u off the row space of X W^(1/2)
    u = point / root
    _, singular, rows = np.linalg.svd(scaled, full_matrices=False)
    rows = rows[singular > singular[0] * max(design.shape) * np.finfo(np.float64).eps]
    rest: NDArray[np.float64] = float(reg.D) * root * (u - rows.T @ (rows @ u))
    return rest
