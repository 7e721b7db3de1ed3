"""One integration: which integrator takes it, what it reached, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._result import Status
from ._float import FloatFlow
from ._rounded import RoundedDigits, float64_holds, in_range, is_small
from ._separable import why_not_separable
from ._state import Engine, FlowStopped, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..regularizer import Q
    from ._marks import Marks

__all__ = ["Run"]


@dataclass
class Run:
    """Integration from a start over marks to an end.

    Where float64 cannot hold a trajectory, or turns out not to, and the data are small, it is followed with more
    digits and handed out in float64.

    Attributes
    ----------
    problem, reg, loss, digits, rtol, max_steps, start, on_step
        As for the integrators.
    states
        Those reached: one for each mark, and the last one where the integration ended early.
    status, message
        How it ended.
    engine
        The integrator that did it.
    """

    problem: Any
    reg: Q
    loss: str
    digits: int | None
    rtol: float
    max_steps: int
    start: State | None
    on_step: Callable[[State], None] | None
    states: list[State] = field(default_factory=list)
    status: Status = Status.CONVERGED
    message: str = ""
    engine: Engine = field(init=False)

    def follow(self, marks: Marks) -> None:
        """Integrate from mark to mark."""
        self.engine = self._integrator(marks.end)
        self._through(marks)
        stalled = self.status is Status.STALLED and isinstance(self.engine, FloatFlow)
        if stalled and is_small(self.problem.shape) and self._goes_on_forever():
            self.engine = self._rounded()
            self._through(marks)
        if self.status is not Status.CONVERGED:
            last = self.engine.state
            if last.accuracy > (self.states[-1].accuracy if self.states else marks.start):
                self.states.append(last)

    def _goes_on_forever(self) -> bool:
        """Whether the loss falls to 0: more digits do not help a flow that comes to rest."""
        return self.loss == "squared" or why_not_separable(self.problem) is None

    def _through(self, marks: Marks) -> None:
        self.states, self.status, self.message = [], Status.CONVERGED, ""
        try:
            for mark in marks.values:
                self.states.append(self.engine.advance_to(mark))
        except FlowStopped as stopped:
            self.status, self.message = stopped.status, str(stopped)
        except KeyboardInterrupt:
            self.status = Status.INTERRUPTED

    def _integrator(self, end: Any) -> Engine:
        problem = self.problem
        if self.digits is not None:
            from .digits import DigitsFlow

            return DigitsFlow(problem.X, problem.y, self.reg, self.loss, digits=self.digits, **self._common)
        if not float64_holds(self.reg, self.loss, end) and is_small(problem.shape):
            return self._rounded()
        if not in_range(self.reg):
            raise ValueError(
                "alpha is too large for float64: (alpha w0)^D is near the end of its range; give digits"
            )
        return FloatFlow(problem.X, problem.y, self.reg, self.loss, rtol=self.rtol, **self._common)

    def _rounded(self) -> Engine:
        return RoundedDigits(self.problem, self.reg, self.loss, **self._common)

    @property
    def _common(self) -> dict[str, Any]:
        return {"start": self.start, "max_steps": self.max_steps, "on_step": self.on_step}
