"""Per-depth approximations behind the float kernels, built on first use from the mpmath functions and kept.

Near the origin every function is an even or odd power series times a leading term; it is replaced by a
Chebyshev fit in the squared argument, short because the nearest singularity lies well outside. In between,
the start value of Newton's method is read from a cubic table.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _multiprecision
from ._depth import constants

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["KernelConstants", "StartTable", "kernel_constants", "start_iteration", "start_table"]

INVERSE_RADIUS = 0.5
"""|t| up to which inverse functions use their fits: the nearest singularity has |t| between 1 and 2."""
LOG_T_MIN, LOG_T_MAX = 0.0, 40.0
"""Range of the start table; beyond it ``(1+z)^-p < 1`` is below half a unit in the last place of t."""
TABLE_CELLS_PER_UNIT = 8
_FIT_BITS = 90
_FIT_NODES = 28


class KernelConstants(NamedTuple):
    """All that a float kernel needs to know of its depth; the exponents as in :class:`._depth.DepthConstants`."""

    D: Any
    p: float
    p_low: float
    inverse_p: float
    inverse_p_low: float
    m: float
    m_low: float
    radius: float
    reach: float
    near: tuple[float, ...]
    octaves: tuple[tuple[float, tuple[float, ...]], ...]


@functools.lru_cache(maxsize=1024)
def kernel_constants(kernel: str, D: Any) -> KernelConstants:
    """Constants of the named kernel of `_float` at a validated depth ``D > 2``.

    `radius` bounds the arguments for which the polynomial with coefficients `near`, in ascending powers of
    ``x**2``, replaces the function over its leading power of x (``x**2`` for `q` and `q_conjugate`, x
    otherwise). `octaves` are pairs of a number and the coefficients of a fit from it to its double, in powers of
    the distance to the middle; they end at `reach`.
    """
    exponents = constants(D)
    name = kernel if kernel in {"q", "q_conjugate", "h"} else "h_inverse"
    # past 1.5/p the direct difference of h and of its integral loses under a bit
    radius = min(0.6, 1.5 / exponents.p) if name in {"h", "q_conjugate"} else INVERSE_RADIUS
    function = getattr(_multiprecision, name)
    power = 2 if name.startswith("q") else 1

    def scaled(ctx: Any, square: Any) -> Any:
        x = ctx.sqrt(square)
        return function(x, D) / x**power

    what = f"{name} at D = {D}"
    # q: up to where z t and H are differences of numbers near 1; z: while 1 - z is not small against z
    lows = {"q": (0.5, 1.0, 2.0), "h_inverse": (0.5, 1.0)}.get(name, ())
    octaves = tuple(
        (low, _fit(lambda ctx, x, low=low: function(x + 1.5 * low, D), -0.5 * low, 0.5 * low, what)) for low in lows
    )
    reach = 2.0 * lows[-1] if lows else radius
    return KernelConstants(D, *exponents, radius, reach, _fit(scaled, 0.0, radius**2, what), octaves)


def _fit(function: Callable[..., Any], low: float, high: float, what: str) -> tuple[float, ...]:
    """Chebyshev interpolant of ``function(ctx, x)`` on ``[low, high]``, cut where float64 cannot tell.

    Coefficients in ascending powers of x.
    """
    import mpmath

    # a context of our own: the caller's precision is neither read nor touched
    ctx = mpmath.mp.clone()
    ctx.prec = _FIT_BITS
    middle, half = ctx.mpf(low + high) / 2, ctx.mpf(high - low) / 2
    angles = [ctx.pi * (2 * j + 1) / (2 * _FIT_NODES) for j in range(_FIT_NODES)]
    cosines = [ctx.cos(angle) for angle in angles]
    values = [function(ctx, middle + half * cosine) for cosine in cosines]
    # T_0 .. T_k at the nodes by recurrence, and the coefficients of the T_k as discrete inner products
    rows = [[ctx.one] * _FIT_NODES, cosines]
    while len(rows) < _FIT_NODES:
        rows.append([2 * c * t - s for c, t, s in zip(cosines, rows[-1], rows[-2], strict=True)])
    series = [2 * ctx.fdot(row, values) / _FIT_NODES for row in rows]
    series[0] /= 2
    tail, terms = ctx.zero, _FIT_NODES
    while terms and tail + abs(series[terms - 1]) < abs(series[0]) * ctx.ldexp(1, -58):
        tail, terms = tail + abs(series[terms - 1]), terms - 1
    if terms > _FIT_NODES - 2:
        raise ArithmeticError(f"no polynomial of moderate degree represents {what} on [{low}, {high}]")
    return tuple(float(c) for c in _monomials(ctx, series[:terms], middle, half))


def _monomials(ctx: Any, series: list[Any], middle: Any, half: Any) -> list[Any]:
    """Coefficients in powers of x of ``sum series_k T_k((x - middle)/half)``, by Clenshaw's recurrence."""

    def times_argument(polynomial: list[Any]) -> list[Any]:
        shifted = [ctx.zero, *polynomial]
        return [(a - middle * b) / half for a, b in zip(shifted, [*polynomial, ctx.zero], strict=True)]

    def add(*polynomials: list[Any]) -> list[Any]:
        return [sum(terms, ctx.zero) for terms in itertools.zip_longest(*polynomials, fillvalue=ctx.zero)]

    ahead: list[Any] = [ctx.zero]
    now: list[Any] = [ctx.zero]
    for coefficient in reversed(series[1:]):
        doubled = [2 * c for c in times_argument(now)]
        now, ahead = add([coefficient], doubled, [-c for c in ahead]), now
    total = add([series[0]], times_argument(now), [-c for c in ahead])
    return total[: len(series)]


def start_iteration(xp: Any, t: Any, p: float, steps: int) -> Any:
    """``f = -p log(1 - z)`` with ``h_D(z) = t > 0``, by a fixed number of Newton steps."""
    f = _multiprecision.first_guess(xp, t)
    for _ in range(steps):
        f = _multiprecision.newton_step(xp, f, t, p)
    return f


@dataclass(frozen=True)
class StartTable:
    """Cubic Hermite table of f over ``log t``; coefficients of each power, shape ``(cells,)``."""

    coefficients: tuple[NDArray[np.float64], ...]

    def __call__(self, log_t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Interpolated f, to about 1e-6."""
        position = (log_t - LOG_T_MIN) * TABLE_CELLS_PER_UNIT
        cell = position.astype(np.int32)
        position -= cell
        c0, c1, c2, c3 = (c.take(cell, mode="clip") for c in self.coefficients)
        return ((c3 * position + c2) * position + c1) * position + c0


@functools.lru_cache(maxsize=256)
def start_table(D: Any) -> StartTable:
    """Start table of depth D."""
    p = constants(D).p
    cells = math.ceil((LOG_T_MAX - LOG_T_MIN) * TABLE_CELLS_PER_UNIT) + 1
    log_t = LOG_T_MIN + np.arange(cells + 1) / TABLE_CELLS_PER_UNIT
    t = np.exp(log_t)
    f = start_iteration(np, t, p, steps=6)
    u = np.exp(-f / p)
    v_power = np.exp(-p * np.log1p(-np.expm1(-f / p)))
    # df/dlog t from the implicit equation, per cell
    slope = t / (t + v_power + v_power * u / (2.0 - u)) / TABLE_CELLS_PER_UNIT
    rise = np.diff(f)
    left, right = slope[:-1], slope[1:]
    return StartTable((f[:-1], left, 3.0 * rise - 2.0 * left - right, left + right - 2.0 * rise))
