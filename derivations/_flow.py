"""Gradient flow of the squared loss on a diagonal network, obtained by differentiating the loss.

Two samples and two coordinates, all entries symbols: nothing in the derivations depends on the size, since
the loss is a sum over samples and each weight appears in one coordinate only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sympy import Expr, Integer, Matrix, Rational, simplify, symbols

if TYPE_CHECKING:
    from implicitbias.ledger import Check

__all__ = ["PRINTED_FACTOR", "Flow", "dual_constant", "gradient_flow", "velocity_constant"]

SAMPLES = COORDINATES = 2
PRINTED_FACTOR = Rational(1, 2)


@dataclass(frozen=True)
class Flow:
    """``w' = -grad L`` for ``L = factor ||X beta - y||^2``, ``beta = w_+^D - w_-^D``.

    Attributes
    ----------
    depth, factor : Expr
        ``D`` and the factor in front of the loss: 1 in the text of the paper, 1/2 in the constants it prints.
    design, target : Matrix
        ``X`` of shape (N, d) and ``y`` of shape (N, 1).
    plus, minus : Matrix
        Weights, shape (d, 1), positive.
    velocity_plus, velocity_minus : Matrix
        Their time derivatives, shape (d, 1).
    """

    depth: Expr
    factor: Expr
    design: Matrix
    target: Matrix
    plus: Matrix
    minus: Matrix
    velocity_plus: Matrix
    velocity_minus: Matrix

    @property
    def beta(self) -> Matrix:
        """The predictor, shape (d, 1)."""
        return self.plus.applyfunc(self._power) - self.minus.applyfunc(self._power)

    @property
    def residual(self) -> Matrix:
        """``r = X beta - y``, shape (N, 1)."""
        return self.design * self.beta - self.target

    @property
    def correlation(self) -> Matrix:
        """``X^T r``, shape (d, 1): the only way the data enter."""
        return self.design.T * self.residual

    def along(self, quantity: Expr) -> Expr:
        """Return the time derivative of a function of the weights."""
        weights, velocities = [*self.plus, *self.minus], [*self.velocity_plus, *self.velocity_minus]
        return sum(quantity.diff(w) * v for w, v in zip(weights, velocities, strict=True))

    def _power(self, weight: Expr) -> Expr:
        return weight**self.depth


def gradient_flow(depth: Expr, factor: Expr = Integer(1)) -> Flow:  # noqa: B008 (a SymPy number is immutable)
    """Differentiate ``factor ||X (w_+^D - w_-^D) - y||^2`` with respect to every weight."""
    design = Matrix(SAMPLES, COORDINATES, symbols(f"x:{SAMPLES}:{COORDINATES}", real=True))
    target = Matrix(symbols(f"y:{SAMPLES}", real=True))
    plus = Matrix(symbols(f"w_+:{COORDINATES}", positive=True))
    minus = Matrix(symbols(f"w_-:{COORDINATES}", positive=True))
    at_rest = 0 * plus
    still = Flow(depth, factor, design, target, plus, minus, at_rest, at_rest)
    loss = factor * sum(entry**2 for entry in still.residual)
    down = [Matrix([-loss.diff(w) for w in weights]) for weights in (plus, minus)]
    return Flow(depth, factor, design, target, plus, minus, *down)


def velocity_constant(check: Check, flow: Flow) -> Expr:
    """Return ``k`` with ``w_+' = -k X^T r w_+^{D-1}`` and ``w_-' = +k X^T r w_-^{D-1}``."""
    ratios = [
        simplify(velocity / (sign * g * w ** (flow.depth - 1)))
        for sign, weights, velocities in (
            (-1, flow.plus, flow.velocity_plus),
            (1, flow.minus, flow.velocity_minus),
        )
        for g, w, velocity in zip(flow.correlation, weights, velocities, strict=True)
    ]
    free = ratios[0].free_symbols - flow.depth.free_symbols
    check(len(set(ratios)) == 1 and not free, f"-dL/dw_± = -+k X^T r w_±^(D-1), L = {flow.factor} ||r||^2")
    return ratios[0]


def dual_constant(check: Check, flow: Flow, dual: Matrix) -> Expr:
    """Return ``k`` with ``dtheta/dt = -k X^T r`` for the dual coordinate ``theta(w)``, shape (d, 1).

    With it the distance to an interpolator is a clock for the loss: if ``grad Q(beta) = theta`` and
    ``X beta* = y``, the Bregman divergence ``D_Q(beta*, beta(t))`` falls at the rate ``k ||r||^2``. It starts
    at ``Q(beta*)`` and the loss never grows: ``||r(t)||^2 <= Q(beta*)/(k t)``. The theorems assume that
    the flow ends with ``X beta = y``; it is enough that this can be solved.
    """
    ratios = [simplify(flow.along(theta) / -g) for theta, g in zip(dual, flow.correlation, strict=True)]
    free = ratios[0].free_symbols - flow.depth.free_symbols
    check(len(set(ratios)) == 1 and not free, "theta moves in the row space of X: theta' = -k X^T r")
    solution = Matrix(symbols(f"beta*:{len(dual)}", real=True))
    speed = Matrix([flow.along(theta) for theta in dual])
    # d/dt [Q(beta*) - Q(beta) - <theta, beta* - beta>] = -<theta', beta* - beta>, as grad Q(beta) = theta.
    bregman = -(speed.T * (solution - flow.beta))[0]
    at_solution = dict(zip(flow.target, flow.design * solution, strict=True))
    squares = sum(entry**2 for entry in flow.residual)
    check.equal(
        bregman.subs(at_solution),
        (-ratios[0] * squares).subs(at_solution),
        "d/dt D_Q(beta*, beta) = -k ||r||^2",
    )
    return ratios[0]
