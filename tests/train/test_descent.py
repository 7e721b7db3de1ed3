from __future__ import annotations

import numpy as np
import pytest
import torch

from implicitbias import Status
from implicitbias.train import DiagonalNetwork, curvature, train_by_descent, train_by_flow


def problem(depth, alpha, *, seed=1):
    rng = np.random.default_rng(seed)
    X, y = torch.tensor(rng.standard_normal((3, 6))), torch.tensor(rng.standard_normal(3))
    net = DiagonalNetwork(6, depth, alpha)
    return X, y, net, lambda: (net(X) - y).square().sum()


def test_curvature_is_the_largest_eigenvalue():
    X, y, net, loss = problem(3, 0.6)
    hessian = torch.autograd.functional.hessian(
        lambda w: (X @ (w[:6] ** 3 - w[6:] ** 3) - y).square().sum(), torch.full((12,), 0.6, dtype=torch.float64)
    )
    eigenvalues = torch.linalg.eigvalsh(hessian)
    assert curvature(net, loss, iterations=1000, rtol=1e-9) == pytest.approx(
        float(eigenvalues.abs().max()), rel=1e-4
    )


def test_first_order_in_the_step_size():
    _, _, net, loss = problem(2, 0.3)
    flow = train_by_flow(net, loss, tolerance=1e-24).beta
    error = []
    for step in (2e-2, 1e-2, 5e-3):
        _, _, net, loss = problem(2, 0.3)
        result = train_by_descent(net, loss, step_size=step, tolerance=1e-12)
        assert result.success, result.status
        assert result.info["step_size"] == step
        assert result.info["time"] == pytest.approx(step * result.iterations)
        assert result.info["zero_crossings"] == 0
        error.append(np.linalg.norm(result.beta - flow) / np.linalg.norm(flow))
    assert error[0] / error[1] == pytest.approx(2, rel=0.15)
    assert error[1] / error[2] == pytest.approx(2, rel=0.08)


@pytest.mark.parametrize(("depth", "alpha"), [(2, 1.0), (2, 0.01), (3, 0.1)])
def test_default_step_is_stable_from_any_start(depth, alpha):
    _, _, net, loss = problem(depth, alpha)
    losses = []
    result = train_by_descent(net, loss, tolerance=1e-12, callback=lambda p: losses.append(p.loss))
    assert result.success, result.status
    assert result.info["zero_crossings"] == 0
    assert np.all(np.diff(losses) < 0)
    # at least twofold distance to the stability limit 2 / lambda_max where the run ends
    assert result.info["step_size"] * curvature(net, loss) < 1


def test_weights_through_zero_are_counted():
    X, y, net, loss = problem(2, 1.0)
    # the first step multiplies a weight by 1 - 4 * step * (X^T y)_i or its mirror image
    pull = (X.T @ y).abs()
    step = 1.5 / (4 * pull.max().item())
    result = train_by_descent(net, loss, step_size=step, max_steps=1)
    assert result.info["zero_crossings"] == int((4 * step * pull > 1).sum()) > 0


def test_statuses():
    _, _, net, loss = problem(2, 0.5)
    start = net.w_plus.detach().clone()
    result = train_by_descent(net, loss, max_steps=7)
    assert (result.status, result.iterations) == (Status.ITERATION_LIMIT, 7)
    assert train_by_descent(net, loss, time_limit=0.0).status is Status.TIME_LIMIT
    with torch.no_grad():
        net.w_plus.copy_(start)
    result = train_by_descent(net, loss, step_size=1e6)
    assert result.status is Status.NON_FINITE
    assert np.isfinite(result.beta).all()


def test_a_loss_without_zero_stalls():
    net = DiagonalNetwork(1, 2, 1.0)
    target = torch.tensor([0.0, 1.0], dtype=torch.float64)
    result = train_by_descent(net, lambda: (net.predictor() - target).square().sum())
    assert result.status is Status.STALLED
    assert result.beta[0] == pytest.approx(0.5, rel=1e-7)


def test_interruption_keeps_the_last_state():
    _, _, net, loss = problem(2, 0.5)

    def stop(progress):
        if progress.step == 4:
            raise KeyboardInterrupt

    result = train_by_descent(net, loss, callback=stop)
    assert (result.status, result.iterations) == (Status.INTERRUPTED, 4)
    assert loss().item() == pytest.approx(result.residuals["loss"] * result.info["initial_loss"], rel=1e-12)


def test_refuses_bad_steps_and_flat_starts():
    _, _, net, loss = problem(2, 0.5)
    with pytest.raises(ValueError, match="step_size must be positive and finite, got -1"):
        train_by_descent(net, loss, step_size=-1)
    with pytest.raises(ValueError, match="the Hessian of the loss vanishes at the start; give a step_size"):
        train_by_descent(net, lambda: net.w_plus.sum())
