"""Q, R, L1 and L2 as torch functions: derivatives, transforms, graphs, dtypes; no read of the data by the host."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import implicitbias as ib

EXTREME = "1e-4350"
W0 = [1.0, 2.0, 0.5]
DUAL = ["conjugate", "grad_conjugate", "hess_diag_conjugate"]
PRIMAL = ["__call__", "grad", "hess_diag"]
REGULARIZERS = [ib.Q(0.5), ib.Q(0.5, 3), ib.Q(0.5, 2.5, W0), ib.R(0.7, W0), ib.L2(W0)]


def double(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("name", PRIMAL)
@pytest.mark.parametrize("reg", REGULARIZERS, ids=repr)
def test_first_and_second_derivatives(reg, name):
    x = double(0.3, -1.2, 4.0)
    assert torch.autograd.gradcheck(getattr(reg, name), (x,))
    assert torch.autograd.gradgradcheck(getattr(reg, name), (x,))


@pytest.mark.parametrize("name", DUAL)
@pytest.mark.parametrize("reg", REGULARIZERS, ids=repr)
def test_derivatives_of_the_conjugate(reg, name):
    x = double(0.1, -0.3, 0.4)
    assert torch.autograd.gradcheck(getattr(reg, name), (x,))
    assert torch.autograd.gradgradcheck(getattr(reg, name), (x,))


@pytest.mark.parametrize("D", [2, 3, 5])
@pytest.mark.parametrize("alpha", [EXTREME, "1e-400", "1e400"])
def test_derivatives_at_extreme_scales_are_the_stated_functions(alpha, D):
    reg = ib.Q(alpha, D)
    x = double(0.3, -1.2, 4.0, 1e-30, 1e30)
    (grad,) = torch.autograd.grad(reg(x), x, create_graph=True)
    torch.testing.assert_close(grad, reg.grad(x), rtol=1e-15, atol=0.0)
    (second,) = torch.autograd.grad(grad.sum(), x, create_graph=True)
    torch.testing.assert_close(second, reg.hess_diag(x), rtol=1e-15, atol=0.0)
    (third,) = torch.autograd.grad(second.sum(), x)
    # far out the curvature is a power of beta: S''' = -(1 + 1/p) S''/beta; near 0 it is even, S''' = 0
    order = 2.0 - 2.0 / D
    expected = -order * second / x if alpha != "1e400" else torch.zeros_like(x)
    torch.testing.assert_close(third, expected, rtol=1e-13, atol=0.0)


@pytest.mark.parametrize("name", PRIMAL)
@pytest.mark.parametrize("D", [2, 3])
def test_finite_differences_at_an_extreme_scale(name, D):
    x = double(0.3, -1.2, 4.0)
    assert torch.autograd.gradcheck(getattr(ib.Q(EXTREME, D), name), (x,), atol=1e-7)
    assert torch.autograd.gradgradcheck(getattr(ib.Q(EXTREME, D), name), (x,), atol=1e-7)


@pytest.mark.parametrize("alpha", [0.1, EXTREME])
def test_training_with_a_penalty_decreases_the_objective(alpha):
    generator = torch.Generator().manual_seed(0)
    X, y = torch.randn(6, 3, generator=generator), torch.randn(6, generator=generator)
    reg = ib.Q(alpha)
    w = torch.full((3,), 0.5, requires_grad=True)
    weight = 0.1 / float(reg.grad(1.0))
    optimizer = torch.optim.SGD([w], lr=0.01)
    history = []
    for _ in range(60):
        optimizer.zero_grad()
        objective = ((X @ w - y) ** 2).sum() + weight * reg(w)
        objective.backward()
        optimizer.step()
        history.append(objective.item())
    assert history[-1] < 0.9 * history[0]
    assert all(new <= old for old, new in pairwise(history[:31]))


@pytest.mark.parametrize("alpha", [1e-30, 1e-20, 1e-3, 1.0, 1e20, EXTREME])
@pytest.mark.parametrize("D", [2, 3])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 5e-7), (torch.float16, 2e-3), (torch.bfloat16, 2e-2)]
)
def test_narrow_dtypes(alpha, D, dtype, tolerance):
    # the scale alpha^D, 1e-90 to 1e60, is outside float32 though the results are not
    reg = ib.Q(alpha, D)
    x = torch.tensor([0.5, -3.0, 100.0], dtype=dtype)
    wide = x.double()
    for name in PRIMAL:
        got, exact = getattr(reg, name)(x), getattr(reg, name)(wide)
        assert got.dtype == dtype
        limits = torch.finfo(dtype)
        expected = exact.to(dtype)
        # a sum in the narrow dtype rounds each time; overflow and underflow are those of the exact value
        torch.testing.assert_close(got, expected, rtol=tolerance, atol=limits.tiny)


def test_torch_agrees_with_numpy_where_both_are_float32():
    x = np.array([0.5, -3.0, 1e-3], dtype=np.float32)
    for reg in (ib.Q(0.1), ib.Q(0.1, 3), ib.R(0.1), ib.Q(EXTREME)):
        np.testing.assert_allclose(reg.grad(torch.tensor(x)).numpy(), reg.grad(x), rtol=5e-7)  # 4 ulp of float32


def test_integers_count_as_the_default_dtype():
    for reg in (ib.Q(1), ib.Q(EXTREME), ib.R(1), ib.L1(), ib.L2()):
        got = reg.grad(torch.tensor([1, -2]))
        assert got.dtype == torch.float32
        torch.testing.assert_close(got, reg.grad(torch.tensor([1.0, -2.0])))
    assert ib.L2()(torch.tensor([100, 100], dtype=torch.int8)) == 10_000.0


@pytest.mark.parametrize("reg", [ib.Q(1), ib.R(1), ib.L1(), ib.L2()], ids=repr)
def test_complex_tensors_are_refused(reg):
    with pytest.raises(TypeError, match=r"must be real, got a tensor of dtype torch\.complex64"):
        reg(torch.ones(2, dtype=torch.complex64))


# torch's own transforms make an instance of the autograd function, and forward mode loads torch.jit
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("alpha", [0.3, EXTREME])
@pytest.mark.parametrize("D", [2, 3])
def test_transforms(alpha, D):
    reg = ib.Q(alpha, D, W0)
    x = torch.linspace(-1.0, 2.0, 12, dtype=torch.float64).reshape(4, 3)
    rows = torch.stack([reg(row) for row in x])
    torch.testing.assert_close(torch.func.vmap(reg)(x), rows)
    gradients = torch.stack([reg.grad(row) for row in x])
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(reg))(x), gradients, rtol=1e-14, atol=0.0)
    hessian = torch.func.hessian(reg)(x[0])
    torch.testing.assert_close(hessian, torch.diag(reg.hess_diag(x[0])), rtol=1e-14, atol=0.0)


# torch's own tracer makes an instance of the autograd function to read its members
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("alpha", [0.3, EXTREME])
@pytest.mark.parametrize("D", [2, 3])
@pytest.mark.parametrize("w0", [None, W0])
def test_compiles_to_one_graph(alpha, D, w0):
    reg = ib.Q(alpha, D, w0)
    torch.compiler.reset()
    compiled = torch.compile(lambda x: reg(x), backend="eager", fullgraph=True)
    x, same = double(0.3, -1.2, 0.0), double(0.3, -1.2, 0.0)
    value = compiled(x)
    value.backward()
    reg(same).backward()
    assert value.item() == reg(same).item()
    torch.testing.assert_close(x.grad, same.grad, rtol=1e-15, atol=0.0)


@pytest.mark.parametrize("reg", [*REGULARIZERS, ib.L1(), ib.Q(EXTREME, 3, W0), ib.Q(EXTREME)], ids=repr)
def test_no_value_is_read_by_the_host(reg):
    # a fake tensor has no values: reading one, as a branch on data would, raises
    names = PRIMAL if isinstance(reg, ib.L1) else PRIMAL + DUAL
    with FakeTensorMode():
        for name in names:
            x = torch.zeros(3, dtype=torch.float64)
            assert getattr(reg, name)(x).dtype == torch.float64
    meta = torch.zeros(3, dtype=torch.float64, device="meta")
    for name in names:
        assert getattr(reg, name)(meta).device.type == "meta"
    # and nothing made under the mode outlives it
    real = torch.ones(3, dtype=torch.float64)
    np.testing.assert_allclose(reg(real).item(), reg(np.ones(3)), rtol=1e-14)


def test_first_use_in_inference_mode_does_not_spoil_training():
    reg = ib.Q(0.1, 3, W0)
    with torch.inference_mode():
        reg(torch.ones(3))
    x = torch.ones(3, requires_grad=True)
    reg(x).backward()
    torch.testing.assert_close(x.grad, reg.grad(x.detach()))


def test_shapes_and_layouts():
    reg = ib.Q(0.1, 3)
    x = torch.arange(12.0).reshape(3, 4).T
    torch.testing.assert_close(reg.grad(x), reg.grad(x.contiguous()))
    assert reg.grad(torch.empty(0)).shape == (0,)
    assert reg(torch.empty(0)) == 0.0
    assert reg.grad(torch.tensor(1.0)).shape == ()
    with pytest.raises(ValueError, match=r"got shape \(2,\) for w0 of shape \(3,\)"):
        ib.Q(1, w0=W0)(torch.ones(2))


# torch's own tracer makes an instance of the autograd function to read its members
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize(
    "reg",
    [ib.Q(0.4, 3, reference=[0.1, -0.2, 0.3]), ib.R(0.4, D=3), ib.Q(torch.tensor(0.4, dtype=torch.float64), 3)],
    ids=repr,
)
def test_references_depths_and_learnable_scales_compile(reg):
    torch.compiler.reset()
    compiled = torch.compile(lambda x: reg(x), backend="eager", fullgraph=True)
    x = double(0.3, -1.2, 0.0)
    value = compiled(x)
    value.backward()
    assert value.item() == reg(x).item()
    torch.testing.assert_close(x.grad, reg.grad(x.detach()), rtol=1e-15, atol=0.0)
