"""Bregman divergence of the scalar curve, ``S(b) - S(b0) - S'(b0) (b - b0)``, without cancellation.

As it stands, that loses every digit near b0, and at small scales also far from it: for D = 2 and ``c = 10^-4350``
the three terms are 1e4 times their sum; for D > 2, where S is the l1 norm up to ``c^{1/p}``, all of it is rounding.

* Near, ``|b - b0| <= min(b, b0)`` or ``<= c/2``: ``(b - b0)^2 int_0^1 (1-t) S''(b0 + t (b - b0)) dt`` by
  Gauss-Legendre. S'' is analytic but for branch points on the imaginary axis, at least c from 0: further from the
  interval than that is long, where 12 nodes err by ``5.8^-24``.
* Elsewhere, with ``b0 >= 0``, both as differences of the weights' powers, ``b = P - Q``, ``P = c (1-z)^-p`` and
  ``Q = c (1+z)^-p`` (``c e^theta`` and ``c e^-theta`` at D = 2), by two terms that are positive each:

      D > 2:  (1-z0) max(P, P0) F(log(P/P0)/p) + (1+z0) max(Q, Q0) F(log(Q/Q0)/p),
              F(L) = g(L) + e^-L f(mL)/m for L >= 0,   e^{-m|L|} f(|L|) + g(m|L|)/m for L < 0,
      D = 2:  max(P, P0) F(log(P/P0)) + max(Q, Q0) F(log(Q/Q0)),   F(L) = f(L) for L >= 0,  g(|L|) for L < 0,

  ``f(t) = t - 1 + e^-t``, ``g(t) = 1 - (1+t) e^-t``, ``m = p - 1``. With the larger power in front
  no exponential exceeds 1: nothing overflows unless the result does.

Derived in ``derivations/reference.py``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..special import _float
from ._curve import _ldexp, _power

if TYPE_CHECKING:
    from ._curve import ScaledCurve

__all__ = ["divergence"]

_NODES, _WEIGHTS = (half.tolist() for half in np.polynomial.legendre.leggauss(12))
_FAR = 100
"""Binary exponent of ``|b|/c`` from which on Q is negligible beside P."""
_LOG2 = math.log(2.0)
_TERMS = 19


def divergence(curve: ScaledCurve, xp: Any, b: Any, b0: Any, difference: Any) -> Any:
    """``S(b) - S(b0) - S'(b0) (b - b0)``, elementwise on float64 arrays of one shape.

    Parameters
    ----------
    curve
        The scalar function S.
    xp
        NumPy or torch.
    b, b0
        Points.
    difference
        ``b - b0``, apart because it is known better where both have been multiplied by a rounded number.
    """
    reflected = xp.where(b0 < 0.0, -b, b)
    base = xp.abs(b0)
    step = xp.abs(difference)
    in_c = _ldexp(xp, step / curve.c.mantissa, xp.zeros_like(step) - curve.c.exponent)
    near = (step <= xp.minimum(reflected, base)) | (in_c <= 0.5)
    # where it is not near, the quadrature runs over a point
    safe = xp.where(near, difference, 0.0)
    # (1 - t) at the nodes t of [0, 1]; S'' times b - b0 first, a product that stays in range
    mean = sum(
        (0.25 * w * (1.0 - x)) * curve.curvature(xp, b0 + (0.5 * (1.0 + x)) * safe)
        for x, w in zip(_NODES, _WEIGHTS, strict=True)
    )
    # both b and b0 tiny: S is a square, of any size
    square = _tiny(xp, curve, b) & _tiny(xp, curve, b0)
    close = xp.where(square, curve.value(xp, difference), difference * (mean * difference))
    result = xp.where(near, close, _apart(curve, xp, reflected, base))
    result = xp.where(difference == 0.0, 0.0, result)
    return xp.where(xp.isfinite(b), result, xp.abs(b))


def _tiny(xp: Any, curve: ScaledCurve, b: Any) -> Any:
    _, k = xp.frexp(b)
    return (b == 0.0) | (xp.asarray(k, dtype=xp.float64) - curve.c.exponent < -_FAR)


def _apart(curve: ScaledCurve, xp: Any, b: Any, b0: Any) -> Any:
    """The divergence where b and ``b0 >= 0`` are apart."""
    P, Q, log_P, log_Q, _ = _powers_of_weights(curve, xp, xp.abs(b))
    negative = b < 0.0
    P, Q = xp.where(negative, Q, P), xp.where(negative, P, Q)
    log_P, log_Q = (
        tuple(xp.where(negative, other, one) for one, other in zip(mine, yours, strict=True))
        for mine, yours in ((log_P, log_Q), (log_Q, log_P))
    )
    P0, Q0, log_P0, log_Q0, u0 = _powers_of_weights(curve, xp, b0)
    up = (log_P[0] - log_P0[0]) + (log_P[1] - log_P0[1]) * _LOG2
    down = (log_Q[0] - log_Q0[0]) + (log_Q[1] - log_Q0[1]) * _LOG2
    P, Q = xp.maximum(P, P0), xp.maximum(Q, Q0)
    if curve.D == 2:
        up, down = (xp.where(t >= 0.0, _f(xp, t), _g(xp, t)) for t in (up, down))
        return P * up + Q * down
    p, m = curve._constants.p, curve._constants.m
    mantissa, exponent = u0
    first = _ldexp(xp, mantissa * P * _factor(xp, up, p, m), exponent)
    # 1 + z0 = 2 - u0
    return first + (2.0 - _ldexp(xp, mantissa, exponent)) * Q * _factor(xp, down, p, m)


def _powers_of_weights(curve: ScaledCurve, xp: Any, b: Any) -> tuple[Any, ...]:
    """``(P, Q, log P, log Q, 1 - z)`` for ``b >= 0``.

    Logarithms are pairs ``(l, k)`` for ``l + k log 2``, ``1 - z`` a mantissa and an exponent.
    """
    fb, kb = xp.frexp(xp.where(xp.isfinite(b), b, 1.0))
    kb = xp.asarray(kb, dtype=xp.float64)
    f, k = fb / curve.c.mantissa, xp.where(b == 0.0, -math.inf, kb - curve.c.exponent)
    far = k > _FAR
    x = _ldexp(xp, f, xp.clip(k, -1100.0, float(_FAR)))
    if curve.D == 2:
        growth = xp.asinh(0.5 * x)
        decay = xp.where(far, xp.log(f) + k * _LOG2, growth)
        u = xp.ones_like(b), xp.zeros_like(b)
    else:
        c = curve._constants
        z, complement = _float.root(xp, x, curve._kernel_constants("h_inverse", curve.D))
        growth = -c.p * xp.where(z < 0.5, xp.log1p(-xp.where(z < 0.5, z, 0.0)), xp.log(complement))
        um, ue = _power(xp, f, xp.where(far, k, 0.0), -c.inverse_p, -c.inverse_p_low)
        u = xp.where(far, um, complement), xp.where(far, ue, 0.0)
        # 1 + z in both ranges; far out z is 1 - u
        decay = c.p * xp.log1p(xp.where(far, 1.0 - _ldexp(xp, *u), z))
    log_c = xp.log(xp.zeros_like(b) + curve.c.mantissa)
    exponent = xp.zeros_like(b) + curve.c.exponent
    Q = _ldexp(xp, curve.c.mantissa * xp.exp(-decay), exponent)
    log_P = xp.where(far, xp.log(fb), log_c + growth), xp.where(far, kb, exponent)
    return b + Q, Q, log_P, (log_c - decay, exponent), u


def _factor(xp: Any, log_ratio: Any, p: float, m: float) -> Any:
    """F of the module's text at ``L = log_ratio / p``."""
    L, mL = log_ratio / p, log_ratio * (m / p)
    size, scaled = xp.abs(L), xp.abs(mL)
    rising = _g(xp, L) + xp.exp(-size) * _f(xp, mL) / m
    falling = xp.exp(-scaled) * _f(xp, L) + _g(xp, mL) / m
    return xp.where(L >= 0.0, rising, falling)


def _f(xp: Any, t: Any) -> Any:
    """``|t| - 1 + e^-|t|``."""
    t = xp.abs(t)
    small = xp.where(t < 1.0, t, 0.0)
    series = small * small * _float.polynomial(-small, _F_SERIES)
    return xp.where(t < 1.0, series, t + xp.expm1(-t))


def _g(xp: Any, t: Any) -> Any:
    """``1 - (1 + |t|) e^-|t|``."""
    t = xp.abs(t)
    small = xp.where(t < 1.0, t, 0.0)
    series = small * small * _float.polynomial(-small, _G_SERIES)
    bounded = xp.where(t < 800.0, t, 800.0)  # t e^-t: nan at infinity
    return xp.where(t < 1.0, series, -xp.expm1(-t) - bounded * xp.exp(-bounded))


_F_SERIES = [1.0 / math.factorial(k) for k in range(2, 2 + _TERMS)]
_G_SERIES = [(k - 1.0) / math.factorial(k) for k in range(2, 2 + _TERMS)]
