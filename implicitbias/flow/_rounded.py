"""Trajectories that float64 does not hold, followed with more digits and handed out in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._result import Status
from ._state import FlowStopped, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..regularizer import Q

__all__ = ["RoundedDigits", "exact_predictor", "float64_holds", "in_range", "is_small"]

_DIGITS = 18
_HIGHEST = 1e12
"""Accuracy up to which margins in float64 still tell shares: they are rounded at 1e-16 of it."""
_WIDEST = 590.0
"""Largest logarithm of ``(alpha w0_i)^D``: derivatives of the predictor are that large, multipliers that small."""
_EFFORT = 15_000
"""Steps times entries of X that nobody has asked for: some ten seconds, several times that in plain mpmath."""
_SMALL = 150
"""Entries of X up to which that leaves enough steps."""


def float64_holds(reg: Q, loss: str, end: float) -> bool:
    """Whether floats can tell the shares of samples at the accuracy `end`: these are exponentials of margins."""
    return in_range(reg) and (loss == "squared" or end <= _HIGHEST)


def in_range(reg: Q) -> bool:
    """Whether floats hold what the flow near its start consists of."""
    shape = 0.0 if reg.w0 is None else float(np.log(np.abs(reg.w0)).max())
    return float(reg.homogeneity) * (reg.log_alpha + shape) <= _WIDEST


def is_small(shape: tuple[int, int]) -> bool:
    """Whether more digits are quick for data of this shape."""
    return shape[0] * shape[1] <= _SMALL


class RoundedDigits:
    """The integrator for digits, with its states rounded to float64.

    Parameters
    ----------
    problem, reg, loss, start, max_steps, on_step
        As for the integrators themselves.
    """

    def __init__(
        self,
        problem: Any,
        reg: Q,
        loss: str,
        *,
        start: State | None,
        max_steps: int,
        on_step: Callable[[State], None] | None,
    ) -> None:
        from .digits import DigitsFlow

        self._signed = problem.X if loss == "squared" else problem.signed
        self._reg = reg
        report = None if on_step is None else (lambda state: on_step(self._rounded(state)))
        self._most = max(_EFFORT // self._signed.size, 1)
        self._cut = max_steps > self._most
        steps = min(max_steps, self._most)
        self._inner = DigitsFlow(
            problem.X, problem.y, reg, loss, digits=_DIGITS, start=start, max_steps=steps, on_step=report
        )

    @property
    def steps(self) -> int:
        """Steps taken."""
        return self._inner.steps

    @property
    def info(self) -> dict[str, Any]:
        """Error monitors and costs, by name."""
        return {"method": f"collocation at {_DIGITS} digits, since float64 does not hold it", **self._inner.info}

    @property
    def state(self) -> State:
        """The last state reached."""
        return self._rounded(self._inner.state)

    def advance_to(self, accuracy: float) -> State:
        """Integrate until ``-log loss`` is `accuracy`."""
        try:
            return self._rounded(self._inner.advance_to(accuracy))
        except FlowStopped as stopped:
            if stopped.status is Status.ITERATION_LIMIT and self._cut:
                raise FlowStopped(
                    Status.STALLED,
                    f"float64 does not hold this trajectory, and {self._most} steps at {_DIGITS} digits were not "
                    f"enough; with digits={_DIGITS} it takes as many as it needs",
                ) from stopped
            raise

    def _rounded(self, state: State) -> State:
        beta = exact_predictor(self._signed, self._reg, state, _DIGITS)
        nu, predictor = np.array([float(v) for v in state.nu]), np.array([float(b) for b in beta])
        return State(nu, float(state.accuracy), float(state.log_time), predictor)


def exact_predictor(signed: Any, reg: Q, state: State, digits: int) -> list[Any]:
    """``grad Q*(sum nu_n y_n x_n)`` in mpmath numbers, unless the integrator has told it."""
    if state.beta is not None:
        return list(state.beta)
    import mpmath

    with mpmath.workdps(2 * digits + 30):
        columns = signed.T.tolist()
        theta = [mpmath.fdot(zip(column, state.nu, strict=True)) for column in columns]
        beta = list(reg.grad_conjugate(theta))
    with mpmath.workdps(digits + 5):
        return [+b for b in beta]
