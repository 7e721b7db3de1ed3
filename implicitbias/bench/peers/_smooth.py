"""SciPy's optimizers on the smooth forms of the problem."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.optimize import LinearConstraint, minimize
from scipy.sparse import diags_array

from ._peer import Answer, BudgetSpent, Peer, Stopwatch

if TYPE_CHECKING:
    from ..problems import Problem, Vector

__all__ = ["PEERS"]


_WALL: Final = 1e6


class _Dual:
    """``f(v) = [sum Q*(X^T nu) - <y, nu>] / unit``, ``nu = unit v``: v and f are of order one at every alpha."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.reg = problem, problem.reg
        self.unit = max(1.0, -2 * problem.alpha.log) if problem.D == 2 else 1.0

    def theta(self, v: Vector) -> Vector:
        """Dual coordinates, ``(d,)``."""
        return np.asarray(self.problem.X.T @ (self.unit * v))

    def beta(self, v: Vector) -> Vector:
        """Predictor, ``(d,)``."""
        with np.errstate(all="ignore"):
            return np.asarray(self.reg.grad_conjugate(self.theta(v)))

    def value(self, v: Vector) -> tuple[float, Vector]:
        """The function and its gradient; a steep wall where floats end, at which line searches turn back."""
        theta = self.theta(v)
        if np.max(np.abs(theta)) < self.reg.dual_bound:
            with np.errstate(all="ignore"):
                value = float(self.reg.conjugate(theta)) / self.unit - float(self.problem.y @ v)
                gradient = self.problem.X @ np.asarray(self.reg.grad_conjugate(theta)) - self.problem.y
                if np.isfinite(value) and np.isfinite(gradient @ gradient):
                    return value, gradient
        worst = int(np.argmax(np.abs(theta)))
        slope = _WALL * self.unit * np.sign(theta[worst]) * self.problem.X[:, worst]
        return _WALL * float(np.abs(theta[worst])), slope

    def hessian(self, v: Vector) -> Vector:
        """``unit X diag(b') X^T``."""
        with np.errstate(all="ignore"):
            weights = np.asarray(self.reg.hess_diag_conjugate(self.theta(v)))
        weights = np.where(np.isfinite(weights), weights, 0.0)
        return np.asarray(self.unit * (self.problem.X * weights) @ self.problem.X.T)


def _on_dual(problem: Problem, budget: float, *, method: str, options: dict[str, Any]) -> Answer:
    dual, watch = _Dual(problem), Stopwatch(budget)
    start = np.zeros(len(problem.y))
    second = {"hess": dual.hessian} if method == "trust-exact" else {}
    try:
        found = minimize(dual.value, start, jac=True, method=method, options=options, callback=watch, **second)
    except BudgetSpent:
        return Answer(dual.beta(watch.last), "time limit")
    return Answer(dual.beta(found.x), "" if found.success else str(found.message))


def _trust_constr(problem: Problem, budget: float) -> Answer:
    reg, watch = problem.reg, Stopwatch(budget)
    unit = max(1.0, -2 * problem.alpha.log) if problem.D == 2 else 1.0
    start = np.linalg.lstsq(problem.X, problem.y, rcond=None)[0]
    try:
        found = minimize(
            lambda b: float(reg(b)) / unit,
            start,
            jac=lambda b: np.asarray(reg.grad(b)) / unit,
            hess=lambda b: diags_array(np.minimum(np.asarray(reg.hess_diag(b)) / unit, 1e300)),
            constraints=LinearConstraint(problem.X, problem.y, problem.y),
            method="trust-constr",
            options={"gtol": 1e-12, "xtol": 1e-14, "maxiter": 10_000},
            callback=watch,
        )
    except BudgetSpent:
        return Answer(watch.last, "time limit")
    return Answer(found.x, "" if found.success else str(found.message))


_LBFGS: Final = {"maxiter": 100_000, "maxfun": 200_000, "ftol": 1e-16, "gtol": 1e-13, "maxcor": 30}
PEERS: Final = (
    Peer("SciPy trust-constr", "primal, exact Hessian", "smooth", _trust_constr),
    Peer(
        "SciPy L-BFGS",
        "dual, tolerances as far as they go",
        "smooth",
        partial(_on_dual, method="L-BFGS-B", options=_LBFGS),
    ),
    Peer(
        "SciPy trust-exact",
        "dual, exact Hessian (Newton)",
        "smooth",
        partial(_on_dual, method="trust-exact", options={"gtol": 1e-13, "maxiter": 10_000}),
    ),
)
