"""The derivation of the classification flow: wrong inputs are refused, numbers agree with the package."""

from dataclasses import replace

import numpy as np
import pytest
from sympy import Integer, Matrix, log, sinh, symbols

from derivations import classification, depth
from implicitbias import Q, three_points
from implicitbias.ledger import Check, StepError
from implicitbias.solvers.margin._flow_limit import flow_limit

TWO = Integer(2)
a = symbols("a", positive=True)


def fails(function, *arguments):
    with pytest.raises(StepError) as caught:
        function(Check(), *arguments)
    return str(caught.value)


def test_the_speed_of_the_duals():
    flow = classification.margin_flow(TWO)
    dual = lambda u, v: log(u) - log(v)  # noqa: E731 (as the derivation passes it)
    assert classification.dual_speed(Check(), flow, dual, Integer(1)) == 4
    assert classification.dual_speed(Check(), flow, dual, Integer(3)) == 12
    fails(
        classification.dual_speed, replace(flow, velocity_plus=2 * flow.velocity_plus + flow.plus), dual, Integer(1)
    )
    fails(classification.dual_speed, flow, lambda u, v: u - v, Integer(1))


def test_the_bound_needs_the_conserved_mean():
    classification.lemma3(Check(), TWO, lambda u, v: u * v, a**2)
    fails(classification.lemma3, TWO, lambda u, v: 2 * u * v, a**2)
    fails(classification.lemma3, TWO, lambda u, v: u * v * 2 - v**2, a**2)
    n = depth.n
    fails(classification.lemma3, depth.D, lambda u, v: (u**-n + v**-n) / 2, a ** (-2 * n))


def test_steps_of_the_limit():
    weight, rows = Matrix.diag(1, 2, 5), Matrix([[2, 1, 0], [1, -1, 3]])
    velocity = classification.tied(Check(), weight, rows)
    assert list(rows * velocity) == [1, 1]
    with pytest.raises(StepError):
        classification.bregman_step(_Wrong(), lambda s: 2 * sinh(s))


class _Wrong(Check):
    """Feeds a multiplier of the wrong sign into the comparison."""

    def equal(self, left, right, what):
        super().equal(left, right.subs(symbols("lambda", real=True), -symbols("lambda", real=True)), what)


def test_an_example_without_a_fall_is_refused():
    assert "falls" in fails(classification.example, Matrix([[1, 0, 0], [0, 1, 0], [0, 0, 1]]))


def test_the_example_is_the_data_set():
    data = three_points.changing_support()
    signed = Matrix((data.y[:, None] * data.X).astype(int).tolist())
    early, late = classification.example(Check(), signed)
    # the package: multipliers of the limit before its event, by differences
    step = 1e-4
    mus = 1 / np.array([1 - step, 1 + step])
    dual = flow_limit(data.X, data.y, 2, mus).dual[:, 1]
    assert (dual[1] - dual[0]) / (2 * step) == pytest.approx(float(early), rel=1e-6)
    assert late < 0


@pytest.mark.parametrize("D", [2, 3, 5])
def test_the_constant_of_the_duals_against_the_network(D):
    alpha, rng = 0.8, np.random.default_rng(D)
    A = rng.standard_normal((3, 4))
    u = np.full(8, alpha)
    step = 1e-5
    for _ in range(3):  # some way from the start
        e = np.exp(-A @ (u[:4] ** D - u[4:] ** D)) / 3
        g = D * A.T @ e
        before = Q(alpha, D).grad(u[:4] ** D - u[4:] ** D)
        u = u + step * np.concatenate([g * u[:4] ** (D - 1), -g * u[4:] ** (D - 1)])
        moved = (Q(alpha, D).grad(u[:4] ** D - u[4:] ** D) - before) / step
        c = 4 if D == 2 else D * (D - 2) * alpha ** (D - 2)
        # one step of Euler's method
        assert moved == pytest.approx(c * A.T @ e, rel=1e-3)
