"""The explicit regularizer of one coordinate at any depth: ``S(b) = alpha^2 r_D(b / alpha^D)``.

``r_D(z) = min (a - 1)^2 + (1 - b)^2`` over ``a^D - b^D = z``. For z > 0 the minimum has ``a = 1 + x`` and
``b = 1 - y`` with ``x >= y > 0`` and one multiplier,

    mu = x (1+x)^{1-D} = y (1-y)^{1-D},    r_D = x^2 + y^2,    r_D' = 2 mu / D.

In ``A = a^D - 1`` and ``B = 1 - b^D`` the constraint is ``A + B = z``, sums of positive numbers throughout, and
``E = dz/dA`` stays between 1/2 and 2: Newton's method settles in a few steps whatever z and D (derived in
``derivations/explicit_depth.py``). As in :mod:`._curve` numbers that may leave the range of floats are pairs of a
mantissa and a binary exponent: below ``z = 2^-100``, r_D is a square, beyond ``2^100``, ``a = z^{1/D}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..special._depth import exact_depth
from ._curve import _ldexp, _power

if TYPE_CHECKING:
    from fractions import Fraction

    from ._scale import BinaryPower

__all__ = ["ExplicitCurve"]

_EXTREME = 100
"""Binary exponent of z from which on, either way, the leading asymptotics are exact to rounding."""
_STEPS = 6
_SERIES = 3e-3
"""z below which r''' is taken from its series, the closed form being a difference of terms of size 1/z there."""


class _Point(NamedTuple):
    """Minimizer for one z: ``x``, ``a = 1 + x``, ``T = alpha^D a^D`` and ``n = 1 - (D-2) x`` as pairs."""

    x: tuple[Any, Any]
    a: tuple[Any, Any]
    T: tuple[Any, Any]
    n: tuple[Any, Any]
    ratio: Any  # y / x, at most 1
    y: Any  # y itself where z is neither tiny nor huge
    A: Any
    E: Any
    z: Any  # clipped to where it is neither
    exponent: Any  # log2 of z, roughly


class ExplicitCurve:
    """Kernels ``value``, ``slope``, ``curvature`` of S for a validated finite depth ``D > 2``.

    Parameters
    ----------
    D
        Depth.
    alpha, c
        Scale of the weights and ``alpha^D``, as mantissa and exponent.
    """

    def __init__(self, D: Any, alpha: BinaryPower, c: BinaryPower) -> None:
        exact: Fraction = exact_depth(D)
        self.D, self.alpha, self.c = float(exact), alpha, c
        self._root = float(1 / exact)
        self._root_low = float(1 / exact - type(exact)(self._root))
        self._beyond_two = float(exact - 2)

    def value(self, xp: Any, b: Any) -> Any:
        """``S(b)``."""
        at = self._solve(xp, b)
        xm, xe = at.x
        size = self.alpha.mantissa * xm
        result = _ldexp(xp, size * size * (1.0 + at.ratio * at.ratio), 2.0 * (xe + self.alpha.exponent))
        return self._ends(xp, b, result, xp.abs(b), 0.0)

    def slope(self, xp: Any, b: Any) -> Any:
        """``S'(b) = (2/D) alpha^{2-D} mu``; 0 at infinity."""
        at = self._solve(xp, b)
        (xm, xe), (am, ae), (tm, te) = at.x, at.a, at.T
        level = (2.0 * self._root * self.alpha.mantissa**2) * (xm * am / tm)
        result = _ldexp(xp, level, xe + ae - te + 2.0 * self.alpha.exponent)
        return xp.copysign(self._ends(xp, b, result, xp.where(xp.isnan(b), b, 0.0), 0.0), b)

    def curvature(self, xp: Any, b: Any) -> Any:
        """``S''(b)``: positive up to ``x = 1/(D-2)``, negative beyond."""
        at = self._solve(xp, b)
        (nm, ne), (am, ae), (tm, te) = at.n, at.a, at.T
        level = (2.0 * (self._root * self.alpha.mantissa) ** 2) * (nm * am / (tm * tm * at.E))
        result = _ldexp(xp, level, ne + ae - 2.0 * te + 2.0 * self.alpha.exponent)
        at_zero = _ldexp(
            xp,
            xp.ones_like(b) * ((self._root * self.alpha.mantissa / self.c.mantissa) ** 2),
            xp.zeros_like(b) + 2.0 * (self.alpha.exponent - self.c.exponent),
        )
        return self._ends(xp, b, result, xp.where(xp.isnan(b), b, 0.0), at_zero)

    def along_scale(self, xp: Any, b: Any) -> Any:
        """``dS/dlog alpha``: by the envelope theorem ``-2 alpha^2 (x - y)``; ``2 S - D b S'`` where x is near y."""
        at = self._solve(xp, b)
        xm, xe = at.x
        closed = -2.0 * self.alpha.mantissa**2 * xm * (1.0 - at.ratio)
        # x - y is of the size of x, not of its square
        closed = _ldexp(xp, closed, xe + 2.0 * self.alpha.exponent)
        homogeneous = 2.0 * self.value(xp, b) - self.D * (b * self.slope(xp, b))
        return xp.where(b == 0.0, 0.0, xp.where(at.exponent < 1.0, homogeneous, closed))

    def third(self, xp: Any, b: Any) -> Any:
        """``S'''(b)``, to about ten digits."""
        at = self._solve(xp, b)
        D, m, y = self.D, self._beyond_two, at.y
        n, a, x = (_ldexp(xp, *pair) for pair in (at.n, at.a, at.x))
        whole = D * (1.0 + at.A)
        n_A, x_A = -m * a / whole, a / whole
        beta = D * y * (1.0 - y) ** D / (1.0 + m * y)  # dB / dlog mu
        beta_mu = beta * (1.0 / y - D / (1.0 - y) - m / (1.0 + m * y)) * y * (1.0 - y) / (1.0 + m * y)
        gamma = n / (x * whole)  # dlog mu / dA
        gamma_A = (n_A - n * (x_A / x + 1.0 / (1.0 + at.A))) / (x * whole)
        E_A = beta_mu * gamma * gamma + beta * gamma_A
        inner = n * ((1.0 - 2.0 * D) / whole - E_A / at.E) + n_A
        # far out r'' is a power of z, with exponent 2/D - 2: E = 1 and n = -(D-2) a there
        inner = xp.where(at.exponent > _EXTREME, 0.0, inner)
        direct = (2.0 * self._root**2) * (a / (1.0 + at.A) ** 2) * inner / at.E**2
        fourth, sixth = _series(D)
        direct = xp.where(at.z < _SERIES, at.z * (24.0 * fourth + 120.0 * sixth * at.z**2), direct)
        scale = self.alpha.mantissa**2 / self.c.mantissa**3
        direct = _ldexp(xp, direct * scale, xp.zeros_like(b) + 2.0 * self.alpha.exponent - 3.0 * self.c.exponent)
        far = (2.0 * self._root - 2.0) * self.curvature(xp, b) / xp.where(b == 0.0, 1.0, xp.abs(b))
        tiny = (at.exponent < -_EXTREME) | (b == 0.0)
        result = xp.where(tiny, 0.0, xp.where(at.exponent > _EXTREME, far, direct))
        return xp.where(xp.isfinite(b), xp.sign(b) * result, xp.where(xp.isnan(b), b, 0.0))

    @staticmethod
    def _ends(xp: Any, b: Any, result: Any, at_infinity: Any, at_zero: Any) -> Any:
        return xp.where(b == 0.0, at_zero, xp.where(xp.isfinite(b), result, at_infinity))

    def _solve(self, xp: Any, b: Any) -> _Point:
        size = xp.where(xp.isfinite(b) & (b != 0.0), xp.abs(b), 1.0)
        fb, kb = xp.frexp(size)
        kb = xp.asarray(kb, dtype=xp.float64)
        f, k = fb / self.c.mantissa, kb - self.c.exponent
        z = _ldexp(xp, f, xp.clip(k, -_EXTREME, _EXTREME))
        A, x, y = self._newton(xp, z)
        E = self._slope_of_z(A, x, y)

        near, far = k < -_EXTREME, k > _EXTREME
        am, ae = _power(xp, f, k, self._root, self._root_low)
        moderate = ae < 60.0  # else a - 1 is a to rounding
        a_far = _ldexp(xp, am, xp.clip(ae, -100.0, 60.0))
        x_far = xp.where(a_far > 2.0, a_far - 1.0, xp.expm1((xp.log(f) + k * _LOG2) * self._root))
        zero = xp.zeros_like(z)
        huge = far & ~moderate

        def choose(at_near: Any, at_middle: Any, at_far: Any, at_huge: Any) -> Any:
            return xp.where(near, at_near, xp.where(huge, at_huge, xp.where(far, at_far, at_middle)))

        x_pair = choose(0.5 * self._root * f, x, x_far, am), choose(k, zero, zero, ae)
        a_pair = choose(zero + 1.0, 1.0 + x, a_far, am), choose(zero, zero, zero, ae)
        n = 1.0 - self._beyond_two * xp.where(far, x_far, x)
        n_pair = choose(zero + 1.0, n, n, -self._beyond_two * am), choose(zero, zero, zero, ae)
        mantissa, exponent = zero + self.c.mantissa, zero + self.c.exponent
        T_pair = choose(mantissa, mantissa * (1.0 + A), fb, fb), choose(exponent, exponent, kb, kb)
        # mu = x a / a^D, and y = mu to rounding where that is tiny
        ratio = choose(zero + 1.0, y / x, xp.exp2(xp.clip(-k * (1.0 - self._root), -2000.0, 0.0)), zero)
        return _Point(
            x_pair, a_pair, T_pair, n_pair, ratio, y, A, choose(zero + 2.0, E, zero + 1.0, zero + 1.0), z, k
        )

    def _newton(self, xp: Any, z: Any) -> tuple[Any, Any, Any]:
        """``(A, x, y)`` for ``2^-101 < z < 2^101``."""
        D = self.D
        A = xp.maximum(0.5 * z, z - 0.75 * z / (1.5 + z))
        x = self._x(xp, A)
        mu = x * xp.exp(-(1.0 - self._root) * xp.log1p(A))
        # (1-y)^{1-D} >= 1 + (D-1) y: from above
        y = 2.0 * mu / (1.0 + xp.sqrt(1.0 + 4.0 * (D - 1.0) * mu))
        for _ in range(_STEPS):
            # log [y (1-y)^{1-D}] - log [x (1+x)^{1-D}], by the ratio: the logarithms are large and nearly equal
            excess = xp.log(y / x) + (1.0 - self._root) * xp.log1p(A) - (D - 1.0) * xp.log1p(-y)
            B = -xp.expm1(D * xp.log1p(-y))
            gap = (A - z) + B
            rate_y = (1.0 + self._beyond_two * y) / (y * (1.0 - y))
            rate_A = (1.0 - self._beyond_two * x) / (x * D * (1.0 + A))
            B_y = D * (1.0 - B) / (1.0 - y)
            change = (gap - B_y * excess / rate_y) / (1.0 + B_y * rate_A / rate_y)
            y_change = (excess + rate_A * change) / rate_y
            A = xp.clip(A - change, 0.5 * z, z)
            y = xp.clip(y - y_change, 0.25 * y, 0.5 * (1.0 + y))
            x = self._x(xp, A)
        return A, x, y

    def _x(self, xp: Any, A: Any) -> Any:
        """``(1+A)^{1/D} - 1``."""
        log = xp.log1p(A)
        direct = xp.pow(1.0 + A, self._root) * (1.0 + self._root_low * log) - 1.0
        return xp.where(A > 1.0, direct, xp.expm1(self._root * log))

    def _slope_of_z(self, A: Any, x: Any, y: Any) -> Any:
        """``E = dz/dA = 1 + (dB/dlog mu)(dlog mu/dA)``."""
        m = self._beyond_two
        ratio = (y / x) * (1.0 - y) ** self.D / (1.0 + A)
        return 1.0 + ratio * (1.0 - m * x) / (1.0 + m * y)


_LOG2 = 0.6931471805599453


def _series(D: float) -> tuple[float, float]:
    """Coefficients of ``z^4`` and ``z^6`` in r_D; that of ``z^2`` is ``1/(2 D^2)``."""
    fourth = -(D - 1.0) * (4.0 * D - 5.0) / (24.0 * D**4)
    return fourth, (D - 1.0) * (2.0 * D - 1.0) * ((158.0 * D - 393.0) * D + 244.0) / (2880.0 * D**6)
