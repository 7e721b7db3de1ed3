"""Every model is what it says, starts where it says, and is homogeneous of the degree that it states."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from implicitbias.train.models import (
    VGG11,
    AsymmetricFactorization,
    DiagonalNetwork,
    FullyConnected,
    ProductNetwork,
    SymmetricFactorization,
    TwoLayerReLU,
    Unbiased,
    UnivariateReLU,
    UntiedDiagonalNetwork,
)


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


MODELS = {
    "tied-2": (lambda: DiagonalNetwork(5, 2, 0.7), (4, 5)),
    "tied-2.5": (lambda: DiagonalNetwork(5, 2.5, 0.7), (4, 5)),
    "tied-biased": (lambda: DiagonalNetwork(5, 3, 0.7, unbiased=False), (4, 5)),
    "untied": (lambda: UntiedDiagonalNetwork(5, 4, 0.7), (4, 5)),
    "untied-biased": (lambda: UntiedDiagonalNetwork(5, 3, 0.7, unbiased=False), (4, 5)),
    "product": (lambda: ProductNetwork(normal(5), normal(5, seed=1)), (4, 5)),
    "symmetric": (lambda: SymmetricFactorization.gaussian(3, 5, 0.4), (4, 3, 3)),
    "asymmetric": (lambda: AsymmetricFactorization.gaussian(3, 5, 0.4, columns=2), (4, 3, 2)),
    "univariate": (lambda: UnivariateReLU(20, 0.6, layer_scale=3.0), (4,)),
    "two-layer": (lambda: TwoLayerReLU(5, 7, 0.3, 2.0), (4, 5)),
    "mlp-2": (lambda: FullyConnected([5, 6, 1], 0.9), (4, 5)),
    "mlp-3": (lambda: FullyConnected([5, 6, 6, 2], 0.9), (4, 5)),
    "mlp-5": (lambda: FullyConnected([5, 6, 6, 6, 6, 1], 0.9), (4, 5)),
    "unbiased-mlp": (lambda: Unbiased(FullyConnected([5, 6, 6, 1])), (4, 5)),
    "vgg11": (lambda: VGG11(0.9, width=1 / 64), (2, 3, 32, 32)),
}
UNBIASED = ["tied-2", "tied-2.5", "untied", "univariate", "unbiased-mlp"]


def away_from_the_start(model):
    """Move every weight a little, so that what starts at zero does not stay there."""
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.rand(weight.shape, dtype=torch.float64, generator=generator)
            weight.mul_((0.5 + noise).to(weight))
    return model


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=15, deadline=None)
@given(log_scale=st.floats(-2.0, 2.0), seed=st.integers(0, 10))
def test_homogeneity(name, log_scale, seed):
    build, shape = MODELS[name]
    model, X = away_from_the_start(build()), normal(*shape, seed=seed)
    before, c = model(X).detach(), 10.0**log_scale
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(c)
    after = model(X).detach()
    assert bool((before != 0).any())
    expected = c**model.homogeneity * before
    assert torch.allclose(after, expected, rtol=1e-12, atol=1e-13 * expected.abs().max().item())


@pytest.mark.parametrize("name", MODELS)
def test_shapes_and_start(name):
    build, shape = MODELS[name]
    model, X = build(), normal(*shape)
    outputs = model(X)
    assert outputs.shape[0] == shape[0]
    assert outputs.dtype == torch.float64
    assert bool((outputs == 0).all()) == (name in UNBIASED)
    assert repr(model)
    again = build()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("name", ["mlp-3", "two-layer", "univariate", "vgg11"])
def test_scale_of_the_start_is_a_factor(name):
    one, two = {
        "mlp-3": (FullyConnected([5, 6, 6, 2]), FullyConnected([5, 6, 6, 2], 3.0)),
        "two-layer": (TwoLayerReLU(5, 7), TwoLayerReLU(5, 7, 3.0, 3.0)),
        "univariate": (UnivariateReLU(20), UnivariateReLU(20, 3.0)),
        "vgg11": (VGG11(width=1 / 64), VGG11(3.0, width=1 / 64)),
    }[name]
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.allclose(3.0 * a, b, rtol=1e-14)


def test_what_they_compute():
    x = normal(4, 5)
    net = FullyConnected([5, 6, 1])
    first, second = (layer.weight for layer in net.layers)
    assert torch.allclose(net(x), torch.clamp(x @ first.T, min=0) @ second[0])
    net = TwoLayerReLU(5, 7)
    assert torch.allclose(net(x), sum(net.v[j] * torch.clamp(x @ net.u[j], min=0) for j in range(7)))
    net = UnivariateReLU(20, layer_scale=2.0)
    t = normal(4)
    assert torch.allclose(
        away_from_the_start(net)(t), sum(net.v[j] * torch.clamp(net.u[j] * t + net.b[j], min=0) for j in range(20))
    )
    net = AsymmetricFactorization.gaussian(3, 5, columns=2)
    X = normal(4, 3, 2)
    assert torch.allclose(net(X), torch.stack([torch.trace(A.T @ net.matrix()) for A in X]))
    entries = torch.tensor([[0, 1], [2, 0]])
    assert torch.equal(net(entries), net.matrix()[[0, 2], [1, 0]])
    assert net.predictor().shape == (6,)


def test_layer_scale_leaves_the_function():
    """The same after training has moved it: the product of the layers is what counts."""
    one, other = UnivariateReLU(20, 0.7), UnivariateReLU(20, 0.7, layer_scale=5.0)
    t = normal(6)
    with torch.no_grad():
        for net in (one, other):
            net.v[:10] *= 2  # both copies of every unit no longer cancel
    assert torch.allclose(one(t), other(t), rtol=1e-12)
    assert not torch.allclose(one.u, other.u)


def test_he_bound_and_variance():
    layer = FullyConnected([300, 400, 1], 0.5).layers[0].weight
    bound = 0.5 * math.sqrt(6 / 300)
    assert layer.abs().max().item() <= bound
    # a uniform variable on [-b, b] has variance b^2/3; 120000 draws
    assert layer.var().item() == pytest.approx(bound**2 / 3, rel=0.02)


def test_untied_goes_the_way_of_tied_at_a_fraction_of_its_speed():
    from implicitbias.train import fit

    X, y = normal(4, 6), normal(4, seed=1)
    tied = fit(DiagonalNetwork(6, 3, 0.5), X, y, method="flow", until_time=0.05)
    untied = fit(UntiedDiagonalNetwork(6, 3, 0.5), X, y, method="flow", until_time=0.15)
    assert untied.beta == pytest.approx(tied.beta, rel=1e-7)


def test_vgg_of_the_paper():
    net = VGG11(dtype=torch.float32)
    sizes = [tuple(p.shape[:2]) for p in net.parameters()]
    assert sizes == [(64, 3), (128, 64), (256, 128), (256, 256), (512, 256), (512, 512), (512, 512), (10, 512)]
    assert net.homogeneity == len(sizes)
    assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: UntiedDiagonalNetwork(3, 2.5), "depth must be a whole number"),
        (
            lambda: UntiedDiagonalNetwork(3, 3, w0=np.ones((2, 3))),
            r"w0 must have shape \(3,\) or \(3, 3\), got \(2, 3\)",
        ),
        (lambda: SymmetricFactorization(np.ones(3)), "W must be a matrix"),
        (lambda: AsymmetricFactorization(np.ones((3, 2)), np.ones((3, 4))), "one width, got 2 and 4"),
        (lambda: AsymmetricFactorization(np.ones((3, 2)), np.full((3, 2), np.nan)), "V must be finite"),
        (lambda: UnivariateReLU(5), "width must be a positive even number, got 5"),
        (lambda: UnivariateReLU(4, layer_scale=0), "layer_scale must be positive"),
        (lambda: TwoLayerReLU(3, 4, -1.0), "scale_u must be positive"),
        (lambda: FullyConnected([3]), "at least two positive numbers"),
        (lambda: FullyConnected([3, 1], math.inf), "alpha must be positive and finite"),
        (lambda: VGG11(width=2), r"width must lie in \(0, 1\]"),
    ],
)
def test_refuses(build, message):
    with pytest.raises(ValueError, match=message):
        build()
