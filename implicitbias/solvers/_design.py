"""The design matrix as the solvers see it: products, weighted Gram matrices, some columns; never a copy of X."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

__all__ = ["Design"]

_BLOCK = 1 << 18
"""Entries of a block of columns: 2 MB, which stays in a core's cache between scaling and product."""


class Design:
    """``diag(unit) X`` for a dense or sparse X, with the rows scaled on the fly.

    Parameters
    ----------
    X
        Design matrix, ``(N, d)``, a NumPy array in any memory order or a SciPy sparse array.
    unit
        Factor of each row, ``(N,)``, or None for ones.
    """

    def __init__(self, X: Any, unit: Vector | None = None) -> None:
        self.X, self.unit = X, unit
        self.dense = isinstance(X, np.ndarray)
        self.N, self.d = X.shape

    def forward(self, beta: Vector) -> Vector:
        """``X beta``, ``(N,)``."""
        product: Vector = self.X @ beta
        return product if self.unit is None else self.unit * product

    def adjoint(self, nu: Vector) -> Vector:
        """``X^T nu``, ``(d,)`` or, for several columns in `nu`, ``(d, k)``."""
        if self.unit is not None:
            nu = (nu.T * self.unit).T
        product: Vector = self.X.T @ nu
        return product

    def restrict(self, columns: Any) -> Design:
        """The design of some columns: a copy of those."""
        return Design(self.X[:, columns], self.unit)

    def columns(self, columns: Any) -> Matrix:
        """Some columns as a dense array."""
        found = self.X[:, columns]
        chosen: Matrix = found if self.dense else found.toarray()
        return chosen if self.unit is None else self.unit[:, None] * chosen

    def gram(self, weights: Vector, matters: NDArray[np.bool_] | None = None) -> Matrix:
        """``X diag(weights) X^T``, ``(N, N)``, over the columns that matter."""
        X = self.X
        if matters is not None:
            kept = np.flatnonzero(matters)
            if 2 * len(kept) < self.d:  # else gathering costs more than it saves
                return Design(X[:, kept], self.unit).gram(weights[kept])
        if not self.dense:
            matrix: Matrix = (X.multiply(weights[None, :]).tocsr() @ X.T).toarray()
        else:
            root = np.sqrt(weights)
            width = max(1, _BLOCK // self.N)
            matrix = np.zeros((self.N, self.N))
            for start in range(0, self.d, width):
                part = X[:, start : start + width] * root[start : start + width]
                matrix += part @ part.T  # a product with its own transpose takes half the operations
        return matrix if self.unit is None else self.unit[:, None] * matrix * self.unit

    @functools.cached_property
    def column_squares(self) -> Vector:
        """Squared Euclidean norms of the columns, ``(d,)``."""
        if not self.dense:
            squared = self.X.multiply(self.X)
            rows = np.ones(self.N) if self.unit is None else self.unit**2
            return np.asarray(squared.T @ rows).ravel()
        if self.unit is None:
            plain: Vector = np.einsum("nd,nd->d", self.X, self.X)
            return plain
        scaled: Vector = np.einsum("nd,nd,n->d", self.X, self.X, self.unit**2)
        return scaled
