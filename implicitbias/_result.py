"""One status enumeration, one result type and the exceptions, shared by solvers, flows and trainers."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ConvergenceError", "ImplicitBiasError", "InfeasibleError", "NotSeparableError", "Result", "Status"]


class Status(enum.Enum):
    """How a computation ended; the value is the message a person reads, with what to try."""

    CONVERGED = "converged to the requested tolerance"
    ITERATION_LIMIT = (
        "stopped at the iteration limit before reaching the tolerance; raise the limit or loosen the tolerance"
    )
    TIME_LIMIT = "stopped at the time limit before reaching the tolerance; raise the limit or loosen the tolerance"
    STALLED = (
        "no further progress is possible at this precision and the tolerance was not reached; "
        "loosen the tolerance or rescale the data"
    )
    NON_FINITE = "a value that is not finite appeared; scale the data or the initialization, or take smaller steps"
    INFEASIBLE = "no solution exists: the constraints contradict each other"
    INTERRUPTED = "interrupted; the state returned is the last one reached"

    @property
    def success(self) -> bool:
        """Whether the requested tolerance was reached."""
        return self is Status.CONVERGED


class ImplicitBiasError(Exception):
    """Base class of every error this package raises on its own account (bad arguments aside)."""


class ConvergenceError(ImplicitBiasError, RuntimeError):
    """A computation ended without success; ``result`` holds what was reached."""

    def __init__(self, message: str, result: Result | None = None) -> None:
        super().__init__(message)
        self.result = result


class InfeasibleError(ImplicitBiasError, ValueError):
    """The constraints have no solution."""


class NotSeparableError(InfeasibleError):
    """No hyperplane separates the two classes.

    ``certificate``, ``(N,)``, proves it: numbers ``c_n >= 0`` with sum 1 and ``sum c_n y_n x_n = 0`` to rounding.
    The mean of the margins under these weights is zero whatever the predictor, hence not all of them are positive.
    """

    def __init__(self, message: str, certificate: Any = None) -> None:
        super().__init__(message)
        self.certificate = certificate


@dataclass(frozen=True, eq=False)
class Result:
    """What a solver or a trainer reached, and how.

    Attributes
    ----------
    beta
        Predictor, shape ``(d,)``.
    status
        How the computation ended.
    residuals
        Scale-free residuals by name, from :mod:`implicitbias.certificates`.
    iterations
        Number of steps of the outermost loop.
    dual
        Dual variable ``nu``, shape ``(N,)``, where the method has one.
    value
        Objective at `beta`, where the method has one.
    seconds
        Wall-clock time spent.
    info
        Numbers particular to the method, by name.
    """

    beta: Any
    status: Status
    residuals: Mapping[str, float]
    iterations: int
    dual: Any = None
    value: Any = None
    seconds: float = 0.0
    info: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def success(self) -> bool:
        """Whether the requested tolerance was reached."""
        return self.status.success

    def raise_for_status(self) -> Result:
        """Return the result itself, or raise :class:`ConvergenceError` when it is not a success."""
        if self.success:
            return self
        worst = ", ".join(f"{name} {value:.2e}" for name, value in self.residuals.items())
        raise ConvergenceError(f"{self.status.value} (after {self.iterations} iterations; {worst})", self)
