"""The limit of the flow at the ends of its range: mus beyond float64, against mpmath, and rows of no size."""

import math

import mpmath
import numpy as np
import pytest

from implicitbias import L2, Q, three_points
from implicitbias._result import ConvergenceError, NotSeparableError
from implicitbias.solvers.margin import max_margin
from implicitbias.solvers.margin._flow_limit import _least_distance, flow_limit


def deep(A, depth, mu, frozen, digits):
    """The limit at mu where one set of samples has moved all the way, with what is `frozen` on the way, by mpmath.

    `frozen` is a sample, about when it left, and who goes on.
    """
    p = mpmath.mpf(depth) / (depth - 2)

    def margins(nu):
        theta = [sum(n * mpmath.mpf(float(a)) for n, a in zip(nu, column, strict=True)) for column in A.T]
        v = [(1 - t) ** -p - (1 + t) ** -p for t in theta]
        W = [p * ((1 - t) ** (-p - 1) + (1 + t) ** (-p - 1)) for t in theta]
        return v, mpmath.matrix(A.tolist()) * mpmath.matrix(v), W

    def solve(moving, nu, tau):
        """By Newton's method from a smaller tau, with the speeds of the moving multipliers at the end."""
        nu, B = list(nu), mpmath.matrix(A[moving].tolist())
        for _ in range(200):
            _, m, W = margins(nu)
            G = B * mpmath.diag(W) * B.T
            step = mpmath.lu_solve(G, mpmath.matrix([tau - m[n] for n in moving]))
            for n, s in zip(moving, step, strict=True):
                nu[n] += s
            if max(abs(s / nu[n]) for n, s in zip(moving, step, strict=True)) < mpmath.mpf(10) ** (10 - digits):
                return nu, mpmath.lu_solve(G, mpmath.ones(len(moving), 1))
        raise AssertionError("Newton's method did not settle")

    def walk(moving, nu, start, end):
        steps = 1 + int(2 * mpmath.log(end / start))
        for k in range(1, steps + 1):
            nu, _ = solve(moving, nu, start * (end / start) ** (mpmath.mpf(k) / steps))
        return nu

    with mpmath.workdps(digits):
        sample, leaves, after = frozen
        before = sorted([*after, sample]) if sample is not None else after
        nu, tau = [mpmath.mpf(0)] * len(A), mpmath.mpf("1e-3")
        nu, _ = solve(before, nu, tau)
        if sample is not None:
            nu = walk(before, nu, tau, 1 / mpmath.mpf(leaves))
            tau = mpmath.findroot(
                lambda t: solve(before, nu, t)[1][before.index(sample)],
                (1 / mpmath.mpf(leaves), 1.001 / mpmath.mpf(leaves)),
                tol=mpmath.mpf(10) ** (20 - digits),
            )
            nu, _ = solve(before, nu, tau)
        v, m, _ = margins(walk(after, nu, tau, 1 / mpmath.mpf(mu)))
        return np.array([float(x / min(m)) for x in v])


@pytest.mark.parametrize(("depth", "mu"), [(3, "1e-60"), (10, "1e-40")])
@pytest.mark.parametrize("make", [three_points.same_support, three_points.deeper_norm])
def test_slack_far_below_the_rounding_of_theta(make, depth, mu):
    data = make()
    limit = flow_limit(data.X, data.y, depth, [float(mu)])
    frozen = (None, None, [0, 2])
    if make is three_points.deeper_norm:
        (event,) = limit.events
        frozen = event.sample, event.mu, [n for n in (0, 2) if n != event.sample]
    expected = deep(data.y[:, None] * data.X, depth, mu, frozen, 60)
    # the slack of each coordinate is right to a hundred roundings, and beta is a power of it
    assert np.linalg.norm(limit.beta[0] - expected) < 1e-12 * np.linalg.norm(expected)


@pytest.mark.parametrize(("depth", "mu"), [(2, 1e-270), (3, 1e-240), (10, 1e-180)])
def test_mus_beyond_float64(depth, mu):
    data = three_points.same_support()
    with pytest.raises(ConvergenceError, match="does not resolve the limit of the flow below mu"):
        flow_limit(data.X, data.y, depth, [mu])


@pytest.mark.parametrize("rows", [np.zeros((0, 3)), [[1.0, 0.0], [0.0, 0.0]], [[np.inf, 1.0]]])
def test_rows_that_rounding_has_left_without_size(rows):
    assert _least_distance(np.asarray(rows)) is None


def test_least_distance():
    rows = np.array([[1.0, 2.0, 0.0], [2.0, -1.0, 1.0], [3.0, 3.0, 1.0]])
    # the third margin is larger than 1 at the least u of the other two
    u = np.linalg.lstsq(rows[:2], np.ones(2), rcond=None)[0]
    assert rows[2] @ u > 1
    assert rows.T @ _least_distance(rows) == pytest.approx(u)


@pytest.mark.parametrize(("D", "w0"), [(2, None), (4, None), (2.5, [0.8, 1.5, 1.0])])
def test_equal_samples_count_once(D, w0):
    data = three_points.changing_support()
    order = [1, 0, 1, 2, 2]
    mus = [10.0, 0.05, 1e-4]
    once = flow_limit(data.X, data.y, D, mus, w0=w0)
    twice = flow_limit(data.X[order], data.y[order], D, mus, w0=w0)
    np.testing.assert_allclose(twice.beta, once.beta, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(data.X[order].T @ (data.y[order] * twice.dual).T, data.X.T @ (data.y * once.dual).T)
    assert np.array_equal(twice.support, once.support[:, order])
    first = {0: 1, 1: 0, 2: 3}
    assert [(e.sample, e.kind) for e in twice.events] == [(first[e.sample], e.kind) for e in once.events]


def test_equal_samples_in_a_certificate():
    X, y = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]), [1, 1, 1, -1]
    with pytest.raises(NotSeparableError) as caught:
        flow_limit(X, y)
    np.testing.assert_allclose(caught.value.certificate, [0.5, 0.0, 0.5, 0.0], atol=1e-15)


@pytest.mark.parametrize("D", [2, 3])
@pytest.mark.parametrize("unit", [1.0, 1e-150, 1e150])
def test_mu_of_any_size(D, unit):
    data = three_points.same_support()
    mus = np.array([1e-3, 1.0, 1e120, 1e140]) / unit
    found = flow_limit(unit * data.X, data.y, D, mus)
    kernel = max_margin(data.X, data.y, L2()).beta
    np.testing.assert_allclose(found.beta[2:] * unit, [kernel, kernel], rtol=1e-12)
    np.testing.assert_allclose(found.dual[3] * 1e20, found.dual[2], rtol=1e-13)
    gradient = Q.from_log_alpha(math.log(mus[3]) / D, D).grad(found.beta[3])
    np.testing.assert_allclose(unit * data.X.T @ (data.y * found.dual[3]), gradient, rtol=1e-12)
