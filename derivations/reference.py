"""Any start: biased and unbalanced weights, the product ``u v``, and the divergence that training minimizes.

Statement. Let gradient flow on ``L = ||X beta - y||^2`` start at ``w_+ != w_-``, or ``beta = u v`` at
``|u| != |v|``, with predictor ``beta_0``, and end with ``X beta = y``. With the scale a that the flow conserves,

    D = 2:  a^2 = w_+ w_-,                   beta = 2 a^2 sinh(theta),
    D > 2:  2 a^{2-D} = w_+^{2-D} + w_-^{2-D},   beta = a^D h_D(a^{D-2} theta),
    u v:    a^2 = |u^2 - v^2|/4,             beta = 2 a^2 sinh(theta),  s = 2 a^2 = |u^2 - v^2|/2,

and ``theta = theta_0 + X^T nu``. The end point is ``argmin D_Q(beta, beta_0) s.t. X beta = y`` with
``D_Q = Q(beta) - Q(beta_0) - <theta_0, beta - beta_0>``, ``theta_0 = grad Q(beta_0)`` and Q the regularizer of a
start at ``w_+ = w_- = a``; its conjugate is ``Q*(theta + theta_0) - Q*(theta_0)``. Each weight's share of D_Q is
positive.

Source. Woodworth et al. (2020), footnote 2 and Appendix C, where it is said and not carried out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sympy import (
    Expr,
    Integer,
    Matrix,
    Symbol,
    cosh,
    exp,
    expand,
    expand_log,
    expand_power_base,
    log,
    powdenest,
    simplify,
    sinh,
    symbols,
)

from implicitbias.ledger import Check, Claim, Verdict, proof

from . import depth, hypentropy
from ._flow import gradient_flow

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CLAIMS", "bregman_conjugate", "derive", "product_flow", "share"]

n, D, p = depth.n, depth.D, depth.p


def depth_two(check: Check) -> None:
    """Conserved product and predictor from any start."""
    flow = gradient_flow(Integer(2))
    # each coordinate is by itself, X^T r apart: one will do
    plus, minus, theta, beta, g = next(
        zip(flow.plus, flow.minus, hypentropy.dual_of_weights(flow), flow.beta, flow.correlation, strict=True)
    )
    check.equal(flow.along(plus * minus), Integer(0), f"{plus} {minus} is conserved from any start")
    check.equal(flow.along(theta), -8 * g, "theta = log(w_+/w_-) moves by -8 X^T r: theta = theta_0 + X^T nu")
    check.equal(
        (2 * plus * minus * sinh(theta)).rewrite(exp).expand(),
        beta,
        "w_+^2 - w_-^2 = 2 a^2 sinh(theta) with a^2 = w_+ w_-, balanced or not",
    )


def beyond_two(check: Check) -> None:
    """The same for D > 2."""
    flow = gradient_flow(D)
    a, z = symbols("a", positive=True), symbols("z", real=True)
    above, below = symbols("A B", positive=True)  # 1 - z and 1 + z
    # each coordinate is by itself, X^T r apart: one will do
    plus, minus, theta, g = next(
        zip(flow.plus, flow.minus, depth.dual_of_weights(flow), flow.correlation, strict=True)
    )
    mean = (plus**-n + minus**-n) / 2
    check.equal(flow.along(mean), Integer(0), f"({plus}^(2-D) + {minus}^(2-D))/2 = a^(2-D) is conserved")
    check.equal(flow.along(theta), -2 * D * n * g, "theta = theta_0 + X^T nu, nu = -2D(D-2) ∫r")
    check.equal(mean - theta, plus**-n, "w_+^(2-D) = a^(2-D) - theta = a^(2-D) (1 - z), z = a^(D-2) theta")
    check.equal(mean + theta, minus**-n, "w_-^(2-D) = a^(2-D) (1 + z)")

    powers = [powdenest(expand_power_base((a**-n * base) ** -p)) for base in (above, below)]
    beta = (powers[0] - powers[1]).subs({above: 1 - z, below: 1 + z})
    check.equal(beta, a**D * depth.curve(z), "w_+^D - w_-^D = a^D h_D(z), balanced or not")


def product_flow() -> tuple[Matrix, Matrix, Matrix, Callable[[Expr], Expr]]:
    """``(u, v, X^T r, d/dt)`` of gradient flow on ``||X (u v) - y||^2``, by differentiating the loss."""
    difference = gradient_flow(Integer(2))
    u, v = Matrix(symbols("u:2", real=True)), Matrix(symbols("v:2", real=True))
    residual = difference.design * u.multiply_elementwise(v) - difference.target
    loss = sum(entry**2 for entry in residual)
    weights = [*u, *v]
    velocities = [-loss.diff(w) for w in weights]

    def along(quantity: Expr) -> Expr:
        return sum(quantity.diff(w) * velocity for w, velocity in zip(weights, velocities, strict=True))

    return u, v, difference.design.T * residual, along


def product(check: Check) -> None:
    """Write ``u v`` as a difference of squares; its flow is that of the difference at half the speed."""
    u, v, correlation, along = product_flow()
    # each coordinate is by itself, X^T r apart: one will do
    first, second, g = next(zip(u, v, correlation, strict=True))
    check.equal(along(first**2 - second**2), Integer(0), f"{first}^2 - {second}^2 is conserved")
    plus, minus = (first + second) / 2, (first - second) / 2
    check.equal(plus**2 - minus**2, first * second, "u v = w_+^2 - w_-^2 with w_± = (u ± v)/2")
    for sign, w in ((-1, plus), (1, minus)):
        check.equal(along(w), sign * 2 * g * w, "w_±' = -+2 X^T r w_±: the path of depth 2, at half its speed")
    check.equal(plus * minus, (first**2 - second**2) / 4, "w_+ w_- = (u^2 - v^2)/4")
    check.equal(
        along(first - second).subs(second, first),
        Integer(0),
        "where u = v they stay equal, and u v = u^2 keeps its sign: no such start",
    )


def bregman_conjugate(check: Check, curve: Expr, integral: Expr, t: Symbol) -> None:
    """Gradient and conjugate of ``D_Q`` along a curve ``beta = b(t)`` with ``Q* = integral``.

    ``Q(b(t)) = t b(t) - Q*(t)``; the curve is passed over by t from the point ``t_0``.
    """
    start, dual = symbols("t_0 s", real=True)
    value = t * curve - integral
    at = {t: start}
    divergence = value - value.subs(at) - start * (curve - curve.subs(at))
    check.equal(
        divergence.diff(t), (t - start) * curve.diff(t), "grad D_Q = theta - theta_0, which is X^T nu at the end"
    )
    check.equal(divergence.subs(t, start), Integer(0), "D_Q(beta_0, beta_0) = 0")
    # the supremum of s beta - D_Q is where s = t - t_0
    supremum = (dual * curve - divergence).subs(t, dual + start)
    check.equal(
        supremum, integral.subs(t, dual + start) - integral.subs(at), "D_Q* = Q*(theta + theta_0) - Q*(theta_0)"
    )


def share(power: Expr, slope: Expr, t: Symbol) -> Expr:
    """Divergence of a convex function of the dual coordinate, ``power(t0) - power(t) - slope(t) (t0 - t)``."""
    start = symbols("t_0", real=True)
    return power.subs(t, start) - power - slope * (start - t)


def _f(t: Expr) -> Expr:
    return t - 1 + exp(-t)


def _g(t: Expr) -> Expr:
    return 1 - (1 + t) * exp(-t)


def shares(check: Check) -> None:
    """Split D_Q into the shares of w_+ and w_-, each positive, in the form in which it is evaluated."""
    theta, L = symbols("theta L", real=True)
    start = symbols("t_0", real=True)
    conjugate = 2 * (cosh(theta) - 1)
    f, g = _f(L), _g(L)  # L >= 0 in what follows
    for sign, what in ((1, "P"), (-1, "Q")):
        power = exp(sign * theta)
        part = share(power, power.diff(theta), theta)
        rising = part.subs(start, theta - sign * L)
        check.equal(rising / power, f, f"D = 2: the share of {what} is {what} f(L), L = log({what}/{what}_0) >= 0")
        falling = part.subs(start, theta + sign * L)
        check.equal(falling / (power * exp(L)), g, f"and {what}_0 g(|L|) for L < 0")
    both = sum(share(exp(s * theta), s * exp(s * theta), theta) for s in (1, -1))
    check.equal(
        (both - share(conjugate, conjugate.diff(theta), theta)).rewrite(exp),
        Integer(0),
        "D_Q(beta, beta_0) is their sum",
    )

    # D > 2: c u^-m/m with u = 1 - z, and P = c u^-p; e^L = u_0/u
    u, m, size = symbols("u m L", positive=True)
    part = ((u * exp(L)) ** -m - u**-m) / m + u ** (-m - 1) * (u * exp(L) - u)
    part = expand(powdenest(part, force=True))
    f_at, g_at = _f, _g
    rising = u * exp(size) * u ** (-m - 1) * (g_at(size) + exp(-size) * f_at(m * size) / m)
    check.equal(expand(part.subs(L, size) - rising), Integer(0), "D > 2, L >= 0: u_0 P [g(L) + e^-L f(mL)/m]")
    first_power = (u * exp(-size)) ** (-m - 1)
    falling = u * exp(-size) * first_power * (exp(-m * size) * f_at(size) + g_at(m * size) / m)
    falling = expand(powdenest(falling, force=True))
    check.equal(
        simplify(expand(part.subs(L, -size)) - falling), Integer(0), "L < 0: u_0 P_0 [e^(-m|L|) f(|L|) + g(m|L|)/m]"
    )
    for name, function in (("f", f_at), ("g", g_at)):
        at_zero = function(size).subs(size, 0)
        slope = simplify(function(size).diff(size) * exp(size))
        check(at_zero == 0 and slope.subs(size, 0) == 0, f"{name}(0) = {name}'(0) = 0")
        check(bool(slope.diff(size).is_positive), f"and {name}' e^L increases: {name} >= 0, nothing cancels")


def derive(check: Check) -> str:
    """Conserved scale and curve for every start, the divergence and its conjugate, and its positive shares."""
    depth_two(check)
    beyond_two(check)
    product(check)
    theta, z = symbols("theta z", real=True)
    bregman_conjugate(check, 2 * sinh(theta), 2 * (cosh(theta) - 1), theta)
    bregman_conjugate(check, depth.curve(z), depth.curve_integral(z), z)
    plus, minus = symbols("w_+ w_-", positive=True)
    check.equal(
        expand_log(log(plus / minus), force=True).subs(minus, plus),
        Integer(0),
        "theta_0 = 0 where w_+ = w_-: Theorem 1",
    )
    shares(check)
    return "argmin D_Q(beta, beta_0), a^2 = w_+ w_- or |u^2 - v^2|/4, 2 a^(2-D) = w_+^(2-D) + w_-^(2-D)"


CLAIMS = (
    Claim(
        "woodworth.footnote-2",
        "Woodworth et al. (2020), footnote 2",
        "The results extend to a start with w_+ different from w_- and to the model u v: the flow ends at the "
        "solution of X beta = y with the least Bregman divergence of Q from the predictor at the start.",
        r"\beta^\infty = \operatorname{argmin}_{X\beta=y} D_Q(\beta, \beta(0)), \qquad a^2 = w_+ w_- \text{ or "
        r"} \tfrac14|u^2 - v^2|, \quad 2a^{2-D} = w_+^{2-D} + w_-^{2-D}",
        Verdict.PROVED,
        (proof(derive),),
        remark="The paper says that it can be done and does not carry it out.",
    ),
)
