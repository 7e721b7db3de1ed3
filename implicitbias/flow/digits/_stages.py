"""The stage equations of one step, solved by Newton's method: residuals at full precision, corrections in float64.

Unknown are the values of the right-hand side at the nodes, ``log p`` or p, with ``nu_j = nu_0 + h sum_i a_ji p_i``.
The linear equations are scaled by ``max |h G|``, which is held as a number of any size: they are as well
conditioned as the kernel G of the support vectors, however stiff the flow, and each solution gains some ten digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg.lapack import dgetrf, dgetrs

from ._system import OutOfDomainError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._collocation import Radau
    from ._system import Point, System

    Floats = NDArray[np.float64]
    Rows = list[list[Any]]

__all__ = ["NotSolvedError", "Stages", "solve"]

_MOST_ITERATIONS = 60
_NEAR = 1e-5
"""Residual from which on the matrix is kept."""
_NEGLIGIBLE = 1e-40
"""Weights without influence on a float64 solution."""


class NotSolvedError(ArithmeticError):
    """Newton's method did not converge: the step is too long."""


@dataclass(frozen=True, eq=False)
class Stages:
    """Solved stage equations.

    Attributes
    ----------
    unknown
        ``log p`` (squared loss: p) at the nodes, ``(s, N)``.
    p, nu
        Right-hand sides and dual points, ``(s, N)``.
    points
        Values there.
    scale
        ``max |h G|`` over the nodes, at least 1.
    evaluations
        How often the right-hand side was evaluated.
    """

    unknown: Rows
    p: Rows
    nu: Rows
    points: list[Point]
    scale: Any
    evaluations: int


def solve(system: System, tables: Radau, nu: list[Any], h: Any, start: Rows, tolerance: Any) -> Stages:
    """Solve the equations of a step of length `h` from `nu`, until ``p |residual of log p|`` is below `tolerance`.

    Raises
    ------
    NotSolvedError
        If the iteration does not converge.
    """
    unknown, best, failures, linear = start, np.inf, 0, None
    for iteration in range(1, _MOST_ITERATIONS + 1):
        unknown, p = _normalized(system, unknown)
        moved = system.number.times(tables.matrix, p)
        stages = [[n + h * v for n, v in zip(nu, row, strict=True)] for row in moved]
        try:
            points = system.points(stages)
        except OutOfDomainError as beyond:
            raise NotSolvedError from beyond
        residual, size = _residual(system, unknown, p, points)
        error = float(size / tolerance) if size < tolerance * 1e300 else np.inf
        if error <= 1.0:
            return Stages(unknown, p, stages, points, _scale(system, h, points), iteration * tables.s)
        if not np.isfinite(float(size)):
            raise NotSolvedError
        failures += error > 0.3 * best
        best = min(best, error)
        if failures > 4:
            raise NotSolvedError
        if linear is None or size > _NEAR:
            linear = _Linear(system, tables, h, p, points)
        unknown = _moved(system, unknown, *linear.solve(residual))
    raise NotSolvedError


def _normalized(system: System, unknown: Rows) -> tuple[Rows, Rows]:
    if system.squared:
        return unknown, unknown
    number = system.number
    rows, weights = [], []
    for row in unknown:
        top = max(row)
        values = [number.exp(q - top) for q in row]
        total = sum(values, system.zero)
        shift = top + number.log(total)
        rows.append([number.settled(q - shift) for q in row])
        weights.append([number.settled(v / total) for v in values])
    return rows, weights


def _residual(system: System, unknown: Rows, p: Rows, points: list[Point]) -> tuple[Rows, Any]:
    """Residuals, and their largest size: of ``log p`` where p counts, or of p next to the largest of its node."""
    rows, sizes = [], []
    for q, weights, point in zip(unknown, p, points, strict=True):
        left = [a - b for a, b in zip(q, system.targets_of(point.margins), strict=True)]
        if system.squared:
            sizes.append(max(map(abs, left)) / (max(map(abs, weights)) or 1))
        else:
            mean = sum((v * w for v, w in zip(left, weights, strict=True)), system.zero)
            left = [v - mean for v in left]
            sizes.append(max(_weighed(system, v, w) for v, w in zip(left, weights, strict=True)))
        rows.append([system.number.settled(v) for v in left])
    return rows, system.number.settled(max(sizes))


def _weighed(system: System, left: Any, weight: Any) -> Any:
    """Residual of ``log p`` times the larger of p as it is and as the residual says that it should be."""
    return -left * weight * system.number.exp(-left) if left < -0.01 else abs(left) * weight


def _moved(system: System, unknown: Rows, change: Floats, unit: Any) -> Rows:
    number = system.number
    out = []
    for row, moves in zip(unknown, change.tolist(), strict=True):
        new = [number.settled(q + number.number(v) * unit) for q, v in zip(row, moves, strict=True)]
        # a weight far below its value overshoots: linear in log p it has no influence on the others yet
        out.append(new if system.squared else [v if v < 1 else number.number(1) for v in new])
    return out


def _influence(system: System, h: Any, points: list[Point]) -> Rows:
    sizes = [c * c for c in system.column_sizes.tolist()]
    return [[h * w * c for w, c in zip(point.weights, sizes, strict=True)] for point in points]


def _scale(system: System, h: Any, points: list[Point]) -> Any:
    largest = max(max(row) for row in _influence(system, h, points))
    return system.number.settled(largest) if largest > 1 else system.number.number(1)


class _Linear:
    """The linearized equations at some values of the unknowns, factored."""

    def __init__(self, system: System, tables: Radau, h: Any, p: Rows, points: list[Point]) -> None:
        scale = _scale(system, h, points)
        weights = np.array([[float(v / scale) for v in row] for row in _influence(system, h, points)])
        self._kernels = np.einsum("ni,ji,li->jnl", system.unit_rows, weights, system.unit_rows, optimize=True)
        if system.logistic:
            self._kernels *= np.array([system.slopes(point.margins) for point in points])[:, :, None]
        # 1/scale may be below the smallest float; it then counts only where there is nothing else
        self._inverse = max(float(1 / scale), 1e-250)
        self._free = system.squared
        self._matrix = tables.matrix_floats
        s, N = weights.shape[0], system.N
        if self._free:
            self._p = self._damping = np.ones((s, N))
            self._active = np.ones(N, dtype=bool)
        else:
            self._p = np.array([[float(v) for v in row] for row in p])
            self._active = np.any(self._p > _NEGLIGIBLE, axis=0)
            self._damping = 1.0 / (self._p + self._inverse)
        self._lu, self._pivots, singular = dgetrf(self._assembled(s), overwrite_a=True)
        if singular:
            raise NotSolvedError

    def _assembled(self, s: int) -> Floats:
        on = self._active
        n = int(on.sum())
        influence = self._p[:, on] * self._damping[:, on]
        coupling = np.einsum("ji,jnl,il->jnil", self._matrix, self._kernels[:, on][:, :, on], influence)
        size = s * n + (0 if self._free else s)
        out = np.zeros((size, size))
        out[: s * n, : s * n] = coupling.reshape(s * n, s * n)
        diagonal = np.arange(s * n)
        out[diagonal, diagonal] += (self._damping[:, on] * self._inverse).ravel()
        if not self._free:
            stage = np.repeat(np.arange(s), n)
            out[diagonal, s * n + stage] = 1.0
            out[s * n + stage, diagonal] = influence.ravel()
        return out

    def solve(self, residual: Rows) -> tuple[Floats, Any]:
        """Change of the unknowns, as floats and the unit that they are in."""
        unit = max(abs(v) for row in residual for v in row)
        right = -np.array([[float(v / unit) for v in row] for row in residual])
        s, on = len(residual), self._active
        n = int(on.sum())
        full = np.zeros(len(self._pivots))
        full[: s * n] = (right[:, on] * self._inverse).ravel()
        solution, _ = dgetrs(self._lu, self._pivots, full)
        change = np.zeros_like(right)
        change[:, on] = solution[: s * n].reshape(s, n) * self._damping[:, on]
        if not on.all():
            moved = self._matrix @ (change[:, on] * self._p[:, on])
            pushed = np.einsum("jnl,jl->jn", self._kernels[:, ~on][:, :, on], moved) + solution[s * n :, None]
            change[:, ~on] = right[:, ~on] - pushed / self._inverse
        return change, unit
