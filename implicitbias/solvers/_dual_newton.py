"""Interpolation under a scaled regularizer: Newton's method on the dual, continued in log alpha.

The dual ``max_nu <y, nu> - reg*(X^T nu)`` is smooth and has one variable per sample. With ``beta =
grad reg*(X^T nu)`` its gradient is ``y - X beta`` and its Hessian ``-X W X^T``, ``W = 1/hess_diag reg(beta)``.
At large alpha it is a quadratic; alpha is lowered from there, each solution predicting the next: linearised
at a predictor beta, the optimality conditions of any alpha read ``X W X^T nu = y - X beta + X W grad reg(beta)``.

Where ``X^T nu`` saturates (D > 2, small alpha) the last digits of beta are no longer in nu. The end point is
therefore refined in the pair ``(beta, nu)``, and the rich end itself is reached by linear algebra (`_vertex`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from .. import certificates
from .._result import Result, Status
from ..problems import Interpolation
from ..regularizer import Q
from ._norms import least_squares_interpolant
from ._vertex import saturated_support, separated_support, vertex

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..regularizer import R

    Vector = NDArray[np.float64]

_LINEAR = 0.1
"""Largest ``beta_i/(alpha w0_i)^D`` at which the regularizer passes for a quadratic."""
_ON_THE_WAY = 1e-6
"""Primal residual, relative, that is enough to go on to the next alpha."""
_STEPS_PER_ALPHA = 12
_NEGLIGIBLE = 1e-20
"""Contribution of a column to the Hessian, relative to the largest, that is left out."""
_RIDGE = 1e-15
"""Added to the unit diagonal of the Hessian, per sample: several times its rounding error."""


@dataclass
class _State:
    """Point of the continuation."""

    log_alpha: float
    beta: Vector
    nu: Vector


class _Counter:
    """Newton steps taken, against their limit."""

    def __init__(self, limit: int) -> None:
        self.used, self.limit, self.exhausted = 0, limit, False

    def take(self) -> bool:
        """Count a step; whether it may be taken."""
        self.exhausted = self.used >= self.limit
        self.used += not self.exhausted
        return not self.exhausted


def solve(problem: Interpolation, reg: Q | R, *, tol: float, max_iterations: int) -> Result:
    """``argmin reg(beta) s.t. X beta = y``, as :func:`implicitbias.interpolate` describes it."""
    counter = _Counter(max_iterations)
    problem, unit = _with_rows_of_like_size(problem)
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        state = _continue(problem, reg, counter)
        state, residuals = _refine(problem, reg, state, counter, tol)
        support = separated_support(state.beta) if max(residuals.values()) > tol else None
        ending = _judged_vertex(problem, reg, state, support)
        if ending is not None and max(ending[1].values()) < max(residuals.values()):
            state, residuals = ending
    value = float(reg(state.beta))
    if max(residuals.values()) <= tol:
        status = Status.CONVERGED
    elif not np.isfinite(state.beta).all():
        status = Status.NON_FINITE
    else:
        status = Status.ITERATION_LIMIT if counter.exhausted else Status.STALLED
    return Result(state.beta, status, residuals, counter.used, dual=state.nu * unit, value=value)


def _with_rows_of_like_size(problem: Interpolation) -> tuple[Interpolation, Vector | float]:
    """The same constraints with rows scaled by powers of two where they differ widely, and those powers."""
    size = np.abs(problem.X).max(axis=1)
    size[size == 0.0] = 1.0
    if size.min() > 1e-3 * size.max() and 1e-100 < size.max() < 1e100:
        return problem, 1.0
    unit = np.exp2(-np.floor(np.log2(size)))
    return Interpolation(problem.X * unit[:, None], problem.y * unit), unit


def _continue(problem: Interpolation, reg: Q | R, counter: _Counter) -> _State:
    """Follow the solution from the kernel end to the alpha of `reg`."""
    target = reg.log_alpha
    weights = None if reg.w0 is None else reg.w0 ** (2.0 - 2.0 * reg.homogeneity)
    beta = least_squares_interpolant(problem, weights)
    size = np.abs(beta if reg.w0 is None else beta / reg.w0**reg.homogeneity).max()
    if size == 0.0:
        return _State(target, beta, np.zeros(problem.shape[0]))
    start = max(target, float(np.log(size / _LINEAR)) / float(reg.homogeneity))
    state = _State(start, beta, np.zeros(problem.shape[0]))
    # the dual grows like log(1/alpha) at depth 2 and is bounded beyond
    logarithmic = isinstance(reg, Q) and reg.D == 2
    step, here, growth = 0.5, start, 1.0
    while True:
        current = reg if here == target else reg.at_log_alpha(here)
        trial, steps = _newton(problem, current, replace(state, nu=growth * state.nu), here, counter)
        if trial is not None:
            state = trial
            if here == target:
                return state
            ending = _end_at_vertex(problem, reg, state)
            if ending is not None:
                return ending
            step *= 2.0 if steps <= _STEPS_PER_ALPHA // 3 else 1.0
        elif here == start or step < 1e-6 or counter.exhausted:
            return state  # what was reached is refined and judged by the caller
        else:
            step /= 4.0
        here = max(target, state.log_alpha - step)
        growth = (start - here + 1.0) / (start - state.log_alpha + 1.0) if logarithmic else 1.0


def _end_at_vertex(problem: Interpolation, reg: Q | R, state: _State) -> _State | None:
    """Skip the rest of the way where the end is known: the vertex that the state singles out, if it passes."""
    support = None if np.isinf(reg.dual_bound).any() else saturated_support(problem, reg, state.nu)
    ending = _judged_vertex(problem, reg, state, support)
    return ending[0] if ending is not None and max(ending[1].values()) <= _ON_THE_WAY else None


def _judged_vertex(
    problem: Interpolation, reg: Q | R, state: _State, support: NDArray[np.bool_] | None
) -> tuple[_State, dict[str, float]] | None:
    """Solution of `reg` with its weight on `support`, where there is one, and its residuals."""
    candidate = None if support is None else vertex(problem, reg, state.nu, support)
    if candidate is None:
        return None
    ending = _State(reg.log_alpha, *candidate)
    return ending, _judge(problem, reg, ending)


def _newton(
    problem: Interpolation, reg: Q | R, state: _State, log_alpha: float, counter: _Counter
) -> tuple[_State | None, int]:
    """Damped Newton on the dual from the prediction; None if it does not settle in a few steps."""
    X, y = problem.X, problem.y
    scale = float(np.linalg.norm(y))
    weights = _weights(reg, state.beta)
    if not np.isfinite(weights).all():
        return None, 0  # alpha^D beyond the range of floats: nu is zero to rounding, the regularizer a quadratic
    nu = _predict(problem, state, weights, np.asarray(reg.grad(state.beta)), _normal_solver(problem, weights))
    theta = X.T @ nu
    excess = float(np.max(np.abs(theta) / reg.dual_bound))
    if excess >= 1.0:
        nu, theta = nu * (0.9 / excess), theta * (0.9 / excess)
    for step in range(_STEPS_PER_ALPHA):
        beta = np.asarray(reg.grad_conjugate(theta))
        gradient = y - X @ beta
        if np.linalg.norm(gradient) <= _ON_THE_WAY * scale:
            return _State(log_alpha, beta, nu), step
        weights = _weights(reg, beta)
        if not counter.take() or not np.isfinite(beta).all() or not np.isfinite(weights).all():
            break
        direction = _normal_solver(problem, weights)(gradient)
        along = X.T @ direction
        length = _line_search(reg, theta, along, float(y @ direction), float(gradient @ direction))
        if length == 0.0:
            break
        nu, theta = nu + length * direction, theta + length * along
    return None, _STEPS_PER_ALPHA


def _predict(
    problem: Interpolation, state: _State, weights: Vector, grad: Vector, solve: Callable[[Vector], Vector]
) -> Vector:
    """Multipliers that solve the conditions linearised at beta; those that are not determined stay as they are."""
    X, beta, nu = problem.X, state.beta, state.nu
    return nu + solve(problem.y - X @ beta + X @ (weights * (grad - X.T @ nu)))


def _weights(reg: Q | R, beta: Vector) -> Vector:
    return 1.0 / np.asarray(reg.hess_diag(beta))


def _normal_solver(problem: Interpolation, weights: Vector) -> Callable[[Vector], Vector]:
    """Solver of ``X diag(weights) X^T v = right``, with v near 0 in directions that are singular to rounding.

    Such directions are normal: at small alpha fewer coordinates than samples may carry all the weight, and what
    the others contribute to ``X beta`` is below the rounding of y. A multiplier is then free within wide bounds,
    and moving it by rounding errors over tiny weights would be the worst choice.
    """
    X = problem.X
    influence = weights * problem.column_squares
    matters = influence > _NEGLIGIBLE * influence.max()
    if np.count_nonzero(matters) < len(matters) // 2:  # else the copy costs more than it saves
        X, weights = X[:, matters], weights[matters]
    matrix = (X * weights) @ X.T
    diagonal = np.sqrt(np.maximum(np.diag(matrix), np.finfo(float).tiny))
    scaled = matrix / diagonal[:, None] / diagonal  # unit diagonal: samples may differ in size
    scaled[np.diag_indices_from(scaled)] += _RIDGE * len(scaled)
    factor = cho_factor(scaled)
    return lambda right: np.asarray(cho_solve(factor, right / diagonal) / diagonal)


def _line_search(reg: Q | R, theta: Vector, along: Vector, gain: float, initial: float) -> float:
    """Step along an ascent direction of the dual: the slope there must have fallen, without changing sign much.

    The slope ``gain - <along, beta(theta + t along)>`` decreases in t; unlike the dual value it is still
    accurate where the step is down to rounding. `initial` is its value at t = 0.
    """

    def slope(t: float) -> float:
        value = gain - float(along @ np.asarray(reg.grad_conjugate(theta + t * along)))
        return value if np.isfinite(value) else -np.inf

    if not initial > 0.0:
        return 0.0
    low, high, t = 0.0, np.inf, 1.0
    for _ in range(60):
        now = slope(t)
        if now < -0.5 * initial:
            high = t
        elif now > 0.9 * initial:
            low = t
        else:
            return t
        t = 2.0 * t if np.isinf(high) else 0.5 * (low + high)
    return low


def _refine(
    problem: Interpolation, reg: Q | R, state: _State, counter: _Counter, tol: float
) -> tuple[_State, dict[str, float]]:
    """Newton's method on the pair (beta, nu) until its residuals stop falling."""
    X, y = problem.X, problem.y
    best, best_residuals = state, _judge(problem, reg, state)
    stalled = 0
    while stalled < 3 and counter.take():
        beta = state.beta
        weights = _weights(reg, beta)
        if not np.isfinite(weights).all():
            break  # the curvature is below the range of floats
        grad = np.asarray(reg.grad(beta))
        solve = _normal_solver(problem, weights)
        nu = _predict(problem, state, weights, grad, solve)
        change = weights * (X.T @ nu - grad)
        # a coordinate may at most halve or double, but for those at the level of alpha^D
        limit = 0.5 * (np.abs(beta) + weights)
        moving = np.abs(change) > limit
        damping = float(np.min(limit[moving] / np.abs(change[moving]), initial=1.0))
        beta = beta + damping * change
        beta = beta + weights * (X.T @ solve(y - X @ beta))
        state = _State(state.log_alpha, beta, nu)
        residuals = _judge(problem, reg, state)
        if not max(residuals.values()) < 0.5 * max(best_residuals.values()):
            stalled += 1
        if max(residuals.values()) < max(best_residuals.values()):
            best, best_residuals = state, residuals
        if max(best_residuals.values()) <= 0.01 * tol:
            break
    return best, best_residuals


def _judge(problem: Interpolation, reg: Any, state: _State) -> dict[str, float]:
    return certificates.residuals(problem, reg, state.beta, state.nu)
