"""What paths of solutions over the scale have in common, those of interpolation and those of margins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .._result import ConvergenceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from .._result import Result, Status
    from ..regularizer import L1, L2

    Vector = NDArray[np.float64]

__all__ = ["PER_DECADE", "RICH", "RICH_EXCESS", "SolutionPath", "stacked"]

PER_DECADE = 4
"""Points per decade of ``alpha^D`` where the grid is chosen by the package."""
RICH_EXCESS = 1e-3
"""Excess l1 norm at which that grid may end."""
RICH = 60.0
"""Logarithm of ``beta / alpha^D`` at which it ends at the latest."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class SolutionPath:
    """Solutions at several scales, in the order they were asked for."""

    beta: NDArray[np.float64]
    dual: NDArray[np.float64]
    value: Vector
    status: tuple[Status, ...]
    residuals: Mapping[str, Vector]
    iterations: int
    seconds: float
    problem: Any
    limits: tuple[L1, L2]

    @property
    def success(self) -> bool:
        """Whether every point reached the tolerance."""
        return all(status.success for status in self.status)

    def __len__(self) -> int:
        return len(self.status)

    def __repr__(self) -> str:
        failed = sum(not status.success for status in self.status)
        ended = f"{failed} not converged" if failed else "converged"
        return f"<{type(self).__name__}: {self._summary()}, {ended}>"

    def _summary(self) -> str:
        """What there is, in a few words."""
        return f"{len(self)} points"

    def _raise_for_status(self, name: str, given: Sequence[Any]) -> Self:
        """Return the path itself, or raise with the first of the scales `given` at which it failed."""
        failed = [i for i, status in enumerate(self.status) if not status.success]
        if failed:
            raise ConvergenceError(
                f"{len(failed)} of {len(self)} points did not reach the tolerance, the first at {name} = "
                f"{given[failed[0]]}: {self.status[failed[0]].value}",
                self,  # type: ignore[arg-type]  # what was reached, in the shape it was asked for
            )
        return self

    def _excess(self, norm: L1 | L2, least: float | None) -> Vector:
        """``norm(beta) / least - 1`` at each point, ``(k,)``."""
        if not least:
            return np.zeros(len(self))
        return np.array([float(norm(beta)) for beta in self.beta]) / least - 1.0


def stacked(results: Sequence[Result]) -> dict[str, Any]:
    """The attributes of a path that are those of its points."""
    return {
        "beta": np.stack([r.beta for r in results]),
        "dual": np.stack([r.dual for r in results]),
        "value": np.array([r.value for r in results]),
        "status": tuple(r.status for r in results),
        "residuals": {name: np.array([r.residuals[name] for r in results]) for name in results[0].residuals},
    }
