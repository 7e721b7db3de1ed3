"""Normal equations ``X W X^T v = r`` of the dual, singular to working precision as often as not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.lapack import dpocon, dpotrf, dpotrs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._design import Design

    Vector = NDArray[np.float64]

__all__ = ["NormalEquations"]

_NEGLIGIBLE = 1e-20
"""Contribution of a column to the Hessian, relative to the largest, that is left out."""
_RIDGE = 1e-15
"""Added to the unit diagonal of the Hessian, per sample: several times its rounding error."""
_UNDETERMINED = 1e-9
"""Diagonal entry of the Hessian, relative to the largest, that is not scaled up: rounding errors would be, too."""
_SAMPLES_PER_ITERATION = 25
"""How many samples make a Gram matrix as dear as one iteration of conjugate gradients: measured, 20 to 40.

A Gram matrix takes N operations for each entry of X, at the speed of a matrix product; an iteration takes two
passes over X, at the speed of memory.
"""


class NormalEquations:
    """Solver of ``X W X^T v = r`` for weights that change little by little.

    A factorization is kept. For weights near those it was made for it serves as it is, further on as the
    preconditioner of conjugate gradients, as long as these are cheaper than a new one.

    :meth:`solve` is near 0 in directions singular to rounding. Such directions are normal: at small alpha fewer
    coordinates than samples may carry all the weight, and what the others contribute to ``X beta`` is below the
    rounding of y. A multiplier is then free within wide bounds, and moving it by rounding errors over tiny weights
    would be the worst choice. Cholesky factors with a ridge of rounding size do that; where rounding leaves even
    that indefinite, the eigenvalues above it are used.
    """

    def __init__(self, design: Design) -> None:
        self._design = design
        self._squares = design.column_squares
        self._kept = np.zeros(0, dtype=bool)
        self._factored: Vector | None = None

    def at(self, weights: Vector, accuracy: float = 1e-2) -> NormalEquations:
        """Turn to other weights; :meth:`solve` then has at least this relative accuracy."""
        self._accuracy = accuracy
        influence = weights * self._squares
        matters = influence > _NEGLIGIBLE * influence.max()
        if self._factored is None or not self._serves(weights, matters):
            self._factor(weights, matters)
        return self

    def kept(self) -> NormalEquations:
        """Turn back to the weights last factored."""
        self._ratio, self._iterative = 1.0, False
        return self

    def _serves(self, weights: Vector, matters: NDArray[np.bool_]) -> bool:
        assert self._factored is not None
        ratio = weights / self._factored
        either = matters | self._kept
        low = float(np.min(ratio, where=either, initial=np.inf))
        high = float(np.max(ratio, where=either, initial=0.0))
        if not 0.0 < low <= high < np.inf:
            return False
        self._ratio = 0.5 * (low + high)
        spread = high / low
        self._iterative = spread - 1.0 > self._accuracy
        # the error of conjugate gradients falls by (1 - 1/sqrt(spread))^2 and faster; two are spent on the start
        needed = 0.5 * math.sqrt(spread) * math.log(2.0 / self._accuracy) + 2.0
        if self._iterative and needed * _SAMPLES_PER_ITERATION > self._design.N:
            return False
        self._current = weights
        return True

    def _factor(self, weights: Vector, matters: NDArray[np.bool_]) -> None:
        design = self._design
        self._factored, self._current, self._kept = weights, weights, matters
        self._ratio, self._iterative = 1.0, False
        matrix = design.gram(weights, matters)
        # unit diagonal, for samples that differ in size; but one on which no column carries weight is undetermined
        least = max(_UNDETERMINED * float(matrix.diagonal().max()), np.finfo(float).tiny)
        diagonal = np.sqrt(np.maximum(matrix.diagonal(), least))
        matrix /= diagonal[:, None]
        matrix /= diagonal
        matrix.flat[:: len(matrix) + 1] += _RIDGE * len(matrix)
        self._diagonal = diagonal
        self._cholesky, failed = dpotrf(matrix, lower=1, clean=0)
        self._eigen: tuple[Vector, NDArray[np.float64]] | None = None
        if failed:
            values, vectors = eigh(matrix)
            kept = values > _RIDGE * len(values) * values[-1]
            self._eigen = values[kept], vectors[:, kept]

    def reciprocal_condition(self) -> float:
        """Estimate for the matrix last factored, scaled to a unit diagonal; 0 where it is singular to rounding."""
        # the diagonal is 1, hence no norm of a positive matrix is larger than N
        return 0.0 if self._eigen is not None else float(dpocon(self._cholesky, len(self._diagonal), uplo="L")[0])

    def solve(self, right: Vector) -> Vector:
        """``v`` with ``X W X^T v = right``, ``(N,)``."""
        return self._conjugate_gradients(right) if self._iterative else self._direct(right)

    def _direct(self, right: Vector) -> Vector:
        scaled = right / (self._ratio * self._diagonal)
        if self._eigen is not None:
            values, vectors = self._eigen
            solution: Vector = vectors @ ((vectors.T @ scaled) / values)
        else:
            solution = dpotrs(self._cholesky, scaled, lower=1)[0]
        return np.asarray(solution / self._diagonal)

    def _conjugate_gradients(self, right: Vector) -> Vector:
        solution, residual = np.zeros_like(right), right
        towards = direction = self._direct(residual)
        energy = start = float(residual @ towards)
        for _ in range(2 * self._design.N // _SAMPLES_PER_ITERATION + 2):
            if not energy > self._accuracy**2 * start:
                return solution
            image = self._design.forward(self._current * self._design.adjoint(direction))
            curvature = float(direction @ image)
            if not curvature > 0.0:
                break
            solution = solution + (energy / curvature) * direction
            residual = residual - (energy / curvature) * image
            towards = self._direct(residual)
            before, energy = energy, float(residual @ towards)
            direction = towards + (energy / before) * direction
        # the estimate was too good: factor after all
        self._factor(self._current, self._current * self._squares > 0.0)
        return self._direct(right)
