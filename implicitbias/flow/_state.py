"""Where a trajectory is, in the one form that every integrator starts from, goes on from and hands out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .._result import ImplicitBiasError

if TYPE_CHECKING:
    from .._result import Status

__all__ = ["Engine", "FlowStopped", "State"]


@dataclass(frozen=True, eq=False)
class State:
    """Point of a trajectory; the flow is autonomous, so this is all there is to know.

    Attributes
    ----------
    nu
        Dual variable, ``(N,)``: an array of float64, or a list of mpmath numbers.
    accuracy
        ``-log loss`` at `nu`, computed from `nu` alone.
    log_time
        Natural logarithm of the time of the flow, ``-inf`` at the start.
    beta
        Predictor, ``(d,)``, where float64 multipliers do not hold it: at D > 2 its logarithm is in the last digits
        of ``1 - |theta|``. None where `nu` tells it.
    """

    nu: Any
    accuracy: Any
    log_time: Any
    beta: Any = None


class Engine(Protocol):
    """What :func:`implicitbias.gradient_flow` asks of an integrator."""

    @property
    def steps(self) -> int:
        """Steps taken."""
        ...

    @property
    def info(self) -> dict[str, Any]:
        """Error monitors and costs, by name."""
        ...

    @property
    def state(self) -> State:
        """The last state reached, also after an interruption."""
        ...

    def advance_to(self, accuracy: Any) -> State:
        """Integrate until ``-log loss`` is `accuracy`; raise :class:`FlowStopped` if that cannot be reached."""
        ...


class FlowStopped(ImplicitBiasError):  # noqa: N818 - a reason to return early, not an error of the caller
    """An integration ended before its mark; never leaves this package."""

    def __init__(self, status: Status, message: str = "") -> None:
        super().__init__(message or status.value)
        self.status = status
