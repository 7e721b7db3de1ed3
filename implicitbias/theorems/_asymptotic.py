"""The asymptotic forms (6) and (7) of Woodworth et al. (2020), with bounds of what they leave out; depth 2."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Asymptotic", "asymptotic_kernel", "asymptotic_rich"]


class Asymptotic(NamedTuple):
    """An asymptotic form and how far above the truth it may be."""

    value: float
    """The form."""
    error: float
    """``0 <= value - truth <= error``."""


def asymptotic_kernel(beta: ArrayLike, log_alpha: float, w0: ArrayLike | None = None) -> Asymptotic:
    r"""Form of ``4 alpha^2 Q(beta)`` for large alpha.

    .. math:: 4\alpha^2 Q_{\alpha,w_0}(\beta) = \sum_i \frac{\beta_i^2}{w_{0,i}^2} - e, \qquad
              0 \le e \le \sum_i \frac{\beta_i^4}{48\,\alpha^4 w_{0,i}^6}

    Parameters
    ----------
    beta
        Predictor, ``(d,)``.
    log_alpha
        Natural logarithm of the scale.
    w0
        Shape of the initialization, ``(d,)``, positive; ones when None.

    Returns
    -------
    Asymptotic
        The sum of squares and the bound of the error.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Woodworth et al. (2020), equation (6); proved for all alpha, ``implicitbias verify woodworth.eq-6``.
    """
    b, shape = _vectors(beta, w0)
    error = float((b**4 / shape**6).sum()) / 48.0
    return Asymptotic(float((b**2 / shape**2).sum()), error * _exp(-4.0 * log_alpha) if error else 0.0)


def asymptotic_rich(
    beta: ArrayLike, log_alpha: float, w0: ArrayLike | None = None, *, printed: bool = False
) -> Asymptotic:
    r"""Form of ``Q(beta)/log(1/alpha^2)`` for small alpha.

    .. math:: \frac{Q_{\alpha,w_0}(\beta)}L = \sum_i |\beta_i| + \frac1L\sum_i\left(
              |\beta_i|\log\frac{|\beta_i|}{w_{0,i}^2} - |\beta_i| + 2\alpha^2w_{0,i}^2\right) - e, \qquad
              0 \le e \le \frac1L\sum_i \min\left(2\alpha^2w_{0,i}^2, \frac{\alpha^4w_{0,i}^4}{|\beta_i|}\right)

    Parameters
    ----------
    beta, log_alpha, w0
        As for :func:`asymptotic_kernel`; ``L = -2 log_alpha`` must be positive.
    printed
        The l1 norm alone, as printed; its error is not one-sided, and is given as infinite.

    Returns
    -------
    Asymptotic
        The form and the bound of its error.

    Raises
    ------
    ValueError
        If the shapes do not fit or alpha is not below 1.

    Notes
    -----
    Woodworth et al. (2020), equation (7), with the terms that it leaves to its error:
    ``implicitbias verify woodworth.eq-7 woodworth.section-4-large-argument``.
    """
    b, shape = _vectors(beta, w0)
    if not log_alpha < 0.0:
        raise ValueError(f"log_alpha must be negative, got {log_alpha}")
    norm = float(np.abs(b).sum())
    if printed:
        return Asymptotic(norm, math.inf)
    length, size = -2.0 * log_alpha, np.abs(b)
    a = shape**2 * math.exp(2.0 * log_alpha)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = np.where(size > 0.0, size * (np.log(size) - 2.0 * np.log(shape)), 0.0)
        error = np.where(size > 0.0, np.minimum(2.0 * a, a**2 / size), 2.0 * a)
    return Asymptotic(norm + float((entropy - size + 2.0 * a).sum()) / length, float(error.sum()) / length)


def _vectors(beta: ArrayLike, w0: ArrayLike | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    b = np.asarray(beta, dtype=np.float64)
    shape = np.ones_like(b) if w0 is None else np.asarray(w0, dtype=np.float64)
    if b.ndim != 1 or shape.shape != b.shape:
        raise ValueError(f"beta and w0 must be vectors of one shape (d,), got {b.shape} and {shape.shape}")
    if not (shape > 0.0).all():
        raise ValueError("w0 must be positive in every entry")
    return b, shape


def _exp(x: float) -> float:
    return math.exp(x) if x < 709.0 else math.inf
