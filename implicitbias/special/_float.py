"""Float kernels, written once for NumPy and torch: ``kernel(xp, x, ...)`` with ``xp`` the module itself.

For D > 2 the root z of ``h_D(z) = t``, ``t >= 0``, is carried together with ``u = 1 - z``, each to full relative
accuracy. Three ranges:

* ``t <= 2``: polynomials, in ``t**2`` up to 1/2 and in each octave beyond (:func:`._tables.kernel_constants`);
* up to ``e^40``: one Halley step from a start value within 1e-6. Its base point is rounded so that ``z``,
  ``1 - z`` and ``1 + z`` are all exact, hence the residual is right to the last places;
* beyond, ``u = t^{-1/p}`` to rounding.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from .._namespace import apply_where
from . import _tables
from ._coefficients import Q2_FIT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._tables import KernelConstants

_E40 = 2.3e17
_NEAR_TWO = 1e9
"""Exponent from which ``1 - z`` has too few bits for z: D - 2 below 2e-9."""


def polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """Horner's rule, coefficients in ascending order."""
    total = x * coefficients[-1] + coefficients[-2]
    for c in coefficients[-3::-1]:
        if isinstance(total, np.ndarray):
            total *= x
            total += c
        else:
            total = total * x + c
    return total


# ---- D = 2 ----


def q2(xp: Any, z: Any) -> Any:
    """``q(z) = y (s - tanh(s/2))`` with ``y = |z|``, ``s = asinh(y/2)``; a polynomial below 1."""
    y = xp.abs(z)

    def near(y: Any) -> tuple[Any]:
        # y * (y * P), not y**2 * P: the square would round twice where it is subnormal
        return (y * (y * polynomial(y * y, Q2_FIT)),)

    def far(y: Any) -> tuple[Any]:
        x = 0.5 * y
        # tanh(s/2) = x/(1 + sqrt(1 + x^2)) is 1 to rounding long before x^2 overflows, even in float32
        w = xp.where(x < 1e15, x, 1e15)
        return (y * (xp.asinh(x) - w / (1.0 + xp.sqrt(1.0 + w * w))),)

    return apply_where(xp, y < 1.0, near, far, y)[0]


def q2_prime(xp: Any, z: Any) -> Any:
    """``asinh(z/2)``."""
    return xp.asinh(0.5 * z)


def q2_second(xp: Any, z: Any) -> Any:
    """``1/sqrt(4 + z^2)``."""
    return 1.0 / xp.hypot(z, xp.ones_like(z) * 2.0)


def q2_conjugate(xp: Any, s: Any) -> Any:
    """``2 (cosh(s) - 1) = 4 sinh(s/2)^2``, as a product that overflows no earlier than the value."""
    half = xp.sinh(0.5 * s)
    return (4.0 * half) * half


def h2(xp: Any, s: Any) -> Any:
    """``2 sinh(s)``."""
    return 2.0 * xp.sinh(s)


# ---- D > 2 ----


def powers(xp: Any, z: Any, u: Any, v: Any, exponent: float, low: float = 0.0) -> tuple[Any, Any]:
    """``((1-z)^-e, (1+z)^-e)`` with ``u, v`` the rounded bases and ``e = exponent + low``.

    A relative error x of a base is one of ``e x`` in the power: what rounding took from the bases (zero where
    they are exact) and from the exponent is given back.
    """
    big, small = xp.pow(u, -exponent), xp.pow(v, -exponent)
    lost_u, lost_v = (1.0 - u) - z, z - (v - 1.0)
    big, small = big * xp.exp(lost_u * -exponent / u), small * xp.exp(lost_v * -exponent / v)
    if low:
        big, small = big * (1.0 - low * xp.log(u)), small * (1.0 - low * xp.log(v))
    return big, small


def _exact_base(xp: Any, f: Any, c: KernelConstants) -> tuple[Any, Any, Any]:
    """``(z, u, v) = (z, 1 - z, 1 + z)``, near the root that f stands for, with no rounding error between them."""
    u = xp.exp(f * -(1.0 / c.p))
    u = xp.where(u < 0.5, u, (1.0 + u) - 1.0)
    return 1.0 - u, u, 2.0 - u


def _fitted(xp: Any, t: Any, c: KernelConstants, power: int) -> tuple[Any]:
    """Polynomials for ``0 <= t <= c.reach``: ``t^power`` times one in ``t^2`` near 0, then one per octave."""

    def near(t: Any) -> tuple[Any]:
        value = t * polynomial(t * t, c.near)
        return (value if power == 1 else t * value,)

    *octaves, (low, fit) = c.octaves
    kernel: Callable[..., Any] = functools.partial(_octave, low, fit)
    for low, fit in reversed(octaves):
        kernel = functools.partial(_octave_or, xp, low, fit, kernel)
    result: tuple[Any] = apply_where(xp, t <= c.radius, near, kernel, t)
    return result


def _octave(low: float, fit: Sequence[float], t: Any) -> tuple[Any]:
    return (polynomial(t - 1.5 * low, fit),)


def _octave_or(xp: Any, low: float, fit: Sequence[float], beyond: Callable[..., Any], t: Any) -> Any:
    return apply_where(xp, t <= 2.0 * low, functools.partial(_octave, low, fit), beyond, t)


def _root_fitted(xp: Any, t: Any, c: KernelConstants) -> tuple[Any, Any]:
    (z,) = _fitted(xp, t, c, 1)
    return z, 1.0 - z


def _start(xp: Any, t: Any, c: KernelConstants) -> Any:
    if xp is np:
        return _tables.start_table(c.D)(np.log(t))
    return _tables.start_iteration(xp, t, c.p, steps=3)


def _root_middle(xp: Any, t: Any, c: KernelConstants) -> tuple[Any, Any]:
    if c.p >= _NEAR_TWO:
        return _root_close_to_two(xp, t, c)
    f = _start(xp, t, c)
    z, u, v = _exact_base(xp, f, c)
    big, small = xp.pow(u, -c.p), xp.pow(v, -c.p)
    if c.p_low:
        big, small = big * (1.0 + f * (c.p_low / c.p)), small * (1.0 - c.p_low * xp.log(v))
    big_u, small_v = big / u, small / v
    newton = ((t - big) + small) / (c.p * (big_u + small_v))
    # Halley: divide by 1 + newton h''/(2 h')
    curvature = (0.5 * (c.p + 1.0)) * (big_u / u - small_v / v) / (big_u + small_v)
    step = newton / (1.0 + newton * curvature)
    return z + step, u - step


def _root_close_to_two(xp: Any, t: Any, c: KernelConstants) -> tuple[Any, Any]:
    """``z = tanh(s/p)`` with ``2 sinh(s) exp(s^2/(2p)) = t``, a contraction by s/p < 1e-6."""
    s = xp.asinh(0.5 * t)
    for _ in range(2):
        s = xp.asinh(0.5 * t * xp.exp(-0.5 * s * s / c.p))
    z = xp.tanh(s / c.p)
    return z, 1.0 - z


def _root_far(xp: Any, t: Any, c: KernelConstants) -> tuple[Any, Any]:
    u = xp.pow(t, -c.inverse_p)
    if c.inverse_p_low:
        u = u * (1.0 - c.inverse_p_low * xp.log(xp.where(t < np.inf, t, 1.0)))
    if c.p < 40.0:
        return 1.0 - u, u
    return -xp.expm1(-c.inverse_p * xp.log(t)), u  # u is not small yet


def _by_range(xp: Any, t: Any, c: KernelConstants, *kernels: Callable[..., Any]) -> Any:
    near, middle, far = kernels

    def rest(t: Any) -> Any:
        return apply_where(xp, t < _E40, lambda t: middle(xp, t, c), lambda t: far(xp, t, c), t)

    return apply_where(xp, t <= c.reach, lambda t: near(xp, t, c), rest, t)


def root(xp: Any, t: Any, c: KernelConstants) -> tuple[Any, Any]:
    """``(z, 1 - z)`` with ``h_D(z) = t``, for ``t >= 0``."""
    z, u = _by_range(xp, t, c, _root_fitted, _root_middle, _root_far)
    return z, u


def h_inverse(xp: Any, t: Any, c: KernelConstants) -> Any:
    """``h_D^{-1}(t)``."""
    return xp.copysign(root(xp, xp.abs(t), c)[0], t)


def h_inverse_complement(xp: Any, t: Any, c: KernelConstants) -> Any:
    """``1 - |h_D^{-1}(t)|``."""
    return root(xp, xp.abs(t), c)[1]


def q_second(xp: Any, t: Any, c: KernelConstants) -> Any:
    """``1/h_D'(z) = u/(p [t + 2 V/v])`` with ``V = v^-p``: t itself replaces the large power."""
    t = xp.abs(t)
    z, u = root(xp, t, c)
    v = 1.0 + z
    small = xp.pow(v, -c.p) * xp.exp((z - (v - 1.0)) * -c.p / v)
    return (u / c.p) / (t + 2.0 * small / v)


def _conjugate_far(xp: Any, z: Any, u: Any, v: Any, c: KernelConstants) -> Any:
    """``H_D = (u^-m + v^-m - 2)/m`` away from 0."""

    def direct(z: Any, u: Any, v: Any) -> tuple[Any]:
        big, small = powers(xp, z, u, v, c.m, c.m_low)
        value = ((big - 1.0) + (small - 1.0)) / c.m
        scaled: tuple[Any] = apply_where(
            xp, big < np.inf, lambda value, *_: (value,), beyond_floats, value, z, u, v
        )
        return scaled

    def beyond_floats(_: Any, z: Any, u: Any, v: Any) -> tuple[Any]:
        # u^-m overflows before u^-m/m does
        half = powers(xp, z, u, v, 0.5 * c.m, 0.5 * c.m_low)[0]
        return ((half / c.m) * half,)

    def stable(z: Any, u: Any, v: Any) -> tuple[Any]:
        # two positive terms, of which m -> 0 leaves the second
        log_uv = xp.where(z < 0.7, xp.log1p(-z * z), xp.log(u * v))
        if c.m == 0.0:
            return (-log_uv,)
        growth = (-0.5 * c.m) * log_uv
        spread = xp.sinh((0.25 * c.m) * xp.log(v / u))
        return ((4.0 * xp.exp(growth) * spread * spread + 2.0 * xp.expm1(growth)) / c.m,)

    if c.m >= 1.0:
        return direct(z, u, v)[0]
    doubled = 2.0 ** (-1.0 / c.m) if c.m > 1e-3 else 0.0  # u at which u^-m = 2
    return apply_where(xp, u < doubled, direct, stable, z, u, v)[0]


def _q_fitted(xp: Any, t: Any, c: KernelConstants) -> tuple[Any]:
    return _fitted(xp, t, c, 2)


def _q_legendre(xp: Any, t: Any, c: KernelConstants) -> tuple[Any]:
    # z t - H(z) is stationary at the root, so z may be rounded to where 1 - z and 1 + z are exact
    z, u = _root_middle(xp, t, c)
    if c.p < _NEAR_TWO:
        u = xp.where(u < 0.5, u, (1.0 + u) - 1.0)
        z = 1.0 - u
    return (z * t - _conjugate_far(xp, z, u, 1.0 + z, c),)


def _q_far(xp: Any, t: Any, c: KernelConstants) -> tuple[Any]:
    log_inverse_u = c.inverse_p * xp.log(xp.where(t < np.inf, t, 1.0))  # u^-m = u t here
    z = -xp.expm1(-log_inverse_u)
    if c.m == 0.0:
        value = t - 1.0 - log_inverse_u + xp.log1p(z)
    elif c.m < 1.0:
        value = t - xp.exp(c.m * log_inverse_u) - xp.expm1(c.m * log_inverse_u) / c.m
        value = value - xp.expm1(-c.m * xp.log1p(z)) / c.m
    else:
        # near D = 2 nearly all of t cancels: take 1 - u (1 + 1/m) through expm1
        kept = -xp.expm1(np.log1p(1.0 / c.m) - log_inverse_u)
        value = t * kept + (1.0 - xp.expm1(-c.m * xp.log1p(z))) / c.m
    return (xp.where(t < np.inf, value, t),)


def q(xp: Any, t: Any, c: KernelConstants) -> Any:
    """``q_D(t) = z t - H_D(z)``."""
    return _by_range(xp, xp.abs(t), c, _q_fitted, _q_legendre, _q_far)[0]


def h(xp: Any, s: Any, c: KernelConstants) -> Any:
    """``h_D(s) = (1-s)^-p - (1+s)^-p``; infinite at the ends, nan outside."""
    z = xp.abs(s)

    def near(z: Any) -> tuple[Any]:
        return (z * polynomial(z * z, c.near),)

    def far(z: Any) -> tuple[Any]:
        inside = xp.where(z < 1.0, z, 0.0)
        big, small = powers(xp, inside, 1.0 - inside, 1.0 + inside, c.p, c.p_low)
        return (xp.where(z < 1.0, big - small, xp.where(z == 1.0, np.inf, np.nan)),)

    return xp.copysign(apply_where(xp, z < c.radius, near, far, z)[0], s)


def q_conjugate(xp: Any, s: Any, c: KernelConstants) -> Any:
    """``H_D(s)``; ``+inf`` for ``|s| >= 1``."""
    z = xp.abs(s)

    def near(z: Any) -> tuple[Any]:
        return (z * (z * polynomial(z * z, c.near)),)

    def far(z: Any) -> tuple[Any]:
        inside = xp.where(z < 1.0, z, 0.5)
        value = _conjugate_far(xp, inside, 1.0 - inside, 1.0 + inside, c)
        return (xp.where(z < 1.0, value, xp.where(z >= 1.0, np.inf, z)),)

    return apply_where(xp, z < c.radius, near, far, z)[0]
