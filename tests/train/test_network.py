from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from implicitbias.train import DiagonalNetwork, ProductNetwork


@pytest.mark.parametrize("depth", [2, 2.5, 3, 6])
def test_predictor_and_forward(depth):
    net = DiagonalNetwork(4, depth, 0.5, [1.0, 2.0, 3.0, 4.0])
    with torch.no_grad():
        net.w_plus.add_(1.0)
    plus = 0.5 * np.array([1.0, 2, 3, 4]) + 1
    minus = 0.5 * np.array([1.0, 2, 3, 4])
    expected = plus**depth - minus**depth
    X = torch.randn(3, 4, dtype=torch.float64)
    np.testing.assert_allclose(net.predictor().detach().numpy(), expected, rtol=1e-14)
    np.testing.assert_allclose(net(X).detach().numpy(), X.numpy() @ expected, rtol=1e-13)


def test_starts_at_zero_with_two_parameters_in_double_precision():
    net = DiagonalNetwork(3, 3, "1e-3")
    assert [name for name, _ in net.named_parameters()] == ["w_plus", "w_minus"]
    assert net.w_plus.dtype == torch.float64
    assert float(net.predictor().detach().abs().max()) == 0
    assert "d=3, depth=3" in repr(net)
    assert DiagonalNetwork(3, dtype=torch.float32).w_minus.dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"d": 0}, "d must be at least 1, got 0"),
        ({"d": 2, "depth": 1.5}, "depth must be a finite number of at least 2, got 1.5"),
        ({"d": 2, "depth": float("nan")}, "depth must be"),
        ({"d": 2, "alpha": 0.0}, "alpha must be positive"),
        ({"d": 2, "alpha": "1e-4350"}, "representable as a float to be trained from, got 1e-4350"),
        ({"d": 2, "w0": [1.0, 2.0, 3.0]}, r"w0 must have shape \(2,\), got \(3,\)"),
        ({"d": 2, "w0": [1.0, -2.0]}, "w0 must be positive and finite in every entry"),
        ({"d": 2, "alpha": 1e-60, "dtype": torch.float32}, "leaves the range of torch.float32"),
    ],
)
def test_refuses_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DiagonalNetwork(**arguments)


def test_given_weights():
    plus, minus = [1.0, -2.0, 0.5], [0.5, 1.0, 3.0]
    net = DiagonalNetwork.from_weights(plus, minus)
    np.testing.assert_array_equal(net.predictor().detach().numpy(), [0.75, 3.0, -8.75])
    assert [name for name, _ in net.named_parameters()] == ["w_plus", "w_minus"]
    assert all(p.dtype == torch.float64 and p.requires_grad for p in net.parameters())
    narrow = DiagonalNetwork.from_weights(np.abs(plus), minus, 3, dtype=torch.float32)
    assert narrow.w_plus.dtype == torch.float32
    assert narrow.depth == 3
    np.testing.assert_array_equal(narrow.predictor().detach().numpy(), [0.875, 7.0, -26.875])


def test_given_weights_are_copied():
    given = torch.tensor([1.0, 2.0], dtype=torch.float64)
    nets = DiagonalNetwork.from_weights(given, given), ProductNetwork(given, given)
    for net in nets:
        for parameter in net.parameters():
            with torch.no_grad():
                parameter.fill_(5.0)
    assert given.tolist() == [1.0, 2.0]


def test_product():
    net = ProductNetwork([1.0, -2.0, 0.5], [3.0, 4.0, 0.0])
    np.testing.assert_array_equal(net.predictor().detach().numpy(), [3.0, -8.0, 0.0])
    X = torch.randn(2, 3, dtype=torch.float64)
    torch.testing.assert_close(net(X), X @ net.predictor())
    assert [name for name, _ in net.named_parameters()] == ["u", "v"]
    assert repr(net) == "ProductNetwork(d=3)"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: DiagonalNetwork.from_weights([1.0], [1.0, 2.0]),
            r"w_plus and w_minus must have one shape \(d,\), got",
        ),
        (
            lambda: DiagonalNetwork.from_weights([1.0, 0.0], [1.0, 2.0]),
            "w_plus must be nonzero at depth 2, got 0.0",
        ),
        (lambda: DiagonalNetwork.from_weights([1.0], [-1.0], 3), "w_minus must be positive at depth 3, got -1.0"),
        (
            lambda: DiagonalNetwork.from_weights([1.0], [1.0], 1),
            "depth must be a finite number of at least 2, got 1",
        ),
        (lambda: ProductNetwork([[1.0]], [[1.0]]), r"u and v must have one shape \(d,\), got \(1, 1\)"),
        (
            lambda: ProductNetwork([1.0, np.nan], [1.0, 1.0]),
            "u must be finite in torch.float64, got nan at index 1",
        ),
        (lambda: ProductNetwork([1.0], [1e300], dtype=torch.float32), "v must be finite in torch.float32, got inf"),
    ],
)
def test_refuses_bad_weights(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_missing_torch_is_one_clear_line():
    code = "import sys; sys.modules['torch'] = None; import implicitbias.train"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "training needs torch, which is not installed; run: pip install 'implicitbias[torch]'" in done.stderr
