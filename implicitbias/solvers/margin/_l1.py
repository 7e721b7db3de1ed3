"""Maximum margin in the weighted l1 norm: ``argmin sum_i w_i |beta_i| s.t. A beta >= 1``, ``A = diag(y) X``.

A linear programming solver finds a vertex and its multipliers; which coordinates and which rows take part is then
settled by further, smaller programs, and linear algebra on those gives both to rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linprog

from ..._result import ConvergenceError, Result, Status
from ...problems import Margins
from ...regularizer import L1
from ._kernel_end import not_separable, separability_certificate
from ._l1_solutions import L1Solutions, ScaledMargins

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Vector = NDArray[np.float64]

__all__ = ["max_margin_solutions", "minimum_l1", "vertex"]

_ZERO = 1e-9
"""Size below which a coordinate, a multiplier or a slack counts as zero, relative to the largest."""
_FIRST_COLUMNS = 200
"""Features in the first, restricted program; more are added as the multipliers ask for them."""
_OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


def minimum_l1(problem: Margins, reg: L1, *, tol: float = 1e-9) -> Result:
    r"""Least weighted l1 norm of the predictors with margins of at least 1.

    Among several solutions this is the limit of those for ``Q_mu`` at depth 2 as ``mu -> 0``, the one of largest
    entropy :math:`-\sum_i b_i \log b_i` with :math:`b_i = w_i |\beta_i|`.

    Parameters
    ----------
    problem
        Rows ``x_n`` and labels, ``(N, d)``.
    reg
        The norm, with weights ``(d,)`` or None.
    tol
        Largest residual that counts as converged.

    Returns
    -------
    Result
        ``dual (N,)``: multipliers ``nu >= 0``, positive on every row whose margin is 1 in all solutions.
        ``info["solutions"]``: all solutions, as :class:`L1Solutions`; ``info["support"]``: the support vectors,
        rows with ``nu_n > 0``.
        Residuals: ``primal``, by how much a margin falls short of 1, over ``sum_i |A_ni beta_i|``; ``dual``, by how
        much ``|A^T nu|`` exceeds the weights, relative; ``gap`` between ``sum w |beta|`` and ``sum nu``, relative;
        ``selection``, that of the choice by entropy, where there is one.

    Raises
    ------
    NotSeparableError
        If the samples cannot be separated; its ``certificate`` proves it.
    """
    solutions, programs = _solve(problem, reg)
    beta, choice = solutions.limit()
    A = problem.signed
    margins, theta = A @ beta, A.T @ solutions.dual
    value = float(reg(beta))
    weights = 1.0 if reg.weights is None else reg.weights
    residuals = {
        "primal": max(0.0, float(((1.0 - margins) / np.maximum(1.0, np.abs(A) @ np.abs(beta))).max())),
        "dual": max(0.0, float((np.abs(theta) / weights).max()) - 1.0),
        "gap": abs(value - float(solutions.dual.sum())) / value,
    }
    if not solutions.unique:
        residuals["selection"] = choice
    status = Status.CONVERGED if max(residuals.values()) <= tol else Status.STALLED
    info = {
        "support": solutions.dual > 0.0,
        "solutions": solutions,
        "unique": solutions.unique,
        "dimension": solutions.dimension,
    }
    return Result(beta, status, residuals, iterations=programs, dual=solutions.dual, value=value, info=info)


def max_margin_solutions(X: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> L1Solutions:
    """All predictors of maximum l1 margin: the set ``argmin sum_i w_i |beta_i| s.t. y_n <x_n, beta> >= 1``.

    Parameters
    ----------
    X
        Samples, ``(N, d)``.
    y
        Labels -1 or +1, ``(N,)``.
    weights
        Positive weights, ``(d,)``; None for all ones.

    Raises
    ------
    NotSeparableError
        If the samples cannot be separated; its ``certificate`` proves it.
    TypeError, ValueError
        If an argument is invalid.

    Examples
    --------
    Either of two equal features will do, and everything between:

    >>> solutions = max_margin_solutions([[1.0, 1.0, 0.0], [-1.0, -1.0, 1.0]], [1, -1])
    >>> solutions.dimension
    1
    >>> solutions.vertices().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    >>> solutions.limit()[0].round(12).tolist()
    [0.5, 0.5, 0.0]
    """
    reg, problem = L1(weights), Margins(X, y)
    if reg.weights is not None and reg.weights.shape != (problem.shape[1],):
        raise ValueError(
            f"weights must have one entry per column of X: X has {problem.shape[1]} columns, "
            f"weights has {len(reg.weights)} entries"
        )
    return _solve(problem, reg)[0]


def _solve(problem: Margins, reg: L1) -> tuple[L1Solutions, int]:
    """All solutions, and how many linear programs they took."""
    scaled = ScaledMargins.of(problem, reg.weights)
    found = vertex(scaled.rows, scaled.bounds)
    if found is None:
        certificate = separability_certificate(problem.signed)
        if certificate is None:
            raise ConvergenceError(
                "whether the samples can be separated is not decided in float64: a linear programming solver says "
                "no, but no convex combination of the y_n x_n was found to be zero; scale the columns of X"
            )
        raise not_separable(problem.signed, certificate)
    c, multipliers, programs = found
    partition = _Partition(scaled, c, multipliers)
    return L1Solutions.on(scaled, *partition.settle()), programs + partition.programs


def vertex(rows: NDArray[np.float64], bounds: Vector) -> tuple[Vector, Vector, int] | None:
    """Vertices of ``argmin sum |c| s.t. rows c >= bounds`` and of its multipliers, and how many programs it took.

    The programs are on some of the columns, ever more of them. None if the constraints contradict each other.
    """
    N, d = rows.shape
    used = np.zeros(d, dtype=bool)
    # columns that raise the margins of many rows at once, to begin with
    order = np.argsort(-np.abs(rows.sum(axis=0)), kind="stable")
    used[order[: max(_FIRST_COLUMNS, 2 * N)]] = True
    programs = 0
    while True:
        programs += 1
        columns = rows[:, used]
        both = np.hstack([-columns, columns])
        found = _linprog(np.ones(both.shape[1]), A_ub=both, b_ub=-bounds, bounds=(0.0, None))
        if found.status == 2 and not used.all():
            used[order[: min(d, 4 * int(used.sum()))]] = True
            continue
        if found.status == 2:
            return None
        if found.x is None:
            raise ConvergenceError(f"the linear programming solver gave up: {found.message}")
        multipliers = np.maximum(-found.ineqlin.marginals, 0.0)
        excess = np.where(used, 0.0, np.abs(rows.T @ multipliers) - 1.0)
        wanted = np.flatnonzero(excess > _ZERO)
        if wanted.size == 0:
            break
        used[wanted[np.argsort(-excess[wanted], kind="stable")[:_FIRST_COLUMNS]]] = True
    c = np.zeros(d)
    half = columns.shape[1]
    c[used] = found.x[:half] - found.x[half:]
    return c, multipliers, programs


class _Partition:
    """Which coordinates and rows can be at work in a solution, and which in its multipliers: never both.

    By Goldman and Tucker every coordinate is nonzero in some solution or has ``|A^T nu| < w`` for some optimal nu,
    and every row has a margin above 1 in some solution or ``nu_n > 0`` for some nu. What a vertex leaves open is
    settled by maximizing the sum of what is open over the other solutions: first of the problem, then of its dual.
    Means of solutions have at work what any of them has.
    """

    def __init__(self, scaled: ScaledMargins, c: Vector, multipliers: Vector) -> None:
        self.scaled, self.rows, self.bounds = scaled, scaled.rows, scaled.bounds
        self.programs = 0
        self.c, self.multipliers = c, multipliers
        self._look()

    def _look(self) -> None:
        """Read off what is at work, from values that linear algebra has freed of the solver's errors."""
        self.support = np.abs(self.c) > _ZERO * np.abs(self.c).max()
        self.tight = self.multipliers > _ZERO * self.multipliers.max()
        self.c, self.multipliers, _ = self.scaled.refined(self.c, self.multipliers, self.support, self.tight)
        theta = self.rows.T @ self.multipliers
        self.signs = np.where(self.c != 0.0, np.sign(self.c), np.sign(theta))
        self.inside = np.abs(theta) < 1.0 - _ZERO
        # a margin is a sum of |rows| |c|
        self.loose = self.rows @ self.c - self.bounds > _ZERO * (np.abs(self.rows) @ np.abs(self.c))
        self.signs[self.inside & ~self.support] = 0.0

    def settle(self) -> tuple[Vector, Vector, NDArray[np.bool_], NDArray[np.bool_]]:
        """``(c, multipliers, support, tight)``: in the relative interiors, and what is at work there."""
        for step in (self._another_solution, self._other_multipliers):
            while (~(self.support | self.inside)).any() or (~(self.tight | self.loose)).any():
                before = self._open()
                step()
                self._look()
                if self._open() >= before:
                    break
        return self.c, self.multipliers, self.support & ~self.inside, self.tight & ~self.loose

    def _open(self) -> int:
        return int((~(self.support | self.inside)).sum() + (~(self.tight | self.loose)).sum())

    def _another_solution(self) -> None:
        """Move to the mean with the solution on which what is open is largest."""
        allowed = np.flatnonzero(~self.inside)
        signed = self.rows[:, allowed] * self.signs[allowed]
        equal, above = self.tight, ~self.tight
        asked = above & ~self.loose
        gain = np.where(self.support[allowed], 0.0, 1.0) + signed[asked].sum(axis=0)
        self._count()
        found = _linprog(
            -gain,
            A_ub=-signed[above] if above.any() else None,
            b_ub=-self.bounds[above] if above.any() else None,
            A_eq=signed[equal],
            b_eq=self.bounds[equal],
            bounds=(0.0, None),
        )
        if found.x is not None:
            other = np.zeros_like(self.c)
            other[allowed] = found.x * self.signs[allowed]
            self.c = 0.5 * (self.c + other)

    def _other_multipliers(self) -> None:
        """Move to the mean with the multipliers on which what is open is largest."""
        free = np.flatnonzero(~self.loose)
        columns = self.rows[free].T
        at_bound, open_columns = self.support, ~(self.support | self.inside)
        rest = ~self.support
        gain = np.where(self.tight[free], 0.0, 1.0)
        gain = gain - (self.signs[open_columns, None] * columns[open_columns]).sum(axis=0)
        self._count()
        found = _linprog(
            -gain,
            A_ub=np.vstack([columns[rest], -columns[rest]]) if rest.any() else None,
            b_ub=np.ones(2 * int(rest.sum())) if rest.any() else None,
            A_eq=columns[at_bound],
            b_eq=self.signs[at_bound],
            bounds=(0.0, None),
        )
        if found.x is not None:
            other = np.zeros_like(self.multipliers)
            other[free] = found.x
            self.multipliers = 0.5 * (self.multipliers + other)

    def _count(self) -> None:
        self.programs += 1


def _linprog(cost: Vector, **constraints: Any) -> Any:
    """HiGHS; its interior-point method where the simplex method does not come to an end."""
    found = linprog(cost, method="highs-ds", options=_OPTIONS, **constraints)
    return (
        found if found.status in {0, 2, 3} else linprog(cost, method="highs-ipm", options=_OPTIONS, **constraints)
    )
