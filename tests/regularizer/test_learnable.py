"""Regularizers whose scale is a torch tensor: derivatives with respect to it, and its present value elsewhere."""

import copy
import pickle

import mpmath
import numpy as np
import pytest
import torch

import implicitbias as ib
from tests.regularizer import oracle

DUAL = ["conjugate", "grad_conjugate", "hess_diag_conjugate"]
PRIMAL = ["__call__", "grad", "hess_diag"]
W0 = [1.0, 2.0, 0.5]
START = [0.1, -0.2, 0.05]
KINDS = [
    (ib.Q, {"D": 2}),
    (ib.Q, {"D": 3}),
    (ib.Q, {"D": 2.5, "w0": W0}),
    (ib.Q, {"D": 2, "reference": START}),
    (ib.Q, {"D": 3, "w0": W0, "reference": START}),
    (ib.R, {}),
    (ib.R, {"D": 3, "w0": W0}),
]


def tensor(value, dtype=torch.float64):
    return torch.tensor(value, dtype=dtype, requires_grad=True)


def names_of(kind, options):
    return PRIMAL if kind is ib.R and "D" in options else PRIMAL + DUAL


@pytest.mark.parametrize(("kind", "options"), KINDS, ids=repr)
def test_derivatives(kind, options):
    alpha = tensor(0.4)
    # with a reference the others are the same functions of theta + theta_0
    names = ["__call__", "grad", "conjugate"] if "reference" in options else names_of(kind, options)
    for name in names:
        x = tensor([0.1, -0.03, 0.02]) if "conjugate" in name else tensor([0.3, -1.2, 4.0])

        def function(x, alpha, name=name):
            return getattr(kind(alpha, **options), name)(x)

        assert torch.autograd.gradcheck(function, (x, alpha))
        if not name.startswith("hess"):
            assert torch.autograd.gradgradcheck(function, (x, alpha))


@pytest.mark.parametrize(("kind", "options"), KINDS, ids=repr)
def test_values_are_those_of_the_fixed_scale(kind, options):
    alpha = tensor(0.4)
    reg, fixed = kind(alpha, **options), kind(0.4, **options)
    for name in names_of(kind, options):
        x = [0.1, -0.03, 0.02] if "conjugate" in name else [0.3, -1.2, 4.0]
        function, want = getattr(reg, name), getattr(fixed, name)(np.array(x))
        np.testing.assert_array_equal(function(np.array(x)), want)
        # the references' differences are right relative to theta_0
        np.testing.assert_allclose(
            function(torch.tensor(x, dtype=torch.float64)).detach().numpy(), want, rtol=1e-13
        )
    assert reg([mpmath.mpf("0.5")] * 3) == fixed([mpmath.mpf("0.5")] * 3)


@pytest.mark.parametrize("value", [1e-200, 1e-9, 1e8, 1e200])
@pytest.mark.parametrize(("kind", "D"), [(ib.Q, 2), (ib.Q, 3), (ib.R, 3)])
def test_derivative_along_the_scale_at_any_scale(kind, D, value):
    alpha = tensor(value)
    x = torch.tensor([0.3, -1.2, 4.0], dtype=torch.float64)
    (got,) = torch.autograd.grad(kind(alpha, D=D)(x), alpha)
    with mpmath.workdps(700):  # at 1e-200 the derivative for D = 3 is 1e-200 of the terms that it is the sum of
        point = [mpmath.mpf(b) for b in x.tolist()]
        h = mpmath.mpf(value) * mpmath.mpf("1e-60")
        up, down = (kind(mpmath.mpf(value) + s * h, D=D)(point) for s in (1, -1))
        exact = (up - down) / (2 * h)
    if abs(exact) < 1e-300:
        assert abs(got.item()) < 1e-290
    else:
        assert got.item() == pytest.approx(float(exact), rel=1e-13)


def test_energy_of_the_curve():
    # dQ/dlog alpha = -D Q*(grad Q), from the oracle's conjugate at the oracle's gradient
    for D, alpha in ((2, 0.3), (3, 1e-3), (5, 2.0)):
        a = tensor(alpha)
        (got,) = torch.autograd.grad(ib.Q(a, D)(torch.tensor([0.7], dtype=torch.float64)), a)
        with oracle.ctx.workdps(60):
            slope = oracle.regularizer("grad", 0.7, alpha, D)
            conjugate = oracle.regularizer("conjugate", slope, alpha, D)
        assert got.item() == pytest.approx(float(-D * conjugate / alpha), rel=1e-13)


def test_the_value_follows_the_tensor():
    alpha = tensor(0.5)
    reg = ib.Q(alpha, 3, reference=[0.1])
    assert reg.alpha is reg.alpha_tensor is alpha
    assert reg([1.0]) == ib.Q(0.5, 3, reference=[0.1])([1.0])
    with torch.no_grad():
        alpha.fill_(0.25)
    moved = ib.Q(0.25, 3, reference=[0.1])
    assert reg([1.0]) == moved([1.0])
    assert reg.log_alpha == np.log(0.25)
    np.testing.assert_array_equal(reg.dual_origin, moved.dual_origin)
    assert reg.at_log_alpha(-1.0).alpha_tensor is None
    assert reg.at_log_alpha(-1.0) == ib.Q.from_log_alpha(-1.0, 3, reference=[0.1])


def test_scale_can_be_learned():
    # until the value at a vector is that at the alpha which is sought
    x = torch.tensor([1.0, 0.2, -0.4], dtype=torch.float64)
    target = ib.Q(0.05, 3)(x)
    log_alpha = tensor(0.0)
    optimizer = torch.optim.LBFGS([log_alpha], max_iter=30, line_search_fn="strong_wolfe", tolerance_change=0.0)

    def closure():
        optimizer.zero_grad()
        loss = (ib.Q(log_alpha.exp(), 3)(x) / target).log().square()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert log_alpha.exp().item() == pytest.approx(0.05, rel=1e-3)


def test_narrow_and_mixed_dtypes():
    alpha = tensor(0.4, torch.float32)
    value = ib.Q(alpha, 3)(torch.tensor([0.3, 2.0], dtype=torch.float32))
    assert value.dtype == torch.float32
    value.backward()
    assert alpha.grad.dtype == torch.float32
    torch.testing.assert_close(value.detach(), ib.Q(alpha.item(), 3)(torch.tensor([0.3, 2.0])))
    assert ib.Q(alpha)(torch.tensor([1.0], dtype=torch.float64)).dtype == torch.float64
    assert ib.Q(alpha)(torch.tensor([1, 2])).dtype == torch.float32


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own transforms
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # forward mode loads torch.jit
def test_transforms():
    alpha = torch.tensor(0.4, dtype=torch.float64)
    x = torch.tensor([[0.3, -1.2], [4.0, 0.1]], dtype=torch.float64)

    def function(row, alpha):
        return ib.Q(alpha, 3)(row)

    gradient = torch.func.vmap(torch.func.grad(function), in_dims=(0, None))(x, alpha)
    torch.testing.assert_close(gradient, ib.Q(0.4, 3).grad(x), rtol=1e-14, atol=0.0)
    hessian = torch.func.hessian(function)(x[0], alpha)
    torch.testing.assert_close(hessian, torch.diag(ib.Q(0.4, 3).hess_diag(x[0])), rtol=1e-14, atol=0.0)


def test_as_an_object():
    alpha = tensor(0.4)
    reg = ib.Q(alpha, 3)
    assert repr(reg) == "Q(torch.tensor(0.4, dtype=torch.float64), D=3)"
    assert reg == ib.Q(alpha, 3)
    assert hash(reg) == hash(ib.Q(alpha, 3))
    assert reg != ib.Q(tensor(0.4), 3)
    assert reg != ib.Q(0.4, 3)
    for other in (copy.deepcopy(reg), pickle.loads(pickle.dumps(reg))):
        assert other([1.0]) == reg([1.0])
        assert other.alpha_tensor.requires_grad
    assert copy.copy(reg) == reg
    assert ib.Q(0.4).alpha_tensor is None


@pytest.mark.parametrize(
    ("alpha", "error", "text"),
    [
        (
            torch.tensor([0.4]),
            TypeError,
            r"0-d floating-point tensor where it is a tensor, got one of shape \(1,\)",
        ),
        (torch.tensor(1), TypeError, "and dtype torch.int64"),
        (torch.tensor(-1.0), ValueError, "alpha must be a positive finite number.* got -1.0"),
        (torch.tensor(float("nan")), ValueError, "got nan"),
    ],
)
@pytest.mark.parametrize("kind", [ib.Q, ib.R])
def test_bad_tensors(kind, alpha, error, text):
    with pytest.raises(error, match=text):
        kind(alpha)
