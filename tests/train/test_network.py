from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from implicitbias.train import DiagonalNetwork


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


def test_missing_torch_is_one_clear_line():
    code = "import sys; sys.modules['torch'] = None; import implicitbias.train"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "training needs torch, which is not installed; run: pip install 'implicitbias[torch]'" in done.stderr
