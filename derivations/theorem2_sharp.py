"""What Theorem 2 could say: clean scales, bounds at every depth, and the worst data there are.

Source. Not in the papers. Woodworth et al. (2020) discuss below Theorem 2 that exponentially small scales are
needed.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import lambertw
from sympy import Function, Integer, Rational, asinh, cosh, expand, expand_log, log, simplify, sinh, symbols

import implicitbias as ib
from implicitbias.ledger import Check, Claim, Search, Verdict, proof, search
from implicitbias.theorems import (
    theorem2_kernel_clean_alpha,
    theorem2_kernel_sharp_alpha,
    theorem2_rich_clean_log_alpha,
    theorem2_rich_sharp_log_alpha,
)

from . import asymptotics, concavity, rich_limit
from .theorem2 import least_l1, problem

__all__ = ["CLAIMS", "equal_rest"]

eps, d = symbols("epsilon d", positive=True)


def any_depth(check: Check) -> str:
    """Jensen below, and ``q(x) + q(y) <= q(x + y)`` above, for convex q that vanishes at 0."""
    x, y, t = symbols("x y t", positive=True)
    q = Function("q")
    # q(x+y) - q(x) - q(y): zero at y = 0 and of slope q'(x+y) - q'(y) >= 0 as q' increases
    gap = q(x + y) - q(x) - q(y)
    check.equal(gap.subs(y, 0) + q(0), Integer(0), "q(x+y) - q(x) - q(y) vanishes at y = 0")
    check.equal(
        gap.diff(y).doit(), (q(x + y).diff(x) - q(y).diff(y)).doit(), "and has the slope q'(x+y) - q'(y) >= 0"
    )
    check.equal(
        (d * q(t / d)).subs(t, d * x), d * q(x), "d q(||t||_1/d) is sum q at equal entries, the least by Jensen"
    )
    concavity.derive(check)
    return "d q(||b_inf||_1/(d m)) <= q(||b_1*||_1/m), q(||b_inf||_2/m) <= d q(||b_2*||_2/(sqrt d m)), m = alpha^D"


def clean_rich(check: Check) -> str:
    """With ``sigma = ||beta_1*||_1/alpha^2 >= d (e d)^{1/eps}``: ``d q((1+eps) sigma/d) > q(sigma)``."""
    rich_limit.at_two(check)  # z log z - z <= q(z) <= z log z - z + 2
    asymptotics.large(check)
    sigma, ell = symbols("sigma l", positive=True)  # l = log sigma
    t = (1 + eps) * sigma
    lower = t * (log(1 + eps) + ell - log(d)) - t
    upper = sigma * ell - sigma + 2
    at = expand(((lower - upper + 2) / sigma).subs(ell, log(d) + (1 + log(d)) / eps))
    expected = (1 + eps) * log(1 + eps) - eps + 1
    check.equal(
        simplify(expand_log(at - expand(expected), force=True)),
        Integer(0),
        "at the least sigma: (1+eps) log(1+eps) - eps + 1, over sigma",
    )
    rise = (expected - 1).diff(eps)
    check.equal(simplify(rise), log(1 + eps), "(1+eps) log(1+eps) - eps increases from 0")
    check.equal(((lower - upper) / sigma).expand().coeff(ell), eps, "and more for larger sigma")
    # so the difference is at least sigma - 2, and sigma >= d (e d)^{1/eps} > d >= 2
    check((log(2) * Integer(1)).is_positive is True, "(e d)^(1/eps) > 1 for d >= 2: sigma > 2")
    return "alpha^2 <= (||beta_1*||_1/d) (e d)^(-1/eps) gives an l1 excess of at most eps, d >= 2"


def clean_kernel(check: Check) -> str:
    """``||beta_inf - beta_2*|| <= ||beta_inf^3||/(24 alpha^4)``, Pythagoras, and a gap that nothing crosses."""
    u = symbols("u", positive=True)
    # 0 <= u - asinh(u) <= u^3/6, u = |beta_i|/(2 alpha^2)
    check((u - asinh(u)).subs(u, 0) == 0, "u - asinh(u) vanishes at 0")
    check.equal(
        expand((1 - u**2 / 2) ** 2 * (1 + u**2) - 1),
        -3 * u**4 / 4 + u**6 / 4,
        "1 - u^2/2 <= (1+u^2)^(-1/2) for u^2 <= 3: u - asinh u <= u^3/6",
    )
    alpha, b = symbols("alpha b", positive=True)
    check.equal(
        simplify(2 * alpha**2 * (b / (2 * alpha**2)) ** 3 / 6),
        b**3 / (24 * alpha**4),
        "beta_inf = row space + delta, |delta_i| <= |beta_i|^3/(24 alpha^4)",
    )
    # beta_2* is the projection of beta_inf onto the row space: rho = ||beta_inf||^2/||beta_2*||^2 <= 1 + rho^3
    # B^4/576
    check.equal(Integer(24) ** 2, Integer(576), "rho <= 1 + rho^3 B^4/576")
    B = symbols("B", positive=True)
    at = 1 + B**4 / 540
    room = (at - 1 - at**3 * B**4 / 576).subs(B, 1 / (1 + B))
    check(
        simplify(room).expand().is_positive is True or simplify(room).factor().is_positive is True,
        "violated at rho = 1 + B^4/540 for B <= 1",
    )
    # q(sqrt(rho) B) <= B^2/4 <= 1/4 and q(2) > 1/4 give rho B^2 < 4; the other roots of the cubic have rho B^2 > 4
    check(asymptotics.q(Integer(2)).evalf(30) > Rational(1, 4), "q(2) > 1/4: rho B^2 < 4")
    rho = symbols("rho", positive=True)
    between = (rho - 1 - rho * Integer(16) / 576).subs(rho, 1 + rho)  # rho^3 B^4 <= 16 rho there
    check.equal(between.coeff(rho), Rational(35, 36), "rho^3 B^4 < 16 rho: rho <= 1 + rho/36, so rho < 36/35")
    refined = 1 + Rational(36, 35) ** 3 * B**4 / 576
    check(refined.coeff(B**4) < Rational(1, 519), "hence rho <= 1 + (36/35)^3 B^4/576, and once more")
    last = (1 + (Rational(36, 35) ** 3) / 576) ** 3 / 576
    check(last < Rational(1, 540), "rho <= 1 + B^4/540 for B <= 1")
    return (
        "alpha^2 >= ||beta_2*||_2 gives ||beta_inf||_2^2 <= (1 + B^4/540) ||beta_2*||_2^2, B = "
        "||beta_2*||_2/alpha^2"
    )


def exact_identity(check: Check) -> str:
    """``g = grad Q(beta_inf)`` is in the row space, so ``<g, b>`` is the same for every solution b."""
    nu = symbols("nu", real=True)
    # <X^T nu, b> = <nu, X b> = <nu, y>; Hoelder: <g, b> <= ||g||_inf ||b||_1, <= ||g||_2 ||b||_2; equal at N = 1
    x1, x2, b1, b2 = symbols("x_1 x_2 b_1 b_2", real=True)
    inner = (nu * x1) * b1 + (nu * x2) * b2
    check.equal(
        inner.expand(), (nu * (x1 * b1 + x2 * b2)).expand(), "<X^T nu, b> = <nu, X b> = <nu, y> for all solutions b"
    )
    g1, g2, c = symbols("g_1 g_2 c", positive=True)
    check.equal(
        c / (g1 + g2) * (g1 + g2),
        c,
        "N = 1, X = g^T: b = (c/||g||_inf) e_1 attains Hoelder's bound (g_1 the largest)",
    )
    norm = g1**2 + g2**2
    check.equal(
        simplify((c * g1 / norm) * g1 + (c * g2 / norm) * g2), c, "and b = c g/||g||^2 that of Cauchy and Schwarz"
    )
    return "excess <= ||beta||_1 ||g||_inf/<g, beta> - 1 and tan^2 of the angle of beta and g, equal for N = 1"


def equal_rest(check: Check) -> str:
    """With the largest entry fixed, the others are best equal: ``b theta(b)`` is convex at every depth."""
    theta = symbols("theta", positive=True)
    slope = theta + sinh(theta) / cosh(theta)
    check(
        simplify(slope.diff(theta) - 1).is_positive is True, "D = 2: d(b theta)/db = theta + tanh theta increases"
    )
    # D > 2: d(b z)/db = z + h/h'; its derivative in z is 2 - h h''/h'^2, with A = 1 - z < B = 1 + z
    A, B, p = symbols("A B p", positive=True)
    h, h1 = A**-p - B**-p, p * (A ** (-p - 1) + B ** (-p - 1))
    h2 = p * (p + 1) * (A ** (-p - 2) - B ** (-p - 2))
    z = symbols("z", real=True)
    curve = (1 - z) ** -p - (1 + z) ** -p
    at = {A: 1 - z, B: 1 + z}
    check.equal(simplify(curve.diff(z) - h1.subs(at)), Integer(0), "h'")
    check.equal(simplify(curve.diff(z, 2) - h2.subs(at)), Integer(0), "h''")
    most = p * (p + 1) * (A ** (-2 * p - 2) + B ** (-2 * p - 2))
    cross = expand(most - expand(h * h2))
    check(
        simplify(cross).is_positive is True or all(t.is_positive for t in cross.as_ordered_terms()),
        "h h'' <= p(p+1) (A^(-2p-2) + B^(-2p-2))",
    )
    squares = expand(h1**2 - p**2 * (A ** (-2 * p - 2) + B ** (-2 * p - 2)))
    check(simplify(squares).is_positive is True, "h'^2 >= p^2 (A^(-2p-2) + B^(-2p-2))")
    grown = (2 * p**2 - p * (p + 1)).subs(p, 1 + p).expand()
    check(all(t.is_positive for t in grown.as_ordered_terms()), "2 p^2 > p (p+1) as p > 1: 2 h'^2 > h h''")
    # for a given sum of b_i theta_i the sum of b_i is largest at equal entries, by Jensen
    return "b theta(b) is convex for D = 2 and every real D > 2: the worst end point has all entries but one equal"


def attained(tries: Search) -> str:
    """N = 1 problems: at the sharp scale the excess stays below eps, and just above it the worst one exceeds it."""
    for rng in tries.draws(40, 6):
        size, D = int(rng.choice([2, 3, 10])), float(rng.choice([2.0, 2.5, 3.0, 6.0, 20.0]))
        accuracy = 10 ** rng.uniform(-2.5, -0.5)
        log_alpha = theorem2_rich_sharp_log_alpha(accuracy, 1.0, size, D)
        worst = 0.0
        for ratio in 1.0 - np.geomspace(1e-3, 0.98, 150):
            g = np.full((1, size), ratio)
            g[0, 0] = 1.0
            found = ib.interpolate(g, [1.0], ib.Q.from_log_alpha(log_alpha, D), throw=False)
            if not found.success:
                tries.skip(found.status.name)
                continue
            excess = float(np.abs(found.beta).sum()) - 1.0
            tries.at_most(excess, accuracy, f"d = {size}, D = {D}, eps = {accuracy:.3g}", rel=1e-6)
            worst = max(worst, excess)
        # the grid of ratios comes within a per cent of the worst one
        tries.at_most(accuracy, worst * 1.01, "attained")
    return tries.conclude("one sample, ratios of columns 0.02 to 1, D to 20: eps is not exceeded, and reached")


def random_data(tries: Search) -> str:
    """The sharp rich scale and the clean scales on hostile data of several samples."""
    for rng in tries.draws(300, 30):
        X, y = problem(rng)
        size, accuracy = X.shape[1], 10 ** rng.uniform(-2, 0.3)
        l1, D = least_l1(X, y), float(rng.choice([2.0, 3.0, 4.5, 20.0]))
        if l1 is None:
            tries.skip("no l1 minimum")
            continue
        logs = [(theorem2_rich_sharp_log_alpha(accuracy, l1, size, D), D)]
        logs.append((theorem2_rich_clean_log_alpha(accuracy, l1, size), 2.0))
        for log_alpha, depth in logs:
            if not math.isfinite(log_alpha) or log_alpha < -1e6:
                continue
            found = ib.interpolate(X, y, ib.Q.from_log_alpha(log_alpha, depth), throw=False)
            if not found.success:
                tries.skip(found.status.name)
                continue
            tries.at_most(
                float(np.abs(found.beta).sum()), (1 + accuracy) * l1, f"D = {depth}, eps = {accuracy:.3g}", rel=1e-6
            )
        l2 = float(np.linalg.norm(np.linalg.lstsq(X, y, rcond=1e-12)[0]))
        found = ib.interpolate(X, y, ib.Q(theorem2_kernel_clean_alpha(accuracy, l2)), throw=False)
        if found.success:
            tries.at_most(float(found.beta @ found.beta), (1 + accuracy) * l2**2, "clean kernel", rel=1e-9)
    return tries.conclude(
        "hostile data of up to 3 samples: sharp rich scale, clean rich and kernel scales", lost=0.1
    )


def worst_kernel(tries: Search) -> str:
    """Random end points of one-sample problems never do worse than the two-valued family at the same norm."""
    for rng in tries.draws(250, 25):
        size, D = int(rng.integers(2, 7)), float(rng.choice([2.0, 3.0, 5.0]))
        beta = rng.random(size) * 10 ** rng.uniform(-1.0, 1.0)
        if rng.random() < 0.5:
            beta = np.where(np.arange(size) < rng.integers(1, size), beta[0], beta[-1])
        g = np.asarray(ib.special.h_inverse(beta, D))
        excess = float((beta @ beta) * (g @ g) / (beta @ g) ** 2 - 1.0)
        if excess < 1e-7:
            tries.at_most(excess, 1.0, "too small to tell", exercised=False)
            continue
        norm = float(beta @ g / np.linalg.norm(g))  # alpha = 1
        tries.at_most(1.0, theorem2_kernel_sharp_alpha(excess, norm, size, D), f"d = {size}, D = {D}", rel=1e-5)
    return tries.conclude("random and two-valued end points, d to 6, D = 2, 3, 5, against the family", share=0.3)


def leading_orders(tries: Search) -> str:
    """Lambert's W and the power law, by the sharp scales."""
    for size in (2, 3, 4, 10, 100):
        accuracy = 1e-6
        log_alpha = theorem2_rich_sharp_log_alpha(accuracy, 1.0, size)
        expected = float(lambertw((size - 1) / math.e).real)
        gap = abs(-2.0 * log_alpha * accuracy / expected - 1.0)
        tries.at_most(gap, 1e-4, f"D = 2, d = {size}")
        for D in (3.0, 4.0, 7.0):
            power = accuracy * math.exp(-D * theorem2_rich_sharp_log_alpha(accuracy, 1.0, size, D) * (D - 2.0) / D)
            k = np.linspace(0.0, 1.0, 200001)[1:]
            kappa = float(((size - 1) * (k ** (2 / D) - k) / (1 + (size - 1) * k) ** (2 / D)).max())
            tries.at_most(abs(power / kappa - 1.0), 1e-3, f"D = {D}, d = {size}")
    return tries.conclude("eps = 1e-6: alpha^2 = ||b|| exp(-W((d-1)/e)/eps), sigma^((D-2)/D) = kappa/eps")


_NEW = "This package"
CLAIMS = (
    Claim(
        "new.theorem-2-any-depth",
        _NEW,
        "Bounds of the norms of the end point by those of the least-norm solutions at every depth and scale, "
        "from Q(beta_inf) <= Q(beta*) alone.",
        r"d\,q_D\left(\frac{\|\beta^\infty\|_1}{d\,\alpha^D}\right) \le "
        r"q_D\left(\frac{\|\beta^*_{\ell_1}\|_1}{\alpha^D}\right), \quad "
        r"q_D\left(\frac{\|\beta^\infty\|_2}{\alpha^D}\right) \le "
        r"d\,q_D\left(\frac{\|\beta^*_{\ell_2}\|_2}{\sqrt d\,\alpha^D}\right)",
        Verdict.PROVED,
        (proof(any_depth),),
    ),
    Claim(
        "new.theorem-2-rich-clean",
        _NEW,
        "A scale for the first part of Theorem 2 that goes with the targets and has log d where the printed one "
        "has d over the norm; for every eps > 0 and d >= 2.",
        r"\alpha^2 \le \frac{\|\beta^*_{\ell_1}\|_1}{d}(e\,d)^{-1/\epsilon} \Rightarrow \|\beta^\infty\|_1 \le "
        r"(1+\epsilon)\|\beta^*_{\ell_1}\|_1",
        Verdict.PROVED,
        (proof(clean_rich), search(random_data)),
    ),
    Claim(
        "new.theorem-2-kernel-clean",
        _NEW,
        "A scale for the second part of Theorem 2 with eps^(-1/8) where the printed one has eps^(-1/2).",
        r"\alpha \ge \sqrt{\|\beta^*_{\ell_2}\|_2}\max\{1, (540\epsilon)^{-1/8}\} \Rightarrow "
        r"\|\beta^\infty\|_2^2 \le (1+\epsilon)\|\beta^*_{\ell_2}\|_2^2",
        Verdict.PROVED,
        (proof(clean_kernel), search(random_data)),
    ),
    Claim(
        "new.theorem-2-exact",
        _NEW,
        "The excess of either norm of the end point beta is bounded by how far beta is from being proportional, "
        "in the sense of Hoelder or of the angle, to its dual g = grad Q(beta); with equality for one sample.",
        r"\frac{\|\beta\|_1}{\|\beta^*_{\ell_1}\|_1} \le \frac{\|\beta\|_1\|g\|_\infty}{\langle "
        r"g,\beta\rangle}, \qquad \frac{\|\beta\|_2^2}{\|\beta^*_{\ell_2}\|_2^2} \le "
        r"\frac{\|\beta\|_2^2\|g\|_2^2}{\langle g,\beta\rangle^2}",
        Verdict.PROVED,
        (proof(exact_identity),),
    ),
    Claim(
        "new.theorem-2-rich-worst",
        _NEW,
        "The largest scale that guarantees an l1 excess of at most eps whatever the data: the worst data have "
        "one sample, and an end point with all entries but one equal; so at D = 2 alpha must be exponentially "
        "small in 1/eps, and a power of eps for D > 2.",
        r"\alpha^2 = \|\beta^*_{\ell_1}\|_1 e^{-W((d-1)/e)/\epsilon\,(1+o(1))} \;(D=2), \qquad \epsilon = "
        r"\kappa_{D,d}\,\sigma^{-(D-2)/D}(1+o(1)),\; \sigma = \|\beta^*_{\ell_1}\|_1/\alpha^D",
        Verdict.PROVED,
        (proof(equal_rest), proof(exact_identity), search(attained), search(leading_orders)),
        remark="kappa = max over k in (0, 1) of (d-1)(k^(2/D) - k)/(1 + (d-1)k)^(2/D). That the worst end point "
        "has equal entries is proved at every depth; the leading orders are read off the exact scale.",
    ),
    Claim(
        "new.theorem-2-kernel-worst",
        _NEW,
        "The least scale that guarantees an excess of the squared norm of at most eps for all one-sample data "
        "whose end point has all entries but one equal.",
        r"\epsilon = \max_{\kappa}\tan^2\angle(\beta, \nabla Q(\beta)), \quad \beta = (b, \kappa b, \ldots, "
        r"\kappa b)",
        Verdict.TESTED,
        (search(worst_kernel),),
        remark="No other end point was found to be worse; there is no proof. To leading order the excess is c_d "
        "B^4/576 at D = 2 with c_d = max_p p(1-p)(p - (1-p)/(d-1))^2.",
    ),
)
