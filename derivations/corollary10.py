"""Lemma 13 and Corollary 10: how wide a factorization has to be for the kernel regime.

Source. Woodworth et al. (2020), Appendix H.2, eqs. (69), (70), (88)-(100).
"""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest
from sympy import Expr, Integer, Rational, limit, oo, simplify, sqrt, symbols

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
from implicitbias.theorems import (
    corollary10_width,
    lemma13_deviation,
    lemma13_probability,
    theorem9_largest_gap,
)

__all__ = ["CLAIMS", "concentration", "width"]

d, k, alpha, Y, lam, extra = symbols("d k alpha Y lambda e", positive=True)
Lam = lam + extra


def concentration(check: Check) -> str:
    """From ``|s - sqrt k| <= sqrt d + t`` for all singular values, with probability ``1 - 2 exp(-t^2/2)``."""
    # t = sqrt d; with k = d + j >= d
    j = symbols("j", nonnegative=True)
    above = (sqrt(k) + 2 * sqrt(d)) ** 2 - k
    check.equal(above.expand(), 4 * sqrt(d) * sqrt(k) + 4 * d, "s_max^2 - k <= 4 sqrt(k d) + 4 d")
    room = (k * d - d**2).subs(k, d + j).expand()
    check(room.is_nonnegative is True, "d <= sqrt(k d): at most 8 sqrt(k d)")
    below = k - (sqrt(k) - 2 * sqrt(d)) ** 2
    check.equal(
        below.expand(), 4 * sqrt(d) * sqrt(k) - 4 * d, "k - s_min^2 <= 4 sqrt(k d) - 4 d where sqrt k >= 2 sqrt d"
    )
    check.equal(simplify((8 * sqrt(k * d) / k) ** 2), 64 * d / k, "k - s_min^2 <= k <= 8 sqrt(k d) for k <= 64 d")
    return "||W W^T - sigma^2 k I|| <= 8 sigma^2 sqrt(k d) with probability 1 - 2 exp(-d/2), for d <= k"


def simulated(tries: Search) -> str:
    """How often a normal matrix deviates that much, with a confidence interval."""
    for rng in tries.draws(6, 2):
        size, width, count = int(rng.integers(2, 7)), int(rng.integers(7, 60)), 400
        W = rng.standard_normal((count, size, width))
        norms = np.abs(np.linalg.eigvalsh(W @ W.transpose(0, 2, 1) - width * np.eye(size))).max(axis=1)
        seen = int((norms >= lemma13_deviation(size, width)).sum())
        low = binomtest(seen, count).proportion_ci(0.999).low
        tries.at_most(float(low), lemma13_probability(size), f"d = {size}, k = {width}: {seen} of {count}")
    return tries.conclude("400 normal matrices each, d to 6, k to 59: lower end of the 99.9 % interval")


def initial_residual(check: Check) -> str:
    """(89) with the operator norm of the stacked lifted measurements."""
    gamma = 8 * alpha**2 * sqrt(2 * k * d)
    # sum_n <M, Xbar_n>^2 <= (Lam/2) ||M||_F^2 <= (Lam/2) 2d gamma^2, M = W W^T - alpha^2 k I
    check.equal(
        (2 * Lam / 2 * 2 * d * gamma**2).expand(),
        (256 * k * d**2 * alpha**4 * Lam).expand(),
        "2 ||y(0)||^2 <= 256 k d^2 alpha^4 Lam",
    )
    return "||y(0) - y*||^2 <= 2 Y^2 + 256 k d^2 alpha^4 Lam"


def residual_too_small(refute: Refutation) -> str:
    """``d = N = 1, x = 1/20, alpha = 1, k = 100``, U and V of squared norm k with ``U V^T = 4 sqrt k``."""
    x, width, scale = Rational(1, 20), Integer(100), Integer(1)
    product = 4 * sqrt(width)
    # W W^T - alpha^2 k I has 4 sqrt k off its diagonal: its norm is that
    refute(bool(product < 8 * scale**2 * sqrt(2 * width)), "inside the event of (88)")
    output = x * product
    largest = x**2
    refute.exceeds(
        2 * output**2,
        256 * width * scale**4 * largest**2,
        "(89), last line: 2 ||y(0)||^2 against 256 k d^3 alpha^4 Lam^2",
    )
    return "d = N = 1, x = 0.05, k = 100, U V^T = 40: 2 y(0)^2 = 8, where (89) has 0.16"


def printed_ratio(refute: Refutation) -> str:
    """``gamma/mu`` at d = 1, k = 100."""
    width = Integer(100)
    true = 8 * sqrt(2 * width) / width
    refute.differs(8 * sqrt(2 * width) / sqrt(width), true, "(93): gamma/mu at d = 1, k = 100")
    return "gamma/mu = 1.13 at d = 1, k = 100, where (93) has 11.3"


def ratio(check: Check) -> str:
    """(90), (91), (92)."""
    gamma, mu = 8 * alpha**2 * sqrt(2 * k * d), alpha**2 * k
    check.equal(simplify(gamma / mu), 8 * sqrt(2) * sqrt(d) / sqrt(k), "gamma/mu = 8 sqrt(2d)/sqrt k")
    need = (4 * Lam * gamma / lam / (alpha**2 * sqrt(k))) ** 2
    check.equal(
        simplify(need), simplify(2048 * Lam**2 * d / lam**2), "(91): mu > 4 Lam gamma/lam is k > 2048 Lam^2 d/lam^2"
    )
    return "gamma/mu = 8 sqrt(2d)/sqrt k; (90)-(92) as printed"


def third_term(refute: Refutation) -> str:
    """``Y = 10^6, Lam = lam = alpha = d = 1``."""
    terms = Integer(8192), Integer(512) * (4 + 16) ** 2, Rational(10**6, 2 * (1 + 4))
    width = max(terms)
    refute(width == 204800, "(94) asks for k = 204800")
    refute.exceeds(
        Integer(2) * 10**6,
        width / (4 + 16),
        "(97), second inequality: 2 Y against alpha^2 lam k/(sqrt(Lam)(4 + 16 Lam/lam))",
    )
    return "Y = 10^6, all else 1: (94) gives k = 204800, and (97) then says 10240 >= 2000000"


def width(check: Check) -> str:
    """(95)-(97) with the corrected terms."""
    initial_residual(check)
    ratio(check)
    # (95): k >= 8192 Lam^2 d/lam^2 gives gamma/mu <= lam/(8 Lam)
    check.equal(
        simplify(128 * d / (8192 * Lam**2 * d / lam**2)),
        simplify((lam / (8 * Lam)) ** 2),
        "gamma/mu <= lam/(8 Lam)",
    )
    inside = (1 + lam / (8 * Lam)) / (1 + lam / (4 * Lam))
    check.equal(simplify(inside - (1 - 1 / (2 + 8 * Lam / lam))), Integer(0), "= 1 - 1/(2 + 8 Lam/lam)")
    s = symbols("s", positive=True)
    check.equal(((1 - s / 2) ** 2 - (1 - s)).expand(), s**2 / 4, "sqrt(1 - s) <= 1 - s/2: (95)")
    q = 4 + 16 * Lam / lam
    allowed = alpha**2 * lam * k / (sqrt(Lam) * q)
    # case 2 Y^2 <= 256 k d^2 alpha^4 Lam: 512 k d^2 alpha^4 Lam is to be at most allowed^2
    first = simplify(512 * k * d**2 * alpha**4 * Lam / allowed**2 * k)
    check.equal(
        first, simplify(512 * d**2 * Lam**2 * q**2 / lam**2), "k >= 512 d^2 Lam^2 q^2/lam^2: (96), corrected"
    )
    second = simplify(2 * Y / allowed * k)
    check.equal(
        second,
        simplify(8 * Y * sqrt(Lam) * (lam + 4 * Lam) / (alpha**2 * lam**2)),
        "k >= 8 Y sqrt(Lam)(lam + 4 Lam)/(alpha^2 lam^2): (97), corrected",
    )
    return (
        "k >= max(8192 Lam^2 d/lam^2, 512 d^2 Lam^2 q^2/lam^2, 8 Y sqrt(Lam)(lam+4Lam)/(alpha^2 lam^2)), q = "
        "4 + 16 Lam/lam"
    )


def printed_chains(check: Check) -> str:
    """(96), (98) and (99) as algebra, given (89) as printed."""
    q = 4 + 16 * Lam / lam
    at = alpha**2 * lam * sqrt(k) / (sqrt(Lam) * q) * sqrt(512 * d**3 * Lam**3) * q / lam
    check.equal(simplify(at**2), simplify(512 * k * d**3 * alpha**4 * Lam**2), "(96)")
    check((4 * Lam - (Lam + lam / 4)).expand().is_positive is True, "(98): sqrt(Lam + lam/4) <= 2 sqrt Lam")
    x, y = symbols("x y", positive=True)
    check(((2 * x + y) ** 2 - (2 * x**2 + y**2)).expand().is_positive is True, "sqrt(2 Y^2 + c^2) <= 2 Y + c")
    last = 2 * sqrt(Lam) * 16 * sqrt(k * d**3 * alpha**4 * Lam**2) / (lam * alpha * sqrt(k))
    check.equal(
        simplify(last), simplify(32 * d ** Rational(3, 2) * Lam ** Rational(3, 2) * alpha / lam), "(98), last term"
    )
    check(
        (2 - sqrt(1 + lam / (2 * Lam)).subs(extra, 0)).is_positive is True,
        "(99): sqrt(1 + lam/(2 Lam)) <= 2, with room",
    )
    return "(96), (98), (99) follow as printed from (89) as printed"


def corollary(check: Check) -> str:
    """The orders in alpha and k, from the corrected (89)."""
    width(check)
    gap = sqrt(2 * Y**2 + 256 * k * d**2 * alpha**4 * Lam)
    most = 2 * Y + 16 * sqrt(k) * d * alpha**2 * sqrt(Lam)
    check((most**2 - gap**2).expand().is_positive is True, "||y(0) - y*|| <= 2 Y + 16 sqrt k d alpha^2 sqrt Lam")
    moved = (sqrt(Lam + lam / 4) * most / (lam * alpha * sqrt(k))).expand()
    check.equal(
        simplify(moved - sqrt(Lam + lam / 4) / lam * (2 * Y / (alpha * sqrt(k)) + 16 * d * alpha * sqrt(Lam))),
        Integer(0),
        "(69): O(1/(alpha sqrt k) + alpha)",
    )
    square = (most**2 / (alpha**2 * k) ** Rational(3, 2)).expand()
    big = square / (1 / (alpha**3 * k ** Rational(3, 2)) + alpha / sqrt(k))
    for values in ({alpha: 1}, {k: 1}):
        rest = simplify(big.subs({Y: 1, d: 1, lam: 1, extra: 0}).subs(values))
        free = next(iter(rest.free_symbols))
        check(
            limit(rest, free, oo).is_finite is True and limit(rest, free, 0).is_finite is True,
            "second order: O(1/(alpha^3 k^(3/2)) + alpha/sqrt k), bounded at the ends",
        )
    return "(69) and (70), and O(1/(alpha^3 k^(3/2)) + alpha/sqrt k) for the second, by new.theorem-9-second-order"


def at_the_width(tries: Search) -> str:
    """At the corrected width the hypothesis of Theorem 9 holds in the event of (88)."""
    for rng in tries.draws(400, 60):
        size, low = int(rng.integers(1, 30)), 10 ** rng.uniform(-3, 3)
        high, scale, target = low * 10 ** rng.uniform(0, 2), 10 ** rng.uniform(-3, 3), 10 ** rng.uniform(-6, 6)
        least = corollary10_width(target, scale, size, low, high)
        off, centre = 8 * scale**2 * np.sqrt(2 * least * size), scale**2 * least
        gap = np.sqrt(2 * target**2 + 256 * least * size**2 * scale**4 * high)
        tries.at_most(float(gap), theorem9_largest_gap(centre, off, low, high), f"d = {size}", rel=1e-9)
    return tries.conclude("d to 29, alpha 1e-3 to 1e3, Y 1e-6 to 1e6, condition numbers to 100")


def slower_than(refute: Refutation) -> str:
    """``alpha = k^(-3/4)``."""
    scale = k ** Rational(-3, 4)
    refute.holds(limit(scale * k, k, oo) == oo, "alpha = k^(-3/4) goes to zero slower than 1/k")
    refute.holds(limit(scale**2 * k, k, oo) == 0, "but sigma sqrt k = alpha^2 k -> 0, which is the rich limit")
    return "alpha = k^(-3/4): alpha k -> infinity, alpha^2 k -> 0"


def slower_than_root(check: Check) -> str:
    """``sigma = alpha^2 sqrt k`` is ``omega(1/sqrt k)`` just if ``alpha^2 k -> infinity``."""
    sigma: Expr = alpha**2 * sqrt(k)
    check.equal(sigma * sqrt(k), alpha**2 * k, "sigma sqrt k = alpha^2 k = (alpha sqrt k)^2")
    return "alpha has to go to zero slower than 1/sqrt k"


_PAPER = "Woodworth et al. (2020)"
CLAIMS = (
    Claim(
        "woodworth.lemma-13",
        f"{_PAPER}, Lemma 13, equation (88)",
        "For W of size d x k, d <= k, with independent normal entries of standard deviation sigma, W W^T "
        "deviates from sigma^2 k I by 8 sigma^2 sqrt(k d) or more with probability at most 2 exp(-d/2).",
        r"P\left[\|WW^\top - \sigma^2 kI\|_{op} \ge 8\sigma^2\sqrt{kd}\right] \le 2e^{-d/2}",
        Verdict.PROVED,
        (proof(concentration), search(simulated)),
        remark="From the theorem of Davidson and Szarek on the extreme singular values of a normal matrix, "
        "which is quoted, not proved. (88) applies it to 2d rows, which needs 2d <= k.",
    ),
    Claim(
        "woodworth.eq-89",
        f"{_PAPER}, Appendix H.2, equation (89)",
        "In the event of (88) the residual at the start is bounded with d^3 Lam^2, where Lam is the largest "
        "eigenvalue of the Gram matrix of the measurements.",
        r"\|y(0)-y^*\|^2 \le 2Y^2 + 256kd^3\alpha^4\Lambda^2",
        Verdict.FALSE,
        (counterexample(residual_too_small),),
        Correction(
            "The last step takes ||X||_F^2 <= d Lam^2, which does not even scale. With the operator norm of all "
            "measurements together there is d^2 Lam.",
            r"\|y(0)-y^*\|^2 \le 2Y^2 + 256kd^2\alpha^4\Lambda",
            Verdict.PROVED,
            (proof(initial_residual),),
        ),
    ),
    Claim(
        "woodworth.eqs-90-92",
        f"{_PAPER}, Appendix H.2, equations (90)-(92), (95)",
        "With mu = alpha^2 k and gamma = 8 alpha^2 sqrt(2kd) the hypothesis mu > 4 Lam gamma/lam is k > 2048 "
        "Lam^2 d/lam^2, and k >= 8192 Lam^2 d/lam^2 bounds the root in the other one.",
        r"\mu > \frac{4\Lambda\gamma}\lambda \iff k > \frac{2048\Lambda^2d}{\lambda^2}, \qquad "
        r"\sqrt{\frac{1+\gamma/\mu}{1+\lambda/4\Lambda}} \le 1-\frac1{4+16\Lambda/\lambda}",
        Verdict.PROVED,
        (proof(ratio), proof(width)),
    ),
    Claim(
        "woodworth.eq-93",
        f"{_PAPER}, Appendix H.2, equation (93)",
        "gamma/mu is printed as 8 sqrt(2kd)/sqrt k.",
        r"\frac\gamma\mu = \frac{8\sqrt{2kd}}{\sqrt k}",
        Verdict.FALSE,
        (counterexample(printed_ratio),),
        Correction(
            "It is 8 sqrt(2d)/sqrt k, as in (95).",
            r"\frac\gamma\mu = \frac{8\sqrt{2d}}{\sqrt k}",
            Verdict.PROVED,
            (proof(ratio),),
        ),
    ),
    Claim(
        "woodworth.eq-94",
        f"{_PAPER}, Appendix H.2, equations (94), (97)",
        "The width from which on Theorem 9 applies is printed with Y/(2 alpha^2 sqrt(Lam)(lam + 4 Lam)) as its "
        "third term, Y being a bound of ||y*||.",
        r"k \ge \max\left\{\frac{8192\Lambda^2d}{\lambda^2}, "
        r"\frac{512d^3\Lambda^3(4+\frac{16\Lambda}\lambda)^2}{\lambda^2}, "
        r"\frac{Y}{2\alpha^2\sqrt\Lambda(\lambda+4\Lambda)}\right\}",
        Verdict.FALSE,
        (counterexample(third_term),),
        Correction(
            "The third term is 8 Y sqrt(Lam)(lam + 4 Lam)/(alpha^2 lam^2), and by (89) as corrected the second "
            "has d^2 Lam^2.",
            r"k \ge \max\left\{\frac{8192\Lambda^2d}{\lambda^2}, "
            r"\frac{512d^2\Lambda^2(4+\frac{16\Lambda}\lambda)^2}{\lambda^2}, "
            r"\frac{8Y\sqrt\Lambda(\lambda+4\Lambda)}{\alpha^2\lambda^2}\right\}",
            Verdict.PROVED,
            (proof(width), search(at_the_width)),
        ),
    ),
    Claim(
        "woodworth.eqs-96-99",
        f"{_PAPER}, Appendix H.2, equations (96), (98), (99)",
        "The chains of inequalities that follow from (89), as printed, by Theorem 9.",
        r"\|W(T)-W(0)\|_F \le \frac{4Y\sqrt\Lambda}{\lambda\alpha\sqrt k} + "
        r"\frac{32d^{3/2}\Lambda^{3/2}\alpha}\lambda",
        Verdict.PROVED,
        (proof(printed_chains),),
        remark="As inferences from (89) as printed, which is false; with the corrected one d^(3/2) Lam^(3/2) is "
        "d Lam. The constants of (99) are loose.",
    ),
    Claim(
        "woodworth.corollary-10",
        f"{_PAPER}, Corollary 10, equations (69), (70), (100)",
        "With normal weights of standard deviation alpha and alpha^2 at least of the order 1/k, with "
        "probability 1 - 2 exp(-d) the weights move by O(1/(alpha sqrt k) + alpha), and are as near to those of "
        "the tangent model.",
        r"\|W(T)-W(0)\|_F = O\left(\frac1{\alpha\sqrt k}+\alpha\right), \quad \|W(T)-W_{TK}(T)\|_F = "
        r"O\left(\frac1{\alpha^3k^{3/2}}+\frac1{\alpha\sqrt k}+\alpha\right)",
        Verdict.GAP,
        (proof(corollary), search(at_the_width)),
        remark="The proof goes through the false (89) and (94); with the corrected ones the statement holds, "
        "and the second bound improves to O(1/(alpha^3 k^(3/2)) + alpha/sqrt k).",
    ),
    Claim(
        "woodworth.corollary-10-scale",
        f"{_PAPER}, below Corollary 10",
        "The kernel regime is said to be reached as long as alpha goes to zero slower than 1/k.",
        r"\alpha = \omega(1/k) \Rightarrow \text{kernel regime}",
        Verdict.FALSE,
        (counterexample(slower_than),),
        Correction(
            "Slower than 1/sqrt k: that is sigma = omega(1/sqrt k), as the same sentence says.",
            r"\alpha = \omega(1/\sqrt k) \iff \sigma = \alpha^2\sqrt k = \omega(1/\sqrt k)",
            Verdict.PROVED,
            (proof(slower_than_root),),
        ),
    ),
)
