"""Solutions as torch tensors, and their derivatives against finite differences and closed forms."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import implicitbias as ib
from implicitbias import InfeasibleError, Status
from implicitbias.solvers.batch._torch import solve_torch

DOUBLE = torch.float64
W0 = np.linspace(0.6, 1.6, 5)


def data(batch="", N=2, d=5, seed=0):
    """X and y that want derivatives; leading axes of 3 for those that `batch` names."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((*((3,) if "X" in batch else ()), N, d))
    y = rng.standard_normal((*((3,) if "y" in batch else ()), N))
    return tuple(torch.tensor(a, dtype=DOUBLE, requires_grad=True) for a in (X, y))


@pytest.fixture(autouse=True)
def _same_projections():
    torch.manual_seed(0)  # fast_mode checks the derivatives along a random direction


def number(value):
    return torch.tensor(value, dtype=DOUBLE, requires_grad=True)


def solve(X, y, reg, **options):
    return solve_torch(X, y, reg, **options).raise_for_status()


@pytest.mark.parametrize("reg", [ib.Q(0.1), ib.Q(1e-3, 3, W0), ib.R(0.1), ib.L2(W0), ib.L1()], ids=repr)
@pytest.mark.parametrize("batch", ["", "y", "Xy"])
def test_solutions_are_those_of_arrays(reg, batch):
    X, y = (v.detach() for v in data(batch))
    sol = solve(X, y, reg)
    assert sol.beta.dtype == DOUBLE
    assert sol.beta.shape == (*y.shape[:-1], 5)
    assert sol.dual.shape == y.shape
    assert sol.value.shape == y.shape[:-1]
    for i in np.ndindex(y.shape[:-1]):
        want = ib.interpolate((X[i] if "X" in batch else X).numpy(), y[i].numpy(), reg)
        one = sol[i] if batch else sol
        np.testing.assert_allclose(one.beta, want.beta, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(one.dual, want.dual, rtol=1e-9)
        np.testing.assert_allclose(one.value, want.value, rtol=1e-12)
        assert max(one.residuals.values()) <= 1e-9


def solution(D, w0):
    def function(X, y, alpha):
        sol = solve(X, y, ib.Q(alpha, D, w0))
        return sol.beta, sol.dual, sol.value

    return function


# a difference of width h in alpha errs by (h/alpha)^2, one in beta by 1e-15/h
@pytest.mark.parametrize("alpha", [1e-3, 0.1, 1.0, 10.0])
@pytest.mark.parametrize(
    ("D", "w0", "batch"), [(2, None, ""), (2, W0, "Xy"), (3, None, ""), (3, W0, "y"), (3, None, "Xy")]
)
def test_derivatives_against_finite_differences(D, w0, alpha, batch):
    inputs = (*data(batch), number(alpha))
    assert gradcheck(solution(D, w0), inputs, eps=1e-6 * alpha**0.5, rtol=1e-4, fast_mode=True)


@pytest.mark.parametrize(
    ("D", "w0", "alpha", "batch"), [(2, None, 0.01, ""), (2, W0, 0.3, "y"), (3, None, 1.0, ""), (3, W0, 0.1, "Xy")]
)
def test_second_derivatives_against_finite_differences(D, w0, alpha, batch):
    inputs = (*data(batch), number(alpha))
    assert gradgradcheck(solution(D, w0), inputs, eps=1e-6 * alpha**0.5, rtol=1e-3, fast_mode=True)


@pytest.mark.parametrize("D", [2, 3])
def test_with_a_reference_point(D):
    reference = np.array([0.3, -0.2, 0.0, 0.5, 0.1])

    def function(X, y, alpha):
        sol = solve(X, y, ib.Q(alpha, D, W0, reference=reference))
        return sol.beta, sol.dual

    inputs = (*data("y"), number(0.3))
    assert gradcheck(function, inputs, rtol=1e-4, fast_mode=True)
    if D == 2:
        assert gradgradcheck(function, inputs, rtol=1e-3, fast_mode=True)


@pytest.mark.parametrize("explicit", [False, True])
def test_other_regularizers(explicit):
    def function(X, y, alpha):
        sol = solve(X, y, ib.R(alpha, W0) if explicit else ib.Q(alpha, 4))
        return sol.beta, sol.dual

    assert gradcheck(function, (*data("y"), number(0.2)), rtol=1e-4, fast_mode=True)


@pytest.mark.parametrize("D", [2, 3])
@pytest.mark.parametrize("alpha", [1e-3, 0.1, 10.0])
def test_along_log_alpha_against_arrays(D, alpha):
    X, y = data(seed=1)
    log_alpha = number(np.log(alpha))
    beta = solve(X, y, ib.Q(torch.exp(log_alpha), D)).beta
    direction = torch.tensor(np.random.default_rng(1).standard_normal(5))
    found = torch.autograd.grad(beta @ direction, log_alpha)[0].item()

    def along(t):
        sol = ib.interpolate(X.detach().numpy(), y.detach().numpy(), ib.Q.from_log_alpha(np.log(alpha) + t, D))
        return float(sol.beta @ direction.numpy())

    h = 1e-3  # differences of fourth order: an error of h^4, and rounding over h
    want = (8.0 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12.0 * h)
    assert abs(found - want) <= 1e-9 * max(1.0, abs(want))


@pytest.mark.parametrize("batch", ["", "y", "Xy"])
@pytest.mark.parametrize("weights", [None, W0**2])
def test_l2_against_its_closed_form(batch, weights):
    X, y = data(batch)
    W = torch.ones(5, dtype=DOUBLE) if weights is None else 1.0 / torch.tensor(weights)

    def closed(X, y):
        dual = torch.linalg.solve((X * W) @ X.mT, y[..., None])
        return (W[:, None] * (X.mT @ dual))[..., 0], dual[..., 0]

    sol = solve(X, y, ib.L2(weights))
    want = closed(X, y)
    rng = np.random.default_rng(2)
    losses = []
    for beta, dual in ((sol.beta, sol.dual), want):
        rng = np.random.default_rng(2)
        a, b = (torch.tensor(rng.standard_normal(tuple(v.shape))) for v in (beta, dual))
        losses.append((a * beta**3).sum() + (b * dual**2).sum())
    first = [torch.autograd.grad(loss, (X, y), create_graph=True) for loss in losses]
    for mine, theirs in zip(*first, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-11)
    second = [torch.autograd.grad(sum((g**2).sum() for g in grads), (X, y)) for grads in first]
    for mine, theirs in zip(*second, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("reg", [ib.Q(1e-3), ib.Q(0.1, 3), ib.Q("1e-300"), ib.R(0.1), ib.L2()], ids=repr)
def test_multipliers_are_the_derivatives_of_the_value(reg):
    X, y = data("y")
    sol = solve(X, y, reg)
    grad_X, grad_y = torch.autograd.grad(sol.value.sum(), (X, y))
    torch.testing.assert_close(grad_y, sol.dual.detach(), rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(grad_X, -(sol.dual.mT @ sol.beta).detach(), rtol=1e-8, atol=1e-10)


def test_transforms_of_functions():
    X, y = (v.detach() for v in data())
    jacobian = torch.autograd.functional.jacobian(lambda y: solve(X, y, ib.Q(0.1)).beta, y)
    direction = torch.tensor([0.7, -1.1], dtype=DOUBLE)
    weights = torch.arange(1.0, 6.0, dtype=DOUBLE)
    grad = torch.func.grad(lambda y: solve(X, y, ib.Q(0.1)).beta @ weights)(y)
    torch.testing.assert_close(grad @ direction, weights @ jacobian @ direction)
    # X beta = y for every y
    torch.testing.assert_close(X @ jacobian, torch.eye(2, dtype=DOUBLE))


class TestUse:
    def test_alpha_by_its_validation_loss(self):
        rng = np.random.default_rng(4)
        truth = np.zeros(30)
        truth[:2] = 1.0, -1.5
        X, held_out = (torch.tensor(rng.standard_normal((n, 30))) for n in (12, 40))
        y, target = (A @ torch.tensor(truth) for A in (X, held_out))
        log_alpha = torch.tensor(0.5, dtype=DOUBLE, requires_grad=True)
        optimizer = torch.optim.Adam([log_alpha], lr=1.0)
        losses = []
        for _ in range(8):
            optimizer.zero_grad()
            loss = ((held_out @ solve(X, y, ib.Q(torch.exp(log_alpha))).beta - target) ** 2).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert log_alpha.item() < -1.0  # a sparse truth wants a small alpha
        assert losses[-1] < 0.5 * losses[0]

    def test_as_a_layer(self):
        torch.manual_seed(0)
        features = torch.nn.Linear(4, 10)
        inputs, y, wanted = torch.randn(3, 4), torch.randn(5, 3), torch.randn(5, 10)
        optimizer = torch.optim.SGD(features.parameters(), lr=0.05)
        losses = []
        for _ in range(5):
            optimizer.zero_grad()
            beta = solve(features(inputs), y, ib.Q(0.3)).beta  # one design, five targets, float32
            assert beta.dtype == torch.float32
            loss = ((beta - wanted) ** 2).mean()
            loss.backward()
            assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0.0 for p in features.parameters())
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0]


class TestKindsOfTensors:
    def test_single_precision_is_rounded_once(self):
        X, y = (v.detach().float() for v in data("y"))
        X.requires_grad_()
        sol, wide = solve(X, y, ib.Q(1e-3)), solve(X.detach().double(), y.double(), ib.Q(1e-3))
        assert sol.beta.dtype == sol.dual.dtype == sol.value.dtype == torch.float32
        assert torch.equal(sol.beta, wide.beta.float())
        assert torch.equal(sol.value, wide.value.float())
        assert max(values.max() for values in sol.residuals.values()) <= 1e-12
        sol.beta.sum().backward()
        assert X.grad.dtype == torch.float32

    def test_integers(self):
        beta = solve(torch.tensor([[1, 2], [3, 5]]), torch.tensor([1, 2]), ib.Q(1.0)).beta
        torch.testing.assert_close(beta, torch.tensor([-1.0, 1.0]))

    def test_no_graph_unless_wanted(self):
        X, y = data()
        assert solve(X, y, ib.Q(0.1)).beta.requires_grad
        assert not solve(X.detach(), y.detach(), ib.Q(0.1)).beta.requires_grad
        assert solve(X.detach(), y.detach(), ib.Q(number(0.1))).beta.requires_grad
        with torch.no_grad():
            assert not solve(X, y, ib.Q(0.1)).beta.requires_grad

    def test_not_contiguous_and_expanded(self):
        X, y = (v.detach() for v in data())
        stored = X.mT.contiguous().mT
        want = solve(X, y, ib.Q(0.1)).beta
        torch.testing.assert_close(solve(stored, y, ib.Q(0.1)).beta, want, rtol=1e-12, atol=1e-14)
        many = solve(X.expand(3, 2, 5), y.expand(3, 2), ib.Q(0.1)).beta
        torch.testing.assert_close(many, want.expand(3, 5), rtol=1e-12, atol=1e-14)

    def test_inputs_are_left_alone(self):
        X, y = (v.detach() for v in data("Xy"))
        copies = X.clone(), y.clone()
        solve(X, y, ib.Q(1e-3))
        assert torch.equal(X, copies[0])
        assert torch.equal(y, copies[1])


class TestFailure:
    def test_no_solution(self):
        X, y = data()
        twice = torch.cat([X, X[:1]]), torch.cat([y, y[:1] + 1.0])
        with pytest.raises(InfeasibleError, match="X beta = y has no solution"):
            solve_torch(*twice, ib.Q(0.1))
        sol = solve_torch(twice[0], torch.stack([twice[1], torch.zeros(3, dtype=DOUBLE)]), ib.Q(0.1))
        assert sol.statuses.tolist() == [Status.INFEASIBLE, Status.CONVERGED]
        assert sol.beta.isnan().any(-1).tolist() == [True, False]
        with pytest.raises(InfeasibleError, match="1 of 2 problems are not solved: problem 0: no solution"):
            sol.raise_for_status()

    def test_iteration_limit(self):
        X, y = data()
        sol = solve_torch(X, y, ib.Q(1e-6), max_iterations=2)
        assert sol.status is Status.ITERATION_LIMIT
        assert sol.iterations == 2
        with pytest.raises(ib.ConvergenceError, match="stopped at the iteration limit"):
            sol.raise_for_status()

    def test_bad_arguments(self):
        X, y = data()
        with pytest.raises(TypeError, match=r"X must be real, got a tensor of dtype torch\.complex128"):
            solve_torch(X * 1j, y, ib.Q(1.0))
        with pytest.raises(ValueError, match="X and y must be on one device, got X on cpu and y on meta"):
            solve_torch(X, y.to("meta"), ib.Q(1.0))
        with pytest.raises(ValueError, match="reg must have a second derivative for its solutions"):
            solve_torch(X, y, ib.L1())
        with pytest.raises(
            ValueError, match=r"X must be finite, got nan at index \(0, 0\) \(10 such entries in all\)"
        ):
            solve_torch(X * torch.nan, y, ib.Q(1.0))
        with pytest.raises(ValueError, match="one entry per row of X: X has 2 rows, y has 1"):
            solve_torch(X, y[:1], ib.Q(1.0))
        with pytest.raises(TypeError, match="reg must be a Q, R, L1 or L2 regularizer, got str"):
            solve_torch(X.detach(), y.detach(), "l2")
