"""Training a classifier: the logarithm of its loss as the objective, and a run whose goal is an accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ._objective import FloatArray, Loss, Objective
from ._run import Callback, Run

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
        logs = -m if loss == "exponential" else log_softplus(-m)
        return torch.logsumexp(logs, 0) - math.log(len(m))

    return evaluate


def log_softplus(s: Tensor) -> Tensor:
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
        Of a closure from :func:`log_loss`, or a sample objective with ``logarithm``.
    until_accuracy
        Where to stop; the largest of `save_at` when None.
    save_at
        Accuracies; the first state at or past each is kept.
    max_steps, time_limit, callback, **goals
        As for :class:`Run`.
    """

    def __init__(
        self,
        objective: Objective,
        until_accuracy: float | None,
        save_at: Iterable[float] | None,
        max_steps: int,
        time_limit: float | None,
        callback: Callback | None,
        **goals: Any,
    ) -> None:
        marks = sorted(float(mark) for mark in (() if save_at is None else save_at))
        if until_accuracy is None and not marks:
            raise ValueError("until_accuracy must be given, or save_at, whose largest entry then takes its place")
        self._until = marks[-1] if until_accuracy is None else float(until_accuracy)
        for name, value in [*(("save_at", mark) for mark in marks), ("until_accuracy", self._until)]:
            if math.isnan(value) or (name == "save_at" and math.isinf(value)):
                raise ValueError(f"{name} must be finite, got {value}")
        super().__init__(objective, 0.0, max_steps, time_limit, callback, **goals)
        self.falls = 0
        self._highest = self._previous = self.accuracy
        self._marks = marks
        self._saved: list[tuple[int, float, FloatArray]] = []
        self._save()

    @property
    def accuracy(self) -> float:
        """``-log L``."""
        return -self.loss

    @property
    def relative(self) -> float:
        """Loss over its initial value, no more than a float holds."""
        return math.exp(min(self.loss - self.initial, 700.0))  # e^700 is still a float

    def _arrived(self) -> bool:
        return self.accuracy >= self._until

    def _judge(self) -> None:
        self.falls += self.accuracy < self._previous
        self.stale = 0 if self.accuracy > self._highest else self.stale + 1
        self._highest = max(self._highest, self.accuracy)
        self._previous = self.accuracy
        self._save()

    def _accuracy(self) -> float:
        return self.accuracy

    def _save(self) -> None:
        passed = sum(mark <= self.accuracy for mark in self._marks)
        if passed:
            del self._marks[:passed]
            self._saved.append((self.steps, self.accuracy, self.objective.predictor()))

    def _residuals(self) -> dict[str, float]:
        if math.isinf(self._until):  # the goal is another one
            return {"loss": self.relative}
        missing = max(self._until - self.accuracy, 0.0)  # nan stays nan in this order
        whole = max(self._until + self.initial, missing)
        return {"accuracy": missing / whole if missing else 0.0}

    def _info(self) -> dict[str, Any]:
        size = self.objective.predictor().size
        return {
            "accuracy": self.accuracy,
            "initial_accuracy": -self.initial,
            "saved_accuracy": np.array([accuracy for _, accuracy, _ in self._saved]),
            "saved_beta": np.array([kept for _, _, kept in self._saved]).reshape(-1, size),
            "saved_steps": np.array([step for step, _, _ in self._saved], dtype=int),
            "falls": self.falls,
        }

    def memory(self) -> dict[str, Any]:
        """Everything a later part of the run needs to go on as if there had been no break."""
        saved = [(step, accuracy, torch.from_numpy(beta)) for step, accuracy, beta in self._saved]
        own = {"falls": self.falls, "_highest": self._highest, "_previous": self._previous, "_marks": self._marks}
        return {**super().memory(), "accuracy": own, "saved": saved}

    def restore(self, memory: dict[str, Any]) -> None:
        """Go on from what :meth:`memory` returned."""
        super().restore(memory)
        for name, value in memory["accuracy"].items():
            setattr(self, name, value)
        self._saved = [(step, accuracy, beta.numpy()) for step, accuracy, beta in memory["saved"]]
