"""Following the max-margin predictor in log alpha, from the kernel end down.

As for interpolation (:mod:`.._continuation`), with bounds on the multipliers: linearised at a predictor beta, the
conditions at any alpha are those of a quadratic program, and its solution predicts the next point, the change of
support vectors included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...regularizer import Q
from .._continuation import State
from .._level_curve import LevelCurve
from ._bounded import BoundedNewton, Point

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ...regularizer import R
    from .._continuation import Counter

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

__all__ = ["MarginFollower"]

_LINEAR = 0.1
"""Largest ``beta_i/(alpha w0_i)^D`` at which the regularizer passes for a quadratic."""
_ON_THE_WAY = 1e-3
"""Residual, relative, that is enough to go on to the next alpha."""
_ROUNDING = 1e-15
"""Residual, relative, to reach at the end."""
_FEW_STEPS = 4
"""Newton steps after which the next change of alpha may be twice as large."""


class MarginFollower:
    """Path of ``argmin reg(beta) s.t. A beta >= t`` in log alpha.

    Parameters
    ----------
    A, targets
        Signed rows ``(N, d)`` of moderate size and their positive targets ``(N,)``.
    reg
        The regularizer at any alpha, which the path ends at.
    counter
        Newton steps, counted here.
    """

    def __init__(self, A: Matrix, targets: Vector, reg: Q | R, counter: Counter) -> None:
        self.reg, self.counter = reg, counter
        self.newton = BoundedNewton(A, targets, np.zeros(len(targets)), counter)

    def top(self, beta: Vector) -> float:
        """Log alpha of the kernel end of the path, that tends to a predictor of least l2 norm."""
        reg = self.reg
        size = float((np.abs(beta) if reg.w0 is None else np.abs(beta) / reg.w0**reg.homogeneity).max())
        return float(np.log(size / _LINEAR)) / float(reg.homogeneity)

    def follow(
        self, state: State, target: float, top: float, ending: Callable[[State], bool], *, solved: bool = False
    ) -> State:
        """Go from a state, solved or predicted, down to log alpha = `target`; the last state reached.

        `ending` is offered every state on the way and may end it. From a `solved` state the whole way is tried in
        one step first.
        """
        start = max(target, state.log_alpha)
        top = max(start, top)
        step = start - target if solved else 2.0 / float(self.reg.homogeneity)
        while True:
            here = max(target, state.log_alpha - step)
            end = here == target
            trial, steps = self._solve_at(here, state, self._growth(state, here, top), final=end)
            if trial is not None:
                state = trial
                if end or ending(state):
                    return state
                step *= 2.0 if steps <= _FEW_STEPS else 1.0
            elif step < 1e-6 or self.counter.exhausted:
                return state  # what was reached is refined and judged by the caller
            else:
                step /= 4.0

    def _growth(self, state: State, here: float, top: float) -> float:
        """Factor by which the dual is expected to grow: like log(1/alpha) at depth 2, where it has no bound."""
        if not (isinstance(self.reg, Q) and self.reg.D == 2):
            return 1.0
        return (top - here + 1.0) / (top - state.log_alpha + 1.0)

    def _solve_at(self, log_alpha: float, state: State, growth: float, *, final: bool) -> tuple[State | None, int]:
        reg = self.reg if log_alpha == self.reg.log_alpha else self.reg.at_log_alpha(log_alpha)
        curve = LevelCurve(reg)
        point = self._predict(reg, curve, state.beta, growth * state.nu)
        if point is None:
            return None, 0
        found, steps = self.newton.run(curve, point, _ROUNDING if final else _ON_THE_WAY, final=final)
        return None if found is None else State(log_alpha, found.beta, found.nu), steps

    def _predict(self, reg: Q | R, curve: LevelCurve, beta: Vector, nu: Vector) -> Point | None:
        """The better of two points that solve the conditions linearised at beta: with its residual and without."""
        newton = self.newton
        if curve.invertible:
            grad, weights = curve.inverse(beta)
        else:
            grad, weights = np.asarray(reg.grad(beta)), 1.0 / np.asarray(reg.hess_diag(beta))
        if not np.isfinite(weights).all():
            return None
        margins = newton.A @ beta
        mismatch = newton.A @ (weights * (grad - newton.A.T @ nu))
        kept = np.where(nu > 0.0, margins, np.minimum(margins, newton.targets))
        points = []
        for aim in (kept, newton.targets):
            # the model at v: margins A beta + A W (A^T v - grad) against what they are to be
            gradient = mismatch + (aim - margins)
            wanted, _ = newton.quadratic.solve(weights, gradient, nu, newton.lower, _ROUNDING * newton.targets)
            points.append(self._inside(reg, curve, wanted))
        sizes = [newton.residual(point) for point in points]
        return points[0] if not sizes[1] < sizes[0] else points[1]

    def _inside(self, reg: Q | R, curve: LevelCurve, nu: Vector) -> Point:
        """The point at nu, drawn into the domain."""
        excess = float(np.max(np.abs(self.newton.A.T @ nu) / reg.dual_bound))
        return self.newton.evaluate(curve, nu * (0.9 / excess) if excess >= 1.0 else nu)
