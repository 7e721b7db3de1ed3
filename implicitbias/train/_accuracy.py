"""Training a classifier: the logarithm of its loss as the objective, and a run whose goal is an accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._result import Result, Status
from ._objective import Callback, FloatArray, Loss, Objective, Run

__all__: list[str] = []

MarginsOf = Callable[[], Tensor]
LOSSES = ("exponential", "logistic")
_SATURATED = 20.0  # margin from which three terms of log log(1 + e^-m) are exact to the last bit


def log_loss(margins: MarginsOf, loss: str) -> Loss:
    """Closure that evaluates ``log L`` from the margins ``(N,)`` without ever forming ``L``.

    Raises
    ------
    ValueError
        If `loss` is not in :data:`LOSSES`; from the closure, if the margins are not a vector.
    """
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")

    def evaluate() -> Tensor:
        m = margins()
        if m.dim() != 1 or not len(m):
            raise ValueError(f"the margins must be a vector (N,) with at least one entry, got {tuple(m.shape)}")
        logs = -m if loss == "exponential" else _log_softplus(-m)
        return torch.logsumexp(logs, 0) - math.log(len(m))

    return evaluate


def _log_softplus(s: Tensor) -> Tensor:
    """``log log(1 + e^s)``, which for very negative `s` is `s` and not ``log 0``."""
    tail = s.clamp(max=-_SATURATED)
    e = tail.exp()
    series = tail - e / 2 + 5 * e.square() / 24
    # each branch sees only arguments it can take, so that no nan comes back through the one not chosen
    clamped = s.clamp(min=-_SATURATED)
    # torch's softplus leaves out e^-s beyond 20
    near = torch.logaddexp(clamped, torch.zeros_like(clamped)).log()
    return torch.where(s < -_SATURATED, series, near)


class AccuracyRun(Run):
    """A run on ``log L`` that ends at an accuracy ``-log L`` and keeps the states at given ones.

    Parameters
    ----------
    objective
        Of a closure from :func:`log_loss`.
    until_accuracy
        Where to stop; the largest of `save_at` when None.
    save_at
        Accuracies; the first state at or past each is kept.
    """

    def __init__(
        self,
        objective: Objective,
        until_accuracy: float | None,
        save_at: Iterable[float] | None,
        max_steps: int,
        time_limit: float | None,
        callback: Callback | None,
    ) -> None:
        marks = sorted(float(mark) for mark in (() if save_at is None else save_at))
        if until_accuracy is None and not marks:
            raise ValueError("until_accuracy must be given, or save_at, whose largest entry then takes its place")
        self._until = marks[-1] if until_accuracy is None else float(until_accuracy)
        for name, value in [*(("save_at", mark) for mark in marks), ("until_accuracy", self._until)]:
            if not math.isfinite(value):
                raise ValueError(f"{name} must be finite, got {value}")
        super().__init__(objective, 0.0, max_steps, time_limit, callback)
        self.falls = 0
        self.accuracy = self._initial_accuracy = self._highest = -self.initial
        self._marks = marks
        self._saved: list[tuple[int, float, FloatArray]] = []
        self._save()

    def _arrived(self) -> bool:
        return self.accuracy >= self._until

    def advance(self, loss: float, now: float) -> None:
        """Record one step that ended at ``log L = loss`` and at time `now`, and report it."""
        self.steps += 1
        self.falls += -loss < self.accuracy
        self.accuracy, self.time = -loss, now
        self.stale = 0 if self.accuracy > self._highest else self.stale + 1
        self._highest = max(self._highest, self.accuracy)
        self.relative = math.exp(min(loss - self.initial, 700.0))  # e^700 is still a float
        self._save()
        self._report(self.accuracy)

    def _save(self) -> None:
        passed = sum(mark <= self.accuracy for mark in self._marks)
        if passed:
            del self._marks[:passed]
            self._saved.append((self.steps, self.accuracy, self.objective.predictor()))

    def result(self, status: Status, **info: Any) -> Result:
        """Collect the outcome."""
        beta = self.objective.predictor()
        missing = max(self._until - self.accuracy, 0.0)  # nan stays nan in this order
        whole = max(self._until - self._initial_accuracy, missing)
        return Result(
            beta=beta,
            status=status,
            residuals={"accuracy": missing / whole if missing else 0.0},
            iterations=self.steps,
            seconds=self.seconds,
            info={
                "accuracy": self.accuracy,
                "initial_accuracy": self._initial_accuracy,
                "saved_accuracy": np.array([accuracy for _, accuracy, _ in self._saved]),
                "saved_beta": np.array([kept for _, _, kept in self._saved]).reshape(-1, len(beta)),
                "saved_steps": np.array([step for step, _, _ in self._saved], dtype=int),
                "falls": self.falls,
                "time": self.time,
                "gradients": self.objective.gradients,
                "hessians": self.objective.hessians,
                **info,
            },
        )
