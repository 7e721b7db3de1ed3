"""Biased and unbalanced starts: trained end points against the least Bregman divergence from the start."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import root

import implicitbias as ib
from implicitbias.data import sparse_regression
from implicitbias.train import DiagonalNetwork, ProductNetwork, train_by_flow

DATA = sparse_regression(3, 8, 2, rng=5)
RNG = np.random.default_rng(1)
FIRST, SECOND = RNG.uniform(0.2, 0.9, 8), RNG.uniform(0.2, 0.9, 8)


def train(network):
    X, y = torch.tensor(DATA.X), torch.tensor(DATA.y)
    result = train_by_flow(network, lambda: (network(X) - y).square().sum(), tolerance=1e-22, rtol=1e-11)
    assert result.success
    return result.beta


def on_the_curve(plus, minus, depth):
    """``X beta = y`` solved for nu along w(nu), which is what the flow conserves; nothing of Q is used."""

    def weights(nu):
        shift = DATA.X.T @ nu
        if depth == 2:
            return plus * np.exp(shift / 2), minus * np.exp(-shift / 2)
        power = 2 - depth
        return (plus**power - shift) ** (1 / power), (minus**power + shift) ** (1 / power)

    def residual(nu):
        w_plus, w_minus = weights(nu)
        return DATA.X @ (w_plus**depth - w_minus**depth) - DATA.y

    solution = root(residual, np.zeros(3), tol=1e-14)
    assert np.linalg.norm(residual(solution.x)) < 1e-12
    w_plus, w_minus = weights(solution.x)
    return w_plus**depth - w_minus**depth


@pytest.mark.parametrize("depth", [2, 3])
def test_biased_start(depth):
    expected = on_the_curve(FIRST, SECOND, depth)
    trained = train(DiagonalNetwork.from_weights(FIRST, SECOND, depth))
    # the integrator's tolerance, 1e-11, over some hundred steps
    np.testing.assert_allclose(trained, expected, rtol=0, atol=1e-8)
    solved = ib.interpolate(DATA.X, DATA.y, ib.Q.from_weights(FIRST, SECOND, depth))
    np.testing.assert_allclose(solved.beta, expected, rtol=0, atol=1e-11)
    # it is another end point than that of the balanced start of the same scale
    balanced = ib.interpolate(DATA.X, DATA.y, ib.Q.from_weights(FIRST, SECOND, depth).without_reference())
    assert np.linalg.norm(balanced.beta - expected) > 1e-2


def test_product_start():
    u, v = FIRST - 0.5, SECOND * np.array([1, -1] * 4)
    expected = on_the_curve(np.abs(u + v) / 2, np.abs(u - v) / 2, 2)
    trained = train(ProductNetwork(u, v))
    np.testing.assert_allclose(trained, expected, rtol=0, atol=1e-8)
    solved = ib.interpolate(DATA.X, DATA.y, ib.Q.from_product(u, v))
    np.testing.assert_allclose(solved.beta, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    "options",
    [
        {"initial": (FIRST, SECOND)},
        {"initial": (FIRST, SECOND), "D": 3},
        {"initial": (FIRST - 0.5, -SECOND), "model": "product"},
    ],
    ids=["D = 2", "D = 3", "product"],
)
def test_crosscheck_of_a_start(options):
    report = ib.crosscheck(DATA.X, DATA.y, **options)
    assert report.agrees, report.complaint
    assert report.distance < 1e-8
    assert "alpha = given weights" in str(report)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "alpha must be given, or the weights themselves as initial"),
        ({"alpha": 1.0, "initial": (FIRST, SECOND)}, "alpha and w0 must be None where initial gives the weights"),
        ({"alpha": 1.0, "model": "product"}, r"model='product' needs initial=\(u, v\)"),
        ({"alpha": 1.0, "model": "sum"}, "model must be one of difference, product, got 'sum'"),
        ({"initial": (FIRST, SECOND), "model": "product", "D": 3}, "D must be 2 for model='product', got 3"),
        ({"initial": (FIRST,)}, "initial must be a pair of vectors"),
        (
            {"initial": (FIRST[:2], SECOND[:2])},
            r"initial must hold two vectors of shape \(8,\) to match X, got \(2,\)",
        ),
    ],
)
def test_crosscheck_refuses(options, text):
    with pytest.raises(ValueError, match=text):
        ib.crosscheck(DATA.X, DATA.y, **options)
