"""The certificate: zero at solutions known exactly, free of units, and not to be fooled."""

import math

import numpy as np
import pytest

import implicitbias as ib
from implicitbias import certificates

EXACT = 1e-14
"""A few dozen roundings on problems of two samples."""


def exact_solution(reg, seed=0):
    """Problem whose solution is chosen first: beta = grad reg*(X^T nu), y = X beta."""
    rng = np.random.default_rng(seed)
    X, nu = rng.standard_normal((2, 5)), np.array([0.2, -0.1])
    beta = reg.grad_conjugate(X.T @ nu)
    return ib.Interpolation(X, X @ beta), beta, nu


REGULARIZERS = [
    ib.Q(1),
    ib.Q(0.1),
    ib.Q(0.5, 3),
    ib.Q(2, 2.5, [1, 2, 0.5, 1, 1]),
    ib.R(0.3),
    ib.L2(),
    ib.L2([1, 2, 3, 4, 5]),
]


@pytest.mark.parametrize("reg", REGULARIZERS, ids=repr)
class TestInterpolation:
    def test_zero_at_the_solution(self, reg):
        problem, beta, nu = exact_solution(reg)
        for dual in (nu, None):
            found = certificates.residuals(problem, reg, beta, dual)
            assert set(found) == {"primal", "stationarity", "gap"}
            assert max(map(abs, found.values())) < EXACT
        np.testing.assert_allclose(certificates.estimate_dual(problem, reg, beta), nu, rtol=1e-12)

    def test_free_of_units(self, reg):
        problem, beta, nu = exact_solution(reg)
        off = beta * np.array([1.01, 1.0, 0.99, 1.0, 1.02])
        want = certificates.residuals(problem, reg, off, nu)
        for c in (1e-8, 7.0, 1e9):
            scaled = ib.Interpolation(c * problem.X, c * problem.y)
            assert certificates.residuals(scaled, reg, off, nu / c) == pytest.approx(want, rel=1e-6)
            assert certificates.residuals(scaled, reg, off) == pytest.approx(
                certificates.residuals(problem, reg, off), rel=1e-6
            )

    def test_a_wrong_predictor_shows(self, reg):
        problem, beta, nu = exact_solution(reg)
        infeasible = certificates.residuals(problem, reg, 1.01 * beta, nu)
        assert infeasible["primal"] == pytest.approx(0.01, rel=1e-9)
        # along the null space: feasible, but no longer the minimum
        direction = np.linalg.svd(problem.X)[2][-1]
        moved = beta + 0.1 * np.abs(beta).max() * direction
        found = certificates.residuals(problem, reg, moved)
        assert found["primal"] < EXACT
        assert found["stationarity"] > 1e-3
        assert certificates.residuals(problem, reg, moved, nu)["gap"] > 1e-6

    def test_a_wrong_dual_shows(self, reg):
        problem, beta, nu = exact_solution(reg)
        found = certificates.residuals(problem, reg, beta, nu + np.array([0.0, 0.02]))
        assert found["primal"] < EXACT
        assert found["stationarity"] > 1e-3
        assert found["gap"] > 1e-6

    def test_gap_is_that_of_the_values(self, reg):
        # at a feasible point <beta, X^T nu> = <y, nu>
        problem, _, nu = exact_solution(reg)
        feasible = np.linalg.lstsq(problem.X, problem.y, rcond=None)[0]
        gap = float(reg(feasible)) + float(reg.conjugate(problem.X.T @ nu)) - float(problem.y @ nu)
        assert certificates.residuals(problem, reg, feasible, nu)["gap"] == pytest.approx(
            gap / float(reg(feasible)), abs=1e-13
        )

    def test_zero_targets(self, reg):
        problem = ib.Interpolation(np.ones((1, 5)), [0.0])
        assert certificates.residuals(problem, reg, np.zeros(5)) == {"primal": 0.0, "stationarity": 0.0, "gap": 0.0}
        assert certificates.residuals(problem, reg, np.ones(5))["primal"] == 1.0

    def test_shapes(self, reg):
        problem, beta, nu = exact_solution(reg)
        with pytest.raises(ValueError, match=r"beta must have shape \(5,\) to match X, got shape \(4,\)"):
            certificates.residuals(problem, reg, beta[:4], nu)
        with pytest.raises(ValueError, match=r"dual must have shape \(2,\) to match X, got shape \(1,\)"):
            certificates.residuals(problem, reg, beta, nu[:1])


def test_dual_outside_the_domain_of_the_conjugate():
    reg = ib.Q(0.5, 3)
    problem, beta, nu = exact_solution(reg)
    found = certificates.residuals(problem, reg, beta, 100.0 * nu)
    assert math.isfinite(found["gap"])
    assert found["stationarity"] > 1.0


def test_dual_of_samples_in_different_units():
    reg = ib.Q(0.5)
    problem, beta, nu = exact_solution(reg)
    units = np.array([1e-9, 1e9])
    scaled = ib.Interpolation(units[:, None] * problem.X, units * problem.y)
    np.testing.assert_allclose(certificates.estimate_dual(scaled, reg, beta), nu / units, rtol=1e-12)


def separated(reg, seed=0):
    """Classification problem whose solution is chosen first: margins of 1 where nu > 0, larger elsewhere."""
    rng = np.random.default_rng(seed)
    A, nu = rng.standard_normal((4, 5)), np.array([0.2, 0.1, 0.0, 0.0])
    beta = reg.grad_conjugate(A.T @ nu)
    sizes = np.array([1.0, 1.0, 1.5, 3.0])
    factors = sizes / (A @ beta)
    # a sample scaled by c has its multiplier divided by c
    A, nu = factors[:, None] * A, nu / factors
    y = np.array([1.0, -1.0, 1.0, -1.0])
    return ib.Margins(y[:, None] * A, y), beta, nu


@pytest.mark.parametrize("reg", REGULARIZERS, ids=repr)
class TestMargins:
    def problem(self, reg):
        for seed in range(20):
            problem, beta, nu = separated(reg, seed)
            if (nu >= 0.0).all():
                return problem, beta, nu
        raise AssertionError

    def test_zero_at_the_solution(self, reg):
        problem, beta, nu = self.problem(reg)
        for dual in (nu, None):
            found = certificates.margin_residuals(problem, reg, beta, dual)
            assert set(found) == {"primal", "sign", "complementarity", "stationarity", "gap"}
            assert max(map(abs, found.values())) < EXACT

    def test_free_of_units(self, reg):
        problem, beta, nu = self.problem(reg)
        off = beta * np.array([0.99, 1.0, 0.99, 1.0, 1.02])
        want = certificates.margin_residuals(problem, reg, off, nu)
        units = np.array([1e-5, 1.0, 1e3, 7.0])
        flipped = ib.Margins(-problem.X, -problem.y)
        assert certificates.margin_residuals(flipped, reg, off, nu) == want
        # samples in other units have other margins: only what is linear in both stays
        scaled = certificates.margin_residuals(
            ib.Margins(units[:, None] * problem.X, problem.y), reg, off, nu / units
        )
        assert scaled["stationarity"] == pytest.approx(want["stationarity"], rel=1e-9)
        assert scaled["gap"] == pytest.approx(want["gap"], rel=1e-6)

    def test_each_condition_shows(self, reg):
        problem, beta, nu = self.problem(reg)
        short = certificates.margin_residuals(problem, reg, 0.99 * beta, nu)
        assert short["primal"] == pytest.approx(0.01, rel=1e-9)
        assert short["complementarity"] == pytest.approx(0.01, rel=1e-9)
        long = certificates.margin_residuals(problem, reg, 1.01 * beta, nu)
        assert long["primal"] == 0.0
        assert long["complementarity"] == pytest.approx(0.01, rel=1e-9)
        assert long["stationarity"] > 1e-5
        negative = certificates.margin_residuals(
            problem, reg, beta, nu - np.array([0.0, 0.0, 0.01 * nu.max(), 0.0])
        )
        assert negative["sign"] == pytest.approx(0.01, rel=1e-9)
        idle = certificates.margin_residuals(problem, reg, beta, nu + np.array([0.0, 0.0, 0.0, nu.max()]))
        assert idle["complementarity"] > 0.1

    def test_shapes(self, reg):
        problem, beta, nu = self.problem(reg)
        with pytest.raises(ValueError, match=r"beta must have shape \(5,\) to match X, got shape \(4,\)"):
            certificates.margin_residuals(problem, reg, beta[:4], nu)
        with pytest.raises(ValueError, match=r"dual must have shape \(4,\) to match X, got shape \(1,\)"):
            certificates.margin_residuals(problem, reg, beta, nu[:1])
