"""The loop of every method with steps: gradient descent, with momentum, on batches, on the log of the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from .._result import Result, Status
from ._batches import Batches
from ._checkpoint import Checkpoint
from ._objective import Objective
from ._run import Run
from ._samples import SampleObjective

__all__ = ["Method", "Step", "Watcher", "descend"]

_PATIENCE: Final = 5000  # steps without coming closer to the goal: what is left is rounding or a limit cycle


class Step:
    """A constant step size; subclasses choose it as they go."""

    def __init__(self, size: float) -> None:
        if not 0 < size < math.inf:
            raise ValueError(f"step_size must be positive and finite, got {size}")
        self.size = size

    def choose(self, objective: Objective, state: Tensor) -> float:
        """Step size at the present state."""
        return self.size

    def memory(self) -> dict[str, Any]:
        """What :meth:`restore` takes."""
        return {"size": self.size}

    def restore(self, memory: dict[str, Any]) -> None:
        """Go on from what :meth:`memory` returned."""
        self.size = memory["size"]


class Watcher:
    """Sees every step of a run; subclasses sum over it what they need, and have it kept in checkpoints."""

    def watch(self, before: Tensor, gradient: Tensor, step_size: float, after: Tensor) -> None:
        """Look at one step: flat weights ``(n,)`` before and after, the gradient used and the step size."""

    def memory(self) -> dict[str, Any]:
        """What :meth:`restore` takes: tensors and numbers by name."""
        return {}

    def restore(self, memory: dict[str, Any]) -> None:
        """Go on from what :meth:`memory` returned."""


@dataclass(frozen=True)
class Method:
    """How a step is made of a gradient.

    Attributes
    ----------
    step
        The step size ``h``.
    momentum
        ``m`` in ``v <- m v - h g``, ``w <- w + v`` (heavy ball); 0 for plain descent.
    nesterov
        Whether ``w <- w + m v - h g`` instead.
    batches
        Batches of samples; all of them when None. Then the loss is known after every step for nothing.
    check_every
        With batches, steps between two evaluations of the whole loss.
    """

    step: Step
    momentum: float = 0.0
    nesterov: bool = False
    batches: Batches | None = None
    check_every: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), got {self.momentum}")
        if self.check_every < 1:
            raise ValueError(f"check_every must be a positive number of steps, got {self.check_every}")


def descend(
    run: Run, method: Method, *, checkpoint: Checkpoint | None = None, watcher: Watcher | None = None
) -> Result:
    """Take steps until the run says stop; with a checkpoint that exists, go on from it bit for bit.

    Returns
    -------
    Result
        ``info`` has the last ``step_size`` and ``zero_crossings``, the number of scalar weights that changed sign.
    """
    objective, batches = run.objective, method.batches
    state = objective.get()
    velocity = torch.zeros_like(state)
    gradient: Tensor | None = None  # at the present state, where it came with the loss
    signs, crossed = state.sign(), torch.zeros_like(state, dtype=torch.bool)
    kept = None if checkpoint is None else checkpoint.load()
    if kept is not None:
        state, velocity, signs = (kept[name].to(state) for name in ("state", "velocity", "signs"))
        crossed = kept["crossed"].to(crossed)
        gradient = None if kept["gradient"] is None else kept["gradient"].to(state)
        objective.set(state)
        objective.restore_buffers(kept["buffers"])
        torch.set_rng_state(kept["random"])
        method.step.restore(kept["step"])
        run.restore(kept["run"])
        if watcher is not None:
            watcher.restore(kept["watcher"])
    size = method.step.size

    def keep() -> None:
        if checkpoint is not None:
            checkpoint.save(
                state=state,
                velocity=velocity,
                signs=signs,
                crossed=crossed,
                gradient=gradient,
                buffers=objective.buffers(),
                random=torch.get_rng_state(),
                step=method.step.memory(),
                run=run.memory(),
                watcher={} if watcher is None else watcher.memory(),
            )

    status = run.check()
    try:
        while status is None:
            if checkpoint is not None and run.steps % checkpoint.every == 0:
                keep()
            size = method.step.choose(objective, state)
            if gradient is None:
                gradient = _gradient(objective, batches, run.steps)
            move = -size * gradient
            pushed = velocity
            if method.momentum:
                pushed = method.momentum * velocity + move
                move = method.momentum * pushed + move if method.nesterov else pushed
            candidate = state + move
            objective.set(candidate)
            reached, following = _look(objective, method, run)
            if not (bool(candidate.isfinite().all()) and (reached is None or math.isfinite(reached))):
                status = Status.NON_FINITE
                break
            if watcher is not None:
                watcher.watch(state, gradient, size, candidate)
            state, velocity, gradient = candidate, pushed, following
            crossed |= state.sign() * signs < 0
            if reached is None:
                run.tick(run.time + size)
            else:
                run.advance(reached, run.time + size)
            status = run.check()
            if status is None and run.stale >= _PATIENCE:
                status = Status.STALLED
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    objective.set(state)
    if status is not Status.NON_FINITE:
        keep()
    return run.result(status, step_size=size, zero_crossings=int(crossed.sum()))


def _gradient(objective: Objective, batches: Batches | None, step: int) -> Tensor:
    if batches is None:
        return objective.gradient()[1]
    assert isinstance(objective, SampleObjective)
    objective.select(batches.at(step))
    try:
        return objective.gradient()[1]
    finally:
        objective.select(None)


def _look(objective: Objective, method: Method, run: Run) -> tuple[float | None, Tensor | None]:
    """The loss after a step, where it is wanted, and the gradient for the next, where it comes with it."""
    if method.batches is None:
        value, gradient = objective.gradient()
        return value.item(), gradient
    step = run.steps + 1
    wanted = step % method.check_every == 0 or run.due(step)
    return (objective.value() if wanted else None), None
