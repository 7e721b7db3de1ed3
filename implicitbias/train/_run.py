"""One training run: its goal, limits, clock, records and outcome; the trainers add the mathematics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._result import Result, Status
from ._objective import Objective
from ._records import Records

__all__ = ["Callback", "Progress", "Run"]


@dataclass(frozen=True)
class Progress:
    """What a trainer's callback receives after every step at which the loss is known.

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


class Run:
    """A run that ends at a loss, at a time or after a number of steps, whichever goal is met first.

    Parameters
    ----------
    objective
        The loss.
    tolerance
        Goal: the loss over its initial value.
    max_steps, time_limit
        Limits, which are no goals; `time_limit` in seconds of wall-clock time.
    callback
        Called with a :class:`Progress`.
    until_loss, until_time, until_steps
        Further goals.
    records
        What is kept on the way.
    """

    def __init__(
        self,
        objective: Objective,
        tolerance: float,
        max_steps: int,
        time_limit: float | None,
        callback: Callback | None,
        *,
        until_loss: float = 0.0,
        until_time: float = math.inf,
        until_steps: int | None = None,
        records: Records | None = None,
    ) -> None:
        if not 0 <= tolerance < 1:
            raise ValueError(f"tolerance must lie in [0, 1), relative to the initial loss, got {tolerance}")
        if max_steps < 0:
            raise ValueError(f"max_steps must not be negative, got {max_steps}")
        self.objective = objective
        self.initial = objective.value()
        self.loss = self.initial
        self.steps = 0
        self.stale = 0  # steps since the last one that came closer to the goal than any before
        self.time = 0.0
        self._best = self.relative
        self._tolerance, self._until_loss, self.until_time = tolerance, until_loss, until_time
        self._until_steps = math.inf if until_steps is None else until_steps
        self._max_steps = max_steps
        self._time_limit = math.inf if time_limit is None else time_limit
        self._callback = callback
        self._records = records
        self._start = time.perf_counter()
        if records is not None:
            records.take(self.steps, self.time, self.loss)

    @property
    def relative(self) -> float:
        """Loss over its initial value."""
        return self.loss / self.initial if self.initial else 0.0

    @property
    def seconds(self) -> float:
        """Wall-clock time since the start, that of earlier parts of the run included."""
        return time.perf_counter() - self._start

    def check(self) -> Status | None:
        """Return the status to stop with before another step is taken, or None to go on."""
        if not np.isfinite(self.initial):
            return Status.NON_FINITE
        if self._arrived() or self.time >= self.until_time or self.steps >= self._until_steps:
            return Status.CONVERGED
        if self.steps >= self._max_steps:
            return Status.ITERATION_LIMIT
        if self.seconds > self._time_limit:
            return Status.TIME_LIMIT
        return None

    def _arrived(self) -> bool:
        return self.relative <= self._tolerance or self.loss <= self._until_loss

    def due(self, step: int) -> bool:
        """Whether the loss has to be known after this step, if it costs extra."""
        return step >= self._until_steps or (self._records is not None and self._records.due(step))

    def tick(self, now: float) -> None:
        """Count one step after which the loss is not known."""
        self.steps += 1
        self.time = now

    def advance(self, loss: float, now: float) -> None:
        """Record one step that ended at `loss` and at time `now`, and report it."""
        self.tick(now)
        self.loss = loss
        self._judge()
        if self._records is not None:
            self._records.take(self.steps, self.time, self.loss)
        if self._callback is not None:
            self._callback(Progress(self.steps, self.relative, self.time, self.seconds, self._accuracy()))

    def _judge(self) -> None:
        self.stale = 0 if self.relative < self._best else self.stale + 1
        self._best = min(self._best, self.relative)

    def _accuracy(self) -> float:
        return math.inf if self.loss <= 0 else -math.log(self.loss)

    def result(self, status: Status, **info: Any) -> Result:
        """Collect the outcome."""
        return Result(
            beta=self.objective.predictor(),
            status=status,
            residuals=self._residuals(),
            iterations=self.steps,
            seconds=self.seconds,
            info={
                "time": self.time,
                "gradients": self.objective.gradients,
                "hessians": self.objective.hessians,
                **({} if self._records is None else self._records.as_info()),
                **self._info(),
                **info,
            },
        )

    def _info(self) -> dict[str, Any]:
        return {"initial_loss": self.initial}

    def _residuals(self) -> dict[str, float]:
        return {"loss": self.relative}

    def memory(self) -> dict[str, Any]:
        """Everything a later part of the run needs to go on as if there had been no break."""
        kept = {name: getattr(self, name) for name in ("initial", "loss", "steps", "stale", "time", "_best")}
        counts = {"gradients": self.objective.gradients, "hessians": self.objective.hessians}
        records = None if self._records is None else self._records.memory()
        return {"run": kept, "counts": counts, "seconds": self.seconds, "records": records}

    def restore(self, memory: dict[str, Any]) -> None:
        """Go on from what :meth:`memory` returned."""
        for name, value in memory["run"].items():
            setattr(self, name, value)
        for name, value in memory["counts"].items():
            setattr(self.objective, name, value)
        self._start = time.perf_counter() - memory["seconds"]
        if self._records is not None:
            self._records.restore(memory["records"])
