"""Lemma 7: where ``4 alpha^2 Q`` is the squared Euclidean norm up to a factor ``1 +- eps``.

Source. Woodworth et al. (2020), Appendix E, Lemma 7, eqs. (38)-(43).
"""

from __future__ import annotations

import numpy as np
from sympy import Integer, Rational, asinh, expand, simplify, sqrt, symbols

import implicitbias as ib
from implicitbias.ledger import (
    Check,
    Claim,
    Correction,
    Refutation,
    Search,
    Verdict,
    counterexample,
    proof,
    search,
)
from implicitbias.theorems import lemma7_alpha, lemma7_sharp_alpha

from . import asymptotics

__all__ = ["CLAIMS", "derivatives", "lemma7", "sharp"]

z, alpha, eps, u = symbols("z alpha epsilon u", positive=True)


def derivatives(check: Check) -> str:
    """(38)-(41)."""
    slope = asinh(z / (2 * alpha**2)) / alpha**2
    root = 4 + z**2 / alpha**4
    second, third, fourth = (simplify(slope.diff(z, k)) for k in (1, 2, 3))
    for value, expected in ((slope, 0), (second, 1 / (2 * alpha**4)), (third, 0)):
        check.equal(value.subs(z, 0), expected, "(39): phi'(0), phi''(0), phi'''(0)")
    check.equal(second, 1 / (alpha**4 * sqrt(root)), "(39): phi''")
    check.equal(third, -z / (alpha**8 * root ** Rational(3, 2)), "(39): phi'''")
    printed = 3 * z**2 / (alpha**12 * root ** Rational(5, 2)) - 1 / (alpha**8 * root ** Rational(3, 2))
    check.equal(simplify(fourth - printed), Integer(0), "(39): phi''''")
    check.equal(
        simplify(fourth - (2 * z**2 - 4 * alpha**4) / (alpha**12 * root ** Rational(5, 2))),
        Integer(0),
        "(40), of the fourth derivative",
    )
    check(
        simplify(root - 4).is_positive is True,
        "root >= 4, root^(5/2) >= 32: |phi''''| <= (z^2 + 2 alpha^4)/(16 alpha^12)",
    )
    check.equal(Integer(16) * 24, Integer(384), "4! 16 = 384, and 384/4 = 96: (41), (42)")
    return "(38)-(42) hold, with the fourth derivative in (40) and (41)"


def wrong_order(refute: Refutation) -> str:
    """At ``z = alpha = 1``."""
    slope = asinh(z / (2 * alpha**2)) / alpha**2
    third = abs(slope.diff(z, 2).subs({z: 1, alpha: 1}))
    printed = abs(2 * Integer(1) - 4) / Integer(5) ** Rational(5, 2)
    refute.differs(printed, third, "(40): |phi'''(1)| at alpha = 1")
    return "|phi'''(1)| = 5^(-3/2), where (40) has 2 * 5^(-5/2)"


def lemma7(check: Check) -> str:
    """(42) and (43): with ``u = ||beta||^2/alpha^4``."""
    derivatives(check)
    grown = expand((1 + u) ** 4)  # u = eps^(-1/4)
    check((grown - u**4).is_positive is True, "(1 + eps^(-1/4))^4 > 1/eps: ||beta||_2^2/alpha^4 < eps")
    check((grown - 1).is_positive is True, "and > 1: ||beta||_2^2/alpha^4 < 1")
    w = symbols("w", positive=True)  # ||beta||^2/alpha^4 < min(1, eps)
    check.equal(
        expand((3 * w - (w**2 + 2 * w)) / w), 1 - w, "(w^2 + 2w)/96 <= 3w/96 < eps for w < min(1, eps): (43)"
    )
    return "|4 alpha^2 Q - ||beta||^2| <= eps ||beta||^2 for alpha >= sqrt(||beta||_2) (1 + eps^(-1/4))"


def sharp(check: Check) -> str:
    """``z^2/4 - z^4/192 <= q <= z^2/4`` in place of Taylor's theorem."""
    asymptotics.small(check)
    b = symbols("b", positive=True)
    error = simplify(4 * alpha**2 * alpha**2 * (b / alpha**2) ** 4 / 192 / b**2)
    check.equal(error, b**2 / (48 * alpha**4), "0 <= 1 - 4 alpha^2 Q/||beta||^2 <= max beta_i^2/(48 alpha^4)")
    check.equal(
        error.subs(alpha, (b**2 / (48 * eps)) ** Rational(1, 4)),
        eps,
        "which is eps at alpha = (||beta||_inf^2/(48 eps))^(1/4)",
    )
    return "(1-eps) ||beta||^2 <= 4 alpha^2 Q for alpha >= (||beta||_inf^2/(48 eps))^(1/4); above without condition"


def violations(tries: Search) -> str:
    """At the printed scale and at the sharp one."""
    for rng in tries.draws(800, 80):
        size, accuracy = int(rng.choice([1, 2, 7, 50])), 10 ** rng.uniform(-8, 2)
        beta = rng.standard_normal(size) * 10 ** rng.uniform(-2, 2, size) * 10 ** rng.uniform(-30, 30)
        norm = float(np.linalg.norm(beta))
        printed = lemma7_alpha(accuracy, norm)
        least = lemma7_sharp_alpha(accuracy, float(np.abs(beta).max()))
        tries.at_most(least, printed, "sharp below printed")
        for scale in (printed, least):
            value = 4 * float(ib.Q(scale)(beta)) * scale**2
            at = f"eps = {accuracy:.3g}, ||beta||_2 = {norm:.3g}"
            tries.at_most(value, norm**2, at, rel=1e-13)
            tries.at_most((1 - accuracy) * norm**2, value, at, rel=1e-13)
    return tries.conclude("eps 1e-8 to 100, norms 1e-32 to 1e32, d to 50")


_PAPER = "Woodworth et al. (2020)"
CLAIMS = (
    Claim(
        "woodworth.lemma-7",
        f"{_PAPER}, Lemma 7, equations (38), (39), (41)-(43)",
        "For alpha at least alpha_2 the regularizer Q of the depth-2 network (w0 = 1) times 4 alpha^2 is the "
        "squared Euclidean norm of beta up to a factor between 1 - eps and 1 + eps.",
        r"\alpha \ge \alpha_2 = \sqrt{\|\beta\|_2}\,(1+\epsilon^{-1/4}) \;\Rightarrow\; "
        r"(1-\epsilon)\|\beta\|_2^2 \le 4\alpha^2 Q_{\alpha,1}(\beta) \le (1+\epsilon)\|\beta\|_2^2",
        Verdict.PROVED,
        (proof(lemma7), search(violations)),
        remark="Loose: new.lemma-7-sharp. alpha_2 does not depend on d, which it is printed as a function of.",
    ),
    Claim(
        "woodworth.eq-40",
        f"{_PAPER}, Appendix E, equations (40), (41)",
        "With phi(z) = int_0^(z/alpha^2) arcsinh(t/2) dt, a formula and a bound are printed for the third "
        "derivative of phi.",
        r"|\phi'''(z)| = \frac{|2z^2-4\alpha^4|}{\alpha^{12}(4+z^2/\alpha^4)^{5/2}} \le "
        r"\frac{z^2+2\alpha^4}{16\alpha^{12}}",
        Verdict.FALSE,
        (counterexample(wrong_order),),
        Correction(
            "They are those of the fourth derivative, which is what Taylor's theorem needs there.",
            r"|\phi''''(z)| = \frac{|2z^2-4\alpha^4|}{\alpha^{12}(4+z^2/\alpha^4)^{5/2}} \le "
            r"\frac{z^2+2\alpha^4}{16\alpha^{12}}",
            Verdict.PROVED,
            (proof(derivatives),),
        ),
        "A prime is missing, perhaps in the scan. (39) has the right fourth derivative.",
    ),
    Claim(
        "new.lemma-7-sharp",
        "This package",
        "4 alpha^2 Q never exceeds the squared norm, and is at least 1 - eps of it from a scale on that depends "
        "on the largest entry only; the constant 48 cannot be raised.",
        r"0 \le 1 - \frac{4\alpha^2 Q_{\alpha,1}(\beta)}{\|\beta\|_2^2} \le "
        r"\frac{\|\beta\|_\infty^2}{48\,\alpha^4}",
        Verdict.PROVED,
        (proof(sharp), search(violations)),
    ),
)
