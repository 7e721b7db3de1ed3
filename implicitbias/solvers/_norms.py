"""The two ends of the path: minimum l2 norm by least squares, minimum l1 norm by linear programming."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linprog

from .. import certificates
from .._result import ConvergenceError, InfeasibleError, Result, Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..problems import Interpolation
    from ..regularizer import L2

__all__ = ["least_squares_interpolant", "minimum_l1", "minimum_l2"]


def least_squares_interpolant(
    problem: Interpolation, weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """``argmin sum weights beta^2 s.t. X beta = y``, ``(d,)``.

    Raises
    ------
    InfeasibleError
        If the least-squares residual is not zero to rounding; the message names the worst rows.
    """
    X, y = problem.X, problem.y
    root: Any = 1.0 if weights is None else 1.0 / np.sqrt(weights)
    unit = _row_units(X)
    scaled, _, rank, singular = np.linalg.lstsq(X * root / unit[:, None], y / unit, rcond=None)
    beta: NDArray[np.float64] = scaled * root
    residual = X @ beta - y
    # rounding of a least-squares solution: eps times condition, generously
    bound = 1e-10 * (np.linalg.norm(y / unit) + np.linalg.norm(singular) * np.linalg.norm(scaled))
    if np.linalg.norm(residual / unit) > bound:
        worst = np.argsort(-np.abs(residual))[:3]
        rows = ", ".join(f"row {int(i)} is off by {residual[i]:.3g}" for i in worst)
        N, d = problem.shape
        raise InfeasibleError(
            f"X beta = y has no solution: X of shape ({N}, {d}) has rank {int(rank)} and the least-squares "
            f"residual is {np.linalg.norm(residual):.3g} (||y|| = {np.linalg.norm(y):.3g}); {rows}"
        )
    return beta


def _row_units(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest entry of each row, 1 for a row of zeros: samples may differ in units."""
    unit: NDArray[np.float64] = np.abs(X).max(axis=1)
    return np.where(unit == 0.0, 1.0, unit)


def minimum_l2(problem: Interpolation, reg: L2, *, tol: float) -> Result:
    """Minimum weighted l2 norm, by the singular value decomposition."""
    beta = least_squares_interpolant(problem, reg.weights)
    dual = certificates.estimate_dual(problem, reg, beta)
    residuals = certificates.residuals(problem, reg, beta, dual)
    status = Status.CONVERGED if max(residuals.values()) <= tol else Status.STALLED
    return Result(beta, status, residuals, iterations=1, dual=dual, value=float(reg(beta)))


def minimum_l1(problem: Interpolation, *, tol: float) -> Result:
    """Minimum l1 norm by HiGHS, as ``beta = p - q`` with ``p, q >= 0``.

    Residuals: ``primal``; ``dual``, by how much ``||X^T nu||_inf`` exceeds 1; ``gap``, relative.
    """
    X, y = problem.X, problem.y
    least_squares_interpolant(problem)  # raises if there is no solution, with more to say than the LP
    d = problem.shape[1]
    # HiGHS takes its tolerances, and what it calls infinite, in the units of the data
    unit = _row_units(X)
    size = float(np.abs(y / unit).max()) or 1.0
    both = np.hstack([X, -X]) / unit[:, None]
    found = linprog(np.ones(2 * d), A_eq=both, b_eq=y / unit / size, bounds=(0.0, None), method="highs")
    if found.x is None:
        raise ConvergenceError(f"the linear program of the l1 norm was not solved: {found.message}")
    beta = (found.x[:d] - found.x[d:]) * size
    dual = found.eqlin.marginals / unit
    value = float(np.abs(beta).sum())
    scale = float(np.linalg.norm(y)) or 1.0
    residuals = {
        "primal": float(np.linalg.norm(X @ beta - y)) / scale,
        "dual": max(0.0, float(np.abs(X.T @ dual).max()) - 1.0),
        "gap": abs(value - float(y @ dual)) / (value or 1.0),
    }
    # the LP solver's own feasibility tolerance is 1e-7
    status = Status.CONVERGED if max(residuals.values()) <= max(tol, 1e-7) else Status.STALLED
    return Result(beta, status, residuals, iterations=int(found.nit), dual=dual, value=value)
