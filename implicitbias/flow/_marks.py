"""The accuracies that a trajectory is saved at, from what the caller said."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..losses import EXPONENTIAL, LOGISTIC

if TYPE_CHECKING:
    from ..regularizer import Q
    from ._trajectory import Trajectory

__all__ = ["Marks", "as_accuracy", "initial_accuracy"]

_POINTS = 100
_FIRST = 1e-2
"""First accuracy gained that is saved by default, where the end is beyond 1."""
_FITTED = 16.0 * math.log(10.0)
"""Accuracy gained at which training with the squared loss ends by default: a loss of 1e-16 of its start."""
_FLOOR = 22.0 * math.log(10.0)
"""Accuracy that can be gained with the squared loss in float64."""


def as_accuracy(value: Any, digits: int | None) -> Any:
    """A number as the trajectory holds it: a float, or an mpmath number."""
    if digits is None:
        return float(value)
    import mpmath

    return value if isinstance(value, mpmath.mpf) else mpmath.mpf(float(value))


@dataclass(frozen=True)
class Marks:
    """Accuracies to save at.

    Attributes
    ----------
    start
        Where the flow is now.
    values
        Increasing, all beyond `start`; the last is the end.
    """

    start: Any
    values: tuple[Any, ...]

    @property
    def end(self) -> Any:
        """The accuracy to reach."""
        return self.values[-1]

    @classmethod
    def of(
        cls,
        problem: Any,
        reg: Q,
        loss: str,
        until_loss: Any,
        until_accuracy: Any,
        save_at: Any,
        digits: int | None,
        resume: Trajectory | None,
    ) -> Self:
        """Marks from the arguments of :func:`implicitbias.gradient_flow`."""
        initial = initial_accuracy(problem, loss)
        start = initial if resume is None else resume.accuracy[-1]
        points = int(save_at) if isinstance(save_at, numbers.Integral) and not isinstance(save_at, bool) else None
        if points is not None and points < 1:
            raise ValueError(
                f"save_at must be a positive number of points or a sequence of accuracies, got {points}"
            )
        given: list[Any] = []
        if save_at is not None and points is None:
            if isinstance(save_at, str) or not np.iterable(save_at):
                raise TypeError(f"save_at must be a sequence of accuracies, their number or None, got {save_at!r}")
            given = [_number("save_at", v, digits) for v in save_at]
            if not given:
                raise ValueError("save_at must name at least one accuracy, got none")
        end = _end(until_loss, until_accuracy, digits)
        if end is None:
            end = max(given) if given else _default_end(reg, loss, initial)
        if not end > initial:
            asked = {"until_loss": until_loss, "until_accuracy": until_accuracy, "save_at": end}
            name, seen = next((name, value) for name, value in asked.items() if value is not None)
            raise ValueError(
                f"{name} must ask for a loss below that at the start, which is {math.exp(-float(initial)):.6g}, an "
                f"accuracy of {float(initial):.6g}; got {seen}, an accuracy of {float(end):.6g}"
            )
        if resume is not None and not end > start:
            raise ValueError(
                f"the trajectory to resume is at accuracy {float(start):.6g} already, {float(end):.6g} asked"
            )
        if loss == "squared" and digits is None and end > initial + _FLOOR:
            raise ValueError(
                f"float64 follows the squared loss down to 1e-22 of its start, an accuracy of "
                f"{initial + _FLOOR:.6g}; asked for is {float(end):.6g}: give digits"
            )
        wrong = [v for v in given if not initial < v <= end]
        if wrong:
            raise ValueError(
                f"save_at must lie beyond the accuracy at the start, {float(initial):.6g}, and not beyond the end, "
                f"{float(end):.6g}; got {float(wrong[0]):.6g}"
            )
        if not given:
            gained = float(end) - float(initial)
            first = min(_FIRST, _FIRST * gained)
            grid = np.geomspace(first, gained, points or _POINTS) if (points or 2) > 1 else np.array([gained])
            given = [as_accuracy(float(initial) + float(g), digits) for g in grid[:-1]]
        values = sorted({v for v in given if start < v < end})
        return cls(start, (*values, end))


def initial_accuracy(problem: Any, loss: str) -> float:
    """``-log loss`` of the predictor zero."""
    if loss == "squared":
        size = float(np.linalg.norm(problem.y))
        if size == 0.0:
            raise ValueError("y must not be zero: the flow starts where it ends")
        return -2.0 * math.log(size)
    return (EXPONENTIAL if loss == "exponential" else LOGISTIC).accuracy(np.zeros(problem.shape[0]))


def _end(until_loss: Any, until_accuracy: Any, digits: int | None) -> Any:
    if until_loss is not None and until_accuracy is not None:
        raise ValueError("until_loss and until_accuracy exclude each other; give one")
    if until_accuracy is not None:
        return _number("until_accuracy", until_accuracy, digits)
    if until_loss is None:
        return None
    import mpmath

    with mpmath.workdps(30 if digits is None else 2 * digits + 30):
        value = _mpf("until_loss", until_loss)
        if not (mpmath.isfinite(value) and value > 0):
            raise ValueError(f"until_loss must be positive and finite, got {until_loss!r}")
        accuracy = -mpmath.log(value)
    return float(accuracy) if digits is None else accuracy


def _number(name: str, value: Any, digits: int | None) -> Any:
    import mpmath

    with mpmath.workdps(30 if digits is None else 2 * digits + 30):
        number = _mpf(name, value)
    if not mpmath.isfinite(number):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return float(number) if digits is None else number


def _mpf(name: str, value: Any) -> Any:
    import mpmath

    try:
        return mpmath.mpf(value) if isinstance(value, str | mpmath.mpf) else mpmath.mpf(float(value))
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be a number or a decimal string, got {value!r}") from error


def _default_end(reg: Q, loss: str, initial: float) -> float:
    if loss == "squared":
        return initial + _FITTED
    log_level = float(reg.homogeneity) * reg.log_alpha
    if log_level > 600.0:
        raise ValueError("alpha is too large for a default end; give until_accuracy or until_loss")
    return 100.0 * max(1.0, math.exp(log_level))
