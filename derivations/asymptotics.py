"""The hypentropy at small and at large argument, with bounds of what is left out, and the forms (6) and (7).

Statement. For all real z, ``z^2/4 - z^4/192 <= q(z) <= z^2/4``; for z > 0,

    0 <= z log z - z + 2 - q(z) <= 1/z.

Hence (6) with error ``sum beta_i^4/(48 alpha^4 w0_i^6)`` after multiplication by ``4 alpha^2``, and (7) with the
terms that it leaves to its error written out.

Source. Woodworth et al. (2020), Section 4, eqs. (6), (7) and the lines above them.
"""

from __future__ import annotations

import mpmath
from sympy import (
    Expr,
    I,
    Integer,
    Rational,
    asinh,
    exp,
    expand,
    expand_log,
    limit,
    log,
    oo,
    pi,
    series,
    simplify,
    sinh,
    sqrt,
    symbols,
)

from implicitbias.ledger import Check, Claim, Correction, Refutation, Verdict, counterexample, proof

__all__ = ["CLAIMS", "large", "q", "small"]

z = symbols("z", positive=True)


def q(argument: Expr) -> Expr:
    """The hypentropy as printed."""
    return 2 - sqrt(4 + argument**2) + argument * asinh(argument / 2)


def small(check: Check, quartic: Rational = Rational(1, 192)) -> str:  # noqa: B008 (a SymPy number is immutable)
    """Both bounds by two derivatives: ``q'' = 1/sqrt(4 + z^2)``."""
    check.equal(q(z).diff(z, 2), 1 / sqrt(4 + z**2), "q'' = 1/sqrt(4 + z^2) <= 1/2, hence q <= z^2/4")
    for value in (q(z), q(z).diff(z)):
        check(limit(value, z, 0) == 0, "q(0) = q'(0) = 0, so bounds of q'' may be integrated twice; q is even")
    lower = (z**2 / 4 - quartic * z**4).diff(z, 2)
    # lower <= q'': where lower is positive, its square times (4 + z^2) is at most 1
    gap = expand(1 - lower**2 * (4 + z**2))
    w = symbols("w", positive=True)  # z^2 = 8/(1+w), up to where lower turns negative
    check.equal(lower, Rational(1, 2) - z**2 / 16, "(z^2/4 - z^4/192)'' = 1/2 - z^2/16")
    inside = simplify((gap / z**4).subs(z, sqrt(8 / (1 + w))))
    check(inside.is_positive is True, "(1/2 - z^2/16)^2 (4 + z^2) < 1 for 0 < z^2 < 8; beyond, 1/2 - z^2/16 <= 0")
    return "z^2/4 - z^4/192 <= q(z) <= z^2/4 for all real z"


def large(check: Check) -> str:
    """The remainder ``e = z log z - z + 2 - q`` falls to 0, and slower than 1/z does."""
    e = z * log(z) - z + 2 - q(z)
    check(limit((e * z).rewrite(log), z, oo) == 1, "z e -> 1, so e = 1/z + ..., and e -> 0")
    check.equal(simplify(e.diff(z)), log(z) - asinh(z / 2), "e' = log z - asinh(z/2)")
    x = symbols("x", positive=True)  # 1/z^2
    inner = (1 + sqrt(1 + 4 * x)) / 2
    grown = simplify((z * inner.subs(x, z**-2)) ** 2 - (z / 2 + sqrt(1 + z**2 / 4)) ** 2)
    check.equal(grown, Integer(0), "asinh(z/2) = log z + log c, c = (1 + sqrt(1 + 4/z^2))/2")
    check.equal(expand((2 * inner - 1) ** 2 - 1), 4 * x, "c > 1: e' < 0, so e > 0")
    check.equal(expand((1 + 2 * x) ** 2 - (1 + 4 * x)), 4 * x**2, "c <= 1 + 1/z^2, so log c <= 1/z^2")
    slope = simplify((e - 1 / z).diff(z) - (z**-2 + log(z) - asinh(z / 2)))
    check.equal(slope, Integer(0), "(e - 1/z)' = 1/z^2 - log c >= 0 and e - 1/z -> 0: e <= 1/z")
    return "0 <= z log z - z + 2 - q(z) <= 1/z for z > 0"


def kernel_form(check: Check) -> str:
    """(6): the error of one coordinate, in powers of alpha."""
    alpha, w0, b = symbols("alpha w0 b", positive=True)
    a = alpha**2 * w0**2
    check.equal(simplify(a * (b / a) ** 2 / 4), b**2 / (4 * alpha**2 * w0**2), "leading term of (6)")
    error = simplify(a * (b / a) ** 4 / 192)
    check.equal(error, b**4 / (192 * alpha**6 * w0**6), "its error is at most b^4/(192 alpha^6 w0^6): O(alpha^-6)")
    check.equal(4 * alpha**2 * error, b**4 / (48 * alpha**4 * w0**6), "after multiplication by 4 alpha^2")
    small(check)
    return "4 alpha^2 Q = sum b^2/w0^2 - e with 0 <= e <= sum b^4/(48 alpha^4 w0^6)"


def rich_form(check: Check) -> str:
    """(7): divide by ``log(1/alpha^2)``, and write out what the print leaves to the error."""
    L, w0, b, a = symbols("L w0 b a", positive=True)  # alpha^2 = e^-L, a = alpha^2 w0^2
    leading = expand(a * (b / a * log(b / a) - b / a + 2))
    gap = expand_log(leading - (b * log(b) - b * log(a) - b + 2 * a), force=True)
    check.equal(gap, Integer(0), "a (z log z - z + 2) at z = b/a is b log(1/a) + b log b - b + 2a")
    parts = (b * (L - 2 * log(w0)) + b * log(b) - b) / L  # log(1/a) = L - 2 log w0
    rest = expand_log(expand(parts - b - (b * log(b / w0**2) - b) / L), force=True)
    check.equal(simplify(rest), Integer(0), "divided by L: b + (b log(b/w0^2) - b + 2a)/L")
    check(limit(parts - b, L, oo) == 0, "the second term is O(1/log(1/alpha^2)), as printed")
    large(check)
    check.equal(a / (b / a), a**2 / b, "a e <= a^2/b")
    return "Q/L = sum |b| + [|b| log(|b|/w0^2) - |b| + 2 alpha^2 w0^2 - e]/L, 0 <= e <= alpha^4 w0^4/|b|"


def missing_terms(refute: Refutation) -> str:
    """``q(z) - |z| log|z|`` is of the order of z, not of 1/z."""
    ratio = limit(((q(z) - z * log(z)) / z).rewrite(log), z, oo)
    refute.holds(ratio == -1, "(q - z log z)/z -> -1, where the print has O(1/z) for q - z log z")
    with mpmath.workdps(40):
        at = mpmath.mpf(10) ** 8
        value = 2 - mpmath.sqrt(4 + at**2) + at * mpmath.asinh(at / 2) - at * mpmath.log(at)
        refute.exceeds(abs(value), mpmath.mpf(10) ** 7 / at, "|q - z log z| at z = 10^8, against 10^7/z")
        return f"at z = 10^8, q(z) - z log z = {mpmath.nstr(value, 17)}"


def next_orders(check: Check) -> str:
    """Series at both ends."""
    expected = z**2 / 4 - z**4 / 192 + z**6 / 2560
    check.equal(series(q(z), z, 0, 8).removeO(), expected, "q = z^2/4 - z^4/192 + z^6/2560 - ...")
    tail = (q(z) - (z * log(z) - z + 2)).rewrite(log)
    check(limit(z * tail, z, oo) == -1, "q = z log z - z + 2 - 1/z + ...")
    return "q = z^2/4 - z^4/192 + z^6/2560 - ... and q = z log z - z + 2 - 1/z + ..."


def periodic(check: Check) -> str:
    """``q' = asinh(z/2)`` takes infinitely many values at one point when continued: it is not algebraic."""
    theta, k = symbols("theta", real=True), symbols("k", integer=True)
    moved = sinh(theta + 2 * pi * I * k).rewrite(exp).expand()
    check.equal(moved, sinh(theta).rewrite(exp).expand(), "z = 2 sinh(theta) has the period 2 pi i")
    # a polynomial relation P(z, q') = 0 holds along (2 sinh theta, theta) for complex theta too, hence
    # P(z, theta + 2 pi i k) = 0 for all k: as a polynomial in its second place it is zero for every z
    check.equal(simplify(q(z).diff(z)), asinh(z / 2), "q' = asinh(z/2) would be algebraic if q were")
    return "q is transcendental: 2 sinh is periodic in the imaginary direction"


_PAPER = "Woodworth et al. (2020), Section 4"
_Q = "Q(beta) = sum alpha^2 w0_i^2 q(beta_i/(alpha^2 w0_i^2)), q(z) = 2 - sqrt(4 + z^2) + z asinh(z/2)"
CLAIMS = (
    Claim(
        "woodworth.eq-6",
        f"{_PAPER}, equation (6)",
        f"For the regularizer {_Q}, as alpha grows Q is a weighted square, up to O(alpha^-6).",
        r"Q_{\alpha,w_0}(\beta) = \sum_i \frac{\beta_i^2}{4\alpha^2 w_{0,i}^2} + O(\alpha^{-6})",
        Verdict.PROVED,
        (proof(kernel_form), proof(next_orders)),
        remark="With a bound: the error is between 0 and -sum beta_i^4/(192 alpha^6 w0_i^6).",
    ),
    Claim(
        "woodworth.section-4-large-argument",
        f"{_PAPER}, above equation (7)",
        "For large |z| the hypentropy q is printed to be |z| log|z| up to O(1/|z|).",
        r"q(z) = |z|\log|z| + O(1/|z|)",
        Verdict.FALSE,
        (counterexample(missing_terms),),
        Correction(
            "The term 2 - |z| is missing; with it the error is between 0 and 1/|z|.",
            r"q(z) = |z|\log|z| - |z| + 2 - e, \qquad 0 \le e \le 1/|z|",
            Verdict.PROVED,
            (proof(large), proof(next_orders)),
        ),
        "Equation (7) is not affected: after division by log(1/alpha^2) the missing terms are within its error.",
    ),
    Claim(
        "woodworth.eq-7",
        f"{_PAPER}, equation (7)",
        f"For the regularizer {_Q}, as alpha tends to 0 Q over log(1/alpha^2) is the l1 norm, whatever the "
        f"shape w0.",
        r"\frac{Q_{\alpha,w_0}(\beta)}{\log(1/\alpha^2)} = \sum_i |\beta_i| + O(1/\log(1/\alpha^2))",
        Verdict.PROVED,
        (proof(rich_form),),
    ),
    Claim(
        "new.hypentropy-bounds",
        "This package",
        "The hypentropy q lies between its Taylor polynomials of degree 4 and 2 everywhere.",
        r"\frac{z^2}{4} - \frac{z^4}{192} \le q(z) \le \frac{z^2}{4} \quad\text{for all real } z",
        Verdict.PROVED,
        (proof(small),),
    ),
    Claim(
        "woodworth.section-4-transcendental",
        f"{_PAPER}, below Figure 2",
        "The hypentropy q is transcendental, while the explicit regularizer r is algebraic, even a radical "
        "expression; so they are different and no rescalings of each other.",
        r"q \neq c\, r(\cdot/s) \quad\text{for all } c, s",
        Verdict.PROVED,
        (proof(periodic),),
        remark="That r is a radical expression is shown under woodworth.section-4-root.",
    ),
)
