"""The scalar functions on SymPy expressions.

`h` and `q_conjugate` are elementary at every depth. The others are elementary at D = 2, at D = 4 (radicals) and in
the limit of infinite depth; elsewhere they are SymPy functions of ``(t, D)`` that know their derivatives

    q' = h_inverse,    h_inverse' = q_second = 1/h',    q_second' = -h''(z) q_second^3  at  z = h_inverse,

their power series at 0, their signs, and their values to any number of digits at any magnitude. Exact numbers
of many digits stay inside the function also where it is elementary: SymPy would try to factor them.

The radicals of D = 4 contain the cube root of ``t**2``, which has no derivative at 0 although the function is
analytic: take values there from `h_inverse` and `q_second`, which need no limit, not from ``diff``.

A floating-point argument is evaluated at its own precision. Depths are kept as exact rational numbers.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import mpmath
from sympy import (
    Abs,
    Float,
    Function,
    Order,
    Rational,
    S,
    asinh,
    atanh,
    cbrt,
    log,
    sign,
    sinh,
    sqrt,
    sympify,
)
from sympy.core.function import ArgumentIndexError

from . import _multiprecision
from ._depth import exact_depth

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["h", "h_inverse", "h_inverse_complement", "q", "q_conjugate", "q_second"]


_SHORT_BITS = 256


def _rational(D: Any) -> Any:
    """Depth as a SymPy rational or infinity, exactly."""
    if D is S.Infinity or getattr(D, "is_Rational", False):
        return D
    return S.Infinity if D == math.inf else Rational(exact_depth(D))


@functools.lru_cache(maxsize=1)
def _context() -> Any:
    # a context of our own: the caller's precision is neither read nor touched
    return mpmath.mp.clone()


def _number(name: str, x: Any, D: Any, bits: int) -> Any:
    """Value of the named function at a SymPy `Float`, to `bits` bits."""
    ctx = _context()
    if D is S.Infinity:
        depth: Any = math.inf
    else:
        depth = Fraction(int(D.p), int(D.q))
    with ctx.workprec(bits):
        value = getattr(_multiprecision, name)(ctx.make_mpf(x._mpf_), depth)
    if ctx.isnan(value):
        return S.NaN
    if ctx.isinf(value):
        return S.Infinity if value > 0 else S.NegativeInfinity
    return Float(value._mpf_, precision=bits)


def _is_short(t: Any) -> bool:
    """Whether roots of `t` may be left to SymPy, which looks for factors of exact numbers."""
    return not t.is_Rational or max(abs(int(t.p)), int(t.q)).bit_length() <= _SHORT_BITS


def _require_real(name: str, x: Any) -> None:
    if x.is_extended_real is False and x is not S.ComplexInfinity:
        raise TypeError(f"{name} must be real, got {x}")


@functools.lru_cache(maxsize=256)
def _inverse_coefficients(D: Any, count: int) -> tuple[Any, ...]:
    """Coefficients of ``t, t^3, t^5, ...`` in ``h_D^{-1}(t)``, by Lagrange's inversion of the series of h_D."""
    p = S.One if D is S.Infinity else D / (D - 2)
    # h_D(z) = 2 p z (1 + a_1 z^2 + a_2 z^4 + ...), from the binomial series
    a = [S.One]
    for k in range(1, count):
        a.append(a[-1] * (p + 2 * k - 1) * (p + 2 * k) / (2 * k * (2 * k + 1)))
    found = []
    for k in range(count):
        power = 2 * k + 1
        # b is the series of (1 + a_1 y + ...)^-power, by Miller's recurrence
        b = [S.One]
        for i in range(1, k + 1):
            b.append(sum(-(j * power + i - j) * a[j] * b[i - j] for j in range(1, i + 1)) / i)
        found.append(b[k] / (power * (2 * p) ** power))
    return tuple(found)


class _DepthFunction(Function):  # type: ignore[misc]  # SymPy is untyped
    """Function of ``(t, D)`` with ``D`` an exact number; a subclass states its mathematics."""

    _odd: ClassVar[bool] = False
    _latex_name: ClassVar[str]

    def __new__(cls, t: Any, D: Any, **options: Any) -> Any:
        return super().__new__(cls, sympify(t), _rational(D), **options)

    @classmethod
    def eval(cls, t: Any, D: Any) -> Any:
        """Value where it is elementary or `t` is a float; otherwise the sign is taken out of `t`."""
        _require_real("t", t)
        if t is S.NaN or t is S.ComplexInfinity:
            return S.NaN
        if t.is_infinite and t.is_number:
            value = cls._at_infinity(D)
            return -value if cls._odd and t is S.NegativeInfinity else value
        if t.is_zero:
            return cls._at_zero(D)
        if t.is_Float:
            return _number(cls.__name__, t, D, t._prec)
        if _is_short(t):
            if D == 2:
                return cls._at_depth_two(t)
            if D == 4:
                return cls._at_depth_four(t, _sum_depth4(t))
            if D is S.Infinity:
                return cls._at_infinite_depth(t)
        if t.could_extract_minus_sign():
            return -cls(-t, D) if cls._odd else cls(-t, D)
        return None

    @classmethod
    def _at_zero(cls, D: Any) -> Any:
        return S.Zero

    @classmethod
    def _at_infinity(cls, D: Any) -> Any:
        raise NotImplementedError

    @classmethod
    def _at_depth_two(cls, t: Any) -> Any:
        raise NotImplementedError

    @classmethod
    def _at_infinite_depth(cls, t: Any) -> Any:
        raise NotImplementedError

    @classmethod
    def _at_depth_four(cls, t: Any, s: Any) -> Any:
        # s is the sum returned by _sum_depth4
        raise NotImplementedError

    @staticmethod
    def _term(k: int, c: Any) -> tuple[Any, int]:
        """Coefficient and power of t in the series at 0 that the term ``c t^(2k+1)`` of `h_inverse` gives."""
        raise NotImplementedError

    def _slope(self) -> Any:
        raise NotImplementedError

    def fdiff(self, argindex: int = 1) -> Any:
        """Derivative in `t`; there is none in the depth, which is a number."""
        if argindex != 1:
            raise ArgumentIndexError(self, argindex)
        return self._slope()

    def _eval_evalf(self, prec: int) -> Any:
        t, D = self.args
        # the functions are well conditioned: t needs but a few bits more than the result
        number = t.evalf(math.ceil(prec * math.log10(2)) + 4)
        if not number.is_Float:
            return None
        return _number(self.func.__name__, number, D, prec)

    def _eval_nseries(self, x: Any, n: int, logx: Any, cdir: Any = 0) -> Any:
        t, D = self.args
        power = t.as_leading_term(x, logx=logx).as_coeff_exponent(x)[1]
        if not (power.is_Rational and power > 0):
            return super()._eval_nseries(x, n, logx, cdir)
        inner = t.nseries(x, n=n, logx=logx)
        count = math.ceil(n / power) // 2 + 1
        terms = [self._term(k, c) for k, c in enumerate(_inverse_coefficients(D, count))]
        total = sum((c * inner**e for c, e in terms if e * power < n), start=S.Zero)
        return total.expand() + Order(x**n, x)

    def _eval_is_extended_real(self) -> Any:
        return True if self.args[0].is_extended_real else None

    def _eval_is_zero(self) -> Any:
        return self.args[0].is_zero

    def _latex(self, printer: Any, exp: Any = None) -> str:
        t, D = (printer._print(a) for a in self.args)
        text = rf"{self._latex_name.format(D=D)}\left({t}\right)"
        return text if exp is None else rf"{{\left({text}\right)}}^{{{exp}}}"

    def _torchcode(self, printer: Any) -> str:
        # SymPy's torch printer, unlike the others, does not know the functions that lambdify brings along
        return f"{self.func.__name__}({', '.join(printer._print(a) for a in self.args)})"

    @classmethod
    def _imp_for(cls, name: str) -> Callable[[Any, Any], Any]:
        def numeric(t: Any, D: Any) -> Any:
            from implicitbias import special

            return getattr(special, name)(t, D)

        return numeric


def _sum_depth4(t: Any) -> Any:
    """Root ``s >= 2`` of ``s^4 - 2 s^3 = t^2``, of positive terms only; derived in ``derivations/radicals.py``."""
    e = cbrt(2 * t**2)
    c = cbrt(1 + sqrt(1 + Rational(16, 27) * t**2))
    f = 2 * e / (3 * c)
    k = 2 / sqrt(c**2 + c * f + f**2) ** 3
    return (1 + k) / 2 * (1 + sqrt((2 - k) / k))


class q(_DepthFunction):  # noqa: N801  # SymPy functions are named in lower case
    """Regularizer ``q_D(t)``: even, convex, positive but for ``q_D(0) = 0``."""

    _latex_name = "q_{{{D}}}"
    _imp_ = staticmethod(_DepthFunction._imp_for("q"))

    @classmethod
    def _at_infinity(cls, D: Any) -> Any:
        return S.Infinity

    @classmethod
    def _at_depth_two(cls, t: Any) -> Any:
        return t * asinh(t / 2) - t**2 / (2 + sqrt(4 + t**2))

    @classmethod
    def _at_infinite_depth(cls, t: Any) -> Any:
        w = sqrt(1 + t**2)
        first = t**2 / (1 + w)
        if t.is_number and abs(t) < 1:
            # the same logarithm, near 0 without the rounding of 1 + t^2
            return first - 2 * atanh(first / (3 + w))
        return first - log((1 + w) / 2)

    @classmethod
    def _at_depth_four(cls, t: Any, s: Any) -> Any:
        return (s - 1) * t**2 / s**3

    @staticmethod
    def _term(k: int, c: Any) -> tuple[Any, int]:
        return c / (2 * k + 2), 2 * k + 2

    def _slope(self) -> Any:
        return h_inverse(*self.args)

    def _eval_rewrite_as_h_inverse(self, t: Any, D: Any, **hints: Any) -> Any:
        z = h_inverse(t, D)
        return z * t - q_conjugate(z, D)

    def _eval_is_extended_nonnegative(self) -> Any:
        return True if self.args[0].is_extended_real else None

    def _eval_is_finite(self) -> Any:
        t = self.args[0]
        return t.is_finite if t.is_extended_real else None


class h_inverse(_DepthFunction):  # noqa: N801
    """Inverse ``h_D^{-1}(t)`` of `h`, the derivative of `q`: odd and increasing, between -1 and 1 for D > 2."""

    _odd = True
    _latex_name = "h_{{{D}}}^{{-1}}"
    _imp_ = staticmethod(_DepthFunction._imp_for("h_inverse"))

    @classmethod
    def _at_infinity(cls, D: Any) -> Any:
        return S.Infinity if D == 2 else S.One

    @classmethod
    def _at_depth_two(cls, t: Any) -> Any:
        return asinh(t / 2)

    @classmethod
    def _at_infinite_depth(cls, t: Any) -> Any:
        return t / (1 + sqrt(1 + t**2))

    @classmethod
    def _at_depth_four(cls, t: Any, s: Any) -> Any:
        return t / s**2

    @staticmethod
    def _term(k: int, c: Any) -> tuple[Any, int]:
        return c, 2 * k + 1

    def _slope(self) -> Any:
        return q_second(*self.args)

    def _eval_is_finite(self) -> Any:
        return True if self.args[0].is_extended_real else None

    def _eval_is_extended_positive(self) -> Any:
        return self.args[0].is_extended_positive

    def _eval_is_extended_negative(self) -> Any:
        return self.args[0].is_extended_negative


class h_inverse_complement(_DepthFunction):  # noqa: N801
    """``1 - |h_D^{-1}(t)|`` for D > 2: even, between 0 and 1."""

    _latex_name = r"\left(1 - \left|h_{{{D}}}^{{-1}}\right|\right)"
    _imp_ = staticmethod(_DepthFunction._imp_for("h_inverse_complement"))

    @classmethod
    def _at_zero(cls, D: Any) -> Any:
        return S.One

    @classmethod
    def _at_infinity(cls, D: Any) -> Any:
        return S.Zero

    @classmethod
    def _at_infinite_depth(cls, t: Any) -> Any:
        return 2 / (1 + sqrt(1 + t**2) + Abs(t))

    @classmethod
    def _at_depth_four(cls, t: Any, s: Any) -> Any:
        return 2 * s / (s**2 + Abs(t))

    def _slope(self) -> Any:
        t, D = self.args
        return -sign(t) * q_second(t, D)

    def _eval_nseries(self, x: Any, n: int, logx: Any, cdir: Any = 0) -> Any:
        # not analytic at 0: leave |h_inverse| to SymPy
        return self.rewrite(h_inverse)._eval_nseries(x, n, logx, cdir)

    def _eval_rewrite_as_h_inverse(self, t: Any, D: Any, **hints: Any) -> Any:
        return 1 - Abs(h_inverse(t, D))

    def _eval_is_zero(self) -> Any:
        return self.args[0].is_infinite

    def _eval_is_finite(self) -> Any:
        return True if self.args[0].is_extended_real else None

    def _eval_is_extended_nonnegative(self) -> Any:
        return True if self.args[0].is_extended_real else None


class q_second(_DepthFunction):  # noqa: N801
    """Second derivative ``q_D''(t) = 1/h_D'(h_D^{-1}(t))``: even, positive."""

    _latex_name = "q_{{{D}}}''"
    _imp_ = staticmethod(_DepthFunction._imp_for("q_second"))

    @classmethod
    def _at_zero(cls, D: Any) -> Any:
        return S.Half if D is S.Infinity else (D - 2) / (2 * D) if D != 2 else S.Half

    @classmethod
    def _at_infinity(cls, D: Any) -> Any:
        return S.Zero

    @classmethod
    def _at_depth_two(cls, t: Any) -> Any:
        return 1 / sqrt(4 + t**2)

    @classmethod
    def _at_infinite_depth(cls, t: Any) -> Any:
        w = sqrt(1 + t**2)
        return 1 / (w * (1 + w))

    @classmethod
    def _at_depth_four(cls, t: Any, s: Any) -> Any:
        return 1 / (s**2 * (2 * s - 3))

    @staticmethod
    def _term(k: int, c: Any) -> tuple[Any, int]:
        return (2 * k + 1) * c, 2 * k

    def _slope(self) -> Any:
        t, D = self.args
        p, z = D / (D - 2), h_inverse(t, D)
        return -p * (p + 1) * ((1 - z) ** (-p - 2) - (1 + z) ** (-p - 2)) * self**3

    def _eval_rewrite_as_h_inverse(self, t: Any, D: Any, **hints: Any) -> Any:
        p, z = D / (D - 2), h_inverse(t, D)
        return 1 / (p * ((1 - z) ** (-p - 1) + (1 + z) ** (-p - 1)))

    def _eval_is_zero(self) -> Any:
        return self.args[0].is_infinite

    def _eval_is_finite(self) -> Any:
        return True if self.args[0].is_extended_real else None

    def _eval_is_extended_nonnegative(self) -> Any:
        return True if self.args[0].is_extended_real else None


def _outside(s: Any, D: Any) -> bool:
    """Whether s is a number known to lie outside the domain ``|s| < 1`` of `h` and `q_conjugate` at D > 2."""
    return bool(D != 2 and s.is_number and s.is_extended_real and abs(s) >= 1)


def h(s: Any, D: Any) -> Any:
    """``h_D(s) = (1-s)^-p - (1+s)^-p``, for ``|s| < 1``; ``2 sinh(s)`` at D = 2; `h_inverse` is undone."""
    s, D = sympify(s), _rational(D)
    _require_real("s", s)
    if isinstance(s, h_inverse) and s.args[1] == D:
        return s.args[0]
    if s.is_Float:
        return _number("h", s, D, s._prec)
    if D == 2:
        return 2 * sinh(s)
    if _outside(s, D):
        return s * S.Infinity if abs(s) == 1 else S.NaN
    if D is S.Infinity:
        return 2 * s / (1 - s**2)
    p = D / (D - 2)
    return (1 - s) ** -p - (1 + s) ** -p


def q_conjugate(s: Any, D: Any) -> Any:
    """``H_D(s)``, the integral of `h`, for ``|s| < 1``; ``2 (cosh(s) - 1) = 4 sinh(s/2)^2`` at D = 2."""
    s, D = sympify(s), _rational(D)
    _require_real("s", s)
    if s.is_Float:
        return _number("q_conjugate", s, D, s._prec)
    if D == 2:
        return 4 * sinh(s / 2) ** 2
    if _outside(s, D):
        return S.Infinity
    if D is S.Infinity:
        return -log(1 - s**2)
    m = 2 / (D - 2)
    return ((1 - s) ** -m + (1 + s) ** -m - 2) / m
