"""Quadratic models of the dual under bounds, solved exactly by an active-set method that needs few samples.

``max_v <g, v - u> - (v - u)^T H (v - u) / 2  s.t. v >= lower`` with ``H = A W A^T`` and g the gradient at a
feasible u. One sample that would gain is freed at a time, and samples that reach their bound on the way to the
maximum over the free ones stay there (Lawson and Hanson's scheme for nonnegative least squares, started at u). H is
formed over the samples that ever were free only; of the others a product ``A (W A^T v)`` tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.lapack import dpotrf, dpotrs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["BoundedQuadratic"]

_RIDGE = 1e-15
"""Added to the unit diagonal of H, per sample: several times its rounding error."""
_UNDETERMINED = 1e-9
"""Size of a row in the metric W, relative to the largest, that is not scaled up: rounding errors would be, too."""
_GAIN = 1e-12
"""Gradient of a sample at its bound, relative to the largest at the start, that counts as none."""
_RETURNS = 1
"""How often a sample may come back."""


class BoundedQuadratic:
    """Solver for one matrix A, ``(N, d)``, and changing weights."""

    def __init__(self, A: Matrix) -> None:
        self._A = A
        self._squares = A * A

    def solve(
        self, weights: Vector, gradient: Vector, start: Vector, lower: Vector, noise: Vector | float = 0.0
    ) -> tuple[Vector, Mask]:
        """The maximizer and which of its entries are free.

        Parameters
        ----------
        weights
            W, ``(d,)``.
        gradient
            Gradient at `start`, ``(N,)``.
        start
            Feasible point u, ``(N,)``.
        lower
            Bounds, ``(N,)``.
        noise
            Rounding error of the gradient.
        """
        A = self._A
        squares = self._squares @ weights
        least = max(_UNDETERMINED**2 * float(squares.max()), np.finfo(float).tiny)
        size = np.sqrt(np.maximum(squares, least))
        enough = np.maximum(_GAIN * float(np.max(np.abs(gradient) / size)), noise / size)
        root = np.sqrt(weights)
        free = start > lower
        model = _Model(A, root, size)
        model.include(np.flatnonzero(free))
        moved = np.zeros_like(start)
        freed = np.zeros(len(start), dtype=np.intp)
        while True:
            while free.any():
                wanted = model.maximum(free, moved, gradient)
                room = start + moved - lower
                blocking = free & (room + (wanted - moved) <= 0.0)
                if not blocking.any():
                    moved = wanted
                    break
                length = float(np.min(room[blocking] / (moved - wanted)[blocking]))
                moved = moved + length * (wanted - moved)
                reached = blocking & (start + moved - lower <= 1e-14 * room)
                if not reached.any():  # rounding
                    reached = blocking & ((start + moved - lower) <= (start + moved - lower)[blocking].min())
                moved[reached] = (lower - start)[reached]
                free &= ~reached
            touched = np.flatnonzero(moved)
            left = gradient - A @ (weights * (A[touched].T @ moved[touched]))
            # a sample that keeps coming back gains by rounding only
            gain = np.where(free | (freed > _RETURNS), -np.inf, left / size)
            best = int(np.argmax(gain - enough))
            if not gain[best] > (enough[best] if np.ndim(enough) else enough):
                break
            free[best] = True
            freed[best] += 1
            model.include(np.array([best]))
        at_bound = ~free
        found = start + moved
        found[at_bound] = lower[at_bound]
        return found, free


class _Model:
    """H over the samples included so far, scaled to a unit diagonal."""

    def __init__(self, A: Matrix, root: Vector, size: Vector) -> None:
        self._A, self._root, self._size = A, root, size
        self._samples = np.zeros(0, dtype=np.intp)
        self._rows = np.zeros((0, A.shape[1]))
        self._matrix = np.zeros((0, 0))

    def include(self, samples: NDArray[np.intp]) -> None:
        new = samples[~np.isin(samples, self._samples)]
        if not len(new):
            return
        rows = self._A[new] * self._root / self._size[new, None]
        beside = self._rows @ rows.T
        corner = rows @ rows.T
        self._matrix = np.block([[self._matrix, beside], [beside.T, corner]]) if len(self._samples) else corner
        self._samples = np.append(self._samples, new)
        self._rows = np.vstack([self._rows, rows])

    def maximum(self, free: Mask, moved: Vector, gradient: Vector) -> Vector:
        """Displacement that is best on the free samples, the others left where they are."""
        inside = free[self._samples]
        variable, held = self._samples[inside], self._samples[~inside]
        right = gradient[variable] / self._size[variable]
        if moved[held].any():
            right = right - self._matrix[np.ix_(inside, ~inside)] @ (moved[held] * self._size[held])
        matrix = self._matrix if inside.all() else self._matrix[np.ix_(inside, inside)]
        wanted = moved.copy()
        wanted[variable] = _positive_solve(matrix, right) / self._size[variable]
        return wanted


def _positive_solve(matrix: Matrix, right: Vector) -> Vector:
    matrix = matrix.copy()
    matrix.flat[:: len(matrix) + 1] += _RIDGE * len(matrix)
    factor, failed = dpotrf(matrix, lower=1, clean=0)
    if not failed:
        solution: Vector = dpotrs(factor, right, lower=1)[0]
        return solution
    values, vectors = eigh(matrix)
    kept = values > _RIDGE * len(values) * values[-1]
    return np.asarray(vectors[:, kept] @ ((vectors[:, kept].T @ right) / values[kept]))
