"""Trajectories to many digits against closed forms, Taylor's method and the training of real weights."""

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.integrate import solve_ivp

from implicitbias import Q
from implicitbias.flow.digits import DigitsFlow

X = np.array([[1.0, 0.2, 0.3], [0.4, 1.0, -0.3], [0.2, -0.5, 1.0]])
Y = np.array([1.0, -1.0, 1.0])


@pytest.fixture(autouse=True)
def precision():
    with mp.workdps(60):
        yield


def curve(theta, alpha, D):  # Woodworth et al. (2020), eqs. (17) and (59)
    if D == 2:
        return 2 * alpha**2 * mp.sinh(theta)
    p = mpf(D) / (D - 2)
    return alpha**D * ((1 - theta) ** -p - (1 + theta) ** -p)


@pytest.mark.parametrize(("alpha", "target"), [("100", "2e4"), ("1e-3", "1e3"), ("1e-4350", "1e5"), ("1", "1e-9")])
def test_one_sample_at_depth_2_is_explicit(alpha, target):
    flow = DigitsFlow(np.array([[0.75]]), np.array([-1.0]), Q(alpha), "exponential", digits=30)
    state = flow.advance_to(target)
    level = 2 * mpf(alpha) ** 2 * 0.75
    nu = mp.asinh(mpf(target) / level) / mpf(0.75)
    assert abs(state.nu[0] / nu - 1) < mpf("1e-30")
    assert abs(state.accuracy / mpf(target) - 1) < mpf("1e-30")
    if alpha == "1":
        return
    # t = int e^m / 4 d nu, with the exponential's weight at the end: u = target - m
    end = mpf(target)
    integral = mp.quad(lambda u: mp.exp(-u) / mp.hypot(end - u, level), mp.linspace(0, min(end, 80), 21)) / 0.75
    assert abs(state.log_time - (end + mp.log(integral / 4))) < 1e-13


@pytest.mark.parametrize("D", [3, 2.5, 10])
def test_one_sample_beyond_depth_2(D):
    state = DigitsFlow(np.array([[2.0]]), np.ones(1), Q("0.5", D), "exponential", digits=30).advance_to(1000)
    assert abs(2 * curve(2 * state.nu[0], mpf("0.5"), mpf(D)) / 1000 - 1) < mpf("1e-30")


def test_samples_that_are_equivalent_keep_equal_weights():
    circulant = np.array([[3.0, 1.0, 0.5], [0.5, 3.0, 1.0], [1.0, 0.5, 3.0]])
    state = DigitsFlow(circulant, np.ones(3), Q(10), "exponential", digits=40).advance_to(5000)
    nu = mp.asinh(5000 / (mpf(4.5) * 200)) / mpf(4.5)
    assert max(abs(v / nu - 1) for v in state.nu) < mpf("1e-40")


def test_one_sample_of_the_squared_loss():
    # theta' = 8 x (y - 2 alpha^2 x sinh theta), so t is an integral of theta
    x, y, alpha = mpf(0.5), mpf(3.0), mpf("0.01")
    state = DigitsFlow(np.array([[0.5]]), np.array([3.0]), Q("0.01"), "squared", digits=30).advance_to(460)
    residual = mp.exp(-230)
    theta = mp.asinh((y - residual) / (2 * alpha**2 * x))
    assert abs(state.nu[0] * x / theta - 1) < mpf("1e-30")
    # in r the integrand is 1 / (8 x^2 r W) with W = hypot(beta, 2 alpha^2), and log r is the variable for it
    end = mp.log(y)
    nodes = [mp.log(residual), -60, -10, *(end - mpf(10) ** -k for k in range(8)), end]
    with mp.workdps(32):
        time = mp.quad(lambda v: 1 / mp.hypot((y - mp.exp(v)) / x, 2 * alpha**2), nodes) / (8 * x * x)
    assert abs(state.log_time - mp.log(time)) < mpf("1e-28")


def right_hand_side(loss, alpha, D, y):
    rows = [[mpf(v) for v in row] for row in X.tolist()]

    def f(_, nu):
        theta = [mp.fdot(nu, column) for column in zip(*rows, strict=True)]
        outputs = [mp.fdot(row, [curve(t, alpha, D) for t in theta]) for row in rows]
        if loss == "squared":
            return [t - o for o, t in zip(outputs, y, strict=True)]
        forces = [mp.exp(-o) / (1 + mp.exp(-o) if loss == "logistic" else 1) for o in outputs]
        return [v / mp.fsum(forces) for v in forces]

    return f


@pytest.mark.parametrize(
    ("loss", "alpha", "D", "target", "digits"),
    [("exponential", "1", 2, 2, 30), ("logistic", "0.7", 3, 1, 16), ("squared", "0.6", 2, 1, 16)],
)
def test_taylor_series_agree(loss, alpha, D, target, digits):
    labels = np.ones(3)
    flow = DigitsFlow(X, labels, Q(alpha, D), loss, digits=digits)
    state = flow.advance_to(target)
    clock = mp.exp(state.log_time) * 8 if loss == "squared" else mp.fsum(state.nu)
    with mp.workdps(digits + 2):
        taylor = mpmath.odefun(right_hand_side(loss, mpf(alpha), D, labels.tolist()), 0, [mpf(0)] * 3)
        reference = taylor(clock)
    errors = [abs(a - b) for a, b in zip(state.nu, reference, strict=True)]
    assert max(errors) < mpf(10) ** -digits * max(map(abs, state.nu))


@pytest.mark.parametrize("loss", ["exponential", "logistic", "squared"])
@pytest.mark.parametrize("D", [2, 3, 5])
def test_weights_trained_for_that_time_give_that_predictor(loss, D):
    alpha, w0 = 0.8, np.array([1.0, 0.7, 1.2])
    flow = DigitsFlow(X, Y, Q(alpha, D, w0), loss, digits=20)
    state = flow.advance_to(3)
    beta = [float(v) for v in flow.observe(state)[0]]

    def descend(_, u):
        plus, minus = u[:3], u[3:]
        output = X @ (plus**D - minus**D)
        if loss == "squared":
            gradient = 2.0 * X.T @ (output - Y)
        else:
            m = Y * output
            force = np.exp(-m) / (1.0 if loss == "exponential" else 1.0 + np.exp(-m))
            gradient = -X.T @ (Y * force) / 3
        return np.concatenate([-D * plus ** (D - 1) * gradient, D * minus ** (D - 1) * gradient])

    time = float(mp.exp(state.log_time))
    u = solve_ivp(descend, (0, time), np.tile(alpha * w0, 2), method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    np.testing.assert_allclose(u[:3] ** D - u[3:] ** D, beta, rtol=1e-9)
    loss_value = {
        "squared": lambda m: np.sum((m - Y) ** 2),
        "exponential": lambda m: np.mean(np.exp(-Y * m)),
        "logistic": lambda m: np.mean(np.log1p(np.exp(-Y * m))),
    }[loss](X @ np.array(beta))
    assert -np.log(loss_value) == pytest.approx(3.0, rel=1e-12)


def test_a_reference_moves_the_start():
    start = np.array([0.3, -0.2, 0.1])
    plus = np.array([0.9, 0.6, 0.8])
    minus = np.sqrt(plus**2 - start)
    flow = DigitsFlow(X, Y, Q.from_weights(plus, minus), "squared", digits=20)
    np.testing.assert_allclose([float(v) for v in flow.observe(flow.state)[0]], start, rtol=1e-14)
    state = flow.advance_to(5)

    def descend(_, u):
        gradient = 2.0 * X.T @ (X @ (u[:3] ** 2 - u[3:] ** 2) - Y)
        return np.concatenate([-2 * u[:3] * gradient, 2 * u[3:] * gradient])

    time = float(mp.exp(state.log_time))
    u = solve_ivp(descend, (0, time), np.concatenate([plus, minus]), method="DOP853", rtol=1e-12, atol=1e-13)
    beta = u.y[:3, -1] ** 2 - u.y[3:, -1] ** 2
    np.testing.assert_allclose(beta, [float(v) for v in flow.observe(state)[0]], rtol=1e-9)
