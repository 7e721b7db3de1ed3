"""Theorems 1 and 3, and the limits of Theorem 3, against gradient flow integrated in the weights themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import implicitbias as ib
from derivations.theorem2 import least_l1
from implicitbias.theorems import interpolation_derivative, lemma8_bound, lemma8_log_bound
from tests.theorems.problems import exercise, exercised, least_l2, regressions

DEPTHS = st.sampled_from([2.0, 2.3, 3.0, 4.0, 6.5, 20.0])


def flow(X, y, start, depth, loss_to=1e-20):
    """Weights at the end of the flow of ``||X beta - y||^2``, and the largest entry of ``X^T int r`` on the way."""
    d = X.shape[1]

    def speed(_, state):
        w = state[: 2 * d]
        g = X.T @ (X @ (w[:d] ** depth - w[d:] ** depth) - y)
        moved = 2 * depth * np.concatenate([-g * w[:d] ** (depth - 1), g * w[d:] ** (depth - 1)])
        return np.concatenate([moved, g])

    def left(_, state):
        w = state[: 2 * d]
        r = X @ (w[:d] ** depth - w[d:] ** depth) - y
        return r @ r - loss_to * (y @ y)

    left.terminal = True
    first = np.concatenate([start, start, np.zeros(d)])
    path = solve_ivp(speed, (0, 1e12), first, "LSODA", events=left, rtol=1e-11, atol=1e-14 * start.min())
    return path.y[: 2 * d, -1], float(np.abs(path.y[2 * d :]).max()), path.status == 1


@exercised("end point", least=0.8)
@settings(max_examples=40, deadline=None)
@given(problem=regressions(decades=0.5), depth=DEPTHS, log_mu=st.floats(-3.0, 2.0), seed=st.integers(0, 99))
def test_training_ends_at_the_least_q(problem, depth, log_mu, seed):
    X, y = problem
    d = X.shape[1]
    w0 = np.random.default_rng(seed).uniform(0.8, 1.25, d)
    alpha = 10.0 ** (log_mu / depth)
    w, pushed, ended = flow(X, y, alpha * w0, depth)
    found = ib.interpolate(X, y, ib.Q(alpha, depth, w0), throw=False)
    if not exercise("end point", ended and found.success):
        return
    beta = w[:d] ** depth - w[d:] ** depth
    # the loss is down to 1e-20 of its start, and conditions of X to 1e3 take three digits of the root of that
    assert np.linalg.norm(beta - found.beta) <= 2e-6 * np.linalg.norm(found.beta)
    if depth > 2:
        # weakest for the smallest weight: a^(2-D)/(2D(D-2))
        assert pushed <= lemma8_bound(float((alpha * w0).min()), depth) * (1 + 1e-6)


@exercised("limits", least=0.9)
@settings(max_examples=60, deadline=None)
@given(problem=regressions(decades=3.0), depth=DEPTHS)
def test_limits_in_the_scale(problem, depth):
    X, y = problem
    l1, l2 = least_l1(X, y), least_l2(X, y)
    rich = ib.interpolate(X, y, ib.Q.from_log_alpha(-2000.0 / (depth - 1.9), depth), throw=False)
    kernel = ib.interpolate(X, y, ib.Q.from_log_alpha((np.log(l2) + 25.0) / depth, depth), throw=False)
    if exercise("limits", l1 is not None and rich.success and kernel.success):
        assert np.abs(rich.beta).sum() <= l1 * (1 + 5e-3)
        assert np.linalg.norm(kernel.beta) <= l2 * (1 + 1e-8)


@exercised("derivative", least=0.9)
@settings(max_examples=40, deadline=None)
@given(problem=regressions(decades=1.0), depth=DEPTHS, log_mu=st.floats(-4.0, 3.0))
def test_derivative_in_the_scale(problem, depth, log_mu):
    X, y = problem
    middle, step = log_mu / depth, 1e-4 / depth
    ends = [ib.interpolate(X, y, ib.Q.from_log_alpha(middle + s, depth), throw=False) for s in (-step, 0.0, step)]
    if exercise("derivative", all(end.success for end in ends)):
        found = interpolation_derivative(X, ends[1].beta, ib.Q.from_log_alpha(middle, depth))
        by_difference = (ends[2].beta - ends[0].beta) / (2 * step)
        size = np.linalg.norm(ends[1].beta)
        # rounding of a solution over the step, and the third derivative times its square
        assert np.linalg.norm(found - by_difference) <= 1e-6 * depth * size
        assert np.linalg.norm(X @ found) <= 1e-9 * depth * np.linalg.norm(X) * size


def test_lemma_8_printed_and_in_log_scale():
    assert lemma8_bound(0.5, 3) == pytest.approx(2 / 6)
    assert lemma8_bound(0.5, 3, printed=True) == pytest.approx(2 / 3)
    assert lemma8_log_bound(-1e5, 20) == pytest.approx(18e5 - np.log(720))
    assert lemma8_bound(1e-200, 20) == np.inf
    for call, message in (
        (lambda: lemma8_bound(0.0, 3), "alpha must be positive"),
        (lambda: lemma8_bound(1.0, 2), "D must be a finite number > 2"),
        (lambda: lemma8_log_bound(np.inf, 3), "log_alpha must be finite"),
        (lambda: interpolation_derivative(np.ones((1, 2)), np.ones(3), ib.Q(1.0)), r"X must be \(N, d\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
