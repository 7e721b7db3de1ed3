"""What the two kinds of comparison share."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._result import Result, Status

__all__ = ["Comparison", "FloatArray", "MinimumNorms", "l1_and_l2", "new_figure", "plain"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MinimumNorms:
    """The two predictors between which the implicit bias moves.

    Attributes
    ----------
    l1, l2
        Least l1 and least Euclidean norm, among the solutions of ``X beta = y`` or, of a classifier, of
        ``y_n <x_n, beta> >= 1``.
    """

    l1: Result
    l2: Result


class Comparison(ABC):
    """A prediction beside a training, and whether they agree."""

    trained: Result

    @property
    @abstractmethod
    def complaint(self) -> str:
        """What stands against agreement, in one line; empty where nothing does."""

    @abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain lists, numbers and strings; a number that is not finite becomes None."""

    @property
    def agrees(self) -> bool:
        """Whether both ways ended well and what they found is within `agreement` of each other."""
        return not self.complaint

    @property
    def verdict(self) -> str:
        """``"agree"``, ``"interrupted"`` where the training was, or ``"DIFFER"``."""
        if self.trained.status is Status.INTERRUPTED:
            return "interrupted"
        return "agree" if self.agrees else "DIFFER"

    def to_json(self, indent: int | None = 2) -> str:
        """Return :meth:`as_dict` as JSON text."""
        return json.dumps(self.as_dict(), indent=indent, allow_nan=False)


def l1_and_l2(vector: FloatArray) -> dict[str, float]:
    """Both norms by name."""
    return {"l1": float(np.abs(vector).sum()), "l2": float(np.linalg.norm(vector))}


def new_figure(size: tuple[float, float]) -> Any:
    """Return an empty matplotlib figure that no global state knows of, `size` in inches."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("matplotlib"):
            raise
        raise ModuleNotFoundError(
            "a plot needs matplotlib, which is not installed; run: pip install 'implicitbias[plot]'",
            name="matplotlib",
        ) from None
    return Figure(figsize=size, layout="constrained")


def plain(value: Any) -> Any:
    """Replace what JSON has no word for, at any depth."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
