"""The scaled, shaped scalar functions on a single mpmath number or SymPy expression.

``T(beta) = w^2 c q_D(beta / (c w^k))`` with ``c = alpha^k``; mpmath numbers at the precision in force, SymPy with
exact rationals wherever alpha and D are exact.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from .. import special
from ..special._depth import exact_depth
from ..special._multiprecision import as_mpf
from ._explicit_exact import explicit_point

if TYPE_CHECKING:
    from ._scale import Scale

__all__ = ["evaluate", "evaluate_explicit", "evaluate_from", "shape_exponents"]

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


def evaluate_from(start: float, name: str, x: Any, D: Any, scale: Scale, k: Any, w0: float | None) -> Any:
    """The same with the reference point `start`: the divergence from it, and relatives of that."""

    def base(name: str, x: Any) -> Any:
        return evaluate(name, x, D, scale, k, w0)

    if name == "curvature":
        return base(name, x)
    if not hasattr(x, "context"):
        return _terms_from(base, name, x, _sympy_number(start))[0]
    ctx, origin = x.context, x.context.mpf(start)
    if (x == origin and name in {"value", "slope"}) or (x == 0 and name == "conjugate") or not ctx.isfinite(x):
        return ctx.zero if ctx.isfinite(x) else base(name, x)
    if x == 0 and name == "curve":
        return +origin  # a result of 0 would never have enough digits of its own
    extra = _GUARD_BITS
    while extra < _MOST_BITS:
        with ctx.workprec(ctx.prec + extra):
            result, largest = _terms_from(base, name, x, origin)
            if ctx.isinf(result) or ctx.isnan(result):
                break
            lost = ctx.mag(largest) - ctx.mag(result) if result else extra
        if lost + 10 < extra:
            break
        extra = 2 * extra if not result else max(2 * extra, int(lost) + 2 * _GUARD_BITS)
    else:
        raise ArithmeticError(f"{name} at {x} cannot be told from that at the reference {start} in {extra} bits")
    return +result


_MOST_BITS = 2**25


def _terms_from(base: Any, name: str, x: Any, start: Any) -> tuple[Any, Any]:
    """Value with a reference, and a number whose relative rounding error bounds that of the value."""
    origin = base("slope", start)
    if name == "slope":
        return base(name, x) - origin, origin
    if name == "value":
        rest, tangent = base(name, start), origin * (x - start)
        value = base(name, x)
        return value - rest - tangent, abs(value) + abs(rest) + abs(tangent)
    moved = x + origin
    if name == "conjugate":
        end, rest = base(name, moved), base(name, origin)
        # a rounding of theta_0 counts as often as beta_0 is large
        return end - rest, abs(end) + abs(rest) + abs(origin * start) + abs(moved * base("curve", moved))
    value = base(name, moved)
    if not hasattr(x, "context") or not x.context.isfinite(value):
        return value, value
    # the condition of the curve, and of its slope up to a factor below 2^4, against rounding of theta_0
    curve = base("curve", moved)
    condition = (abs(moved) + abs(origin)) * base("curve_slope", moved) / abs(curve) if curve else 1
    return value, value * (1 + 16 * condition)


def evaluate_explicit(name: str, x: Any, D: Any, scale: Scale, w0: float | None) -> Any:
    """Value of the function `name` of the explicit regularizer at depth ``D > 2`` on an mpmath number."""
    if not hasattr(x, "context"):
        raise NotImplementedError(f"R at depth {D} is no formula SymPy could hold; depth 2 is, pass D=2")
    ctx = x.context
    if ctx.isnan(x) or ctx.isinf(x):
        return abs(x) if name == "value" else ctx.zero + (x if ctx.isnan(x) else 0)
    with ctx.workprec(ctx.prec + _GUARD_BITS):
        depth = as_mpf(ctx, exact_depth(D))
        unit = scale.power(ctx, ctx.one) * (1 if w0 is None else ctx.mpf(w0))
        # alpha w0 is the scale of the coordinate; slope and curvature of beta count powers of it
        power, outer = {"value": (0, 2), "slope": (1, 2), "curvature": (2, 2)}[name]
        result = explicit_point(ctx, abs(x) / unit**depth, depth)[power] * unit ** (outer - power * depth)
        if name == "slope" and x < 0:
            result = -result
    return +result


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
