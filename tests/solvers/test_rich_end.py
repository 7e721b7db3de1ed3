"""End points at small alpha, where float64 no longer holds the dual variable or the small coordinates."""

import numpy as np
import pytest

from implicitbias import L1, Q, interpolate


def noisy(N=20, d=60):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, d))
    return X, X[:, :3].sum(axis=1) + 0.1 * rng.standard_normal(N)


@pytest.mark.parametrize("D", [2.1, 2.5, 3, 5, 10])
@pytest.mark.parametrize("alpha", ["1e-5", "1e-30", "1e-300", "1e-4350"])
def test_deep_networks_reach_the_rich_end(D, alpha):
    X, y = noisy()
    found = interpolate(X, y, Q(alpha, D))
    least = interpolate(X, y, L1()).beta
    excess = np.abs(found.beta).sum() / np.abs(least).sum() - 1
    # HiGHS is right to 1e-7; the excess is at most (D/2) alpha^(D-2) sum |beta_i|^(2/D), over 60 coordinates
    assert -1e-7 < excess < 1e-7 + D * 60 * float(alpha) ** (D - 2)


@pytest.mark.parametrize("alpha", [1e-3, 1e-8, 1e-30, "1e-300", "1e-4350"])
def test_noiseless_plant_takes_few_steps(alpha):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 1000))
    truth = np.zeros(1000)
    truth[:5] = 1.0
    found = interpolate(X, X @ truth, Q(alpha))
    assert found.iterations < 60
    if not isinstance(alpha, float) or alpha < 1e-20:
        np.testing.assert_allclose(found.beta, truth, atol=1e-12)


def test_rows_of_any_size_are_one_problem():
    X, y = noisy(5, 12)
    expected = interpolate(X, y, Q(0.1)).beta
    for unit in (1e300, 1e-300, 10.0 ** np.array([-8, -4, 0, 4, 8])):
        unit = np.broadcast_to(unit, (5,))
        found = interpolate(X * unit[:, None], y * unit, Q(0.1))
        np.testing.assert_allclose(found.beta, expected, rtol=1e-11)
    np.testing.assert_allclose(X.T @ (found.dual * unit), Q(0.1).grad(found.beta), rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"tol": float("nan")}, "tol must be a positive finite number, got nan"),
        ({"tol": 0}, "tol must be a positive finite number, got 0"),
        ({"max_iterations": 2.5}, "max_iterations must be a positive integer, got 2.5"),
        ({"reg": Q(0.1, w0=[1, 2])}, "w0 must have one entry per column of X: X has 60 columns, w0 has 2 entries"),
    ],
)
def test_bad_options(options, text):
    X, y = noisy()
    with pytest.raises(ValueError, match=text):
        interpolate(X, y, **{"reg": Q(0.1), **options})
