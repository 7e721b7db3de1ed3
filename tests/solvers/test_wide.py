"""Many more columns than samples: the columns that do not matter must cost neither time nor memory nor accuracy."""

import tracemalloc

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.certificates import residuals
from implicitbias.solvers import _dual_newton


def planted(N, d, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, d))
    return X, X[:, :3].sum(axis=1) + 0.1 * rng.standard_normal(N)


@pytest.mark.parametrize("reg", [ib.Q(1e-8), ib.Q("1e-30"), ib.Q("1e-4350"), ib.Q(1e-8, 3), ib.R(1e-9)], ids=repr)
def test_working_set_finds_what_the_whole_path_finds(reg, monkeypatch):
    X, y = planted(20, 3000)
    found = ib.interpolate(X, y, reg)
    assert max(residuals(ib.Interpolation(X, y), reg, found.beta, found.dual).values()) <= 1e-12
    monkeypatch.setattr(_dual_newton, "_FAR", np.inf)
    whole = ib.interpolate(X, y, reg)
    np.testing.assert_allclose(found.beta, whole.beta, atol=1e-13)
    # coordinates that are not seen in X beta have all their digits too
    ordinary = np.abs(whole.beta) > 1e-290
    np.testing.assert_allclose(found.beta[ordinary], whole.beta[ordinary], rtol=1e-7)


def test_working_set_with_a_shape_and_a_reference():
    X, y = planted(20, 3000)
    rng = np.random.default_rng(1)
    w0, start = rng.uniform(0.5, 2.0, 3000), 1e-3 * rng.standard_normal(3000)
    for D in (2, 3):
        reg = ib.Q(1e-8, D, w0, reference=start)
        found = ib.interpolate(X, y, reg)
        assert max(residuals(ib.Interpolation(X, y), reg, found.beta, found.dual).values()) <= 1e-12


@pytest.mark.parametrize("alpha", [1.0, 1e-2, "1e-30"])
def test_memory(alpha):
    X, y = planted(100, 40000)
    ib.interpolate(X[:, :2000], y, ib.Q(alpha))  # what is kept for later is not this problem's
    tracemalloc.start()
    try:
        ib.interpolate(X, y, ib.Q(alpha))
        assert tracemalloc.get_traced_memory()[1] <= 0.5 * X.nbytes
    finally:
        tracemalloc.stop()


def test_conjugate_gradients_serve_where_a_gram_matrix_is_dear():
    X, y = planted(300, 1200)
    for alpha in (0.3, 1e-2, "1e-30"):
        reg = ib.Q(alpha)
        found = ib.interpolate(X, y, reg)
        assert max(residuals(ib.Interpolation(X, y), reg, found.beta, found.dual).values()) <= 1e-12
