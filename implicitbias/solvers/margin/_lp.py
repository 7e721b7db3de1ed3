"""Maximum margin in the l_p quasi-norm, ``p < 1``: ``min sum_i |beta_i|^p s.t. A beta >= 1``, ``A = diag(y) X``.

On every orthant the objective is concave and bounded below, and the polyhedron of the constraints contains no
line. So the minimum is at a vertex of one of these polyhedra: k coordinates, and k rows with margin 1 that fix
their values. Moving a coordinate away from 0 costs more than anything can gain. Hence a vertex is a local minimum
if and only if it is one on its own coordinates: where the gradient is a positive combination of these rows.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import nnls

from ..._result import ConvergenceError, Result, Status
from ...regularizer import L1
from ._l1 import minimum_l1, vertex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ...problems import Margins
    from ...regularizer import Lp

    Vector = NDArray[np.float64]
    Index = NDArray[np.int64]

__all__ = ["StationaryPoint", "minimum_lp"]

ENUMERATION_LIMIT = 1_000_000
"""Choices of coordinates and rows up to which all of them are tried."""
_BATCH = 20_000
_ROUNDING = 1e-9
"""Shortfall of a margin, relative to its parts, and multiplier, relative to the largest, that count as zero."""
_SAME = 1e-9
"""Distance between points, relative to the largest entry, below which they are one."""
_REGULAR = 1e12
"""Largest entry of the inverse of a block, whose own entries are at most 1, that leaves digits in a vertex."""
KEPT = 1000
"""Stationary points of least value that are returned: there can be hundreds of thousands."""
_STARTS = 60
"""Random starts of the search where the choices are too many."""
_SMOOTHINGS = tuple(10.0 ** -np.arange(0.0, 9.0))
"""Offsets of the entries in the weights, relative to the largest, one after the other."""


@dataclass(frozen=True, eq=False)
class StationaryPoint:
    """A point that meets the conditions of first order on its own coordinates.

    Attributes
    ----------
    beta
        Predictor, ``(d,)``.
    value
        ``sum |beta_i|^p``.
    dual
        Multipliers ``nu >= 0``, ``(N,)``, positive only where the margin is 1, with
        ``p |beta_i|^{p-1} sign(beta_i) = (A^T nu)_i`` where ``beta_i`` is not 0.
    local_minimum
        Whether it is proven to be a strict local minimum: as many positive multipliers as coordinates, on
        independent rows.
    """

    beta: Vector
    value: float
    dual: Vector
    local_minimum: bool


def minimum_lp(
    problem: Margins,
    reg: Lp,
    *,
    tol: float = 1e-9,
    max_iterations: int = 2000,
    limit: int = ENUMERATION_LIMIT,
    rng: int | np.random.Generator | None = 0,
) -> Result:
    r"""Predictor of least ``sum |beta_i|^p`` with margins of at least 1, and the stationary points found.

    Parameters
    ----------
    problem
        Rows ``x_n`` and labels, ``(N, d)``.
    reg
        The quasi-norm, ``p <= 1``; at ``p = 1`` the answer is that of :func:`~._l1.minimum_l1`.
    tol
        Largest residual that counts as converged.
    max_iterations
        Limit on linear programs in the search.
    limit
        Number of choices of coordinates and rows, :math:`\binom{N + d}{N} - 1`, up to which all are tried.
    rng
        Seed or generator for the starts of the search.

    Returns
    -------
    Result
        ``info["support"]``: the support vectors, rows with ``nu_n > 0``.
        ``info["global"]``: True where all vertices were tried, so that `beta` is a global minimum (one of them);
        False where it is the best of the stationary points that reweighted l1 norms lead to, from the maximum l1
        margin, a small l2 norm and random weights.
        ``info["stationary_points"]``: those found, by value, the 1000 best at most, as :class:`StationaryPoint`.
        ``info["local_minima"]``: the strict local minima among them; if all vertices were tried these are, of data
        in general position, all there are.
        Residuals: ``primal``, by how much a margin falls short of 1, over ``sum_i |A_ni beta_i|``;
        ``stationarity``, error of ``grad = A^T nu`` on the support, relative; ``complementarity``,
        ``sum nu_n |m_n - 1| / sum nu_n``. `iterations` counts linear programs, or batches of choices.

    Raises
    ------
    NotImplementedError
        For ``p > 1``.
    NotSeparableError
        If the samples cannot be separated.

    Notes
    -----
    The conditions of first order are those of a KKT point in the weights of a network of depth ``D = 2/p``: Lyu and
    Li (2020); Moroshko et al. (2020), section 3. Off the support they ask nothing, the slope being infinite at 0.
    """
    if reg.p > 1:
        raise NotImplementedError(
            f"max-margin predictors for Lp are those of p <= 1, got p = {reg.p}; beyond, use L2 or Q, which "
            "lies between l1 and l2"
        )
    convex = minimum_l1(problem, L1(), tol=tol)  # also tells whether the samples can be separated
    if reg.p == 1:
        return convex
    search = _Search(problem, reg)
    N, d = problem.shape
    everything = math.comb(N + d, N) - 1 <= limit
    if everything:
        search.enumerate()
    else:
        search.reweight(convex.beta, np.random.default_rng(rng), max_iterations)
    points = search.distinct()
    if not points:
        residuals = {"stationarity": math.inf}
        return Result(convex.beta, Status.ITERATION_LIMIT, residuals, search.steps, value=float(reg(convex.beta)))
    best = points[0]
    residuals = _residuals(problem, reg, best)
    status = Status.CONVERGED if max(residuals.values()) <= tol else Status.STALLED
    info = {
        "support": best.dual > 0.0,
        "global": everything,
        "stationary_points": points,
        "local_minima": tuple(point for point in points if point.local_minimum),
    }
    return Result(best.beta, status, residuals, search.steps, dual=best.dual, value=best.value, info=info)


def _residuals(problem: Margins, reg: Lp, point: StationaryPoint) -> dict[str, float]:
    A, beta, nu = problem.signed, point.beta, point.dual
    support = beta != 0.0
    margins, slope = A @ beta, np.asarray(reg.grad(beta[support]))
    return {
        "primal": max(0.0, float(((1.0 - margins) / np.maximum(1.0, np.abs(A) @ np.abs(beta))).max())),
        "stationarity": float((np.abs(slope - A[:, support].T @ nu) / np.abs(slope)).max()),
        "complementarity": float(nu @ np.abs(margins - 1.0) / nu.sum()),
    }


class _Search:
    """Stationary points of one problem, in rows of one size.

    ``rows c >= bounds``, entries at most 1, ``beta = size c``.
    """

    def __init__(self, problem: Margins, reg: Lp) -> None:
        self.problem, self.reg = problem, reg
        A = problem.signed
        self.units = 1.0 / np.abs(A).max(axis=1)
        self.size = float(self.units.max())
        self.rows, self.bounds = A * self.units[:, None], self.units / self.size
        self.steps = 0
        self.bases: list[tuple[float, Index, Index]] = []
        """Value, rows and columns of stationary vertices."""
        self.worst = math.inf

    # ---- all vertices ----

    def enumerate(self) -> None:
        """Try every choice of coordinates and as many rows."""
        N, d = self.rows.shape
        for k in range(1, min(N, d) + 1):
            for rows, columns in _choices(N, d, k):
                self._try(rows, columns)

    def _try(self, rows: Index, columns: Index) -> None:
        """Keep the stationary ones among the vertices on given rows and columns, both ``(b, k)``."""
        self.steps += 1
        blocks = self.rows[rows[:, :, None], columns[:, None, :]]
        # by the same elimination as in the inverse, which fails on no other block
        regular = np.linalg.slogdet(blocks)[0] != 0.0
        if not regular.any():
            return
        rows, columns, blocks = rows[regular], columns[regular], blocks[regular]
        inverse = np.linalg.inv(blocks)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of nearly singular blocks
            inner = (inverse @ self.bounds[rows][..., None])[..., 0]
            nu = (np.asarray(self.reg.grad(inner))[:, None, :] @ inverse)[:, 0]
            kept = np.isfinite(nu).all(axis=1) & (np.abs(inverse).max(axis=(1, 2)) < _REGULAR)
            kept &= (nu >= -_ROUNDING * np.abs(nu).max(axis=1, keepdims=True)).all(axis=1)
            # rounding in place of a zero: the vertex is found on fewer coordinates
            kept &= (np.abs(inner) > _SAME * np.abs(inner).max(axis=1, keepdims=True)).all(axis=1)
        if not kept.any():
            return
        rows, columns, blocks, inverse, inner = (part[kept] for part in (rows, columns, blocks, inverse, inner))
        used = self.rows[:, columns]
        margins = np.einsum("nbk,bk->bn", used, inner)
        parts = np.einsum("nbk,bk->bn", np.abs(used), np.abs(inner))
        kept = (margins - self.bounds >= -_ROUNDING * parts).all(axis=1)
        values = (np.abs(inner) ** float(self.reg.p)).sum(axis=1)
        kept &= values <= self.worst
        self.bases += zip(values[kept].tolist(), rows[kept], columns[kept], strict=True)
        if len(self.bases) > 2 * KEPT:
            self._prune()

    def _prune(self) -> None:
        """Leave the bases of least value."""
        self.bases.sort(key=lambda base: base[0])
        if len(self.bases) > KEPT:
            del self.bases[KEPT:]
            self.worst = self.bases[-1][0]

    def _point(self, rows: Index, columns: Index) -> StationaryPoint:
        """The vertex on these rows and columns, refined."""
        block = self.rows[np.ix_(rows, columns)]
        inverse = np.linalg.inv(block)
        inner = inverse @ self.bounds[rows]
        inner = inner + inverse @ (self.bounds[rows] - block @ inner)
        slope = np.asarray(self.reg.grad(inner))
        nu = slope @ inverse
        nu = nu + (slope - nu @ block) @ inverse
        beta, dual = np.zeros(self.rows.shape[1]), np.zeros(len(self.rows))
        beta[columns] = self.size * inner
        # grad(beta) = size^(p-1) grad(c)
        dual[rows] = np.maximum(nu, 0.0) * self.units[rows] * self.size ** (float(self.reg.p) - 1.0)
        strict = bool((nu > _ROUNDING * nu.max()).all())
        return StationaryPoint(beta, float(self.reg(beta)), dual, strict)

    def distinct(self) -> tuple[StationaryPoint, ...]:
        """Points by value, each once: at a degenerate vertex several choices of rows meet."""
        self._prune()
        kept: list[StationaryPoint] = []
        for _, rows, columns in self.bases:
            point = self._point(rows, columns)
            twin = None
            for i in range(len(kept) - 1, -1, -1):
                if kept[i].value < point.value * (1.0 - _SAME):
                    break
                if np.abs(kept[i].beta - point.beta).max() <= _SAME * np.abs(point.beta).max():
                    twin = i
                    break
            if twin is None:
                kept.append(point)
            elif point.local_minimum:  # one choice of rows is proof enough
                kept[twin] = point
        return tuple(kept)

    # ---- search ----

    def reweight(self, start: Vector, rng: np.random.Generator, max_programs: int) -> None:
        """Descend from several starts by linear programs whose weights are the slopes where the last one ended."""
        d = self.rows.shape[1]
        for c in (start / self.size, self._least_squares()):
            self._descend(c, _SMOOTHINGS, max_programs)
        for _ in range(_STARTS):
            if self.steps >= max_programs:
                break
            c = rng.exponential(size=d) ** rng.uniform(0.0, 6.0)
            self._descend(c, _SMOOTHINGS[rng.integers(1, len(_SMOOTHINGS)) :], max_programs)

    def _least_squares(self) -> Vector:
        """A predictor of nearly least l2 norm: all coordinates in play."""
        gram = self.rows @ self.rows.T
        return np.asarray(self.rows.T @ np.linalg.lstsq(gram, self.bounds, rcond=None)[0])

    def _descend(self, c: Vector, smoothings: tuple[float, ...], max_programs: int) -> None:
        for smoothing in smoothings:
            c = self._program(c, smoothing * float(np.abs(c).max()))
        while self.steps < max_programs:
            before, c = c, self._program(c, 0.0)
            if np.abs(c - before).max() <= _SAME * np.abs(c).max():
                break
        columns = np.flatnonzero(c)
        margins = self.rows @ c - self.bounds
        tight = np.flatnonzero(margins <= _ROUNDING * (np.abs(self.rows) @ np.abs(c)))
        if not (len(tight) and len(columns)):  # nnls ends the process where a matrix has no columns (SciPy 1.17)
            return
        nu, _ = nnls(self.rows[np.ix_(tight, columns)].T, np.asarray(self.reg.grad(c[columns])))
        # rows with multipliers, and if these are too few others that complete them
        rows: list[int] = []
        for n in tight[np.argsort(-nu, kind="stable")]:
            if np.linalg.matrix_rank(self.rows[[*rows, int(n)]][:, columns]) > len(rows):
                rows.append(int(n))
        if len(rows) == len(columns):
            self._try(np.array([rows]), columns[None, :])

    def _program(self, c: Vector, offset: float) -> Vector:
        """A vertex of least l1 norm under the weights that belong to a point and an offset of its entries."""
        self.steps += 1
        used = np.flatnonzero(np.abs(c) + offset > 0.0)
        weights = (np.abs(c[used]) + offset) ** (float(self.reg.p) - 1.0)
        weights /= weights.min()
        try:
            found = vertex(self.rows[:, used] / weights, self.bounds)
        except ConvergenceError:  # one of many starts
            found = None
        if found is None:
            return c
        out = np.zeros(self.rows.shape[1])
        out[used] = found[0] / weights
        out[np.abs(out) <= _SAME * np.abs(out).max()] = 0.0
        return out


def _choices(N: int, d: int, k: int) -> Iterator[tuple[Index, Index]]:
    """All pairs of k rows and k columns, in batches."""
    rows = np.array(list(itertools.combinations(range(N), k)))
    columns = itertools.combinations(range(d), k)
    share = max(1, _BATCH // len(rows))
    while batch := list(itertools.islice(columns, share)):
        picked = np.array(batch)
        for first in range(0, len(rows), _BATCH):
            some = rows[first : first + _BATCH]
            yield np.repeat(some, len(picked), axis=0), np.tile(picked, (len(some), 1))
