"""Lazy training of the diagonal network: the rates of Chizat et al. (2019), and the exact orders at depth 2.

Statement. For beta = w_+^2 - w_-^2 from alpha, X of full row rank and ``beta_lin`` the end point of the linearized
model, as ``alpha -> infinity``: ``||w - w(0)|| ~ alpha^{-1}``, ``||w - w_lin|| ~ alpha^{-3}``,
``||beta - beta_lin|| ~ alpha^{-4}``. In the scale ``a = alpha^2`` of Chizat et al., weights divided by alpha:
``1/a``, ``1/a^2``, ``1/a^2``, where their theorem has ``1/a``, ``log(a)/a^2``, ``1/a``.

Source. Chizat et al. (2019), Theorems 2.2 and 2.4, as quoted in Smith (2022), Section 3.3.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp
from sympy import Integer, Matrix, exp, expand, series, simplify, sinh, symbols

from implicitbias.ledger import Check, Claim, Search, Verdict, proof, search

__all__ = ["CLAIMS", "expansion", "trained"]


def expansion(check: Check) -> str:
    """Solve ``X beta = y`` for the dual variable in powers of ``e = 1/(2 alpha^2)``."""
    e = symbols("e", positive=True)
    x = symbols("x:2", positive=True)
    n0, n2, y = symbols("n_0 n_2 y", real=True)
    # theta = e X^T n: beta = sinh(theta)/e; one sample and two coordinates
    n = n0 + e**2 * n2
    beta = [series(sinh(e * xi * n) / e, e, 0, 4).removeO() for xi in x]
    fitted = expand(sum(xi * b for xi, b in zip(x, beta, strict=True)) - y)
    square, fourth = sum(xi**2 for xi in x), sum(xi**4 for xi in x)
    first = {n0: y / square}
    check.equal(
        simplify(fitted.coeff(e, 0).subs(first)), Integer(0), "order 0: n_0 = (X X^T)^-1 y, the least l2 solution"
    )
    second = {n2: -(n0**3) * fourth / (6 * square)}
    check.equal(simplify(fitted.coeff(e, 2).subs(second)), Integer(0), "order e^2: X X^T n_2 = -X (X^T n_0)^3/6")
    check(
        all(b.coeff(e, 1) == 0 for b in map(expand, beta)), "no odd orders: sinh(e s)/e is even in e, and analytic"
    )
    gaps = [simplify(expand(b).coeff(e, 2).subs(second).subs(first)) for b in beta]
    check(
        any(gap != 0 for gap in gaps), "beta - beta_lin is of the order e^2 ~ alpha^-4, and not smaller in general"
    )
    # w_+ = alpha exp(theta/2), w_lin = alpha (1 + theta_lin/2)
    theta, lin = symbols("theta theta_lin", real=True)
    check.equal(
        series(exp(theta / 2), theta, 0, 3).removeO(),
        1 + theta / 2 + theta**2 / 8,
        "w/alpha = 1 + theta/2 + theta^2/8 + ...",
    )
    check.equal(
        expand((1 + theta / 2 + theta**2 / 8) - (1 + lin / 2)),
        theta / 2 - lin / 2 + theta**2 / 8,
        "theta ~ e, theta - theta_lin ~ e^3: w - w_lin ~ alpha e^2 ~ alpha^-3, w - w(0) ~ alpha e ~ alpha^-1",
    )
    for power, order in ((1, -1), (2, -3)):
        check(1 - 2 * power == order, f"alpha (alpha^-2)^{power} = alpha^{order}")
    # any number of samples: n(e) solves X sinh(e X^T n)/e = y, whose derivative in n at e = 0 is X X^T
    rows = Matrix([[2, 1, 0], [1, -1, 3]])
    check((rows * rows.T).det() > 0, "X X^T invertible: n is analytic in e^2 by the implicit function theorem")
    return "||w-w0|| ~ alpha^-1, ||w-w_lin|| ~ alpha^-3, ||beta-beta_lin|| ~ alpha^-4: no logarithm"


def trained(X: np.ndarray, y: np.ndarray, alpha: float, depth: float, w0: np.ndarray) -> np.ndarray:
    """Weights at the end of gradient flow, by SciPy from the equations written out; time in units of the start."""
    d = X.shape[1]
    start = alpha * np.concatenate([w0, w0])
    unit = alpha ** (2 - 2 * depth)

    def speed(_: float, w: np.ndarray) -> np.ndarray:
        r = X @ (w[:d] ** depth - w[d:] ** depth) - y
        g = 2 * depth * (X.T @ r) * unit
        return np.concatenate([-g * w[:d] ** (depth - 1), g * w[d:] ** (depth - 1)])

    slowest = np.linalg.eigvalsh(4 * depth**2 * (X * w0 ** (2 * depth - 2)) @ X.T)[0]
    path = solve_ivp(speed, (0, 60 / slowest), start, method="DOP853", rtol=1e-13, atol=1e-15 * alpha)
    end: np.ndarray = path.y[:, -1]
    return end


def slopes(tries: Search) -> str:
    """Slopes over alpha of trained networks: movement, distance from the linearized weights, and of predictors."""
    for rng in tries.draws(12, 3):
        N, d = int(rng.integers(1, 4)), int(rng.integers(4, 7))
        depth = float(rng.choice([2.0, 3.0, 4.0]))
        X, y, w0 = rng.standard_normal((N, d)), rng.standard_normal(N), rng.uniform(0.7, 1.4, d)
        weight = w0 ** (2 * depth - 2)
        gram = (X * weight) @ X.T
        if np.linalg.cond(gram) > 50:
            tries.skip("badly conditioned")
            continue
        least = weight * (X.T @ np.linalg.solve(gram, y))
        mus = np.array([64.0, 256.0])  # alpha^D
        found = []
        for mu in mus:
            alpha = mu ** (1 / depth)
            w = trained(X, y, alpha, depth, w0)
            start = alpha * np.concatenate([w0, w0])
            shift = alpha ** (1 - depth) * w0 ** (depth - 1) * (X.T @ np.linalg.solve(gram, y)) / (2 * depth)
            linear = start + np.concatenate([shift, -shift])
            beta = w[:d] ** depth - w[d:] ** depth
            found.append(
                [
                    np.linalg.norm(w - start) / alpha,
                    np.linalg.norm(w - linear) / alpha,
                    np.linalg.norm(beta - least),
                ]
            )
        slope = np.diff(np.log(np.array(found)), axis=0)[0] / np.log(mus[1] / mus[0])
        for value, theory, what in zip(slope, (-1.0, -2.0, -2.0), ("w - w0", "w - w_lin", "beta"), strict=True):
            tries.at_most(abs(float(value) - theory), 0.1, f"{what}, D = {depth}")
    return tries.conclude("D = 2, 3, 4, shapes w0, alpha^D = 64 and 256: slopes within 0.1", share=0.5, lost=0.5)


CLAIMS = (
    Claim(
        "smith.theorems-2.2-2.4",
        "Smith (2022), Theorems 2.2 and 2.4, quoting Chizat et al. (2019)",
        "Training alpha h with loss L(alpha h)/alpha^2 from w0 with h(w0) = 0: as alpha grows the weights stay "
        "within O(1/alpha) of their start, within O(1/alpha^2) (up to log alpha, uniformly in time) of those of "
        "the linearized model, and outputs within O(1/alpha).",
        r"\|w_\alpha-w_0\| = O(1/\alpha), \quad \|w_\alpha-\bar w_\alpha\| = O(\log\alpha/\alpha^2), \quad "
        r"\|\alpha h(w_\alpha)-\alpha\bar h(\bar w_\alpha)\| = O(1/\alpha)",
        Verdict.TESTED,
        (search(slopes), proof(expansion)),
        remark="The general theorems are quoted, and not proved again here; for the diagonal network of depth 2 "
        "the exact orders are proved: new.lazy-orders.",
    ),
    Claim(
        "new.lazy-orders",
        "This package",
        "The exact orders for the diagonal network of depth 2 from alpha, at the end of training, when X has "
        "full row rank: movement alpha^(-1), distance from the linearized weights alpha^(-3), of predictors "
        "alpha^(-4).",
        r"\|w-w(0)\| \sim \alpha^{-1}, \quad \|w-\bar w\| \sim \alpha^{-3}, \quad \|\beta-\bar\beta\| \sim "
        r"\alpha^{-4}",
        Verdict.PROVED,
        (proof(expansion), search(slopes)),
        remark="In the scale a = alpha^2 of Chizat et al.: 1/a, 1/a^2 and 1/a^2, where their theorem has 1/a "
        "for the last; there is no logarithm. At other depths the slopes over alpha^D are the same, tested.",
    ),
)
