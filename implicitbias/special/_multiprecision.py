"""The scalar functions on mpmath numbers: full relative accuracy at the precision in force, any magnitude.

Every function works in the context of its argument with guard bits and rounds once on the way out.
For D > 2 the root of ``h_D(z) = t`` is carried as ``f = -p log(1 - z)``, which determines ``z`` and
``1 - z`` without cancellation; it solves ``f = log(t + (1 + z)^-p)``, nearly linear in f, by Newton's method
with the precision doubled from step to step.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import mpmath

from ._depth import exact_depth

if TYPE_CHECKING:
    from collections.abc import Callable

_GUARD_BITS = 24


def as_mpf(ctx: Any, value: Any) -> Any:
    """`value` as an mpf of context `ctx`, rounded once."""
    if isinstance(value, Fraction):
        return ctx.mpf(value.numerator) / value.denominator
    return ctx.mpf(value)


def _scoped(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run with guard bits, return the result rounded to the precision of the caller."""

    @functools.wraps(function)
    def wrapper(x: Any, *args: Any) -> Any:
        if not hasattr(x, "context"):
            x = as_mpf(mpmath.mp, x)  # a plain number among mpmath numbers
        ctx = x.context
        if ctx.isnan(x):
            return +x
        with ctx.workprec(ctx.prec + _GUARD_BITS):
            result = function(ctx, x, *args)
        return +result

    return wrapper


@functools.lru_cache(maxsize=256)
def _exact_exponents(D: Any) -> tuple[Fraction, Fraction]:
    depth = exact_depth(D)
    return depth / (depth - 2), 2 / (depth - 2)


def _exponents(ctx: Any, D: Any) -> tuple[Any, Any]:
    """``(p, m)`` with ``p = D/(D-2)`` and ``m = 2/(D-2)``, each rounded once, however near 2 the depth."""
    if D == math.inf:
        return ctx.one, ctx.zero
    p, m = _exact_exponents(D)
    return as_mpf(ctx, p), as_mpf(ctx, m)


def first_guess(xp: Any, t: Any) -> Any:
    """First guess of f in :func:`newton_step`: the step from f = 0, exact at both ends."""
    return xp.log1p(t) * ((1 + t) / (2 + t))


def newton_step(xp: Any, f: Any, t: Any, p: Any) -> Any:
    """One step towards ``f = log(t + (1 + z)^-p)``, ``z = 1 - e^{-f/p}``, in any namespace.

    The equation is nearly linear in f, with slope between 1 and 2, and `f` keeps its relative accuracy at any
    size of t.
    """
    u = xp.exp(-f / p)
    z = -xp.expm1(-f / p)
    v_power_minus_one = xp.expm1(-p * xp.log1p(z))
    v_power = 1 + v_power_minus_one
    slope = 1 + v_power * u / ((1 + z) * (t + v_power))
    return f - (f - xp.log1p(t + v_power_minus_one)) / slope


def _start(ctx: Any, t: Any, p: Any) -> tuple[Any, int]:
    """Guess of f and the number of its bits that are right; in floats where they reach."""
    if 1e-290 < t < 1e290 and p < 1e8:
        t_float, p_float = float(t), float(p)
        guess = first_guess(math, t_float)
        for _ in range(5):
            guess = newton_step(math, guess, t_float, p_float)
        return ctx.mpf(guess), 40
    f = first_guess(ctx, t)
    for _ in range(64):
        previous, f = f, newton_step(ctx, f, t, p)
        # quadratic convergence: once the step is below 2^-24 so is the square root of the error
        if abs(f - previous) <= ctx.ldexp(abs(f), -24):
            return f, 40
    raise ArithmeticError(f"Newton's method for h_D(z) = t did not settle at t = {t}, p = {p}")


def solve_h(ctx: Any, t: Any, D: Any) -> tuple[Any, Any]:
    """``(z, 1 - z)`` with ``h_D(z) = t`` for ``t > 0``, both to full relative accuracy."""
    magnitude = max(0, ctx.mag(ctx.log1p(t)))  # exp(-f/p) turns absolute error of f into relative error
    target = ctx.prec + magnitude
    with ctx.workprec(64 + magnitude):
        f, bits = _start(ctx, t, _exponents(ctx, D)[0])
    while bits < target:
        bits = min(2 * bits - 4, target)
        with ctx.workprec(bits + 16):
            f = newton_step(ctx, f, t, _exponents(ctx, D)[0])
    with ctx.workprec(target):
        p = _exponents(ctx, D)[0]
        return -ctx.expm1(-f / p), ctx.exp(-f / p)


@_scoped
def h_inverse(ctx: Any, t: Any, D: Any) -> Any:
    """``h_D^{-1}(t)``; ``asinh(t/2)`` at D = 2."""
    if D == 2:
        return ctx.asinh(t / 2)
    if t == 0:
        return t
    if ctx.isinf(t):
        return ctx.sign(t)
    return ctx.sign(t) * solve_h(ctx, abs(t), D)[0]


@_scoped
def h_inverse_complement(ctx: Any, t: Any, D: Any) -> Any:
    """``1 - |h_D^{-1}(t)|`` for D > 2."""
    if t == 0:
        return ctx.one
    return ctx.zero if ctx.isinf(t) else solve_h(ctx, abs(t), D)[1]


@_scoped
def q(ctx: Any, t: Any, D: Any) -> Any:
    """``q_D(t) = z t - H_D(z)`` at ``z = h_D^{-1}(t)``; at D = 2, ``|t| (s - tanh(s/2))``, ``s = asinh(|t|/2)``."""
    t = abs(t)
    if t == 0 or ctx.isinf(t):
        return t
    if D == 2:
        s = ctx.asinh(t / 2)
        return t * (s - ctx.tanh(s / 2))
    with ctx.workprec(ctx.prec + max(0, ctx.mag(ctx.log1p(t)))):  # H is a power of t
        z, u = solve_h(ctx, t, D)
        return z * t - _conjugate(ctx, z, u, D)


@_scoped
def q_second(ctx: Any, t: Any, D: Any) -> Any:
    """``q_D''(t) = 1/h_D'(z)``, with ``h_D' = p [(t + V)/(1-z) + V/(1+z)]``, ``V = (1+z)^-p``."""
    if ctx.isinf(t):
        return ctx.zero
    if D == 2:
        return 1 / ctx.hypot(2, t)
    p, _ = _exponents(ctx, D)
    if t == 0:
        return 1 / (2 * p)
    t = abs(t)
    z, u = solve_h(ctx, t, D)
    small = ctx.exp(-p * ctx.log1p(z))
    return 1 / (p * ((t + small) / u + small / (1 + z)))


@_scoped
def h(ctx: Any, s: Any, D: Any) -> Any:
    """``h_D(s) = 2 cosh(phi)^p sinh(p phi)`` at ``phi = atanh(s)``; ``2 sinh(s)`` at D = 2."""
    if D == 2:
        return 2 * ctx.sinh(s)
    if abs(s) >= 1:
        return ctx.sign(s) * ctx.inf if abs(s) == 1 else ctx.nan
    # near the ends 1 - |s| has lost bits of s that were never there: |s| itself is exact
    p, _ = _exponents(ctx, D)
    extra = max(0, -ctx.mag(1 - abs(s))) + max(0, ctx.mag(p))
    with ctx.workprec(ctx.prec + extra + 10):
        p, _ = _exponents(ctx, D)
        phi = ctx.atanh(s)
        return 2 * ctx.power(ctx.cosh(phi), p) * ctx.sinh(p * phi)


def _conjugate(ctx: Any, z: Any, u: Any, D: Any) -> Any:
    """``H_D`` for ``0 < z = 1 - u``, as a sum of two positive terms."""
    _, m = _exponents(ctx, D)
    log_uv = ctx.log1p(-z * z) if z < 0.5 else ctx.log(u) + ctx.log1p(z)
    if m == 0:
        return -log_uv
    half_sum = m * (ctx.log1p(z) - (ctx.log1p(-z) if z < 0.5 else ctx.log(u))) / 4
    return (4 * ctx.exp(-m * log_uv / 2) * ctx.sinh(half_sum) ** 2 + 2 * ctx.expm1(-m * log_uv / 2)) / m


@_scoped
def q_conjugate(ctx: Any, s: Any, D: Any) -> Any:
    """``H_D(s)``, ``+inf`` for ``|s| >= 1``; ``2 (cosh(s) - 1)`` at D = 2."""
    if D == 2:
        return 4 * ctx.sinh(s / 2) ** 2
    s = abs(s)
    if s >= 1:
        return ctx.inf
    if s == 0:
        return s
    _, m = _exponents(ctx, D)
    with ctx.workprec(ctx.prec + max(0, -ctx.mag(1 - s)) + max(0, ctx.mag(m)) + 10):
        return _conjugate(ctx, s, 1 - s, D)
