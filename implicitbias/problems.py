"""The two kinds of problem, validated and frozen: interpolation and margins. No algorithm lives here."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Interpolation", "Margins"]

FloatArray = NDArray[np.float64]


def _finite_float_array(name: str, value: ArrayLike, ndim: int) -> FloatArray:
    array: NDArray[Any] = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if array.ndim != ndim:
        shape = "(N, d)" if ndim == 2 else "(N,)"
        raise ValueError(f"{name} must have shape {shape}, got an array of shape {array.shape}")
    out = array.astype(np.float64, copy=False)
    finite = np.isfinite(out)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(
            f"{name} must be finite, got {out[where]} at index {where} ({int((~finite).sum())} such entries in all)"
        )
    return out


def _validate(X: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
    matrix, target = _finite_float_array("X", X, 2), _finite_float_array("y", y, 1)
    if 0 in matrix.shape:
        raise ValueError(f"X must have at least one row and one column, got shape {matrix.shape}")
    if len(target) != len(matrix):
        raise ValueError(f"y must have one entry per row of X: X has {len(matrix)} rows, y has {len(target)}")
    return matrix, target


@dataclass(frozen=True, eq=False)
class Interpolation:
    """Linear interpolation, ``X beta = y``.

    Parameters
    ----------
    X
        Design matrix, shape ``(N, d)``, finite real numbers; held as float64, not copied if it already is.
    y
        Targets, shape ``(N,)``.

    Raises
    ------
    TypeError
        If an argument is not real.
    ValueError
        If a shape is wrong or an entry is not finite; the message names the first one.
    """

    X: FloatArray
    y: FloatArray

    def __init__(self, X: ArrayLike, y: ArrayLike) -> None:
        matrix, target = _validate(X, y)
        object.__setattr__(self, "X", matrix)
        object.__setattr__(self, "y", target)

    @functools.cached_property
    def column_squares(self) -> FloatArray:
        """Squared Euclidean norms of the columns of X, ``(d,)``."""
        squares: FloatArray = np.einsum("nd,nd->d", self.X, self.X)
        return squares

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
        Labels -1 or +1, shape ``(N,)``.

    Raises
    ------
    TypeError, ValueError
        As for :class:`Interpolation`, and if a label is neither -1 nor +1.
    """

    X: FloatArray
    y: FloatArray

    def __init__(self, X: ArrayLike, y: ArrayLike) -> None:
        matrix, labels = _validate(X, y)
        bad = np.flatnonzero(np.abs(labels) != 1.0)
        if bad.size:
            raise ValueError(f"y must hold labels -1 or +1, got {labels[bad[0]]} at index {int(bad[0])}")
        object.__setattr__(self, "X", matrix)
        object.__setattr__(self, "y", labels)

    @property
    def shape(self) -> tuple[int, int]:
        """``(N, d)``."""
        return self.X.shape[0], self.X.shape[1]

    @property
    def signed(self) -> FloatArray:
        """Rows ``y_n x_n``, shape ``(N, d)``."""
        return self.y[:, None] * self.X
