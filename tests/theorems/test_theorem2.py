"""Theorem 2 as printed, and the clean, general and sharp scales, on hostile data."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import lambertw

import implicitbias as ib
from derivations.theorem2 import least_l1
from implicitbias import theorems
from tests.theorems.problems import exercise, exercised, least_l2, regressions


def end(X, y, log_alpha, depth=2.0):
    return ib.interpolate(X, y, ib.Q.from_log_alpha(log_alpha, depth), throw=False)


@exercised("rich", "rich, solved")
@settings(max_examples=120, deadline=None)
@given(problem=regressions(decades=8.0), log_eps=st.floats(-3.0, 0.0), below=st.floats(0.0, 20.0))
def test_rich_part(problem, log_eps, below):
    X, y = problem
    d, l1 = X.shape[1], least_l1(X, y)
    eps = d * 10.0**log_eps
    if not exercise("rich", l1 is not None):
        return
    logs = [theorems.theorem2_rich_log_alpha(eps, l1, d), theorems.theorem2_rich_clean_log_alpha(eps, l1, d)]
    logs.append(theorems.theorem2_rich_sharp_log_alpha(eps, l1, d))
    assert logs[1] <= logs[2] + 1e-9
    for log_alpha in logs:
        found = end(X, y, log_alpha - below) if -1e6 < log_alpha < math.inf else None
        if exercise("rich, solved", found is not None and found.success):
            assert np.abs(found.beta).sum() <= (1 + eps) * l1 * (1 + 1e-6)


@exercised("kernel")
@settings(max_examples=120, deadline=None)
@given(problem=regressions(decades=8.0), log_eps=st.floats(-6.0, 0.0), above=st.floats(0.0, 20.0))
def test_kernel_part(problem, log_eps, above):
    X, y = problem
    d, l2 = X.shape[1], least_l2(X, y)
    eps = d * 10.0**log_eps
    printed, clean = theorems.theorem2_kernel_alpha(eps, l2), theorems.theorem2_kernel_clean_alpha(eps, l2)
    for alpha in (printed, clean):
        found = end(X, y, math.log(alpha) + above)
        if exercise("kernel", found.success):
            assert found.beta @ found.beta <= (1 + eps) * l2**2 * (1 + 1e-9)


@exercised("any depth")
@exercised("sharp", least=0.3)  # many scales are infinite: few features never exceed eps
@settings(max_examples=80, deadline=None)
@given(
    problem=regressions(decades=2.0),
    depth=st.sampled_from([2.0, 2.2, 3.0, 7.5, 20.0]),
    log_mu=st.floats(-20.0, 20.0),
    log_eps=st.floats(-4.0, -0.5),
)
def test_bounds_at_every_depth(problem, depth, log_mu, log_eps):
    X, y = problem
    d, l1, l2 = X.shape[1], least_l1(X, y), least_l2(X, y)
    found = end(X, y, log_mu / depth, depth)
    if exercise("any depth", l1 is not None and found.success):
        mu, q = math.exp(log_mu), lambda t: float(ib.special.q(t, depth))
        assert d * q(np.abs(found.beta).sum() / (d * mu)) <= q(l1 / mu) * (1 + 1e-6)
        assert q(np.linalg.norm(found.beta) / mu) <= d * q(l2 / (math.sqrt(d) * mu)) * (1 + 1e-9)
    eps = 10.0**log_eps
    log_alpha = math.inf if l1 is None else theorems.theorem2_rich_sharp_log_alpha(eps, l1, d, depth)
    found = end(X, y, log_alpha, depth) if -1e5 < log_alpha < math.inf else None
    if exercise("sharp", found is not None and found.success):
        assert np.abs(found.beta).sum() <= (1 + eps) * l1 * (1 + 1e-6)


@pytest.mark.parametrize(
    ("d", "depth", "eps"), [(2, 2, 0.05), (10, 2, 0.3), (3, 3, 0.05), (10, 5, 0.02), (4, 20, 0.01)]
)
def test_the_sharp_scale_is_attained(d, depth, eps):
    log_alpha = theorems.theorem2_rich_sharp_log_alpha(eps, 1.0, d, depth)

    def worst(log_alpha):
        rows = [np.r_[1.0, np.full(d - 1, ratio)] for ratio in 1 - np.geomspace(1e-3, 0.99, 300)]
        return max(np.abs(end(row[None], [1.0], log_alpha, depth).beta).sum() - 1 for row in rows)

    assert worst(log_alpha) == pytest.approx(eps, rel=3e-3)
    assert worst(log_alpha) <= eps * (1 + 1e-6)


@pytest.mark.parametrize("d", [2, 3, 10, 1000])
def test_leading_orders(d):
    found = -2e-7 * theorems.theorem2_rich_sharp_log_alpha(1e-7, 1.0, d)
    assert found == pytest.approx(lambertw((d - 1) / math.e).real, rel=1e-4)
    shares = np.linspace(0, 1, 10001)
    constant = (shares * (1 - shares) * (shares - (1 - shares) / (d - 1)) ** 2).max()
    alpha = theorems.theorem2_kernel_sharp_alpha(1e-7, 1.0, d)
    assert 576e-7 * alpha**8 == pytest.approx(constant, rel=1e-2)


def test_the_regime_uses_them():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3, 8))
    y = X @ np.eye(8)[0]
    found = ib.regime(X, y, alpha=0.1)
    l1, l2 = least_l1(X, y), least_l2(X, y)
    assert found.theorem2_rich == pytest.approx(theorems.theorem2_rich_log_alpha(found.tolerance, l1, 8), rel=1e-6)
    assert found.theorem2_kernel == pytest.approx(math.log(theorems.theorem2_kernel_alpha(found.tolerance, l2)))
    # what all data need is never more than what these data need
    assert theorems.theorem2_rich_sharp_log_alpha(found.tolerance, l1, 8) <= found.rich_log_alpha + 1e-9


def test_never_and_always():
    assert theorems.theorem2_rich_sharp_log_alpha(3.0, 1.0, 4) == math.inf
    assert theorems.theorem2_rich_sharp_log_alpha(1.2, 1.0, 10) == math.inf
    assert theorems.theorem2_kernel_sharp_alpha(50.0, 1.0, 3) == 0.0
    # the printed scale underflows where its logarithm does not
    assert theorems.theorem2_rich_alpha(1e-3, 1.0, 10) == 0.0
    assert theorems.theorem2_rich_log_alpha(1e-3, 1.0, 10) == pytest.approx(-1e4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theorems.theorem2_rich_alpha(0.0, 1.0, 2), "eps must be positive"),
        (lambda: theorems.theorem2_kernel_alpha(1.0, math.nan), "l2_norm must be positive"),
        (lambda: theorems.theorem2_rich_clean_log_alpha(1.0, 1.0, 1), "d must be at least 2"),
        (lambda: theorems.theorem2_rich_sharp_log_alpha(0.1, 1.0, 1), "d must be at least 2"),
        (lambda: theorems.theorem2_rich_sharp_log_alpha(0.1, 1.0, 3, 1.5), "D must be a finite number >= 2"),
        (lambda: theorems.theorem2_kernel_sharp_alpha(1e-12, 1.0, 3), "eps must be at least 1e-10"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
