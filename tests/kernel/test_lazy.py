import math

import matplotlib.figure
import numpy as np
import pytest
import torch

from implicitbias import Status
from implicitbias.kernel import kernel_flow, lazy_or_rich
from implicitbias.kernel._lazy import LazyOrRich
from implicitbias.train import fit
from implicitbias.train.models import DiagonalNetwork, FullyConnected, Unbiased


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


X, TRUTH = normal(8, 20), torch.zeros(20, dtype=torch.float64)
TRUTH[0] = 1.0
Y = X @ TRUTH
TEST = normal(200, 20, seed=3)


def test_diagonal_network_turns_from_rich_to_lazy():
    net = DiagonalNetwork(20, 2, 1.0)
    found = lazy_or_rich(net, X, Y, scales=[0.03, 0.3, 3.0, 10.0], test=(TEST, TEST @ TRUTH))
    assert set(found.statuses) == {Status.CONVERGED}
    assert (np.diff(found.feature_distance) < 0).all()
    assert (np.diff(found.movement) < 0).all()
    # the movement is of order 1/alpha^2; the kernel sees w_+^2 + w_-^2, which moves at the second order only
    assert found.movement[2] / found.movement[3] == pytest.approx((10 / 3) ** 2, rel=0.02)
    assert found.kernel_change[2] / found.kernel_change[3] == pytest.approx((10 / 3) ** 4, rel=0.05)
    # rich finds the sparse vector, lazy is the kernel predictor
    assert found.test_loss[0] < 0.01 * found.kernel_test_loss[0]
    assert found.test_loss[3] == pytest.approx(found.kernel_test_loss[3], rel=1e-3)
    assert 0.1 < found.transition < 0.3
    assert found.regime(0.03) == "rich"
    assert found.regime(10) == "lazy"
    assert "rich below" in str(found)
    # the model itself is left alone
    assert torch.equal(net.w_plus, torch.ones(20, dtype=torch.float64))
    figure = matplotlib.figure.Figure()
    found.draw(figure)
    assert len(figure.axes) == 2


def test_any_module():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(20, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1), torch.nn.Flatten(0))
    found = lazy_or_rich(net.double(), X, Y, scales=[1.0, 4.0], method="gd", tolerance=1e-2)
    assert set(found.statuses) == {Status.CONVERGED}
    assert found.feature_distance[1] < found.feature_distance[0]


def made(distances, scales=(0.1, 1.0, 10.0)):
    d = np.array(distances)
    return LazyOrRich(np.array(scales), d, d, d, d, None, None, (Status.CONVERGED,) * 3, 0.1)


def test_where_the_transition_is():
    # one decade of the distance per decade of the scale
    assert made([1.0, 0.3162277660168379, 0.03162277660168379]).transition == pytest.approx(10**0.5)
    assert made([0.01, 0.001, 0.0]).transition == 0.0
    assert math.isinf(made([0.5, 0.4, 0.3]).transition)
    assert "lazy at all" in str(made([0.01, 0.001, 0.0]))
    assert "rich at all" in str(made([0.5, 0.4, 0.3]))
    figure = matplotlib.figure.Figure()
    made([0.5, 0.4, 0.3]).draw(figure)
    assert len(figure.axes) == 1


def slopes(values, alphas):
    return np.diff(np.log(values)) / np.diff(np.log(alphas))


def test_rates_of_lazy_training():
    """Chizat et al.: O(1/a) for the weights, O(1/a^2) from the linearized ones, at w(0) = a w0 and loss over a^2.

    Their scale is alpha^2 here, after a change of time; weights are divided by alpha to be theirs.
    """
    alphas = np.array([4.0, 8.0, 16.0])
    moved, apart, predictors = [], [], []
    for alpha in alphas:
        net = DiagonalNetwork(20, 2, alpha)
        flow = kernel_flow(net, X, Y)
        start = torch.nn.utils.parameters_to_vector(net.parameters()).detach()
        fit(net, X, Y, method="flow", tolerance=1e-24, rtol=1e-12)
        end = torch.nn.utils.parameters_to_vector(net.parameters()).detach()
        moved.append(float((end - start).norm()) / alpha)
        apart.append(float((end - flow.weights()).norm()) / alpha)
        predictors.append(float((net(TEST).detach() - flow.predict(TEST)).norm()))
    a = alphas**2
    assert slopes(moved, a) == pytest.approx(-1, abs=0.1)
    assert slopes(apart, a) == pytest.approx(-2, abs=0.1)
    # the theorem has 1/a for the predictors; from an unbiased start they are of the next order
    assert slopes(predictors, a) == pytest.approx(-2, abs=0.1)


def test_deeper_networks_are_lazy_sooner():
    shallow, deep = (
        lazy_or_rich(
            Unbiased(FullyConnected([20, 12, *[12] * extra, 1])), X, Y, scales=[2.0], method="gd", tolerance=1e-2
        )
        for extra in (0, 1)
    )
    assert deep.movement[0] < shallow.movement[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": []}, "scales must be positive"),
        ({"scales": [0.0, 1.0]}, "scales must be positive"),
        ({"threshold": 1.5}, r"threshold must lie in \(0, 1\)"),
        ({"method": "adam"}, "method must be one of"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        lazy_or_rich(DiagonalNetwork(20), X, Y, **options)
