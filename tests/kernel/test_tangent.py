import numpy as np
import pytest
import torch

from implicitbias.kernel import (
    KernelObserver,
    alignment,
    cosine_distance,
    feature_distance,
    jacobian,
    kernel_flow,
    linearize,
    relative_change,
    tangent_kernel,
)
from implicitbias.train import fit
from implicitbias.train.models import (
    VGG11,
    AsymmetricFactorization,
    DiagonalNetwork,
    FullyConnected,
    SymmetricFactorization,
    TwoLayerReLU,
    UnivariateReLU,
    UntiedDiagonalNetwork,
)


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def mlp(inputs=4, outputs=1, seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(inputs, 6), torch.nn.Tanh(), torch.nn.Linear(6, outputs), torch.nn.Flatten(0)
    ).double()


def by_hand(model, X):
    """Gradients one output at a time, by plain autograd."""
    rows = []
    for output in model(X).reshape(-1):
        grads = torch.autograd.grad(output, list(model.parameters()), retain_graph=True)
        rows.append(torch.cat([g.reshape(-1) for g in grads]))
    return torch.stack(rows)


@pytest.mark.parametrize(
    "model",
    [
        DiagonalNetwork(4, 3, 0.7),
        FullyConnected([4, 5, 5, 1]),
        TwoLayerReLU(4, 9),
        UntiedDiagonalNetwork(4, 3, 0.8),
    ],
    ids=lambda m: type(m).__name__,
)
@pytest.mark.parametrize("memory", [1, 2000, None])
def test_kernel_is_the_product_of_jacobians(model, memory):
    X1, X2 = normal(7, 4), normal(3, 4, seed=1)
    J1, J2 = by_hand(model, X1), by_hand(model, X2)
    assert torch.allclose(jacobian(model, X1), J1, rtol=1e-13)
    scale = J1.norm() ** 2
    assert (tangent_kernel(model, X1, X2, memory=memory) - J1 @ J2.T).abs().max() < 1e-15 * scale
    own = tangent_kernel(model, X1, memory=memory)
    assert (own - J1 @ J1.T).abs().max() < 1e-15 * scale
    assert torch.equal(own, own.T)


def test_several_outputs():
    model, X = FullyConnected([4, 5, 3]), normal(6, 4)
    J = by_hand(model, X).reshape(6, 3, -1)
    assert torch.allclose(jacobian(model, X), J)
    kernel = tangent_kernel(model, X, memory=3000)
    assert kernel.shape == (6, 6, 3, 3)
    assert torch.allclose(kernel, torch.einsum("nap,mbp->nmab", J, J))
    assert torch.equal(kernel, kernel.permute(1, 0, 3, 2))


def test_only_trainable_weights_count():
    model, X = mlp(), normal(5, 4)
    model[0].weight.requires_grad_(False)
    with pytest.raises(RuntimeError):
        by_hand(model, X)
    J = jacobian(model, X)
    assert J.shape == (5, 6 + 6 + 1)
    for p in model.parameters():
        p.requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter that requires a gradient"):
        tangent_kernel(model, X)


def test_memory_stays_under_the_budget(monkeypatch):
    from implicitbias.kernel import _tangent

    model, X = FullyConnected([20, 200, 1]), normal(60, 20)
    seen = []
    per_sample = 8 * sum(p.numel() for p in model.parameters())

    whole, blocks = 3 * 5 * per_sample, _tangent._blocks

    def watched(model, X):
        seen.append(len(X))
        return blocks(model, X)

    monkeypatch.setattr(_tangent, "_blocks", watched)
    tangent_kernel(model, X, memory=whole)
    assert max(seen) == 5


def test_kernel_of_the_diagonal_network_at_its_start():
    """8 alpha^2 <w0^2 o x, x'> at depth 2; 2 D^2 alpha^(2D-2) <w0^(2D-2) o x, x'> at any."""
    X, w0 = normal(5, 4), torch.tensor([0.5, 1.0, 2.0, 3.0], dtype=torch.float64)
    for depth in (2, 2.5, 3, 7):
        alpha = 0.8
        kernel = tangent_kernel(DiagonalNetwork(4, depth, alpha, w0), X)
        expected = 2 * depth**2 * alpha ** (2 * depth - 2) * (X * w0 ** (2 * depth - 2)) @ X.T
        assert torch.allclose(kernel, expected, rtol=1e-13)
    assert torch.allclose(tangent_kernel(DiagonalNetwork(4, 2, 3.0), X), 8 * 9.0 * X @ X.T)


HOMOGENEOUS = {
    "tied": (lambda a: DiagonalNetwork(4, 2.5, a), (5, 4)),
    "untied": (lambda a: UntiedDiagonalNetwork(4, 5, a), (5, 4)),
    "symmetric": (lambda a: SymmetricFactorization.gaussian(3, 4, a), (5, 3, 3)),
    "asymmetric": (lambda a: AsymmetricFactorization.gaussian(3, 4, a), (5, 3, 3)),
    "univariate": (lambda a: UnivariateReLU(20, a), (5,)),
    "two-layer": (lambda a: TwoLayerReLU(4, 9, a, a), (5, 4)),
    "mlp-2": (lambda a: FullyConnected([4, 6, 1], a), (5, 4)),
    "mlp-3": (lambda a: FullyConnected([4, 6, 6, 1], a), (5, 4)),
    "mlp-5": (lambda a: FullyConnected([4, 6, 6, 6, 6, 1], a), (5, 4)),
    "vgg11": (lambda a: VGG11(a, width=1 / 64, classes=2), (2, 3, 32, 32)),
}


@pytest.mark.parametrize("name", HOMOGENEOUS)
@pytest.mark.parametrize("alpha", [0.03, 4.0])
def test_kernel_scales_with_the_start(name, alpha):
    build, shape = HOMOGENEOUS[name]
    X = normal(*shape)
    one, scaled = tangent_kernel(build(1.0), X), tangent_kernel(build(alpha), X)
    expected = alpha ** (2 * build(1.0).homogeneity - 2) * one
    assert torch.allclose(scaled, expected, rtol=1e-11, atol=1e-12 * float(expected.abs().max()))


def test_linearized_model():
    model, X = mlp(), normal(5, 4)
    linear = linearize(model)
    assert torch.allclose(linear(X), model(X))
    start, J, before = torch.nn.utils.parameters_to_vector(model.parameters()).detach(), by_hand(model, X), model(X)
    moved = start + normal(len(start), seed=3)
    torch.nn.utils.vector_to_parameters(moved, linear.parameters())
    assert torch.allclose(linear(X), before + J @ (moved - start))
    # the gradient of the affine model is that of the start, wherever it is
    assert torch.allclose(by_hand(linear, X), J, rtol=1e-12)
    # the model itself is not touched, and training it does not touch the linearized one
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1.0)
    assert torch.allclose(linear(X), before + J @ (moved - start))


def test_linearized_predictor():
    net = DiagonalNetwork(4, 3, 0.7)
    linear = linearize(net)
    with torch.no_grad():
        linear.w_plus.add_(0.1)
    # 3 alpha^2 times the difference
    assert torch.allclose(linear.predictor(), torch.full((4,), 3 * 0.49 * 0.1, dtype=torch.float64))
    assert torch.allclose(linear(normal(5, 4)), normal(5, 4) @ linear.predictor())
    assert not hasattr(linearize(mlp()), "predictor")


def test_closed_form_is_what_training_the_linearized_model_does():
    model, X, y = mlp(), normal(5, 4), normal(5, seed=2)
    flow = kernel_flow(model, X, y)
    for t in (0.02, 0.3):
        linear = linearize(model)
        fit(linear, X, y, method="flow", until_time=t, rtol=1e-11)
        assert torch.allclose(linear(X), flow.outputs(t), atol=1e-8)
        trained = torch.nn.utils.parameters_to_vector(linear.parameters()).detach()
        assert torch.allclose(trained, flow.weights(t), atol=1e-8)
        new = normal(3, 4, seed=5)
        assert torch.allclose(linear(new), flow.predict(new, t), atol=1e-8)
    assert torch.allclose(flow.outputs(0.0), model(X))


def test_limit_is_the_interpolation_of_least_norm():
    net, X, y = DiagonalNetwork(6, 2, 3.0), normal(3, 6), normal(3, seed=1)
    flow = kernel_flow(net, X, y)
    least = torch.linalg.lstsq(X, y, driver="gelsd").solution
    new = normal(4, 6, seed=7)
    assert torch.allclose(flow.predict(new), new @ least, rtol=1e-11)
    assert torch.allclose(flow.outputs(), y)
    # K = 8 alpha^2 <x, x'>: the norm of <beta, .> is ||beta|| / sqrt(8) / alpha
    assert flow.rkhs_norm == pytest.approx(float(least.norm()) / (8**0.5 * 3.0), rel=1e-11)


def test_a_kernel_without_full_rank_fits_what_it_can():
    net = DiagonalNetwork(2, 2, 1.0)
    X = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    flow = kernel_flow(net, X, torch.tensor([0.0, 2.0, 5.0]))
    assert torch.allclose(flow.outputs(), torch.tensor([1.0, 1.0, 5.0], dtype=torch.float64))
    assert torch.allclose(flow.predict(X), flow.outputs())
    assert torch.allclose(flow.outputs(1e9), flow.outputs())


def test_distances():
    K = normal(4, 4)
    K = K @ K.T
    assert relative_change(K, 3 * K) == pytest.approx(2)
    assert cosine_distance(K, 7 * K) == pytest.approx(0, abs=1e-30)
    near = K + 1e-9 * torch.eye(4, dtype=torch.float64)
    exact = np.linalg.norm(1e-9 * (np.eye(4) - K.numpy() * K.trace().item() / (K**2).sum().item())) ** 2
    assert cosine_distance(K, near) == pytest.approx(exact / 2 / (K**2).sum().item(), rel=1e-6)
    y = normal(4)
    assert alignment(torch.outer(y, y), y) == pytest.approx(1)
    assert alignment(torch.eye(4, dtype=torch.float64), y) == pytest.approx(0.5)
    for call, message in (
        (lambda: cosine_distance(K, K[:2]), "one shape"),
        (lambda: relative_change(0 * K, K), "before must not be zero"),
        (lambda: alignment(K, y[:2]), "for N = 2 labels"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_observer_along_a_training():
    X, y = normal(5, 4), normal(5, seed=1)
    net = DiagonalNetwork(4, 2, 0.5)
    start = DiagonalNetwork(4, 2, 0.5)
    found = fit(net, X, y[:5], method="flow", until_time=0.2, record=10**6, observe=KernelObserver(net, X, y))
    assert found.info["record_kernel_distance"][0] == 0
    observed = KernelObserver(start, X, y)(net)
    assert observed["feature_distance"] == pytest.approx(feature_distance(start, net, X))
    assert observed["feature_distance"] > 0.01
    assert observed["kernel_change"] == pytest.approx(
        relative_change(tangent_kernel(start, X), tangent_kernel(net, X))
    )
    assert 0 < observed["alignment"] < 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tangent_kernel(mlp(), normal(0, 4)), "at least one sample"),
        (lambda: tangent_kernel(mlp(), normal(3, 4), memory=0), "memory must be a positive number"),
        (lambda: kernel_flow(mlp(), normal(3, 4), normal(2)), r"y must have shape \(3,\), got \(2,\)"),
        (lambda: kernel_flow(FullyConnected([4, 2]), normal(3, 4), normal(3)), "one output"),
        (lambda: kernel_flow(mlp(), normal(3, 4), normal(3)).outputs(-1.0), "t must not be negative"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
