"""Bounds and limits of the theorems along true trajectories."""

import math

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize

from implicitbias import theorems, three_points
from implicitbias.flow import gradient_flow
from implicitbias.solvers.margin._flow_limit import flow_limit


def network_flow(X, y, alpha, depth, times, w0):
    """Losses at times, by integrating ``u' = -grad L`` in the weights themselves."""
    A, d = y[:, None] * X, X.shape[1]

    def loss(u):
        return np.mean(np.exp(-A @ (u[:d] ** depth - u[d:] ** depth)))

    def velocity(_, u):
        g = depth * A.T @ np.exp(-A @ (u[:d] ** depth - u[d:] ** depth)) / len(A)
        return np.concatenate([g * u[:d] ** (depth - 1), -g * u[d:] ** (depth - 1)])

    found = solve_ivp(
        velocity, (0, times[-1]), alpha * np.concatenate([w0, w0]), "LSODA", times, rtol=1e-11, atol=1e-13
    )
    return np.array([loss(u) for u in found.y.T])


@pytest.mark.parametrize("depth", [2, 3, 4.5])
@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("shaped", [False, True])
def test_lemma_3_holds_along_the_flow_of_the_network(depth, alpha, shaped):
    data = three_points.same_support()
    w0 = np.array([1.2, 0.7, 1.0]) if shaped else np.ones(3)
    gamma2 = theorems.l2_margin(data.X, data.y, depth, w0)
    times = np.r_[0, np.geomspace(1e-4, 1e3, 30)] / alpha ** (2 * depth - 2)
    losses = network_flow(data.X, data.y, alpha, depth, times, w0)
    bound = theorems.moroshko_lemma3_loss(times, alpha, depth, gamma2)
    assert (losses <= bound * (1 + 1e-9)).all()
    assert bound[0] == 1


@pytest.mark.parametrize("depth", [2, 3])
def test_lemma_3_is_sharp_at_the_start(depth):
    # the mean of y_n x_n, (1, 0), is the point nearest to zero of their hull
    X, y = np.array([[1.0, 1.0], [-1.0, 1.0]]), np.array([1.0, -1.0])
    gamma2 = theorems.l2_margin(X, y)
    assert gamma2 == pytest.approx(1)
    times = np.array([0, 1e-5, 1e-4])
    losses = network_flow(X, y, 1.0, depth, times, np.ones(2))
    bound = theorems.moroshko_lemma3_loss(times, 1.0, depth, gamma2)
    assert (losses <= bound * (1 + 1e-12)).all()
    assert (1 - losses[1:]) / (1 - bound[1:]) == pytest.approx([1, 1], rel=1e-2)
    # a constant that is larger by a thousandth would be refuted
    assert (losses[1:] > theorems.moroshko_lemma3_loss(times[1:] * 1.01, 1.0, depth, gamma2)).all()


@pytest.mark.parametrize("depth", [2, 3])
def test_lemma_3_at_accuracies_that_no_float_of_the_loss_holds(depth):
    data = three_points.changing_support()
    tr = gradient_flow(data.X, data.y, 30.0, depth, "exponential", until_accuracy=1e6)
    gamma2 = theorems.l2_margin(data.X, data.y)
    bound = theorems.moroshko_lemma3_accuracy(np.log(10) * tr.log10_time, math.log(30), depth, gamma2)
    assert (tr.accuracy >= bound * (1 - 1e-9)).all()
    assert tr.accuracy[-1] > 9e5


def test_lemma_3_in_log_scale():
    for alpha, t in ((0.1, 1e-3), (10, 1e5), (1e80, 1e100)):
        with mpmath.workdps(30):
            exact = mpmath.log1p(2 * 9 * mpmath.mpf(alpha) ** 4 * mpmath.mpf("0.25") * mpmath.mpf(t))
        found = theorems.moroshko_lemma3_accuracy(math.log(t), math.log(alpha), 3, 0.5)
        # as many units of rounding as the logarithms are large
        assert found == pytest.approx(float(exact), rel=1e-12)
    assert theorems.moroshko_lemma3_accuracy(1e6, 1e7, 2, 1.0) == pytest.approx(2.1e7 + math.log(8))


def test_l2_margin_is_the_largest():
    data = three_points.many_l1_solutions()
    A, w0 = data.y[:, None] * data.X, np.array([1.0, 2.0, 0.5])
    for depth, shape in ((2, None), (3, w0)):
        weights = np.ones(3) if shape is None else shape ** (2.0 - 2 * depth)
        found = minimize(
            lambda w, s=weights: w @ (s * w),
            np.array([0.0, 0.5, -1]),
            method="SLSQP",
            options={"ftol": 1e-15},
            constraints={"type": "ineq", "fun": lambda w: A @ w - 1},
        )
        assert theorems.l2_margin(data.X, data.y, depth, shape) == pytest.approx(found.fun**-0.5, rel=1e-6)


def error_at(data, scale, depth, accuracy, target, w0=None):
    tr = gradient_flow(data.X, data.y, scale ** (1 / depth), depth, "exponential", save_at=[accuracy], w0=w0)
    reached = tr.beta[-1] / tr.margin[-1]
    return np.linalg.norm(reached - target) / np.linalg.norm(target)


SCALES = np.array([1e3, 1e5, 1e7])
DEPTHS = [(2, None), (3, None), (3, np.array([1.3, 0.8, 1.0]))]


@pytest.mark.parametrize(("depth", "w0"), DEPTHS)
def test_theorem_4(depth, w0):
    data = three_points.same_support()
    target = theorems.moroshko_theorem4(data.X, data.y, depth, w0)
    errors = np.array([error_at(data, s, depth, s**0.5, target, w0) for s in SCALES])
    # 1/gamma~ = alpha^{-D/2}: a tenth for each factor of a hundred
    assert errors[1:] / errors[:-1] == pytest.approx([0.1, 0.1], rel=0.35)
    # the other error: (gamma~/alpha^D)^2
    errors = np.array([error_at(data, 1e9, depth, 1e9 * r, target, w0) for r in (1e-1, 1e-2)])
    assert errors[1] / errors[0] == pytest.approx(1e-2, rel=0.2)


@pytest.mark.parametrize(("depth", "w0"), DEPTHS)
@pytest.mark.parametrize("mu", [1.0, 0.03])
def test_theorem_6(depth, w0, mu):
    data = three_points.same_support()
    errors = []
    for scale in SCALES:
        log_alpha = math.log(scale) / depth
        accuracy = float(np.exp(theorems.moroshko_theorem6_accuracy(math.log(mu), log_alpha, depth)))
        assert accuracy == pytest.approx(scale / mu)
        target = theorems.moroshko_theorem6(data.X, data.y, accuracy, log_alpha, depth, w0)
        errors.append(error_at(data, scale, depth, accuracy, target, w0))
    assert np.array(errors[1:]) / errors[:-1] == pytest.approx([1e-2, 1e-2], rel=0.2)
    for wrong in (0.5, 2.0):
        other = theorems.moroshko_theorem6(data.X, data.y, accuracy * wrong, log_alpha, depth, w0)
        assert error_at(data, scale, depth, accuracy, other, w0) > 1e3 * errors[-1]


@pytest.mark.parametrize(("depth", "w0"), DEPTHS)
def test_theorem_7(depth, w0):
    data = three_points.same_support()
    target = theorems.moroshko_theorem7(data.X, data.y, depth, w0)
    errors = [error_at(data, s, depth, s**2, target, w0) for s in (1e2, 1e3, 1e4)]
    # at depth 2 like mu^{2/5} = alpha^{-4/5} in the end: see the docstring of the data
    assert (np.array(errors[1:]) < 0.6 * np.array(errors[:-1])).all()
    assert errors[-1] < 0.1


def test_theorem_7_needs_its_condition():
    data = three_points.deeper_norm()
    target = theorems.moroshko_theorem7(data.X, data.y, 3)
    assert target == pytest.approx([2 / 23, 5 / 23, 0])
    errors = [error_at(data, s, 3, s**2, target) for s in (1e3, 1e4)]
    assert errors[1] > errors[0] > 0.2
    reached = flow_limit(data.X, data.y, 3, [1e-9]).beta[0]
    assert np.linalg.norm(reached - np.array([0, 1 / 3, 0])) < 1e-3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theorems.moroshko_lemma3_loss(-1.0, 1.0, 2, 1.0), "t must not be negative"),
        (lambda: theorems.moroshko_lemma3_loss(1.0, 0.0, 2, 1.0), "alpha must be positive"),
        (lambda: theorems.moroshko_lemma3_loss(1.0, 1.0, 1, 1.0), "D must be a finite number >= 2"),
        (lambda: theorems.moroshko_lemma3_accuracy(1.0, 1.0, 2, 0.0), "gamma2 must be positive"),
        (lambda: theorems.moroshko_theorem6_log_mu(0.0, 1.0, 2), "accuracy must be positive"),
        (lambda: theorems.moroshko_theorem6_accuracy(0.0, 1.0, math.inf), "D must be a finite number >= 2"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
