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
from ..losses import EXPONENTIAL, LOGISTIC, Pull
from ..solvers._anchored_curve import AnchoredCurve
from ..solvers._design import Design
from ._clock import Point, TimeIntegral, log_rate
from ._state import FlowStopped, State

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
_ACTIVE = 1e-6
"""Share from which on the speed of nu tells it better than the margin does."""
_AT_THE_END = "the dual reaches the end of its domain within rounding"
_MORE_DIGITS = "; float64 may not hold this trajectory: try digits=20"
_CALLBACK_SECONDS = 0.1
_TINY = float(np.finfo(float).tiny)


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
        self._loss = {"exponential": EXPONENTIAL, "logistic": LOGISTIC}.get(loss)
        self._design = Design(X, y if self._loss is not None else None)
        self._y, self._rtol, self._max_steps, self._on_step = y, rtol, max_steps, on_step
        N, d = X.shape
        self._nu: Vector = np.zeros(N) if start is None else np.asarray(start.nu, dtype=np.float64)
        if start is None:
            beta = np.zeros(d)
        elif start.beta is not None:
            beta = np.asarray(start.beta, dtype=np.float64)
        else:
            beta = np.asarray(reg.grad_conjugate(self._design.adjoint(self._nu)))
        self._curve = AnchoredCurve(reg, beta)
        self.steps = 0
        self.info: dict[str, Any] = {"method": "LSODA", "evaluations": 0, "jacobians": 0, "restarts": -1}
        self._residual = y - self._design.forward(beta)
        self._log_constant = log_rate(reg.log_alpha, float(reg.D), squared=self._loss is None)
        self._start_time = -math.inf if start is None else float(start.log_time)
        self._time: TimeIntegral | None = None
        self._pending: tuple[float, Point, Callable[[float], Point]] | None = None
        self._reached = self._before = self._passed = 0.0
        self._length, self._seen_size, self._watched, self._best = 0.0, math.inf, -math.inf, -math.inf
        self._called, self._failures = time.perf_counter(), 0
        with np.errstate(over="ignore", under="ignore"):
            self._anchor(np.zeros(N))

    # ---- the system ----

    def _velocity(self, _: float, moved: Vector) -> Vector:
        self.info["evaluations"] += 1
        beta, self._weights, self._seen_slack = self._curve(self._design.adjoint(moved))
        if self._loss is None:
            residual = self._residual_at(moved, beta)
            self._seen_size = float(np.linalg.norm(residual))
            self._seen_accuracy = -2.0 * math.log(self._seen_size) if self._seen_size else math.inf
            return residual
        self._pull = self._pull_at(beta)
        self._seen_accuracy = self._pull.accuracy
        return self._pull.share

    def _pull_at(self, beta: Vector) -> Pull:
        assert self._loss is not None
        return self._loss.pull(self._design.forward(beta))

    def _accuracy_at(self, moved: Vector) -> float:
        beta, _, _ = self._curve(self._design.adjoint(moved))
        if self._loss is not None:
            return self._loss.accuracy(self._design.forward(beta))
        size = float(np.linalg.norm(self._residual_at(moved, beta)))
        return -2.0 * math.log(size) if size else math.inf

    @staticmethod
    def _worse(accuracy: float, before: float) -> bool:
        return accuracy < before - _NOISE * max(1.0, abs(before))

    def _residual_at(self, moved: Vector, beta: Vector) -> Vector:
        change = self._curve.change(self._design.adjoint(moved), beta)
        return np.asarray(self._residual - self._design.forward(change))

    def _jacobian(self, _: float, moved: Vector) -> Matrix:
        self.info["jacobians"] += 1
        beta, weights, _slack = self._curve(self._design.adjoint(moved))
        gram = self._design.gram(weights)
        if self._loss is None:
            return -gram
        pull = self._pull_at(beta)
        steep = pull.share * pull.stiffness
        matrix: Matrix = np.outer(pull.share, steep @ gram) - steep[:, None] * gram
        return matrix

    def _point(self, pull: Pull, weights: Vector) -> Point:
        """Where the time integral is, and how fast x grows in tau."""

        def speed() -> float:
            along = self._design.adjoint(pull.share)
            if np.ndim(pull.stiffness) == 0:
                return float((weights * along) @ along)
            return float((pull.share * pull.stiffness) @ self._design.forward(weights * along))

        return Point(-pull.log_slope, speed)

    def _inside(self) -> Callable[[float], Point]:
        """Points of the last step, by their distance from its start."""
        if self._reached == self._before:
            return lambda _: self._point(self._pull, self._weights)
        dense, start = self._solver.dense_output(), self._before

        def point(offset: float) -> Point:
            beta, weights, _ = self._curve(self._design.adjoint(dense(start + offset)))
            return self._point(self._pull_at(beta), weights)

        return point

    # ---- anchors ----

    def _anchor(self, moved: Vector, first_step: float | None = None, longest: float = np.inf) -> None:
        """Start LSODA anew from ``nu + moved``."""
        self._commit()
        if self._time is not None:
            self._time.settle()  # points inside steps are those of this anchor
        if moved.any():
            theta = self._design.adjoint(moved)
            beta = self._curve(theta)[0]
            self._residual = self._residual_at(moved, beta)
            self._curve.move(theta)
            self._nu = self._nu + moved
        self.info["restarts"] += 1
        self._moved, self._reached, self._before, self._slack = np.zeros_like(self._nu), 0.0, 0.0, 1.0
        self._size, self._equal = float(np.linalg.norm(self._residual)), 0
        velocity = self._velocity(0.0, self._moved)
        if self._loss is not None and self._time is None:
            start = self._point(self._pull, self._weights)
            self._time = TimeIntegral(self._log_constant, self._start_time, start)
        scale = self._scale(velocity)
        if not self._nu.any():  # at the start all digits of nu are to come
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

    def _scale(self, velocity: Vector) -> float:
        """Length of the clock over which something happens at the anchor."""
        along = self._design.adjoint(velocity)
        fastest = float(np.abs(self._design.forward(self._weights * along)).max())
        reach = self._reach = float(np.abs(along).max())
        if self._loss is None:
            # from here on the residual decays, and nu moves no farther than that takes
            return 1.0 / max(fastest / self._size, reach, _TINY)
        # on the slow manifold nothing happens sooner than the time nu itself has taken
        grown = float(self._nu.sum())
        return min(max(1.0 / max(fastest, reach, _TINY), grown), self._curve.room / max(reach, _TINY))

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
        theta = self._design.adjoint(moved)
        beta, weights, _ = self._curve(theta)
        length = clock - self._before
        if self._time is None:
            size = float(np.linalg.norm(self._residual_at(moved, beta)))
            accuracy = -2.0 * math.log(size) if size else math.inf
            passed = self._passed + length
            spent = math.log(passed) - self._log_constant if passed > 0.0 else -math.inf
            log_time = float(np.logaddexp(self._start_time, spent))
        else:
            pull = self._pull_at(beta)
            accuracy = pull.accuracy
            log_time = self._time.after(length, self._point(pull, weights), self._inside())
        return State(self._nu + moved, accuracy, log_time, beta)

    def advance_to(self, accuracy: float) -> State:
        """Integrate until ``-log loss`` is `accuracy`."""
        with np.errstate(all="ignore"):  # what is not finite is looked for
            failures = 0
            while not self._seen_accuracy >= accuracy:
                resolved = self._seen_slack < _FINE or self._seen_size < _FINE * self._size
                if resolved or self._too_coarse() or self._equal >= _EQUAL or self._drifted():
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
        if self._loss is None:
            return self._rtol
        return max(min(self._rtol, _TOLD_APART / max(self._seen_accuracy, 1.0)), _FINEST)

    def _too_coarse(self) -> bool:
        return self._tolerance() < 0.3 * self._taken_rtol

    def _drifted(self) -> bool:
        """Whether steps are short next to what nu has moved, in units in which the predictor changes by factors.

        The tolerance is relative to the latter: after a plateau, from which nu comes with ``log(1/alpha)``, it
        would be too coarse by as much.
        """
        plateau = self._loss is not None and math.isinf(self._curve.room)
        return plateau and self._reach * self._reached > _FAR and self._length < _BRIEF * self._reached

    def _watch(self) -> None:
        """Stop where thousands of steps have led nowhere: the integrator chases rounding errors."""
        if self.steps % _PATIENCE:
            return
        gained = self._seen_accuracy - self._watched
        if self.steps and gained < _CRAWL * max(1.0, abs(self._seen_accuracy)):
            raise FlowStopped(Status.STALLED, "thousands of steps led nowhere" + _MORE_DIGITS)
        self._watched = self._seen_accuracy

    def _step(self) -> str:
        """Take one step; what went wrong, if something did."""
        solver = self._solver
        with warnings.catch_warnings():
            # LSODA warns where it also reports failure
            warnings.filterwarnings("ignore", message=".*lsoda.*", category=UserWarning)
            message = solver.step()
        if solver.status == "finished":
            raise FlowStopped(Status.STALLED, "the flow came to rest before the accuracy asked for")
        if solver.status == "failed" or not (np.isfinite(solver.y).all() and math.isfinite(self._seen_accuracy)):
            return message or "the integrator failed"
        length = float(solver.t - self._reached)
        if self._seen_slack < _ABRUPT * self._slack:
            self._length = length
            return _AT_THE_END
        if self._worse(self._seen_accuracy, self._best):
            # what was seen is the last iterate, now and before, not the end of the step
            accuracy = self._accuracy_at(solver.y)
            if self._worse(accuracy, self._accuracy_at(self._moved)):
                self._length = length
                return "the loss grew, which it never does along gradient flow"
            self._best = self._seen_accuracy = accuracy
        self._best = max(self._best, self._seen_accuracy)
        self._commit()
        self.steps += 1
        self._equal = self._equal + 1 if math.isclose(length, self._length, rel_tol=1e-6) else 0
        self._length = length
        self._moved, self._reached, self._slack = solver.y.copy(), float(solver.t), self._seen_slack
        if self._time is not None:
            self._pending = length, self._point(self._pull, self._weights), self._inside()
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
            return self._accuracy_at(dense(clock)) - accuracy

        # what was seen is the last iterate of the step, not its end: the mark may be just outside
        for _ in range(20):
            if excess(high) >= 0.0:
                break
            high += 1e-3 * (high - low)
        clock = _root(excess, low, high, 4.0 * np.finfo(float).eps * max(abs(accuracy), 1e-3))
        state = self._state_at(self._settled(dense, clock, accuracy), clock)
        if not abs(state.accuracy - accuracy) <= _NOISE * max(1.0, abs(accuracy)):
            raise FlowStopped(Status.STALLED, "the accuracy asked for is not within the step" + _MORE_DIGITS)
        return state

    def _settled(self, dense: Callable[[float], Vector], clock: float, accuracy: float) -> Vector:
        """Displacement of nu within a step, with margins that go with its speed.

        Shares are exponentials of margins: at a large accuracy nu, which is right to a relative tolerance, is not
        right enough for them. But its speed is the shares, and right to that tolerance: the margins of active
        samples follow from it.
        """
        moved = dense(clock)
        if self._loss is None or accuracy * self._rtol < _SENSITIVE:
            return moved
        width = 0.01 * self._length
        share = dense(clock + width) - dense(clock - width)
        share = np.maximum(share, 0.0) / np.maximum(share, 0.0).sum()
        active = np.flatnonzero(share > _ACTIVE)
        goal = accuracy - math.log(share.size) - np.log(share[active])
        beta, weights, _ = self._curve(self._design.adjoint(moved))
        gram = self._design.gram(weights)[np.ix_(active, active)]
        missing = goal - self._design.forward(beta)[active]
        moved[active] += np.linalg.lstsq(gram, missing, rcond=None)[0]
        return moved


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
