"""A module and its loss seen as one function of one flat vector, with derivatives by autograd."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .._result import Result, Status

__all__: list[str] = []

Loss = Callable[[], Tensor]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Progress:
    """What a trainer's callback receives after every step.

    Attributes
    ----------
    step
        Number of steps taken.
    loss
        Loss over its value at the start.
    time
        Time in the flow, which is the sum of the step sizes for gradient descent.
    seconds
        Wall-clock time spent.
    accuracy
        ``-log loss``, of the loss itself; the loss of a classifier leaves the range of a float, this does not.
    """

    step: int
    loss: float
    time: float
    seconds: float
    accuracy: float


Callback = Callable[[Progress], None]


class NonFiniteError(ArithmeticError):
    """The loss or its gradient is not finite; never leaves this package."""


class Objective:
    """The loss of a module as a function of its trainable parameters, flattened to a vector of length ``n``.

    Parameters
    ----------
    module
        Any module; parameters that do not require a gradient stay as they are.
    loss
        Closure without arguments that evaluates the module and returns a scalar tensor.
    """

    def __init__(self, module: nn.Module, loss: Loss) -> None:
        self.module: Final = module
        self.parameters: Final = [p for p in module.parameters() if p.requires_grad]
        if not self.parameters:
            raise ValueError("the module has no parameter that requires a gradient")
        self._loss = loss
        self._sizes = [p.numel() for p in self.parameters]
        self.gradients = 0
        self.hessians = 0

    @property
    def size(self) -> int:
        """Number of scalar parameters ``n``."""
        return sum(self._sizes)

    def get(self) -> Tensor:
        """Return the parameters as one vector, shape ``(n,)``."""
        return torch.cat([p.detach().reshape(-1) for p in self.parameters])

    def set(self, flat: Tensor) -> None:
        """Overwrite the parameters by the entries of `flat`, shape ``(n,)``."""
        with torch.no_grad():
            for parameter, part in zip(self.parameters, torch.split(flat, self._sizes), strict=True):
                parameter.copy_(part.view_as(parameter))

    def set_array(self, flat: FloatArray) -> None:
        """Overwrite the parameters by the entries of a NumPy vector, shape ``(n,)``."""
        self.set(torch.from_numpy(np.array(flat, dtype=np.float64)))

    def value(self) -> float:
        """Loss at the present parameters."""
        with torch.no_grad():
            return self._scalar().item()

    def gradient(self, *, create_graph: bool = False) -> tuple[Tensor, Tensor]:
        """Return the loss, shape ``()``, and its gradient, shape ``(n,)``, at the present parameters."""
        self.gradients += 1
        with torch.enable_grad():
            loss = self._scalar()
            # A parameter the loss does not use has gradient zero.
            parts = torch.autograd.grad(loss, self.parameters, create_graph=create_graph, materialize_grads=True)
            return loss, torch.cat([part.reshape(-1) for part in parts])

    def hessian(self) -> Tensor:
        """Return the Hessian of the loss at the present parameters, shape ``(n, n)``, symmetric."""
        self.hessians += 1
        _, gradient = self.gradient(create_graph=True)
        self.gradients -= 1
        basis = torch.eye(self.size, dtype=gradient.dtype, device=gradient.device)
        return self.curve(gradient, basis)

    def curve(self, gradient: Tensor, directions: Tensor) -> Tensor:
        """Return the Hessian times one direction ``(n,)`` or several ``(k, n)``, in the shape of `directions`.

        Parameters
        ----------
        gradient
            From :meth:`gradient` with ``create_graph``, at the present parameters.
        directions
            One direction, or one per row.
        """
        if not gradient.requires_grad:  # the loss is linear in the parameters
            return torch.zeros_like(directions)
        batched = directions.dim() == 2
        parts = torch.autograd.grad(
            gradient,
            self.parameters,
            directions,
            retain_graph=True,
            is_grads_batched=batched,
            materialize_grads=True,
        )
        return torch.cat([part.reshape(*directions.shape[:-1], -1) for part in parts], dim=-1)

    def predictor(self) -> FloatArray:
        """Return the module's ``predictor()`` where it has one, its flat parameters otherwise."""
        made = getattr(self.module, "predictor", None)
        with torch.no_grad():
            vector = made() if callable(made) else self.get()
        array: FloatArray = vector.detach().to("cpu", torch.float64).numpy().copy()
        return array

    def _scalar(self) -> Tensor:
        loss = self._loss()
        if loss.dim() != 0:
            raise ValueError(f"the loss must be a scalar tensor, got shape {tuple(loss.shape)}")
        return loss


class Run:
    """Limits, clock and outcome of one training run; the trainers add the mathematics."""

    def __init__(
        self,
        objective: Objective,
        tolerance: float,
        max_steps: int,
        time_limit: float | None,
        callback: Callback | None,
    ) -> None:
        if not 0 <= tolerance < 1:
            raise ValueError(f"tolerance must lie in [0, 1), relative to the initial loss, got {tolerance}")
        if max_steps < 0:
            raise ValueError(f"max_steps must not be negative, got {max_steps}")
        self.objective = objective
        self.initial = objective.value()
        self.relative = 1.0 if self.initial else 0.0
        self.steps = 0
        self.stale = 0  # steps since the last one that came closer to the goal than any before
        self.time = 0.0
        self._best = self.relative
        self._tolerance = tolerance
        self._max_steps = max_steps
        self._time_limit = float("inf") if time_limit is None else time_limit
        self._callback = callback
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Wall-clock time since the start."""
        return time.perf_counter() - self._start

    def check(self) -> Status | None:
        """Return the status to stop with before another step is taken, or None to go on."""
        if not np.isfinite(self.initial):
            return Status.NON_FINITE
        if self._arrived():
            return Status.CONVERGED
        if self.steps >= self._max_steps:
            return Status.ITERATION_LIMIT
        if self.seconds > self._time_limit:
            return Status.TIME_LIMIT
        return None

    def _arrived(self) -> bool:
        return self.relative <= self._tolerance

    def advance(self, loss: float, now: float) -> None:
        """Record one step that ended at `loss` and at time `now`, and report it."""
        self.steps += 1
        self.relative = loss / self.initial
        self.stale = 0 if self.relative < self._best else self.stale + 1
        self._best = min(self._best, self.relative)
        self.time = now
        self._report(math.inf if loss <= 0 else -math.log(loss))

    def _report(self, accuracy: float) -> None:
        if self._callback is not None:
            self._callback(Progress(self.steps, self.relative, self.time, self.seconds, accuracy))

    def result(self, status: Status, **info: Any) -> Result:
        """Collect the outcome."""
        return Result(
            beta=self.objective.predictor(),
            status=status,
            residuals={"loss": self.relative},
            iterations=self.steps,
            seconds=self.seconds,
            info={
                "time": self.time,
                "initial_loss": self.initial,
                "gradients": self.objective.gradients,
                "hessians": self.objective.hessians,
                **info,
            },
        )
