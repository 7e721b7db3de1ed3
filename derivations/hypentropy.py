"""Depth 2: from the flow of the squared loss to the hypentropy, with any shape of initialization.

Statement (Theorem 1, general case). If gradient flow on ``L = ||X beta - y||^2``, ``beta = w_+^2 - w_-^2``,
started at ``w_+ = w_- = alpha w0``, ends with ``X beta = y``, it ends at

    argmin Q(beta)  s.t.  X beta = y,    Q(beta) = sum_i alpha^2 w0_i^2 q(beta_i/(alpha^2 w0_i^2)),
    q(z) = 2 - sqrt(4 + z^2) + z asinh(z/2).

Source. Woodworth et al. (2020), Section 4 ("A General Approach"), Theorem 1, eqs. (4)-(7), Appendix D
(15)-(21).

Where the print differs. The constants -2, -4 and ``nu = -4 ∫r`` of (15)-(18) belong to
``L = ||X beta - y||^2/2``; for the loss as defined in Section 2 they are -4, -8 and ``nu = -8 ∫r``.
``q(z) = |z| log|z| + O(1/|z|)``, above (7), lacks ``2 - |z|``. Neither touches the theorem: ``nu`` only has
to exist, and the lost terms are within the error of (7).
"""

from __future__ import annotations

from sympy import (
    Eq,
    Expr,
    Function,
    Integer,
    Matrix,
    Rational,
    Symbol,
    asinh,
    cosh,
    dsolve,
    exp,
    expand_log,
    integrate,
    limit,
    log,
    oo,
    series,
    simplify,
    sinh,
    solve,
    sqrt,
    symbols,
    tanh,
)

from implicitbias.ledger import Check, Claim, Correction, Refutation, Verdict, counterexample, proof

from ._flow import PRINTED_FACTOR, Flow, dual_constant, gradient_flow, velocity_constant

__all__ = ["CLAIMS", "conjugate", "derive", "dual_of_weights", "hypentropy", "predictor"]


def dual_of_weights(flow: Flow) -> Matrix:
    """Return ``theta = log(w_+/w_-)``, shape (d, 1)."""
    return flow.plus.applyfunc(log) - flow.minus.applyfunc(log)


def predictor(check: Check, scale: Symbol, theta: Symbol) -> Expr:
    """Solve the flow of one coordinate; return ``beta`` by ``theta``, with ``scale = alpha w0``."""
    flow = gradient_flow(Integer(2))
    k = velocity_constant(check, flow)
    check(k == 4, "w' = -+4 X^T r w, twice the constant printed in (15)")
    printed = velocity_constant(check, gradient_flow(Integer(2), PRINTED_FACTOR))
    check(printed == 2, "the constant of (15) is that of L = ||r||^2/2")
    for plus, minus in zip(flow.plus, flow.minus, strict=True):
        check.equal(flow.along(plus * minus), Integer(0), f"{plus} {minus} is conserved")

    # G = ∫ (X^T r)_i dt serves as the clock: dw/dG = -+k w, with no need to know r.
    clock, w = symbols("G", real=True), Function("w")
    plus, minus = (
        dsolve(Eq(w(clock).diff(clock), sign * k * w(clock)), w(clock), ics={w(0): scale}).rhs for sign in (-1, 1)
    )
    check.equal(plus * minus, scale**2, "w_+ w_- stays at its initial value alpha^2 w0^2")
    (clock_of_theta,) = solve(expand_log(log(plus / minus), force=True) - theta, clock)
    check.equal(clock_of_theta, -theta / 8, "theta = log(w_+/w_-) = -8 ∫X^T r, so theta = X^T nu, nu = -8 ∫r")
    check(
        dual_constant(check, flow, dual_of_weights(flow)) == 8,
        "the same from the weights, with X and r in full",
    )
    half = gradient_flow(Integer(2), PRINTED_FACTOR)
    check(dual_constant(check, half, dual_of_weights(half)) == 4, "nu = -4 ∫r of (18) is that of L = ||r||^2/2")

    beta = (plus**2 - minus**2).subs(clock, clock_of_theta)
    check.equal(beta, 2 * scale**2 * sinh(theta), "beta = b(theta) = 2 alpha^2 w0^2 sinh(theta), eq. (17)")
    return 2 * scale**2 * sinh(theta)


def hypentropy(check: Check, curve: Expr, theta: Symbol, beta: Symbol, scale: Symbol) -> Expr:
    """Invert the curve ``b`` and integrate to ``scale^2 q(beta/scale^2)``; return ``q(z)``."""
    z, u = symbols("z u", positive=True)
    gradient = asinh(beta / (2 * scale**2))
    check.equal(curve.subs(theta, gradient), beta, "b^{-1}(beta) = asinh(beta/(2 alpha^2 w0^2)), eq. (19)")
    check((curve.diff(theta) / scale**2).is_positive is True, "b is increasing, so there is no other inverse")
    q = integrate(gradient.subs({beta: u, scale: 1}), (u, 0, z))
    check.equal(q, 2 - sqrt(4 + z**2) + z * asinh(z / 2), "q = ∫ asinh(u/2) du, eq. (21)")
    regularizer = scale**2 * q.subs(z, beta / scale**2)
    check.equal(
        regularizer.diff(beta),
        gradient,
        "Q_i = alpha^2 w0^2 q(beta/(alpha^2 w0^2)) has gradient b^{-1}, (20)",
    )
    curvature = simplify(regularizer.diff(beta, 2))
    check.equal(curvature, 1 / sqrt(beta**2 + 4 * scale**4), "Q'' = 1/sqrt(beta^2 + 4 alpha^4 w0^4) > 0")
    return q


def conjugate(check: Check, curve: Expr, theta: Symbol, q: Expr, z: Symbol) -> Expr:
    """Integrate the curve to the conjugate and check Fenchel's equality at ``z = 2 sinh(theta)``."""
    dual = integrate(curve, (theta, 0, theta))
    scale_squared = curve / (2 * sinh(theta))
    check.equal(dual, 2 * scale_squared * (cosh(theta) - 1), "Q* = ∫b = 2 alpha^2 w0^2 (cosh theta - 1)")
    unit = dual / scale_squared
    # SymPy leaves asinh(sinh(x)) alone; it is x for real x.
    on_curve = q.subs(z, 2 * sinh(theta)).subs(asinh(sinh(theta)), theta)
    check.equal(
        on_curve + unit, theta * 2 * sinh(theta), "q(z) + q*(theta) = z theta on the curve z = 2 sinh(theta)"
    )
    return dual


def stable_forms(check: Check, q: Expr, z: Symbol) -> None:
    """Rewrite ``q`` without the difference of nearly equal numbers that the printed form takes."""
    s = symbols("s", positive=True)
    check.equal(q, z * asinh(z / 2) - z**2 / (2 + sqrt(4 + z**2)), "q = z asinh(z/2) - z^2/(2 + sqrt(4 + z^2))")
    stable = z * (asinh(z / 2) - tanh(asinh(z / 2) / 2))
    difference = (
        (q - stable).subs(z, 2 * sinh(s)).subs({asinh(sinh(s)): s, sqrt(4 * sinh(s) ** 2 + 4): 2 * cosh(s)})
    )
    check.equal(difference.rewrite(exp), Integer(0), "q = z (s - tanh(s/2)), s = asinh(z/2)")


def limits(check: Check, q: Expr, z: Symbol) -> None:
    """Expand ``q`` at both ends and read off the two norms, with the weights that the shape leaves behind."""
    alpha, shape, beta = symbols("alpha w0 beta", positive=True)
    small = series(q, z, 0, 9).removeO()
    check.equal(
        small, z**2 / 4 - z**4 / 192 + z**6 / 2560 - 5 * z**8 / 114688, "q = z^2/4 - z^4/192 + z^6/2560 - ..."
    )
    tail = limit((q - (z * log(z) - z + 2)).rewrite(log) * z, z, oo)
    check(tail == -1, "q = z log z - z + 2 - 1/z + ...: print above (7) lacks 2 - z")

    scale = alpha**2 * shape**2
    regularizer = (scale * q.subs(z, beta / scale)).rewrite(log)
    check(
        limit(4 * alpha**2 * regularizer, alpha, oo) == beta**2 / shape**2,
        "alpha -> oo: 4 alpha^2 Q -> beta^2/w0^2",
    )
    rich = limit(regularizer / log(1 / alpha**2), alpha, 0)
    check(rich == beta, "alpha -> 0: Q/log(1/alpha^2) -> |beta|, whatever the shape (7)")


def kkt(check: Check, q: Expr, z: Symbol) -> None:
    """Check stationarity of the Lagrangian at ``beta = b(X^T nu)`` with two samples and two coordinates."""
    flow = gradient_flow(Integer(2))
    scales = symbols("a:2", positive=True)
    nu = Matrix(symbols("nu:2", real=True))
    beta = symbols("beta:2", real=True)
    value = sum(a**2 * q.subs(z, b / a**2) for a, b in zip(scales, beta, strict=True))
    constraint = (nu.T * (flow.design * Matrix(beta) - flow.target))[0]
    end = {b: 2 * a**2 * sinh(th) for a, b, th in zip(scales, beta, flow.design.T * nu, strict=True)}
    for b in beta:
        # sinh is one-to-one on the reals, so compare under it.
        gradient = simplify(value.diff(b).subs(end))
        check.equal(sinh(gradient), sinh(constraint.diff(b)), f"dQ/d{b} = (X^T nu)_i at beta = b(X^T nu)")


def derive(check: Check) -> str:
    """Follow Section 4: flow, dual coordinate, curve, inverse, integral, optimality, limits."""
    theta, beta = symbols("theta beta", real=True)
    scale, z = symbols("a z", positive=True)
    curve = predictor(check, scale, theta)
    q = hypentropy(check, curve, theta, beta, scale)
    kkt(check, q, z)
    conjugate(check, curve, theta, q, z)
    stable_forms(check, q, z)
    limits(check, q, z)
    return f"q(z) = {q}, Q = sum a_i^2 q(beta_i/a_i^2), a = alpha w0"


def printed_constants(refute: Refutation) -> str:
    """One sample and one coordinate, x = 1, y = 0, at w_+ = 1 and w_- = 1/2, and the path for constant residual."""
    plus, minus = Integer(1), Rational(1, 2)
    w, t = symbols("w_+ t", positive=True)
    residual = plus**2 - minus**2
    velocity = -((w**2 - minus**2) ** 2).diff(w).subs(w, plus)
    refute.differs(-2 * residual * plus, velocity, "(15): w_+' at x = 1, y = 0, w_+ = 1, w_- = 1/2")
    # (16) and (17) with r = 1 over [0, 1], x = 1, alpha w0 = 1, against w' = -4 r w
    true = exp(-4 * t).subs(t, 1)
    refute.differs(exp(-2), true, "(16): w_+ after int r = 1")
    refute.differs(2 * sinh(-4), true**2 - true**-2, "(17): beta after int r = 1")
    return "w_+' = -3 where (15) has -3/2; after int r = 1, beta = -2 sinh 8 where (17) has -2 sinh 4"


_PAPER = "Woodworth et al. (2020)"
CLAIMS = (
    Claim(
        "woodworth.theorem-1",
        f"{_PAPER}, Theorem 1, equations (4), (5), (18)-(21)",
        "Gradient flow on ||X beta - y||^2 with beta = w_+^2 - w_-^2, started at w_+ = w_- = alpha w0, ends, if "
        "it ends with X beta = y, at the solution of X beta = y that has the least Q, for an explicit convex "
        "function Q.",
        r"\beta^\infty = \operatorname{argmin}_{X\beta=y} \sum_i \alpha^2 w_{0,i}^2\, "
        r"q\left(\frac{\beta_i}{\alpha^2 w_{0,i}^2}\right), \qquad q(z) = 2 - \sqrt{4+z^2} + "
        r"z\operatorname{arcsinh}\frac z2",
        Verdict.PROVED,
        (proof(derive),),
        remark="Q is strictly convex (q'' > 0), so stationarity is sufficient and the minimizer unique. The "
        "hypothesis that the flow ends with X beta = y is itself a theorem: "
        "woodworth.hypothesis-zero-error.",
    ),
    Claim(
        "woodworth.eqs-15-17",
        f"{_PAPER}, Appendix D, equations (15)-(17)",
        "The flow of L = ||X~ w^2 - y||^2 with X~ = [X, -X] is printed as w' = -2 X~^T r o w, with the solution "
        "w(0) exp(-2 X~^T int r) and beta = 2 alpha^2 w0^2 sinh(-4 X^T int r), where r is the residual.",
        r"\dot w = -2\tilde X^\top r \circ w, \quad w(t) = w(0)\circ e^{-2\tilde X^\top\int r}, \quad \beta(t) "
        r"= 2\alpha^2 w_0^2\circ\sinh\left(-4X^\top\int_0^t r\right)",
        Verdict.FALSE,
        (counterexample(printed_constants),),
        Correction(
            "The constants are twice as large; those printed belong to half the loss. So nu = -8 int r in (18).",
            r"\dot w = -4\tilde X^\top r \circ w, \quad w(t) = w(0)\circ e^{-4\tilde X^\top\int r}, \quad "
            r"\beta(t) = 2\alpha^2 w_0^2\circ\sinh\left(-8X^\top\int_0^t r\right)",
            Verdict.PROVED,
            (proof(derive),),
        ),
        "A factor of time. The theorem needs only that some nu exists, and is not affected.",
    ),
)
