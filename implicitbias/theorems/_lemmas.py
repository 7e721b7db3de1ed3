"""Scales from which on Q is a multiple of the l1 or of the squared l2 norm: Lemmas 5, 6 and 7, printed and sharp.

All for depth 2 and ``w0 = 1``. Scales may be far out of the range of floats, so each has its logarithm as well.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq

from ._arguments import require_positive

__all__ = [
    "lemma5_alpha",
    "lemma5_log_alpha",
    "lemma6_alpha",
    "lemma6_log_alpha",
    "lemma6_sharp_alpha",
    "lemma6_sharp_log_alpha",
    "lemma7_alpha",
    "lemma7_sharp_alpha",
]


def lemma5_alpha(eps: float, l1_norm: float, d: int) -> float:
    r"""Scale up to which ``Q/log(1/alpha^2)`` is the l1 norm up to a factor ``1 +- eps``.

    .. math::
        \alpha_1 = \min\left\{1, \sqrt{\|\beta\|_1}, (2\|\beta\|_1)^{-1/(2\epsilon)},
                   e^{-d/(2\epsilon\|\beta\|_1)}\right\}

    Parameters
    ----------
    eps
        Relative accuracy, positive.
    l1_norm
        ``||beta||_1``, positive.
    d
        Number of entries.

    Returns
    -------
    float
        The scale; 0 where it is below the smallest float (:func:`lemma5_log_alpha` is not).

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Woodworth et al. (2020), Lemma 5; proved for all ``eps > 0``, ``implicitbias verify woodworth.lemma-5``.
    """
    return math.exp(lemma5_log_alpha(eps, l1_norm, d))


def lemma5_log_alpha(eps: float, l1_norm: float, d: int) -> float:
    """Natural logarithm of :func:`lemma5_alpha`."""
    require_positive(eps=eps, l1_norm=l1_norm, d=d)
    log_norm = math.log(l1_norm)
    powers = (0.0, 0.5 * log_norm, -(math.log(2.0) + log_norm) / (2.0 * eps))
    # one division after the other: the product of two small numbers may be 0
    return min(*powers, -d / (2.0 * eps) / l1_norm)


def lemma6_alpha(eps: float, d: float) -> float:
    r"""Scale from which on Q is not proportional to the l1 norm up to a factor ``1 + eps``.

    .. math:: d^{-\frac14 - \frac1{8\epsilon}}, \qquad d \ge \max\{e, 12^{4\epsilon}\}

    Parameters
    ----------
    eps
        Relative accuracy, positive.
    d
        Number of entries, at least ``max(e, 12^(4 eps))``; also huge.

    Returns
    -------
    float
        The scale; 0 where it is below the smallest float (:func:`lemma6_log_alpha` is not).

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Woodworth et al. (2020), Lemma 6; proved, ``implicitbias verify woodworth.lemma-6``. The vectors are ``e_1`` and
    ``1_d``. :func:`lemma6_sharp_alpha` is where it really sets in, about the square of this for small `eps`.
    """
    return math.exp(lemma6_log_alpha(eps, d))


def lemma6_log_alpha(eps: float, d: float) -> float:
    """Natural logarithm of :func:`lemma6_alpha`."""
    require_positive(eps=eps, d=d)
    log_d = math.log(d)
    # a little room: d = 12^(4 eps) itself, rounded, is meant
    if log_d < max(1.0, 4.0 * eps * math.log(12.0)) * (1.0 - 1e-12):
        raise ValueError(f"d must be at least max(e, 12^(4 eps)), got {d} with eps = {eps}")
    return -(0.25 + 0.125 / eps) * log_d


def lemma6_sharp_alpha(eps: float, d: float) -> float:
    r"""Least scale from which on Q over the l1 norm is ``1 + eps`` times as large at ``e_1`` as at ``1_d``.

    .. math:: \sqrt d\,\frac{Q_\alpha(e_1)}{Q_\alpha(1_d/\sqrt d)} = 1 + \epsilon

    The left side increases from 1 to ``sqrt d``.

    Parameters
    ----------
    eps
        Relative accuracy, positive and less than ``sqrt(d) - 1``.
    d
        Number of entries, at least 2.

    Returns
    -------
    float
        The scale, the root of the equation; ``e^{-1/2} d^{-(1+1/eps)/4}`` for large `d`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Not in the papers; ``implicitbias verify new.lemma-6-sharp``.
    """
    return math.exp(lemma6_sharp_log_alpha(eps, d))


def lemma6_sharp_log_alpha(eps: float, d: float) -> float:
    """Natural logarithm of :func:`lemma6_sharp_alpha`."""
    require_positive(eps=eps, d=d)
    if d < 2 or eps >= math.sqrt(d) - 1.0:
        raise ValueError(f"eps must be less than sqrt(d) - 1 with d at least 2, got eps = {eps}, d = {d}")
    half = 0.5 * math.log(d)

    def excess(log_a: float) -> float:
        return _scaled_hypentropy(log_a) / _scaled_hypentropy(log_a + half) - (1.0 + eps)

    # far to the left the ratio is (l - 1)/(l - half - 1) with l = -log a
    low = -(1.0 + (1.0 + 1.0 / eps) * half) - 1.0
    while excess(low) >= 0.0:
        low *= 2.0
    high = half + 1.0
    while excess(high) <= 0.0:
        high += half + 1.0
        if high > 1e3:
            raise ValueError(f"eps is too near to sqrt(d) - 1, got eps = {eps}, d = {d}")
    return 0.5 * float(brentq(excess, low, high, xtol=1e-300, rtol=1e-15))


def lemma7_alpha(eps: float, l2_norm: float) -> float:
    r"""Scale from which on ``4 alpha^2 Q`` is the squared Euclidean norm up to a factor ``1 +- eps``.

    .. math:: \alpha_2 = \sqrt{\|\beta\|_2}\,(1 + \epsilon^{-1/4})

    Parameters
    ----------
    eps
        Relative accuracy, positive.
    l2_norm
        ``||beta||_2``, positive.

    Returns
    -------
    float
        The scale.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Woodworth et al. (2020), Lemma 7; proved, ``implicitbias verify woodworth.lemma-7``, and loose:
    :func:`lemma7_sharp_alpha`. The printed ``alpha_2(eps, ||beta||_2, d)`` does not depend on `d`.
    """
    require_positive(eps=eps, l2_norm=l2_norm)
    return math.sqrt(l2_norm) * (1.0 + 1.0 / math.sqrt(math.sqrt(eps)))


def lemma7_sharp_alpha(eps: float, largest: float) -> float:
    r"""Scale from which on ``4 alpha^2 Q``, never more than the squared norm, is at least ``1 - eps`` of it.

    .. math:: \left(\frac{\|\beta\|_\infty^2}{48\,\epsilon}\right)^{1/4}

    Parameters
    ----------
    eps
        Relative accuracy, positive.
    largest
        ``||beta||_inf``, positive.

    Returns
    -------
    float
        The scale; for small `eps` it is the least possible, to leading order.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Not in the papers; ``implicitbias verify new.lemma-7-sharp``.
    """
    require_positive(eps=eps, largest=largest)
    return math.sqrt(largest / math.sqrt(48.0 * eps))


def _scaled_hypentropy(log_x: float) -> float:
    """``x q(1/x)`` from ``log x``: positive, about ``-1 - log x`` on the left and ``1/(4x)`` on the right."""
    if log_x > 5.0:  # the series of q(z)/z at z = 1/x, to the last bit
        z = math.exp(-log_x)
        return z / 4.0 - z**3 / 192.0 + z**5 / 2560.0 - 5.0 * z**7 / 114688.0
    x = math.exp(log_x)
    root = math.hypot(2.0 * x, 1.0)
    if log_x < 0.0:
        return 2.0 * x - root + math.log1p((root - 1.0) / 2.0) - log_x
    z = 1.0 / x
    return math.asinh(z / 2.0) - z / (2.0 + math.hypot(2.0, z))
