"""Trajectories that float64 does not hold, followed with more digits and handed out in float64."""

from __future__ import annotations

import math
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
_FINEST = 1e-9
"""Slack of the dual over the accuracy, the least that multipliers in float64 resolve; see :func:`float64_holds`."""
_MOST_STEPS = 1500
"""Steps with more digits that nobody has asked for: a minute or so."""
_WIDEST = 590.0
"""Largest logarithm of ``(alpha w0_i)^D``: derivatives of the predictor are that large, multipliers that small."""
_SMALL = 3000
"""Entries of X up to which more digits take seconds."""


def float64_holds(reg: Q, loss: str, end: float) -> bool:
    """Whether multipliers in float64 can be expected to hold the trajectory up to the accuracy `end`.

    Shares are exponentials of margins, which must be right to a fraction of 1 whatever their size. At D > 2 margins
    of that size mean ``1 - |theta| ~ (alpha^D / margin)^((D-2)/D)``; theta must be right to that over the margin.
    """
    if not in_range(reg):
        return False
    if loss == "squared":
        return True
    if not end <= _HIGHEST:
        return False
    k = float(reg.homogeneity)
    size = max(end, 1.0)
    log_slack = (k - 2.0) / k * (k * reg.log_alpha - math.log(size))
    return k == 2.0 or min(log_slack, 0.0) - math.log(size) > math.log(_FINEST)


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
        self._cut = max_steps > _MOST_STEPS
        steps = min(max_steps, _MOST_STEPS)
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
                    f"float64 does not hold this trajectory, and {_MOST_STEPS} steps at {_DIGITS} digits were not "
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
