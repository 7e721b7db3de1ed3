from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import nn

import implicitbias.train
from implicitbias import Status
from implicitbias.train import DiagonalNetwork, train_by_flow
from implicitbias.train._objective import Objective

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


class Point(nn.Module):
    """A module that is nothing but its parameter."""

    def __init__(self, *values):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(values, dtype=torch.float64))


def problem(depth, alpha, *, w0=None, seed=0, shape=(3, 6), device="cpu"):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal(shape), rng.standard_normal(shape[0])
    net = DiagonalNetwork(shape[1], depth, alpha, w0, device=device)
    Xt, yt = torch.tensor(X, device=device), torch.tensor(y, device=device)
    return X, y, net, lambda: (net(Xt) - yt).square().sum()


def explicit_end_point(X, y, depth, start):
    """The flow written out by hand and integrated by another method, until nothing moves any more."""
    d = X.shape[1]

    def velocity(_, w):
        pull = 2 * depth * X.T @ (X @ (w[:d] ** depth - w[d:] ** depth) - y)
        return np.concatenate([-pull * w[:d] ** (depth - 1), pull * w[d:] ** (depth - 1)])

    end = solve_ivp(velocity, (0, 1e5), np.tile(start, 2), method="Radau", rtol=1e-11, atol=1e-14).y[:, -1]
    beta = end[:d] ** depth - end[d:] ** depth
    assert np.linalg.norm(X @ beta - y) < 1e-9
    return beta


def test_linear_decay_is_exact():
    point = Point(1.0)
    result = train_by_flow(point, lambda: point.w.square().sum(), tolerance=1e-6)
    assert result.success
    # the default atol is 1e-10 per step on a weight that is 1e-3 by now
    assert result.beta[0] == pytest.approx(np.exp(-2 * result.info["time"]), rel=2e-6)
    assert result.residuals["loss"] <= 1e-6


def test_algebraic_decay_is_exact():
    # dw/dt = -w^3, so w = (1 + 2 t)^(-1/2): no exponential rate at all
    point = Point(1.0)
    result = train_by_flow(point, lambda: point.w.pow(4).sum() / 4, tolerance=1e-10)
    assert result.success
    assert result.beta[0] == pytest.approx((1 + 2 * result.info["time"]) ** -0.5, rel=1e-7)


@pytest.mark.parametrize("depth", [2, 2.5, 3])
@pytest.mark.parametrize("alpha", [2.0, 0.1])
def test_end_point_against_the_equations_written_out(depth, alpha):
    w0 = np.array([1.0, 0.7, 1.5, 1.0, 0.5, 1.2])
    X, y, net, loss = problem(depth, alpha, w0=w0)
    result = train_by_flow(net, loss)
    expected = explicit_end_point(X, y, depth, alpha * w0)
    assert result.success, result.status
    assert np.linalg.norm(result.beta - expected) < 1e-8 * np.linalg.norm(expected)


@pytest.mark.parametrize("method", ["BDF", "Radau", "DOP853"])
def test_methods_agree(method):
    _, _, net, loss = problem(2, 0.5)
    _, _, other, other_loss = problem(2, 0.5)
    expected = train_by_flow(net, loss).beta
    # an explicit method rings at its stability limit, and its loss stops falling at the square of its tolerance
    result = train_by_flow(other, other_loss, method=method, rtol=1e-11, tolerance=1e-16)
    assert result.success
    assert (result.info["hessians"] > 0) == (method != "DOP853")
    assert np.linalg.norm(result.beta - expected) < 1e-7 * np.linalg.norm(expected)


def test_error_falls_with_the_tolerance():
    beta = {}
    tolerances = [1e-4, 1e-6, 1e-8]
    for rtol in [*tolerances, 1e-12]:
        _, _, net, loss = problem(2, 0.05)
        beta[rtol] = train_by_flow(net, loss, rtol=rtol, tolerance=1e-24).beta
    error = [np.linalg.norm(beta[rtol] - beta[1e-12]) for rtol in tolerances]
    order = np.polyfit(np.log(tolerances), np.log(error), 1)[0]
    assert 0.7 < order < 1.3  # a tolerance per step acts on the end point to about its first power
    assert error[-1] < 1e-6


@pytest.mark.parametrize("device", DEVICES)
def test_devices_and_any_module(device):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).to(device, torch.float64)
    module[2].bias.requires_grad_(False)
    inputs = torch.randn(5, 3, dtype=torch.float64, device=device)
    targets = 0.3 * torch.randn(5, dtype=torch.float64, device=device)
    before = module[2].bias.clone()
    result = train_by_flow(module, lambda: (module(inputs)[:, 0] - targets).square().sum(), tolerance=1e-16)
    assert result.success, result.status
    assert result.beta.shape == (20,)
    assert torch.equal(before, module[2].bias)
    assert (module(inputs)[:, 0] - targets).square().sum().item() == pytest.approx(
        result.residuals["loss"] * result.info["initial_loss"], rel=1e-6
    )


def test_hessian_of_the_flat_parameters():
    X, y, net, loss = problem(3, 0.7)
    with torch.no_grad():
        net.w_plus.add_(0.3)
    objective = Objective(net, loss)
    Xt, yt = torch.tensor(X), torch.tensor(y)
    reference = torch.autograd.functional.hessian(
        lambda w: (Xt @ (w[:6] ** 3 - w[6:] ** 3) - yt).square().sum(), objective.get()
    )
    torch.testing.assert_close(objective.hessian(), reference, rtol=1e-12, atol=1e-12)
    assert (objective.gradients, objective.hessians) == (0, 1)


def test_zero_targets_need_no_step():
    net = DiagonalNetwork(2)
    result = train_by_flow(net, lambda: net.predictor().square().sum())
    assert result.success
    assert result.iterations == 0


def test_limits_are_statuses():
    _, _, net, loss = problem(2, 0.1)
    result = train_by_flow(net, loss, max_steps=3)
    assert (result.status, result.iterations) == (Status.ITERATION_LIMIT, 3)
    assert train_by_flow(net, loss, time_limit=0.0).status is Status.TIME_LIMIT


def test_a_loss_without_zero_stalls():
    X = torch.tensor([[1.0], [1.0]], dtype=torch.float64)
    net = DiagonalNetwork(1, 2, 1.0)
    y = torch.tensor([0.0, 1.0], dtype=torch.float64)
    result = train_by_flow(net, lambda: (net(X) - y).square().sum())
    assert result.status is Status.STALLED
    assert result.info["message"]
    assert result.beta[0] == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize("when", [1, 10])
def test_values_that_are_not_finite(when):
    _, _, net, loss = problem(2, 0.1)
    calls = 0

    def broken():
        nonlocal calls
        calls += 1
        return loss() * (float("nan") if calls >= when else 1.0)

    assert train_by_flow(net, broken).status is Status.NON_FINITE
    assert bool(torch.isfinite(net.w_plus).all())


@pytest.mark.parametrize("where", ["callback", "loss"])
def test_interruption_returns_the_last_state(where):
    _, _, net, loss = problem(2, 0.1)
    seen = []
    calls = 0

    def callback(progress):
        seen.append(progress)
        if where == "callback" and progress.step == 5:
            raise KeyboardInterrupt

    def closure():
        nonlocal calls
        calls += 1
        if where == "loss" and calls == 20:
            raise KeyboardInterrupt
        return loss()

    result = train_by_flow(net, closure, callback=callback)
    assert result.status is Status.INTERRUPTED
    assert result.iterations == len(seen) > 0
    assert seen[-1].time == result.info["time"]
    assert loss().item() == pytest.approx(seen[-1].loss * result.info["initial_loss"], rel=1e-12)


def test_progress_is_monotone():
    _, _, net, loss = problem(3, 0.3)
    seen = []
    train_by_flow(net, loss, callback=seen.append, tolerance=1e-8)
    assert [p.step for p in seen] == list(range(1, len(seen) + 1))
    assert np.all(np.diff([p.time for p in seen]) > 0)
    assert seen[-1].loss <= 1e-8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "Euler"}, "method must be one of LSODA, BDF, Radau, DOP853, got 'Euler'"),
        ({"rtol": 0.0}, r"rtol must lie in \(0, 1\), got 0.0"),
        ({"tolerance": 1.0}, r"tolerance must lie in \[0, 1\)"),
        ({"max_steps": -1}, "max_steps must not be negative, got -1"),
    ],
)
def test_refuses_bad_options(options, message):
    _, _, net, loss = problem(2, 1.0)
    with pytest.raises(ValueError, match=message):
        train_by_flow(net, loss, **options)


def test_refuses_what_it_cannot_train():
    net = DiagonalNetwork(6000)
    with pytest.raises(ValueError, match=r"12000 parameters .* use method='DOP853' or train_by_descent"):
        train_by_flow(net, lambda: net.predictor().sum())
    with pytest.raises(ValueError, match=r"the loss must be a scalar tensor, got shape \(6000,\)"):
        train_by_flow(net, net.predictor, method="DOP853")
    with pytest.raises(ValueError, match="no parameter that requires a gradient"):
        train_by_flow(nn.ReLU(), lambda: torch.zeros(()))


def test_training_uses_nothing_it_is_checked_against():
    folder = Path(implicitbias.train.__file__).parent
    files = {file.stem for file in folder.rglob("*.py")} | {path.name for path in folder.iterdir() if path.is_dir()}
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                assert node.module in {"_result", *files}, file
