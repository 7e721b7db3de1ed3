"""The anchored curve and the time integral against mpmath and quadrature."""

import itertools
import math

import mpmath
import numpy as np
import pytest

import implicitbias as ib
from implicitbias.flow._clock import Point, TimeIntegral, log_rate
from implicitbias.solvers._anchored_curve import AnchoredCurve

BETA = np.array([-3.0, 1e-5, 0.0, 2.0, 1e-30])


def exact_curve(reg, beta, displacement, digits):
    with mpmath.workdps(digits):
        theta = reg.grad([mpmath.mpf(float(b)) for b in beta])
        moved = [t + mpmath.mpf(float(d)) for t, d in zip(theta, displacement, strict=True)]
        there = reg.grad_conjugate(moved)
        change = [a - mpmath.mpf(float(b)) for a, b in zip(there, beta, strict=True)]
        weights = reg.hess_diag_conjugate(moved)
        return [np.array([float(v) for v in values]) for values in (there, weights, change)]


@pytest.mark.parametrize("alpha", ["1e-20", 0.1, 1, 1e3])
@pytest.mark.parametrize("D", [2, 2.5, 3, 10])
@pytest.mark.parametrize("length", [0.5, 1e-7])
def test_near_an_anchor(alpha, D, length):
    reg = ib.Q(alpha, D)
    curve = AnchoredCurve(reg, BETA)
    displacement = length * np.array([1.0, -1.0, 0.5, 1.0, 0.3]) * min(curve.room, 1.0)
    digits = 60 if float(alpha) > 1e-10 else 500  # 1 - |z| is as small as alpha^(D-2)
    beta, weights, change = exact_curve(reg, BETA, displacement, digits)
    with np.errstate(under="ignore"):
        found, found_weights, slack = curve(displacement)
        # exponents up to D log(1/alpha) = 460 are rounded at their size
        np.testing.assert_allclose(found, beta, rtol=1e-13)
        np.testing.assert_allclose(found_weights, weights, rtol=1e-13)
        np.testing.assert_allclose(curve.change(displacement, found), change, rtol=1e-13)
        curve.move(displacement)
        np.testing.assert_allclose(curve.beta, beta, rtol=1e-13)
        again = curve(np.zeros(5))[0]
        np.testing.assert_allclose(again, beta, rtol=1e-13)
    assert 0.0 < slack <= 1.0


def test_a_shape_scales_level_and_domain():
    w0 = np.array([0.5, 1.0, 2.0, 0.1, 3.0])
    reg = ib.Q(0.3, 3, w0)
    curve = AnchoredCurve(reg, BETA)
    displacement = 0.3 * curve.room * np.array([1.0, -1.0, 1.0, -1.0, 1.0])
    beta, weights, _ = exact_curve(reg, BETA, displacement, 60)
    np.testing.assert_allclose(curve(displacement)[0], beta, rtol=3e-14)
    np.testing.assert_allclose(curve(displacement)[1], weights, rtol=3e-14)


def test_what_is_outside_the_domain_is_finite():
    curve = AnchoredCurve(ib.Q(1, 3), np.array([1e6, 0.0]))
    beta, weights, slack = curve(np.array([1e-3, 3.0]))
    assert np.isfinite(beta).all()
    assert np.isfinite(weights).all()
    assert slack <= 1e-6


@pytest.mark.parametrize(
    ("x", "dx"),
    [
        (lambda tau: 5.0 * tau**2, lambda tau: 10.0 * tau),
        (lambda tau: 100.0 * mpmath.sinh(tau), lambda tau: 100.0 * math.cosh(tau)),
        # the dual of D > 2 reaches its end at tau = 1
        (lambda tau: 3.0 * ((1.0 - tau) ** -3 - 1.0), lambda tau: 9.0 * (1.0 - tau) ** -4),
    ],
)
def test_time_of_a_known_trajectory(x, dx):
    end = 0.95
    with mpmath.workdps(20):
        pieces = [0.0, *(end - 4.0**-k for k in range(1, 10)), end]
        integral = mpmath.quad(lambda tau: mpmath.exp(x(tau) - x(end)), pieces)
    expected = x(end) + float(mpmath.log(integral))

    def point(tau):
        return Point(float(x(tau)), lambda: dx(tau))

    # steps as an integrator of order five takes them: a few in a hundred of what changes
    taus = 1.0 - np.exp(-np.linspace(0.0, -math.log1p(-end), 80))
    time = TimeIntegral(math.log(7.0), -math.inf, point(0.0))
    for before, now in itertools.pairwise(taus[:-1].tolist()):
        time.add(now - before, point(now), lambda offset, before=before: point(before + offset))
    found = time.after(end - taus[-2], point(end), lambda offset: point(taus[-2] + offset))
    assert found == pytest.approx(expected - math.log(7.0), abs=1e-7)


@pytest.mark.parametrize("D", [2.0, 2.5, 3.0, 10.0])
@pytest.mark.parametrize("squared", [True, False])
def test_rate_of_the_dual(D, squared):
    """``d grad Q(beta) / dt = c A^T e`` from finite differences of the weights' own flow."""
    alpha, pull = 0.7, 0.3  # of one coordinate: A^T e, or -X^T r
    factor = 2.0 if squared else 1.0
    step = 1e-6
    plus, minus = alpha, alpha
    for sign in (1.0, -1.0):
        velocity = sign * factor * D * alpha ** (D - 1.0) * pull
        plus, minus = (alpha + step * velocity, minus) if sign > 0 else (plus, alpha + step * velocity)
    theta = ib.Q(alpha, D).grad(plus**D - minus**D)
    assert math.exp(log_rate(math.log(alpha), D, squared=squared)) * pull == pytest.approx(theta / step, rel=1e-8)


def test_time_of_one_long_step():
    """A solution that is linear in tau is one step for an integrator, and its margins are anything but."""

    def point(tau):
        return Point(2e-6 * math.sinh(tau), lambda: 2e-6 * math.cosh(tau))

    with mpmath.workdps(20):
        integral = mpmath.quad(
            lambda tau: mpmath.exp(2e-6 * mpmath.sinh(tau)), [0, 10, 14, 15, 16, 16.5, 17, 17.2, 17.3]
        )
    time = TimeIntegral(0.0, -math.inf, point(0.0))
    assert time.after(17.3, point(17.3), point) == pytest.approx(float(mpmath.log(integral)), abs=1e-6)
