"""Positive numbers of any size: the exact scale of initialization, and its powers as mantissa and exponent."""

from __future__ import annotations

import numbers
import sys
import threading
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, NamedTuple

__all__ = ["BinaryPower", "Scale", "working_context"]


_of_thread = threading.local()


class BinaryPower(NamedTuple):
    """``mantissa * 2**exponent`` with ``1 <= mantissa < 2`` and an exponent of any size."""

    mantissa: float
    exponent: int


class Scale:
    """A positive number given by its value or by its logarithm, held exactly.

    Parameters
    ----------
    source
        ``int``, ``float``, ``Fraction``, mpmath number, decimal string such as ``"1e-4350"``, or (as a value
        only) a SymPy expression that is not known to be nonpositive.
    is_log
        Whether `source` is the natural logarithm of the number.
    name
        Name of the argument, for error messages.

    Notes
    -----
    Equality is equality of the exact numbers, so ``0.1`` and ``"0.1"`` differ and ``0.5`` and ``"0.5"`` do not.
    Beyond 1e±400 decimal strings are compared with decimal strings only, not written out.
    """

    __slots__ = ("_last_power", "_log_float", "exact", "is_log", "source", "symbol")

    def __init__(self, source: Any, *, is_log: bool = False, name: str = "alpha") -> None:
        accepted = (
            "a finite real number: int, float, decimal string or mpmath number"
            if is_log
            else "a positive finite number: int, float, decimal string such as '1e-4350', or mpmath number"
        )
        source = str(source) if isinstance(source, Decimal) else source
        self.source, self.is_log = source, is_log
        self._log_float: float | None = source if is_log and type(source) is float else None
        self._last_power: tuple[Any, Any] | None = None
        self.symbol: Any = None
        self.exact: tuple[int, ...] = ()
        sympy = sys.modules.get("sympy")
        if sympy is not None and isinstance(source, sympy.Basic):
            impossible = source is sympy.nan or source.is_positive is False or source.is_extended_real is False
            if is_log or not isinstance(source, sympy.Expr) or impossible:
                raise ValueError(f"{name} must be {accepted}, got the expression {source}")
            if source.is_Float:
                import mpmath

                self.source = source = mpmath.mp.make_mpf(source._mpf_)
            elif source.is_Rational:
                self.source = source = Fraction(int(source.p), int(source.q))
            else:
                self.symbol = source
                return
        exact = _exact(source)
        if exact is None:
            raise TypeError(f"{name} must be {accepted}, got {source!r} of type {type(source).__name__}")
        if not exact or (not is_log and exact[0] <= 0):
            raise ValueError(f"{name} must be {accepted}, got {source!r}")
        self.exact = exact

    def log(self, ctx: Any) -> Any:
        """Natural logarithm, to the working precision of `ctx` relative to the larger of it and 1."""
        self.require_number()
        numerator, denominator, base, exponent = self.exact
        with ctx.workprec(ctx.prec + 16 + max(0, abs(exponent)).bit_length()):
            if self.is_log:
                value = ctx.mpf(numerator) / denominator * ctx.power(base, exponent)
            else:
                value = ctx.log(ctx.mpf(numerator)) - ctx.log(ctx.mpf(denominator)) + exponent * ctx.log(base)
        return +value

    def power(self, ctx: Any, exponent: Any) -> Any:
        """``scale ** exponent`` as an mpf with the working precision of `ctx`, whatever its size."""
        # every coordinate of a predictor asks for the same power
        key = ctx.prec, exponent
        last = self._last_power  # read once: another thread may replace it
        if last is None or last[0] != key:
            last = self._last_power = key, self._power(ctx, exponent)
        return ctx.make_mpf(last[1]._mpf_)

    def _power(self, ctx: Any, exponent: Any) -> Any:
        # exp turns absolute error of the logarithm into relative error of the power
        with ctx.workprec(ctx.prec + 16):
            size = max(0, ctx.mag(self.log(ctx)) + ctx.mag(exponent))
        with ctx.workprec(ctx.prec + size + 16):
            value = ctx.exp(self.log(ctx) * exponent)
        return +value

    def binary_power(self, exponent: Any) -> BinaryPower:
        """``scale ** exponent`` rounded to a float64 mantissa and an exponent."""
        ctx = working_context()
        if isinstance(exponent, Fraction):
            exponent = ctx.mpf(exponent.numerator) / exponent.denominator
        value = self.power(ctx, ctx.mpf(exponent))
        mantissa, shift = ctx.frexp(value)
        rounded = float(2 * mantissa)
        return BinaryPower(1.0, int(shift)) if rounded == 2.0 else BinaryPower(rounded, int(shift) - 1)

    def log_float(self) -> float:
        """Natural logarithm as a float."""
        if self._log_float is None:
            self._log_float = float(self.log(working_context()))
        return self._log_float

    def require_number(self) -> None:
        """Raise `TypeError` if the scale is an expression."""
        if self.symbol is not None:
            raise TypeError(f"alpha is the expression {self.symbol}; it can be evaluated on SymPy expressions only")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Scale):
            return NotImplemented
        return (self.is_log, self.exact, self.symbol) == (other.is_log, other.exact, other.symbol)

    def __hash__(self) -> int:
        return hash((self.is_log, self.exact, self.symbol))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.source, self.is_log)


def working_context() -> Any:
    """Context of our own, one for each thread, precise enough to round once to float64."""
    ctx = getattr(_of_thread, "context", None)
    if ctx is None:
        import mpmath  # a tenth of the import time of the package, and most callers of it never need this

        ctx = _of_thread.context = mpmath.mp.clone()
        ctx.prec = 80
    return ctx


def _restore(source: Any, is_log: bool) -> Scale:
    return Scale(source, is_log=is_log)


def _exact(source: Any) -> tuple[int, ...] | None:
    """``numerator/denominator * base**exponent`` in a canonical form; ``()`` if not finite, None if no number."""
    if isinstance(source, bool):
        return None
    if type(source).__name__ == "mpf":
        sign, mantissa, exponent, _ = source._mpf_
        if not mantissa and exponent:
            return ()
        return _canonical(-int(mantissa) if sign else int(mantissa), 1, 2, int(exponent))
    if isinstance(source, str):
        try:
            parsed = Decimal(source)
        except InvalidOperation:
            return ()
        if not parsed.is_finite():
            return ()
        negative, digits, power = parsed.as_tuple()
        magnitude = int("".join(map(str, digits)))
        return _canonical(-magnitude if negative else magnitude, 1, 10, int(power))
    if isinstance(source, numbers.Rational):
        return _canonical(int(source.numerator), int(source.denominator), 2, 0)
    if isinstance(source, numbers.Real):
        try:  # not through float: NumPy's extended precision has more digits and a wider range
            numerator, denominator = source.as_integer_ratio()  # type: ignore[attr-defined]  # every float has it
        except (OverflowError, ValueError):  # infinity, nan
            return ()
        return _canonical(int(numerator), int(denominator), 2, 0)
    return None


def _canonical(numerator: int, denominator: int, base: int, exponent: int) -> tuple[int, ...]:
    """Powers of two in the exponent; a power of ten stays one only while no short fraction equals it."""
    if numerator == 0:
        return 0, 1, 2, 0
    if base == 10:
        while numerator % 10 == 0:
            numerator, exponent = numerator // 10, exponent + 1
        if abs(exponent) > 400:  # beyond float64: writing it out would cost as many digits
            return numerator, denominator, 10, exponent
        ratio = Fraction(numerator, denominator) * Fraction(10) ** exponent
        return _canonical(ratio.numerator, ratio.denominator, 2, 0)
    shift = (numerator & -numerator).bit_length() - 1
    numerator, exponent = numerator >> shift, exponent + shift
    shift = (denominator & -denominator).bit_length() - 1
    return numerator, denominator >> shift, 2, exponent - shift
