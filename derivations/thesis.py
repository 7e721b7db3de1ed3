"""Smith (2022): the linearized flow, scalings, orders of limits, and what some words there mean.

Source. Smith (2022), Sections 3 to 5; it restates Chizat et al. (2019) and Woodworth et al. (2020).
"""

from __future__ import annotations

import mpmath
import numpy as np
from sympy import Integer, Matrix, Rational, exp, limit, oo, simplify, sinh, symbols

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

from . import kernel_scaling, rich_limit

__all__ = ["CLAIMS", "linearized", "one_weight"]


def linearized(check: Check) -> str:
    """In the eigenbasis of the kernel matrix each residual decays by itself."""
    t, kappa, N, y, f0 = symbols("t kappa N y f_0", positive=True)
    f = y + exp(-2 * kappa * t / N) * (f0 - y)
    check.equal(f.diff(t), 2 / N * kappa * (y - f), "f' = (2/N) K (y - f) along an eigenvector of value kappa")
    check.equal(f.subs(t, 0), f0, "f(0) = f_0; with f_0 = 0: f = (1 - exp(-2 K t/N)) y")
    check(limit(f, t, oo) == y, "f -> y where kappa > 0")
    # chain rule: f' = D h w' = -D h D h^T grad L = (2/N) sum_i K(x, x_i) (y_i - f(x_i))
    g = Matrix(2, 2, symbols("g:2:2", real=True))  # gradients of two outputs in two weights
    r = Matrix(symbols("r:2", real=True))
    speed = g * (-(g.T * r) * 2 / N)
    check((speed + 2 / N * (g * g.T) * r).applyfunc(simplify).is_zero_matrix, "f' = -(2/N) K r, K = J J^T")
    x = Matrix(symbols("x:2", real=True))
    check.equal(
        (x.T * (g * g.T) * x)[0].expand(), ((g.T * x).T * (g.T * x))[0].expand(), "x^T K x = ||J^T x||^2 >= 0"
    )
    return "f' = (2/N) sum K(x, x_i)(y_i - f(x_i)); on the samples f = (I - exp(-2 K t/N)) y from 0"


def not_definite(refute: Refutation) -> str:
    """Two equal inputs."""
    K = Matrix([[1, 1], [1, 1]])
    x = Matrix([1, -1])
    refute.exceeds(
        Integer(1), (x.T * K * x)[0], "x^T K x is to be positive for x = (1, -1); K of two equal inputs gives"
    )
    refute.holds((x.T * K * x)[0] == 0, "x^T K x = 0 for x other than 0")
    return "two equal inputs: the kernel matrix (1 1; 1 1) is not definite"


def rkhs(check: Check) -> str:
    """``f = <beta, .>`` is ``K(., beta)/(8 alpha^2)``, so its norm squared is ``||beta||^2/(8 alpha^2)``."""
    kernel_scaling.diagonal_kernel(check)
    alpha = symbols("alpha", positive=True)
    beta = symbols("beta:2", real=True)
    square = sum(b**2 for b in beta)
    # ||K(., b)/c||_K^2 = K(b, b)/c^2
    norm = 8 * alpha**2 * square / (8 * alpha**2) ** 2
    check.equal(norm, square / (8 * alpha**2), "||f||_K^2 = K(beta, beta)/(8 alpha^2)^2 = ||beta||_2^2/(8 alpha^2)")
    return "the RKHS norm is the Euclidean norm over sqrt(8) alpha: its least interpolation is the least l2 one"


def not_the_same_flow(refute: Refutation) -> str:
    """``h(w) = w^2, y = 0``, alpha = 4: ``L(4 w^2)/16`` from 1, and ``L(w^2)/16`` from 2."""
    w = symbols("w", positive=True)
    alpha = Integer(4)
    output = -(((alpha * w**2) ** 2) / alpha**2).diff(w).subs(w, 1)
    start = -((w**2) ** 2 / alpha**2).diff(w).subs(w, 2)
    refute.differs(start / 2, output, "relative speed of the weight at the start")
    return (
        "h(w) = w^2, L(f) = f^2, alpha = 4: the relative speed at the start is -1 from 2, and -4 with the "
        "scaled output"
    )


def same_path(check: Check) -> str:
    """``w_scaled-start = alpha^{1/D} w_scaled-output``, at a speed that differs by a power of alpha."""
    alpha, D = symbols("alpha D", positive=True)
    G = symbols("G", real=True)  # Dh(v)^T grad L(alpha h(v))
    output = -alpha * G / alpha**2  # of L(alpha h)/alpha^2, in v
    a = alpha ** (1 / D)
    start = -(a ** (D - 1)) * G / alpha**2 / a  # w = a v: v' = w'/a, w' = -Dh(a v)^T grad L(h(a v))/alpha^2
    check.equal(simplify(output / start), alpha ** (2 / D), "the scaled output runs alpha^(2/D) times as fast")
    check.equal(simplify(a**D), alpha, "h(alpha^(1/D) w) = alpha h(w)")
    # the linearization has to be taken anew: alpha hbar(w) = Dh(w0)(w - w0) alpha, at a w0 it is a^(D-1)
    # Dh(w0)(a w - a w0)
    check.equal(
        simplify(a ** (D - 1) * a / alpha), Integer(1), "alpha hbar_{w0}(w) = hbar_{a w0}(a w), linearized at a w0"
    )
    # Section 3.4: alpha^-2 L(h) from alpha w0 is alpha_c^-2 L(alpha_c h) with alpha_c = alpha^D just if D = 2,
    # up to a constant in time
    check.equal(
        simplify((alpha ** (2 - 2 * D)).subs(D, 2)), alpha**-2, "alpha^(2-2D) L is (1/alpha^2) L at D = 2 only"
    )
    return (
        "one path, weights times alpha^(1/D), time times alpha^(2/D); the scaling (1/alpha^2) L(h) from "
        "alpha w0 is that of D = 2"
    )


def strongly_convex(check: Check) -> str:
    """Take the outputs on the samples as the space of predictors: ``F = R^N``, ``L(f) = ||f - y||^2/N``."""
    N = symbols("N", positive=True)
    f, y = (Matrix(symbols(f"{name}:2", real=True)) for name in "fy")
    loss = sum((f - y).applyfunc(lambda e: e**2)) / N
    hessian = Matrix(2, 2, lambda i, j: loss.diff(f[i], f[j]))
    check(hessian == Matrix.eye(2) * 2 / N, "L is 2/N-strongly convex on R^N, with condition number 1")
    x = Matrix(2, 3, symbols("x:2:3", real=True))
    alpha = symbols("alpha", positive=True)
    jacobian = Matrix.hstack(2 * alpha * x, -2 * alpha * x)
    check(
        (jacobian * jacobian.T - 8 * alpha**2 * x * x.T).applyfunc(simplify).is_zero_matrix,
        "Dh Dh^T = 8 alpha^2 X X^T: onto if X has full row rank",
    )
    w, v = symbols("w v", real=True)
    check.equal((2 * w - 2 * v), 2 * (w - v), "Dh is Lipschitz, being linear in w")
    return (
        "Theorem 2.4 applies to the flow on the samples, for X of full row rank; L is not strongly convex as "
        "a function of beta, which is not needed"
    )


def needs_more_samples(refute: Refutation) -> str:
    """One sample in two dimensions: X beta = y has infinitely many solutions."""
    x = Matrix([[1, 1]])
    refute(x.rank() == 1, "X has full row rank")
    alpha = Integer(1)
    gram = 8 * alpha**2 * (x * x.T)[0]
    refute.holds(gram > 0, "Dh(w0) is onto R^1, and f -> (f - y)^2 is 2-strongly convex: Theorem 2.4 applies")
    return "N = 1, d = 2: infinitely many solutions, and the assumptions of Theorem 2.4 hold on F = R^1"


def one_weight(check: Check) -> str:
    """``d = N = x = y = 1``: beta(t) is at most of the order ``alpha^2``, for every fixed t."""
    a, t, theta = symbols("a t theta", positive=True)  # a = 2 alpha^2, beta = a sinh(theta), theta' = -8 (beta - 1)
    check.equal(
        simplify((a * sinh(theta)).diff(theta) ** 2),
        simplify((a * sinh(theta)) ** 2 + a**2),
        "beta' = 8 (1 - beta) sqrt(beta^2 + a^2)",
    )
    # beta' <= 8 (beta + a) while 0 <= beta <= 1: beta <= a (exp(8 t) - 1)
    u = symbols("u", positive=True)
    square = ((u + a) ** 2 - (u**2 + a**2)).expand()
    check.equal(square, 2 * a * u, "sqrt(beta^2 + a^2) <= beta + a for beta >= 0")
    bound = a * (exp(8 * t) - 1)
    check.equal(
        bound.diff(t),
        8 * (bound + a),
        "the solution of b' = 8 (b + a), b(0) = 0, is a (exp(8t) - 1): beta is below",
    )
    check(limit(bound, a, 0) == 0, "so beta(t) -> 0 as alpha -> 0, for every fixed t")
    rich_limit.selection(check)
    return (
        "for fixed t beta(t) <= 2 alpha^2 (exp(8t) - 1) -> 0; the limits the other way round give the least l1 norm"
    )


def limits_reversed(refute: Refutation) -> str:
    """``d = N = x = y = 1``, t = 1, alpha = 1e-4: the bound of the flow against the l1 solution 1."""
    with mpmath.workdps(40):
        bound = 2 * mpmath.mpf(10) ** -8 * (mpmath.exp(8) - 1)
        refute.exceeds(mpmath.mpf(1), bound, "beta_l1 against an upper bound of beta(1)")
        refute.holds(bool(bound < mpmath.mpf("6e-5")), "lim over alpha first is 0 at every t, not beta_l1")
        return (
            f"x = y = 1, t = 1, alpha = 1e-4: beta <= {mpmath.nstr(bound, 6)}, and -> 0 with alpha, while "
            f"beta_l1 = 1"
        )


def wrong_end(refute: Refutation) -> str:
    """X = (1, 2), y = 1: least l1 solution (0, 1/2), limit for large alpha (1/5, 2/5)."""
    x = Matrix([1, 2])
    l2 = x / (x.T * x)[0]
    refute.differs(sum(l2), Rational(1, 2), "l1 norm of the limit for alpha -> infinity against the least")
    return "X = (1, 2), y = 1: the limit for large alpha is (1/5, 2/5), of l1 norm 3/5; the least is 1/2"


def excess_norms(check: Check) -> str:
    """Three quantities of one name."""
    a, b = symbols("a b", real=True)
    # | |a| - |b| | <= |a - b|, coordinate by coordinate
    x, y = symbols("x y", positive=True)
    check.equal(
        (x + y) ** 2 - (x - y) ** 2,
        ((x + y) ** 2 - (x - y) ** 2).expand().factor(),
        "|x - y| <= |x + y|: opposite signs",
    )
    check.equal(
        ((a - b) ** 2 - (abs(a) - abs(b)) ** 2).expand(),
        (2 * abs(a * b) - 2 * a * b).expand(),
        "(a-b)^2 - (|a|-|b|)^2 = 2 (|ab| - ab) >= 0",
    )
    return "||beta||_1 - ||beta*||_1 <= ||beta - beta*||_1; over ||beta*||_1 it is the ratio minus 1"


def different_excess(refute: Refutation) -> str:
    """X = (1, 1), y = 1: beta = (1/2, 1/2) and beta* = (1, 0) both have the least l1 norm."""
    beta, other = Matrix([Rational(1, 2)] * 2), Matrix([1, 0])
    distance = sum(abs(e) for e in beta - other)
    refute.differs(distance, sum(beta) - sum(other), "||beta - beta*||_1 against ||beta||_1 - ||beta*||_1")
    return "X = (1, 1), y = 1: the distance to the l1 solution (1, 0) is 1, the excess of the norm 0"


def population(check: Check) -> str:
    """``E (<beta, x> - y)^2 = ||beta - beta*||_2^2 + noise`` for standard normal x."""
    e = Matrix(symbols("e:2", real=True))
    noise = symbols("s", positive=True)
    # E x x^T = I and an independent error of variance s
    risk = (e.T * Matrix.eye(2) * e)[0] + noise
    check.equal(risk, sum(v**2 for v in e) + noise, "E(<beta - beta*, x> - n)^2 = ||beta - beta*||^2 + s")
    check.equal(
        Rational(1, 40) - Rational(1, 100),
        Rational(3, 200),
        "a threshold of 0.025 leaves 0.015 if the noise 0.01 counts",
    )
    return "the population risk is the squared l2 distance plus the noise 0.01, which no predictor goes below"


def l1_is_not(refute: Refutation) -> str:
    """``beta - beta* = (1/10, 1/10)``."""
    e = Rational(1, 10)
    refute.differs(2 * e, 2 * e**2, "l1 distance against the excess risk")
    return "beta - beta* = (0.1, 0.1): l1 distance 0.2, excess risk 0.02"


def accuracy_is_error(refute: Refutation) -> str:
    """One sample, classified correctly."""
    outputs, labels = Integer(3), Integer(1)
    printed = Integer(1) if labels * outputs <= 0 else Integer(0)
    refute.differs(printed, Integer(1), "the formula for the accuracy of a perfect classifier")
    return "y f(x) = 3 > 0: the printed formula gives 0 for a classifier that is right"


def accuracy(check: Check) -> str:
    """Count the samples that are right."""
    wrong = symbols("e", positive=True)
    check.equal(1 - (1 - wrong), wrong, "accuracy = 1 - error rate = mean of 1[y f(x) > 0]")
    return "the accuracy is the mean of the indicator of y f(x) > 0"


def sparse_network(check: Check) -> str:
    """Section 5.2.1: four units with eight nonzero weights classify every point of the distribution."""
    for first, second, label in ((1, 0, 1), (-1, 0, 1), (0, 1, -1), (0, -1, -1)):
        value = max(first, 0) + max(-first, 0) - max(second, 0) - max(-second, 0)
        check(value * label == 1, f"x = ({first}, {second}, ...), y = {label}: margin 1")
    return "f = |x_1| - |x_2| has margin 1 on the whole distribution: four units, eight nonzero weights"


def two_kernels(tries: Search) -> str:
    """The kernel limit on data: the end point at a large alpha is the least l2 solution."""
    for rng in tries.draws(40, 8):
        N, d = int(rng.integers(1, 5)), int(rng.integers(5, 9))
        X, y = rng.standard_normal((N, d)), rng.standard_normal(N)
        found = ib.interpolate(X, y, ib.Q(1e4), throw=False)
        if not found.success:
            tries.skip(found.status.name)
            continue
        least = np.linalg.lstsq(X, y, rcond=None)[0]
        tries.at_most(float(np.linalg.norm(found.beta - least)), 1e-9 * float(np.linalg.norm(least)), f"{N} x {d}")
    return tries.conclude("random data at alpha = 1e4")


_THESIS = "Smith (2022)"
CLAIMS = (
    Claim(
        "smith.eqs-2-4",
        f"{_THESIS}, Section 3.1 and 3.2, equations (2)-(4)",
        "Gradient flow of the mean squared error of N samples on the linearized model moves the outputs by the "
        "tangent kernel K of the start; on the samples, from 0, f(t) = (I - exp(-2 K t/N)) y.",
        r"\frac{d}{dt}\bar f(x) = \frac2N\sum_i K(x, x_i)(y_i - \bar f(x_i)), \qquad \bar f(X) = (I - e^{-2Kt/N})y",
        Verdict.PROVED,
        (proof(linearized),),
    ),
    Claim(
        "smith.section-3.2-definite",
        f"{_THESIS}, Section 3.2, above equation (4)",
        "The tangent kernel is called positive definite.",
        r"K_w \text{ is positive-definite}",
        Verdict.FALSE,
        (counterexample(not_definite),),
        Correction(
            "It is positive semidefinite.",
            r"\sum_{ij} c_ic_jK(x_i, x_j) = \left\|\sum_i c_i\nabla_w f(w, x_i)\right\|^2 \ge 0",
            Verdict.PROVED,
            (proof(linearized),),
        ),
        "'Positive definite kernel' often means just that.",
    ),
    Claim(
        "smith.section-3.3-scaling",
        f"{_THESIS}, Sections 3.3 and 3.4",
        "For a D-homogeneous model h the flow of L(alpha h(w))/alpha^2 from w0 is said to be exactly the same "
        "as that of L(h(w))/alpha^2 from alpha^(1/D) w0.",
        r"\tfrac1{\alpha^2}L(\alpha h(w)),\, w(0) = w_0 \;\equiv\; \tfrac1{\alpha^2}L(h(w)),\, w(0) = "
        r"\alpha^{1/D}w_0",
        Verdict.FALSE,
        (counterexample(not_the_same_flow),),
        Correction(
            "The path is the same but for the factor alpha^(1/D) of the weights, and the scaled output runs "
            "alpha^(2/D) times as fast; the linearized model has to be taken at alpha^(1/D) w0. The scaling "
            "(1/alpha^2) L(h) from alpha w0 of Section 3.4 is the right one for D = 2 only: in general "
            "alpha^(2-2D).",
            r"w(t) = \alpha^{1/D}\,v(\alpha^{-2/D}t)",
            Verdict.PROVED,
            (proof(same_path),),
        ),
    ),
    Claim(
        "smith.section-4.1-theorem-2.4",
        f"{_THESIS}, Section 4.1",
        "When X beta = y has infinitely many solutions the bounds of Chizat et al. (2019), Theorem 2.4, that "
        "are uniform in time are said not to apply to the model beta = w_+^2 - w_-^2, as the loss is not "
        "strongly convex.",
        r"X\beta = y \text{ with infinitely many solutions} \Rightarrow \text{Theorem 2.4 does not apply}",
        Verdict.FALSE,
        (counterexample(needs_more_samples),),
        Correction(
            "With the outputs on the samples as predictors, F = R^N, the loss is strongly convex and the "
            "derivative of the model onto if X has full row rank; the theorem applies.",
            r"\mathcal F = \mathbb R^N: \quad \nabla^2L = \tfrac2N I, \qquad Dh(w_0)Dh(w_0)^\top = "
            r"8\alpha^2XX^\top \succ 0",
            Verdict.PROVED,
            (proof(strongly_convex),),
        ),
        "It is true of the loss as a function of beta. The slopes of chizat-rates do not change with the time "
        "horizon.",
    ),
    Claim(
        "smith.section-4.1.1-rkhs",
        f"{_THESIS}, Section 4.1.1",
        "The tangent kernel of the model beta = w_+^2 - w_-^2 at alpha 1 is 8 alpha^2 times the inner product; "
        "its space holds all linear functions, its norm is proportional to the l2 norm of beta, and the kernel "
        "limit is the least l2 solution.",
        r"K = 8\alpha^2\langle x, x'\rangle, \qquad \|f\|_K^2 = \frac{\|\beta\|_2^2}{8\alpha^2}",
        Verdict.PROVED,
        (proof(rkhs), search(two_kernels)),
    ),
    Claim(
        "smith.section-4.1.1-limits",
        f"{_THESIS}, Sections 4.1.1 and 5.1",
        "The rich limit is written with alpha -> 0 taken before t -> infinity.",
        r"\lim_{t\to\infty}\lim_{\alpha\to 0}\beta_{w_\alpha(t)} = \beta^{\ell_1}",
        Verdict.FALSE,
        (counterexample(limits_reversed),),
        Correction(
            "The limits are the other way round: at a fixed time beta tends to 0 with alpha.",
            r"\lim_{\alpha\to 0}\lim_{t\to\infty}\beta_{w_\alpha(t)} = \beta^{\ell_1}, \qquad \lim_{\alpha\to "
            r"0}\beta_{w_\alpha(t)} = 0",
            Verdict.PROVED,
            (proof(one_weight),),
        ),
        "The kernel limit is written in the same order, and there it does no harm.",
    ),
    Claim(
        "smith.section-5.1-ends",
        f"{_THESIS}, Section 5.1",
        "The end points are said to tend to the least l1 solution as alpha tends to infinity; elsewhere 'near "
        "the rich limit' stands for 'near the kernel limit'.",
        r"\beta^*_\alpha \to \beta^{\ell_1} \quad (\alpha\to\infty)",
        Verdict.FALSE,
        (counterexample(wrong_end),),
        Correction(
            "As alpha tends to 0; for large alpha it is the least l2 solution.",
            r"\beta^*_\alpha \to \beta^{\ell_1} \;(\alpha\to 0), \qquad \beta^*_\alpha \to \beta^{\ell_2} "
            r"\;(\alpha\to\infty)",
            Verdict.PROVED,
            (proof(rich_limit.selection),),
        ),
        "A slip of the pen; the surrounding text has it right.",
    ),
    Claim(
        "smith.section-5.1-excess",
        f"{_THESIS}, Section 5.1, Figure 7",
        "The excess l1 norm of beta is measured by its l1 distance from the least l1 solution beta*, and "
        "compared with Woodworth et al. (2020), Figure 1(b).",
        r"\text{excess } \ell_1 \text{ norm} = \|\beta - \beta^*_{\ell_1}\|_1",
        Verdict.FALSE,
        (counterexample(different_excess),),
        Correction(
            "Figure 1(b) has the difference of the norms, which is at most that distance; Moroshko et al. "
            "(2020), Figure 5, have the ratio of the norms minus 1.",
            r"\|\beta\|_1 - \|\beta^*\|_1 \le \|\beta-\beta^*\|_1",
            Verdict.PROVED,
            (proof(excess_norms),),
        ),
        "A matter of definition: the three papers measure three things. In Moroshko et al. w(t) has to be "
        "divided by the margin.",
    ),
    Claim(
        "smith.section-5.1-population",
        f"{_THESIS}, Section 5.1",
        "The population error is measured by the l1 distance from the planted vector, where Woodworth et al. "
        "(2020) are said to have the l2 distance.",
        r"\text{population error} = \|\beta-\beta_w\|_1",
        Verdict.FALSE,
        (counterexample(l1_is_not),),
        Correction(
            "For standard normal inputs the population risk is the squared l2 distance plus the noise 0.01; "
            "Woodworth et al. do not define theirs, so that the threshold 0.025 may or may not include the noise.",
            r"E(\langle\beta,x\rangle-y)^2 = \|\beta-\beta^*\|_2^2 + 0.01",
            Verdict.PROVED,
            (proof(population),),
        ),
        "A matter of definition.",
    ),
    Claim(
        "smith.section-5.2-sparse",
        f"{_THESIS}, Section 5.2.1",
        "A two-layer network of ReLU units with eight nonzero weights classifies the whole distribution of the "
        "sparse classification problem.",
        r"f(x) = [x_1]_+ + [-x_1]_+ - [x_2]_+ - [-x_2]_+, \qquad yf(x) = 1",
        Verdict.PROVED,
        (proof(sparse_network),),
    ),
    Claim(
        "smith.figure-9",
        f"{_THESIS}, Figure 9",
        "The test accuracy is defined as the mean of the indicator of y f(x) <= 0.",
        r"\frac1N\sum_i 1_{y_if(x_i)\le 0}",
        Verdict.FALSE,
        (counterexample(accuracy_is_error),),
        Correction(
            "That is the error rate; the accuracy has y f(x) > 0.",
            r"\frac1N\sum_i 1_{y_if(x_i) > 0}",
            Verdict.PROVED,
            (proof(accuracy),),
        ),
        "The figure shows accuracies.",
    ),
)
