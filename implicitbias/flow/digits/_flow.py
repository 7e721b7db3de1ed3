"""Gradient flow to any number of digits: steps of collocation, their length, and what is watched along the way.

A step is accepted when the last Legendre coefficients of the right-hand side are below the tolerance, weighed by
what an error of nu does to margins and predictor. That estimates the error inside the step and not only at its end,
where collocation is far better; so any point can be handed out, and no stiff component is left behind.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np

from ..._result import Status
from .._state import FlowStopped, State
from ._arithmetic import arithmetic
from ._collocation import radau
from ._control import direction, estimated_errors, first_length, within_domain
from ._flight import flight
from ._monitors import conserved_drift
from ._segment import Moment, Segment, extrapolated, slopes
from ._stages import NotSolvedError, solve
from ._system import System

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ...regularizer import Q
    from ._collocation import Radau
    from ._stages import Stages

    Rows = list[list[Any]]

__all__ = ["DigitsFlow"]

_GUARD_DIGITS = 2
_GUARD_BITS = 48
_MOST_REJECTIONS = 400
_MOST_GROWTH = 4.0
_SHRINK = 1.05


class DigitsFlow:
    """Integrator of the flow at `digits` decimal digits.

    Parameters
    ----------
    X, y
        Data, ``(N, d)`` and ``(N,)``, which count as the exact binary numbers they are; labels -1 and 1 for the
        exponential and the logistic loss.
    reg
        Depth, scale, shape and start of the network.
    loss
        ``"exponential"``, ``"logistic"`` or ``"squared"``.
    digits
        Correct digits wanted of accuracy, direction and dual variable, at least 1.
    start
        Where to go on; None for the start of the flow.
    max_steps
        Limit on the number of steps.
    on_step
        Called with the state after every step.
    backend
        Number type to compute with: a key of ``BACKENDS``; None for the fastest that is installed.
    stages
        Stages of a step; None for as many as were measured to be fastest.

    Attributes
    ----------
    state
        Last state reached.
    steps
        Steps accepted.
    info
        ``evaluations`` of the right-hand side, ``rejected`` steps, ``backend``, ``bits`` of the last step;
        ``error_estimate``, the sum of the estimated relative errors of the steps; ``accuracy_drift``, the largest
        difference of the accuracy integrated along the way from the one recomputed, relative to the larger of that
        and 1; ``conserved``, the largest relative deviation of ``u_+ u_-`` or ``u_+^{2-D} + u_-^{2-D}`` at the
        states that :meth:`advance_to` returned.

    Notes
    -----
    Time of the flow is exact for the squared loss; otherwise its logarithm is wrong by some 1e-14, absolutely.
    """

    def __init__(
        self,
        X: NDArray[np.float64],
        y: NDArray[np.float64],
        reg: Q,
        loss: str,
        *,
        digits: int,
        start: State | None = None,
        max_steps: int = 100_000,
        on_step: Callable[[State], None] | None = None,
        backend: str | None = None,
        stages: int | None = None,
    ) -> None:
        self._number = arithmetic(backend)
        self._system = System(
            np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64), reg, loss, self._number
        )
        self._digits, self._max_steps, self._on_step = digits, max_steps, on_step
        self._s = stages or max(6, math.ceil(0.8 * digits) + 12)
        self.steps = 0
        self._segment: Segment | None = None
        self._ahead = False
        self._next: Any = None
        nu = [mpmath.mpf(0)] * self._system.N if start is None else [_unrounded(v) for v in start.nu]
        finest = max((int(v._mpf_[1]).bit_length() for v in nu), default=0)
        self._bits = 0
        self._raise_bits(finest)
        with self._scope():
            values = [self._number.number(v) for v in nu]
            point = self._system.points([values])[0]
            self._bits = 0
            self._raise_bits(point.lost_bits + 16)
        with self._scope():
            log_time = None
            if start is not None and mpmath.isfinite(start.log_time):
                log_time = self._number.number(_unrounded(start.log_time))
            accuracy = self._number.settled(self._system.accuracy(point.margins))
            self._now = Moment(values, accuracy, log_time, point)
            self._integrated = accuracy
            self.state = self._handed_out(self._now)
        self.info: dict[str, Any] = {
            "backend": self._number.name,
            "bits": self._bits,
            "evaluations": 0,
            "rejected": 0,
            "error_estimate": 0.0,
            "accuracy_drift": 0.0,
            "conserved": 0.0,
        }

    # ---- precision ----

    def _raise_bits(self, lost: float) -> None:
        needed = math.ceil(3.3219281 * self._digits + _GUARD_BITS + max(lost, 0.0))
        step = 64 if needed < 1024 else 2 ** (needed.bit_length() - 4)  # tables are made anew for each
        self._bits = max(self._bits, -(-needed // step) * step)

    def _spare(self) -> float:
        """How many bits may be lost at the present precision."""
        return self._bits - 3.3219281 * self._digits - _GUARD_BITS

    def _scope(self) -> Any:
        scope = self._number.bits(self._bits)
        with self._number.bits(self._bits):
            self._system.prepare(self._bits)
        return scope

    def _power_of_ten(self, exponent: float) -> Any:
        return self._system.power_of_ten(exponent)

    # ---- the loop ----

    def advance_to(self, accuracy: Any) -> State:
        """Integrate until ``-log loss`` is `accuracy`, and return the state there.

        Raises
        ------
        ValueError
            If the flow is past that already.
        FlowStopped
            If it cannot get there.
        """
        target = mpmath.mpmathify(accuracy)  # mpf() would round it to the precision in force
        if not target >= self.state.accuracy:
            raise ValueError(
                f"accuracy must not be below that of the present state, {mpmath.nstr(self.state.accuracy, 15)}, "
                f"got {mpmath.nstr(target, 15)}"
            )
        if target == self.state.accuracy:
            return self.state
        while True:
            segment = self._segment
            if segment is not None and self._ahead:
                with self._scope():
                    goal = self._number.number(target)
                    if segment.end.accuracy >= goal:
                        tolerance = self._power_of_ten(-self._digits - 4)
                        self.state = self._handed_out(segment.at_accuracy(self._system, goal, tolerance))
                        return self.state
                    self._now = segment.end
                    self.state = self._handed_out(self._now, checked=False)
                self._ahead = False
                if self._on_step is not None:
                    self._on_step(self.state)
            if self.steps >= self._max_steps:
                reached = mpmath.nstr(self.state.accuracy, 15)
                raise FlowStopped(Status.ITERATION_LIMIT, f"{self.steps} steps led to accuracy {reached} only")
            with self._scope():
                self._check_progress()
            self._segment, self._ahead = self._flown() or self._step(target), True
            self.steps += 1

    def observe(self, state: State) -> tuple[list[Any], list[Any], list[Any]]:
        """Predictor ``(d,)``, margins or predictions ``(N,)``, weights or residuals ``y - X beta`` ``(N,)``.

        They are computed with the bits that the dual variable has, and are as right as that: to `digits` at least,
        the weights relative to the largest.
        """
        with self._scope():
            point = self._system.points([[self._number.number(_exact(v)) for v in state.nu]])[0]
            beta, margins, shares = (
                [self._number.to_mpmath(v) for v in row]
                for row in (point.beta, point.margins, self._system.right_hand_side(point.margins))
            )
            return beta, margins, shares

    def _handed_out(self, moment: Moment, checked: bool = True) -> State:
        out = self._number.to_mpmath
        nu = [out(v) for v in moment.nu]
        log_time = mpmath.mpf("-inf") if moment.log_time is None else out(moment.log_time)
        if checked and self.steps:
            drift = conserved_drift(self._system, nu, self._bits)
            self.info["conserved"] = max(self.info["conserved"], drift)
        return State(nu, out(moment.accuracy), log_time, [out(v) for v in moment.point.beta])

    # ---- one step ----

    def _step(self, target: Any) -> Segment:
        limit = _MOST_GROWTH
        for _ in range(_MOST_REJECTIONS):
            with self._scope():
                tables = radau(self._number, self._s, self._bits)
                goal = self._number.number(target)
                if self._next is None:
                    self._next = first_length(self._system, self._now)
                h = self._number.settled(within_domain(self._system, self._now, self._next))
                try:
                    stages = solve(self._system, tables, self._now.nu, h, self._start(tables, h), self._residual())
                except NotSolvedError:
                    self._next, limit = h / 3, 1.5
                    self.info["rejected"] += 1
                    continue
                self.info["evaluations"] += stages.evaluations
                lost = max(point.lost_bits for point in stages.points)
                accuracy = self._system.accuracy(stages.points[-1].margins)
                if lost > self._spare():
                    # far beyond the goal, or behind the start, it is the length that is wrong, not the precision
                    if abs(accuracy) > 2 * max(abs(goal), abs(self._now.accuracy)) + 50:
                        self._next, limit = h / 2, 1.5
                        self.info["rejected"] += 1
                    else:
                        self._raise_bits(lost + 24)
                    continue
                rates = slopes(self._system, stages.p, stages.points)
                errors = estimated_errors(
                    self._system, tables, stages, h, rates, accuracy, self._digits + _GUARD_DIGITS
                )
                factor = min([limit, *(0.95 * e ** (-1.0 / self._s) for e in errors if e > 0.0)])
                self._next = self._number.settled(h * max(factor, 0.1))
                if max(errors) > 1.0:
                    self._next, limit = self._number.settled(h * min(max(factor, 0.1), 0.8)), 1.5
                    self.info["rejected"] += 1
                    continue
                if limit < _MOST_GROWTH and self._segment is not None:
                    # towards a singularity lengths shrink steadily: the next one as this one has
                    self._next = self._number.settled(min(self._next, h * (_SHRINK * h / self._segment.h)))
                return self._accepted(tables, stages, h, rates, errors)
        raise FlowStopped(
            Status.STALLED, f"no step from accuracy {mpmath.nstr(self.state.accuracy, 15)} on was accepted"
        )

    def _residual(self) -> Any:
        return self._power_of_ten(-self._digits - _GUARD_DIGITS - 4)

    def _check_progress(self) -> None:
        """Raise if the flow has come to rest."""
        p = self._system.right_hand_side(self._now.point.margins)
        moving = zip(direction(self._system, self._now), self._system.column_sizes.tolist(), strict=True)
        fastest = max((abs(v) / c for v, c in moving if c > 0.0), default=self._system.zero)
        if not fastest > max(abs(v) for v in p) * self._power_of_ten(-self._digits):
            raise FlowStopped(
                Status.STALLED,
                f"the flow has come to rest at accuracy {mpmath.nstr(self.state.accuracy, 15)}: "
                + ("X beta = y has no solution" if self._system.squared else "the data are not separable"),
            )

    def _flown(self) -> Segment | None:
        """The step without feedback, where there is one."""
        with self._scope():
            p = self._system.right_hand_side(self._now.point.margins)
            found = flight(self._system, self._now.nu, self._now.point, p, self._power_of_ten(-self._digits - 12))
        if found is None:
            return None
        self._raise_bits(found[1] + 24)
        with self._scope():
            number, system = self._number, self._system
            p = self._system.right_hand_side(self._now.point.margins)
            again = flight(system, self._now.nu, self._now.point, p, self._power_of_ten(-self._digits - 12))
            h = (again or found)[0]
            nu = [number.settled(n + h * v) for n, v in zip(self._now.nu, p, strict=True)]
            point = system.points([nu])[0]
            accuracy = number.settled(system.accuracy(point.margins))
            unknown = p if system.squared else [number.log(v) for v in p]
            end = Moment(nu, accuracy, None, point)
            # the logarithm of a slope that leaves the accuracy as it is
            flat, ratio = np.array([-700.0]), np.array([float(1 / system.gain(point.margins, p))])
            whole = np.ones(1)
            draft = Segment(self._now, end, h, [p], [unknown], np.ones(system.N), whole, [accuracy], flat, ratio)
            self._integrated = number.settled(self._integrated + accuracy - self._now.accuracy)
            self._next = within_domain(self._system, end, h) / 2
            return draft.ended(draft.log_time(system, number.number(1), accuracy))

    def _start(self, tables: Radau, h: Any) -> Rows:
        if self._segment is not None:
            return extrapolated(self._system, self._segment, h, tables.nodes)
        row = self._system.targets_of(self._now.point.margins)
        return [row] * tables.s

    def _accepted(self, tables: Radau, stages: Stages, h: Any, rates: list[Any], errors: list[float]) -> Segment:
        number, system = self._number, self._system
        accuracies = [number.settled(system.accuracy(point.margins)) for point in stages.points]
        unknown = number.times(tables.coefficients, stages.unknown)
        largest = np.array([[float(v) for v in row] for row in stages.unknown])
        weights = 1.0 / (1.0 + np.abs(largest).max(axis=0))
        if not system.squared:
            weights = np.maximum(weights, np.exp(largest.max(axis=0)))
        end = Moment([number.settled(v) for v in stages.nu[-1]], accuracies[-1], None, stages.points[-1])
        log_slopes = np.array([float(number.log(h * r)) for r in rates])
        # k = 1 for the exponential loss, mean force over loss for the logistic one
        ratios = np.array(
            [float(1 / system.gain(v.margins, p)) for v, p in zip(stages.points, stages.p, strict=True)]
        )
        draft = Segment(
            self._now,
            end,
            h,
            number.times(tables.coefficients, stages.p),
            unknown,
            weights,
            tables.nodes_floats,
            accuracies,
            tables.coefficients_floats @ log_slopes,
            tables.coefficients_floats @ ratios,
        )
        log_time = draft.log_time(system, number.number(1), end.accuracy)
        gained = h * sum((w * r for w, r in zip(tables.weights, rates, strict=True)), system.zero)
        self._integrated = number.settled(self._integrated + gained)
        drift = abs(float((self._integrated - end.accuracy) / max(abs(end.accuracy), 1)))
        self.info["accuracy_drift"] = max(self.info["accuracy_drift"], drift)
        self.info["error_estimate"] += errors[0] * 10.0 ** (-self._digits - _GUARD_DIGITS)
        self.info["bits"] = self._bits
        return draft.ended(log_time)


def _unrounded(value: Any) -> Any:
    """An mpmath number as it is: ``mpf(value)`` would round it to the precision in force."""
    return value if isinstance(value, mpmath.mpf) else mpmath.mpf(value)


def _exact(value: Any) -> Any:
    """An mpmath number as it is, whatever the precision in force; anything else to more digits than it has."""
    if hasattr(value, "_mpf_"):
        return mpmath.mp.make_mpf(value._mpf_)
    ctx = mpmath.mp.clone()
    ctx.prec = max(1024, 4 * len(str(value)))
    return mpmath.mp.make_mpf(ctx.mpf(value)._mpf_)
