"""The scaled, shaped scalar functions on a single mpmath number or SymPy expression.

``T(beta) = w^2 c q_D(beta / (c w^k))`` with ``c = alpha^k``; mpmath numbers at the precision in force, SymPy with
exact rationals wherever alpha and D are exact.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from .. import special
from ..special._multiprecision import as_mpf

if TYPE_CHECKING:
    from ._scale import Scale

__all__ = ["evaluate", "shape_exponents"]

_GUARD_BITS = 24


def shape_exponents(name: str, k: Any) -> tuple[Any, Any]:
    """Exponents ``(inner, outer)``: ``w^outer`` times the function of S at ``w^inner`` times the argument."""
    return {
        "value": (-k, 2),
        "slope": (-k, 2 - k),
        "curvature": (-k, 2 - 2 * k),
        "conjugate": (k - 2, 2),
        "curve": (k - 2, k),
        "curve_slope": (k - 2, 2 * k - 2),
    }[name]


def evaluate(name: str, x: Any, D: Any, scale: Scale, k: Any, w0: float | None) -> Any:
    """Value of the function `name` (a kernel name of :class:`._curve.ScaledCurve`) at `x`."""
    if hasattr(x, "context"):  # mpmath; a SymPy Float has _mpf_ too
        ctx = x.context
        with ctx.workprec(ctx.prec + _GUARD_BITS):
            exponent = as_mpf(ctx, k)
            w = None if w0 is None else ctx.mpf(w0)
            result = _shaped(name, x, D, scale.power(ctx, exponent), exponent, w)
        return +result
    import sympy

    exponent = _sympy_number(k)
    if scale.symbol is not None:
        alpha = scale.symbol
    else:
        alpha = _sympy_number(Fraction(scale.source) if isinstance(scale.source, str) else scale.source)
    c = sympy.exp(exponent * alpha) if scale.is_log else alpha**exponent
    return _shaped(name, x, D, c, exponent, None if w0 is None else _sympy_number(w0))


def _sympy_number(value: Any) -> Any:
    """Exact numbers as rationals; floats, whose digits are not meant exactly, as floats."""
    import sympy

    if isinstance(value, Fraction):
        return sympy.Rational(value.numerator, value.denominator)
    if isinstance(value, float) and value.is_integer():
        return sympy.Integer(int(value))
    return sympy.sympify(value)


def _shaped(name: str, x: Any, D: Any, c: Any, k: Any, w: Any) -> Any:
    if w is None:
        return _scaled(name, x, D, c)
    inner, outer = shape_exponents(name, k)
    return w**outer * _scaled(name, x * w**inner, D, c)


def _scaled(name: str, x: Any, D: Any, c: Any) -> Any:
    if name == "value":
        return c * special.q(x / c, D)
    if name == "slope":
        return special.h_inverse(x / c, D)
    if name == "curvature":
        return special.q_second(x / c, D) / c
    if name == "conjugate":
        return c * special.q_conjugate(x, D)
    if name == "curve":
        return c * special.h(x, D)
    if D == 2:
        return c * (special.q_conjugate(x, D) + 2)  # h' = 2 cosh
    if hasattr(x, "_mpf_") and abs(x) >= 1:
        return x.context.inf if abs(x) == 1 else x.context.nan
    depth = D if hasattr(D, "_mpf_") else Fraction(D)
    p = as_mpf(x.context, depth / (depth - 2)) if hasattr(x, "context") else _sympy_number(depth / (depth - 2))
    return c * p * ((1 - abs(x)) ** (-p - 1) + (1 + abs(x)) ** (-p - 1))
