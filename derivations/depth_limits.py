"""The ends of q_D: small and large argument, D -> 2 and D -> infinity, and the norms they stand for.

Statement. With ``p = D/(D-2)``, for real ``D > 2``:

    q_D(t) = t^2/(4p) - (p+1)(p+2) t^4/(192 p^3) + ...                                  t -> 0
    q_D(t) = t - (D/2) t^{2/D} + (D-2)(1 - 2^{-D/(D-2)}) + o(1)                         t -> infinity
    p q_D(t) -> 2 - sqrt(4 + t^2) + t asinh(t/2)                                        D -> 2
    q_D(t) -> sqrt(1 + t^2) - 1 - log((1 + sqrt(1 + t^2))/2)                            D -> infinity

so that, up to a factor, ``Q -> sum beta_i^2/w0_i^{2(D-1)}`` as ``alpha -> infinity`` and
``Q -> sum w0_i^{2-D} |beta_i|`` as ``alpha -> 0``.

Source. Woodworth et al. (2020), Theorem 3 and its proof, eqs. (61)-(66), for ``w0 = 1``; the expansions are
not there. For a shape that is not uniform the rich limit at ``D > 2`` is a *weighted* l1 norm, unlike at
``D = 2``.
"""

from __future__ import annotations

from sympy import (
    Expr,
    asinh,
    cosh,
    exp,
    expand,
    integrate,
    limit,
    log,
    oo,
    powsimp,
    series,
    simplify,
    sinh,
    solve,
    sqrt,
    symbols,
)

from implicitbias.ledger import Check, Claim, Verdict, proof

from .depth import D, curve, curve_integral, n, p
from .radicals import inverse_infinite

__all__ = ["CLAIMS", "derive", "slope_at_two"]

# Near D = 2 and D = infinity the exponent p = D/(D-2) is the natural variable; (D-2)/2 = 1/(p-1).
A, P, t = symbols("A P t", positive=True)
alpha, beta, w0 = symbols("alpha beta w0", positive=True)
HYPENTROPY = 2 - sqrt(4 + t**2) + t * asinh(t / 2)


def small_argument(check: Check) -> None:
    """Revert the Taylor series of ``h_D`` and integrate it."""
    z, first, third = symbols("z c1 c3")
    curve = series((1 - z) ** -P - (1 + z) ** -P, z, 0, 5).removeO()
    check.equal(curve.coeff(z, 1), 2 * P, "h_D(z) = 2 p z + ..., eq. (65)")
    inverse = first * t + third * t**3
    back = (expand(curve.subs(z, inverse)) - t).expand()
    (found,) = solve([back.coeff(t, 1), back.coeff(t, 3)], [first, third], dict=True)
    small = integrate(inverse.subs(found), (t, 0, t))
    check.equal(
        small,
        t**2 / (4 * P) - (P + 1) * (P + 2) * t**4 / (192 * P**3),
        "q_D = t^2/(4p) - (p+1)(p+2) t^4/(192 p^3)",
    )
    check.equal(
        limit(expand(P * small), P, oo),
        series(HYPENTROPY, t, 0, 6).removeO(),
        "p q_D has the Taylor polynomial of the hypentropy at D = 2",
    )

    a = alpha * w0
    quadratic = alpha**n * a**2 * (t**2 / (4 * P)).subs(t, beta / a**D)
    weight = powsimp(simplify(4 * P * alpha**D * quadratic / beta**2), force=True)
    check.equal(weight, w0 ** (-2 * (D - 1)), "alpha -> oo: 4 p alpha^D Q -> sum beta_i^2/w0_i^(2(D-1))")


def large_argument(check: Check) -> None:
    """Expand in ``A = 1 - z -> 0``, exactly as far as the terms that do not vanish."""
    argument, z = curve(1 - A), 1 - A
    check.equal(expand(A**p * argument).subs(A, 0), 1, "t A^p -> 1: h_D^{-1} = 1 - t^(-(D-2)/D) + ...")
    q = z * argument - curve_integral(z)
    rest = powsimp(expand(q - argument + D / 2 * A ** (-2 / n)))
    constant = (D - 2) * (1 - 2**-p)
    check.equal(rest.subs(A, 0), constant, "q_D - t + (D/2) A^(1-p) -> (D-2)(1 - 2^(-p)) as A -> 0")

    # t^{2/D} = A^{1-p} (1 - X)^{2/D} with X = (A/B)^p, B = 2 - A, which is A^{1-p} up to A^{1-p} X times
    # a bounded factor.
    x, below = symbols("X B", positive=True)
    check.equal(2 / D * p, p - 1, "(A^-p)^(2/D) = A^(1-p)")
    check(limit((1 - (1 - x) ** (2 / D)) / x, x, 0) == 2 / D, "(1 - (1-X)^(2/D))/X is bounded as X -> 0")
    check.equal(
        A ** (1 - p) * (A**p * below**-p), A * below**-p, "A^(1-p) X = A B^-p -> 0, so A^(1-p) may be t^(2/D)"
    )

    a = alpha * w0
    leading, next_term = (
        powsimp(expand(alpha**n * a**2 * term.subs(t, beta / a**D), power_base=True), force=True)
        for term in (t, D / 2 * t ** (2 / D))
    )
    check.equal(leading, w0**-n * beta, "alpha -> 0: Q -> sum w0_i^(2-D) |beta_i|, weighted unless w0 is uniform")
    check.equal(next_term, alpha**n * D / 2 * beta ** (2 / D), "next: -(D/2) alpha^(D-2) |beta|^(2/D), free of w0")


def slope_at_two(check: Check) -> Expr:
    """Let ``D -> 2`` in the conjugate of ``p q_D``; return ``d(p q_D(t))/dD`` there."""
    zeta, small = symbols("zeta epsilon", positive=True)
    # p q_D(t) = max over zeta of zeta t - p H_D(zeta/p), and (D-2)/2 = 1/(p-1).
    scaled = P / (P - 1) * ((1 - zeta / P) ** (1 - P) + (1 + zeta / P) ** (1 - P) - 2)
    same = (p * curve_integral(zeta / p)).subs(n, 2 / (P - 1))
    check.equal(scaled, same.simplify(), "p H_D(zeta/p), written with p")
    check.equal(limit(scaled, P, oo), 2 * cosh(zeta) - 2, "it tends to 2 cosh(zeta) - 2, the conjugate at D = 2")
    at_curve = (zeta * t - 2 * cosh(zeta) + 2).subs(zeta, asinh(t / 2))
    check.equal(at_curve, HYPENTROPY, "whose transform is the hypentropy: (D/(D-2)) q_D -> q, so q_D itself -> 0")
    first = series(scaled.subs(P, 1 / small), small, 0, 2).removeO().coeff(small, 1)
    expected = (zeta**2 + 2) * cosh(zeta) - 2 * zeta * sinh(zeta) - 2
    check.equal(first, expected.rewrite(exp), "next order of the conjugate in 1/p")
    # By the envelope theorem q changes by minus the change of its conjugate; 1/p = (D-2)/2 + O((D-2)^2).
    return (-expected / 2).subs(zeta, asinh(t / 2))


def infinite_depth(check: Check) -> None:
    """Let ``D -> infinity``, that is ``p -> 1``."""
    z = inverse_infinite(t)
    below = symbols("B", positive=True)
    both = limit((A ** (1 - P) - 1) / (P - 1), P, 1) + limit((below ** (1 - P) - 1) / (P - 1), P, 1)
    check.equal(both, -log(A) - log(below), "H_D -> -log(1 - z) - log(1 + z) = -log(1 - z^2)")
    root = sqrt(1 + t**2)
    check.equal(1 - z**2, 2 / (1 + root), "1 - z^2 at z = h_inf^{-1}(t)")
    q = z * t + log(2 / (1 + root))
    check.equal(q, root - 1 - log((1 + root) / 2), "q_inf = sqrt(1 + t^2) - 1 - log((1 + sqrt(1 + t^2))/2)")
    check.equal(q.diff(t), z, "whose derivative is h_inf^{-1}")


def derive(check: Check) -> str:
    """Expand at the four ends."""
    small_argument(check)
    large_argument(check)
    slope = slope_at_two(check)
    at_five = slope.subs(t, 5).evalf(4)
    infinite_depth(check)
    return f"l2 and weighted l1 ends; (D/(D-2)) q_D = q + k (D-2) + ..., k = {at_five} at t = 5; q_inf closed"


_PAPER = "This package"
CLAIMS = (
    Claim(
        "new.q-at-zero",
        _PAPER,
        "The expansion of q_D at 0, for every real depth: a square, and the first correction to it.",
        r"q_D(t) = \frac{t^2}{4p} - \frac{(p+1)(p+2)}{192p^3}t^4 + \ldots, \qquad p = \frac{D}{D-2}",
        Verdict.PROVED,
        (proof(derive),),
    ),
    Claim(
        "new.depth-to-two",
        _PAPER,
        "As D falls to 2, q_D itself tends to 0, and D/(D-2) times it to the hypentropy; the difference is of "
        "the order D - 2.",
        r"\frac{D}{D-2}q_D(t) \to 2-\sqrt{4+t^2}+t\operatorname{arcsinh}\frac t2 \quad (D \to 2)",
        Verdict.PROVED,
        (proof(derive),),
        remark="At t = 5 the difference is -1.227 (D-2) to first order.",
    ),
    Claim(
        "new.depth-to-infinity",
        _PAPER,
        "As D grows with alpha^D fixed, q_D tends to a function in closed form.",
        r"q_\infty(t) = \sqrt{1+t^2} - 1 - \log\frac{1+\sqrt{1+t^2}}{2}, \qquad h_\infty^{-1}(t) = "
        r"\frac{\sqrt{1+t^2}-1}{t}",
        Verdict.PROVED,
        (proof(derive),),
    ),
    Claim(
        "new.shaped-limits",
        _PAPER,
        "With a shape w0 the limits at depth D are weighted norms: squares with weights w0^(-2(D-1)) in the "
        "kernel limit, and at D > 2, unlike at D = 2, the l1 norm with weights w0^(2-D) in the rich one.",
        r"Q \sim \sum_i \beta_i^2/w_{0,i}^{2(D-1)} \;(\alpha\to\infty), \qquad Q \to \sum_i "
        r"w_{0,i}^{2-D}|\beta_i| \;(\alpha\to 0)",
        Verdict.PROVED,
        (proof(derive),),
    ),
)
