"""The scikit-learn contract, and margins against support vector machines, linear programs and training."""

import doctest
import pickle
from unittest import SkipTest

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsOneClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import estimator_checks_generator

import implicitbias as ib
from implicitbias._result import NotSeparableError
from implicitbias.data import digits
from implicitbias.estimators import ImplicitBiasClassifier, _classifier
from implicitbias.solvers.margin import max_margin

CHECKED = [ImplicitBiasClassifier(), ImplicitBiasClassifier("1e-20", 3, fit_intercept=False)]


def name_of(parameter):
    function = getattr(parameter, "func", parameter)  # most checks are partial functions
    return getattr(function, "__name__", None) or str(parameter)


def margin_or_least_squares(X, y, reg, **options):
    """The contract's own data can often not be separated; then anything that learns will do."""
    try:
        return max_margin(X, y, reg, **options)
    except ValueError as error:
        if "cannot be separated" not in str(error) and "all zeros" not in str(error):
            raise
        beta = np.linalg.lstsq(X, y)[0]
        return ib.Result(beta, ib.Status.CONVERGED, {}, 1, dual=np.abs(X @ beta - y))


@pytest.mark.parametrize(
    ("estimator", "check"), [pair for model in CHECKED for pair in estimator_checks_generator(model)], ids=name_of
)
def test_scikit_learn_contract(estimator, check, monkeypatch):
    monkeypatch.setattr(_classifier, "max_margin", margin_or_least_squares)
    try:
        check(estimator)
    except SkipTest as reason:
        # pandas is not needed for anything here, and array API support is an option that is off by default
        assert "pandas" in str(reason) or "SCIPY_ARRAY_API" in str(reason)  # noqa: PT017  a skip is no failure


def support_vector_machine(X, y):
    """Maximum l2 margin through the origin, by LIBSVM: mirrored data leave no room for its bias."""
    machine = SVC(kernel="linear", C=1e9, tol=1e-10).fit(np.vstack([X, -X]), np.r_[y, -y])
    assert abs(machine.intercept_[0]) < 1e-6
    return machine.coef_[0]


def unit(v):
    return v / np.linalg.norm(v)


@pytest.mark.parametrize("D", [2, 3])
def test_kernel_end_on_digits(D):
    data = digits()
    model = ImplicitBiasClassifier(1e8, D, fit_intercept=False).fit(data.X, data.y)
    assert model.score(data.X, data.y) == 1.0
    expected = support_vector_machine(data.X, data.y)
    np.testing.assert_allclose(unit(model.coef_[0]), unit(expected), atol=1e-6)
    machine = SVC(kernel="linear", C=1e9).fit(data.X, data.y)
    assert machine.score(data.X, data.y) == model.score(data.X, data.y)


@pytest.mark.parametrize("D", [2, 4])
def test_rich_end_on_digits(D):
    data = digits()
    model = ImplicitBiasClassifier("1e-5000", D).fit(data.X, data.y)
    A = data.y[:, None] * np.column_stack([data.X, np.ones(len(data.y))])
    d = A.shape[1]
    found = linprog(np.ones(2 * d), A_ub=np.hstack([-A, A]), b_ub=-np.ones(len(A)), method="highs")
    expected = found.x[:d] - found.x[d:]
    # at depth 2 the path ends with factors of 1 + alpha^c, at this mu below rounding; HiGHS errs by 1e-8
    np.testing.assert_allclose(np.append(model.coef_, model.intercept_), expected, atol=1e-7)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize(("mu", "D"), [(0.01, 2), ("1e-3", 2.5), (1.0, 3), ("1e-400", 2)])
def test_conditions_of_optimality(mu, D, fit_intercept):
    data = digits(4, 9, 80)
    w0 = np.linspace(0.7, 1.4, data.shape[1])
    model = ImplicitBiasClassifier(mu, D, w0, fit_intercept=fit_intercept).fit(data.X, data.y)
    margins = data.y * model.decision_function(data.X)
    assert margins.min() == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_allclose(margins[model.support_], 1.0, atol=1e-8)
    signs = data.y[model.support_]
    assert (model.dual_coef_[0] * signs > 0.0).all()
    alpha = ib.Q(mu).log_alpha / D
    columns, beta = data.X, model.coef_[0]
    if fit_intercept:
        columns, beta, w0 = (
            np.column_stack([columns, np.ones(80)]),
            np.append(beta, model.intercept_),
            np.append(w0, 1.0),
        )
    else:
        assert model.intercept_ == [0.0]
    reg = ib.Q.from_log_alpha(alpha, D, w0)
    theta = model.dual_coef_[0] @ columns[model.support_]
    # grad Q(coef) = theta up to a change of the coefficients by 1e-8 of the largest, as grad Q increases
    change = 1e-8 * np.abs(beta).max()
    rounding = 1e-12 * np.abs(theta).max()
    assert (theta >= np.asarray(reg.grad(beta - change)) - rounding).all()
    assert (theta <= np.asarray(reg.grad(beta + change)) + rounding).all()


@pytest.mark.parametrize(("alpha", "D"), [(20.0, 2), (8.0, 3)])
def test_training_ends_in_that_direction(alpha, D):
    """Normalized gradient descent on the network, to the loss at which alpha^D / log(1/eps) is mu."""
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((6, 5)), np.array([1, -1, 1, 1, -1, -1])
    mu, A = 0.3, y[:, None] * X
    plus, minus = np.full(5, alpha), np.full(5, alpha)
    accuracy, step = 0.0, 3e-4 * alpha
    while accuracy < alpha**D / mu:
        margins = A @ (plus**D - minus**D)
        accuracy = np.log(6) - logsumexp(-margins)
        p = np.exp(-margins - logsumexp(-margins))
        pull = A.T @ p
        g_plus, g_minus = pull * plus ** (D - 1), pull * minus ** (D - 1)
        rate = step / np.hypot(np.linalg.norm(g_plus), np.linalg.norm(g_minus))
        plus, minus = plus + rate * g_plus, minus - rate * g_minus
    model = ImplicitBiasClassifier(mu, D, fit_intercept=False).fit(X, y)
    for end in ("1e-100", 1e10):
        other = ImplicitBiasClassifier(end, D, fit_intercept=False).fit(X, y)
        assert np.abs(unit(other.coef_[0]) - unit(model.coef_[0])).max() > 10.0 / accuracy
    # the paths meet as alpha grows, with an error of the order of log(N)/accuracy
    np.testing.assert_allclose(unit(plus**D - minus**D), unit(model.coef_[0]), atol=3.0 / accuracy)


def test_classes_of_any_kind():
    X, _ = make_blobs(60, 4, centers=3, cluster_std=0.3, random_state=3)
    codes = np.repeat([0, 1, 2], 20)
    X = X + 12.0 * np.eye(3, 4)[codes]
    names = np.array(["oak", "ash", "elm"])[codes]
    model = ImplicitBiasClassifier(0.1).fit(X, names)
    assert list(model.classes_) == ["ash", "elm", "oak"]
    assert model.coef_.shape == (3, 4)
    assert model.intercept_.shape == model.n_iter_.shape == (3,)
    assert model.dual_coef_.shape == (3, len(model.support_))
    assert model.decision_function(X).shape == (60, 3)
    np.testing.assert_array_equal(model.predict(X), names)
    for k, name in enumerate(model.classes_):
        one = ImplicitBiasClassifier(0.1).fit(X, names == name)
        assert list(one.classes_) == [False, True]
        np.testing.assert_allclose(model.coef_[k], one.coef_[0], rtol=1e-12)
        np.testing.assert_array_equal(one.predict(X), names == name)
        np.testing.assert_array_equal(model.support_[model.dual_coef_[k] != 0.0], one.support_)
    swapped = ImplicitBiasClassifier(0.1).fit(X, np.where(names == "oak", 7, 3))
    other = ImplicitBiasClassifier(0.1).fit(X, np.where(names == "oak", 3, 7))
    np.testing.assert_allclose(swapped.coef_, -other.coef_, rtol=1e-9)


def test_ten_digits_in_pairs():
    X, y = load_digits(return_X_y=True)
    X, y = X[:600] / 16, y[:600]
    pairs = OneVsOneClassifier(ImplicitBiasClassifier(0.01)).fit(X, y)
    assert pairs.score(X, y) > 0.99  # a tie of votes may go wrong
    X, y = load_digits(return_X_y=True)
    with pytest.raises(
        NotSeparableError, match="class 8 and the others cannot be separated by a hyperplane, as"
    ) as caught:
        ImplicitBiasClassifier().fit(X / 16, y)
    assert "OneVsOneClassifier" in str(caught.value)
    # the certificate is a proof: weights with which the signed samples cancel
    weights = caught.value.certificate
    assert weights.min() >= 0.0
    assert weights.sum() == pytest.approx(1.0)
    signed = np.where(y == 8, 1.0, -1.0)[:, None] * np.column_stack([X / 16, np.ones(len(y))])
    assert np.abs(weights @ signed).max() < 1e-12


def test_bias_is_one_more_feature():
    data = digits(n_samples=50)
    biased = ImplicitBiasClassifier(0.1).fit(data.X, data.y)
    column = np.column_stack([data.X, np.ones(50)])
    plain = ImplicitBiasClassifier(0.1, fit_intercept=False).fit(column, data.y)
    np.testing.assert_array_equal(plain.coef_[0], np.append(biased.coef_, biased.intercept_))
    # a hyperplane that cannot pass through the origin
    X, y = np.array([[1.0], [2.0]]), [0, 1]
    np.testing.assert_allclose(ImplicitBiasClassifier(1e6).fit(X, y).predict([[1.2], [1.9]]), [0, 1])
    with pytest.raises(
        NotSeparableError, match="the two classes cannot be separated by a hyperplane through the origin"
    ):
        ImplicitBiasClassifier(fit_intercept=False).fit(X, y)


def test_scale_of_features_is_scale_of_mu():
    data = digits(n_samples=60)
    for D in (2, 3):
        one = ImplicitBiasClassifier(0.5, D, fit_intercept=False).fit(data.X, data.y)
        other = ImplicitBiasClassifier(0.5 / 8, D, fit_intercept=False).fit(8 * data.X, data.y)
        np.testing.assert_allclose(other.coef_, one.coef_ / 8, rtol=1e-8, atol=1e-12)


def test_weights_that_matter():
    data = digits(n_samples=60)
    plain = ImplicitBiasClassifier().fit(data.X, data.y)
    weighted = ImplicitBiasClassifier().fit(data.X, data.y, np.geomspace(1e-3, 1e3, 60))
    np.testing.assert_array_equal(weighted.coef_, plain.coef_)
    wrong = np.append(data.y, -data.y[0])
    rows = np.vstack([data.X, data.X[:1]])
    without = ImplicitBiasClassifier().fit(rows, wrong, np.append(np.ones(60), 0.0))
    np.testing.assert_array_equal(without.coef_, plain.coef_)
    np.testing.assert_array_equal(without.support_, plain.support_)
    first = ImplicitBiasClassifier().fit(rows[::-1], wrong[::-1], np.append(0.0, np.ones(60)))
    np.testing.assert_array_equal(first.support_, np.sort(60 - plain.support_))


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
def test_sparse_samples(container):
    data = digits(n_samples=60)
    dense = ImplicitBiasClassifier().fit(data.X, data.y)
    thin = ImplicitBiasClassifier().fit(container(data.X), data.y)
    np.testing.assert_array_equal(thin.coef_, dense.coef_)
    np.testing.assert_allclose(thin.decision_function(container(data.X)), dense.decision_function(data.X))


def test_in_pipelines_and_searches():
    data = digits(n_samples=120)
    pipeline = make_pipeline(StandardScaler(), ImplicitBiasClassifier())
    grid = {"implicitbiasclassifier__mu": ["1e-400", 1e-3, 1.0], "implicitbiasclassifier__depth": [2, 3]}
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(data.X, data.y)
    assert search.best_score_ > 0.85
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(data.X), search.predict(data.X))
    model = ImplicitBiasClassifier("1e-400", 3, [1.0, 2.0], tol=1e-6)
    assert clone(model).get_params() == model.get_params()
    assert cross_val_score(ImplicitBiasClassifier(0.1), data.X, data.y).mean() > 0.9


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mu": -1.0}, "mu must be a positive finite number"),
        ({"mu": "big"}, "mu must be"),
        ({"depth": 1}, "depth must be a finite real number >= 2, got 1"),
        ({"w0": [1.0]}, r"w0 must have one entry per feature, \(54,\), got shape \(1,\)"),
        ({"w0": np.zeros(54)}, "w0 must have nonzero finite entries"),
        ({"fit_intercept": "no"}, "fit_intercept must be True or False, got 'no'"),
        ({"tol": 0.0}, "tol must be a positive finite number"),
        ({"max_iter": 0}, "max_iter"),
    ],
)
def test_bad_parameters(parameters, message):
    data = digits()
    with pytest.raises(ValueError, match=message):
        ImplicitBiasClassifier(**parameters).fit(data.X, data.y)


def test_bad_data():
    with pytest.raises(ValueError, match="y must hold at least two classes, got one class only, a"):
        ImplicitBiasClassifier().fit([[1.0], [2.0]], ["a", "a"])
    with pytest.raises(ValueError, match=r"sample_weight must be finite and not negative, got -1\.0 at index 0"):
        ImplicitBiasClassifier().fit([[1.0], [2.0]], [0, 1], [-1, 1])
    with pytest.raises(ib.ConvergenceError, match=r"class 1\.0: stopped at the iteration limit"):
        ImplicitBiasClassifier("1e-300", max_iter=1).fit(digits().X, digits().y)


def test_documentation():
    finder = doctest.DocTestFinder()
    runner = doctest.DocTestRunner()
    for example in finder.find(ImplicitBiasClassifier, globs={"ImplicitBiasClassifier": ImplicitBiasClassifier}):
        runner.run(example)
    assert runner.summarize(verbose=False) == (0, 6)
