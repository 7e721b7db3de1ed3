"""How ``Q_alpha`` and its minimizer depend on the scale of initialization.

Statement. With ``mu = alpha^D``, ``Q = mu sum q_D(beta_i/mu)`` is jointly convex in ``(beta, mu)`` and decreases in
mu. In ``log alpha`` it is convex at D = 2, and for D > 2 convex for large and concave for small alpha. The
minimizer under ``X beta = y`` moves by

    d beta/d log alpha = D (beta - W X^T (X W X^T)^{-1} X beta),    W = (Hess Q)^{-1},

also with a shape w0. Coordinates outside the support of the limit are ``beta_i ~ alpha^D h_D(g_i)`` with the dual
certificate ``|g_i| < 1``, of the order ``alpha^{2 (1 - |g_i|)}`` at D = 2.

Source. Not in the papers.
"""

from __future__ import annotations

import numpy as np
from sympy import (
    Expr,
    Function,
    Integer,
    Matrix,
    Symbol,
    cosh,
    exp,
    limit,
    log,
    oo,
    powsimp,
    series,
    simplify,
    sinh,
    symbols,
)

import implicitbias as ib
from implicitbias.ledger import Check, Claim, Search, Verdict, proof, search
from implicitbias.theorems import interpolation_derivative

from .depth import D, curve, curve_integral, n, p

__all__ = ["CLAIMS", "log_convexity", "perspective", "tangent"]


def perspective(check: Check) -> str:
    """``mu q(b/mu)``: its Hessian in ``(b, mu)``, and its slope in mu."""
    b, mu, t = symbols("b mu t", positive=True)
    q = Function("q")
    value = mu * q(b / mu)
    second = {
        pair: simplify(value.diff(*pair).doit().subs(b, t * mu).doit()) for pair in ((b, b), (b, mu), (mu, mu))
    }
    curvature = second[b, b] * mu
    check.equal(second[b, mu], -t * curvature / mu, "mixed derivative: -t q''(t)/mu at t = b/mu")
    check.equal(second[mu, mu], t**2 * curvature / mu, "in mu: t^2 q''(t)/mu")
    determinant = simplify(second[b, b] * second[mu, mu] - second[b, mu] ** 2)
    check.equal(determinant, Integer(0), "determinant 0 and q'' > 0: jointly convex")
    slope = simplify(value.diff(mu).doit().subs(b, t * mu).doit())
    # q - t q' = -H, the conjugate at z = q'(t), which is positive for t > 0
    z = symbols("z", positive=True)
    on_curve = z * curve(z) - curve_integral(z) - curve(z) * z
    check.equal(on_curve, -curve_integral(z), "dQ/dmu = q - t q' = -H_D(z) < 0: Q decreases in the scale")
    check.equal(slope, q(t) - t * q(t).diff(t), "dQ/dmu = q(t) - t q'(t)")
    return "Q = mu sum q_D(beta_i/mu) is jointly convex in (beta, mu) and decreases in mu = alpha^D"


def log_convexity(check: Check, curve_: Expr, integral: Expr, z: Symbol) -> Expr:
    """``d^2 Q/d(log mu)^2 = mu (h^2/h' - H)``; return what is in brackets."""
    # dQ/dl = -mu H(z), mu = e^l, and h(z) = b/mu gives dz/dl = -h/h'
    return simplify(curve_**2 / curve_.diff(z) - integral)


def in_logarithm(check: Check) -> str:
    """Its sign at both kinds of depth."""
    theta = symbols("theta", positive=True)
    at_two = log_convexity(check, 2 * sinh(theta), 2 * (cosh(theta) - 1), theta)
    check.equal(
        at_two.rewrite(exp), (2 - 2 / cosh(theta)).rewrite(exp), "D = 2: h^2/h' - H = 2 - 2/cosh(theta) > 0: convex"
    )
    z, A = symbols("z A", positive=True)
    for value in (1, 2, 4):
        beyond = log_convexity(check, curve(z).subs(n, value), curve_integral(z).subs(n, value), z)
        check(limit(beyond / z**2, z, 0).is_positive is True, f"D = {value + 2}: convex for large alpha")
        check(
            limit(beyond.subs(z, 1 - A) * A ** (Integer(2) / value), A, 0).is_negative is True,
            f"D = {value + 2}: concave for small alpha",
        )
    # for every D: as A -> 0, h^2/h' ~ A^(1-p)/p and H ~ (D-2)/2 A^(1-p)
    gap = simplify((1 / p - n / 2) * 2 * D / n)
    check.equal(gap, 2 - D, "1/p - (D-2)/2 has the sign of 2 - D: concave in log alpha near the rich limit, D > 2")
    near, exponent = symbols("z", real=True), symbols("p", positive=True)
    h = series((1 - near) ** -exponent - (1 + near) ** -exponent, near, 0, 3).removeO()
    leading = limit((h**2 / h.diff(near) - h.integrate(near)) / near**2, near, 0)
    check.equal(leading, exponent, "at 0: h^2/h' - H = p z^2 + ... > 0: convex in log alpha near the kernel limit")
    return "Q is convex in log alpha at D = 2; for D > 2 convex for large, concave for small alpha"


def tangent(check: Check, design: Matrix) -> str:
    """Differentiate ``beta = a^D h(a^{D-2} X^T nu)``, ``X beta = y`` by ``log alpha``."""
    rate, extra = symbols("D m", positive=True)
    size = design.shape[1]
    W = Matrix.diag(*symbols(f"w:{size}", positive=True))
    nu_speed = Matrix(symbols(f"s:{design.shape[0]}", real=True))
    nu = Matrix(symbols(f"nu:{design.shape[0]}", real=True))
    beta = Matrix(symbols(f"b:{size}", real=True))
    # a^D h' a^(D-2) is W in the dual units theta = X^T nu: d beta = D beta + W X^T (nu' + (D-2) nu)
    speed = rate * beta + W * design.T * (nu_speed + extra * nu)
    gram = design * W * design.T
    solved = -gram.inv() * design * beta * rate - extra * nu
    found = speed.subs(dict(zip(nu_speed, solved, strict=True)), simultaneous=True)
    expected = rate * (beta - W * design.T * gram.inv() * design * beta)
    check(
        (found - expected).applyfunc(simplify).is_zero_matrix,
        "d beta/d log alpha = D (I - W X^T (X W X^T)^-1 X) beta",
    )
    check((design * expected).applyfunc(simplify).is_zero_matrix, "X d beta = 0: it stays a solution")
    return "the part (D-2) nu that a^(D-2) contributes lies in the row space and drops out, with any shape w0"


def moves(check: Check) -> str:
    """The derivative of the minimizer."""
    a, z, theta = symbols("a z theta", positive=True)
    check.equal(powsimp(a**D * a**n), a ** (2 * D - 2), "W = a^(2D-2) h_D'(z) at z = a^(D-2) theta")
    moved = (a**D * curve(a**n * theta)).diff(a) * a
    split = D * a**D * curve(z) + a ** (2 * D - 2) * curve(z).diff(z) * n * theta
    check.equal(
        simplify((moved - split.subs(z, a**n * theta)).subs(n, 1)),
        Integer(0),
        "a d/da: D beta + (D-2) W theta (D = 3)",
    )
    check.equal(simplify((moved - split.subs(z, a**n * theta)).subs(n, 2)), Integer(0), "the same at D = 4")
    return tangent(check, Matrix([[2, 1, 0], [1, -1, 3]]))


def off_support(check: Check) -> str:
    """``beta_i = alpha^D h_D(z_i)`` exactly; at D = 2 with ``theta_i = L g_i (1 + o(1))``."""
    g, L = symbols("g L", positive=True)
    beta = 2 * exp(-L) * sinh(L * g)
    exponent = limit(log(beta.rewrite(exp).subs(g, g / (1 + g))) / L, L, oo)
    check.equal(
        simplify(exponent),
        simplify(g / (1 + g) - 1),
        "log beta_i/L -> -(1 - |g_i|): beta_i = alpha^(2(1-|g_i|) + o(1))",
    )
    z = symbols("z", positive=True)
    inside = curve(z / (1 + z))
    check(limit(inside.subs(n, 1), z, 0) == 0, "D > 2: beta_i/alpha^D = h_D(z_i) -> h_D(g_i), finite for |g_i| < 1")
    return "off the support beta_i ~ alpha^D h_D(g_i) for D > 2, alpha^(2(1-|g_i|)) at D = 2"


def derivative(tries: Search) -> str:
    """The formula against differences of solutions."""
    for rng in tries.draws(60, 10):
        N, d = int(rng.integers(1, 4)), int(rng.integers(4, 8))
        D_ = float(rng.choice([2.0, 2.5, 3.0, 5.0, 11.0]))
        X, w0 = rng.standard_normal((N, d)), rng.uniform(0.5, 2.0, d)
        y, middle, step = X @ rng.standard_normal(d), float(rng.uniform(-3.0, 1.0)) / D_, 1e-4
        ends = [
            ib.interpolate(X, y, ib.Q.from_log_alpha(middle + s, D_, w0), throw=False) for s in (-step, 0.0, step)
        ]
        if not all(end.success for end in ends):
            tries.skip("not converged")
            continue
        found = interpolation_derivative(X, ends[1].beta, ib.Q.from_log_alpha(middle, D_, w0))
        by_difference = (ends[2].beta - ends[0].beta) / (2 * step)
        gap = float(np.linalg.norm(found - by_difference))
        # a second difference of step 1e-4 is off by 1e-8 times the third derivative, of the order D^3
        tries.at_most(
            gap, 1e-7 * D_**3 * float(np.linalg.norm(ends[1].beta)), f"D = {D_}, log alpha = {middle:.3g}"
        )
    return tries.conclude("differences of solutions at log alpha +- 1e-4, shapes w0, D from 2 to 11")


CLAIMS = (
    Claim(
        "new.convex-in-scale",
        "This package",
        "With mu = alpha^D the regularizer Q is jointly convex in the predictor and mu, and decreases in mu.",
        r"Q_\alpha^D(\beta) = \mu\sum_i q_D(\beta_i/\mu), \quad \mu = \alpha^D: \qquad \frac{\partial "
        r"Q}{\partial\mu} = -\sum_i H_D(z_i) < 0",
        Verdict.PROVED,
        (proof(perspective), proof(in_logarithm)),
        remark="In log alpha it is convex at D = 2; for D > 2 it is convex for large alpha and concave for "
        "small alpha.",
    ),
    Claim(
        "new.path-derivative",
        "This package",
        "How the end point moves with the scale of initialization: D times what is left of it after the "
        "projection, in the metric of the Hessian of Q, onto the directions in which Q is stationary.",
        r"\frac{d\beta}{d\log\alpha} = D\left(\beta - W X^\top(XWX^\top)^{-1}X\beta\right), \qquad W = "
        r"(\nabla^2 Q(\beta))^{-1}",
        Verdict.PROVED,
        (proof(moves), search(derivative)),
        remark="It does not depend on the dual variable, and holds with any shape of the initialization.",
    ),
    Claim(
        "new.off-support",
        "This package",
        "Coordinates that vanish in the rich limit, with dual certificate |g_i| < 1 there, are of the order "
        "alpha^D at depth D > 2, and alpha^(2(1-|g_i|)) at D = 2: powers of alpha, so that exponentially small "
        "scales are needed in the worst case only.",
        r"\beta_i \sim \alpha^D h_D(g_i) \;(D > 2), \qquad \beta_i = \alpha^{2(1-|g_i|)+o(1)} \;(D = 2)",
        Verdict.PROVED,
        (proof(off_support),),
        remark="For problems whose l1 minimizer is unique with a strict certificate, so that the dual variable "
        "converges.",
    ),
)
