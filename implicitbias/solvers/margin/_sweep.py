"""One classification problem at one scale of initialization after another, from the largest down."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linprog

from ..._result import Result, Status
from ...regularizer import L2, Q, R
from .._continuation import Counter, State
from .._design import Design
from .._vertex import saturated_support
from ._active import Fit, optimal_support
from ._follow import MarginFollower
from ._form import MarginForm, worst

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...problems import Margins

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

__all__ = ["MarginSweep", "minimum_l2"]

_ATTEMPT = 3
"""Changes of the support in an attempt at the end from a state on the way."""

_QUADRATIC = 25.0
"""Logarithm of how far ``alpha^D`` is above the kernel end where the regularizer is a quadratic to rounding."""


class MarginSweep:
    """Max-margin predictors of one problem under one kind of regularizer.

    Parameters
    ----------
    problem
        The samples.
    reg
        The regularizer at any alpha.
    tol
        Largest residual that counts as converged.
    max_iterations
        Limit on Newton steps, those of all visits together.

    Attributes
    ----------
    A, targets
        Rows of size one and their targets, equivalent to those of the problem.
    last
        The last solution, of these.
    """

    last: State

    def __init__(self, problem: Margins, reg: Q | R, *, tol: float, max_iterations: int) -> None:
        self.problem, self.reg, self.tol = problem, reg, tol
        self.counter = Counter(max_iterations)
        self.form = MarginForm(problem, reg)
        self.A, self.targets = self.form.A, self.form.targets
        weights = None if reg.w0 is None else reg.w0 ** (2.0 - 2.0 * float(reg.homogeneity))
        self.kernel, self._kernel_nu = self.form.kernel_end(weights)
        self.top = MarginFollower(self.A, self.targets, self.form.regularizer(reg), self.counter).top(self.kernel)
        self._kernel_weights = np.ones(self.A.shape[1]) if weights is None else weights
        self._state: State | None = None

    def resume(self, state: State) -> None:
        """Take a solution, at an alpha not below that of the next visit, for the last one visited."""
        self.last = state
        above = (state.log_alpha - self.top) * float(self.reg.homogeneity) > _QUADRATIC
        self._state = None if above else state

    def visit(self, reg: Q | R) -> Result:
        """Max-margin predictor under `reg`, whose alpha is not larger than that of the visits before."""
        before = self.counter.used
        inner = self.form.regularizer(reg)
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            if (inner.log_alpha - self.top) * float(inner.homogeneity) > _QUADRATIC:
                best, self.last = self._kernel_limit(reg)
                return best
            best, state = self._solve(reg, inner)
            if not best.success and self.counter.used < self.counter.limit:
                other = self._from_linear_program(reg, inner)
                if other is not None and worst(other[0].residuals) < worst(best.residuals):
                    best, state = other
        self.last = state
        if best.success:
            self._state = state
        return replace(best, iterations=self.counter.used - before)

    def _solve(self, reg: Q | R, inner: Q | R) -> tuple[Result, State]:
        follower = MarginFollower(self.A, self.targets, inner, self.counter)
        top, target = self.top, inner.log_alpha
        early: list[tuple[Result, State]] = []
        tried: list[bytes] = []
        last: list[bytes] = [b""]

        def ending(state: State) -> bool:
            """Whether the support of a state on the way is that of the end, where that is a vertex."""
            if not np.isfinite(inner.dual_bound).all():
                return False
            support = (state.nu > 0.0).tobytes()
            settled = support == last[-1] or saturated_support(Design(self.A), inner, state.nu) is not None
            last.append(support)
            if support in tried or not settled:
                return False
            tried.append(support)
            found = self._finish(reg, inner, state, _ATTEMPT)
            if found is not None and found[0].success:
                early.append(found)
            return bool(early)

        state = follower.follow(self._start(inner, top), target, top, ending, solved=self._state is not None)
        found = early[0] if early else self._finish(reg, inner, state, None)
        if found is not None:
            return found
        return self._judged(reg, Fit(state.beta, state.nu, Status.STALLED, 0)), state

    def _kernel_limit(self, reg: Q | R) -> tuple[Result, State]:
        """Where the regularizer is a quadratic to rounding; its multipliers may be below the range of floats."""
        quadratic = L2(self._kernel_weights)
        near = State(0.0, self.kernel, self._kernel_nu)
        fit = _least(self.form, quadratic, near, self.tol, self.counter.limit)
        inner = self.form.regularizer(reg)
        # in this order: the ratio of the two regularizers may itself be below the range of floats
        size = float(fit.nu.max())
        twice = float(np.asarray(inner.grad(fit.beta)) @ fit.beta)
        nu = fit.nu / size * (twice / (2.0 * float(quadratic(fit.beta)) / size))
        result = self._judged(reg, fit._replace(nu=nu))
        if not nu.any():  # below the range of floats
            result = replace(result, info=self._judged(quadratic, fit).info)
        return result, State(inner.log_alpha, fit.beta, nu)

    def _start(self, reg: Q | R, top: float) -> State:
        if self._state is not None:
            return self._state
        start = max(top, reg.log_alpha)
        # the regularizer is a quadratic there, up to a factor
        slope = float(np.asarray(reg.at_log_alpha(start).grad(self.kernel)) @ self.kernel)
        factor = slope / float(self._kernel_weights @ self.kernel**2)
        return State(start, self.kernel, self._kernel_nu * factor)

    def _finish(
        self, reg: Q | R, inner: Q | R, state: State, corrections: int | None
    ) -> tuple[Result, State] | None:
        limit = self.counter.limit - self.counter.used
        if limit < 1 or not np.isfinite(state.beta).all():
            return None
        many = {} if corrections is None else {"corrections": corrections}
        fit = optimal_support(self.A, self.targets, inner, state, tol=self.tol, limit=limit, **many)
        if fit is None:
            return None
        self.counter.used += fit.iterations
        return self._judged(reg, fit), State(inner.log_alpha, fit.beta, fit.nu)

    def _judged(self, reg: Q | R | L2, fit: Fit) -> Result:
        return self.form.judged(reg, fit, tol=self.tol, exhausted=self.counter.used >= self.counter.limit)

    def _from_linear_program(self, reg: Q | R, inner: Q | R) -> tuple[Result, State] | None:
        """From the support vectors of the rich limit."""
        power = 2.0 - float(inner.homogeneity)
        cost = np.ones(self.A.shape[1]) if inner.w0 is None else inner.w0**power
        found = linprog(
            np.concatenate([cost, cost]),
            A_ub=np.hstack([-self.A, self.A]),
            b_ub=-self.targets,
            bounds=(0.0, None),
            method="highs",
        )
        if found.x is None:
            return None
        nu = np.maximum(-found.ineqlin.marginals, 0.0)
        d = self.A.shape[1]
        beta = found.x[:d] - found.x[d:]
        fit = optimal_support(
            self.A,
            self.targets,
            inner,
            State(np.inf, beta, nu),
            tol=self.tol,
            limit=self.counter.limit - self.counter.used,
        )
        if fit is None:
            return None
        self.counter.used += fit.iterations
        return self._judged(reg, fit), State(inner.log_alpha, fit.beta, fit.nu)


def minimum_l2(problem: Margins, reg: L2, *, tol: float, max_iterations: int) -> Result:
    """Max-margin predictor of least weighted l2 norm."""
    form = MarginForm(problem, reg)
    near = State(0.0, *form.kernel_end(reg.weights))
    return form.judged(reg, _least(form, reg, near, tol, max_iterations), tol=tol)


def _least(form: MarginForm, reg: L2, near: State, tol: float, limit: int) -> Fit:
    fit = optimal_support(form.A, form.targets, reg, near, tol=tol, limit=limit)
    return Fit(near.beta, near.nu, Status.STALLED, 0) if fit is None else fit
