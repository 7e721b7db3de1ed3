"""The dual under general lower bounds, as a sweeping process needs it, against L-BFGS-B and its conditions."""

import numpy as np
import pytest
from scipy.optimize import minimize

import implicitbias as ib
from implicitbias import Status
from implicitbias.solvers.margin import solve_bounded


def problem(N=15, d=8, seed=0):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((N, d))
    return A * np.sign(A @ rng.standard_normal(d))[:, None], rng


def certify(A, targets, reg, lower, found):
    assert found.status is Status.CONVERGED
    np.testing.assert_allclose(found.beta, reg.grad_conjugate(A.T @ found.nu), rtol=1e-9)
    assert (found.nu >= lower).all()
    np.testing.assert_array_equal(found.active, found.nu > lower)
    margins = A @ found.beta
    np.testing.assert_allclose(margins[found.active], targets[found.active], rtol=1e-8)
    assert (margins >= targets * (1.0 - 1e-8)).all()


@pytest.mark.parametrize("D", [2, 2.5, 3, 4, 10])
@pytest.mark.parametrize("tau", [1e-3, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("shape", [(15, 8), (8, 40), (40, 3), (3, 3), (2, 1)])
def test_from_nothing(D, tau, shape):
    A, _ = problem(*shape)
    reg = ib.Q(1.0, D)
    targets = np.full(shape[0], tau)
    certify(A, targets, reg, np.zeros(shape[0]), solve_bounded(A, targets, reg))


@pytest.mark.parametrize("D", [2, 3])
def test_a_sweeping_process(D):
    # multipliers may only grow: each step starts, and is bounded, where the last one ended
    A, _ = problem()
    reg = ib.Q(1.0, D)
    nu = np.zeros(15)
    for tau in np.logspace(-3, 4, 60):
        found = solve_bounded(A, np.full(15, tau), reg, lower=nu, start=nu)
        certify(A, np.full(15, tau), reg, nu, found)
        nu = found.nu


@pytest.mark.parametrize("D", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_against_another_solver(D, seed):
    A, rng = problem(seed=seed)
    reg = ib.Q(1.0, D)
    lower = rng.uniform(0.0, 0.02, 15)
    targets = rng.uniform(0.5, 3.0, 15)

    def dual(nu):
        with np.errstate(all="ignore"):
            value = float(reg.conjugate(A.T @ nu)) - targets @ nu
            slope = A @ np.asarray(reg.grad_conjugate(A.T @ nu)) - targets
        return (value, slope) if np.isfinite(value) and np.isfinite(slope).all() else (1e10, np.zeros(15))

    other = minimize(dual, lower, jac=True, method="L-BFGS-B", bounds=[(b, None) for b in lower], tol=1e-15)
    found = solve_bounded(A, targets, reg, lower=lower)
    certify(A, targets, reg, lower, found)
    assert dual(found.nu)[0] <= other.fun + 1e-12
    # a first-order method's accuracy
    np.testing.assert_allclose(dual(found.nu)[0], other.fun, rtol=1e-6)


def test_nothing_to_do_and_too_little_time():
    A, _ = problem()
    reg = ib.Q(1.0)
    targets = np.ones(15)
    first = solve_bounded(A, targets, reg)
    again = solve_bounded(A, targets, reg, start=first.nu)
    np.testing.assert_allclose(again.nu, first.nu, rtol=1e-12, atol=1e-15)
    held = solve_bounded(A, targets, reg, lower=first.nu)
    np.testing.assert_allclose(held.beta, first.beta, rtol=1e-9)
    assert solve_bounded(A, 1e4 * targets, reg, max_iterations=2).status is Status.ITERATION_LIMIT


def test_a_start_outside_the_domain_is_left():
    A, _ = problem()
    reg = ib.Q(1.0, 3)
    found = solve_bounded(A, np.ones(15), reg, start=np.full(15, 100.0))
    certify(A, np.ones(15), reg, np.zeros(15), found)
