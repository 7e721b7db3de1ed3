"""What homogeneity gives: the tangent kernel under a scaling of the start, and scaled outputs for scaled weights.

Statement. If ``f(c w, x) = c^D f(w, x)`` then ``K_{alpha w0} = alpha^{2(D-1)} K_{w0}``. Scaling the weights at the
start by alpha and scaling the output by ``alpha^D`` give one path, at speeds whose ratio is a power of alpha.

Source. Woodworth et al. (2020), Section 3 and its footnote 1, Section 4 below eq. (3).
"""

from __future__ import annotations

from sympy import Expr, Function, Integer, Subs, Symbol, powsimp, simplify, symbols

from implicitbias.ledger import Check, Claim, Correction, Refutation, Verdict, counterexample, proof

__all__ = ["CLAIMS", "diagonal_kernel", "kernel", "scaling"]

alpha, c = symbols("alpha c", positive=True)
D = symbols("D", positive=True)


def scaling(check: Check) -> str:
    """Differentiate ``f(c w) = c^D f(w)`` by a weight."""
    f = Function("f")
    u, v, s = symbols("u v s", positive=True)
    left = f(c * u, c * v).diff(u)
    check.equal(left, c * Subs(f(s, c * v).diff(s), s, c * u), "chain rule: d/du f(c w) = c (df/du)(c w)")
    slope, at_scaled = symbols("g G")
    # c (df/du)(c w) = c^D (df/du)(w), for one output and one weight as for many
    scaled = c ** (D - 1) * slope
    check.equal((c * at_scaled).subs(at_scaled, scaled), c**D * slope, "(df/du)(c w) = c^(D-1) (df/du)(w)")
    first, second = symbols("g_1 g_2", real=True)
    product = powsimp((alpha ** (D - 1) * first) * (alpha ** (D - 1) * second))
    check.equal(product, alpha ** (2 * (D - 1)) * first * second, "each term of K has the factor alpha^(2(D-1))")
    return "K_{alpha w0} = alpha^(2(D-1)) K_{w0} for every D-homogeneous model"


def kernel(output: Expr, weights: list[Symbol], other: dict[Symbol, Symbol]) -> Expr:
    """Tangent kernel of an output, at its inputs and at those that `other` puts in their place."""
    gradient = [output.diff(w) for w in weights]
    return sum(g * g.subs(other, simultaneous=True) for g in gradient)


def diagonal_kernel(check: Check) -> str:
    """Kernel of the depth-2 and the depth-D diagonal network at ``w_+ = w_- = alpha w0``."""
    plus, minus = symbols("p:2", positive=True), symbols("m:2", positive=True)
    shape = symbols("w0:2", positive=True)
    x, x2 = symbols("x:2", real=True), symbols("X:2", real=True)
    at_start = {w: alpha * s for weights in (plus, minus) for w, s in zip(weights, shape, strict=True)}
    for depth in (Integer(2), D):
        f = sum((p**depth - m**depth) * xi for p, m, xi in zip(plus, minus, x, strict=True))
        found = kernel(f, [*plus, *minus], dict(zip(x, x2, strict=True))).subs(at_start)
        products = [s ** (2 * depth - 2) * a * b for s, a, b in zip(shape, x, x2, strict=True)]
        expected = 2 * depth**2 * alpha ** (2 * depth - 2) * sum(products)
        gap = powsimp(simplify(found - expected), force=True)
        check.equal(gap, Integer(0), f"depth {depth}: K = 2 D^2 alpha^(2D-2) <w0^(2D-2) o x, x'>")
    check((2 * D**2).subs(D, 2) == 8, "at D = 2 the constant is 8")
    return "K = 2 D^2 alpha^(2D-2) <w0^(2D-2) o x, x'>, which is 8 alpha^2 <w0^2 o x, x'> at D = 2"


def same_path(check: Check) -> str:
    """Compare the flow from ``alpha w0`` with those of a scaled output from ``w0``."""
    G = symbols("G", real=True)  # dF(v)^T grad L(alpha^D F(v)), a function of v alone
    # w = alpha v: dw/dt = -dF(w)^T grad L(F(w)) = -alpha^(D-1) G
    scaled_start = -(alpha ** (D - 1)) * G / alpha
    scaled_output = -(alpha**D) * G
    divided = scaled_output / alpha ** (2 * D)
    ratio = powsimp(scaled_start / scaled_output)
    check.equal(ratio, alpha**-2, "loss L(alpha^D F): one path, time times alpha^-2")
    ratio = powsimp(scaled_start / divided)
    check.equal(ratio, alpha ** (2 * D - 2), "loss L(alpha^D F)/alpha^(2D), that of Chizat et al.: alpha^(2D-2)")
    return "one path v = w/alpha; time alpha^-2 t for L(alpha^D F), alpha^(2D-2) t for L(alpha^D F)/alpha^(2D)"


def printed_bias(refute: Refutation) -> str:
    """``f(w) = w^2`` at D = 2, w0 = 1, alpha = 2."""
    w0, scale, depth = Integer(1), Integer(2), 2
    start = scale * w0
    refute.differs(scale**depth * start**depth, start**depth, "value of the affine model at w = w(0)")
    return "f(w) = w^2, alpha = 2, w(0) = 2: the printed model has the value 16 at w(0), the model itself 4"


def affine_model(check: Check) -> str:
    """The expansion has the value and the slope of the model at the start."""
    w, w_0 = symbols("w w_0", positive=True)
    f = w**D
    expansion = f.subs(w, w_0) + f.diff(w).subs(w, w_0) * (w - w_0)
    check.equal(expansion.subs(w, w_0), f.subs(w, w_0), "value at w(0)")
    check.equal(expansion.diff(w), f.diff(w).subs(w, w_0), "slope at w(0)")
    check.equal(f.subs(w, alpha * w_0), simplify(alpha**D * f.subs(w, w_0)), "f(alpha w0) = alpha^D f(w0)")
    return "f_K(w) = f(w(0)) + <grad f(w(0)), w - w(0)>, and f(w(0)) = alpha^D f(w0)"


_PAPER = "Woodworth et al. (2020)"
CLAIMS = (
    Claim(
        "woodworth.section-3-kernel-scaling",
        f"{_PAPER}, Section 3",
        "For a model whose output is homogeneous of degree D in its weights, the tangent kernel at the start "
        "alpha w0 is alpha^(2(D-1)) times that at w0.",
        r"K_{\alpha w_0} = \alpha^{2(D-1)} K_{w_0}",
        Verdict.PROVED,
        (proof(scaling),),
    ),
    Claim(
        "woodworth.section-3-affine-model",
        f"{_PAPER}, Section 3",
        "In the kernel regime training acts on the affine model f_K(w, x), printed with the constant term "
        "alpha^D f(w(0), x), where w(0) = alpha w0 is the start.",
        r"f_K(w, x) = \alpha^D f(w(0), x) + \langle\nabla_w f(w(0), x), w - w(0)\rangle",
        Verdict.FALSE,
        (counterexample(printed_bias),),
        Correction(
            "The constant term is f(w(0), x), which is alpha^D f(w0, x).",
            r"f_K(w, x) = f(w(0), x) + \langle\nabla_w f(w(0), x), w - w(0)\rangle",
            Verdict.PROVED,
            (proof(affine_model),),
        ),
        "A slip of notation: alpha^D is counted twice. Nothing later uses it.",
    ),
    Claim(
        "woodworth.footnote-1",
        f"{_PAPER}, footnote 1",
        "For a model homogeneous of degree D, training from alpha w0 is the same as training the output alpha^D "
        "f from w0: one path, but for the factor alpha of the weights and a change of time.",
        r"w_\alpha(t) = \alpha\,v(\alpha^{2D-2} t), \quad \dot v = -\alpha^{-2D}\nabla_v L(\alpha^D F(v))",
        Verdict.PROVED,
        (proof(same_path),),
        remark="The footnote says 'equivalent' and does not mention the time, which differs by a power of alpha.",
    ),
    Claim(
        "woodworth.section-4-kernel",
        f"{_PAPER}, Section 4",
        "The tangent kernel of the depth-2 diagonal network at w_+ = w_- = alpha w0 is 8 alpha^2 times the "
        "inner product weighted by w0^2, so at w0 = 1 the plain one.",
        r"K(x, x') = 8\alpha^2\langle w_0^2 \circ x, x'\rangle",
        Verdict.PROVED,
        (proof(diagonal_kernel),),
        remark="At depth D it is 2 D^2 alpha^(2D-2) <w0^(2D-2) o x, x'>.",
    ),
)
