"""The path from the l2 to the l1 max-margin predictor, and every place where its support vectors change."""

import mpmath
import numpy as np
import pytest
from scipy.optimize import linprog

import implicitbias as ib
from implicitbias._result import NotSeparableError
from implicitbias.certificates import margin_residuals
from implicitbias.solvers import MarginPath, max_margin, max_margin_path


def generic(N=30, d=12, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, d))
    return X, np.where(X @ rng.standard_normal(d) > 0.0, 1.0, -1.0)


def restless(seed=0):
    """Data whose support vectors change often."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((40, 60)), rng.permutation(np.repeat([-1.0, 1.0], 20))


def at(log_mu, D, w0=None):
    return ib.Q.from_log_alpha(log_mu / D, D, w0)


@pytest.mark.parametrize("D", [2, 3, 10])
@pytest.mark.parametrize("w0", [None, np.linspace(0.5, 2.0, 12)], ids=["ones", "shape"])
def test_every_point_is_the_solution_at_its_mu(D, w0):
    X, y = generic()
    mus = np.logspace(3, -9, 13)
    path = max_margin_path(X, y, mus, D, w0)
    assert path.success
    assert path.beta.shape == path.direction.shape == (13, 12)
    assert path.dual.shape == path.support.shape == (13, 30)
    for i, log_mu in enumerate(path.log_mu):
        reg = at(log_mu, D, w0)
        assert max(margin_residuals(ib.Margins(X, y), reg, path.beta[i], path.dual[i]).values()) <= 1e-12
        # by another way: straight from the kernel end
        np.testing.assert_allclose(path.beta[i], max_margin(X, y, reg).beta, atol=1e-9 * np.abs(path.beta[i]).max())
        np.testing.assert_allclose(path.value[i], float(reg(path.beta[i])), rtol=1e-14)
    np.testing.assert_array_equal(path.support, path.dual > 0.0)
    np.testing.assert_allclose(path.log_mu, np.log(mus), rtol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(path.direction, axis=1), 1.0, rtol=1e-14)


def replayed(path):
    """The support at the last mu from that at the first and the kinks."""
    order = np.argsort(-path.log_mu)
    support = path.support[order[0]].copy()
    for kink in path.kinks:
        assert support[kink.sample] == (kink.kind == "leaves")
        support[kink.sample] = kink.kind == "enters"
    np.testing.assert_array_equal(support, path.support[order[-1]])


@pytest.mark.parametrize("D", [2, 2.5, 3, 4, 10])
def test_kinks_do_not_depend_on_the_grid(D):
    X, y = restless()
    few = max_margin_path(X, y, [1e3, "1e-12"], D)
    many = max_margin_path(X, y, np.logspace(3, -12, 25), D)
    assert len(few.kinks) >= 4  # several of them between two points
    assert [k[2:] for k in few.kinks] == [k[2:] for k in many.kinks]
    np.testing.assert_allclose([k.log_mu for k in few.kinks], [k.log_mu for k in many.kinks], rtol=1e-9, atol=1e-9)
    assert (np.diff([k.log_mu for k in few.kinks]) <= 0.0).all()
    for path in (few, many):
        replayed(path)


@pytest.mark.parametrize("D", [2, 3])
def test_at_a_kink_a_multiplier_and_an_excess_margin_are_both_zero(D):
    X, y = restless()
    path = max_margin_path(X, y, [1e3, 1e-9], D)
    for kink in path.kinks:
        reg = at(kink.log_mu, D)
        sol = max_margin(X, y, reg)
        margins = y * (X @ sol.beta)
        assert abs(margins[kink.sample] - 1.0) <= 1e-9
        assert sol.dual[kink.sample] <= 1e-9 * sol.dual.max()
        np.testing.assert_allclose(kink.mu, np.exp(kink.log_mu), rtol=1e-14)
        # on either side it is one or the other, and grows with the distance
        before, after = (max_margin(X, y, at(kink.log_mu + step, D)) for step in (1e-3, -1e-3))
        if kink.kind == "leaves":
            before, after = after, before
        assert after.dual[kink.sample] > 1e-7 * after.dual.max()
        assert before.dual[kink.sample] == 0.0
        assert y[kink.sample] * (X[kink.sample] @ before.beta) > 1.0 + 1e-9


@pytest.mark.parametrize("D", [2, 3])
def test_kinks_by_bisection(D, monkeypatch):
    # the way out where a support on the way has no solution of its own
    X, y = generic()
    want = max_margin_path(X, y, [10.0, 1e-4], D).kinks
    monkeypatch.setattr("implicitbias.solvers.margin._path.find_kinks", lambda *_: iter(()))
    found = max_margin_path(X, y, [10.0, 1e-4, 1e-5], D)
    assert [k[2:] for k in found.kinks] == [k[2:] for k in want]
    np.testing.assert_allclose([k.log_mu for k in found.kinks], [k.log_mu for k in want], rtol=1e-9)
    assert len(want) == 1
    replayed(found)


def test_a_kink_in_forty_digits():
    # with the kink's support the multiplier changes sign within 1e-9 of where the kink is said to be
    X, y = generic()
    kink = max_margin_path(X, y, [1e3, 1e-9]).kinks[0]
    support = max_margin(X, y, at(kink.log_mu + 1e-3, 2)).info["support"]
    assert kink.kind == "leaves"
    assert support[kink.sample]
    rows = np.flatnonzero(support)
    signed = ib.interpolate(y[rows, None] * X[rows], np.ones(len(rows)), at(kink.log_mu, 2), digits=40)
    position = int(np.flatnonzero(rows == kink.sample)[0])
    values = []
    for step in (1e-9, -1e-9):
        reg = at(kink.log_mu + step, 2)
        found = ib.interpolate(y[rows, None] * X[rows], np.ones(len(rows)), reg, digits=40)
        values.append(found.dual[position] / max(found.dual))
    assert values[0] > 0 > values[1]
    assert abs(signed.dual[position] / max(signed.dual)) <= 1e-11


def test_order_and_kinds_of_mu():
    X, y = generic()
    mus = ["1e-4350", 1.0, mpmath.mpf("1e-3"), 1e300, 1e-3]
    path = max_margin_path(X, y, mus)
    assert isinstance(path, MarginPath)
    assert path.mus == tuple(mus)
    assert len(path) == 5
    for i, log_mu in enumerate(path.log_mu):
        np.testing.assert_allclose(path.beta[i], max_margin(X, y, at(log_mu, 2)).beta, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(path.beta[2], path.beta[4], rtol=1e-12)
    replayed(path)


@pytest.mark.parametrize("D", [2, 3])
def test_adaptive_grid_goes_from_one_end_to_the_other(D):
    X, y = generic()
    path = max_margin_path(X, y, D=D)
    assert path.success
    assert (np.diff(path.log_mu) < 0.0).all()
    np.testing.assert_allclose(path.log_mu, np.log(path.mus), atol=1e-12)
    A = y[:, None] * X
    least = linprog(np.ones(24), A_ub=np.hstack([-A, A]), b_ub=-np.ones(30), bounds=(0, None)).fun
    np.testing.assert_allclose(1.0 + path.l1_excess, np.abs(path.beta).sum(axis=1) / least, rtol=1e-9)
    assert abs(path.l2_excess[0]) <= 1e-6
    assert -1e-12 <= path.l1_excess[-1] <= (1e-3 if D > 2 else 5e-2)  # at depth 2 only like 1/log(1/mu)
    replayed(path)


def test_kinks_of_samples_that_occur_twice():
    X, y = generic(20, 8)
    once = max_margin_path(X, y, [1e3, 1e-9])
    twice = max_margin_path(np.vstack([X, X[:5]]), np.append(y, y[:5]), [1e3, 1e-9])
    assert [round(k.log_mu, 8) for k in once.kinks] == [round(k.log_mu, 8) for k in twice.kinks]
    replayed(twice)


def test_extreme_ends():
    X, y = generic()
    path = max_margin_path(X, y, ["1e-1000000", 1e300], 2.5)
    A = y[:, None] * X
    least = linprog(np.ones(24), A_ub=np.hstack([-A, A]), b_ub=-np.ones(30), bounds=(0, None)).fun
    np.testing.assert_allclose(np.abs(path.beta[0]).sum(), least, rtol=1e-9)
    np.testing.assert_allclose(path.beta[1], max_margin(X, y, ib.L2()).beta, rtol=1e-10)
    replayed(path)


def test_failure_is_reported_with_the_path():
    X, y = restless()
    with pytest.raises(ib.ConvergenceError, match=r"of 3 points did not reach the tolerance, the first at mu = "):
        max_margin_path(X, y, [1.0, 0.1, 1e-9], 3, max_iterations=4)
    path = max_margin_path(X, y, [1.0, 0.1, 1e-9], 3, max_iterations=4, throw=False)
    assert not path.success
    assert path.status[0].success


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"mus": "1e-3"}, TypeError, "mus must be a sequence of positive numbers or None, got '1e-3'"),
        ({"mus": 0.1}, TypeError, "mus must be a sequence of positive numbers or None, got 0.1"),
        ({"mus": []}, ValueError, "mus must hold at least one value"),
        ({"mus": [1.0, -1.0]}, ValueError, "mu must be a positive finite number"),
        ({"mus": [1.0], "D": 1}, ValueError, "D must be"),
        ({"mus": [1.0], "w0": [1.0]}, ValueError, "w0 must have one entry per column of X: X has 12 columns"),
        ({"mus": [1.0], "tol": 0.0}, ValueError, "tol must be a positive finite number, got 0.0"),
        ({"y": -np.ones(30)}, ValueError, "y must hold both classes"),
        ({"y": np.tile([-1.0, 1.0], 15), "X": np.ones((30, 12))}, NotSeparableError, "cannot be separated"),
    ],
)
def test_bad_arguments(arguments, error, text):
    X, y = generic()
    with pytest.raises(error, match=text):
        max_margin_path(**{"X": X, "y": y, **arguments})


def test_a_line_says_what_it_is():
    path = max_margin_path([[1.0, 2.0], [-1.0, 0.5]], [1, -1], [1.0, 0.1])
    assert repr(path) == "<MarginPath: 2 values of mu from exp(0) to exp(-2.30259), 0 kinks, converged>"


def test_default_grid_goes_on_to_the_support_vectors_of_the_l1_end():
    """The l1 norm is within 1e-3 of the least from mu = 1e-12 on, but a support vector leaves at 2e-23."""
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((12, 30)), np.where(np.arange(12) % 2, 1, -1)
    path = max_margin_path(X, y)
    assert [(kink.sample, kink.kind) for kink in path.kinks] == [(1, "leaves")]
    assert -52.2 < path.kinks[0].log_mu < -52.0
