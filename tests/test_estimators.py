"""The scikit-learn contract, and end points against a simulated flow and the conditions of optimality."""

import pickle
from unittest import SkipTest

import numpy as np
import pytest
from scipy import sparse
from scipy.integrate import solve_ivp
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import implicitbias as ib
from implicitbias.estimators import ImplicitBiasRegressor, ImplicitBiasRegressorCV

CHECKED = [
    ImplicitBiasRegressor(),
    ImplicitBiasRegressor("1e-20", 3, fit_intercept=False),
    ImplicitBiasRegressorCV([1.0, 0.01], cv=3),
]


def name_of(parameter):
    function = getattr(parameter, "func", parameter)  # most checks are partial functions
    return getattr(function, "__name__", None) or str(parameter)


@pytest.mark.parametrize(
    ("estimator", "check"), [pair for model in CHECKED for pair in estimator_checks_generator(model)], ids=name_of
)
def test_scikit_learn_contract(estimator, check):
    try:
        check(estimator)
    except SkipTest as reason:
        # pandas is not needed for anything here, and array API support is an option that is off by default
        assert "pandas" in str(reason) or "SCIPY_ARRAY_API" in str(reason)  # noqa: PT017  a skip is no failure


@pytest.fixture
def wide():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 30)) + 3.0
    return X, X[:, :2].sum(axis=1) + 0.1 * rng.standard_normal(12) - 5.0


@pytest.fixture
def contradictory():
    """Rank 4 in 7 dimensions, 9 samples with weights: neither a fit nor a unique least-squares solution."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((9, 4)) @ rng.standard_normal((4, 7))
    return X, rng.standard_normal(9), np.array([1.0, 2.0, 0.0, 0.5, 1.0, 3.0, 1.0, 0.1, 1.0])


def flow_limit(X, y, weights, alpha, D, w0, *, centred):
    """Gradient flow in the weights of the network, the bias at its optimum throughout, until it stands still."""
    d = X.shape[1]

    def velocity(_, w):
        beta = w[:d] ** D - w[d:] ** D
        residual = X @ beta - y
        if centred:
            residual = residual - weights @ residual / weights.sum()
        gradient = X.T @ (weights * residual)
        return np.concatenate([-gradient * w[:d] ** (D - 1), gradient * w[d:] ** (D - 1)])

    end = solve_ivp(velocity, (0.0, 1e4), np.tile(alpha * w0, 2), method="LSODA", rtol=1e-10, atol=1e-14)
    assert np.abs(velocity(0.0, end.y[:, -1])).max() < 1e-9
    return end.y[:d, -1] ** D - end.y[d:, -1] ** D


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("D", [2, 3])
def test_flow_ends_there_without_a_fit(contradictory, D, fit_intercept):
    X, y, weights = contradictory
    w0 = np.linspace(0.7, 1.5, 7)
    trained = flow_limit(X, y, weights, 0.5, D, w0, centred=fit_intercept)
    model = ImplicitBiasRegressor(0.5, D, w0, fit_intercept=fit_intercept).fit(X, y, weights)
    np.testing.assert_allclose(model.coef_, trained, atol=1e-7)  # the accuracy of the simulated flow
    assert model.rank_ == 4
    assert np.linalg.norm(X @ model.coef_ + model.intercept_ - y) > 0.5  # there is no fit


@pytest.mark.parametrize("alpha", ["1e-4350", 1e-8, 0.1, 1.0, 1e3])
@pytest.mark.parametrize("D", [2, 3.5])
@pytest.mark.parametrize("data", ["wide", "contradictory"])
def test_conditions_of_optimality(request, data, D, alpha):
    X, y, *weights = request.getfixturevalue(data)
    weights = weights[0] if weights else np.ones(len(y))
    model = ImplicitBiasRegressor(alpha, D).fit(X, y, weights)
    residual = weights * (X @ model.coef_ + model.intercept_ - y)
    size = np.abs(X).max() * np.linalg.norm(y)
    assert abs(residual.sum()) <= 1e-10 * size
    assert np.abs(X.T @ residual).max() <= 1e-10 * size
    # grad Q(coef) = X^T dual up to a change of the coefficients by 1e-8 of the largest, as grad Q increases
    reg, theta, change = ib.Q(alpha, D), X.T @ model.dual_, 1e-8 * np.abs(model.coef_).max()
    rounding = 1e-12 * np.abs(theta).max()
    assert (theta >= np.asarray(reg.grad(model.coef_ - change)) - rounding).all()
    assert (theta <= np.asarray(reg.grad(model.coef_ + change)) + rounding).all()
    assert abs(model.dual_.sum()) <= 1e-9 * np.abs(model.dual_).sum()
    assert not model.dual_[weights == 0.0].any()


def test_limits(wide):
    X, y = wide
    kernel = ImplicitBiasRegressor(1e6).fit(X, y)
    least_norm = LinearRegression().fit(X, y)  # LAPACK's minimum norm solution of the centred equations
    np.testing.assert_allclose(kernel.coef_, least_norm.coef_, rtol=1e-9, atol=1e-12)
    assert kernel.intercept_ == pytest.approx(least_norm.intercept_)
    np.testing.assert_allclose(kernel.predict(X), y, rtol=1e-9)
    rich = ImplicitBiasRegressor("1e-4350").fit(X, y)
    np.testing.assert_allclose(rich.predict(X), y, rtol=1e-9)
    assert np.count_nonzero(np.abs(rich.coef_) > 1e-6) <= 11  # a vertex: at most one per centred sample
    assert np.abs(rich.coef_).sum() < 0.8 * np.abs(kernel.coef_).sum()


@pytest.mark.parametrize("alpha", ["1e-300", 0.1])
def test_one_least_squares_solution(alpha):
    X, y = load_diabetes(return_X_y=True)
    weights = np.random.default_rng(0).uniform(0.0, 2.0, len(y))
    model = ImplicitBiasRegressor(alpha, 3).fit(X, y, weights)
    plain = LinearRegression().fit(X, y, weights)
    np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-9)
    assert model.intercept_ == pytest.approx(plain.intercept_)
    assert (model.rank_, model.n_iter_) == (10, 1)


def test_weights_do_not_matter_where_samples_can_be_fitted(wide):
    X, y = wide
    plain = ImplicitBiasRegressor(0.1).fit(X, y)
    weighted = ImplicitBiasRegressor(0.1).fit(X, y, np.geomspace(1e-3, 1e3, 12))
    np.testing.assert_allclose(weighted.coef_, plain.coef_, rtol=1e-7, atol=1e-9)


def test_large_means_are_not_mistaken_for_information(wide):
    X, y = wide
    near, far = ImplicitBiasRegressor(0.1).fit(X, y), ImplicitBiasRegressor(0.1).fit(X + 2.0**20, y)
    assert near.rank_ == far.rank_ == 11
    # X + 2^20 has lost 20 of its bits
    np.testing.assert_allclose(far.coef_, near.coef_, atol=1e-7)


def test_rounding_of_means_is_not_mistaken_for_a_feature():
    # integers, so that the shift loses nothing: all that rounds is the weighted mean
    rng = np.random.default_rng(3)
    X = (rng.integers(-4, 5, (9, 3)) @ rng.integers(-4, 5, (3, 8))).astype(float)
    y, weights = rng.standard_normal(9), rng.uniform(0.5, 2.0, 9)
    near, far = (ImplicitBiasRegressor(0.1).fit(X + shift, y, weights) for shift in (0.0, 2.0**30))
    assert near.rank_ == far.rank_ == 3
    np.testing.assert_allclose(far.coef_, near.coef_, rtol=1e-7)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("data", ["wide", "contradictory"])
def test_equal_features_share_their_weight(request, data, fit_intercept):
    # on the support 1 - theta is 1e-14 here: rounding of 1e-16 in theta is 1% of such a coefficient, and that
    # of singular vectors, some 1e-15, would leave all of the weight to one of two equal columns
    X, y = request.getfixturevalue(data)[:2]
    X = np.hstack([X, X[:, :3], -X[:, 3:5]])
    model = ImplicitBiasRegressor(1e-5, 5, fit_intercept=fit_intercept).fit(X, y)
    d = X.shape[1] - 5
    np.testing.assert_allclose(model.coef_[:5], model.coef_[d:] * [1, 1, 1, -1, -1], rtol=0.1)


def test_outputs_are_independent(wide):
    X, y = wide
    Y = np.column_stack([y, -3.0 * y + X[:, 4], np.full_like(y, 2.0)])
    many = ImplicitBiasRegressor(0.1).fit(X, Y)
    assert many.coef_.shape == (3, 30)
    assert many.dual_.shape == (3, 12)
    assert many.intercept_.shape == many.n_iter_.shape == (3,)
    assert many.predict(X[:5]).shape == (5, 3)
    for t in range(3):
        one = ImplicitBiasRegressor(0.1).fit(X, Y[:, t])
        np.testing.assert_allclose(many.coef_[t], one.coef_, rtol=1e-9, atol=1e-13)
        assert many.intercept_[t] == pytest.approx(one.intercept_)
    np.testing.assert_allclose(many.coef_[2], 0.0, atol=1e-14)  # a constant needs the bias only


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
def test_sparse_samples(wide, container):
    X, y = wide
    X = np.where(X > 3.0, X, 0.0)
    dense = ImplicitBiasRegressor(0.1).fit(X, y)
    thin = ImplicitBiasRegressor(0.1).fit(container(X), y)
    np.testing.assert_array_equal(thin.coef_, dense.coef_)
    np.testing.assert_allclose(thin.predict(container(X)), dense.predict(X))


def test_in_pipelines_and_searches():
    X, y = load_diabetes(return_X_y=True)
    X, y = X[:50], y[:50]
    pipeline = make_pipeline(
        StandardScaler(), PolynomialFeatures(2, interaction_only=True), ImplicitBiasRegressor()
    )
    grid = {"implicitbiasregressor__alpha": ["1e-400", 1e-3, 1.0], "implicitbiasregressor__depth": [2, 3]}
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    np.testing.assert_allclose(search.predict(X), y, rtol=1e-8)  # 50 samples, 56 features: interpolated
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(X), search.predict(X))
    model = ImplicitBiasRegressor("1e-400", 3, [1.0, 2.0], tol=1e-6)
    assert clone(model).get_params() == model.get_params()
    with_names = make_pipeline(StandardScaler(), ImplicitBiasRegressor()).fit(X, y)
    assert with_names[-1].n_features_in_ == 10


@pytest.mark.parametrize("weighted", [False, True])
def test_cross_validation_by_hand(wide, weighted):
    X, y = wide
    weights = np.linspace(0.5, 2.0, 12) if weighted else None
    alphas = [0.01, "1e-40", 10, 0.3]
    folds = KFold(4, shuffle=True, random_state=0)
    model = ImplicitBiasRegressorCV(alphas, cv=folds).fit(X, y, weights)
    assert list(model.alphas_) == [10, 0.3, 0.01, "1e-40"]
    np.testing.assert_allclose(model.log_alphas_, [np.log(10), np.log(0.3), np.log(0.01), -40 * np.log(10)])
    expected = np.empty((4, 4))
    w = np.ones(12) if weights is None else weights
    for i, alpha in enumerate(model.alphas_):
        for j, (train, test) in enumerate(folds.split(X)):
            one = ImplicitBiasRegressor(alpha).fit(X[train], y[train], w[train])
            expected[i, j] = np.average((one.predict(X[test]) - y[test]) ** 2, weights=w[test])
    np.testing.assert_allclose(model.mse_path_, expected, rtol=1e-8)
    sizes = [w[test].sum() for _, test in folds.split(X)]
    best = np.argmin(expected @ sizes)
    assert model.alpha_ == model.alphas_[best]
    np.testing.assert_array_equal(model.coef_, ImplicitBiasRegressor(model.alpha_).fit(X, y, weights).coef_)


@pytest.mark.parametrize("D", [2, 3])
def test_automatic_grid(wide, D):
    X, y = wide
    w0 = np.linspace(0.5, 2.0, 30)
    model = ImplicitBiasRegressorCV(7, D, w0, cv=3, n_jobs=1).fit(X, y)
    assert model.alphas_.shape == (7,)
    assert model.alphas_.dtype == np.float64
    np.testing.assert_allclose(np.diff(model.log_alphas_), np.diff(model.log_alphas_)[0])
    assert (np.diff(model.log_alphas_) < 0.0).all()
    first, last = (ImplicitBiasRegressor(alpha, D, w0).fit(X, y).coef_ for alpha in model.alphas_[[0, -1]])
    metric = w0 ** (D - 1.0)
    centred = (X - X.mean(axis=0)) * metric
    kernel = metric * (np.linalg.pinv(centred) @ (y - y.mean()))
    assert np.linalg.norm(first - kernel) < 0.01 * np.linalg.norm(kernel)
    further = ImplicitBiasRegressor(model.alphas_[-1] * 1e-3, D, w0).fit(X, y).coef_
    assert np.linalg.norm(last - further) < 0.02 * np.linalg.norm(further)
    # scaling the targets scales the grid
    scaled = ImplicitBiasRegressorCV(7, D, w0, cv=3).fit(X, 1000.0 * y)
    np.testing.assert_allclose(scaled.alphas_, model.alphas_ * 1000 ** (1 / D), rtol=1e-9)
    assert len(ImplicitBiasRegressorCV(cv=2).fit(X, np.ones(12)).alphas_) == 30


def test_sparse_truth_calls_for_a_small_scale():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 120))
    y = X[:, 0] - 2 * X[:, 1] + 0.1 * rng.standard_normal(40)
    model = ImplicitBiasRegressorCV(8).fit(X, y)
    assert model.alpha_ <= model.alphas_[4]
    fresh = rng.standard_normal((200, 120))
    assert model.score(fresh, fresh[:, 0] - 2 * fresh[:, 1]) > 0.95
    dense = ImplicitBiasRegressorCV(8).fit(X, X @ rng.standard_normal(120))
    assert dense.alpha_ > model.alpha_


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": -1.0}, "alpha must be a positive finite number"),
        ({"alpha": "big"}, "alpha must be"),
        ({"depth": 1}, "depth must be a finite real number >= 2, got 1"),
        ({"depth": np.inf}, "depth must be a finite real number >= 2, got inf"),
        ({"depth": "2"}, "depth must be a finite real number >= 2, got '2'"),
        ({"w0": [1.0]}, r"w0 must have one entry per feature, \(30,\), got shape \(1,\)"),
        ({"w0": np.zeros(30)}, "w0 must have nonzero finite entries"),
        ({"fit_intercept": "no"}, "fit_intercept must be True or False, got 'no'"),
        ({"tol": 0.0}, "tol must be a positive finite number"),
        ({"max_iter": 0}, "max_iter"),
    ],
)
def test_bad_parameters(wide, parameters, message):
    with pytest.raises(ValueError, match=message):
        ImplicitBiasRegressor(**parameters).fit(*wide)


@pytest.mark.parametrize(
    ("alphas", "message"),
    [
        (0, "alphas must be a positive number of scales or a list of them, got 0"),
        ([], "alphas must hold at least one scale"),
        ("0.1", "alphas must be a list of scales, a number of them or None, got '0.1'"),
        (0.1, "alphas must be a list of scales, a number of them or None, got 0.1"),
        ([1.0, -1.0], "alpha must be a positive finite number.*got -1.0"),
    ],
)
def test_bad_scales(wide, alphas, message):
    with pytest.raises(ValueError, match=message):
        ImplicitBiasRegressorCV(alphas).fit(*wide)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(3), r"sample_weight must have one entry per sample, shape \(12,\), got an array of shape \(3,\)"),
        (-np.ones(12), "sample_weight must be finite and not negative, got -1.0 at index 0"),
        (np.full(12, np.nan), "sample_weight must be finite and not negative, got nan at index 0"),
        (np.zeros(12), "sample_weight must have a positive entry, got zeros only"),
    ],
)
def test_bad_weights(wide, weights, message):
    with pytest.raises(ValueError, match=message):
        ImplicitBiasRegressor().fit(*wide, weights)


def test_fold_without_weight(wide):
    weights = np.r_[np.zeros(4), np.ones(8)]
    with pytest.raises(
        ValueError, match="sample_weight is zero on all held-out samples of a fold; use other folds"
    ):
        ImplicitBiasRegressorCV([1.0], cv=3).fit(*wide, weights)


def test_no_convergence_is_an_error(wide):
    with pytest.raises(ib.ConvergenceError, match="iteration"):
        ImplicitBiasRegressor(1e-10, max_iter=1).fit(*wide)
