"""Quasi-norm margins against brute force, hand calculation and descent from many starts."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from implicitbias import L1, Margins, Status
from implicitbias._result import NotSeparableError
from implicitbias.regularizer import Lp
from implicitbias.solvers.margin import max_margin
from implicitbias.solvers.margin._l1 import minimum_l1
from implicitbias.solvers.margin._lp import minimum_lp


def separable(rng, N, d):
    while True:
        X = rng.standard_normal((N, d))
        y = np.sign(X @ rng.standard_normal(d))
        if abs(y.sum()) < N:
            return X, y


def all_vertices(X, y):
    """Every vertex of every orthant's polyhedron, one at a time."""
    A = y[:, None] * X
    N, d = A.shape
    for k in range(1, min(N, d) + 1):
        for rows, columns in itertools.product(
            itertools.combinations(range(N), k), itertools.combinations(range(d), k)
        ):
            block = A[np.ix_(rows, columns)]
            if abs(np.linalg.det(block)) < 1e-12:
                continue
            beta = np.zeros(d)
            beta[list(columns)] = np.linalg.solve(block, np.ones(k))
            if (A @ beta).min() >= 1 - 1e-10:
                yield beta


@pytest.mark.parametrize("p", [0.5, Fraction(2, 3), 0.95])
@pytest.mark.parametrize("seed", range(5))
def test_global_minimum_by_brute_force(seed, p):
    rng = np.random.default_rng(seed)
    X, y = separable(rng, 4, 6)
    result = minimum_lp(Margins(X, y), Lp(p))
    power = float(p)
    values = sorted((np.sum(np.abs(beta) ** power), tuple(beta)) for beta in all_vertices(X, y))
    assert result.value == pytest.approx(values[0][0], rel=1e-12)
    np.testing.assert_allclose(result.beta, values[0][1], atol=1e-12 * np.abs(result.beta).max())
    assert result.info["global"] is True
    assert result.status is Status.CONVERGED
    assert max(result.residuals.values()) < 1e-13
    assert result.info["stationary_points"][0].beta is result.beta


@pytest.mark.parametrize("p", [0.4, 0.8])
def test_no_descent_goes_lower(p):
    """A smoothed objective, minimized from many starts by another method, stays above."""
    rng = np.random.default_rng(7)
    X, y = separable(rng, 4, 5)
    A = y[:, None] * X
    result = minimum_lp(Margins(X, y), Lp(p))
    eps = 1e-6
    constraint = {"type": "ineq", "fun": lambda b: A @ b - 1.0, "jac": lambda b: A}
    lowest = np.inf
    for _ in range(60):
        found = minimize(
            lambda b: np.sum((b * b + eps) ** (p / 2)),
            rng.standard_normal(5) * 2,
            jac=lambda b: p * b * (b * b + eps) ** (p / 2 - 1),
            constraints=[constraint],
            method="SLSQP",
            options={"maxiter": 300},
        )
        if (A @ found.x).min() >= 1 - 1e-6:
            lowest = min(lowest, np.sum(np.abs(found.x) ** p))
    assert lowest >= result.value * (1 - 1e-6)  # the constraint tolerance above
    assert lowest <= result.value * 1.05  # and some start comes near, up to the smoothing


def test_by_hand():
    """One sample wants (1, 1)/2 or a single coordinate; of these the cheapest has the largest entry of the row."""
    X, y = np.array([[2.0, 1.0], [-2.0, -1.0]]), np.array([1, -1])
    result = max_margin(X, y, Lp(0.5))
    np.testing.assert_allclose(result.beta, [0.5, 0.0])
    assert result.value == pytest.approx(np.sqrt(0.5))
    # both axes are strict local minima: leaving either costs |delta|^p
    minima = result.info["local_minima"]
    assert [list(point.beta) for point in minima] == [[0.5, 0.0], [0.0, 1.0]]
    # p beta^(p-1) = 2 nu, whichever of the two equal rows has it
    assert minima[0].dual.sum() == pytest.approx(0.5 * 0.5**-0.5 / 2)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), N=st.integers(2, 5), d=st.integers(2, 6), p=st.sampled_from([0.3, 0.5, 0.9]))
def test_conditions_of_first_order(seed, N, d, p):
    rng = np.random.default_rng(seed)
    X, y = separable(rng, N, d)
    A = y[:, None] * X
    result = minimum_lp(Margins(X, y), Lp(p))
    points = result.info["stationary_points"]
    values = [point.value for point in points]
    assert values == sorted(values)
    depth = 2 / p
    for point in points:
        beta, nu, on = point.beta, point.dual, point.beta != 0.0
        margins = A @ beta
        size = np.abs(A) @ np.abs(beta)
        assert (margins >= 1 - 1e-9 * size).all()
        assert nu.min() >= 0.0
        assert (np.abs(margins - 1)[nu > 0.0] <= 1e-9 * size[nu > 0.0]).all()
        # a KKT point of the network: u = sum_n nu_n grad_u (margin_n), up to the factor of the cost
        u = np.abs(beta[on]) ** (1 / depth)
        pull = depth * u ** (depth - 1) * np.sign(beta[on]) * (A.T @ nu)[on]
        np.testing.assert_allclose(pull, 2 * u, rtol=1e-8)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_local_minima_are_what_they_say(seed):
    rng = np.random.default_rng(seed)
    X, y = separable(rng, 3, 4)
    A = y[:, None] * X
    result = minimum_lp(Margins(X, y), Lp(0.5))
    minima = result.info["local_minima"]
    for point in minima:
        step = 1e-4 * np.abs(point.beta[point.beta != 0.0]).min()
        near = point.beta + step * rng.standard_normal((2000, 4)) * rng.choice([1.0, 1e-3], (2000, 4))
        feasible = near[(near @ A.T).min(axis=1) >= 1]
        assert (np.sqrt(np.abs(feasible)).sum(axis=1) >= point.value * (1 - 1e-12)).all()
    # the other vertices are none: a feasible direction lowers the objective on their own coordinates
    for beta in all_vertices(X, y):
        if any(np.allclose(beta, point.beta, rtol=1e-6) for point in minima):
            continue
        on = beta != 0.0
        tight = A[np.abs(A @ beta - 1) < 1e-9][:, on]
        slope = 0.5 * np.abs(beta[on]) ** -0.5 * np.sign(beta[on])
        assert (np.linalg.solve(tight.T, slope) < 1e-7).any()


def test_depth_three():
    """A denser, cheaper l1 solution against a sparser one of a smaller 2/3 quasi-norm."""
    X = np.array([[1.0, 0.0, 0.6], [0.0, 1.0, 0.6], [-1.0, -1.0, -1.1]])
    y = np.array([1.0, 1.0, -1.0])
    sparse, dense = max_margin(X, y, Lp(Fraction(2, 3))), max_margin(X, y, L1())
    np.testing.assert_allclose(sparse.beta, [0.0, 0.0, 1 / 0.6], rtol=1e-14)
    np.testing.assert_allclose(dense.beta, sparse.beta, rtol=1e-14)
    X[:2, 2] = 0.45
    sparse, dense = max_margin(X, y, Lp(Fraction(2, 3))), max_margin(X, y, L1())
    np.testing.assert_allclose(dense.beta, [1.0, 1.0, 0.0], rtol=1e-14)
    np.testing.assert_allclose(sparse.beta, [0.0, 0.0, 1 / 0.45], rtol=1e-14)
    assert np.abs(sparse.beta).sum() > np.abs(dense.beta).sum()
    assert any(np.allclose(point.beta, dense.beta) for point in sparse.info["local_minima"])


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(-60.0, 60.0))
def test_symmetries(seed, scale):
    rng = np.random.default_rng(seed)
    X, y = separable(rng, 3, 5)
    reg = Lp(0.5)
    result = minimum_lp(Margins(X, y), reg)
    order, signs, rows = rng.permutation(5), rng.choice([-1.0, 1.0], 5), rng.permutation(3)
    other = minimum_lp(Margins(X[rows][:, order] * signs, y[rows]), reg)
    size = np.abs(result.beta).max()
    np.testing.assert_allclose(other.beta * signs, result.beta[order], atol=1e-12 * size)
    np.testing.assert_allclose(other.dual, result.dual[rows], rtol=1e-8, atol=1e-12 * result.dual.max())
    factor = 10.0**scale
    scaled = minimum_lp(Margins(factor * X, y), reg)
    np.testing.assert_allclose(scaled.beta * factor, result.beta, atol=1e-12 * size)
    assert scaled.success


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_search_where_there_are_too_many(seed):
    rng = np.random.default_rng(seed)
    X, y = separable(rng, 6, 8)
    everything = minimum_lp(Margins(X, y), Lp(0.5))
    search = minimum_lp(Margins(X, y), Lp(0.5), limit=100)
    assert search.info["global"] is False
    assert search.success
    assert everything.value * (1 - 1e-12) <= search.value <= 1.15 * everything.value
    norm = np.sum(np.abs(minimum_l1(Margins(X, y), L1()).beta) ** 0.5)
    assert search.value <= norm * (1 + 1e-12)
    known = np.array([point.beta for point in everything.info["stationary_points"]])
    for point in search.info["stationary_points"]:
        assert np.abs(known - point.beta).max(axis=1).min() < 1e-10
    again = minimum_lp(Margins(X, y), Lp(0.5), limit=100)
    np.testing.assert_array_equal(again.beta, search.beta)
    few = minimum_lp(Margins(X, y), Lp(0.5), limit=100, max_iterations=30, rng=np.random.default_rng(5))
    assert few.iterations <= 32
    assert few.value >= everything.value * (1 - 1e-12)


def test_search_on_many_features():
    rng = np.random.default_rng(0)
    X, y = separable(rng, 30, 100)
    result = minimum_lp(Margins(X, y), Lp(Fraction(2, 3)), max_iterations=60)
    assert result.info["global"] is False
    assert result.success
    assert max(result.residuals.values()) < 1e-12
    assert np.count_nonzero(result.beta) == np.count_nonzero(result.dual) <= 30


def test_many_stationary_points():
    rng = np.random.default_rng(0)
    X, y = separable(rng, 2, 300)
    result = minimum_lp(Margins(X, y), Lp(0.5))
    assert result.info["global"] is True
    assert len(result.info["stationary_points"]) == 1000
    one = min(
        (np.sqrt(1 / size), -size)
        for size in np.where((y[:, None] * X > 0).all(0) | (y[:, None] * X < 0).all(0), np.abs(X).min(axis=0), 1e-9)
    )
    assert result.value <= one[0]


def test_equal_columns_and_degenerate_vertices():
    X = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [-1.0, -1.0, 0.0], [-2.0, -2.0, 1.0]])
    y = np.array([1.0, 1.0, -1.0, -1.0])
    result = minimum_lp(Margins(X, y), Lp(0.5))
    assert result.value == pytest.approx(1.0)
    assert sorted(tuple(point.beta) for point in result.info["local_minima"][:2]) == [(0, 1, 0), (1, 0, 0)]
    assert len(result.info["stationary_points"]) == len({tuple(p.beta) for p in result.info["stationary_points"]})


def test_convex_end():
    rng = np.random.default_rng(3)
    X, y = separable(rng, 5, 7)
    np.testing.assert_array_equal(max_margin(X, y, Lp(1)).beta, max_margin(X, y, L1()).beta)
    with pytest.raises(NotImplementedError, match=r"those of p <= 1, got p = 1\.5; beyond, use L2 or Q"):
        max_margin(X, y, Lp(1.5))
    with pytest.raises(NotSeparableError):
        max_margin([[1.0], [1.0]], [1, -1], Lp(0.5))
