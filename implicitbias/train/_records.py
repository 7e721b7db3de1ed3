"""States kept on the way of a training run, at the steps of a schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from ._objective import Objective

__all__ = ["Observer", "Records"]

Observer = Callable[[nn.Module], dict[str, float]]


class Records:
    """Step, time, loss, predictor and what an observer sees, at scheduled steps; the start is always one.

    Parameters
    ----------
    objective
        Whose predictor is kept.
    schedule
        A number `k` for every k-th step, or the steps themselves.
    observe
        Called with the module at every record; returns numbers by name.
    """

    def __init__(
        self, objective: Objective, schedule: int | Iterable[int], observe: Observer | None = None
    ) -> None:
        if isinstance(schedule, int):
            if schedule < 1:
                raise ValueError(f"record must be a positive number of steps or a list of steps, got {schedule}")
            self._every, self._steps = schedule, frozenset[int]()
        else:
            self._every, self._steps = 0, frozenset(int(step) for step in schedule)
            if any(step < 0 for step in self._steps):
                raise ValueError(f"record must hold steps that are not negative, got {min(self._steps)}")
        self._objective, self._observe = objective, observe
        self._rows: list[dict[str, float]] = []
        self._predictors: list[torch.Tensor] = []

    def due(self, step: int) -> bool:
        """Whether the state after this step is kept."""
        return step == 0 or step in self._steps or (self._every > 0 and step % self._every == 0)

    def take(self, step: int, time: float, loss: float) -> None:
        """Keep the present state, if it is due."""
        if not self.due(step):
            return
        seen = {} if self._observe is None else self._observe(self._objective.module)
        self._rows.append({"step": step, "time": time, "loss": loss, **{k: float(v) for k, v in seen.items()}})
        self._predictors.append(torch.from_numpy(self._objective.predictor()))

    def as_info(self) -> dict[str, Any]:
        """Arrays by name, ``(k,)`` each, and the predictors ``(k, d)``, each under ``"record_..."``."""
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        arrays: dict[str, Any] = {
            f"record_{name}": np.array([row.get(name, math.nan) for row in self._rows]) for name in names
        }
        arrays["record_step"] = arrays["record_step"].astype(int)
        arrays["record_beta"] = np.array([beta.numpy() for beta in self._predictors])
        return arrays

    def memory(self) -> dict[str, Any]:
        """What :meth:`restore` takes."""
        return {"rows": self._rows, "predictors": self._predictors}

    def restore(self, memory: dict[str, Any]) -> None:
        """Go on from what :meth:`memory` returned."""
        self._rows, self._predictors = list(memory["rows"]), list(memory["predictors"])
