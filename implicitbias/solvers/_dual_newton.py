"""Interpolation under a scaled regularizer: Newton's method on the dual, continued in log alpha.

The dual ``max_nu <y, nu> - reg*(X^T nu)`` is smooth and has one variable per sample. With ``beta =
grad reg*(X^T nu)`` its gradient is ``y - X beta`` and its Hessian ``-X W X^T``, ``W = 1/hess_diag reg(beta)``.
At large alpha it is a quadratic; alpha is lowered from there, each solution predicting the next: linearised
at a predictor beta, the optimality conditions of any alpha read ``X W X^T nu = y - X beta + X W grad reg(beta)``.

Where ``X^T nu`` saturates (D > 2, small alpha) the last digits of beta are no longer in nu. The end point is
therefore refined in the pair ``(beta, nu)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh

from .. import certificates
from .._result import Result, Status
from ._norms import least_squares_interpolant

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..problems import Interpolation
    from ..regularizer import Q, R

    Vector = NDArray[np.float64]

_LINEAR = 0.1
"""Largest ``beta_i/(alpha w0_i)^D`` at which the regularizer passes for a quadratic."""
_ON_THE_WAY = 1e-6
"""Primal residual, relative, that is enough to go on to the next alpha."""
_STEPS_PER_ALPHA = 12


@dataclass
class _State:
    """Point of the continuation."""

    log_alpha: float
    beta: Vector
    nu: Vector


class _Counter:
    """Newton steps taken, against their limit."""

    def __init__(self, limit: int) -> None:
        self.used, self.limit = 0, limit

    def take(self) -> bool:
        """Count a step; whether it may be taken."""
        self.used += 1
        return self.used <= self.limit


def solve(problem: Interpolation, reg: Q | R, *, tol: float, max_iterations: int) -> Result:
    """``argmin reg(beta) s.t. X beta = y``, as :func:`implicitbias.interpolate` describes it."""
    counter = _Counter(max_iterations)
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        state = _continue(problem, reg, counter)
        state, residuals = _refine(problem, reg, state, counter, tol)
    value = float(reg(state.beta))
    if max(residuals.values()) <= tol:
        status = Status.CONVERGED
    elif not np.isfinite(state.beta).all():
        status = Status.NON_FINITE
    else:
        status = Status.ITERATION_LIMIT if counter.used > counter.limit else Status.STALLED
    return Result(state.beta, status, residuals, counter.used, dual=state.nu, value=value)


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
    step, here = 0.5, start
    while True:
        current = reg if here == target else reg.at_log_alpha(here)
        trial, steps = _newton(problem, current, state, here, counter)
        if trial is not None:
            state = trial
            if here == target:
                return state
            step *= 2.0 if steps <= _STEPS_PER_ALPHA // 3 else 1.0
        elif here == start or step < 1e-6 or counter.used > counter.limit:
            return state  # what was reached is refined and judged by the caller
        else:
            step /= 4.0
        here = max(target, state.log_alpha - step)


def _newton(
    problem: Interpolation, reg: Q | R, state: _State, log_alpha: float, counter: _Counter
) -> tuple[_State | None, int]:
    """Damped Newton on the dual from the prediction; None if it does not settle in a few steps."""
    X, y = problem.X, problem.y
    scale = float(np.linalg.norm(y))
    nu = _predict(problem, reg, state.beta)
    theta = X.T @ nu
    if not np.isfinite(float(reg.conjugate(theta))):
        nu, theta = nu * (0.9 / np.abs(theta).max()), theta * (0.9 / np.abs(theta).max())
    for step in range(_STEPS_PER_ALPHA):
        beta = np.asarray(reg.grad_conjugate(theta))
        gradient = y - X @ beta
        if np.linalg.norm(gradient) <= _ON_THE_WAY * scale:
            return _State(log_alpha, beta, nu), step
        weights = _weights(reg, beta)
        if not counter.take() or not np.isfinite(beta).all() or not np.isfinite(weights).all():
            break
        direction = _solve_normal(X, weights, gradient)
        along = X.T @ direction
        length = _line_search(reg, theta, along, float(y @ direction))
        if length == 0.0:
            break
        nu, theta = nu + length * direction, theta + length * along
    return None, _STEPS_PER_ALPHA


def _predict(problem: Interpolation, reg: Q | R, beta: Vector) -> Vector:
    """Multipliers that solve the conditions linearised at beta."""
    X = problem.X
    weights = _weights(reg, beta)
    return _solve_normal(X, weights, problem.y - X @ beta + X @ (weights * np.asarray(reg.grad(beta))))


def _weights(reg: Q | R, beta: Vector) -> Vector:
    return 1.0 / np.asarray(reg.hess_diag(beta))


def _solve_normal(X: Vector, weights: Vector, right: Vector) -> Vector:
    """Solve ``X diag(weights) X^T v = right``, in the range of the matrix if it is singular to rounding."""
    matrix = (X * weights) @ X.T
    diagonal = np.sqrt(np.maximum(np.diag(matrix), np.finfo(float).tiny))
    scaled = matrix / diagonal[:, None] / diagonal  # unit diagonal: samples may differ in size
    try:
        solution = cho_solve(cho_factor(scaled), right / diagonal)
    except LinAlgError:
        values, vectors = eigh(scaled)
        kept = values > values[-1] * len(values) * np.finfo(float).eps
        solution = vectors[:, kept] @ ((vectors[:, kept].T @ (right / diagonal)) / values[kept])
    return np.asarray(solution / diagonal)


def _line_search(reg: Q | R, theta: Vector, along: Vector, gain: float) -> float:
    """Step along an ascent direction of the dual: the slope there must have fallen, without changing sign much.

    The slope ``gain - <along, beta(theta + t along)>`` decreases in t; unlike the dual value it is still
    accurate where the step is down to rounding.
    """

    def slope(t: float) -> float:
        value = gain - float(along @ np.asarray(reg.grad_conjugate(theta + t * along)))
        return value if np.isfinite(value) else -np.inf

    initial = slope(0.0)
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
        nu = _solve_normal(X, weights, y - X @ beta + X @ (weights * grad))
        change = weights * (X.T @ nu - grad)
        # a coordinate may at most halve or double, but for those at the level of alpha^D
        limit = 0.5 * (np.abs(beta) + weights)
        moving = np.abs(change) > limit
        damping = float(np.min(limit[moving] / np.abs(change[moving]), initial=1.0))
        beta = beta + damping * change
        beta = beta + weights * (X.T @ _solve_normal(X, weights, y - X @ beta))
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
