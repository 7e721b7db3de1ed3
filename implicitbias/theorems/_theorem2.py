"""Theorem 2 of Woodworth et al. (2020): scales that guarantee the rich or the kernel limit, printed and sharp.

Nothing here looks at the data beyond the norm of the limit and the number of features. What a given problem
needs is
:func:`implicitbias.regime`, by root finding on its path.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from ..special import h_inverse
from ._arguments import require_depth, require_positive

__all__ = [
    "theorem2_kernel_alpha",
    "theorem2_kernel_clean_alpha",
    "theorem2_kernel_sharp_alpha",
    "theorem2_rich_alpha",
    "theorem2_rich_clean_log_alpha",
    "theorem2_rich_log_alpha",
    "theorem2_rich_sharp_log_alpha",
]

_NEVER = 1e9  # stands for the logarithm of infinity where an optimizer compares values
_LEAST_EPS = 1e-10  # the angle between beta and its dual is lost to rounding below that


def theorem2_rich_alpha(eps: float, l1_norm: float, d: int) -> float:
    r"""Scale up to which the l1 norm of the end point is within a factor ``1 + eps`` of the least, at depth 2.

    .. math::
        \alpha = \min\left\{(2(1+\epsilon)\|\beta^*_{\ell_1}\|_1)^{-\frac{2+\epsilon}{2\epsilon}},
                 e^{-d/(\epsilon\|\beta^*_{\ell_1}\|_1)}\right\}

    Parameters
    ----------
    eps
        Relative excess of the norm, positive.
    l1_norm
        Least l1 norm of a solution, positive.
    d
        Number of features.

    Returns
    -------
    float
        The scale; 0 where it is below the smallest float (:func:`theorem2_rich_log_alpha` is not).

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Woodworth et al. (2020), Theorem 2, as printed; true for every ``eps > 0``, by another proof than the printed
    one, ``implicitbias verify woodworth.theorem-2-rich``. It does not scale with the targets:
    :func:`theorem2_rich_clean_log_alpha` does, and :func:`theorem2_rich_sharp_log_alpha` is the largest possible.
    """
    return math.exp(theorem2_rich_log_alpha(eps, l1_norm, d))


def theorem2_rich_log_alpha(eps: float, l1_norm: float, d: int) -> float:
    """Natural logarithm of :func:`theorem2_rich_alpha`."""
    require_positive(eps=eps, l1_norm=l1_norm, d=d)
    powers = -(2.0 + eps) / (2.0 * eps) * (math.log(2.0 * (1.0 + eps)) + math.log(l1_norm))
    # one division after the other: the product of two small numbers may be 0
    return min(powers, -d / eps / l1_norm)


def theorem2_kernel_alpha(eps: float, l2_norm: float) -> float:
    r"""Scale from which on the squared norm of the end point is within ``1 + eps`` of the least, at depth 2.

    .. math:: \alpha = \sqrt{2(1+\epsilon)(1+2/\epsilon)\|\beta^*_{\ell_2}\|_2}

    Parameters
    ----------
    eps
        Relative excess of the squared norm, positive.
    l2_norm
        Least Euclidean norm of a solution, positive.

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
    Woodworth et al. (2020), Theorem 2, as printed; true for every ``eps > 0``, by another proof than the printed
    one, ``implicitbias verify woodworth.theorem-2-kernel``, and loose: :func:`theorem2_kernel_clean_alpha`.
    """
    require_positive(eps=eps, l2_norm=l2_norm)
    return math.sqrt(2.0 * (1.0 + eps) * (1.0 + 2.0 / eps)) * math.sqrt(l2_norm)


def theorem2_rich_clean_log_alpha(eps: float, l1_norm: float, d: int) -> float:
    r"""Logarithm of a scale up to which the l1 excess is at most `eps`, that goes with the targets; depth 2.

    .. math:: \alpha^2 = \frac{\|\beta^*_{\ell_1}\|_1}{d}\,(e\,d)^{-1/\epsilon}

    Parameters
    ----------
    eps, l1_norm, d
        As for :func:`theorem2_rich_alpha`; `d` is at least 2.

    Returns
    -------
    float
        ``log alpha``.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Not in the papers; ``implicitbias verify new.theorem-2-rich-clean``. It has ``log d`` where the printed one has
    ``d`` over the norm.
    """
    require_positive(eps=eps, l1_norm=l1_norm, d=d)
    if d < 2:
        raise ValueError(f"d must be at least 2, got {d}")
    return 0.5 * (math.log(l1_norm) - math.log(d) - (1.0 + math.log(d)) / eps)


def theorem2_kernel_clean_alpha(eps: float, l2_norm: float) -> float:
    r"""Scale from which on the excess of the squared norm is at most `eps`, much smaller than printed; depth 2.

    .. math:: \alpha = \sqrt{\|\beta^*_{\ell_2}\|_2}\,\max\{1, (540\,\epsilon)^{-1/8}\}

    Parameters
    ----------
    eps, l2_norm
        As for :func:`theorem2_kernel_alpha`.

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
    Not in the papers; ``implicitbias verify new.theorem-2-kernel-clean``.
    """
    require_positive(eps=eps, l2_norm=l2_norm)
    return math.sqrt(l2_norm) * max(1.0, math.exp(-math.log(540.0 * eps) / 8.0))


def theorem2_rich_sharp_log_alpha(eps: float, l1_norm: float, d: int, D: float = 2) -> float:
    r"""Logarithm of the largest scale that guarantees an l1 excess of at most `eps` whatever the data.

    The worst data have one sample, and an end point with one large entry and the others equal. With the dual
    ``theta = b^{-1}(beta)``, ``kappa = theta_2/theta_1`` and ``rho = beta_2/beta_1`` the excess is

    .. math:: \frac{(d-1)\rho(1-\kappa)}{1+(d-1)\kappa\rho}, \qquad
              \|\beta^*_{\ell_1}\|_1 = \beta_1 (1+(d-1)\kappa\rho) ,

    and the scale is that of the largest ``||beta*||_1/alpha^D`` at which some ``kappa`` gives `eps`.

    Parameters
    ----------
    eps, l1_norm, d
        As for :func:`theorem2_rich_alpha`; `d` is at least 2, and an excess of ``d - 1`` or more is never reached.
    D
        Depth, real, at least 2.

    Returns
    -------
    float
        ``log alpha``; infinite where `eps` is never exceeded.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Not in the papers; ``implicitbias verify new.theorem-2-rich-worst``.
    """
    require_positive(eps=eps, l1_norm=l1_norm, d=d)
    if d < 2:
        raise ValueError(f"d must be at least 2, got {d}")
    require_depth(D)
    if eps >= math.sqrt(d) - 1.0:  # that of the least Euclidean norm: end points lie below it
        return math.inf

    def log_sigma(kappa: float) -> float:
        """``log(||beta*||_1/alpha^D)`` where this ratio of duals gives `eps`; hugely negative if none does."""
        # 1 - kappa > eps kappa is needed: (d-1) rho ((1-kappa) - eps kappa) = eps
        room = (1.0 - kappa) - eps * kappa
        if room <= 0.0 or eps >= (d - 1) * room:
            return -_NEVER
        target = math.log(eps) - math.log((d - 1) * room)  # log rho
        if math.log(kappa) <= target:  # rho falls from kappa as theta_1 grows from 0
            return -_NEVER
        log_size = _dual_at_ratio(kappa, target, D)
        return log_size + math.log1p((d - 1) * kappa * math.exp(target))

    def at_gap(log_gap: float) -> float:
        return -log_sigma((1.0 - math.exp(log_gap)) / (1.0 + eps))

    # the best ratio may be as near to its largest, 1/(1 + eps), as eps is to 0
    grid = np.log(np.geomspace(1e-14, 1.0 - 1e-9, 300))
    values = np.array([at_gap(log_gap) for log_gap in grid])
    best = int(values.argmin())
    if values[best] >= _NEVER:
        return math.inf
    ends = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
    refined = minimize_scalar(at_gap, bounds=ends, method="bounded", options={"xatol": 1e-12})
    largest = -min(float(values[best]), float(refined.fun))
    return (math.log(l1_norm) - largest) / float(D)


def theorem2_kernel_sharp_alpha(eps: float, l2_norm: float, d: int, D: float = 2) -> float:
    r"""Least scale that guarantees an excess of the squared norm of at most `eps` for the worst data known.

    The excess is at most ``tan^2`` of the angle between the end point and its dual, with equality for one
    sample; the worst end points known have one entry that differs from the others, which are equal.

    Parameters
    ----------
    eps, l2_norm
        As for :func:`theorem2_kernel_alpha`; `eps` at least 1e-10.
    d
        Number of features, at least 2.
    D
        Depth, real, at least 2.

    Returns
    -------
    float
        The scale: with a smaller one there are data whose excess is larger than `eps`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Not in the papers; ``implicitbias verify new.theorem-2-kernel-worst``. Necessary; that no other data are
    worse is tested, not proved. Sufficient is :func:`theorem2_kernel_clean_alpha`.
    """
    require_positive(eps=eps, l2_norm=l2_norm, d=d)
    if d < 2:
        raise ValueError(f"d must be at least 2, got {d}")
    require_depth(D)
    if eps < _LEAST_EPS:
        raise ValueError(f"eps must be at least {_LEAST_EPS:g}, got {eps}")

    def point(kappa: float, log_size: float) -> tuple[float, float]:
        """Excess and least norm at entries ``1`` and ``kappa``, times the size."""
        size = math.exp(log_size)
        g1, g2 = (float(g) for g in h_inverse(np.array([size, kappa * size]), D))
        inner = g1 + (d - 1) * kappa * g2
        cross = math.sqrt(d - 1) * (g2 - kappa * g1)  # Lagrange's identity
        norm = math.hypot(g1, math.sqrt(d - 1) * g2)
        return (cross / inner) ** 2, size * inner / norm

    def least_norm(log_kappa: float) -> float:
        kappa = math.exp(log_kappa)
        if point(kappa, 600.0)[0] <= eps:
            return _NEVER
        root = brentq(lambda log_size: point(kappa, log_size)[0] - eps, -60.0, 600.0, xtol=1e-13)
        return math.log(point(kappa, float(root))[1])

    grid = np.concatenate([np.log(np.linspace(0.02, 0.98, 33)), [-6.0, -8.0]])
    values = [least_norm(k) for k in grid]
    best = float(grid[int(np.argmin(values))])
    refined = minimize_scalar(least_norm, bounds=(best - 0.5, min(best + 0.5, -1e-3)), method="bounded")
    smallest = min(float(np.min(values)), float(refined.fun))
    return math.exp((math.log(l2_norm) - smallest) / float(D)) if smallest < _NEVER else 0.0


def _dual_at_ratio(kappa: float, log_ratio: float, D: float) -> float:
    """``log b(theta)`` where ``log b(kappa theta) - log b(theta)`` is as given, less than ``log kappa``.

    The variable is ``theta`` itself at D = 2, ``-log(1 - theta)`` beyond, so that no size is out of reach.
    """

    def log_curve(u: float, factor: float) -> float:
        if D == 2:
            theta = factor * u
            return theta + math.log(-math.expm1(-2.0 * theta))
        p = D / (D - 2.0)
        z = -factor * math.expm1(-u)  # factor (1 - e^-u)
        gap = math.exp(-u) if factor == 1.0 else 1.0 - z
        return -p * math.log(gap) + math.log(-math.expm1(p * (math.log(gap) - math.log1p(z))))

    def excess(log_u: float) -> float:
        u = math.exp(log_u)
        return log_curve(u, kappa) - log_curve(u, 1.0) - log_ratio

    high = 1.0
    while excess(high) > 0.0:
        high += 1.0
    low = high - 1.0
    while excess(low) < 0.0:
        low -= 1.0
    return log_curve(math.exp(float(brentq(excess, low, high, xtol=1e-15))), 1.0)
