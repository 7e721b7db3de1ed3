"""The scalar curve at scale c: ``S(b) = c q_D(b/c)``, its derivatives and its conjugate, for c of any size.

c is a mantissa and an exponent (:class:`._scale.BinaryPower`) and is never formed as a float: ``x = b/c`` is a
float times a power of two. Where that power leaves the range of floats the leading asymptotics of q_D are
exact to rounding:

* ``|x| < 2^-100``: ``S = q_D''(0) x b / 2``;
* ``|x| > 2^100``:  with ``L = log|x|``, ``S = |b| (L - 1)`` at D = 2 and ``|b| (1 - (D/2) e^{-L/p})`` beyond.

Kernels are written against ``xp`` (NumPy or torch) like those of :mod:`.special`.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._namespace import apply_where
from ..special import _float
from ..special._depth import constants
from ..special._tables import kernel_constants

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..special._depth import DepthConstants
    from ..special._tables import KernelConstants
    from ._scale import BinaryPower

__all__ = ["ScaledCurve"]

_LOG2 = math.log(2.0)
# log 2 in three parts; integers below 2^29 times the first two, of 24 bits each, are exact
_LOG2_PARTS = (
    float.fromhex("0x1.62e430p-1"),
    float.fromhex("-0x1.05c610p-29"),
    float.fromhex("-0x1.950d871319ff0p-54"),
)
_ASYMPTOTIC = 100
"""Binary exponent of x from which on, either way, the leading asymptotics are exact to rounding."""


def _ldexp(xp: Any, x: Any, exponent: Any) -> Any:
    """``x * 2**exponent`` for exponents of any size."""
    if xp is np:
        return np.ldexp(x, np.clip(exponent, -5000, 5000).astype(np.int32))
    exponent = exponent.clamp(-2040, 2040)
    half = xp.div(exponent, 2, rounding_mode="floor")
    return xp.ldexp(xp.ldexp(x, half), exponent - half)


def _power(xp: Any, fraction: Any, exponent: Any, power: float, power_low: float) -> tuple[Any, Any]:
    """``(fraction * 2**exponent) ** (power + power_low)`` as mantissa and integer exponent."""
    high = float(np.float32(power))  # 24 bits: times an exponent it is exact
    product = exponent * high
    whole = xp.round(product)
    rest = (product - whole) + exponent * ((power - high) + power_low)
    return xp.pow(fraction, power) * xp.exp(_LOG2 * rest), whole


class ScaledCurve:
    """Kernels of ``S(b) = c q_D(b/c)`` for a validated depth and ``c = mantissa * 2**exponent``."""

    def __init__(
        self,
        D: Any,
        c: BinaryPower,
        depth_constants: Callable[[Any], DepthConstants] = constants,
        kernel_constants: Callable[[str, Any], KernelConstants] = kernel_constants,
    ) -> None:
        self.D, self.c = D, c
        self._kernel_constants = kernel_constants
        self._constants: Any = None
        self._p, self._curvature_at_zero = math.inf, 0.5
        if D != 2:
            self._constants = depth_constants(D)
            self._p, self._curvature_at_zero = self._constants.p, 0.5 / self._constants.p

    def _special(self, name: str, xp: Any, x: Any) -> Any:
        if self.D == 2:
            return {
                "q": _float.q2,
                "h_inverse": _float.q2_prime,
                "q_second": _float.q2_second,
                "h": _float.h2,
                "q_conjugate": _float.q2_conjugate,
            }[name](xp, x)
        return getattr(_float, name)(xp, x, self._kernel_constants(name, self.D))

    # ---- functions of b ----

    def _by_size(
        self,
        xp: Any,
        b: Any,
        near: Callable[..., Any],
        middle: Callable[..., Any],
        far: Callable[..., Any],
        at_infinity: Any,
    ) -> Any:
        """Evaluate by the size of ``x = f 2^k``: ``near(b, f, k)``, ``middle(b, x)``, ``far(b, f, k)``."""
        f, k = xp.frexp(xp.abs(b))
        f, k = f / self.c.mantissa, xp.asarray(k, dtype=xp.float64) - self.c.exponent
        k = xp.where(b == 0.0, -math.inf, k)

        def inner(b: Any, f: Any, k: Any) -> Any:
            return apply_where(
                xp,
                k > _ASYMPTOTIC,
                lambda b, f, k: (far(b, f, k),),
                lambda b, f, k: (middle(b, _ldexp(xp, f, k)),),
                *(b, f, k),
            )

        result = apply_where(
            xp, k < -_ASYMPTOTIC, lambda b, f, k: (near(b, f, xp.clip(k, -1e5, 0.0)),), inner, b, f, k
        )[0]
        return xp.where(xp.isfinite(b), result, at_infinity)

    def _log_x(self, xp: Any, f: Any, k: Any) -> Any:
        return xp.log(f) + k * _LOG2

    def value(self, xp: Any, b: Any) -> Any:
        """``S(b)``."""

        def far(b: Any, f: Any, k: Any) -> Any:
            log_x = self._log_x(xp, f, k)
            if self.D == 2:
                return xp.abs(b) * (log_x - 1.0)
            # 1 - (D/2) u with u = x^(-1/p), through expm1: near D = 2 the two nearly cancel
            c = self._constants
            return xp.abs(b) * -xp.expm1(math.log1p(1.0 / c.m) - c.inverse_p * log_x)

        def near(b: Any, f: Any, k: Any) -> Any:
            return _ldexp(xp, xp.abs(b) * (f * (0.5 * self._curvature_at_zero)), k)

        def middle(b: Any, x: Any) -> Any:
            return xp.abs(b) * (self._special("q", xp, x) / x)

        return self._by_size(xp, b, near, middle, far, xp.abs(b))

    def slope(self, xp: Any, b: Any) -> Any:
        """``S'(b) = q_D'(b/c)``."""

        def far(b: Any, f: Any, k: Any) -> Any:
            log_x = self._log_x(xp, f, k)
            return log_x if self.D == 2 else -xp.expm1(-self._constants.inverse_p * log_x)

        def near(b: Any, f: Any, k: Any) -> Any:
            return _ldexp(xp, f * self._curvature_at_zero, k)

        def middle(b: Any, x: Any) -> Any:
            return self._special("h_inverse", xp, x)

        at_infinity = xp.abs(b) if self.D == 2 else b * 0.0 + 1.0 if xp is not np else np.where(b == b, 1.0, b)
        return xp.copysign(self._by_size(xp, b, near, middle, far, at_infinity), b)

    def curvature(self, xp: Any, b: Any) -> Any:
        """``S''(b) = q_D''(b/c)/c``."""

        def far(b: Any, f: Any, k: Any) -> Any:
            if self.D == 2:
                return 1.0 / xp.abs(b)
            c = self._constants
            mantissa, exponent = _power(xp, f, k, -c.inverse_p, -c.inverse_p_low)
            # x^(-1/p) alone may underflow where its quotient by |b| does not
            fraction, shift = xp.frexp(xp.abs(b))
            return _ldexp(xp, mantissa / (c.p * fraction), exponent - shift)

        def near(b: Any, f: Any, k: Any) -> Any:
            level = xp.ones_like(b) * (self._curvature_at_zero / self.c.mantissa)
            return _ldexp(xp, level, xp.ones_like(b) * -self.c.exponent)

        def middle(b: Any, x: Any) -> Any:
            level = self._special("q_second", xp, x) / self.c.mantissa
            return _ldexp(xp, level, xp.ones_like(b) * -self.c.exponent)

        return self._by_size(xp, b, near, middle, far, xp.where(xp.isnan(b), b, 0.0))

    # ---- functions of the dual coordinate s ----

    def _times_c(self, xp: Any, x: Any, exponent: Any = 0.0) -> Any:
        return _ldexp(xp, x * self.c.mantissa, xp.zeros_like(x) + exponent + self.c.exponent)

    def _dual(self, xp: Any, s: Any, name: str, *, factor: float, extra: float, plain: Callable[..., Any]) -> Any:
        """``c plain(|s|)``; where that is huge, its leading term ``c factor (1-s)^-extra`` or ``c factor e^s``."""
        s = xp.abs(s)
        if self.D == 2:
            # past the upper bound n * log 2 would no longer be exact; the value is infinite long before
            huge = (s > 300.0) & (s < 2.0**28)

            def leading(s: Any) -> tuple[Any]:
                n = xp.round(s / _LOG2)
                high, middle, low = _LOG2_PARTS
                rest = ((s - n * high) - n * middle) - n * low
                return (self._times_c(xp, factor * xp.exp(rest), n),)
        else:
            threshold = math.exp(-600.0 / extra) if extra else 0.0
            huge = (1.0 - s < threshold) & (s < 1.0)

            def leading(s: Any) -> tuple[Any]:
                f, k = xp.frexp(1.0 - s)
                c = self._constants
                low = c.m_low if name == "q_conjugate" else c.p_low
                k = xp.asarray(k, dtype=xp.float64)
                mantissa, exponent = _power(xp, f, k, -extra, -low)
                return (self._times_c(xp, factor * mantissa, exponent),)

        return apply_where(xp, huge, leading, lambda s: (self._times_c(xp, plain(s)),), s)[0]

    def conjugate(self, xp: Any, s: Any) -> Any:
        """``S*(s) = c q_D*(s)``."""
        m = 0.0 if self.D == 2 else self._constants.m
        factor = 1.0 if self.D == 2 else 1.0 / m

        plain = functools.partial(self._special, "q_conjugate", xp)
        kernel = functools.partial(self._dual, xp, name="q_conjugate", factor=factor, extra=m, plain=plain)
        return self._unless_tiny(xp, xp.abs(s), 2, kernel)

    def _unless_tiny(self, xp: Any, s: Any, power: int, kernel: Callable[[Any], Any]) -> Any:
        """``kernel(s)``; for tiny s its leading term, ``c s^power / (power q_D''(0))``, without underflow."""

        def tiny(s: Any) -> tuple[Any]:
            f, k = xp.frexp(s)
            level = f**power / (power * self._curvature_at_zero)
            return (self._times_c(xp, level, power * xp.asarray(k, dtype=xp.float64)),)

        return apply_where(xp, s < 2.0**-_ASYMPTOTIC, tiny, lambda s: (kernel(s),), s)[0]

    def curve(self, xp: Any, s: Any) -> Any:
        """``S*'(s) = c h_D(s)``: the predictor as a function of the dual coordinate."""
        p = 0.0 if self.D == 2 else self._p
        plain = functools.partial(self._special, "h", xp)
        kernel = functools.partial(self._dual, xp, name="h", factor=1.0, extra=p, plain=plain)
        return xp.copysign(self._unless_tiny(xp, xp.abs(s), 1, kernel), s)

    def curve_slope(self, xp: Any, s: Any) -> Any:
        """``S*''(s) = c h_D'(s)``."""
        if self.D == 2:
            return self._dual(xp, s, "h_prime", factor=1.0, extra=0.0, plain=lambda s: 2.0 * xp.cosh(s))
        p = self._p

        def plain(s: Any) -> Any:
            inside = xp.where(s < 1.0, s, 0.0)
            u, v = 1.0 - inside, 1.0 + inside
            big, small = _float.powers(xp, inside, u, v, p, self._constants.p_low)
            value = p * (big / u + small / v)
            return xp.where(s < 1.0, value, xp.where(s == 1.0, math.inf, math.nan))

        return self._dual(xp, s, "h_prime", factor=p, extra=p + 1.0, plain=plain)
