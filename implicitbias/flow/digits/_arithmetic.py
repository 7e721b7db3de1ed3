"""The number types that trajectories are computed with: python-flint's balls, gmpy2's MPFR numbers, mpmath's.

Each is used through its operators and the functions here. Measured at 15 to 100 digits, a trajectory takes
python-flint some half of gmpy2's time and gmpy2 a quarter of mpmath's, so the first one that is installed is used.
The radius of a ball is dropped wherever an iteration would let it grow.
"""

from __future__ import annotations

import contextlib
import importlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Rows = list[list[Any]]

__all__ = ["BACKENDS", "Arithmetic", "arithmetic"]


class Arithmetic(ABC):
    """Real numbers of any precision, which is scoped by :meth:`bits` and nowhere else."""

    name: str
    exp: Callable[[Any], Any]
    log: Callable[[Any], Any]
    log1p: Callable[[Any], Any]
    expm1: Callable[[Any], Any]
    sinh_cosh: Callable[[Any], tuple[Any, Any]]
    is_finite: Callable[[Any], bool]

    @abstractmethod
    def bits(self, bits: int) -> contextlib.AbstractContextManager[None]:
        """Scope with `bits` bits of precision; what was in force before is restored."""

    @abstractmethod
    def number(self, value: Any) -> Any:
        """An integer or float exactly, or an mpmath number rounded to the precision in force."""

    def settled(self, x: Any) -> Any:
        """`x` as a plain number, without what it knows of its error."""
        return x

    def table(self, rows: Sequence[Sequence[Any]]) -> Any:
        """Matrix to multiply with, prepared once."""
        out = np.empty((len(rows), len(rows[0])), dtype=object)
        for i, row in enumerate(rows):
            out[i] = row
        return out

    def times(self, table: Any, rows: Rows) -> Rows:
        """Product of a prepared matrix with rows."""
        result: Rows = (table @ self.table(rows)).tolist()
        return result

    def times_table(self, rows: Rows, table: Any) -> Rows:
        """Product of rows with a prepared matrix."""
        result: Rows = (self.table(rows) @ table).tolist()
        return result

    def to_mpmath(self, x: Any) -> Any:
        """The same number, digit by digit, as one of mpmath's global context."""
        if not self.is_finite(x):
            return mpmath.mpf(float(x))
        man, exponent = self._parts(x)
        return mpmath.mp.make_mpf(mpmath.libmp.from_man_exp(man, exponent))

    @abstractmethod
    def _parts(self, x: Any) -> tuple[int, int]:
        """Integers with ``x = man 2^exponent``."""


class _Stateless(Arithmetic):
    """One whose numbers belong to no instance, so that tables made with one serve all."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(self.name)


class _Flint(_Stateless):
    name = "python-flint"

    def __init__(self) -> None:
        self._flint = flint = importlib.import_module("flint")
        arb = flint.arb
        self.exp, self.log, self.log1p, self.expm1 = arb.exp, arb.log, arb.log1p, arb.expm1
        self.is_finite = arb.is_finite
        self.sinh_cosh, self.settled = arb.sinh_cosh, arb.mid  # type: ignore[method-assign]  # no call in between

    @contextlib.contextmanager
    def bits(self, bits: int) -> Iterator[None]:
        before = self._flint.ctx.prec
        self._flint.ctx.prec = bits
        try:
            yield
        finally:
            self._flint.ctx.prec = before

    def number(self, value: Any) -> Any:
        if hasattr(value, "_mpf_") and not value._mpf_[1]:
            value = float(value)  # zero, infinity and nan, which have no mantissa
        return (+self._flint.arb(value)).mid()

    def table(self, rows: Sequence[Sequence[Any]]) -> Any:
        return self._flint.arb_mat(rows)

    def times(self, table: Any, rows: Rows) -> Rows:
        result: Rows = (table * self._flint.arb_mat(rows)).mid().tolist()
        return result

    def times_table(self, rows: Rows, table: Any) -> Rows:
        result: Rows = (self._flint.arb_mat(rows) * table).mid().tolist()
        return result

    def _parts(self, x: Any) -> tuple[int, int]:
        man, exponent = x.mid().man_exp()
        return int(man), int(exponent)


class _Gmpy2(_Stateless):
    name = "gmpy2"

    def __init__(self) -> None:
        self._gmpy2 = gmpy2 = importlib.import_module("gmpy2")
        self.exp, self.log, self.log1p, self.expm1 = gmpy2.exp, gmpy2.log, gmpy2.log1p, gmpy2.expm1
        self.sinh_cosh, self.is_finite = gmpy2.sinh_cosh, gmpy2.is_finite

    @contextlib.contextmanager
    def bits(self, bits: int) -> Iterator[None]:
        with self._gmpy2.context(precision=bits):  # traps nothing: infinity and nan are values
            yield

    def number(self, value: Any) -> Any:
        gmpy2 = self._gmpy2
        if not hasattr(value, "_mpf_"):
            return +gmpy2.mpfr(value)
        sign, man, exponent, _ = value._mpf_
        if not man:
            return gmpy2.mpfr(float(value))
        x = gmpy2.mpfr(gmpy2.mpz(-man if sign else man))
        return gmpy2.mul_2exp(x, exponent) if exponent >= 0 else gmpy2.div_2exp(x, -exponent)

    def _parts(self, x: Any) -> tuple[int, int]:
        man, exponent = x.as_mantissa_exp()
        return int(man), int(exponent)


class _Mpmath(Arithmetic):
    name = "mpmath"

    def __init__(self) -> None:
        self._ctx = ctx = mpmath.mp.clone()
        self.exp, self.log, self.log1p, self.expm1 = ctx.exp, ctx.log, ctx.log1p, ctx.expm1
        self.is_finite = ctx.isfinite

    def sinh_cosh(self, x: Any) -> tuple[Any, Any]:
        cosh, sinh = mpmath.libmp.mpf_cosh_sinh(x._mpf_, *self._ctx._prec_rounding)
        return self._ctx.make_mpf(sinh), self._ctx.make_mpf(cosh)

    @contextlib.contextmanager
    def bits(self, bits: int) -> Iterator[None]:
        with self._ctx.workprec(bits):
            yield

    def number(self, value: Any) -> Any:
        return +self._ctx.make_mpf(value._mpf_) if hasattr(value, "_mpf_") else self._ctx.mpf(value)

    def _parts(self, x: Any) -> tuple[int, int]:
        sign, man, exponent, _ = x._mpf_
        return -man if sign else man, exponent


BACKENDS: dict[str, type[Arithmetic]] = {"python-flint": _Flint, "gmpy2": _Gmpy2, "mpmath": _Mpmath}
"""By name, the fastest first."""


def arithmetic(name: str | None = None) -> Arithmetic:
    """The fastest arithmetic that is installed, or the one that is called `name`.

    Raises
    ------
    ImportError
        If that one is not installed.
    """
    if name is not None:
        return BACKENDS[name]()
    for kind in BACKENDS.values():
        with contextlib.suppress(ImportError):
            return kind()
    raise AssertionError("mpmath is a dependency")  # pragma: no cover - always installed
