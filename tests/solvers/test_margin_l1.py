"""Maximum l1 margins against linear and conic programs on the problem as it is written, and brute force."""

import doctest
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from implicitbias import L1, Margins, Q, Status
from implicitbias._result import NotSeparableError
from implicitbias.solvers.margin import max_margin
from implicitbias.solvers.margin._l1 import max_margin_solutions, minimum_l1


def separable(rng, N, d, *, integers=False):
    """Samples with both classes, separated by a random hyperplane."""
    while True:
        X = rng.integers(-2, 3, (N, d)).astype(float) if integers else rng.standard_normal((N, d))
        score = X @ rng.standard_normal(d)
        y = np.where(score > 0.0, 1.0, -1.0)
        if X.any(axis=1).all() and abs(y.sum()) < N and np.abs(score).min() > 1e-3:
            return X, y


def extremes(X, y, weights, value):
    """Least and largest value of every coordinate at that norm, by HiGHS on positive and negative parts."""
    d = X.shape[1]
    A = y[:, None] * X
    left = np.vstack([np.hstack([-A, A]), np.concatenate([weights, weights])])
    right = np.append(-np.ones(len(y)), value * (1 + 1e-11))
    low, high = np.empty(d), np.empty(d)
    for i in range(d):
        cost = np.zeros(2 * d)
        cost[[i, d + i]] = 1.0, -1.0
        low[i] = linprog(cost, A_ub=left, b_ub=right, method="highs").fun
        high[i] = -linprog(-cost, A_ub=left, b_ub=right, method="highs").fun
    return low, high


def check_conditions(X, y, result, weights=1.0):
    """Feasible on both sides with equal values: proof of optimality."""
    A = y[:, None] * X
    assert (A @ result.beta).min() >= 1 - 1e-13 * (np.abs(A) @ np.abs(result.beta)).max()
    assert result.dual.min() >= 0.0
    assert (np.abs(A.T @ result.dual) / weights).max() <= 1 + 1e-13
    assert result.dual.sum() == pytest.approx(np.sum(weights * np.abs(result.beta)), rel=1e-13)
    assert result.value == pytest.approx(result.dual.sum(), rel=1e-13)
    assert result.status is Status.CONVERGED


@pytest.mark.parametrize(("N", "d"), [(3, 3), (10, 20), (20, 10), (60, 400), (300, 12)])
@pytest.mark.parametrize("weighted", [False, True])
def test_optimal_and_unique(N, d, weighted):
    rng = np.random.default_rng(N + d)
    X, y = separable(rng, N, d)
    weights = np.exp(rng.uniform(-2, 2, d)) if weighted else None
    result = minimum_l1(Margins(X, y), L1(weights), tol=1e-13)
    check_conditions(X, y, result, 1.0 if weights is None else weights)
    solutions = result.info["solutions"]
    assert solutions.unique
    assert result.info["dimension"] == 0
    assert solutions.complementarity > 1e-5
    assert solutions.residual < 1e-13
    np.testing.assert_array_equal(solutions.support, result.beta != 0.0)
    np.testing.assert_array_equal(solutions.tight, result.dual > 0.0)
    np.testing.assert_array_equal(solutions.tight, result.info["support"])
    assert solutions.support.sum() == solutions.tight.sum()  # a vertex of data in general position
    for bound in (*solutions.bounds(), *solutions.vertices()):
        np.testing.assert_array_equal(bound, result.beta)
    if d <= 20:
        low, high = extremes(X, y, np.ones(d) if weights is None else weights, result.value)
        np.testing.assert_allclose(low, result.beta, atol=1e-6 * np.abs(result.beta).max())  # HiGHS's tolerance
        np.testing.assert_allclose(high, result.beta, atol=1e-6 * np.abs(result.beta).max())


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    N=st.integers(2, 7),
    d=st.integers(2, 7),
    kind=st.sampled_from(["integers", "repeated", "weighted integers"]),
)
def test_all_solutions(seed, N, d, kind):
    rng = np.random.default_rng(seed)
    X, y = separable(rng, N, d, integers=kind != "repeated")
    if kind == "repeated":
        X = np.hstack([X, X[:, :2], -X[:, 1:2]])
    d = X.shape[1]
    weights = 2.0 ** rng.integers(-1, 2, d) if kind == "weighted integers" else np.ones(d)
    result = minimum_l1(Margins(X, y), L1(weights), tol=1e-12)
    check_conditions(X, y, result, weights)
    solutions = result.info["solutions"]
    assert solutions.complementarity > 1e-6
    low, high = solutions.bounds()
    size = np.abs(result.beta).max()
    expected = extremes(X, y, weights, result.value)
    np.testing.assert_allclose(low, expected[0], atol=1e-6 * size)  # HiGHS's tolerance in the oracle
    np.testing.assert_allclose(high, expected[1], atol=1e-6 * size)
    np.testing.assert_array_equal(solutions.support, (low != 0.0) | (high != 0.0))
    assert solutions.unique == np.array_equal(low, high)
    vertices = solutions.vertices()
    np.testing.assert_allclose(vertices.min(axis=0), low, atol=1e-9 * size)
    np.testing.assert_allclose(vertices.max(axis=0), high, atol=1e-9 * size)
    assert np.linalg.matrix_rank(vertices[1:] - vertices[0], tol=1e-8 * size) == solutions.dimension
    shares = rng.dirichlet(np.ones(len(vertices)))
    inside = shares @ vertices
    assert solutions.contains(inside)
    assert np.sum(weights * np.abs(inside)) == pytest.approx(result.value, rel=1e-9)
    assert (y * (X @ inside)).min() >= 1 - 1e-8
    assert solutions.contains(solutions.interior)
    assert solutions.contains(result.beta)
    assert not solutions.contains(inside + size * 1e-3 * rng.standard_normal(d))


def brute_force(X, y):
    """Vertices of least l1 norm among all vertices of the orthants' polyhedra."""
    A = y[:, None] * X
    N, d = A.shape
    found = []
    for k in range(1, min(N, d) + 1):
        for rows, columns in itertools.product(
            itertools.combinations(range(N), k), itertools.combinations(range(d), k)
        ):
            block = A[np.ix_(rows, columns)]
            if abs(np.linalg.det(block)) > 1e-12:
                beta = np.zeros(d)
                beta[list(columns)] = np.linalg.solve(block, np.ones(k))
                if (A @ beta).min() >= 1 - 1e-9:
                    found.append(beta)
    found = np.array(found)
    norms = np.abs(found).sum(axis=1)
    least = np.unique(np.round(found[norms <= norms.min() * (1 + 1e-9)], 9) + 0.0, axis=0)
    return norms.min(), least


@pytest.mark.parametrize("seed", range(12))
def test_vertices_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    X, y = separable(rng, 4, 5, integers=True)
    value, expected = brute_force(X, y)
    solutions = max_margin_solutions(X, y)
    vertices = solutions.vertices()
    assert np.abs(solutions.interior).sum() == pytest.approx(value, rel=1e-12)
    assert len(vertices) == len(expected)
    np.testing.assert_allclose(np.unique(np.round(vertices, 9) + 0.0, axis=0), expected, atol=1e-8)


@pytest.mark.parametrize("D", [2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_choice_among_several(seed, D):
    rng = np.random.default_rng(seed)
    X, y = separable(rng, 5, 8)
    X = np.hstack([X, X[:, [0, 3]] + X[:, [1, 4]], (X[:, :1] + X[:, 2:3]) / 2])
    solutions = max_margin_solutions(X, y)
    if solutions.unique:
        X = np.hstack([X, X])
        solutions = max_margin_solutions(X, y)
    assert not solutions.unique
    beta, residual = solutions.limit(D)
    assert residual < 1e-12
    assert solutions.contains(beta, tol=1e-12)
    if D == 2:
        np.testing.assert_array_equal(minimum_l1(Margins(X, y), L1()).beta, beta)
    # a concave gain is largest where it does not rise towards any vertex
    size = np.abs(beta[solutions.support])
    slope = -np.log(size) if D == 2 else size ** (2 / D - 1)
    rise = (np.abs(solutions.vertices()[:, solutions.support]) - size) @ slope
    assert rise.max() <= 1e-11 * (np.abs(slope) @ size)


def test_choice_meets_an_inequality():
    """Equal columns share alike, unless a row that is not tight everywhere forbids it."""
    X = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 2.0], [-1.0, -1.0, 0.0]])
    y = np.array([1.0, 1.0, -1.0])
    solutions = max_margin_solutions(X, y)
    assert solutions.unique  # the second row needs beta_1 = 1
    X[1] = [4.0, 0.0, 0.0]
    solutions = max_margin_solutions(X, y)
    assert solutions.dimension == 1
    np.testing.assert_allclose(solutions.vertices(), [[0.25, 0.75, 0.0], [1.0, 0.0, 0.0]], atol=1e-14)
    np.testing.assert_allclose(solutions.limit()[0], [0.5, 0.5, 0.0], atol=1e-14)
    X[1] = [1.25, 0.0, 0.0]
    solutions = max_margin_solutions(X, y)
    beta, residual = solutions.limit()
    np.testing.assert_allclose(beta, [0.8, 0.2, 0.0], atol=1e-13)
    assert residual < 1e-13
    np.testing.assert_allclose(solutions.limit(5)[0], [0.8, 0.2, 0.0], atol=1e-13)
    low, high = solutions.bounds()
    np.testing.assert_allclose([low, high], [[0.8, 0.0, 0.0], [1.0, 0.2, 0.0]], atol=1e-14)
    assert list(solutions.tight) == [True, False, True]
    assert list(solutions.support) == [True, True, False]


@pytest.mark.parametrize(("D", "log_alpha"), [(2, -1e6), (3, -40.0), (6, -40.0)])
@pytest.mark.parametrize("shaped", [False, True])
def test_choice_is_the_limit_of_the_implicit_regularizer(D, log_alpha, shaped):
    rng = np.random.default_rng(D)
    X, y = separable(rng, 6, 8)
    X = np.hstack([X, X[:, :4], -X[:, 4:6]])
    w0 = None
    if shaped:
        w0 = np.exp(rng.uniform(-0.5, 0.5, 14))
        if D > 2:  # the same weights on equal columns, else the solution is unique
            w0[8:] = w0[:6]
    solutions = max_margin_solutions(X, y, w0 ** (2 - D) if shaped else None)
    assert solutions.dimension > 1
    rich = max_margin(X, y, Q.from_log_alpha(log_alpha, D, w0))
    # at depth 2 the next term is smaller by 1/log(1/mu)
    np.testing.assert_allclose(solutions.limit(D, w0)[0], rich.beta, rtol=1e-6 if D == 2 else 1e-12, atol=1e-12)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), repeated=st.booleans(), scale=st.floats(-80.0, 80.0))
def test_symmetries(seed, repeated, scale):
    rng = np.random.default_rng(seed)
    X, y = separable(rng, 5, 6)
    if repeated:
        X = np.hstack([X, X[:, :3]])
    N, d = X.shape
    beta = minimum_l1(Margins(X, y), L1()).beta
    order, signs, rows = rng.permutation(d), rng.choice([-1.0, 1.0], d), rng.permutation(N)
    other = minimum_l1(Margins(X[rows][:, order] * signs, y[rows]), L1()).beta
    np.testing.assert_allclose(other * signs, beta[order], atol=1e-12 * np.abs(beta).max())
    factor = 10.0**scale
    scaled = minimum_l1(Margins(factor * X, y), L1()).beta
    np.testing.assert_allclose(scaled * factor, beta, atol=1e-12 * np.abs(beta).max())
    weights = np.exp(rng.uniform(-3, 3, d))
    weighted = minimum_l1(Margins(X * weights, y), L1(weights)).beta
    np.testing.assert_allclose(weighted * weights, beta, atol=1e-12 * np.abs(beta).max())


def test_samples_in_different_units():
    rng = np.random.default_rng(5)
    X, y = separable(rng, 12, 30)
    units = 10.0 ** rng.uniform(-3, 3, 12)
    result = minimum_l1(Margins(units[:, None] * X, y), L1(), tol=1e-13)
    assert result.success
    assert result.info["solutions"].complementarity > 1e-9


def test_many_features():
    """Only some of the columns are looked at by the linear programming solver."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 5000)), np.repeat([1.0, -1.0], 10)
    result = minimum_l1(Margins(X, y), L1(), tol=1e-13)
    check_conditions(X, y, result)
    # the first columns alone may not separate: here only those that sum to zero do
    X = np.hstack([np.ones((4, 1000)), np.array([[1.0], [-1.0], [2.0], [-3.0]]) * np.ones(3)])
    X[:, :1000] *= rng.uniform(1.0, 2.0, 1000)
    y = np.array([1.0, -1.0, 1.0, -1.0])
    solutions = max_margin_solutions(X, y)
    assert solutions.dimension == 2
    np.testing.assert_allclose(solutions.limit()[0][1000:], 1 / 3, rtol=1e-13)


def test_nearly_inseparable():
    """The margin is that of the difference of two samples, by hand: beta = (1 + t, -t, 0) with t eps = 2."""
    for eps in (2.0**-10, 2.0**-17):
        X = np.array([[1.0, 1.0, 0.3], [1.0, 1.0 + eps, 0.3 - eps / 4]])
        result = minimum_l1(Margins(X, [1, -1]), L1(), tol=1e-9)
        assert result.success
        np.testing.assert_allclose(result.beta, [1 + 2 / eps, -2 / eps, 0.0], rtol=1e-9)


def test_documentation():
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    for example in finder.find(max_margin_solutions, globs={"max_margin_solutions": max_margin_solutions}):
        runner.run(example)
    assert runner.summarize(verbose=False) == (0, 4)


def test_refusals():
    with pytest.raises(NotSeparableError, match="cannot be separated") as caught:
        minimum_l1(Margins([[1.0, 2.0], [2.0, 4.0]], [1, -1]), L1())
    np.testing.assert_allclose(caught.value.certificate, [2 / 3, 1 / 3])
    with pytest.raises(ValueError, match="weights must have one entry per column of X: X has 2 columns"):
        max_margin_solutions([[1.0, 2.0], [1.0, 3.0]], [1, -1], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="y must hold"):
        max_margin_solutions([[1.0, 2.0], [1.0, 3.0]], [1, 2])
    X = np.hstack([np.eye(2)] * 20)
    solutions = max_margin_solutions(X, [1, -1])
    assert solutions.dimension == 38
    with pytest.raises(
        ValueError, match=rf"would take {math.comb(40, 38)} systems of equations, more than limit = 9"
    ):
        solutions.vertices(limit=9)
    with pytest.raises(ValueError, match="D must be a finite real number >= 2, got 1"):
        solutions.limit(1)
    with pytest.raises(ValueError, match=r"beta must have shape \(40,\), got \(3,\)"):
        solutions.contains(np.ones(3))
