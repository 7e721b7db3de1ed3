"""Newton's method on the pair ``(beta, nu)`` for many problems at once, and the residuals it is judged by.

The residuals are those of :mod:`implicitbias.certificates`, for every problem of a batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._problems import constant, namespace, norm

if TYPE_CHECKING:
    from ...regularizer import Regularizer
    from ._problems import Problems

__all__ = ["refine", "residuals", "stationarity"]

_EDGE = 2.0**-51
"""How near to the edge of the domain of a conjugate, relatively, theta is judged: a few roundings."""
_PATIENCE = 3
"""Steps without improvement after which a problem is as good as it gets; one is enough within the tolerance."""


def refine(
    problems: Problems, reg: Regularizer, beta: Any, nu: Any, used: Any, *, tol: float, limit: int
) -> tuple[Any, Any, Any]:
    """Improve ``(beta, nu)`` until the residuals stop falling; return the best, and the steps with those `used`."""
    xp = namespace(nu)
    scale, origin = problems.scale(beta), constant(reg.dual_origin, nu)
    best_beta, best_nu, best = beta, nu, xp.zeros_like(scale) + np.inf
    stalled = xp.zeros_like(used)
    while True:
        grad, curvature = reg.grad(beta), reg.hess_diag(beta)
        weights = 1.0 / curvature
        theta = problems.adjoint(nu)
        defect = problems.y - problems.forward(beta)
        now = xp.maximum(norm(defect) / scale, stationarity(grad, curvature, theta, origin))
        stalled = xp.where(now < 0.5 * best, 0, stalled + 1)
        better = now < best
        best_beta, best_nu = xp.where(better[:, None], beta, best_beta), xp.where(better[:, None], nu, best_nu)
        best = xp.where(better, now, best)
        patience = xp.where(best <= tol, 1, _PATIENCE)
        active = (best > 0.01 * tol) & (stalled < patience) & (used < limit)
        # what is not finite does not come back
        active = active & xp.isfinite(now) & xp.isfinite(weights.sum(-1))
        count = int(active.sum())
        if count == 0:
            return best_beta, best_nu, used
        if 2 * count <= len(scale):
            some = tuple(v[active] for v in (best_beta, best_nu, used))
            inner = refine(problems.take(active), reg, *some, tol=tol, limit=limit)
            best_beta[active], best_nu[active], used = inner[0], inner[1], used + 0
            used[active] = inner[2]
            return best_beta, best_nu, used
        used = used + active
        solve = problems.solver(weights)
        nu = nu + solve(defect + problems.forward(weights * (grad - theta)))
        change = weights * (problems.adjoint(nu) - grad)
        # a coordinate may at most halve or double, but for those at the level of alpha^k
        room = 0.5 * (xp.abs(beta) + weights) / xp.abs(change)
        beta = beta + xp.clip(xp.amin(xp.where(change == 0.0, np.inf, room), -1), None, 1.0)[:, None] * change
        beta = beta + weights * problems.adjoint(solve(problems.y - problems.forward(beta)))


def residuals(problems: Problems, reg: Regularizer, beta: Any, nu: Any, value: Any) -> dict[str, Any]:
    """Scale-free residuals ``(B,)`` by name, as :func:`implicitbias.certificates.residuals` defines them."""
    xp = namespace(nu)
    theta = problems.adjoint(nu)
    primal = norm(problems.y - problems.forward(beta)) / problems.scale(beta)
    origin = constant(reg.dual_origin, theta)
    defect = stationarity(reg.grad(beta), reg.hess_diag(beta), theta, origin)
    if reg.reference is not None:
        value = reg.without_reference()._elementwise("value", "beta", beta).sum(-1)
    inside = theta + origin
    excess = xp.amax(xp.abs(inside) / constant(reg.dual_bound, theta), -1)[:, None]
    theta = xp.where(excess > 1.0 - _EDGE, inside * ((1.0 - _EDGE) / excess) - origin, theta)
    terms = reg._elementwise("value", "beta", beta) + reg._elementwise("conjugate", "theta", theta) - beta * theta
    return {"primal": primal, "stationarity": defect, "gap": terms.sum(-1) / xp.where(value > 0.0, value, 1.0)}


def stationarity(grad: Any, curvature: Any, theta: Any, origin: Any) -> Any:
    """``||grad - theta|| / ||grad + origin||`` in the norm of the inverse Hessian, ``(B,)``."""
    xp = namespace(grad)
    smallest = xp.amin(curvature, -1)[:, None]
    # the flattest coordinates count fully also where their curvature is below the range of floats
    root = xp.sqrt(xp.where(curvature == smallest, 1.0, smallest / curvature))
    size = norm(root * (grad + origin))
    return norm(root * (grad - theta)) / xp.where(size > 0.0, size, 1.0)
