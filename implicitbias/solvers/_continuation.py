"""Following the solution in log alpha, from the kernel end down, by Newton's method on the dual.

The dual ``max_nu <y, nu> - reg*(X^T nu)`` is smooth and has one variable per sample. With ``beta =
grad reg*(X^T nu)`` its gradient is ``y - X beta`` and its Hessian ``-X W X^T``, ``W = 1/hess_diag reg(beta)``.
At large alpha it is a quadratic; alpha is lowered from there, each solution predicting the next: linearised
at a predictor beta, the optimality conditions of any alpha read ``X W X^T nu = y - X beta + X W grad reg(beta)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..regularizer import Q
from ._level_curve import LevelCurve
from ._normal import NormalEquations

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..regularizer import R
    from ._design import Design

    Vector = NDArray[np.float64]

__all__ = ["Counter", "Follower", "State", "line_search"]

_LINEAR = 0.1
"""Largest ``beta_i/(alpha w0_i)^D`` at which the regularizer passes for a quadratic."""
_ON_THE_WAY = 1e-3
"""Primal residual, relative, that is enough to go on to the next alpha."""
_ARRIVED = 1e-7
"""Primal residual, relative, from which on the solution can be refined in ``(beta, nu)``."""
_ROUNDING = 1e-15
"""Primal residual, relative, below which there is nothing but rounding."""
_GOOD_GUESS = 0.1
"""Primal residual, relative, at which a guess of the multipliers saves the prediction."""
_LONGEST = 1e6
"""Longest step, relative to Newton's, that is tried where the slope does not fall."""
_STEPS_PER_ALPHA = 12
"""Newton steps after which each must at least halve the residual."""
_MOST_STEPS_PER_ALPHA = 40
"""Newton steps after which a smaller change of alpha is tried."""


@dataclass
class State:
    """Point of the path."""

    log_alpha: float
    beta: Vector
    nu: Vector


class Counter:
    """Newton steps taken, each with a factorization of its own, against their limit."""

    def __init__(self, limit: int) -> None:
        self.used, self.limit, self.exhausted = 0, limit, False

    def take(self) -> bool:
        """Count a step; whether it may be taken."""
        self.exhausted = self.used >= self.limit
        self.used += not self.exhausted
        return not self.exhausted


class Follower:
    """Path of ``argmin reg(beta) s.t. X beta = y`` in log alpha, over the columns of one design.

    Parameters
    ----------
    design, y
        The constraints.
    reg
        The regularizer at any alpha.
    counter
        Newton steps, counted here.
    """

    def __init__(
        self, design: Design, y: Vector, reg: Q | R, counter: Counter, normal: NormalEquations | None = None
    ) -> None:
        self.design, self.y, self.reg, self.counter = design, y, reg, counter
        self.scale = float(np.linalg.norm(y))
        self.normal = normal or NormalEquations(design)

    def start(self, interpolant: Vector) -> State:
        """Kernel end of the path, from the interpolant to which it tends: the regularizer is nearly quadratic."""
        reg = self.reg
        sizes = np.abs(interpolant)
        if reg.reference is not None:
            sizes = np.maximum(sizes, np.abs(reg.reference))
        size = float((sizes if reg.w0 is None else sizes / reg.w0**reg.homogeneity).max())
        log_alpha = np.log(size / _LINEAR) / float(reg.homogeneity) if size > 0.0 else -np.inf
        return State(float(log_alpha), interpolant, np.zeros(self.design.N))

    def follow(
        self,
        state: State,
        target: float,
        shortcut: Callable[[State], State | None] | None = None,
        *,
        top: float | None = None,
        solved: bool = False,
        guess: Vector | None = None,
        enough: float = _ROUNDING,
    ) -> State:
        """Go from a state, solved or predicted, down to log alpha = `target`; the last state reached.

        `shortcut` is offered every state on the way and may end it. `top` is the log alpha of the kernel end where
        `state` is not there; from a `solved` state the whole way is tried in one step first. `guess` is a guess of
        the multipliers at the target, `enough` the primal residual to reach there.
        """
        start = max(target, state.log_alpha)
        top = start if top is None else top
        step = start - target if solved else 2.0 / float(self.reg.homogeneity)
        while True:
            here = max(target, state.log_alpha - step)
            end = here == target
            growth = self._growth(state, here, top)
            trial, steps = self._solve_at(here, state, growth, enough if end else None, guess if end else None)
            if trial is not None:
                state = trial
                if end:
                    return state
                ending = None if shortcut is None else shortcut(state)
                if ending is not None:
                    return ending
                step *= 2.0 if steps <= _STEPS_PER_ALPHA // 3 else 1.0
            elif step < 1e-6 or self.counter.exhausted:
                return state  # what was reached is refined and judged by the caller
            else:
                step /= 4.0

    def _growth(self, state: State, here: float, top: float) -> float:
        """Factor by which the dual is expected to grow on the way to log alpha = `here`."""
        if not (isinstance(self.reg, Q) and self.reg.D == 2):
            return 1.0  # the dual is bounded
        # the dual grows like log(1/alpha)
        return (top - here + 1.0) / (top - state.log_alpha + 1.0)

    def _solve_at(
        self, log_alpha: float, state: State, growth: float, end: float | None, guess: Vector | None
    ) -> tuple[State | None, int]:
        """Damped Newton on the dual from the prediction; None if it does not settle in a few steps.

        With `end`, to that primal residual or as far as rounding lets it.
        """
        reg = self.reg if log_alpha == self.reg.log_alpha else self.reg.at_log_alpha(log_alpha)
        design, y = self.design, self.y
        curve = LevelCurve(reg)
        enough = _ON_THE_WAY if end is None else end
        predicted = None if guess is None else self._evaluate(reg, curve, guess)
        guessed = predicted is not None and bool(np.linalg.norm(predicted[-1]) <= _GOOD_GUESS * self.scale)
        if not guessed:
            predicted = self._predict(reg, curve, state.beta, growth * state.nu)
        if predicted is None:
            return None, 0
        nu, theta, beta, weights, gradient = predicted
        sizes: list[float] = []
        for step in range(_MOST_STEPS_PER_ALPHA):
            size = float(np.linalg.norm(gradient))
            # close to the end a step that gains little is the last
            done = end is not None and sizes and size <= _ARRIVED * self.scale and not size < 0.1 * sizes[-1]
            if done or size <= enough * self.scale:
                return State(log_alpha, beta, nu), step
            sizes.append(size)
            if step >= _STEPS_PER_ALPHA and not size < 0.5 * sizes[-2]:
                break  # a coordinate that came out too large falls by a factor e in each step: that may take many
            if not self.counter.take() or not (np.isfinite(size) and np.isfinite(weights).all()):
                break
            # near a good guess the last factorization may do all there is to do; the contraction tells
            normal = self.normal.kept() if guessed and step == 0 else self.normal.at(weights)
            while True:
                direction = normal.solve(gradient)
                along = design.adjoint(direction)
                slope = float(gradient @ direction)
                # near the solution the slope is rounding error and would be followed without end
                longest = _LONGEST if size > _ARRIVED * self.scale else 1.0
                found = line_search(curve, theta, beta, along, slope, longest)
                if found is None:
                    arrived = size <= _ARRIVED * self.scale
                    return (State(log_alpha, beta, nu) if arrived else None), _STEPS_PER_ALPHA
                length, beta, weights = found
                nu, theta = nu + length * direction, theta + length * along
                gradient = y - design.forward(beta)
                before, size = size, float(np.linalg.norm(gradient))
                if not size < 0.1 * before or size <= enough * self.scale:
                    break  # the factorization has served; or all is done
        return None, _STEPS_PER_ALPHA

    def _predict(self, reg: Q | R, curve: LevelCurve, beta: Vector, nu: Vector) -> tuple[Any, ...] | None:
        """Multipliers that solve the conditions linearised at beta, and what follows from them.

        None where alpha^D is beyond the range of floats: then nu is 0 to rounding, the regularizer a quadratic.

        The residual that beta has is corrected only where that helps: in directions that little weight supports
        it asks for steps far beyond the reach of the linearisation.
        """
        if curve.invertible:
            grad, weights = curve.inverse(beta)
        else:
            grad, weights = np.asarray(reg.grad(beta)), 1.0 / np.asarray(reg.hess_diag(beta))
        if not np.isfinite(weights).all():
            return None
        normal = self.normal.at(weights)
        mismatch = weights * (grad - self.design.adjoint(nu))
        along_path = nu + normal.solve(self.design.forward(mismatch))
        corrected = along_path + normal.solve(self.y - self.design.forward(beta))
        points = [self._evaluate(reg, curve, candidate) for candidate in (along_path, corrected)]
        sizes = [float(np.linalg.norm(point[-1])) for point in points]
        return points[0] if not sizes[1] < sizes[0] else points[1]

    def _evaluate(self, reg: Q | R, curve: LevelCurve, nu: Vector) -> tuple[Any, ...]:
        """``nu, X^T nu, beta, W, y - X beta``, with nu drawn into the domain."""
        theta = self.design.adjoint(nu)
        room = reg.dual_bound - np.copysign(1.0, theta) * reg.dual_origin
        excess = float(np.max(np.abs(theta) / room))
        if excess >= 1.0:
            nu, theta = nu * (0.9 / excess), theta * (0.9 / excess)
        beta, weights = curve(theta)
        return nu, theta, beta, weights, self.y - self.design.forward(beta)


def line_search(
    curve: Callable[[Vector], tuple[Vector, Vector]],
    theta: Vector,
    beta: Vector,
    along: Vector,
    initial: float,
    longest: float,
) -> tuple[float, Vector, Vector] | None:
    """Step along an ascent direction of the dual: the slope there must have fallen, without changing sign much.

    The slope ``initial - <along, beta(theta + t along) - beta>`` decreases in t; unlike the dual value it is still
    accurate where the step is down to rounding. `initial` is its value at t = 0. Returns the step, and beta and
    the weights there; None if there is no such step.
    """
    if not initial > 0.0:
        return None
    low, high, t = 0.0, np.inf, 1.0
    found: tuple[float, Vector, Vector] | None = None
    for _ in range(60):
        there, weights = curve(theta + t * along)
        slope = initial - float(along @ (there - beta))
        if not np.isfinite(slope) or slope < -0.5 * initial:
            high = t
        elif slope > 0.9 * initial and t < longest:
            low, found = t, (t, there, weights)
        else:
            return t, there, weights
        t = 2.0 * t if np.isinf(high) else 0.5 * (low + high)
    return found
