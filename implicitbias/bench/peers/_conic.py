"""Conic solvers through cvxpy.

Primal, D = 2: ``Q(beta) = min_{p - q = beta} KL(p | alpha^2) + KL(q | alpha^2)``,
``KL(p | a) = p log(p/a) - p + a``; with ``log a`` written out it keeps its meaning at every alpha. D > 2:
``Q(beta) = const + min_{p - q = beta} sum (p + q) - (D/2) alpha^{D-2} sum (p^{2/D} + q^{2/D})``. In both, p and q
are the powers ``w_+^D`` and ``w_-^D`` of the weights at the optimum. Dual: ``max <y, nu> - sum Q*(X^T nu)``, with
``Q*(t) = alpha^2 (e^t + e^-t - 2)`` and ``alpha^D (D-2)/2 [(1-t)^{-2/(D-2)} + (1+t)^{-2/(D-2)} - 2]``.
"""

from __future__ import annotations

import math
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ._peer import Answer, Peer

if TYPE_CHECKING:
    from ..problems import Problem

__all__ = ["PEERS"]

_TIGHT: Final[dict[str, dict[str, float]]] = {
    "CLARABEL": {"tol_gap_abs": 1e-13, "tol_gap_rel": 1e-13, "tol_feas": 1e-13, "max_iter": 500},
    "ECOS": {"abstol": 1e-13, "reltol": 1e-13, "feastol": 1e-13, "max_iters": 500},
    "SCS": {"eps_abs": 1e-9, "eps_rel": 1e-9, "max_iters": 100_000},
}


def _solve(problem: Problem, budget: float, *, solver: str, form: str, tight: bool) -> Answer:
    import cvxpy as cp

    program, read = (_primal if form == "primal" else _dual)(problem)
    options: dict[str, Any] = dict(_TIGHT[solver]) if tight else {}
    if solver != "ECOS":  # which has no time limit
        options["time_limit" if solver == "CLARABEL" else "time_limit_secs"] = budget
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on inaccurate solutions; the status says so too
        program.solve(solver=solver, **options)
    seconds = program.solver_stats.solve_time if program.solver_stats is not None else None
    beta = read()
    return Answer(
        None if beta is None or not np.isfinite(beta).all() else beta,
        "" if program.status == cp.OPTIMAL else str(program.status),
        {} if seconds is None else {"solver_seconds": float(seconds)},
    )


def _primal(problem: Problem) -> tuple[Any, Any]:
    import cvxpy

    cp: Any = cvxpy  # it exports its functions by star, which type checkers do not follow
    d, D, log_alpha = problem.X.shape[1], problem.D, problem.alpha.log
    p, q = cp.Variable(d, nonneg=True), cp.Variable(d, nonneg=True)
    if D == 2:
        slope = 1 + 2 * log_alpha
        objective = cp.sum(-cp.entr(p) - cp.entr(q) - slope * (p + q)) / max(1.0, abs(slope))
    else:
        factor = D / 2 * math.exp((D - 2) * log_alpha)
        objective = cp.sum(p + q) - factor * cp.sum(cp.power(p, 2 / D) + cp.power(q, 2 / D))
    program = cp.Problem(cp.Minimize(objective), [problem.X @ (p - q) == problem.y])
    return program, lambda: None if p.value is None or q.value is None else p.value - q.value


def _dual(problem: Problem) -> tuple[Any, Any]:
    import cvxpy

    cp: Any = cvxpy  # it exports its functions by star, which type checkers do not follow
    N, D, log_alpha = problem.X.shape[0], problem.D, problem.alpha.log
    # in this unit the multipliers are of order one at every alpha
    unit = max(1.0, -2 * log_alpha) if D == 2 else 1.0
    nu = cp.Variable(N)
    theta = problem.X.T @ nu
    if D == 2:
        cost = cp.sum(cp.exp(unit * theta + 2 * log_alpha) + cp.exp(-unit * theta + 2 * log_alpha)) / unit
    else:
        power = -2 / (D - 2)
        factor = math.exp(D * log_alpha) * (D - 2) / 2
        cost = factor * cp.sum(cp.power(1 - theta, power) + cp.power(1 + theta, power))
    program = cp.Problem(cp.Minimize(cost - problem.y @ nu))

    def read() -> Any:
        if nu.value is None:
            return None
        with np.errstate(all="ignore"):
            return np.asarray(problem.reg.grad_conjugate(unit * (problem.X.T @ nu.value)))

    return program, read


def _peers() -> tuple[Peer, ...]:
    # the dual is worth a row for SCS only: the interior-point methods are no faster on it, and less accurate
    forms = [("Clarabel", "primal"), ("ECOS", "primal"), ("SCS", "primal"), ("SCS", "dual")]
    peers = []
    for solver, form in forms:
        cones = "relative entropy or power cones" if form == "primal" else "exponential or power cones"
        for tight in (False, True) if form == "primal" else (False,):
            peers.append(
                Peer(
                    f"{solver}, {form}{', tight' if tight else ''}",
                    f"cvxpy, {cones}{', tolerances as far as they go' if tight else ''}",
                    "conic",
                    partial(_solve, solver=solver.upper(), form=form, tight=tight),
                    ("cvxpy", solver.lower()),
                )
            )
    return tuple(peers)


PEERS: Final = _peers()
