"""Classification: exponential-loss flow as a mirror flow, the bound on its loss, and its limit at large scales.

Statement. Let ``L = (1/N) sum exp(-m_n)``, ``m = A w``, ``A = diag(y) X``, ``w = u_+^D - u_-^D``, and let the
weights follow ``-grad L`` from ``u_+ = u_- = a = alpha w0``. With ``p = softmax(-m)``, in the dual units of the
package,

    theta = grad Q(w) = A^T nu,   nu' = c L p,   c = 4 at D = 2,  c = D(D-2) alpha^{D-2} beyond;

so in the clock ``tau = sum nu``, ``d tau = c L dt``: ``d nu/d tau = p`` (no multiplier ever falls) and
``d gamma~/d tau = p^T G p``, ``gamma~ = -log L``, ``G = A W A^T``, ``W = dw/dtheta``. The loss is at most
``1/(1 + 2 D^2 alpha^{2D-2} gamma_2^2 t)`` (Lemma 3). At accuracy ``alpha^D/mu`` the point ``w/gamma~`` and the
multipliers satisfy ``grad Q_mu(w/gamma~) = A^T nu`` with no constant in mu (Theorem 6). Where margins are tied the
limit ``alpha -> inf`` moves by ``G nu' = 1`` on the ties, the direction of the least ``v'^T W^{-1} v'``; its steps
are Bregman projections. A multiplier of the ``Q_mu`` path can fall: an example.

Source. Moroshko et al. (2020), Lemma 3, Theorem 6, eq. (6); the regularizer is that of Woodworth et al. (2020).

Where the print differs. The paper has no statement on the limit without Condition 5. ``Q_mu`` of (6) is ``Q`` of
the package over mu.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sympy import (
    Expr,
    Function,
    Integer,
    Matrix,
    Symbol,
    asinh,
    cosh,
    dsolve,
    exp,
    expand,
    factor,
    log,
    ones,
    simplify,
    sinh,
    sqrt,
    symbols,
)

from implicitbias.ledger import Check

from . import depth

if TYPE_CHECKING:
    from collections.abc import Callable

    Curve = Callable[[Expr, Expr], Expr]

__all__ = ["MarginFlow", "bregman_step", "derive", "dual_speed", "example", "lemma3", "margin_flow", "tied"]

n, D = depth.n, depth.D
SAMPLES = COORDINATES = 2


@dataclass(frozen=True)
class MarginFlow:
    """``u' = -grad L`` of the exponential loss on two samples and two coordinates, all entries symbols.

    Attributes
    ----------
    depth : Expr
        ``D``.
    signed : Matrix
        ``A``, shape (N, d).
    plus, minus : Matrix
        Weights, shape (d, 1), positive.
    velocity_plus, velocity_minus : Matrix
        Their time derivatives, shape (d, 1).
    """

    depth: Expr
    signed: Matrix
    plus: Matrix
    minus: Matrix
    velocity_plus: Matrix
    velocity_minus: Matrix

    @property
    def slopes(self) -> Matrix:
        """``e_n/N = exp(-m_n)/N``, shape (N, 1); their sum is the loss."""
        power = self.depth
        predictor = self.plus.applyfunc(lambda u: u**power) - self.minus.applyfunc(lambda u: u**power)
        return (self.signed * predictor).applyfunc(lambda m: exp(-m) / SAMPLES)

    @property
    def loss(self) -> Expr:
        """``L``."""
        return sum(self.slopes)

    @property
    def pull(self) -> Matrix:
        """``g = A^T e/N = L A^T p``, shape (d, 1)."""
        return self.signed.T * self.slopes

    def along(self, quantity: Expr) -> Expr:
        """Return the time derivative of a function of the weights."""
        weights, velocities = [*self.plus, *self.minus], [*self.velocity_plus, *self.velocity_minus]
        return sum(quantity.diff(u) * v for u, v in zip(weights, velocities, strict=True))


def margin_flow(power: Expr) -> MarginFlow:
    """Differentiate the loss with respect to every weight."""
    signed = Matrix(SAMPLES, COORDINATES, symbols(f"a:{SAMPLES}:{COORDINATES}", real=True))
    plus = Matrix(symbols(f"u_+:{COORDINATES}", positive=True))
    minus = Matrix(symbols(f"u_-:{COORDINATES}", positive=True))
    still = MarginFlow(power, signed, plus, minus, 0 * plus, 0 * minus)
    down = [Matrix([-still.loss.diff(u) for u in weights]) for weights in (plus, minus)]
    return MarginFlow(power, signed, plus, minus, *down)


def dual_speed(check: Check, flow: MarginFlow, dual: Curve, scale: Expr) -> Expr:
    """Return ``c`` with ``theta' = c L A^T p`` for ``theta = scale dual(u_+, u_-)``, one coordinate at a time."""
    speeds = set()
    for plus, minus, g in zip(flow.plus, flow.minus, flow.pull, strict=True):
        speeds.add(simplify(flow.along(scale * dual(plus, minus)) / g))
    check(len(speeds) == 1, f"theta' = c g, the same c for each coordinate: nu' = c L p, D = {flow.depth}")
    (speed,) = speeds
    allowed = flow.depth.free_symbols | scale.free_symbols
    check(speed.free_symbols <= allowed, "c is a constant: every multiplier rises, by its share p of the slope")
    return speed


def mirror_flow(check: Check) -> None:
    """Velocities, what is conserved, the dual variable and its speed; the accuracy in the clock of the duals."""
    alpha = symbols("alpha", positive=True)
    cases: tuple[tuple[Expr, Curve, Curve, Expr, Expr, Curve], ...] = (
        (
            Integer(2),
            lambda u, v: u * v,
            lambda u, v: log(u) - log(v),
            Integer(1),
            Integer(4),
            lambda u, v: u**2 + v**2,
        ),
        (
            D,
            lambda u, v: u**-n + v**-n,
            lambda u, v: (v**-n - u**-n) / 2,
            alpha**n,
            D * n * alpha**n,
            lambda u, v: D / (n * alpha**n) * (u ** (2 * D - 2) + v ** (2 * D - 2)),
        ),
    )
    for power, conserved, dual, scale, expected, curvature in cases:
        flow = margin_flow(power)
        weights = (flow.plus[0], flow.minus[0])
        for sign, u, velocity in (
            (1, flow.plus[0], flow.velocity_plus[0]),
            (-1, flow.minus[0], flow.velocity_minus[0]),
        ):
            check.equal(velocity, sign * power * flow.pull[0] * u ** (power - 1), f"{u}' = {sign} D g {u}^(D-1)")
        check.equal(flow.along(conserved(*weights)), Integer(0), f"{conserved(*weights)} is conserved")
        speed = dual_speed(check, flow, dual, scale)
        check.equal(speed, expected, f"c = {expected}")

        # one sample at a time would do: m' = A w', w_i' = W_i theta_i', theta' = c L A^T p
        W = [curvature(u, v) for u, v in zip(flow.plus, flow.minus, strict=True)]
        predictor = flow.plus[0] ** power - flow.minus[0] ** power
        check.equal(flow.along(predictor), W[0] * speed * flow.pull[0], f"w' = W theta', W = {W[0]} is dw/dtheta")
        # -L' is the sum of the squared velocities, and each is W_i g_i^2 for its coordinate
        squares = flow.velocity_plus[0] ** 2 + flow.velocity_minus[0] ** 2
        check.equal(
            squares / flow.pull[0] ** 2,
            speed * W[0],
            "-L' = c sum W_i g_i^2: d gamma~/d tau = (A^T p)^T W (A^T p) = p^T G p in d tau = c L dt = d sum nu",
        )


def lemma3(check: Check, power: Expr, mean: Curve, scale: Expr) -> None:
    """Bound the squared gradient below by ``k L^2``, ``k = 2 D^2 a^{2D-2} gamma_2^2``, and integrate.

    `mean` is the conserved quantity of one coordinate, written so that it equals `scale` at ``u_+ = u_-``.
    """
    flow = margin_flow(power)
    squares = sum(v**2 for v in (*flow.velocity_plus, *flow.velocity_minus))
    check(expand(flow.along(flow.loss) + squares) == 0, "L' = -|grad L|^2")
    plus, minus = flow.plus[0], flow.minus[0]
    check.equal(
        (flow.velocity_plus[0] ** 2 + flow.velocity_minus[0] ** 2) / flow.pull[0] ** 2,
        power**2 * (plus ** (2 * power - 2) + minus ** (2 * power - 2)),
        "|grad L|^2 = D^2 sum g_i^2 (u_+^(2D-2) + u_-^(2D-2))",
    )

    u, v, a = symbols("u v a", positive=True)
    check.equal(mean(a, a), scale.subs(Symbol("a", positive=True), a), "the conserved mean at the start")
    if power == 2:
        gap = (u**2 + v**2) / 2 - mean(u, v)
        check((factor(gap) - (u - v) ** 2 / 2).expand() == 0, "(u_+^2 + u_-^2)/2 - u_+ u_- is a square: >= a^2")
    else:
        x = symbols("x", positive=True)
        convex = x ** (-(2 * power - 2) / (power - 2))
        check(simplify(convex.diff(x, 2) / convex * x**2).is_positive, "x^(-(2D-2)/(D-2)) is convex for x > 0")
        check.equal(convex.subs(x, u**-n), u ** (2 * power - 2), "it takes u^(2-D) to u^(2D-2)")
        check.equal(
            convex.subs(x, scale.subs(Symbol("a", positive=True), a)),
            a ** (2 * power - 2),
            "Jensen: (u_+^(2D-2) + u_-^(2D-2))/2 >= a^(2D-2)",
        )

    # |g| >= gamma_2 L: g against the unit vector of the largest margin
    first, second, gamma2 = symbols("w_0 w_1 gamma_2", positive=True)
    e = Matrix(symbols(f"e:{SAMPLES}", positive=True))
    over = Matrix(symbols(f"s:{SAMPLES}", nonnegative=True))
    g = Matrix(symbols("g:2", real=True))
    unit = Matrix([first, second])
    check.equal(
        (unit.T * unit)[0] * (g.T * g)[0] - (unit.T * g)[0] ** 2,
        (first * g[1] - second * g[0]) ** 2,
        "|w|^2 |g|^2 - <w, g>^2 is a square (Lagrange): |g| >= <w, g> for a unit w",
    )
    product = (e.T * (gamma2 * ones(SAMPLES, 1) + over))[0]
    rest = expand(product - gamma2 * sum(e))
    check(bool(rest.is_nonnegative), "<w, A^T e> - gamma_2 sum e >= 0 where all margins of w are >= gamma_2")

    time, k = symbols("t k", positive=True)
    L = Function("L")(time)
    solution = dsolve(L.diff(time) + k * L**2, L, ics={L.subs(time, 0): 1}).rhs
    check.equal(solution, 1 / (1 + k * time), "L' = -k L^2 from L = 1 gives 1/(1 + k t), above every L' <= -k L^2")


def scaling(check: Check) -> None:
    """``Q_mu`` of the paper, ``Q`` of the package, and mu without a constant."""
    w, gamma, alpha, mu = symbols("w gamma alpha mu", positive=True)
    q = Function("q")
    paper = q(w / mu)
    ours = alpha**D * q(w / alpha**D)
    at = {alpha: mu ** (1 / D)}
    check.equal(ours.subs(at) / paper, mu, "Q(alpha) = mu Q_mu at alpha^D = mu: the same minimizers")
    check.equal(
        ours.diff(w).doit().subs(alpha, mu ** (1 / D)),
        (mu * paper).diff(w).doit(),
        "grad Q = q'(w/mu), the dual unit of the package: no factor alpha",
    )
    check.equal(
        2 * alpha**2 * sinh(asinh(w / alpha**2 / 2)),
        w,
        "D = 2: theta = asinh(w/(2 alpha^2)) = q'(w/alpha^2), exactly",
    )
    check.equal(
        (gamma * w / alpha**D).subs(gamma, alpha**D / mu), w / mu, "at gamma~ = alpha^D/mu: theta = q'(w_hat/mu)"
    )
    m, k = symbols("m_n m_k", real=True)
    check.equal(
        simplify(log(exp(-k) / exp(-m))),
        m - k,
        "m_n - m_k = log(p_k/p_n): ties of margins are exact up to a constant",
    )


def tied(check: Check, weight: Matrix, rows: Matrix) -> Matrix:
    """Move two tied samples: return ``v'``, least in ``v'^T W^{-1} v'`` with both margins keeping up."""
    G = rows * weight * rows.T
    speeds = G.inv() * ones(2, 1)
    velocity = weight * rows.T * speeds
    check(
        (rows * velocity - ones(2, 1)).applyfunc(simplify).is_zero_matrix,
        "G nu' = 1: tied margins keep up with tau",
    )
    # any other velocity that keeps up differs by z with A z = 0, and costs z^T W^{-1} z more
    z = rows.nullspace()[0]
    cross = (velocity.T * weight.inv() * z)[0]
    check.equal(cross, Integer(0), "no other velocity that keeps up has a smaller v'^T W^-1 v'")
    return velocity


def bregman_step(check: Check, slope: Callable[[Expr], Expr]) -> None:
    """Stationarity of ``min D_Q(v, v_k) s.t. A v >= tau``: the multipliers are added to those before."""
    v, start, dual = symbols("v v_k lambda", real=True)
    Q = Function("Q")
    divergence = Q(v) - Q(start) - Q(start).diff(start) * (v - start)
    a, tau = symbols("a tau", real=True)
    stationary = (divergence - dual * (a * v - tau)).diff(v)
    claimed = Q(v).diff(v) - (Q(start).diff(start) + a * dual)
    check.equal(stationary, claimed, "grad Q(v) = grad Q(v_k) + A^T lambda: nu_{k+1} = nu_k + lambda, lambda >= 0")
    # in the limit of small steps: tau + dtau by nu + dnu, G dnu = dtau
    x, step = symbols("x h", real=True)
    moved = slope(a * (x + step * dual)) * a
    check.equal(
        moved.diff(step).subs(step, 0),
        a**2 * slope(a * x).diff(x) / a * dual,
        "d(A v) = G d nu: the flow on the ties",
    )


def example(check: Check, rows: Matrix) -> tuple[Expr, Expr]:
    """Follow three tied samples at D = 2, and return the speeds of the second multiplier early and late."""
    tau = symbols("tau", positive=True)
    b = rows.inv() * ones(3, 1)
    # v = tau b, theta = asinh(v/2) = A^T nu
    nu = rows.T.inv() * (tau * b / 2).applyfunc(asinh)
    speed = nu.diff(tau)[1]
    early, late = (speed.subs(tau, value).evalf(30) for value in (1, 20))
    check(bool(early > 0), "the second multiplier rises at mu = 1")
    check(bool(late < 0), "it falls at mu = 1/20: the Q_mu path does what the flow cannot")
    value = nu[1].subs(tau, 20).evalf(30)
    check(bool(value > 0), "where it is positive still: its margin is tied on the Q_mu path")
    exact = sum(c * x / sqrt(4 + (tau * x) ** 2) for c, x in zip(rows.T.inv().row(1), b, strict=True))
    check.equal(speed, exact, "d nu/d tau = A^-T (b/sqrt(4 + tau^2 b^2))")
    return early, late


def derive(check: Check) -> str:
    """Go through the statement of this file."""
    mirror_flow(check)
    a = symbols("a", positive=True)
    lemma3(check, Integer(2), lambda u, v: u * v, a**2)
    lemma3(check, D, lambda u, v: (u**-n + v**-n) / 2, a**-n)
    scaling(check)
    x = symbols("x:3", positive=True)
    tied(check, Matrix.diag(*x), Matrix([[2, 1, 0], [1, -1, 3]]))
    bregman_step(check, lambda s: 2 * sinh(s))
    check.equal((2 * sinh(x[0])).diff(x[0]), 2 * cosh(x[0]), "W = 2 cosh(theta) at D = 2, alpha = 1")
    example(check, Matrix([[4, 2, 1], [1, 0, 2], [0, -2, 2]]))
    return "nu' = c L softmax(-m); L <= 1/(1 + 2 D^2 alpha^(2D-2) gamma_2^2 t); Q_mu at gamma~ = alpha^D/mu"
