"""Matrix factorization: the flow of the product, the lifted matrix, its scale, and the model u v.

Source. Woodworth et al. (2020), Section 6, eqs. (67), (68) and Appendix C, eqs. (11)-(14).
"""

from __future__ import annotations

import numpy as np
from sympy import Function, Integer, Matrix, Rational, Symbol, cosh, simplify, sinh, sqrt, symbols

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

from . import reference

__all__ = ["CLAIMS", "lifted_scalars", "product_flow"]


def product_flow(check: Check) -> str:
    """``W' = -grad_W L~(W W^T)`` with every entry of a symmetric gradient and of W a symbol."""
    W = Matrix(2, 2, symbols("w:2:2", real=True))
    g = symbols("g:3", real=True)
    G = Matrix([[g[0], g[1]], [g[1], g[2]]])
    M = W * W.T
    # L~ has the gradient G at M: its derivative along dM is <G, dM>
    velocity = Matrix(2, 2, lambda i, j: -sum(G.multiply_elementwise(M.diff(W[i, j]))))
    check((velocity + 2 * G * W).applyfunc(simplify).is_zero_matrix, "W' = -2 grad L~(M) W")
    speed = velocity * W.T + W * velocity.T
    check((speed + 2 * (G * M + M * G)).applyfunc(simplify).is_zero_matrix, "M' = -2 (grad L~ M + M grad L~)")
    return "M' = -2 (grad L~(M) M + M grad L~(M)): it depends on M alone"


def printed_flow(refute: Refutation) -> str:
    """One by one: ``L~(M) = M^2/2`` at W = 1."""
    w = Symbol("w", positive=True)
    velocity = -((w**2) ** 2 / 2).diff(w)
    speed = (2 * w * velocity).subs(w, 1)
    refute.differs(Integer(2), speed, "M' at d = 1, L~(M) = M^2/2, W = 1")
    return "M' = -4 where the print has +2: sign and factor are missing"


def lifted(check: Check) -> str:
    """``[U; V][U; V]^T``, and what a lifted measurement sees of it."""
    U, V, X = (Matrix(2, 2, symbols(f"{name}:2:2", real=True)) for name in "uvx")
    W = Matrix.vstack(U, V)
    M = W * W.T
    check(M[:2, 2:] == U * V.T, "the upper right block is U V^T")
    zero = Matrix.zeros(2, 2)
    Xbar = Matrix.vstack(Matrix.hstack(zero, X), Matrix.hstack(X.T, zero)) / 2
    seen = sum(Xbar.multiply_elementwise(M)) - sum(X.multiply_elementwise(U * V.T))
    check.equal(seen.expand(), Integer(0), "<Xbar, W W^T> = <X, U V^T>")
    check.equal(sum(x**2 for x in Xbar).expand(), (sum(x**2 for x in X) / 2).expand(), "||Xbar||_F^2 = ||X||_F^2/2")
    return "the asymmetric model is the symmetric one of the lifted matrix"


def moments(check: Check) -> str:
    """Second moments of products of independent normal rows of length k."""
    k, alpha = symbols("k alpha", positive=True)
    # E (sum_j U_ij V_lj)^2 = sum_j E U^2 E V^2, the mixed terms having mean zero
    entry = k * alpha**2 * alpha**2
    check.equal(sqrt(entry), alpha**2 * sqrt(k), "each entry of U V^T has standard deviation alpha^2 sqrt k")
    d = symbols("d", positive=True)
    check.equal(sqrt(d**2 * entry) / d, alpha**2 * sqrt(k), "(1/d) ||U V^T||_F is of that size")
    check.equal(
        k * alpha**2, alpha**2 * sqrt(k) * sqrt(k), "a diagonal entry of U U^T has mean alpha^2 k = sigma sqrt k"
    )
    fourth = 3 * alpha**4
    check.equal(
        sqrt(k * (fourth - alpha**4)) / (k * alpha**2),
        sqrt(2 / k),
        "and relative deviation sqrt(2/k): it concentrates",
    )
    return "sigma ~ alpha^2 sqrt k, diagonals ~ alpha^2 k = sigma sqrt k"


def sizes(tries: Search) -> str:
    """The same by drawing."""
    for rng in tries.draws(40, 8):
        d, k, alpha = 6, int(rng.choice([50, 400])), 10 ** rng.uniform(-3, 1)
        U, V = alpha * rng.standard_normal((2, d, k))
        sigma = np.linalg.norm(U @ V.T) / d
        # 36 entries: a relative deviation of some 12 %, five of which are allowed
        tries.at_most(abs(sigma / (alpha**2 * np.sqrt(k)) - 1), 0.6, f"k = {k}")
        tries.at_most(float(np.abs(np.diag(U @ U.T) / (alpha**2 * k) - 1).max()), 5 * np.sqrt(2 / k), f"k = {k}")
    return tries.conclude("normal U, V, d = 6, k = 50 and 400")


def lifted_scalars(check: Check) -> str:
    """(67): ``delta' = -4 g Delta``, ``Delta' = -4 g delta`` and their solution in the clock ``G = int g``."""
    u, v, g = Function("u"), Function("v"), symbols("g", real=True)
    t, mu, G = symbols("t mu G", positive=True)
    # one coordinate: U' = -2 g V, V' = -2 g U for L = sum r_n^2, g = (X^T r)_i
    delta, big = u(t) * v(t), (u(t) ** 2 + v(t) ** 2) / 2
    flow = {u(t).diff(t): -2 * g * v(t), v(t).diff(t): -2 * g * u(t)}
    check.equal(delta.diff(t).subs(flow), -4 * g * big, "delta' = -4 g Delta")
    check.equal(big.diff(t).subs(flow), -4 * g * delta, "Delta' = -4 g delta")
    solution, other = 2 * mu**2 * sinh(-4 * G), 2 * mu**2 * cosh(-4 * G)
    check.equal(solution.diff(G), -4 * other, "delta = 2 mu^2 sinh(-4 int g)")
    check.equal(other.diff(G), -4 * solution, "Delta = 2 mu^2 cosh(-4 int g)")
    check(solution.subs(G, 0) == 0 and other.subs(G, 0) == 2 * mu**2, "from delta = 0, Delta = 2 mu^2")
    return "(67) as printed, for L = ||.||^2; the curve 2 mu^2 sinh is that of Theorem 1 at alpha = mu"


def tangent_model(check: Check) -> str:
    """(68) by differentiation at W(0)."""
    W, W0 = (Matrix(2, 1, symbols(f"{name}:2", real=True)) for name in ("w", "w0"))
    x = symbols("x:3", real=True)
    X = Matrix([[x[0], x[1]], [x[1], x[2]]])
    f = (W.T * X * W)[0]
    at = dict(zip(W, W0, strict=True))
    gradient = Matrix([f.diff(w).subs(at) for w in W])
    affine = f.subs(at) + (gradient.T * (W - W0))[0]
    printed = (W0.T * X * W0)[0] + 2 * ((W - W0).T * X * W0)[0]
    check.equal((affine - printed).expand(), Integer(0), "f_TK = <W0 W0^T, X> + 2 <W - W0, X W0>")
    return "(68), with grad f = 2 X W(0)"


def appendix_c(refute: Refutation) -> str:
    """``u = v = x = 1, y = 1/2``."""
    u, v = symbols("u v", real=True)
    speed = -((u * v - Rational(1, 2)) ** 2).diff(u).subs({u: 1, v: 1})
    refute.differs(-speed, speed, "(11): d|u|/dt with the minus sign of the print")
    refute.differs(-2 * Rational(1, 2) ** 2, speed, "(12): with the residual squared")
    return "d|u|/dt = -1 at u = v = x = 1, y = 1/2, where (11) has +1 and (12) -1/2"


def magnitudes(check: Check) -> str:
    """``d|u|/dt = sign(u) u'`` with the residual once; and ``u^2 - v^2`` is conserved."""
    reference.product(check)
    u, v, g = symbols("u v g", positive=True)
    check.equal(-2 * g * v * u - (-2 * g * u * v), Integer(0), "u u' = v v': where |u| = |v| they stay equal")
    return "u^2 - v^2 is conserved; |u| = |v| stays, signs do not change; half the speed of the w^2 model"


_PAPER = "Woodworth et al. (2020)"
CLAIMS = (
    Claim(
        "woodworth.section-6-flow",
        f"{_PAPER}, Section 6",
        "For M = W W^T and W following the gradient flow of L~(W W^T), the flow of M is printed as grad L~ M + "
        "M grad L~.",
        r"\dot M = \nabla\tilde L(M) M + M\nabla\tilde L(M)",
        Verdict.FALSE,
        (counterexample(printed_flow),),
        Correction(
            "There is a factor -2.",
            r"\dot M = -2\left(\nabla\tilde L(M) M + M\nabla\tilde L(M)\right)",
            Verdict.PROVED,
            (proof(product_flow),),
        ),
        "What matters there, that it depends on M alone, is right.",
    ),
    Claim(
        "woodworth.section-6-lifted",
        f"{_PAPER}, Section 6",
        "The model U V^T with measurements X is the symmetric model of the stacked weights W = [U; V] with "
        "measurements Xbar = [0, X; X^T, 0]/2.",
        r"\langle X, UV^\top\rangle = \langle \bar X, WW^\top\rangle, \qquad W = "
        r"\begin{pmatrix}U\\V\end{pmatrix}, \quad \bar X = \tfrac12\begin{pmatrix}0&X\\X^\top&0\end{pmatrix}",
        Verdict.PROVED,
        (proof(lifted),),
        remark="The scan writes the lifted matrix as [U U^T; V V^T] once; its blocks, next to it, are right.",
    ),
    Claim(
        "woodworth.section-6-scale",
        f"{_PAPER}, Section 6",
        "With independent normal weights of standard deviation alpha and width k, sigma = ||U V^T||_F/d is "
        "about alpha^2 sqrt k, and the diagonal of the lifted matrix about alpha^2 k = sigma sqrt k.",
        r"\sigma \approx \alpha^2\sqrt k, \qquad [UU^\top]_{ii} \approx \alpha^2 k = \sigma\sqrt k",
        Verdict.PROVED,
        (proof(moments), search(sizes)),
        remark="Later the paper writes sigma = ||M||_F once, without 1/d.",
    ),
    Claim(
        "woodworth.eq-67",
        f"{_PAPER}, Appendix G, equation (67)",
        "For diagonal measurements with rows X_n of their diagonals, the diagonals delta of U V^T and Delta of "
        "(U U^T + V V^T)/2 follow hyperbolic functions of the integrated residual r, from delta = 0 and Delta = "
        "2 mu^2.",
        r"\delta = 2\mu^2\sinh\left(-4X^\top\int r\right), \qquad \Delta = 2\mu^2\cosh\left(-4X^\top\int r\right)",
        Verdict.PROVED,
        (proof(lifted_scalars),),
    ),
    Claim(
        "woodworth.eq-68",
        f"{_PAPER}, Appendix H, equation (68)",
        "The tangent model of the lifted factorization is its first-order expansion at the start.",
        r"f_{TK}(W, X) = \bar f(W(0), X) + \langle\nabla\bar f(W(0), X), W - W(0)\rangle",
        Verdict.PROVED,
        (proof(tangent_model),),
    ),
    Claim(
        "woodworth.eqs-11-14",
        f"{_PAPER}, Appendix C, equations (11)-(14)",
        "For the model sum u_i v_i x_i the speed of |u| is printed as -sign(u) u', and with the square of the "
        "residual.",
        r"\frac{d}{dt}|u| = -\operatorname{sign}(u)\dot u = -2\sum_n\left(\sum_i u_iv_ix_i^{(n)} - "
        r"y^{(n)}\right)^2\operatorname{sign}(u)\circ v\circ x^{(n)}",
        Verdict.FALSE,
        (counterexample(appendix_c),),
        Correction(
            "The minus sign in front of sign(u) u' and the square are wrong, and the same for v.",
            r"\frac{d}{dt}|u| = \operatorname{sign}(u)\dot u = -2\sum_n\left(\sum_i u_iv_ix_i^{(n)} - "
            r"y^{(n)}\right)\operatorname{sign}(u)\circ v\circ x^{(n)}",
            Verdict.PROVED,
            (proof(magnitudes),),
        ),
        "The conclusion is right: woodworth.appendix-c.",
    ),
    Claim(
        "woodworth.appendix-c",
        f"{_PAPER}, Appendix C",
        "If |u_i| = |v_i| at the start of the model sum u_i v_i x_i, the magnitudes stay equal and no sign "
        "changes.",
        r"|u_i(0)| = |v_i(0)| \Rightarrow |u_i(t)| = |v_i(t)|, \text{ signs constant}",
        Verdict.PROVED,
        (proof(magnitudes),),
        remark="u^2 - v^2 is conserved; the model w^2 with w = u = v runs at twice the speed.",
    ),
)
