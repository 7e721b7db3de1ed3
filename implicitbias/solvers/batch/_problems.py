"""Linear algebra of many problems ``X beta = y`` at once, on NumPy arrays or torch tensors of any device.

Shapes: B problems, ``X (B, N, d)``, or ``(N, d)`` where they share it, ``y`` and ``nu (B, N)``, ``beta (B, d)``.
NumPy and torch name what is needed alike, so there is one implementation, against the library of its arguments.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Problems", "constant", "namespace", "norm", "take_along"]

_RIDGE = 1e-15
"""Added to the unit diagonal of ``X W X^T``, per sample: several times its rounding error."""
_PAIRS = 2**22
"""Entries up to which the products of all pairs of rows of a shared X are kept."""


def namespace(x: Any) -> Any:
    """Return the library that an array belongs to."""
    return np if isinstance(x, np.ndarray) else sys.modules["torch"]


def constant(value: Any, like: Any, dtype: Any = None) -> Any:
    """Return NumPy's `value` as an array of the kind, the device and (if no other is named) the dtype of `like`."""
    if isinstance(like, np.ndarray):
        return np.asarray(value, dtype=dtype or like.dtype)
    torch = sys.modules["torch"]
    return torch.as_tensor(np.array(value), dtype=getattr(torch, dtype or "float64"), device=like.device)


def norm(v: Any) -> Any:
    """Euclidean norm along the last axis, without overflow."""
    xp = namespace(v)
    size = xp.amax(xp.abs(v), -1)
    size = xp.where(size > 0.0, size, 1.0)
    return size * xp.sqrt(((v / size[..., None]) ** 2).sum(-1))


def take_along(values: Any, indices: Any) -> Any:
    """Entries along the last axis, at indices that differ between problems."""
    if isinstance(values, np.ndarray):
        return np.take_along_axis(values, indices, -1)
    return sys.modules["torch"].take_along_dim(values, indices, -1)


@dataclass
class Problems:
    """B problems ``X beta = y`` in float64."""

    X: Any
    y: Any
    pairs: Any = field(default=None, repr=False)
    """Products of the pairs of rows of a shared X, ``(d, N (N+1)/2)``: all Hessians are one matrix product."""
    packed: Any = field(default=None, repr=False)
    """Where among these the pair ``(n, m)`` is, ``(N, N)``."""

    @classmethod
    def of(cls, X: Any, y: Any) -> Problems:
        """Return the problems with what they share prepared."""
        N, d = X.shape[-2:]
        problems = cls(X, y)
        if X.ndim == 2 and len(y) > 1 and N * (N + 1) // 2 * d <= _PAIRS:
            rows, columns = np.triu_indices(N)
            packed = np.empty((N, N), dtype=np.int64)
            packed[rows, columns] = packed[columns, rows] = np.arange(len(rows))
            rows, columns, problems.packed = (constant(v, X, "int64") for v in (rows, columns, packed))
            problems.pairs = (X[rows] * X[columns]).T
        return problems

    @property
    def shared(self) -> bool:
        """Whether all problems have the same X."""
        return bool(self.X.ndim == 2)

    def take(self, mask: Any) -> Problems:
        """Return some of the problems."""
        return Problems(self.X if self.shared else self.X[mask], self.y[mask], self.pairs, self.packed)

    def forward(self, beta: Any) -> Any:
        """``X beta``, ``(B, N)``."""
        return beta @ self.X.T if self.shared else (self.X @ beta[..., None])[..., 0]

    def adjoint(self, nu: Any) -> Any:
        """``X^T nu``, ``(B, d)``."""
        return nu @ self.X if self.shared else (nu[:, None, :] @ self.X)[:, 0]

    def gram(self, weights: Any) -> Any:
        """``X diag(weights) X^T``, ``(B, N, N)``."""
        if self.pairs is not None:
            return (weights @ self.pairs)[:, self.packed]
        scaled = self.X * weights[:, None, :]
        if not self.shared:
            return scaled @ self.X.swapaxes(-1, -2)
        B, N, d = scaled.shape
        return (scaled.reshape(B * N, d) @ self.X.T).reshape(B, N, N)

    def solver(self, weights: Any) -> Callable[[Any], Any]:
        """Solver of ``X diag(weights) X^T v = right``, as :meth:`spd_solver` does it."""
        return self.spd_solver(self.gram(weights))

    @staticmethod
    def spd_solver(matrix: Any) -> Callable[[Any], Any]:
        """Solver of ``matrix v = right`` with v near 0 in directions in which the matrix is singular to rounding.

        The matrices, ``(B, n, n)``, are positive semidefinite. One that cannot be factored gives nan.
        """
        xp = namespace(matrix)
        N = matrix.shape[-1]
        unit = xp.sqrt(xp.clip(xp.diagonal(matrix, 0, -2, -1), np.finfo(float).tiny, None))
        # unit diagonal: samples may differ in size
        ridge = _RIDGE * N * xp.eye(N, dtype=matrix.dtype, device=matrix.device)
        matrix = matrix / unit[:, :, None] / unit[:, None, :] + ridge
        if xp is np:
            return lambda right: _solve_each(matrix, right / unit) / unit
        factor, info = xp.linalg.cholesky_ex(matrix)
        factor = xp.where((info == 0)[:, None, None], factor, np.nan)
        return lambda right: xp.cholesky_solve((right / unit)[..., None], factor)[..., 0] / unit

    def scale(self, beta: Any) -> Any:
        """Size of y, ``(B,)``, against which residuals count; where y = 0, of the terms of ``X beta``."""
        xp = namespace(self.y)
        size = norm(self.y)
        if bool((size == 0.0).any()):
            size = xp.where(size > 0.0, size, norm(Problems(xp.abs(self.X), self.y).forward(xp.abs(beta))))
        return xp.where(size > 0.0, size, 1.0)


def _solve_each(matrix: Any, right: Any) -> Any:
    """`numpy.linalg.solve`, which fails as a whole where one matrix is singular; here that one gives nan."""
    matrix = np.broadcast_to(matrix, (len(right), *matrix.shape[1:]))
    try:
        return np.linalg.solve(matrix, right[..., None])[..., 0]
    except np.linalg.LinAlgError:
        if len(right) == 1:
            return np.full_like(right, np.nan)
        half = len(right) // 2
        parts = slice(None, half), slice(half, None)
        return np.concatenate([_solve_each(matrix[part], right[part]) for part in parts])
