"""Trajectories in float64: the dual variable by LSODA, in a clock in which nothing under- or overflows.

For a loss of margins ``nu' = p``, the shares of the samples in the slope, in the clock ``tau = sum nu``; for the
squared loss ``nu' = y - X beta``. Either system is stiff: relaxation to the manifold on which the support vectors
have equal margins is as fast as ``alpha^D`` is large. So an implicit method it is, SciPy's LSODA, with the exact
Jacobian. It holds the local error of nu only. What is small next to nu, the slack of the dual at D > 2 and the
residual of the squared loss, is resolved by starting it anew from an anchor (`_curve`) whenever that has become a
hundred times smaller.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.integrate import LSODA

from .._result import Status
from ._clock import Point, TimeIntegral, log_rate
from ._state import FlowStopped, State
from ._system import System

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..regularizer import Q

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

__all__ = ["FloatFlow"]

_FOREVER = 1e100
"""LSODA needs a finite end."""
_FINE = 1e-2
"""Slack or residual, relative to the anchor's, at which the anchor moves."""
_ABRUPT = 0.2
"""Least ratio of the slack after a step to that before: a longer step is taken again, shorter."""
_RETRIES = 12
"""How often in a row a step that failed is tried again from the last state."""
_TOLD_APART = 0.03
"""Error of a margin, in units of what changes its share by a factor e, that is let pass in a step."""
_FINEST = 3e-14
"""Smallest tolerance that LSODA takes."""
_FIRST = 1e-4
"""Smallest nu of interest at the start, in units of what changes something."""
_PATIENCE = 5000
_CRAWL = 1e-3
"""Accuracy to be gained in so many steps, relative."""
_MOST_FAILURES = 400
"""How many steps may fail in all: where more do, those between are in doubt."""
_SHORTER = 0.03
"""Factor of the step after each failure: a sample may become active within ``1/accuracy`` of the clock."""
_FAR, _BRIEF = 20.0, 0.01
"""Change of theta since the anchor, and length of a step over that of the way, at which the anchor moves."""
_EQUAL = 50
"""Steps of equal length in a row after which LSODA starts anew: at orders above 5 it never thinks of stiffness, and
on a plateau, where nu moves along a line, it stays there."""
_NOISE = 1e-7
"""Loss of accuracy, relative to it, that is taken for rounding."""
_SENSITIVE = 3e-5
"""Accuracy times tolerance from which on errors of nu show in the shares of samples."""
_AT_THE_END = "the dual reaches the end of its domain within rounding"
_MORE_DIGITS = "; float64 may not hold this trajectory: try digits=20"
_CALLBACK_SECONDS = 0.1


class FloatFlow:
    """Integrator of the dual variable in float64.

    Parameters
    ----------
    X, y
        Data; labels -1 or +1 unless the loss is squared.
    reg
        Regularizer of the initialization.
    loss
        ``"squared"``, ``"exponential"`` or ``"logistic"``.
    rtol
        Relative tolerance per step.
    start
        State to go on from; the initialization when None.
    max_steps
        Limit on steps.
    on_step
        Called with the state reached, some ten times a second.
    """

    def __init__(
        self,
        X: Any,
        y: Vector,
        reg: Q,
        loss: str,
        *,
        rtol: float = 1e-11,
        start: State | None = None,
        max_steps: int = 1_000_000,
        on_step: Callable[[State], None] | None = None,
    ) -> None:
        self._system = System(X, y, reg, loss, start)
        self._rtol, self._max_steps, self._on_step = rtol, max_steps, on_step
        self.steps = 0
        self.info: dict[str, Any] = {"method": "LSODA", "evaluations": 0, "jacobians": 0, "restarts": -1}
        self._log_constant = log_rate(reg.log_alpha, float(reg.D), squared=self._system.squared)
        self._start_time = -math.inf if start is None else float(start.log_time)
        self._time: TimeIntegral | None = None
        self._pending: tuple[float, Point, Callable[[float], Point]] | None = None
        self._reached = self._before = self._passed = self._length = 0.0
        self._watched = self._best = -math.inf
        self._called, self._failures = time.perf_counter(), 0
        with np.errstate(over="ignore", under="ignore"):
            self._anchor(np.zeros(len(y)))

    # ---- the system, and what was last seen of it ----

    def _velocity(self, _: float, moved: Vector) -> Vector:
        self.info["evaluations"] += 1
        self._seen = self._system.look(moved)
        return self._seen.velocity

    def _jacobian(self, _: float, moved: Vector) -> Matrix:
        self.info["jacobians"] += 1
        return self._system.jacobian(moved)

    def _inside(self) -> Callable[[float], Point]:
        """Points of the last step, by their distance from its start."""
        if self._reached == self._before:
            return lambda _: self._system.point(self._seen)
        dense, start = self._solver.dense_output(), self._before
        return lambda offset: self._system.point(self._system.look(dense(start + offset)))

    # ---- anchors ----

    def _anchor(self, moved: Vector, first_step: float | None = None, longest: float = np.inf) -> None:
        """Start LSODA anew from ``nu + moved``."""
        self._commit()
        if self._time is not None:
            self._time.settle()  # points inside steps are those of this anchor
        if moved.any():
            self._system.move(moved)
        self.info["restarts"] += 1
        self._moved, self._slack, self._equal = np.zeros_like(self._system.nu), 1.0, 0
        self._reached = self._before = 0.0
        velocity = self._velocity(0.0, self._moved)
        self._size = float(np.linalg.norm(velocity))
        if self._time is None and not self._system.squared:
            start = self._system.point(self._seen)
            self._time = TimeIntegral(self._log_constant, self._start_time, start)
        scale, self._reach = self._system.scale(self._seen)
        if not self._system.nu.any():  # at the start all digits of nu are to come
            scale *= _FIRST
        self._start_length = 1e-4 * scale
        self._taken_rtol = self._tolerance()
        self._solver = LSODA(
            self._velocity,
            0.0,
            self._moved,
            _FOREVER,
            rtol=self._taken_rtol,
            atol=self._taken_rtol * scale * float(np.abs(velocity).max()),
            jac=self._jacobian,
            first_step=first_step or self._start_length,
            max_step=longest,
        )

    # ---- stepping ----

    @property
    def state(self) -> State:
        """The last state reached."""
        with np.errstate(over="ignore", under="ignore"):
            return self._state_at(self._moved, self._reached)

    def _commit(self) -> None:
        """Take the last step into the time; before that, states within it can still be asked for."""
        if self._pending is not None and self._time is not None:
            self._time.add(*self._pending)
        self._passed += self._reached - self._before
        self._pending, self._before = None, self._reached

    def _state_at(self, moved: Vector, clock: float) -> State:
        here = self._system.look(moved)
        length = clock - self._before
        if self._time is None:
            passed = self._passed + length
            spent = math.log(passed) - self._log_constant if passed > 0.0 else -math.inf
            log_time = float(np.logaddexp(self._start_time, spent))
        else:
            log_time = self._time.after(length, self._system.point(here), self._inside())
        return State(self._system.nu + moved, here.accuracy, log_time, here.beta)

    def advance_to(self, accuracy: float) -> State:
        """Integrate until ``-log loss`` is `accuracy`."""
        with np.errstate(all="ignore"):  # what is not finite is looked for
            failures = 0
            while not self._seen.accuracy >= accuracy:
                if self._resolved() or self._too_coarse() or self._equal >= _EQUAL or self._drifted():
                    self._anchor(self._moved, self._length)
                    continue
                if self.steps >= self._max_steps:
                    raise FlowStopped(Status.ITERATION_LIMIT)
                self._watch()
                failure = self._step()
                failures = failures + 1 if failure else 0
                self._failures += failure not in ("", _AT_THE_END)
                if failures > _RETRIES or self._failures > _MOST_FAILURES:
                    raise FlowStopped(Status.STALLED, failure + _MORE_DIGITS)
                if failure:
                    length = self._length or self._start_length
                    # what is left to the end of the domain is less than the step that passed it
                    longest = 0.5 * length if failure == _AT_THE_END else np.inf
                    self._anchor(self._moved, _SHORTER**failures * length, longest)
            return self._land(accuracy)

    def _tolerance(self) -> float:
        """Relative tolerance of nu at which margins as large as the accuracy are still told apart."""
        if self._system.squared:
            return self._rtol
        return max(min(self._rtol, _TOLD_APART / max(self._seen.accuracy, 1.0)), _FINEST)

    def _resolved(self) -> bool:
        """Whether what an anchor is for has become small: the slack of the dual, or the residual."""
        shrunk = self._system.squared and np.linalg.norm(self._seen.velocity) < _FINE * self._size
        return bool(self._seen.slack < _FINE or shrunk)

    def _too_coarse(self) -> bool:
        return self._tolerance() < 0.3 * self._taken_rtol

    def _drifted(self) -> bool:
        """Whether steps are short next to what nu has moved, in units in which the predictor changes by factors.

        The tolerance is relative to the latter: after a plateau, from which nu comes with ``log(1/alpha)``, it
        would be too coarse by as much.
        """
        plateau = not (self._system.squared or self._system.bounded)
        return plateau and self._reach * self._reached > _FAR and self._length < _BRIEF * self._reached

    def _watch(self) -> None:
        """Stop where thousands of steps have led nowhere: the integrator chases rounding errors."""
        if self.steps % _PATIENCE:
            return
        gained = self._seen.accuracy - self._watched
        if self.steps and gained < _CRAWL * max(1.0, abs(self._seen.accuracy)):
            raise FlowStopped(Status.STALLED, "thousands of steps led nowhere" + _MORE_DIGITS)
        self._watched = self._seen.accuracy

    @staticmethod
    def _worse(accuracy: float, before: float) -> bool:
        return accuracy < before - _NOISE * max(1.0, abs(before))

    def _step(self) -> str:
        """Take one step; what went wrong, if something did."""
        solver = self._solver
        with warnings.catch_warnings():
            # LSODA warns where it also reports failure
            warnings.filterwarnings("ignore", message=".*lsoda.*", category=UserWarning)
            message = solver.step()
        if solver.status == "finished":
            raise FlowStopped(Status.STALLED, "the flow came to rest before the accuracy asked for")
        if solver.status == "failed" or not (np.isfinite(solver.y).all() and math.isfinite(self._seen.accuracy)):
            return message or "the integrator failed"
        length = float(solver.t - self._reached)
        if self._seen.slack < _ABRUPT * self._slack:
            self._length = length
            return _AT_THE_END
        if self._worse(self._seen.accuracy, self._best):
            # what was seen is the last iterate, now and before, not the end of the step
            self._seen, before = self._system.look(solver.y), self._system.look(self._moved)
            if self._worse(self._seen.accuracy, before.accuracy):
                self._length = length
                return "the loss grew, which it never does along gradient flow"
            self._best = self._seen.accuracy
        self._best = max(self._best, self._seen.accuracy)
        self._commit()
        self.steps += 1
        self._equal = self._equal + 1 if math.isclose(length, self._length, rel_tol=1e-6) else 0
        self._length = length
        self._moved, self._reached, self._slack = solver.y.copy(), float(solver.t), self._seen.slack
        if self._time is not None:
            self._pending = length, self._system.point(self._seen), self._inside()
        if self._on_step is not None and time.perf_counter() - self._called > _CALLBACK_SECONDS:
            self._called = time.perf_counter()
            self._on_step(self.state)
        return ""

    def _land(self, accuracy: float) -> State:
        """State at exactly this accuracy, within the last step."""
        low, high = self._before, self._reached
        if high == low:  # an anchor, which has no step behind it
            return self.state
        dense = self._solver.dense_output()

        def excess(clock: float) -> float:
            return self._system.look(dense(clock)).accuracy - accuracy

        # what was seen is the last iterate of the step, not its end: the mark may be just outside
        for _ in range(20):
            if excess(high) >= 0.0:
                break
            high += 1e-3 * (high - low)
        clock = _root(excess, low, high, 4.0 * np.finfo(float).eps * max(abs(accuracy), 1e-3))
        moved = dense(clock)
        if not self._system.squared and accuracy * self._rtol > _SENSITIVE:
            moved = self._system.settled(dense, clock, 0.01 * self._length, accuracy)
        state = self._state_at(moved, clock)
        if not abs(state.accuracy - accuracy) <= _NOISE * max(1.0, abs(accuracy)):
            raise FlowStopped(Status.STALLED, "the accuracy asked for is not within the step" + _MORE_DIGITS)
        return state


def _root(excess: Callable[[float], float], low: float, high: float, enough: float) -> float:
    """Zero of an increasing function by the bracketed secant method, to a value and not to an argument.

    Each value costs two passes over X, and over one step the accuracy is nearly linear: three or four do.
    """
    below, above = excess(low), excess(high)
    if below >= 0.0 or above <= 0.0:
        return low if below >= 0.0 else high
    best = min((-below, low), (above, high))
    side = 0
    for _ in range(60):
        clock = low - below * (high - low) / (above - below)
        if not low < clock < high:
            break
        value = excess(clock)
        best = min(best, (abs(value), clock))
        if best[0] <= enough:
            break
        if value > 0.0:  # the Illinois rule: an end that stays counts for half
            high, above = clock, value
            below *= 0.5 if side > 0 else 1.0
            side = 1
        else:
            low, below = clock, value
            above *= 0.5 if side < 0 else 1.0
            side = -1
    return best[1]
