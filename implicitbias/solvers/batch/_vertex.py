"""Vertices for many problems at once: solutions with their weight on few columns, found by linear algebra.

At depth D > 2 and small alpha the dual is within rounding of its bound on the support S and no longer tells what
beta is there. But if the columns of S are independent, ``X_S beta_S = y`` up to the small contribution of the other
coordinates, which follow from nu, and ``X_S^T nu = grad reg(beta_S)``. Both systems have the matrix ``X_S^T X_S``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._problems import constant, namespace, norm, take_along
from ._refine import stationarity

if TYPE_CHECKING:
    from ...regularizer import Regularizer
    from ._problems import Problems

__all__ = ["SATURATED", "vertices"]

SATURATED = 1e-4
"""Slack of the dual from its bound, relative, below which the support is read off the dual."""
_ROUNDS = 5
"""Passes between the support and the rest; the rest is small, so each gains many digits."""
_GOOD = 1e-6
"""Residual of a vertex that is worth refining."""


def vertices(problems: Problems, reg: Regularizer, nu: Any, slack: Any) -> tuple[Any, Any, Any]:
    """Solutions ``(beta, nu)`` with their weight where `slack`, ``(B, d)``, is small; and whether they are good."""
    xp = namespace(nu)
    smallest = xp.clip(xp.amin(slack, -1), np.finfo(float).eps, None)
    # slacks of the support vanish with alpha, the others do not: part them at the geometric mean with 1
    support = slack < xp.sqrt(smallest)[:, None]
    candidates = _Candidates(problems, support, xp.argsort(slack, -1))
    theta = problems.adjoint(nu)
    beta = candidates.fit(xp.zeros_like(theta))
    bound, origin = constant(reg.dual_bound, nu), constant(reg.dual_origin, nu)
    good = (support.sum(-1) <= nu.shape[-1]) & ~(support & (beta * (theta + origin) <= 0.0)).any(-1)
    if not bool(good.any()):
        return beta, nu, good
    if not bool(good.all()):
        best = vertices(problems.take(good), reg, nu[good], slack[good])
        nu, passed = nu + 0.0, good & False
        beta[good], nu[good], passed[good] = best
        return beta, nu, passed
    for _ in range(_ROUNDS):
        nu = nu + candidates.lift(reg.grad(beta) - theta)
        theta = problems.adjoint(nu)
        outside = ~support & (xp.abs(theta + origin) >= bound)
        good = good & ~outside.any(-1)
        beta = xp.where(support, beta, reg.grad_conjugate(xp.where(support | outside, -origin, theta)))
        beta = candidates.fit(beta)
    primal = norm(problems.y - problems.forward(beta)) / problems.scale(beta)
    defect = stationarity(reg.grad(beta), reg.hess_diag(beta), theta, origin)
    return beta, nu, good & (xp.maximum(primal, defect) <= _GOOD)


class _Candidates:
    """The columns of the support of every problem, padded with zeros to as many as there are samples."""

    def __init__(self, problems: Problems, support: Any, order: Any) -> None:
        xp = namespace(support)
        self.problems, self.order = problems, order[:, : problems.y.shape[-1]]
        self.inside = take_along(support, self.order)
        if problems.shared:
            columns = problems.X.T[self.order].swapaxes(-1, -2)
        else:
            columns = take_along(problems.X, self.order[:, None, :])
        self.columns = xp.where(self.inside[:, None, :], columns, 0.0)
        eye = xp.eye(self.order.shape[-1], dtype=columns.dtype, device=columns.device)
        pad = xp.where(self.inside, 0.0, 1.0)[:, :, None] * eye
        self._solve = problems.spd_solver(self.columns.swapaxes(-1, -2) @ self.columns + pad)

    def fit(self, beta: Any) -> Any:
        """Change beta on the support so that it fits y."""
        missing = self.problems.y - self.problems.forward(beta)
        change = self._solve((missing[:, None, :] @ self.columns)[:, 0])
        out = beta + 0.0
        values = take_along(beta, self.order) + namespace(beta).where(self.inside, change, 0.0)
        if namespace(beta) is np:
            np.put_along_axis(out, self.order, values, -1)
            return out
        return out.scatter(-1, self.order, values)

    def lift(self, theta: Any) -> Any:
        """Return the least nu with ``X^T nu = theta`` on the support."""
        wanted = namespace(theta).where(self.inside, take_along(theta, self.order), 0.0)
        return (self.columns @ self._solve(wanted)[..., None])[..., 0]
