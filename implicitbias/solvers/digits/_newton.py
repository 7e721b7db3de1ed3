"""Newton's method to any number of digits, and the bound of its error.

The dual ``min_nu Phi(X^T nu) - <y, nu>``, ``Phi = reg*``, has the gradient ``X beta - y`` and the Hessian
``H = X W X^T`` at ``beta = Phi'(theta)``, ``W = Phi''(theta)``, ``theta = X^T nu``. Newton's method doubles the
digits; each step evaluates beta once at the precision it is about to reach, W at half of it, and solves by
refinement (:mod:`._linear`). Where theta is within rounding of the edge of its domain, or weights are graded
beyond float64, nu simply gets the bits that it takes: they follow from ``s_i = |beta_i| / W_i``, the change of
theta_i that changes beta_i by its own size, and from the smallest eigenvalue of H.

Error bound. W is convex in theta, so that on ``|theta'_i - theta_i| <= t_i`` it is at least ``2 W(theta_i) -
max W(theta_i ± t_i)``. If that is at least half of the weights that H was formed from, then for v with
``|x_i^T v| <= t_i`` the dual grows: ``<gradient(nu + v), v> >= <r, v> + <v, H v>/2``. With ``H >= lambda D^2``, D
diagonal, this is positive on the sphere ``||D v|| = rho > 2 ||D^-1 r|| / lambda``; the solution is inside, and
``t_i = ||D^-1 x_i|| rho`` bounds the error of theta_i, ``t_i max W`` that of beta_i.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from mpmath import libmp

from ..._result import Status
from ._linear import ZERO, ExactData, NormalEquations, as_integers, magnitudes, shifted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[Any]
    Exponents = NDArray[np.int64]

__all__ = ["GUARD", "Refinement", "exact"]

GUARD = 16
"""Bits beyond those asked for."""
_CANCELLATION = 24
"""A coordinate of theta that cancels to fewer bits than its terms by more than this may come out as zero."""
_NEAR = 8
"""Bits of theta, relative to s, from which on Newton's method on the dual doubles them."""
_WEIGHT_BITS = 64
_ATTEMPTS = 4
"""How often the goal is raised because the bound of the error comes out too large."""
_TINY = 1e-290
"""Magnitude from which on a float is trusted to all its digits."""


@dataclass
class _Plan:
    """Bits needed to know theta to a given accuracy, relative to s."""

    residual: int  # binary exponent that ||D^-1 r|| must fall to
    fraction: int  # fractional bits of scaled beta
    beta: int  # significant bits of beta
    dual: int  # fractional bits of scaled nu


class Refinement:
    """Newton's method on the scaled dual: ``nu 2^row_exponents = self.n 2^-self.bits``."""

    def __init__(self, ctx: Any, data: ExactData, reg: Any, digits: int, max_iterations: int) -> None:
        self.ctx, self.data, self.reg, self.digits = ctx, data, reg, digits
        self.max_iterations, self.iterations = max_iterations, 0
        self.goal = math.ceil(digits * math.log2(10)) + GUARD
        N, d = data.shape
        self.log_rows, self.log_size = N.bit_length(), (N * d).bit_length()
        origin = np.broadcast_to(np.asarray(getattr(reg, "dual_origin", 0.0), dtype=np.float64), (d,))
        self.origin = [ctx.mpf(v) for v in origin.tolist()]
        self.n: Integers = np.zeros(N, dtype=object)
        self.bits = 0
        self.floats, self.attempts = True, 0
        self.beta: list[Any] = []
        self.bounds: dict[str, Any] | None = None

    # ---- what a point needs ----

    def theta(self) -> list[Any]:
        """``X^T nu``, exactly."""
        products = self.data.transposed_times(self.n)
        down = self.data.column_exponents - (self.bits + self.data.shift)
        return [exact(self.ctx, v, k) for v, k in zip(products, down.tolist(), strict=True)]

    def survey(self, theta: list[Any], beta: list[Any], weights: list[Any]) -> None:
        """Binary exponents of s, where theta cancels, and the condition of beta as a function of theta."""
        active = self.data.nonzero
        shifted_theta = magnitudes([t + o for t, o in zip(theta, self.origin, strict=True)])
        size = np.maximum(magnitudes(theta), magnitudes(self.origin))
        beta_size = magnitudes(beta)
        scale = beta_size - magnitudes(weights) - 1
        # terms of theta may cancel: theta is then near the zero of beta, and s about as small as theta
        terms = np.maximum(
            self.data.column_exponents + self.dual_magnitude + self.log_rows, magnitudes(self.origin)
        )
        floor = terms - _CANCELLATION
        self.floored = active & ((beta_size == ZERO) | ((scale >= shifted_theta - 4) & (scale < floor)))
        self.scale = np.where(self.floored, floor, scale)
        self.active = active
        self.condition = max(0, int((size - self.scale)[active].max()))
        self.largest = int((beta_size + self.data.column_exponents)[active].max())

    def plan(self, normal: NormalEquations, accuracy: int) -> _Plan:
        """Bits for theta to ``2^-accuracy`` of s."""
        reach = self.reach(normal)
        room = int((self.scale - reach)[self.active].min())
        residual = room - accuracy - 4 - normal.condition_bits + normal.weight_exponent - self.log_rows
        fraction = self.log_size - int(normal.diagonal.min()) - residual + 4
        by_theta = int((self.data.column_exponents - self.scale)[self.active].max()) + accuracy
        by_residual = accuracy - room + normal.condition_bits + int(normal.diagonal.max()) + self.log_size
        return _Plan(
            residual,
            fraction,
            max(fraction + self.largest, accuracy) + GUARD,
            max(by_theta, by_residual) + 2 * self.log_rows + 8,
        )

    def reach(self, normal: NormalEquations) -> Exponents:
        """Binary exponents of bounds of ``|x_i^T v|`` over ``||D v|| <= 1``."""
        entries = self.data.exponents - normal.diagonal[:, None]
        reach: Exponents = entries.max(axis=0) + self.data.column_exponents + self.log_rows
        return reach

    def evaluate(self, name: str, x: list[Any], bits: int) -> list[Any]:
        """The named method of `reg`, right to `bits` bits."""
        # theta is rounded on the way in, by a shape, a reference point or mpmath's abs: hence the condition
        with self.ctx.workprec(max(_WEIGHT_BITS, bits) + self.condition + GUARD):
            return list(getattr(self.reg, name)(x))

    def residual(self, beta: list[Any], fraction: int) -> Integers:
        """Scaled ``y - X beta``, with ``fraction + data.shift`` fractional bits."""
        whole = as_integers(beta, fraction + self.data.column_exponents)
        return self.data.target(fraction + self.data.shift) - self.data.times(whole)

    def normal_equations(self, weights: list[Any]) -> NormalEquations:
        exponents = magnitudes(weights)[self.data.nonzero]
        spread = int(exponents.max() - exponents.min()) + 2 * int(np.ptp(self.data.column_exponents))
        return NormalEquations(self.ctx, self.data, weights, most_bits=4096 + 4 * spread, floats=self.floats)

    def take(self, bits: int) -> None:
        """Hold nu with `bits` fractional bits."""
        self.n, self.bits = shifted(self.n, bits - self.bits), bits

    # ---- the two phases ----

    def run(self, beta: NDArray[np.float64], dual: NDArray[np.float64] | None) -> Status:
        """From the start to the goal; the bounds are in `self.bounds` if it was reached."""
        self.dual_magnitude = ZERO
        self.condition = 64
        try:
            if dual is not None:
                scaled = [
                    self.ctx.ldexp(v, int(k)) for v, k in zip(dual.tolist(), self.data.row_exponents, strict=True)
                ]
                self.dual_magnitude = int(magnitudes(scaled).max())
                self.bits = 80 - self.dual_magnitude
                self.n = as_integers(scaled, self.bits)
                status = self.newton()
                if status is not None:
                    return status
            if not self.approach(self.primal_start(beta, dual)):
                return Status.ITERATION_LIMIT
            return self.newton() or Status.STALLED
        except ArithmeticError:
            return Status.STALLED

    def newton(self) -> Status | None:
        """Newton's method on the dual; None where the start is too far away."""
        known, normal = 0, None
        while self.iterations < self.max_iterations:
            theta = self.theta()
            wanted = min(self.goal, max(2 * known - 4, 80))
            weights = self.evaluate("hess_diag_conjugate", theta, wanted - known)
            beta = self.evaluate("grad_conjugate", theta, _WEIGHT_BITS) if not known else self.beta
            if not all(map(self.ctx.isfinite, [*beta, *weights])) or not all(weights):
                return None
            self.survey(theta, beta, weights)
            normal = (
                self.normal_equations(weights) if normal is None or normal.cheap else normal.reweighted(weights)
            )
            plan = self.plan(normal, wanted)
            self.take(max(plan.dual, self.bits))
            self.beta = self.evaluate("grad_conjugate", theta, plan.beta)
            right = self.residual(self.beta, plan.fraction)
            if known >= self.goal:
                if self.bound(normal, theta, weights, right, plan):
                    return Status.CONVERGED
                self.attempts += 1
                if self.attempts > _ATTEMPTS:
                    return Status.STALLED
            step = self.solve(normal, right, plan)
            self.iterations += 1
            if step is None:  # the factor was not good enough: once more with another
                normal = None
                continue
            change = magnitudes(self.data.transposed_times(step))
            change += self.data.column_exponents - self.bits - self.data.shift
            measured = int((self.scale - change)[self.active].min())
            if measured < _NEAR or measured < known // 2:
                return None
            self.n = self.n + step
            self.dual_magnitude = int(magnitudes(self.n).max()) - self.bits
            known = min(wanted, 2 * measured - 3)
        return Status.ITERATION_LIMIT

    def solve(self, normal: NormalEquations, right: Integers, plan: _Plan) -> Integers | None:
        """Solution for scaled nu with `self.bits` fractional bits, None if another factor is needed first."""
        out = self.bits - normal.weight_exponent
        step = normal.solve(right, plan.fraction + self.data.shift, out, plan.residual)
        if step is None and not normal.cheap:
            raise ArithmeticError("iterative refinement does not converge")
        self.floats = self.floats and step is not None
        return step

    def primal_start(self, beta: NDArray[np.float64], dual: NDArray[np.float64] | None) -> list[Any]:
        """Predictor to start from: beta, and where that is below the range of floats, what nu says."""
        tiny = ~(np.abs(beta) > _TINY)
        start = [self.ctx.mpf(v) for v in beta.tolist()]
        if dual is not None and tiny.any():
            from_dual = self.evaluate("grad_conjugate", self.theta(), _WEIGHT_BITS)
            start = [
                b if small and self.ctx.isfinite(b) else a
                for a, b, small in zip(start, from_dual, tiny, strict=True)
            ]
        return [v if self.ctx.isfinite(v) else self.ctx.zero for v in start]

    def approach(self, beta: list[Any]) -> bool:
        """Newton's method on the pair (beta, nu) until nu is near enough for the dual alone.

        The conditions linearised at beta give nu. Then beta moves along its curve where it shrinks, and along the
        tangent of the curve where it grows: overshoot is impossible the one way, change of sign the other.
        """
        ctx = self.ctx
        while self.iterations < self.max_iterations:
            curvature = self.evaluate("hess_diag", beta, _WEIGHT_BITS)
            if not all(map(ctx.isfinite, [*beta, *curvature])) or not all(curvature):
                return False
            weights = [1 / v for v in curvature]
            grad = self.evaluate("grad", beta, _WEIGHT_BITS)
            if self.dual_magnitude == ZERO:
                self.dual_magnitude = int((magnitudes(grad) - self.data.column_exponents)[self.data.nonzero].max())
            self.survey(grad, beta, weights)
            normal = self.normal_equations(weights)
            plan = self.plan(normal, 3 * _NEAR)
            grad = self.evaluate("grad", beta, plan.beta)
            with ctx.workprec(plan.beta + self.condition + GUARD):
                shift = [b - w * g for b, w, g in zip(beta, weights, grad, strict=True)]
            self.bits = plan.dual
            solution = self.solve(normal, self.residual(shift, plan.fraction), plan)
            self.iterations += 1
            if solution is None:
                continue
            self.n = solution
            self.dual_magnitude = int(magnitudes(self.n).max()) - self.bits
            theta = self.theta()
            with ctx.workprec(_WEIGHT_BITS + self.condition + GUARD):
                change = [t - g for t, g in zip(theta, grad, strict=True)]
                if int((self.scale - magnitudes(change))[self.active].min()) >= _NEAR:
                    return True
                tangent = [b + w * c for b, w, c in zip(beta, weights, change, strict=True)]
                curve = self.evaluate("grad_conjugate", theta, _WEIGHT_BITS)
                beta = [
                    c if abs(c) < abs(t) or (b * t < 0 and abs(c) < abs(b)) else t  # c may be nan
                    for b, t, c in zip(beta, tangent, curve, strict=True)
                ]
        return False

    # ---- the end ----

    def bound(
        self, normal: NormalEquations, theta: list[Any], weights: list[Any], right: Integers, plan: _Plan
    ) -> bool:
        """Bounds of the error at nu, as the head of this file derives them; whether they meet the goal."""
        ctx = self.ctx
        residual = int((magnitudes(right) - normal.diagonal).max()) - plan.fraction - self.data.shift
        # the evaluation of the residual was planned to be wrong by less than a quarter of 2^plan.residual
        residual = max(residual, plan.residual) + 1
        rho = residual + self.log_rows + normal.condition_bits - normal.weight_exponent + 2
        reach = zip((self.reach(normal) + rho).tolist(), self.active, strict=True)
        radius = [ctx.ldexp(1, k) if on else ctx.zero for k, on in reach]
        ends = []
        # without a reference point W is even: the outer end alone has the maximum
        for sign in (1, -1) if any(self.origin) else (1,):
            outward = [sign * r if t >= 0 else -sign * r for t, r in zip(theta, radius, strict=True)]
            moved = [ctx.fadd(t, r, exact=True) for t, r in zip(theta, outward, strict=True)]
            ends.append(self.evaluate("hess_diag_conjugate", moved, _WEIGHT_BITS))
        # an end outside the domain has no weight
        largest = [max(w) if all(map(ctx.isfinite, w)) else ctx.inf for w in zip(weights, *ends, strict=True)]
        ratio = [
            2 * w - m >= r / 2 and m <= 2 * w for w, m, r in zip(weights, largest, normal.weights, strict=True)
        ]
        # of beta as evaluated, and as it is returned
        rounding = ctx.ldexp(1, 8 - min(plan.beta, self.goal + GUARD))
        error = [m * r + abs(b) * rounding for m, r, b in zip(largest, radius, self.beta, strict=True)]
        relative = [
            e / abs(b) if b else (ctx.inf if e else ctx.zero) for e, b in zip(error, self.beta, strict=True)
        ]
        target = ctx.mpf(10) ** -self.digits
        unresolved = [i for i, v in enumerate(relative) if not v <= target]
        resolved = max((v for v in relative if v <= target), default=ctx.zero)
        overall = max(error) / max(map(abs, self.beta))
        if all(ratio) and overall <= target and all(self.floored[i] for i in unresolved):
            self.bounds = {"relative_error": resolved, "error_bound": overall, "unresolved": tuple(unresolved)}
            return True
        worst = max([v for v, near_zero in zip(relative, self.floored, strict=True) if not near_zero] + [overall])
        self.goal += max(8, ctx.mag(worst / target) + 4 if ctx.isfinite(worst) else 0)
        return False


def exact(ctx: Any, whole: Any, exponent: int) -> Any:
    """``whole * 2^exponent``, not rounded."""
    return ctx.make_mpf(libmp.from_man_exp(whole, exponent))
