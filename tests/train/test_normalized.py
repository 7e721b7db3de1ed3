from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import logsumexp, softmax
from torch import nn

from implicitbias import Status
from implicitbias.train import DiagonalNetwork, train_by_flow, train_by_log_flow, train_by_normalized_descent
from implicitbias.train._accuracy import log_loss

TRAINERS = [train_by_log_flow, train_by_normalized_descent]
A = np.array([[1.0, 0.5, -0.3, 0.2], [0.4, 1.2, 0.1, -0.5], [0.7, -0.2, 0.9, 0.3]])


def problem(depth=2, alpha=1.0, rows=A, w0=None):
    net = DiagonalNetwork(rows.shape[1], depth, alpha, w0)
    points = torch.tensor(rows)
    return net, lambda: net(points)


def off(trained, expected):
    return np.linalg.norm(trained - expected) / np.linalg.norm(expected)


def path_of_equations(depth, start, accuracies):
    """Flow of the plain weights in the clock of the accuracy, written out by hand, at the given accuracies."""
    d = A.shape[1]

    def velocity(_, w):
        pull = depth * A.T @ softmax(-A @ (w[:d] ** depth - w[d:] ** depth))
        v = np.concatenate([pull * w[:d] ** (depth - 1), -pull * w[d:] ** (depth - 1)])
        return v / (v @ v)

    marks = np.concatenate([[0.0], accuracies])
    w = solve_ivp(
        velocity, (0, marks[-1]), np.tile(start, 2), method="Radau", t_eval=marks, rtol=1e-10, atol=1e-13
    ).y.T
    return w[1:, :d] ** depth - w[1:, d:] ** depth


@pytest.mark.parametrize(("depth", "alpha"), [(2, 1.0), (2, 0.05), (2.5, 0.3), (3, 1.0), (4, 0.7)])
def test_flow_against_the_equations_written_out(depth, alpha):
    w0 = np.array([1.0, 0.7, 1.5, 1.0])
    net, margins = problem(depth, alpha, w0=w0)
    result = train_by_log_flow(net, margins, save_at=[1, 5, 30])
    assert result.success, result.status
    reached = result.info["saved_accuracy"]
    expected = path_of_equations(depth, alpha * w0, reached)
    for trained, truth, accuracy in zip(result.info["saved_beta"], expected, reached, strict=True):
        assert off(trained, truth) < 1e-7
        assert accuracy == pytest.approx(math.log(3) - logsumexp(-A @ trained), rel=1e-12)


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("loss", ["exponential", "logistic"])
def test_one_sample_in_closed_form(depth, loss):
    # one dual variable: beta = b(nu x), and the margin <x, b(nu x)> decides where on the curve it is
    x = A[0]
    net, margins = problem(depth, 0.5, rows=x[None])
    result = train_by_log_flow(net, margins, loss=loss, until_accuracy=200, save_at=[2])
    assert result.success

    def curve(nu):
        if depth == 2:
            return 2 * 0.5**2 * np.sinh(nu * x)
        return 0.5**3 * ((1 - nu * x) ** -3 - (1 + nu * x) ** -3)

    for beta, accuracy in [
        (result.beta, result.info["accuracy"]),
        (result.info["saved_beta"][0], result.info["saved_accuracy"][0]),
    ]:
        margin = accuracy if loss == "exponential" else float(-mpmath.log(mpmath.expm1(mpmath.exp(-accuracy))))
        highest = 12.0 if depth == 2 else (1 - 1e-9) / np.abs(x).max()
        nu = brentq(lambda nu: x @ curve(nu) - margin, 0, highest, xtol=1e-15, rtol=1e-15)  # noqa: B023
        assert off(beta, curve(nu)) < 1e-8


def test_same_curve_as_the_flow_in_its_own_time():
    net, margins = problem(2, 0.8)
    plain = train_by_flow(net, lambda: torch.exp(-margins()).mean(), tolerance=1e-3)
    other, others = problem(2, 0.8)
    fast = train_by_log_flow(other, others, until_accuracy=-math.log(plain.residuals["loss"]))
    # both stop past the mark, each at its own place; where the accuracy is the same, so must the state be
    expected = path_of_equations(2, np.full(4, 0.8), [fast.info["accuracy"]])
    assert off(fast.beta, expected[0]) < 1e-8
    reached = -math.log(plain.residuals["loss"])
    assert off(plain.beta, path_of_equations(2, np.full(4, 0.8), [reached])[0]) < 1e-8
    assert plain.info["time"] > 20 * fast.info["time"]


def test_descent_is_of_first_order_in_the_step():
    error = []
    for step in (4e-3, 2e-3, 1e-3):
        net, margins = problem(2, 1.0)
        result = train_by_normalized_descent(net, margins, step_size=step, until_accuracy=20)
        assert result.success
        assert (result.info["falls"], result.info["zero_crossings"]) == (0, 0)
        assert result.info["time"] == pytest.approx(step * result.iterations)
        error.append(off(result.beta, path_of_equations(2, np.ones(4), [result.info["accuracy"]])[0]))
    assert error[0] / error[1] == pytest.approx(2, rel=0.1)
    assert error[1] / error[2] == pytest.approx(2, rel=0.05)
    assert error[2] < 2e-3


def test_descent_is_what_its_formula_says():
    net, margins = problem(3, 0.9)
    result = train_by_normalized_descent(net, margins, step_size=1e-2, save_at=[1, 1.1, 2])
    plus, minus = np.full(4, 0.9), np.full(4, 0.9)
    for _ in range(result.iterations):
        m = A @ (plus**3 - minus**3)
        pull = A.T @ np.exp(-m) / np.exp(-m).sum()  # -grad L / L of the predictor
        plus, minus = plus + 1e-2 * 3 * plus**2 * pull, minus - 1e-2 * 3 * minus**2 * pull
    np.testing.assert_allclose(result.beta, plus**3 - minus**3, rtol=1e-12)


@pytest.mark.parametrize("train", TRAINERS)
def test_a_loss_far_below_the_smallest_float(train):
    net, margins = problem(2, 100.0)
    seen = []
    result = train(net, margins, until_accuracy=2e4, callback=seen.append)
    assert result.success
    assert result.info["accuracy"] >= 2e4  # a loss of 1e-8686
    assert result.residuals["accuracy"] == 0
    last = seen[-1]
    assert (last.loss, last.accuracy, last.step) == (0.0, result.info["accuracy"], result.iterations)
    assert np.all(np.diff([p.accuracy for p in seen]) > 0)
    # at alpha^2 of the order of the accuracy neither the l1 nor the l2 direction, but one and the same
    direction = result.beta / np.linalg.norm(result.beta)
    net, margins = problem(2, 100.0)
    exact = train_by_log_flow(net, margins, until_accuracy=2e4).beta
    assert np.linalg.norm(direction - exact / np.linalg.norm(exact)) < 1e-2


@pytest.mark.parametrize("train", TRAINERS)
def test_states_kept_are_the_first_past_their_marks(train):
    net, margins = problem(2, 1.0)
    seen = []
    result = train(net, margins, save_at=[5, 1, 5.0000001, -1], callback=seen.append)
    steps, accuracy = result.info["saved_steps"], result.info["saved_accuracy"]
    assert result.info["saved_beta"].shape == (3, 4)
    assert (steps[0], accuracy[0]) == (0, 0)
    assert not result.info["saved_beta"][0].any()
    for mark, step in zip([1, 5], steps[1:], strict=True):
        assert seen[step - 1].accuracy >= mark
        assert step == 1 or seen[step - 2].accuracy < mark
    assert steps[-1] == result.iterations
    np.testing.assert_array_equal(result.info["saved_beta"][-1], result.beta)


def test_log_of_the_losses_at_two_precisions():
    margins = torch.tensor([-800.0, -25.0, -20.01, -3.0, 0.0, 5.0, 19.999, 20.0, 20.001, 36.0, 800.0]).double()
    for m in margins:
        with mpmath.workdps(400):
            e = mpmath.exp(-mpmath.mpf(m.item()))
            truth = float(mpmath.log(mpmath.log1p(e)))
            # d/dm log log(1 + e^-m)
            slope = float(-e / (1 + e) / mpmath.log1p(e))
        x = m.clone().requires_grad_()
        value = log_loss(lambda x=x: x[None], "logistic")()
        (gradient,) = torch.autograd.grad(value, x, create_graph=True)
        (second,) = torch.autograd.grad(gradient, x)
        assert value.item() == pytest.approx(truth, rel=2e-15, abs=2e-15)
        assert gradient.item() == pytest.approx(slope, rel=1e-12)
        assert math.isfinite(second.item())
    assert log_loss(lambda: margins, "exponential")().item() == pytest.approx(800 - math.log(11))
    assert log_loss(lambda: margins[-1:] * 1e4, "exponential")().item() == -8e6


@pytest.mark.parametrize("train", TRAINERS)
def test_any_module(train):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).to(torch.float64)
    inputs = torch.randn(3, 3, dtype=torch.float64)
    labels = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
    result = train(module, lambda: labels * module(inputs)[:, 0], loss="logistic", until_accuracy=1.5)
    assert result.success
    assert result.beta.shape == (21,)
    # no sample has more than the whole loss, 3 e^-1.5 < log 2
    assert bool((labels * module(inputs)[:, 0] > 0).all())


@pytest.mark.parametrize("train", TRAINERS)
def test_samples_that_cannot_be_separated_stall(train):
    rows = np.array([[1.0], [-1.0]])
    result = train(*problem(2, 1.0, rows=rows), until_accuracy=5)
    assert result.status is Status.STALLED
    assert result.residuals["accuracy"] == 1.0


def test_too_long_a_step_shows():
    # two samples that pull against each other: the weights bounce between them
    rows = np.array([[1.0, -0.8], [-0.6, 1.0]])
    falls = [
        train_by_normalized_descent(
            *problem(2, 1.0, rows=rows), step_size=step, until_accuracy=1e3, max_steps=500
        ).info["falls"]
        for step in (3e-2, 1e-3)
    ]
    assert falls[0] > 100
    assert falls[1] == 0
    net, margins = problem(4, 1.0)
    result = train_by_normalized_descent(net, margins, step_size=1e200, until_accuracy=1e3)
    assert result.status is Status.NON_FINITE
    assert bool(net.predictor().isfinite().all())


@pytest.mark.parametrize("train", TRAINERS)
def test_limits_and_interruption_are_statuses(train):
    result = train(*problem(), until_accuracy=100, max_steps=3)
    assert (result.status, result.iterations) == (Status.ITERATION_LIMIT, 3)
    assert 0 < result.residuals["accuracy"] < 1
    assert train(*problem(), until_accuracy=100, time_limit=0.0).status is Status.TIME_LIMIT
    assert train(*problem(), until_accuracy=0).iterations == 0

    def stop(progress):
        if progress.step == 5:
            raise KeyboardInterrupt

    net, margins = problem()
    result = train(net, margins, until_accuracy=100, save_at=[0.01], callback=stop)
    assert (result.status, result.iterations) == (Status.INTERRUPTED, 5)
    np.testing.assert_array_equal(result.beta, net.predictor().detach())


@pytest.mark.parametrize("train", TRAINERS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "hinge", "until_accuracy": 1}, "loss must be one of exponential, logistic, got 'hinge'"),
        ({}, "until_accuracy must be given, or save_at"),
        ({"save_at": []}, "until_accuracy must be given, or save_at"),
        ({"until_accuracy": math.nan}, "until_accuracy must be finite, got nan"),
        ({"save_at": [1, math.inf]}, "save_at must be finite, got inf"),
        ({"until_accuracy": 1, "max_steps": -1}, "max_steps must not be negative"),
    ],
)
def test_refuses(train, options, message):
    with pytest.raises(ValueError, match=message):
        train(*problem(), **options)


def test_refuses_what_only_one_of_them_takes():
    with pytest.raises(ValueError, match="step_size must be positive and finite, got 0"):
        train_by_normalized_descent(*problem(), step_size=0.0, until_accuracy=1)
    with pytest.raises(ValueError, match="method must be one of LSODA, BDF, Radau, DOP853, got 'Euler'"):
        train_by_log_flow(*problem(), method="Euler", until_accuracy=1)
    with pytest.raises(ValueError, match=r"12000 parameters .* use method='DOP853' or train_by_normalized_descent"):
        train_by_log_flow(*problem(rows=np.ones((1, 6000))), until_accuracy=1)
    net, _ = problem()
    with pytest.raises(ValueError, match=r"the margins must be a vector \(N,\) .* got \(1, 4\)"):
        train_by_log_flow(net, lambda: net.predictor()[None], until_accuracy=1)
