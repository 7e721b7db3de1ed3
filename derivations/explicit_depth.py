"""The explicit regularizer at any depth: one scalar equation, where it is convex, and how it grows.

Statement. For real ``D > 2``, ``R(beta) = min ||w - alpha w0||^2 s.t. w_+^D - w_-^D = beta, w >= 0`` is
``sum a_i^2 r_D(beta_i/a_i^D)``, ``a_i = alpha w0_i``, and for z > 0

    r_D(z) = x^2 + y^2,   x (1+x)^{1-D} = y (1-y)^{1-D} = mu,   (1+x)^D - (1-y)^D = z,   x >= y in (0, 1),

with one solution. ``r_D' = 2 mu/D``, and r_D is convex where ``x <= 1/(D-2)`` and concave beyond:
``r_D ~ z^2/(2 D^2)`` at 0 and ``~ z^{2/D}`` at infinity. It grows slower than any linear function: its conjugate
is 0 at 0 and infinite elsewhere. ``dR/dalpha = -2 alpha (x - y)``.

Source. Woodworth et al. (2020), Section 4 (8)-(9) and Section 5 (10), which have D = 2 and alpha = 0.
"""

from __future__ import annotations

from typing import Any

from sympy import (
    QQ,
    Expr,
    Integer,
    Rational,
    expand_log,
    limit,
    log,
    oo,
    powsimp,
    ring,
    simplify,
    solve,
    symbols,
)
from sympy.polys.ring_series import rs_mul

from implicitbias.ledger import Check, Claim, Verdict, proof

from .depth import D, n

__all__ = ["CLAIMS", "coefficients", "derive", "multiplier", "slope_of_constraint"]

x, y, z = symbols("x y z", positive=True)
PRINTED_ORDERS = (2, 4, 6)


def multiplier(excess: Expr) -> Expr:
    """``mu = excess (1 + excess)^{1-D}``, for ``excess = x`` and, but for the sign, for ``-y``."""
    return excess * (1 + excess) ** (1 - D)


def stationarity(check: Check) -> None:
    """Lagrange's conditions, the slope of the least cost, and its dependence on alpha."""
    a, b, m, alpha = symbols("a b m alpha", positive=True)
    cost, predictor = (a - 1) ** 2 + (b - 1) ** 2, a**D - b**D
    for weight, sign in ((a, 1), (b, -1)):
        equation = (cost - m * predictor).diff(weight)
        check.equal(
            solve(equation, m)[0],
            2 * sign * (weight - 1) * weight ** (1 - D) / D,
            f"stationary in {weight}: m = 2 mu/D, mu = {'' if sign == 1 else '-'}({weight} - 1) {weight}^(1-D)",
        )
    scaled = (alpha * a - alpha) ** 2 + (alpha * b - alpha) ** 2
    check.equal(scaled, alpha**2 * cost, "R = alpha^2 r_D(beta/alpha^D): weights in units of alpha")
    check.equal((alpha * a) ** D - (alpha * b) ** D, alpha**D * predictor, "and the predictor in units of alpha^D")
    # at the minimum the constraint, free of alpha, contributes nothing: dR/dalpha is that of ||w - alpha||^2
    v, w = symbols("v w", positive=True)
    moved = ((v - alpha) ** 2 + (w - alpha) ** 2).diff(alpha)
    check.equal(
        moved.subs({v: alpha * (1 + x), w: alpha * (1 - y)}), -2 * alpha * (x - y), "dR/dalpha = -2 alpha (x - y)"
    )
    check.equal(
        (a + 1) ** 2 - (a - 1) ** 2, 4 * a, "a negative weight of even D costs more than its absolute value"
    )
    # for other D a negative w_- = -v makes a smaller, a^D + v^D = z; but a^2 + v^2 >= z^(2/D) and a <= z^(1/D)
    root = symbols("Z", positive=True)  # z^(1/D)
    worse = (a - 1) ** 2 + (v + 1) ** 2 - ((root - 1) ** 2 + 1)
    check.equal(worse, (a**2 + v**2 - root**2) + 2 * (root - a) + 2 * v, "and w_- = 0 costs less than w_- < 0")


def slope_of_constraint(check: Check) -> Expr:
    """Derivative of z along ``A = a^D - 1``, ``E = 1 + dB/dA``, with ``B = 1 - b^D`` at equal multipliers."""
    log_x = expand_log(log(multiplier(x)), force=True)
    log_y = log(y) - (D - 1) * log(1 - y)
    rate_x, rate_y = simplify(log_x.diff(x)), simplify(log_y.diff(y))
    check.equal(
        rate_x, (1 - n * x) / (x * (1 + x)), "dlog mu/dx = (1 - (D-2) x)/(x (1+x)): one maximum, x = 1/(D-2)"
    )
    check.equal(
        rate_y, (1 + n * y) / (y * (1 - y)), "dlog mu/dy = (1 + (D-2) y)/(y (1-y)) > 0: y is a function of x"
    )
    A_x, B_y = D * (1 + x) ** (D - 1), D * (1 - y) ** (D - 1)
    check.equal(((1 + x) ** D).diff(x), A_x, "dA/dx")
    check.equal((-((1 - y) ** D)).diff(y), B_y, "dB/dy")
    E = 1 + (y / x) * (1 - y) ** D * (1 - n * x) / ((1 + x) ** D * (1 + n * y))
    check.equal(
        simplify(powsimp(B_y / rate_y * rate_x / A_x - (E - 1))), Integer(0), "E = 1 + (y/x) ((1-y)/(1+x))^D ..."
    )
    return E


def unique(check: Check) -> None:
    """One stationary point, as z increases with x: at ``x = t/(D-2)``, ``E - 1 >= -(t-1)/(1+x)^{2D-1}``."""
    # y/x = ((1-y)/(1+x))^(D-1) where the multipliers are equal
    check.equal(
        multiplier(x) / (y * (1 - y) ** (1 - D)) * (y / x),
        (1 + x) ** (1 - D) * (1 - y) ** (D - 1),
        "equal multipliers: y/x = ((1-y)/(1+x))^(D-1), so x >= y and E - 1 carries ((1-y)/(1+x))^(2D-1)",
    )
    t = symbols("t", positive=True)
    k = 2 * D - 1
    bernoulli = (1 + x) ** k - 1 - k * x
    check.equal(bernoulli.subs(x, 0), Integer(0), "(1+x)^(2D-1) - 1 - (2D-1) x vanishes at 0")
    check.equal(bernoulli.diff(x).subs(x, 0), Integer(0), "and so does its slope")
    check(bool(simplify(bernoulli.diff(x, 2)).is_positive), "and it is convex: (1+x)^(2D-1) >= 1 + (2D-1) x")
    # hence E >= 1 - (t-1)/(1 + (2D-1) t/(D-2)) > 1 - t/(1 + 2t) > 1/2
    bound = simplify(1 + k * t / n - (1 + 2 * t))
    check(bool(bound.is_positive), "(2D-1) x = (2D-1) t/(D-2) > 2t")
    check(
        bool(simplify(Rational(1, 2) - (t - 1) / (1 + 2 * t)).is_positive),
        "so E > 1/2 where t > 1, and E >= 1 elsewhere",
    )


def curvature(check: Check, E: Expr) -> None:
    """``r'' = (2/D) dmu/dz`` and its sign."""
    A_x = D * (1 + x) ** (D - 1)
    slope = 2 * multiplier(x) / D
    second = simplify(slope.diff(x) / A_x)
    expected = 2 * (1 + x) ** (1 - 2 * D) * (1 - n * x) / D**2
    check.equal(powsimp(second / expected).simplify(), Integer(1), "r'' = (2/D^2) (1+x)^(1-2D) (1 - (D-2) x)/E")
    check(
        solve(1 - n * x, x) == [1 / n], "r'' > 0 for x < 1/(D-2) and r'' < 0 beyond: convex up to z*, then concave"
    )
    check.equal(E.subs(x, 1 / n), Integer(1), "E = 1 there")
    greatest = powsimp(multiplier(1 / n).subs(n, 1))
    check.equal(greatest, Rational(1, 4), "D = 3: mu* = 1/4 at x* = 1")
    roots = solve(y - greatest * (1 - y) ** 2, y)
    at = [root for root in roots if 0 < root < 1]
    check(len(at) == 1, "y* from y = (1-y)^2/4")
    radius = 2**3 - (1 - at[0]) ** 3
    check(
        abs(radius.evalf(20) - Rational("7.4314575050761980479")) < Rational(1, 10**15), "z* = 7.4314575 at D = 3"
    )


def coefficients(depth: Rational, order: int = 8) -> list[Rational]:
    """Coefficients of ``z^2, z^4, z^6`` in r_D, from the series of y and z in x at a given depth."""
    polynomials, small = ring("e", QQ)
    exponent = QQ(depth.p, depth.q)

    def product(left: Any, right: Any) -> Any:
        return rs_mul(left, right, small, order)

    def power(base: Any, exponent: Any) -> Any:
        """``(1 + base)^exponent`` by the binomial series."""
        total = term = polynomials.one
        for k in range(1, order):
            term = product(term, base) * ((exponent - k + 1) / QQ(k))
            total += term
        return total

    right = product(small, power(small, 1 - exponent))
    found = small
    for _ in range(order):
        found = product(right, power(-found, exponent - 1))
    z_of_x = power(small, exponent) - power(-found, exponent)
    rest, square = product(small, small) + product(found, found), product(z_of_x, z_of_x)
    result, even = [], square
    for k in PRINTED_ORDERS:
        coefficient = rest.coeff(small**k) / even.coeff(small**k)
        rest -= coefficient * even
        even = product(even, square)
        result.append(Rational(coefficient.numerator, coefficient.denominator))
    if rest:
        raise ArithmeticError(f"r is not even in z: {rest} is left")
    return result


def ends(check: Check) -> None:
    """Series at 0, growth at infinity, conjugate."""
    for depth in (Integer(3), Rational(5, 2), Integer(7)):
        expected = [
            1 / (2 * depth**2),
            -(depth - 1) * (4 * depth - 5) / (24 * depth**4),
            (depth - 1) * (2 * depth - 1) * (158 * depth**2 - 393 * depth + 244) / (2880 * depth**6),
        ]
        check(coefficients(depth) == expected, f"r = z^2/(2D^2) - (D-1)(4D-5) z^4/(24 D^4) + ... at D = {depth}")
    # a^D lies between z and z + 1, and y <= mu -> 0
    big = symbols("Z", positive=True)  # z^(1/D)
    check(limit(multiplier(x).subs(n, 1), x, oo) == 0, "mu -> 0 and y <= mu: only x remains")
    check(limit((big - 1) ** 2 / big**2, big, oo) == 1, "r ~ (z^(1/D) - 1)^2 ~ z^(2/D)")
    slope = symbols("theta", positive=True)
    check(
        limit(slope * big**3 - big**2, big, oo) == oo,
        "theta z - r is unbounded for theta != 0: no finite conjugate",
    )
    check(limit(multiplier(x).subs(n, 0), x, oo) == 1, "at D = 2, mu -> 1: there the conjugate is finite up to 1")


def derive(check: Check) -> str:
    """Lagrange, one solution, curvature, ends."""
    stationarity(check)
    E = slope_of_constraint(check)
    unique(check)
    curvature(check, E)
    ends(check)
    return "r_D = x^2 + y^2, x (1+x)^(1-D) = y (1-y)^(1-D), convex for x <= 1/(D-2), ~ z^(2/D)"


def no_implicit_twin(check: Check) -> str:
    """``r_D`` is concave far out, and every ``q_{D'}`` is convex."""
    curvature(check, slope_of_constraint(check))
    ratio = expand_log(log(multiplier(x) * x**n), force=True) - (1 + n) * (log(x) - log(1 + x))
    check.equal(ratio, Integer(0), "x^(D-2) mu = (x/(1+x))^(D-1) < 1: r_D' = 2 mu/D < 2 x^(2-D)/D -> 0")
    # a convex even function with a positive slope somewhere grows at least linearly
    return "r_D is no rescaled q_D' for any D > 2, D' >= 2: it is not convex, and its slope tends to 0"


_PAPER = "Woodworth et al. (2020), Section 5"
CLAIMS = (
    Claim(
        "woodworth.section-5-explicit",
        f"{_PAPER}, equation (10) and below Theorem 3",
        "At depth D the explicit regularizer, the least squared norm of weights with predictor beta = w_+^D - "
        "w_-^D (start 0), is the sum of |beta_i|^(2/D): not the l1 norm to which the implicit bias tends.",
        r"\min\{\|w\|^2 : w_+^D - w_-^D = \beta\} = \sum_i |\beta_i|^{2/D}",
        Verdict.PROVED,
        (proof(derive),),
        remark="With w_- = 0 where beta is positive the cost is |beta|^(2/D), and any w_- > 0 needs a larger "
        "w_+. From alpha > 0 the regularizer is alpha^2 sum r_D(beta_i/alpha^D) with r_D ~ z^(2/D).",
    ),
    Claim(
        "new.explicit-depth",
        "This package",
        "The explicit regularizer from alpha > 0 at real depth D > 2 solves one scalar equation, is convex near "
        "0 and concave beyond a radius, grows like |z|^(2/D), and so is not the implicit regularizer of any depth.",
        r"r_D(z) = x^2+y^2,\; x(1+x)^{1-D} = y(1-y)^{1-D},\; (1+x)^D-(1-y)^D = z; \qquad r_D \neq "
        r"c\,q_{D'}(\cdot/s) \text{ for } D > 2",
        Verdict.PROVED,
        (proof(derive), proof(no_implicit_twin)),
        remark="The identity r = q_4 is particular to depth 2.",
    ),
)
