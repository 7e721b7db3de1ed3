"""Plain gradient descent on any torch module, with a step size read off the curvature of the loss."""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from torch import Tensor, nn

from .._result import Result
from ._descend import Method, Step, descend
from ._objective import Loss, Objective
from ._run import Callback, Run

__all__ = ["curvature", "train_by_descent"]

_STABLE_FRACTION: Final = 0.5  # of 1 / lambda_max, a quarter of the stability limit: no oscillation, no overshoot
_DRIFT: Final = (
    0.1  # relative change of the weights after which the curvature is looked at again; see _STABLE_FRACTION
)


def curvature(module: nn.Module, loss: Loss, *, iterations: int = 100, rtol: float = 1e-3) -> float:
    """Return the largest absolute eigenvalue of the Hessian of the loss, by power iteration.

    Parameters
    ----------
    module, loss
        As for :func:`train_by_descent`.
    iterations
        Most products of the Hessian with a vector that are spent.
    rtol
        Stop when the estimate changes by less than this fraction.

    Returns
    -------
    float
        An estimate from below; zero where the Hessian vanishes.
    """
    return _power_iteration(Objective(module, loss), None, iterations, rtol)[0]


def train_by_descent(
    module: nn.Module,
    loss: Loss,
    *,
    step_size: float | None = None,
    tolerance: float = 1e-20,
    max_steps: int = 1_000_000,
    time_limit: float | None = None,
    callback: Callback | None = None,
) -> Result:
    r"""Train by gradient descent, ``w <- w - step_size * grad L(w)``.

    Parameters
    ----------
    module
        Any torch module, on any device; left at the end point.
    loss
        Closure without arguments that evaluates the module and returns a scalar tensor whose infimum is zero.
    step_size
        A fixed step. When None it is half of ``1 / lambda_max``, with ``lambda_max`` the largest absolute
        eigenvalue of the Hessian by power iteration on Hessian-vector products, looked at again whenever
        the weights have moved by a tenth of their norm (a small initialization starts in a flat place); the
        step only ever shrinks, so the run ends with a fixed one. Descent is stable up to ``2 /
        lambda_max``; near that limit it bounces across the valley and can carry a weight through zero,
        where the theory of the flow stops.
    tolerance
        Stop when the loss is at most this fraction of its initial value.
    max_steps, time_limit
        Limits on steps and on wall-clock seconds (None: no limit).
    callback
        Called with a :class:`Progress` after every step.

    Returns
    -------
    Result
        As for :func:`train_by_flow`; ``info`` has the last step size, the sum of all step sizes (``time``)
        and ``zero_crossings``, the number of scalar weights that changed sign at some step. Where that is
        not zero the run left the region in which the weights follow the flow, and its end point need not be
        the predicted one. The distance to the end point of the flow is of first order in the step size.

    Raises
    ------
    ValueError
        If an option is out of range, or `step_size` is None where the Hessian vanishes at the start.
    """
    step = CurvatureStep() if step_size is None else Step(step_size)
    run = Run(Objective(module, loss), tolerance, max_steps, time_limit, callback)
    return descend(run, Method(step))


class CurvatureStep(Step):
    """A step well inside the limit of stability, looked at again when the weights have moved; it only shrinks."""

    def __init__(self) -> None:
        self.size = math.inf
        self._anchor: Tensor | None = None
        self._direction: Tensor | None = None

    def choose(self, objective: Objective, state: Tensor) -> float:
        """Step size at the present state."""
        if self._anchor is None or (state - self._anchor).norm() > _DRIFT * self._anchor.norm():
            largest, self._direction = _power_iteration(objective, self._direction, 100, 1e-2)
            self._anchor = state
            self.size = min(self.size, _STABLE_FRACTION / largest) if largest > 0 else self.size
            if self.size == math.inf:
                raise ValueError("the Hessian of the loss vanishes at the start; give a step_size")
        return self.size

    def memory(self) -> dict[str, Any]:
        """What :meth:`restore` takes."""
        return {"size": self.size, "anchor": self._anchor, "direction": self._direction}

    def restore(self, memory: dict[str, Any]) -> None:
        """Go on from what :meth:`memory` returned."""
        self.size, self._anchor, self._direction = (memory[name] for name in ("size", "anchor", "direction"))


def _power_iteration(
    objective: Objective, start: Tensor | None, iterations: int, rtol: float
) -> tuple[float, Tensor]:
    _, gradient = objective.gradient(create_graph=True)
    if start is None:
        # A fixed seed: the same training twice gives the same bits.
        noise = torch.randn(objective.size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        start = noise.to(gradient)
    vector = start / start.norm()
    estimate = 0.0
    for _ in range(iterations):
        image = objective.curve(gradient, vector)
        previous, estimate = estimate, image.norm().item()
        if estimate == 0 or not math.isfinite(estimate):
            break
        vector = image / estimate
        if abs(estimate - previous) <= rtol * estimate:
            break
    return estimate, vector
