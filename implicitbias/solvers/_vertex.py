"""The last stretch to a rich end point at depth D > 2, where the dual variable saturates.

On the support S of the limit, ``|x_i^T nu|`` is within ``u_i = (c/|beta_i|)^{1/p}`` of its bound (``c = alpha^D``),
and once u_i is at rounding level Newton's method on nu is blind. If the columns ``X_S`` are independent,
nothing is left to iterate, though: ``X_S beta_S = y`` up to the contribution of the other coordinates, which
follow from nu, and nu from ``X_S^T nu = grad reg(beta_S)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..problems import Interpolation
    from ..regularizer import Q, R

    Vector = NDArray[np.float64]

__all__ = ["vertex"]

_SATURATED = 1e-4
"""Slack of the dual from its bound, relative, below which a vertex is looked for."""


def vertex(problem: Interpolation, reg: Q | R, nu: Vector) -> tuple[Vector, Vector] | None:
    """Candidate ``(beta, nu)`` for `reg` from multipliers of a larger alpha; None if they single out no vertex.

    The candidate is not checked: its residuals tell whether it is the solution.
    """
    X, y = problem.X, problem.y
    theta = X.T @ nu
    slack = 1.0 - np.abs(theta) / reg.dual_bound
    smallest = max(float(slack.min()), float(np.finfo(float).eps))
    if smallest > _SATURATED:
        return None
    # slacks of the support vanish with alpha, the others do not: part them at the geometric mean with 1
    support = slack < np.sqrt(smallest)
    columns = X[:, support]
    on_support, _, rank, _ = np.linalg.lstsq(columns, y, rcond=None)
    if rank < columns.shape[1] or np.any(on_support * theta[support] <= 0.0):
        return None
    beta = np.zeros_like(theta)
    beta[support] = on_support
    mismatch = np.asarray(reg.grad(beta))[support] - columns.T @ nu
    nu = nu + np.linalg.lstsq(columns.T, mismatch, rcond=None)[0]
    theta = X.T @ nu
    if np.any((np.abs(theta) >= reg.dual_bound) & ~support):
        return None
    others = np.where(support, 0.0, np.asarray(reg.grad_conjugate(np.where(support, 0.0, theta))))
    beta = others
    beta[support] = np.linalg.lstsq(columns, y - X @ others, rcond=None)[0]
    return beta, nu
