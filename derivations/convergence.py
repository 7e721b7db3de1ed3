"""Gradient flow on a diagonal network converges to an interpolator whenever there is one.

Statement. If ``X beta* = y`` for some ``beta*``, the flow of ``L = ||X beta - y||^2`` from any ``alpha w0`` has
``L(t) <= Q(beta*)/(c t)``, ``c = 8`` at D = 2 and ``2 D (D-2) alpha^{D-2}`` beyond, and ``beta(t)`` converges to a
solution of ``X beta = y``. So the hypothesis ``X beta_inf = y`` of Theorems 1 and 3 can be dropped.

Method. ``B(t) = D_Q(beta*, beta(t))`` is a clock for the loss, ``B' = -c L``; the loss never grows, so
``t L(t) <= int_0^t L <= B(0)/c``. ``B`` never grows either and tends to infinity with ``beta``, so the path is
bounded; a limit point solves ``X beta = y`` and may be taken for ``beta*``, whose divergence then tends to zero.

Source. Woodworth et al. (2020), hypotheses of Theorems 1 and 3.
"""

from __future__ import annotations

import numpy as np
from sympy import Expr, Function, Integer, Symbol, cosh, limit, oo, simplify, symbols

import implicitbias as ib
from implicitbias.ledger import Check, Claim, Search, Verdict, proof, search

from . import depth, hypentropy
from ._flow import dual_constant, gradient_flow

__all__ = ["CLAIMS", "clock", "coercive"]

n, D = depth.n, depth.D


def clock(check: Check) -> None:
    """The rate of the divergence at both kinds of depth, in the dual units of ``Q``."""
    at_two = gradient_flow(Integer(2))
    check(dual_constant(check, at_two, hypentropy.dual_of_weights(at_two)) == 8, "D = 2: B' = -8 L")
    beyond = gradient_flow(D)
    rate = dual_constant(check, beyond, depth.dual_of_weights(beyond))
    alpha = symbols("alpha", positive=True)
    # grad Q = alpha^(D-2) theta, so the divergence of Q is alpha^(D-2) times that of theta
    check.equal(alpha**n * rate, 2 * D * n * alpha**n, "D > 2: B' = -2 D (D-2) alpha^(D-2) L")


def averages(check: Check) -> None:
    """``t L(t) <= int_0^t L`` for a loss that never grows."""
    t, s = symbols("t s", positive=True)
    L = Function("L")
    gap = (L(s).integrate((s, 0, t)) - t * L(t)).diff(t)
    check.equal(simplify(gap), -t * L(t).diff(t), "d/dt [int L - t L] = -t L' >= 0 as L' = -||grad L||^2 <= 0")


def coercive(check: Check, conjugate: Expr, slope: Expr, point: Symbol, end: Expr) -> None:
    """``D_Q(b*, b) = q(b*) + q*(theta) - theta b*`` tends to infinity with b, whatever ``b*``."""
    fixed = symbols("b", positive=True)
    # an even conjugate: for theta < 0 the sign of b* turns instead
    for sign in (1, -1):
        check(limit(conjugate - sign * slope * fixed, point, end) == oo, "the divergence grows without bound")


def converges(check: Check) -> str:
    """Put the argument together."""
    clock(check)
    averages(check)
    theta, z = symbols("theta", positive=True), symbols("z", positive=True)
    coercive(check, 2 * (cosh(theta) - 1), theta, theta, oo)
    gap = symbols("A", positive=True)
    for value in (1, 2):
        coercive(check, depth.curve_integral(1 - gap).subs(n, value), 1 - gap, gap, Integer(0))
    # for real D > 2: H_D >= (D-2)/2 [A^(-2/(D-2)) - 2] on A = 1 - z in (0, 1), which is not bounded
    rest = depth.curve_integral(1 - gap) - n / 2 * (gap ** (-2 / n) - 2)
    inside = simplify(rest).subs(gap, gap / (1 + gap))
    check(inside.is_positive is True, "H_D(1-A) exceeds (D-2)/2 (A^(-2/(D-2)) - 2)")
    check(limit(z ** (1 / n), z, oo) == oo, "which grows without bound for every D > 2")
    return "L(t) <= Q(beta*)/(c t), c = 8 or 2 D (D-2) alpha^(D-2); beta(t) converges"


def rate(tries: Search) -> str:
    """The bound on the loss along flows that are integrated, with the least Q among solutions as ``Q(beta*)``."""
    for rng in tries.draws(60, 8):
        N, d = rng.integers(1, 4), rng.integers(1, 6)
        depth_, alpha = rng.choice([2.0, 2.5, 3.0, 6.0]), float(np.exp(rng.uniform(-2.0, 1.0)))
        X, beta = rng.standard_normal((N, d)), rng.standard_normal(d)
        y = X @ beta
        flow = ib.gradient_flow(X, y, alpha, depth_, loss="squared", until_loss=1e-6 * float(y @ y), throw=False)
        least = ib.interpolate(X, y, ib.Q(alpha, depth_), throw=False)
        if not least.success or not flow.status.success:
            tries.skip("not converged")
            continue
        c = 8.0 if depth_ == 2 else 2 * depth_ * (depth_ - 2) * alpha ** (depth_ - 2)
        # one state per step; a few of them are enough
        for k in range(1, len(flow), max(len(flow) // 5, 1)):
            t, loss = 10.0 ** flow.log10_time[k], 10.0 ** flow.log10_loss[k]
            tries.at_most(c * t * loss, float(least.value), f"D = {depth_}, alpha = {alpha:.3g}", rel=1e-6)
    return tries.conclude("c t L(t)/Q(beta_inf) along flows with N to 3, d to 5, D from 2 to 6")


CLAIMS = (
    Claim(
        "woodworth.hypothesis-zero-error",
        "Woodworth et al. (2020), hypothesis of Theorems 1 and 3",
        "Theorems 1 and 3 assume that gradient flow ends with X beta = y. It does whenever X beta = y has a "
        "solution: the loss is at most Q(beta*)/(c t) for any solution beta*, and beta(t) converges.",
        r"L(t) \le \frac{Q(\beta^*)}{c\,t}, \qquad c = 8 \;(D = 2), \quad c = 2D(D-2)\alpha^{D-2} \;(D > 2)",
        Verdict.PROVED,
        (proof(converges), search(rate)),
        remark="The papers assume it; nothing is left of the assumption but that the data can be fitted.",
    ),
)
