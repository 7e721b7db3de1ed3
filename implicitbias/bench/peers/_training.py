"""Training: gradient descent and adaptive integrators, on the weights and on the dual."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ._peer import Answer, BudgetSpent, Peer

if TYPE_CHECKING:
    from ..problems import Problem, Vector

__all__ = ["PEERS"]

_TOLERANCE: Final = 1e-20
"""Loss, relative, at which training stops: then its last error is that of its steps, not of its stop."""
_FLOATS: Final = -300.0
"""Smallest ``log alpha`` whose weights and their products a float holds."""


def _network(problem: Problem) -> tuple[Any, Any]:
    import torch

    from ...train import DiagonalNetwork

    X, y = torch.from_numpy(problem.X), torch.from_numpy(problem.y)
    network = DiagonalNetwork(X.shape[1], problem.D, problem.alpha.label)
    return network, lambda: ((network(X) - y) ** 2).sum()


def _train(problem: Problem, budget: float, *, how: str) -> Answer:
    from ... import train

    network, loss = _network(problem)
    if how == "descent":
        found = train.train_by_descent(network, loss, tolerance=_TOLERANCE, time_limit=budget, max_steps=10_000_000)
    else:
        found = train.train_by_flow(network, loss, tolerance=_TOLERANCE, time_limit=budget)
    return Answer(found.beta, "" if found.success else found.status.value, {"steps": float(found.iterations)})


def _torchdiffeq(problem: Problem, budget: float) -> Answer:
    """Runge-Kutta of order 5 on the weights, over stretches of time that grow until the loss is down."""
    import torch
    from torchdiffeq import odeint

    network, loss = _network(problem)
    parameters = list(network.parameters())
    sizes = [p.numel() for p in parameters]
    end = time.perf_counter() + budget

    def load(w: Any) -> None:
        with torch.no_grad():
            for parameter, part in zip(parameters, torch.split(w, sizes), strict=True):
                parameter.copy_(part)

    def velocity(_: Any, w: Any) -> Any:
        if time.perf_counter() > end:
            raise BudgetSpent
        load(w)
        with torch.enable_grad():
            return -torch.cat(torch.autograd.grad(loss(), parameters))

    w = torch.cat([p.detach() for p in parameters])
    goal = _TOLERANCE * float(loss().detach())
    stretch, claim = 1e-3, ""
    try:
        while float(loss().detach()) > goal:
            times = torch.tensor([0.0, stretch], dtype=w.dtype)
            w = odeint(velocity, w, times, rtol=1e-8, atol=1e-8 * float(w.abs().min()), method="dopri5")[-1]
            load(w)
            stretch *= 2
    except BudgetSpent:
        claim = "time limit"
        load(w)
    beta = network.predictor().detach().numpy().copy()
    return Answer(beta, claim)


def _dual_flow(problem: Problem, budget: float) -> Answer:
    """``d nu/dt = y - X b(X^T nu)``: the gradient flow in its dual variable, up to the unit of time."""
    from scipy.integrate import LSODA  # half of what importing the peers would cost

    X, y, reg = problem.X, problem.y, problem.reg
    end = time.perf_counter() + budget

    def beta(nu: Vector) -> Vector:
        with np.errstate(all="ignore"):
            return np.asarray(reg.grad_conjugate(X.T @ nu))

    def jacobian(_: float, nu: Vector) -> Vector:
        with np.errstate(all="ignore"):
            weights = np.asarray(reg.hess_diag_conjugate(X.T @ nu))
        return np.asarray(-(X * np.where(np.isfinite(weights), weights, 0.0)) @ X.T)

    def velocity(_: float, nu: Vector) -> Vector:
        b = beta(nu)
        # a trial step beyond floats or out of the domain must look bad to LSODA, not like nan
        return y - X @ b if np.abs(b).max() < 1e100 else np.full(len(y), 1e100)

    flow = LSODA(
        velocity,
        0.0,
        np.zeros(len(y)),
        1e100,
        rtol=1e-10,
        atol=1e-12,
        jac=jacobian,
    )
    goal = _TOLERANCE * float(y @ y)
    claim = ""
    while not claim:
        message = flow.step()
        residual = y - X @ beta(flow.y)
        if float(residual @ residual) <= goal:
            break
        if flow.status != "running":
            claim = message or "the flow came to rest above the tolerance"
        elif time.perf_counter() > end:
            claim = "time limit"
    return Answer(beta(flow.y), claim)


def _floats(log_alpha: float, D: float) -> bool:
    return log_alpha > _FLOATS


PEERS: Final = (
    Peer(
        "gradient descent (torch)",
        "weights, a quarter of the largest stable step",
        "training",
        partial(_train, how="descent"),
        ("torch",),
        _floats,
    ),
    Peer(
        "gradient flow, LSODA (torch)",
        "weights, implicit, exact Hessian",
        "training",
        partial(_train, how="flow"),
        ("torch",),
        _floats,
    ),
    Peer(
        "gradient flow, torchdiffeq",
        "weights, dopri5",
        "training",
        _torchdiffeq,
        ("torch", "torchdiffeq"),
        _floats,
    ),
    Peer("gradient flow on the dual", "LSODA (SciPy), exact Jacobian", "training", _dual_flow),
)
