"""The two ends of the path: minimum l2 norm by least squares, minimum l1 norm as the rich end of the path.

At depth 2 the end point for a tiny alpha has the least l1 norm, up to a factor ``1 + alpha^c``, ``c > 0``, in each
coordinate that matters. Its multipliers, over ``log(1/alpha^2)``, become exact ones of the linear program by linear
algebra on the support; these prove the result. Where they do not, a linear programming solver decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import diags_array, hstack

from .. import certificates
from .._result import Result, Status
from ..problems import Interpolation
from ..regularizer import Q
from ._design import Design
from ._dual_newton import Sweep
from ._least_squares import WELL_CONDITIONED, least_squares_interpolant
from ._normal import NormalEquations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..regularizer import L1, L2

    Vector = NDArray[np.float64]

__all__ = ["minimum_l1", "minimum_l2"]

_RICH = -1e6
"""Natural logarithm of the alpha that stands for 0; its multipliers still resolve factors of 1 + 1e-9 in beta."""
_NEARLY = 1e-4
"""Distance of a multiplier from its bound at that alpha, relative, that may be 0 in the limit."""
_SUPPORT = 1e-13
"""Size of a coordinate of the solution, relative to the largest, from which on it counts as part of the support."""


def minimum_l2(problem: Interpolation, reg: L2, *, tol: float) -> Result:
    """Minimum weighted l2 norm, from the Gram matrix or a QR factorization."""
    unit = problem.row_units()
    y = problem.y if unit is None else unit * problem.y
    design = Design(problem.X, unit)
    normal = NormalEquations(design)
    beta = least_squares_interpolant(design, y, reg.weights, normal)
    if normal.reciprocal_condition() > WELL_CONDITIONED:
        dual = normal.solve(np.asarray(y))
        dual = dual + normal.solve(y - design.forward(np.asarray(reg.grad_conjugate(design.adjoint(dual)))))
        dual = dual if unit is None else unit * dual
    else:
        dual = certificates.estimate_dual(problem, reg, beta)
    residuals = certificates.residuals(problem, reg, beta, dual)
    status = Status.CONVERGED if max(residuals.values()) <= tol else Status.STALLED
    return Result(beta, status, residuals, iterations=1, dual=dual, value=float(reg(beta)))


def minimum_l1(problem: Interpolation, reg: L1, *, tol: float, max_iterations: int = 2000) -> Result:
    """Minimum weighted l1 norm; among several solutions the limit of the end points at depth 2.

    That limit is the one of largest entropy ``-sum |b| log |b|``, ``b = weights beta``.

    Residuals: ``primal``; ``dual``, by how much ``|X^T nu|`` exceeds its bound, relative; ``gap``, relative.
    """
    weights = reg.weights
    plain = problem
    if weights is not None:
        scaled = (
            problem.X / weights if isinstance(problem.X, np.ndarray) else problem.X @ diags_array(1.0 / weights)
        )
        plain = Interpolation(scaled, problem.y)
    rich = Q.from_log_alpha(_RICH)
    found = Sweep(plain, rich, tol=tol, max_iterations=max_iterations).visit(rich)
    beta = found.beta
    dual, residuals = min(
        ((dual, _residuals(plain, beta, dual)) for dual in _vertex_multipliers(plain, found)),
        key=lambda candidate: max(candidate[1].values()),
    )
    if not max(residuals.values()) <= tol:
        other = _by_linear_program(plain)
        if other is not None and not max(residuals.values()) <= max(other[2].values()):
            beta, dual, residuals = other
            tol = max(tol, 1e-7)  # the linear programming solver's own feasibility tolerance
    value = float(np.abs(beta).sum())
    if weights is not None:
        beta = beta / weights
    status = Status.CONVERGED if max(residuals.values()) <= tol else Status.STALLED
    return Result(beta, status, residuals, iterations=found.iterations, dual=dual, value=value)


def _vertex_multipliers(problem: Interpolation, found: Result) -> list[Vector]:
    """Multipliers of the linear program near those of a rich end point: at their bounds on the support.

    In the first of them the columns that are nearly at their bounds are so, too, in the second not.
    """
    size = np.abs(found.beta)
    dual = found.dual / (-2.0 * _RICH)
    theta = problem.X.T @ dual
    support = size > _SUPPORT * size.max(initial=0.0)
    signs = np.where(support, np.sign(found.beta), np.sign(theta))
    candidates = []
    for active in (support | (np.abs(theta) > 1.0 - _NEARLY), support):
        if not active.any():
            return [dual]
        columns = Design(problem.X).columns(active).T
        # samples may differ in units
        unit = np.linalg.norm(columns, axis=0)
        unit[unit == 0.0] = 1.0
        mismatch = signs[active] - columns @ dual
        candidates.append(dual + np.linalg.lstsq(columns / unit, mismatch, rcond=None)[0] / unit)
    return candidates


def _by_linear_program(problem: Interpolation) -> tuple[Vector, Vector, dict[str, float]] | None:
    """Minimum l1 norm by HiGHS, as ``beta = p - q`` with ``p, q >= 0``; None where it finds none."""
    X, y = problem.X, problem.y
    d = problem.shape[1]
    # HiGHS takes its tolerances, and what it calls infinite, in the units of the data
    unit = problem.row_sizes()
    size = float(np.abs(y / unit).max()) or 1.0
    rows = problem.scaled_rows(1.0 / unit)
    both = np.hstack([rows, -rows]) if isinstance(X, np.ndarray) else hstack([rows, -rows])
    found = linprog(np.ones(2 * d), A_eq=both, b_eq=y / unit / size, bounds=(0.0, None), method="highs")
    if found.x is None:
        return None
    beta = (found.x[:d] - found.x[d:]) * size
    dual = found.eqlin.marginals / unit
    return beta, dual, _residuals(problem, beta, dual)


def _residuals(problem: Interpolation, beta: Vector, dual: Vector) -> dict[str, float]:
    X, y = problem.X, problem.y
    value = float(np.abs(beta).sum())
    scale = float(np.linalg.norm(y)) or 1.0
    return {
        "primal": float(np.linalg.norm(X @ beta - y)) / scale,
        "dual": max(0.0, float(np.abs(X.T @ dual).max()) - 1.0),
        "gap": abs(value - float(y @ dual)) / (value or 1.0),
    }
