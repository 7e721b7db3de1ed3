"""The whole path in alpha in one sweep."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.certificates import residuals


def planted(N=10, d=40):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, d))
    return X, X[:, :3].sum(axis=1) + 0.1 * rng.standard_normal(N)


@pytest.mark.parametrize("D", [2, 3, 5])
@pytest.mark.parametrize("w0", [None, np.linspace(0.5, 2.0, 40)], ids=["ones", "shape"])
def test_every_point_is_the_end_point_of_its_scale(D, w0):
    X, y = planted()
    alphas = np.logspace(2, -6, 17)
    path = ib.interpolation_path(X, y, alphas, D, w0)
    assert path.success
    assert path.beta.shape == (17, 40)
    assert path.dual.shape == (17, 10)
    for i, alpha in enumerate(alphas):
        reg = ib.Q(alpha, D, w0)
        assert max(residuals(ib.Interpolation(X, y), reg, path.beta[i], path.dual[i]).values()) <= 1e-12
        # by another way: straight from the kernel end
        np.testing.assert_allclose(path.beta[i], ib.interpolate(X, y, reg).beta, atol=1e-10)
        assert path.value[i] == reg(path.beta[i])
    np.testing.assert_allclose(path.log_alpha, np.log(alphas), rtol=1e-15)


def test_order_and_kinds_of_scales():
    X, y = planted()
    alphas = ["1e-4350", 1.0, 1e-3, "1e300", 1e-3]
    path = ib.interpolation_path(X, y, alphas)
    assert path.alphas == tuple(alphas)
    assert len(path) == 5
    for i in (0, 1, 2, 3, 4):
        np.testing.assert_allclose(path.beta[i], ib.interpolate(X, y, ib.Q(alphas[i])).beta, atol=1e-10)
    # one sweep: the points of one alpha are one
    np.testing.assert_allclose(path.beta[2], path.beta[4], atol=1e-12)


def test_costs_little_more_than_its_smallest_scale():
    X, y = planted(30, 200)
    alphas = np.logspace(0, -30, 100)
    one = ib.interpolate(X, y, ib.Q(alphas[-1]))
    path = ib.interpolation_path(X, y, alphas)
    assert path.iterations <= 2.5 * len(alphas)
    separately = sum(ib.interpolate(X, y, ib.Q(alpha)).iterations for alpha in alphas[::10])
    assert path.iterations < 10 * separately
    np.testing.assert_allclose(path.beta[-1], one.beta, atol=1e-12)


@pytest.mark.parametrize("D", [2, 3])
def test_excess_norms_against_their_limits(D):
    X, y = planted()
    w0 = np.linspace(0.5, 2.0, 40)
    path = ib.interpolation_path(X, y, ["1e-200", 0.1, 1e4], D, w0)
    l1, l2 = path.l1_excess, path.l2_excess
    assert (l1 >= -1e-14).all()
    assert (l2 >= -1e-14).all()
    assert l1[0] <= 1e-3 < l1[1] < l1[2]
    assert l2[2] <= 1e-10 < l2[1] < l2[0]
    # by linear algebra: the kernel limit weighs beta^2 by w0^(-2(D-1))
    inverse = X.T * w0[:, None] ** (2.0 * (D - 1))
    kernel = inverse @ np.linalg.solve(X @ inverse, y)
    norm = kernel @ (kernel * w0 ** (-2.0 * (D - 1)))
    np.testing.assert_allclose(1 + l2[1], path.beta[1] @ (path.beta[1] * w0 ** (-2.0 * (D - 1))) / norm, rtol=1e-9)


@pytest.mark.parametrize("D", [2, 3, 10])
def test_adaptive_grid_goes_from_one_end_to_the_other(D):
    X, y = planted()
    path = ib.interpolation_path(X, y, D=D)
    assert path.success
    assert (np.diff(path.log_alpha) < 0).all()
    np.testing.assert_allclose(path.log_alpha, np.log(path.alphas), atol=1e-12)
    assert path.l2_excess[0] <= 1e-6
    assert path.l1_excess[-1] <= (1e-3 if D > 2 else 5e-3)  # at depth 2 only like 1/log(1/alpha)
    # fine enough to draw: neighbours are near each other
    change = np.linalg.norm(np.diff(path.beta, axis=0), axis=1) / np.linalg.norm(path.beta[:-1], axis=1)
    assert change.max() <= 0.5


def test_reaches_a_path_of_wide_data():
    X, y = planted(8, 400)
    path = ib.interpolation_path(X, y, [1e-1, 1e-30])
    np.testing.assert_allclose(path.beta[1], ib.interpolate(X, y, ib.Q(1e-30)).beta, atol=1e-12)


def test_adaptive_grid_of_data_in_odd_units():
    X, y = planted()
    X[:, 3] *= 1e9
    for unit in (1.0, 2.0**-900):
        path = ib.interpolation_path(X, unit * y)
        for i in (0, -1):
            reg = ib.Q.from_log_alpha(path.log_alpha[i])
            np.testing.assert_allclose(path.value[i], reg(path.beta[i]), rtol=1e-9)
            np.testing.assert_allclose(X @ (path.beta[i] / unit), y, rtol=1e-6)
        assert path.l1_excess[-1] <= 5e-3
        assert path.l2_excess[0] <= 1e-6


def test_nothing_to_fit():
    X, _ = planted()
    path = ib.interpolation_path(X, np.zeros(10))
    assert path.success
    assert not path.beta.any()
    assert not path.l1_excess.any()
    assert not path.l2_excess.any()


def test_failure_is_reported_with_the_path():
    X, y = planted()
    with pytest.raises(
        ib.ConvergenceError, match="1 of 3 points did not reach the tolerance, the first at alpha = 1e-09"
    ):
        ib.interpolation_path(X, y, [1.0, 0.1, 1e-9], max_iterations=3)
    path = ib.interpolation_path(X, y, [1.0, 0.1, 1e-9], max_iterations=3, throw=False)
    assert not path.success
    assert path.status[0].success


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"alphas": "1e-3"}, TypeError, "alphas must be a sequence of scales or None, got '1e-3'"),
        ({"alphas": 0.1}, TypeError, "alphas must be a sequence of scales or None, got 0.1"),
        ({"alphas": []}, ValueError, "alphas must hold at least one scale"),
        ({"alphas": [1.0, -1.0]}, ValueError, "alpha must be a positive finite number"),
        ({"alphas": [1.0], "D": 1}, ValueError, "D must be"),
        ({"alphas": [1.0], "w0": [1.0]}, ValueError, "w0 must have one entry per column of X: X has 40 columns"),
        ({"alphas": [1.0], "tol": 0.0}, ValueError, "tol must be a positive finite number, got 0.0"),
    ],
)
def test_bad_arguments(arguments, error, text):
    X, y = planted()
    with pytest.raises(error, match=text):
        ib.interpolation_path(X, y, **arguments)


def test_a_line_says_what_it_is():
    path = ib.interpolation_path([[1.0, 2.0]], [1.0], [1.0, 0.1])
    assert repr(path) == "<InterpolationPath: 2 values of alpha from exp(0) to exp(-2.30259), converged>"
