"""The two kinds of problem, validated and frozen: interpolation and margins. No algorithm lives here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Interpolation", "Margins"]

FloatArray = NDArray[np.float64]


def _finite_float_array(name: str, value: ArrayLike, ndim: int) -> FloatArray:
    array: NDArray[Any] = np.asarray(value)
    _require_real(name, array)
    if array.ndim != ndim:
        shape = "(N, d)" if ndim == 2 else "(N,)"
        raise ValueError(f"{name} must have shape {shape}, got an array of shape {array.shape}")
    out = array.astype(np.float64, copy=False)
    _require_finite(name, out, lambda flat: tuple(int(i) for i in np.unravel_index(flat, out.shape)))
    return out


def _finite_sparse_array(name: str, value: Any) -> Any:
    """A SciPy sparse matrix or array as a float64 array in compressed columns, not copied if it already is one."""
    from scipy.sparse import csc_array

    _require_real(name, value)
    out = csc_array(value, dtype=np.float64)
    if not out.has_canonical_format:
        out = out.copy()  # it is put in order in place, and may share its memory with what was given
        out.sum_duplicates()

    def where(position: int) -> tuple[int, ...]:
        return int(out.indices[position]), int(np.searchsorted(out.indptr, position, side="right")) - 1

    _require_finite(name, out.data, where)
    return out


def _require_real(name: str, array: Any) -> None:
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")


def _require_finite(name: str, values: FloatArray, where: Callable[[int], tuple[int, ...]]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):  # one pass and no mask: what is not finite stays so in a sum
            return
    finite = np.isfinite(values)
    if not finite.all():
        first = int(np.argmin(finite))
        raise ValueError(
            f"{name} must be finite, got {values.flat[first]} at index {where(first)} "
            f"({int((~finite).sum())} such entries in all)"
        )


def _validate(X: Any, y: ArrayLike) -> tuple[Any, FloatArray]:
    sparse = hasattr(X, "tocsc")
    matrix = _finite_sparse_array("X", X) if sparse else _finite_float_array("X", X, 2)
    target = _finite_float_array("y", y, 1)
    if 0 in matrix.shape:
        raise ValueError(f"X must have at least one row and one column, got shape {matrix.shape}")
    if len(target) != matrix.shape[0]:
        raise ValueError(f"y must have one entry per row of X: X has {matrix.shape[0]} rows, y has {len(target)}")
    return matrix, target


@dataclass(frozen=True, eq=False)
class Interpolation:
    """Linear interpolation, ``X beta = y``.

    Parameters
    ----------
    X
        Design matrix, shape ``(N, d)``, finite real numbers; held as float64, not copied if it already is. A SciPy
        sparse array is held in compressed columns.
    y
        Targets, shape ``(N,)``.

    Raises
    ------
    TypeError
        If an argument is not real.
    ValueError
        If a shape is wrong or an entry is not finite; the message names the first one.
    """

    X: Any
    y: FloatArray

    def __init__(self, X: Any, y: ArrayLike) -> None:
        matrix, target = _validate(X, y)
        object.__setattr__(self, "X", matrix)
        object.__setattr__(self, "y", target)

    def row_sizes(self) -> FloatArray:
        """Largest magnitude in each row, ``(N,)``; 1 for a row of zeros."""
        X = self.X
        largest, smallest = X.max(axis=1), X.min(axis=1)  # no absolute values: they would be a copy of X
        if not isinstance(X, np.ndarray):
            largest, smallest = largest.toarray().ravel(), smallest.toarray().ravel()
        size = np.maximum(largest, -smallest)
        return np.where(size == 0.0, 1.0, size)

    def row_units(self) -> FloatArray | None:
        """Powers of two, ``(N,)``, that bring rows of very different size to one; None if they are alike."""
        size = self.row_sizes()
        if size.min() > 1e-3 * size.max() and 1e-100 < size.max() < 1e100:
            return None
        units: FloatArray = np.exp2(-np.clip(np.floor(np.log2(size)), -1000.0, 1000.0))
        return units

    def scaled_rows(self, units: FloatArray) -> Any:
        """``diag(units) X``, a copy."""
        if isinstance(self.X, np.ndarray):
            return self.X * units[:, None]
        from scipy.sparse import diags_array

        return diags_array(units) @ self.X

    @property
    def shape(self) -> tuple[int, int]:
        """``(N, d)``."""
        return self.X.shape[0], self.X.shape[1]


@dataclass(frozen=True, eq=False)
class Margins:
    """Margin constraints, ``y_n <x_n, beta> >= 1``, with labels ``y_n`` in {-1, +1}.

    Parameters
    ----------
    X
        Design matrix, shape ``(N, d)``.
    y
        Labels, shape ``(N,)``: -1 and +1, or 0 and 1, of which 0 then means -1. Both must occur.

    Raises
    ------
    TypeError, ValueError
        As for :class:`Interpolation`, and if there are other labels or only one, or if a sample is all zeros: its
        margin is zero whatever the predictor.
    """

    X: FloatArray
    y: FloatArray

    def __init__(self, X: ArrayLike, y: ArrayLike) -> None:
        if hasattr(X, "tocsc"):
            raise TypeError("X must be a dense array, got a sparse one; use X.toarray()")
        matrix, labels = _validate(X, y)
        object.__setattr__(self, "X", matrix)
        object.__setattr__(self, "y", _signs(labels))
        zero = np.flatnonzero(~matrix.any(axis=1))
        if zero.size:
            raise ValueError(
                f"X must have no sample that is all zeros, its margin is 0 whatever the predictor, got row "
                f"{int(zero[0])} ({zero.size} such rows in all)"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """``(N, d)``."""
        return self.X.shape[0], self.X.shape[1]

    @property
    def signed(self) -> FloatArray:
        """Rows ``y_n x_n``, shape ``(N, d)``."""
        return self.y[:, None] * self.X


def _signs(labels: FloatArray) -> FloatArray:
    """Labels as -1 and +1; of 0 and 1, where exactly these occur, 0 becomes -1."""
    found = np.unique(labels)
    if np.array_equal(found, (-1.0, 1.0)):
        return labels
    if np.array_equal(found, (0.0, 1.0)):
        return 2.0 * labels - 1.0
    strange = np.flatnonzero((np.abs(labels) != 1.0) & (labels != 0.0))
    if strange.size:
        i = int(strange[0])
        raise ValueError(f"y must hold labels -1 or +1 (or 0 and 1), got {labels[i]} at index {i}")
    if len(found) == 1:
        raise ValueError(f"y must hold both classes, -1 and +1 (or 0 and 1), got only {found[0]:g}")
    mixture = "all of -1, 0 and 1" if len(found) == 3 else "-1 and 0"
    raise ValueError(f"y must hold labels -1 and +1, or 0 and 1, got {mixture}")
