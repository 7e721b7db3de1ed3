"""Interpolation under a scaled regularizer: the path in log alpha, a refinement at its end, and the certificate.

Where ``X^T nu`` saturates (D > 2, small alpha) the last digits of beta are no longer in nu. The end point is
therefore refined in the pair ``(beta, nu)``, and the rich end itself is reached by linear algebra (`_vertex`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import certificates
from .._result import Result, Status
from ..problems import Interpolation
from ._continuation import Counter, Follower, State
from ._design import Design
from ._least_squares import kernel_end
from ._normal import NormalEquations
from ._vertex import saturated_support, separated_support, vertex
from ._working_set import follow_on_working_set

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..regularizer import Q, R

    Vector = NDArray[np.float64]

__all__ = ["Sweep"]

_WIDE = 20
"""Columns per sample from which on the path is first tried on a working set."""
_FAR = 14.0
"""Logarithm of the ratio of the levels ``alpha^D`` at the kernel end and here from which few columns may matter."""
_MODERATE_WAY = 50.0
"""The same, up to which the multipliers hold 14 digits of beta."""
_ORDER = 2
"""Degree of the polynomial by which the multipliers are continued from one visit to the next."""
_UNSEEN = 1e-12
"""Size of a coordinate, relative to the largest, that hardly shows in X beta."""
_SMALL = 1e-6
"""Size of a coordinate, relative to the largest, that X beta is easily corrected for."""


class Sweep:
    """One problem, visited at one scale after another, from the largest down.

    Parameters
    ----------
    problem
        The constraints.
    reg
        The regularizer at any alpha.
    tol
        Largest residual that counts as converged.
    max_iterations
        Limit on Newton steps, those of all visits together.
    """

    def __init__(self, problem: Interpolation, reg: Q | R, *, tol: float, max_iterations: int) -> None:
        self.tol, self.counter = tol, Counter(max_iterations)
        self.problem, self.unit = problem, problem.row_units()
        self.y = problem.y if self.unit is None else self.unit * problem.y
        self.design = Design(problem.X, self.unit)
        self.normal = NormalEquations(self.design)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            self.interpolant = kernel_end(self.design, self.y, reg, self.normal)
        self.top = Follower(self.design, self.y, reg, self.counter, self.normal).start(self.interpolant)
        self._state: State | None = None
        self._behind: list[tuple[float, Vector]] = []
        self._exact = False

    def resume(self, state: State) -> None:
        """Take a nearly solved state, at an alpha not below that of the next visit, for the last one visited."""
        nu = state.nu if self.unit is None else state.nu / self.unit
        self._state = State(state.log_alpha, state.beta, nu)

    def visit(self, reg: Q | R, *, polish: bool = True) -> Result:
        """End point under `reg`, whose alpha is not larger than that of the visits before.

        With `polish` it is taken as near to rounding as it gets, without to well below the tolerance.
        """
        self._enough = 0.01 * self.tol if polish else 0.1 * self.tol
        before = self.counter.used
        self.reg = reg
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            state = self._follow()
            # at depth 2 and moderate scales beta is known from the multipliers to the last digits
            judge = not polish or (np.isinf(reg.dual_bound).all() and self._way(reg) < _MODERATE_WAY)
            state, residuals = self._refine(state, judge=bool(judge))
            support = separated_support(state.beta) if _worst(residuals) > self.tol else None
            ending = self._judged_vertex(state, support)
            if ending is not None and _worst(ending[1]) < _worst(residuals):
                state, residuals = ending
        if _worst(residuals) <= self.tol:
            status = Status.CONVERGED
            self._state = state
            if not polish and np.isinf(reg.dual_bound).all():
                point = reg.log_alpha * float(reg.homogeneity), state.nu
                self._behind = [*(p for p in self._behind[-_ORDER:] if p[0] != point[0]), point]
        elif not np.isfinite(state.beta).all():
            status = Status.NON_FINITE
        else:
            status = Status.ITERATION_LIMIT if self.counter.exhausted else Status.STALLED
        dual = state.nu if self.unit is None else state.nu * self.unit
        steps = self.counter.used - before
        return Result(state.beta, status, residuals, steps, dual=dual, value=float(reg(state.beta)))

    def _follow(self) -> State:
        """State at the alpha of the regularizer, to be refined."""
        reg, target = self.reg, self.reg.log_alpha
        self._exact = False
        follower = Follower(self.design, self.y, reg, self.counter, self.normal)
        top = self.top.log_alpha
        if self._state is None and self.design.d > _WIDE * self.design.N and self._way(reg) > _FAR:
            state = follow_on_working_set(self.design, self.y, reg, self.interpolant, self.counter)
            if state is not None:
                return state
        start = self._state or self.top
        bounded = bool(np.isfinite(reg.dual_bound).any())
        shortcut = self._end_at_vertex if bounded else None
        if self._state is None or reg.reference is not None:
            return follower.follow(start, target, shortcut, top=max(top, target), solved=self._state is not None)
        guess = extrapolate(self._behind, target * float(reg.homogeneity))
        return follower.follow(start, target, shortcut, top=top, solved=True, guess=guess, enough=self._enough)

    def _way(self, reg: Q | R) -> float:
        """Logarithm of the ratio of the levels ``alpha^D`` at the kernel end and of `reg`."""
        return (self.top.log_alpha - reg.log_alpha) * float(reg.homogeneity)

    def _end_at_vertex(self, state: State) -> State | None:
        """Skip the rest of the way where the end is known: the vertex that the state singles out, if it passes."""
        ending = self._judged_vertex(state, saturated_support(self.design, self.reg, state.nu))
        self._exact = ending is not None and _worst(ending[1]) <= 1e-6
        return ending[0] if ending is not None and self._exact else None

    def _judged_vertex(
        self, state: State, support: NDArray[np.bool_] | None
    ) -> tuple[State, dict[str, float]] | None:
        """Solution with its weight on `support`, where there is one, and its residuals."""
        candidate = (
            None if support is None else vertex(self.design, self.y, self.reg, state.nu, state.beta, support)
        )
        if candidate is None:
            return None
        ending = State(self.reg.log_alpha, *candidate)
        return ending, self._judge(ending)

    def _refine(self, state: State, judge: bool) -> tuple[State, dict[str, float]]:
        """Newton's method on the pair (beta, nu) until its residuals stop falling."""
        design, y, reg = self.design, self.y, self.reg
        # only what linear algebra gave is likely to be exact as it stands
        best, residuals = state, self._judge(state) if judge or self._exact else None
        least = np.inf if residuals is None else _worst(residuals)
        stalled = 0
        while stalled < 3 and least > self._enough and self.counter.take():
            beta, nu = state.beta, state.nu
            weights = 1.0 / np.asarray(reg.hess_diag(beta))
            if not np.isfinite(weights).all():
                break  # the curvature is below the range of floats
            grad = np.asarray(reg.grad(beta))
            normal = self.normal.at(weights, accuracy=1e-3)
            nu = nu + normal.solve(y - design.forward(beta - weights * (grad - design.adjoint(nu))))
            beta = self._moved(beta, weights, grad, design.adjoint(nu))
            # what is unseen in X beta cannot correct it, and rounding errors would swamp it
            seen = np.where(np.abs(beta) > _UNSEEN * np.abs(beta).max(), weights, 0.0)
            beta = beta + seen * design.adjoint(normal.solve(y - design.forward(beta)))
            state = State(state.log_alpha, beta, nu)
            found = self._judge(state)
            worst = _worst(found)
            stalled += not worst < 0.9 * least
            if worst < least:
                best, residuals, least = state, found, worst
        return best, residuals or self._judge(best)

    def _moved(self, beta: Vector, weights: Vector, grad: Vector, theta: Vector) -> Vector:
        """Beta where its gradient is theta to first order, or nearer to beta where that is too far."""
        change = weights * (theta - grad)
        # a coordinate may at most halve or double, but for those at the level of alpha^D
        limit = 0.5 * (np.abs(beta) + weights)
        far = np.abs(change) > limit
        if far.any():
            # small coordinates follow theta exactly, and hold up nobody
            exact = np.asarray(self.reg.grad_conjugate(theta))
            small = np.maximum(np.abs(beta), np.abs(exact)) <= _SMALL * np.abs(beta).max()
            change = np.where(far & small, exact - beta, change)
            far &= ~small
        damping = float(np.min(limit[far] / np.abs(change[far]), initial=1.0))
        return beta + damping * change

    def _judge(self, state: State) -> dict[str, float]:
        dual = state.nu if self.design.unit is None else state.nu * self.design.unit
        return certificates.residuals(self.problem, self.reg, state.beta, dual)


def extrapolate(points: list[tuple[float, Vector]], level: float) -> Vector | None:
    """Value at `level` of the polynomial through some points, by Newton's divided differences; None from none."""
    if not points:
        return None
    levels = [point[0] for point in points]
    column = [point[1] for point in points]
    value, factor = column[-1], 1.0
    for order in range(1, len(points)):
        column = [(column[i + 1] - column[i]) / (levels[i + order] - levels[i]) for i in range(len(column) - 1)]
        factor *= level - levels[-order]
        value = value + factor * column[-1]
    return value


def _worst(residuals: dict[str, float]) -> float:
    worst = max(residuals.values())
    return worst if all(value == value for value in residuals.values()) else np.inf
