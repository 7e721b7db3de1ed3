"""``s -> q_D(sqrt s)`` is concave, at every depth: what bounds the Euclidean norm of the minimizer of Q.

Statement. ``h_D(z)/z`` increases in ``z > 0``, hence ``q_D'(t)/t`` decreases and ``q_D(sqrt s)`` is concave in
s. So ``q_D(||t||_2) <= sum_i q_D(t_i) <= d q_D(||t||_2/sqrt d)``, and ``q_D(t) <= t^2/(4p)``, ``p = D/(D-2)``
(``q <= t^2/4`` at D = 2).

Source. Not in the papers; it replaces "finite, hence bounded" in Woodworth et al. (2020), proof of Theorem 3.
"""

from __future__ import annotations

import numpy as np
from sympy import (
    Expr,
    Function,
    Integer,
    Symbol,
    cosh,
    factorial,
    limit,
    rf,
    series,
    simplify,
    sinh,
    sqrt,
    symbols,
)

import implicitbias as ib
from implicitbias.ledger import Check, Claim, Search, Verdict, proof, search

from . import depth

__all__ = ["CLAIMS", "derive", "increasing_ratio"]

p = symbols("p", positive=True)


def power_series(check: Check) -> None:
    """All Taylor coefficients of ``(1-z)^{-p}`` are positive, so those of ``h_D`` are, at odd powers."""
    z, k = symbols("z", real=True), symbols("k", integer=True, nonnegative=True)
    base = symbols("A", positive=True)  # 1 - z, which d/dz turns by -d/dA
    slope = -(base ** (-p - k)).diff(base)
    check.equal(slope, (p + k) * base ** (-p - k - 1), "d/dz (1-z)^(-p-k) = (p+k) (1-z)^(-p-k-1)")
    check.equal(rf(p, k) * (p + k) / rf(p, k + 1), Integer(1), "so the k-th derivative at 0 is p (p+1) ... (p+k-1)")
    check((rf(p, 3) / factorial(3)).expand().is_positive is True, "which is positive")
    even = (1 - z) ** -p - (1 + z) ** -p
    check.equal(even.subs(z, -z), -even, "h_D is odd: h_D(z)/z = sum of 2 C(p+k-1, k) z^(k-1), k odd, increases")


def increasing_ratio(check: Check, curve: Expr, theta: Symbol) -> None:
    """``b(theta)/theta`` increases where ``theta b' - b`` vanishes at 0 and has a positive derivative."""
    gap = theta * curve.diff(theta) - curve
    check(gap.subs(theta, 0) == 0, "theta b' - b = 0 at 0")
    check(simplify(gap.diff(theta)).is_positive is True, "(theta b' - b)' = theta b'' > 0")


def derive(check: Check) -> str:
    """From the curve to the regularizer."""
    power_series(check)
    theta = symbols("theta", positive=True)
    increasing_ratio(check, 2 * sinh(theta), theta)
    s = symbols("s", positive=True)
    q = Function("q")
    u = symbols("u", positive=True)
    slope = q(u).diff(u) / (2 * u)
    check.equal(
        q(sqrt(s)).diff(s).doit(),
        slope.subs(u, sqrt(s)).doit(),
        "d/ds q(sqrt s) = q'(t)/(2t) at t = sqrt s, decreasing",
    )
    # concave and zero at zero: superadditive reversed, q(sqrt(sum s_i)) <= sum q(sqrt s_i); and Jensen from above
    z = symbols("z", real=True)
    first = limit(depth.curve(z).subs(depth.n, 1) / z, z, 0)
    check(first == 6, "h_D(z) >= 2 p z (p = 3 at D = 3), so h_D^{-1}(t) <= t/(2p) and q_D(t) <= t^2/(4p)")
    check.equal(simplify(depth.curve(z).diff(z).subs(z, 0)), 2 * depth.p, "h_D'(0) = 2p for every D")
    check.equal((2 * cosh(theta)).subs(theta, 0), Integer(2), "and 2 at D = 2, where q <= t^2/4")
    return "q_D(||t||_2) <= sum q_D(t_i) <= d q_D(||t||_2/sqrt d), q_D(t) <= t^2/(4p)"


def norms(tries: Search) -> str:
    """The three inequalities at random vectors over many magnitudes, with values of the package."""
    for rng in tries.draws(400, 40):
        d = int(rng.integers(1, 12))
        D = float(rng.choice([2.0, 2.1, 3.0, 4.0, 7.5, 20.0]))
        t = rng.standard_normal(d) * 10 ** rng.uniform(-6, 6, d)
        size = float(np.linalg.norm(t))
        total = float(ib.special.q(t, D).sum())
        tries.at_most(float(ib.special.q(size, D)), total, f"q(||t||), D = {D}", rel=1e-13)
        tries.at_most(total, d * float(ib.special.q(size / np.sqrt(d), D)), f"sum q, D = {D}", rel=1e-13)
        quadratic = size**2 / 4 if D == 2 else size**2 * (D - 2) / (4 * D)
        tries.at_most(total, quadratic, f"t^2/(4p), D = {D}", rel=1e-13)
    return tries.conclude("vectors of length to 11, entries 1e-6 to 1e6, D from 2 to 20")


def elasticity(check: Check) -> str:
    """``H/(z h)`` is a mean of ``1/(k+1)`` with weights ``c_k z^{k+1}``, which move to larger k as z grows."""
    power_series(check)
    z, k = symbols("z k", positive=True)
    c, e = symbols("c_1 c_3", positive=True)
    # two terms, the covariance of any number of them is a sum of such: h = c z + e z^3, H = c z^2/2 + e z^4/4
    h, integral = c * z + e * z**3, c * z**2 / 2 + e * z**4 / 4
    slope = simplify((integral / (z * h)).diff(z))
    check(slope.is_negative is True, "d/dz of the mean is minus a covariance of 1/(k+1) and k+1: H/(z h) falls")
    check((1 / (k + 1)).diff(k).is_negative is True, "as 1/(k+1) falls in k")
    p_ = symbols("p", positive=True)
    near = symbols("z", real=True)
    first = series((1 - near) ** -p_ - (1 + near) ** -p_, near, 0, 3).removeO()
    start = limit(first.integrate(near) / (near * first), near, 0)
    check.equal(start, Integer(1) / 2, "H/(z h) = 1/2 at 0: t q'/q = 1/(1 - H/(z h)) = 2")
    gap = symbols("A", positive=True)
    for value in (1, 2, 5):
        ratio = (depth.curve_integral(1 - gap) / depth.curve(1 - gap)).subs(depth.n, value)
        check(limit(ratio, gap, 0) == 0, f"H/(z h) -> 0 at the other end (D = {value + 2}): t q'/q -> 1")
    return "t q_D'(t)/q_D(t) = 1/(1 - H/(z h)) falls from 2 to 1 for every D >= 2"


CLAIMS = (
    Claim(
        "new.elasticity",
        "This package",
        "The elasticity t q_D'(t)/q_D(t) falls from 2 at t = 0 to 1 at infinity, at every depth; so the ratio "
        "of Q at the first unit vector and at the vector of equal entries increases with alpha for every D, not "
        "only at D = 2.",
        r"\frac{t\,q_D'(t)}{q_D(t)} \searrow, \quad 2 \to 1; \qquad "
        r"\frac{d}{d\alpha}\frac{Q^D_\alpha(e_1)}{Q^D_\alpha(1_d/\sqrt d)} \ge 0",
        Verdict.PROVED,
        (proof(elasticity),),
        remark="At D = 2 the limit 1 is approached like 1/log t.",
    ),
    Claim(
        "new.concave-in-square",
        "This package",
        "q_D is a concave function of the square of its argument, at every real depth D >= 2; so sum q_D(t_i) "
        "lies between the values for a vector with all in one entry and one with equal entries.",
        r"q_D(\|t\|_2) \le \sum_i q_D(t_i) \le d\,q_D(\|t\|_2/\sqrt d), \qquad q_D(t) \le \frac{D-2}{4D}t^2",
        Verdict.PROVED,
        (proof(derive), search(norms)),
        remark="At D = 2 the last bound is t^2/4.",
    ),
)
