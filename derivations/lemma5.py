"""Lemma 5: where Q over ``log(1/alpha^2)`` is the l1 norm up to a factor ``1 +- eps``, equation by equation.

Notation. ``a = alpha^2``, ``L = log(1/a)``, one coordinate of size ``b >= 0``, ``s = ||beta||_1 = sum b``.

Source. Woodworth et al. (2020), Appendix E, Lemma 5, eqs. (22)-(30).
"""

from __future__ import annotations

import numpy as np
from sympy import Integer, asinh, exp, expand_log, log, simplify, solve, sqrt, symbols

import implicitbias as ib
from implicitbias.ledger import Check, Claim, Search, Verdict, proof, search
from implicitbias.theorems import lemma5_log_alpha

from .asymptotics import q

__all__ = ["CLAIMS", "lemma5", "lower", "upper"]

a, b, s, eps, d, L = symbols("a b s epsilon d L", positive=True)


def rewritten(check: Check) -> None:
    """(22), (23)."""
    z = symbols("z", real=True)
    check.equal(q(-z), q(z), "(22): q is even")
    inner = b / 2 + sqrt(a**2 + b**2 / 4)
    argument = b / (2 * a)
    check.equal((argument + sqrt(1 + argument**2)) * a, inner, "arcsinh(b/2a) = log((b/2 + sqrt(a^2 + b^2/4))/a)")
    value = a * q(b / a)
    split = 2 * a - sqrt(4 * a**2 + b**2) + b * asinh(argument)
    check.equal(simplify(value - split), Integer(0), "(23): a q(b/a) = 2a - sqrt(4a^2 + b^2) + b (L + log(inner))")


def upper(check: Check) -> None:
    """(24)-(26): ``Q/L <= s (1 + log(s + a)/L) <= s (1 + eps)``."""
    check.equal(4 * a**2 + b**2 - (2 * a) ** 2, b**2, "(24): sqrt(4a^2 + b^2) >= 2a")
    check.equal(
        ((a + b / 2) ** 2 - (a**2 + b**2 / 4)).expand(), a * b, "(24): b/2 + sqrt(a^2 + b^2/4) <= b + a: (25)"
    )
    rest = symbols("r", positive=True)  # s - b
    check((log(b + rest + a).diff(rest)).is_positive is True, "log(b + a) <= log(s + a)")
    check.equal((2 * s - (s + a)).subs(a, s), Integer(0), "a <= s: log(s + a) <= log(2s)")
    bound = (2 * s) ** (-1 / (2 * eps))
    check.equal(
        expand_log(log(bound**-2), force=True),
        expand_log(log(2 * s) / eps),
        "alpha <= (2s)^(-1/(2 eps)): log(2s) <= eps L (26)",
    )


def lower(check: Check) -> None:
    """(27)-(29): ``Q/L >= s - d/L >= s (1 - eps)``."""
    check.equal(((b + 2 * a) ** 2 - (4 * a**2 + b**2)).expand(), 4 * a * b, "sqrt(4a^2 + b^2) <= b + 2a")
    check.equal((a**2 + b**2 / 4) - (b / 2) ** 2, a**2, "b/2 + sqrt(a^2 + b^2/4) >= b: (27)")
    least = b * log(b) - b
    check(solve(least.diff(b), b) == [1], "b log b - b has one stationary point, b = 1")
    check(least.diff(b, 2).is_positive is True, "is convex")
    check(least.subs(b, 1) == -1, "and is at least -1: (28), Q/L >= s - d/L")
    bound = exp(-d / (2 * eps * s))
    check.equal(log(bound**-2), d / (eps * s), "alpha <= exp(-d/(2 eps s)): d/L <= eps s (29)")
    check(log(bound).is_negative is True, "and alpha < 1, so L > 0")


def lemma5(check: Check) -> str:
    """All of it."""
    rewritten(check)
    upper(check)
    lower(check)
    return "(1-eps) s <= Q/L <= (1+eps) s for alpha <= min(1, sqrt s, (2s)^(-1/(2 eps)), exp(-d/(2 eps s)))"


def violations(tries: Search) -> str:
    """At the largest scale allowed, for vectors of all shapes."""
    for rng in tries.draws(1500, 100):
        size = int(rng.choice([1, 2, 5, 40]))
        accuracy = 10 ** rng.uniform(-4, 2)
        beta = rng.standard_normal(size) * 10 ** rng.uniform(-3, 3, size) * 10 ** rng.uniform(-20, 20)
        norm = float(np.abs(beta).sum())
        log_alpha = lemma5_log_alpha(accuracy, norm, size)
        if log_alpha < -1e250:
            tries.skip("alpha beyond any number")
            continue
        value = float(ib.Q.from_log_alpha(log_alpha)(beta)) / (-2 * log_alpha)
        at = f"eps = {accuracy:.3g}, ||beta||_1 = {norm:.3g}, d = {size}"
        tries.at_most(value, (1 + accuracy) * norm, at, rel=1e-12)
        tries.at_most((1 - accuracy) * norm, value, at, rel=1e-12)
    return tries.conclude("eps 1e-4 to 100, norms 1e-23 to 1e23, d to 40, at the printed scale", lost=0.2)


CLAIMS = (
    Claim(
        "woodworth.lemma-5",
        "Woodworth et al. (2020), Lemma 5, equations (22)-(30)",
        "For alpha at most alpha_1 the regularizer Q of the depth-2 network (w0 = 1) over log(1/alpha^2) is the "
        "l1 norm of beta up to a factor between 1 - eps and 1 + eps; beta has d entries.",
        r"\alpha_1 = \min\left\{1, \sqrt{\|\beta\|_1}, (2\|\beta\|_1)^{-\frac1{2\epsilon}}, "
        r"e^{-\frac{d}{2\epsilon\|\beta\|_1}}\right\} \Rightarrow "
        r"\left|\frac{Q_\alpha(\beta)}{\log(1/\alpha^2)} - \|\beta\|_1\right| \le \epsilon\|\beta\|_1",
        Verdict.PROVED,
        (proof(lemma5), search(violations)),
        remark="The displayed equations hold as they stand. 'arcsin', twice in the text of the proof, should be "
        "arcsinh.",
    ),
)
