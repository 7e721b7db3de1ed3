"""What the SymPy functions of ``(t, D)`` have in common: evaluation, series, signs, printing."""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import mpmath
from sympy import Float, Function, Order, Rational, S, cbrt, sqrt, sympify
from sympy.core.function import ArgumentIndexError

from . import _multiprecision
from ._depth import exact_depth

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DepthFunction", "float_value", "rational_depth", "require_real"]

_SHORT_BITS = 256


def rational_depth(D: Any) -> Any:
    """Depth as a SymPy rational or infinity, exactly."""
    if D is S.Infinity or getattr(D, "is_Rational", False):
        return D
    return S.Infinity if D == math.inf else Rational(exact_depth(D))


@functools.lru_cache(maxsize=1)
def _context() -> Any:
    # a context of our own: the caller's precision is neither read nor touched
    return mpmath.mp.clone()


def float_value(name: str, x: Any, D: Any, bits: int) -> Any:
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


def require_real(name: str, x: Any) -> None:
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


class DepthFunction(Function):  # type: ignore[misc]  # SymPy is untyped
    """Function of ``(t, D)`` with ``D`` an exact number; a subclass states its mathematics."""

    _odd: ClassVar[bool] = False
    _latex_name: ClassVar[str]

    def __new__(cls, t: Any, D: Any, **options: Any) -> Any:
        return super().__new__(cls, sympify(t), rational_depth(D), **options)

    @classmethod
    def eval(cls, t: Any, D: Any) -> Any:
        """Value where it is elementary or `t` is a float; otherwise the sign is taken out of `t`."""
        require_real("t", t)
        if t is S.NaN or t is S.ComplexInfinity:
            return S.NaN
        if t.is_infinite and t.is_number:
            value = cls._at_infinity(D)
            return -value if cls._odd and t is S.NegativeInfinity else value
        if t.is_zero:
            return cls._at_zero(D)
        if t.is_Float:
            return float_value(cls.__name__, t, D, t._prec)
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
        return float_value(self.func.__name__, number, D, prec)

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
