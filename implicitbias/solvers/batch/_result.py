"""Result of many problems solved in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._result import ConvergenceError, InfeasibleError, Result, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["BatchResult", "InfeasibleBatchError"]

_NAMED = 5
"""Problems that a message names; of the others it gives the number."""


class InfeasibleBatchError(InfeasibleError, ConvergenceError):
    """All problems of a batch that failed have no solution; ``result`` holds the whole batch."""

    def __init__(self, message: str, result: Result | None = None) -> None:
        ConvergenceError.__init__(self, message, result)


@dataclass(frozen=True, eq=False)
class BatchResult(Result):
    """What was reached in a batch of problems of shape ``(...)``; ``result[i]`` is the `Result` of one of them.

    Attributes
    ----------
    beta, dual
        Predictors ``(..., d)`` and multipliers ``(..., N)``; nan for a problem that has no solution.
    status
        Converged if all are, otherwise the status of the first problem that is not.
    statuses
        `Status` of every problem, an object array of shape ``(...)``.
    residuals
        Arrays of shape ``(...)`` by name.
    iterations
        Most Newton steps that a problem took.
    value
        Objectives, of shape ``(...)``; infinite for a problem that has no solution.
    info
        ``"iterations"``: Newton steps of every problem; ``"single"``: whether it was handed to the solver of single
        problems after it had not settled among the others; both of shape ``(...)``.
    """

    residuals: Mapping[str, Any]
    value: Any = None
    statuses: Any = None

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Which problems are solved, of shape ``(...)``."""
        return np.asarray(self.statuses == Status.CONVERGED, dtype=bool)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(...)`` of the batch."""
        return tuple(self.statuses.shape)

    def __getitem__(self, index: int | tuple[int, ...]) -> Result:
        """Result of the problem at an index, a tuple where the batch has several axes."""
        status = self.statuses[index]
        if not isinstance(status, Status):
            raise IndexError(
                f"the index must be {len(self.shape)} integers, as the batch has shape {self.shape}, got {index!r}"
            )
        return Result(
            self.beta[index],
            status,
            {name: float(values[index]) for name, values in self.residuals.items()},
            int(self.info["iterations"][index]),
            dual=self.dual[index],
            value=self.value[index],
            info={name: values[index] for name, values in self.info.items() if name != "iterations"},
        )

    def raise_for_status(self) -> BatchResult:
        """Return the result itself, or raise an error that says how many problems failed, and which.

        Raises
        ------
        InfeasibleError
            If all that failed have no solution; it is a `ConvergenceError` too.
        ConvergenceError
            If any other failed. The result is on the error in both cases.
        """
        failed = ~self.converged
        if not failed.any():
            return self
        kinds = list(dict.fromkeys(self.statuses[failed]))
        accounts = "; ".join(self._account(status) for status in kinds)
        message = f"{np.count_nonzero(failed)} of {failed.size} problems are not solved: {accounts}"
        raise (InfeasibleBatchError if kinds == [Status.INFEASIBLE] else ConvergenceError)(message, self)

    def _account(self, status: Status) -> str:
        """Which problems ended like this, what it means, and the largest of their residuals."""
        mask = np.asarray(self.statuses == status, dtype=bool)
        indices = np.argwhere(mask)
        named = ", ".join(str(tuple(map(int, i)) if len(i) > 1 else int(i[0])) for i in indices[:_NAMED])
        named += f" and {len(indices) - _NAMED} more" if len(indices) > _NAMED else ""
        text = f"problem{'s' if len(indices) > 1 else ''} {named}: {status.value}"
        if status is Status.INFEASIBLE:
            return text
        worst = ", ".join(f"{name} {float(values[mask].max()):.2e}" for name, values in self.residuals.items())
        return f"{text} (residuals up to {worst})"
