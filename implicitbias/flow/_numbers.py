"""Arithmetic on arrays of either kind: float64, or mpmath numbers with more digits than were asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Numbers"]


class Numbers:
    """The kind of number that a trajectory holds.

    Parameters
    ----------
    digits
        Decimal digits of mpmath numbers in object arrays; None for float64.
    """

    def __init__(self, digits: int | None) -> None:
        self._digits = digits

    @contextlib.contextmanager
    def precision(self) -> Iterator[None]:
        """Compute with what differences and quotients may lose."""
        if self._digits is None:
            with np.errstate(over="ignore", under="ignore"):
                yield
            return
        import mpmath

        with mpmath.workdps(2 * self._digits + 30):
            yield

    def exactly(self, values: NDArray[np.float64]) -> NDArray[Any]:
        """Floats as numbers of this kind."""
        if self._digits is None:
            return values
        import mpmath

        return self._each(mpmath.mpf, values)

    def rounded(self, values: NDArray[Any]) -> NDArray[Any]:
        """To the digits asked for and a few more."""
        if self._digits is None:
            return values
        import mpmath

        with mpmath.workdps(self._digits + 5):
            return self._each(lambda v: +v, values)

    def norms(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Euclidean norm of each row, as a column; 1 for a row of zeros, which then stays one when divided."""
        if self._digits is None:
            norms: NDArray[Any] = np.linalg.norm(rows, axis=1, keepdims=True)
        else:
            import mpmath

            norms = np.array([[mpmath.norm(list(row))] for row in rows], dtype=object)
        return np.where(norms == 0, 1, norms)

    def exp(self, values: NDArray[Any]) -> NDArray[Any]:
        """Exponentials."""
        if self._digits is None:
            return np.asarray(np.exp(values))
        import mpmath

        return self._each(mpmath.exp, values)

    def log(self, value: float) -> Any:
        """Logarithm of a float."""
        if self._digits is None:
            return np.log(value)
        import mpmath

        return mpmath.log(value)

    @staticmethod
    def _each(function: Any, values: NDArray[Any]) -> NDArray[Any]:
        out: NDArray[Any] = np.vectorize(function, otypes=[object])(values)
        return out
