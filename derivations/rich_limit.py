"""The rich limit ``alpha -> 0``: the l1 norm, with a rate, and which l1 minimizer where there are several.

Statement. For ``t >= 0`` and real ``D > 2``, with ``c_D = (D-2)(1 - 2^{-D/(D-2)})``,

    t - (D/2) t^{2/D} <= q_D(t) <= min(t, t - (D/2) t^{2/D} + c_D);

at D = 2, ``z log z - z <= q(z) <= z log z - z + 2``. Hence ``beta_alpha`` tends to the minimizers of the l1
norm, and among them to the one of largest ``sum |b_i|^{2/D}``, or of least ``sum |b_i| log|b_i|`` at D = 2.

Method. ``Q(beta_alpha) <= Q(b)`` for every other solution b, and the bounds on both sides.

Source. Woodworth et al. (2020), Theorem 3, eqs. (61), (62).
"""

from __future__ import annotations

import numpy as np
from sympy import Integer, Symbol, asinh, expand_log, limit, log, oo, powsimp, simplify, sqrt, symbols

import implicitbias as ib
from implicitbias.ledger import Check, Claim, Search, Verdict, proof, search

from . import asymptotics
from .depth import D, curve, curve_integral, n, p

__all__ = ["CLAIMS", "bounds", "selection"]

A, x = symbols("A x", positive=True)


def bounds(check: Check) -> str:
    """``f = q_D(t) - t + (D/2) t^{2/D}`` increases from 0 to ``c_D``."""
    t = symbols("t", positive=True)
    # f' = z - 1 + t^{2/D - 1} = t^{-1/p} - A with A = 1 - z, and t = A^{-p} - (2-A)^{-p} < A^{-p}
    slope = (D / 2 * t ** (2 / D)).diff(t)
    exponent = simplify(slope / t ** (-1 / p))
    check.equal(exponent, Integer(1), "d/dt (D/2) t^(2/D) = t^(-1/p), p = D/(D-2)")
    check.equal(A**-p - curve(1 - A), (2 - A) ** -p, "h_D(1-A) = A^-p - (2-A)^-p < A^-p, so t^(-1/p) > A: f' > 0")
    at_zero = (1 - x) * 0 - curve_integral(Integer(0))
    check.equal(at_zero, Integer(0), "f(0) = 0, hence q_D >= t - (D/2) t^(2/D)")
    q = (1 - A) * curve(1 - A) - curve_integral(1 - A)
    rest = powsimp((q - curve(1 - A) + D / 2 * A ** (-2 / n)).expand())
    constant = (D - 2) * (1 - 2**-p)
    check.equal(rest.subs(A, 0), constant, "f -> (D-2)(1 - 2^(-p)) as t -> oo (depth_limits: t^(2/D) A^(2/n) -> 1)")
    check.equal(p * (1 - 2 / D), Integer(1), "t^(2/D) = o(t); and q_D' = z < 1 gives q_D <= t")
    return "t - (D/2) t^(2/D) <= q_D(t) <= min(t, t - (D/2) t^(2/D) + (D-2)(1 - 2^(-D/(D-2))))"


def at_two(check: Check) -> str:
    """``e = z log z - z + 2 - q`` falls from 2 to 0."""
    asymptotics.large(check)
    z = symbols("z", positive=True)
    e = z * log(z) - z + 2 - asymptotics.q(z)
    check(limit(e, z, 0) == 2, "e(0) = 2, and e decreases: 0 <= e <= 2")
    return "z log z - z <= q(z) <= z log z - z + 2"


def scaled_terms(check: Check, alpha: Symbol, b: Symbol) -> None:
    """The terms of Q for one coordinate of size b."""
    mu = alpha**D
    term = powsimp(expand_log(log(mu * D / 2 * (b / mu) ** (2 / D)), force=True).expand())
    expected = log(D / 2) + n * log(alpha) + 2 / D * log(b)
    check.equal(
        simplify(term - expand_log(expected, force=True)),
        Integer(0),
        "alpha^D (D/2) (b/alpha^D)^(2/D) = (D/2) alpha^(D-2) b^(2/D)",
    )


def selection(check: Check) -> str:
    """Compare the minimizer with any other solution, and with any l1 minimizer."""
    alpha, b, L = symbols("alpha b L", positive=True)
    bounds(check)
    at_two(check)
    scaled_terms(check, alpha, b)
    # D > 2, any solution b: ||beta||_1 - (D/2) alpha^(D-2) sum |beta_i|^(2/D) <= Q(beta) <= Q(b) <= ||b||_1
    size = symbols("s", positive=True)
    growth = size - alpha * size ** (2 / D)
    check(
        limit(growth.subs(n, 1), size, oo) == oo,
        "so beta_alpha stays bounded (2/D < 1), and limit points minimize ||.||_1",
    )
    # b an l1 minimizer: ||beta||_1 >= ||b||_1, so sum |beta_i|^(2/D) >= sum |b_i|^(2/D) - (2/D) d c_D alpha^2
    c = (D - 2) * (1 - 2**-p)
    gain = powsimp(alpha**D * c / (D / 2 * alpha**n))
    check.equal(
        simplify(gain / alpha**2),
        simplify(2 * c / D),
        "(D/2) alpha^(D-2) [sum|b|^(2/D) - sum|beta|^(2/D)] <= d c_D alpha^D",
    )
    check(limit(alpha**2, alpha, 0) == 0, "so limit points have the largest sum |b_i|^(2/D) among l1 minimizers")
    check(
        bool((2 / D * (1 - 2 / D)).is_positive),
        "b^(2/D) is strictly concave on an orthant, where l1 minimizers lie: one such",
    )
    # D = 2: L (||beta||_1 - ||b||_1) + E(beta) <= E(b) + 2 d alpha^2, E(b) = sum |b_i| log|b_i| - |b_i|
    entropy = b * log(b) - b
    check(
        entropy.diff(b, 2).is_positive is True, "D = 2: sum |b_i| log|b_i| - |b_i| is strictly convex on an orthant"
    )
    check(
        limit(2 / L, L, oo) == 0, "dividing by L = log(1/alpha^2) -> oo leaves the l1 norm first, then the entropy"
    )
    check.equal(
        simplify(asinh(b / 2).diff(b) * sqrt(4 + b**2)), Integer(1), "(Q strictly convex: beta_alpha is unique)"
    )
    return "beta_alpha -> the l1 minimizer of largest sum |b_i|^(2/D) (D > 2), least sum |b_i| log|b_i| (D = 2)"


def ties(tries: Search) -> str:
    """Equal columns: every split of the sum over them has the least l1 norm; and two rows that share a column."""
    for rng in tries.draws(40, 8):
        d = int(rng.integers(2, 5))
        D = float(rng.choice([2.0, 2.5, 3.0, 4.0, 8.0]))
        # one row of ones, and one more that ties the first two columns together in a ratio
        ratio = float(rng.uniform(0.5, 2.0))
        X = np.ones((1, d))
        y = np.array([ratio])
        found = ib.interpolate(X, y, ib.Q("1e-60", D), throw=False)
        if not found.success:
            tries.skip(found.status.name)
            continue
        # all splits have l1 norm y; the largest sum of powers, and the least entropy, is the even split
        gap = float(np.abs(found.beta - ratio / d).max()) / ratio
        tries.at_most(gap, 1e-9, f"d = {d}, D = {D}")
        X = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
        y = np.array([1.0, ratio])
        least = float(np.abs(ib.interpolate(X, y, ib.Q("1e-80", D)).beta).sum())
        tries.at_most(least, max(1.0, ratio), f"two rows, ratio {ratio:.3g}", rel=1e-6 if D > 2.4 else 2e-2)
    return tries.conclude("equations with many l1 minimizers, alpha = 1e-60, D from 2 to 8")


CLAIMS = (
    Claim(
        "woodworth.theorem-3-rich-limit",
        "Woodworth et al. (2020), Theorem 3, equations (61), (62)",
        "As alpha tends to 0 the end point of training at depth D > 2 tends to the minimizer of the l1 norm "
        "among the solutions of X beta = y. The printed proof takes limits of beta and nu that need not exist.",
        r"\lim_{\alpha\to 0} \beta_{\alpha,D}^\infty = \beta^*_{\ell_1}",
        Verdict.GAP,
        (proof(selection),),
        remark="Proved here without limits of nu: Q lies between the l1 norm and the l1 norm minus (D/2) "
        "alpha^(D-2) sum |beta_i|^(2/D). Where the l1 minimizer is not unique the limit is a particular "
        "one: new.rich-selection.",
    ),
    Claim(
        "new.rich-selection",
        "This package",
        "Where several solutions have the least l1 norm, the end point tends, as alpha tends to 0, to the one "
        "of largest sum of |b_i|^(2/D) at depth D > 2, and of least sum of |b_i| log|b_i| at D = 2.",
        r"\lim_{\alpha\to 0}\beta_\alpha^\infty = \operatorname{argmax}_{b \in "
        r"\operatorname{argmin}\|\cdot\|_1} \sum_i |b_i|^{2/D}",
        Verdict.PROVED,
        (proof(selection), search(ties)),
    ),
    Claim(
        "new.q-at-infinity",
        "This package",
        "Bounds of q_D for all t >= 0 that give the rate at which Q^D approaches the l1 norm as alpha tends to "
        "0: alpha^(D-2) for D > 2, against 1/log(1/alpha^2) at D = 2.",
        r"0 \le \|\beta\|_1 - Q_\alpha^D(\beta) \le \frac D2\alpha^{D-2}\sum_i|\beta_i|^{2/D}",
        Verdict.PROVED,
        (proof(bounds), proof(at_two)),
        remark="With c_D = (D-2)(1 - 2^(-D/(D-2))) the second bound is within d c_D alpha^D of the truth.",
    ),
)
