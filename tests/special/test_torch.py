"""torch: derivatives of any order, transforms, compilation, dtypes, and no look at the data by the host."""

import math

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from implicitbias import special

# torch's own forward mode and tracer still use what torch has deprecated
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning"),
]

NAMES = ["q", "q_prime", "q_second", "q_conjugate", "h", "h_inverse_complement"]
CASES = [(n, D) for n in NAMES for D in (2, 2.5, 4, math.inf) if not (n == "h_inverse_complement" and D == 2)]


def points(name, D):
    if name in ("h", "q_conjugate") and D != 2:
        return torch.tensor([-0.8, -0.2, 0.05, 0.6], dtype=torch.float64)
    return torch.tensor([-30.0, -0.7, 0.2, 1.3, 5.0], dtype=torch.float64)


@pytest.mark.parametrize(("name", "D"), CASES)
def test_gradients_of_first_and_second_order(name, D):
    x = points(name, D).requires_grad_()

    def function(x):
        return getattr(special, name)(x, D)

    assert torch.autograd.gradcheck(function, x, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(function, x)


@pytest.mark.parametrize("D", [2, 2.01, 3, 4, math.inf])
def test_derivatives_are_as_accurate_as_values(D):
    x = torch.tensor([-1e200, -1e10, -1.0, 1e-10, 0.0, 3.0, 1e17, 1e300], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(special.q(x, D).sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), x)
    assert torch.equal(slope, special.q_prime(x, D))
    assert torch.equal(curvature, special.q_second(x.detach(), D))


@pytest.mark.parametrize(("name", "D"), CASES)
def test_vmap_and_hessian(name, D):
    x = points(name, D)

    def function(x):
        return getattr(special, name)(x, D)

    assert torch.equal(torch.vmap(function)(x), function(x))
    hessian = torch.func.hessian(lambda x: function(x).sum())(x)
    step = 1e-5
    slope = torch.vmap(torch.func.grad(function))
    numeric = (slope(x * (1 + step)) - slope(x * (1 - step))) / (2 * step * x)
    torch.testing.assert_close(hessian, torch.diag(numeric), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize(
    ("name", "D"), [("q", 2), ("q", 2.5), ("q_prime", 4), ("h", 3), ("q_second", 3), ("q_conjugate", math.inf)]
)
def test_compiles_to_one_graph(name, D, backend):
    torch.compiler.reset()
    x = points(name, D).requires_grad_()

    def function(x):
        return getattr(special, name)(x, D).sum()

    compiled = torch.compile(function, backend=backend, fullgraph=True)
    torch.testing.assert_close(compiled(x), function(x))
    (expected,) = torch.autograd.grad(function(x), x)
    (found,) = torch.autograd.grad(compiled(x), x)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("name", "D"), CASES)
def test_nothing_depends_on_the_data(name, D):
    function = getattr(special, name)
    assert function(torch.empty(3, device="meta"), D).shape == (3,)
    with FakeTensorMode():
        x = torch.empty(4, 2, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(function(x, D).sum(), x)
        assert slope.shape == x.shape


@pytest.mark.parametrize(("name", "D"), CASES)
def test_shapes_dtypes_and_agreement_with_numpy(name, D):
    function = getattr(special, name)
    x = points(name, D)
    np.testing.assert_allclose(function(x, D).numpy(), function(x.numpy(), D), rtol=8 * np.finfo(float).eps)
    assert function(torch.tensor(0.25), D).shape == ()
    assert function(torch.empty(0, 3), D).shape == (0, 3)
    strided = torch.linspace(-0.9, 0.9, 12, dtype=torch.float64).reshape(3, 4).T[::2]
    assert torch.equal(function(strided, D), function(strided.contiguous(), D))
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        small = torch.tensor([0.0, 0.25, 0.5], dtype=dtype)
        result = function(small, D)
        assert result.dtype == dtype
        wide = function(small.double(), D)
        assert (abs(result.double() - wide) <= 4 * torch.finfo(dtype).eps * abs(wide)).all()
    for dtype in (torch.int64, torch.bool):
        assert function(torch.zeros(2, dtype=dtype), D).dtype == torch.get_default_dtype()


@pytest.mark.parametrize("D", [2, 3, math.inf])
def test_gradients_at_zero_and_infinity_are_finite_or_right(D):
    x = torch.tensor([0.0, -0.0, math.inf, -math.inf], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(special.q(x, D).sum(), x)
    end = math.inf if D == 2 else 1.0
    assert slope.tolist() == [0.0, 0.0, end, -end]
