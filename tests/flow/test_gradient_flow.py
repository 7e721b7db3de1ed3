"""Trajectories against the flow of the weights, closed forms, more digits, and end points of training."""

import math

import mpmath
import numpy as np
import pytest

import implicitbias as ib
from implicitbias.flow import saddle_escape
from tests.flow.problems import LABELS, THREE, regression, train_weights

TIME = 1e-6
"""Of log t, which is integrated from steps that are chosen for the dual variable."""


@pytest.mark.parametrize("loss", ["exponential", "logistic"])
@pytest.mark.parametrize(("alpha", "D"), [(1.0, 2), (0.3, 2), (4.0, 2), (1.0, 2.5), (0.8, 3), (1.5, 4), (1.0, 7)])
def test_against_the_weights_themselves(loss, alpha, D):
    for accuracy in (1.0, 8.0):
        trained, log_time = train_weights(THREE, LABELS, alpha, D, loss, accuracy)
        found = ib.gradient_flow(THREE, LABELS, alpha, D, loss, until_accuracy=accuracy, save_at=1)
        # DOP853 at 1e-12 is right to some 1e-9
        np.testing.assert_allclose(found.beta[0], trained, rtol=1e-8)
        assert found.log10_time[0] * math.log(10.0) == pytest.approx(log_time, abs=TIME)
        assert found.accuracy[0] == pytest.approx(accuracy, rel=1e-14)


@pytest.mark.parametrize(("alpha", "D"), [(1.0, 2), (0.1, 2), (1.0, 2.5), (0.5, 3), (1.2, 4)])
def test_regression_against_the_weights_themselves(alpha, D):
    X, y = regression()
    initial = -2.0 * math.log(np.linalg.norm(y))
    for gained in (0.1, 6.0):
        trained, log_time = train_weights(X, y, alpha, D, "squared", initial + gained)
        found = ib.gradient_flow(X, y, alpha, D, until_accuracy=initial + gained, save_at=1)
        np.testing.assert_allclose(found.beta[0], trained, rtol=1e-7, atol=1e-9 * np.abs(trained).max())
        assert found.log10_time[0] * math.log(10.0) == pytest.approx(log_time, abs=TIME)


def test_a_shape_of_the_initialization():
    w0 = np.array([0.5, 1.0, 1.7])
    for D in (2, 3):
        trained, log_time = train_weights(THREE, LABELS, 0.8, D, "exponential", 6.0, w0)
        found = ib.gradient_flow(THREE, LABELS, 0.8, D, "exponential", w0=w0, until_accuracy=6.0, save_at=1)
        np.testing.assert_allclose(found.beta[0], trained, rtol=1e-8)
        assert found.log10_time[0] * math.log(10.0) == pytest.approx(log_time, abs=TIME)


@pytest.mark.parametrize("alpha", ["1e-300", 1e-3, 1.0, 1e3])
@pytest.mark.parametrize("accuracy", [0.5, 30.0])
def test_one_sample_in_closed_form(alpha, accuracy):
    """With one sample the margin is the accuracy: ``t = (1/4) int e^m d tau``, ``m = 2 x alpha^2 sinh(x tau)``."""
    x = 0.7
    X, y = np.array([[x], [-x]]), np.array([-1.0, 1.0])  # twice the same, since both classes must occur
    found = ib.gradient_flow(X, y, alpha, 2, "exponential", until_accuracy=accuracy, save_at=1)
    # theta is of the size of log(1/alpha^2) and rounded at it
    assert found.beta[0, 0] == pytest.approx(-accuracy / x, rel=1e-12)
    with mpmath.workdps(30):
        level = 2 * mpmath.mpf(x) * mpmath.mpf(alpha) ** 2
        end = mpmath.asinh(accuracy / level) / x
        assert abs(found.dual[0].sum() / end - 1) < 1e-12
        pieces = [0, *(end - 2.0**k for k in range(10, -6, -1) if 2.0**k < end), end]
        integral = mpmath.quad(lambda tau: mpmath.exp(level * mpmath.sinh(x * tau)), pieces)
        # between steps the margin is interpolated
        assert abs(found.log10_time[0] - mpmath.log10(integral / 4)) < 1e-6


@pytest.mark.parametrize(
    ("alpha", "D", "loss", "end"),
    [
        (100, 2, "exponential", 2e4),
        (100, 2, "exponential", 1e7),
        (1e4, 2, "exponential", 2e8),
        (1e-2, 2, "exponential", 1e3),
        ("1e-40", 2, "exponential", 1e3),
        (20, 3, "exponential", 1e6),
        (0.05, 3, "exponential", 1e4),
        (1.3, 10, "exponential", 1e5),
        (10, 2, "logistic", 1e4),
        (2, 4, "logistic", 1e4),
    ],
)
def test_against_more_digits(alpha, D, loss, end):
    """The same trajectory by another method, collocation of high order, at 25 digits."""
    floats = ib.gradient_flow(THREE, LABELS, alpha, D, loss, until_accuracy=end, save_at=4)
    exact = ib.gradient_flow(THREE, LABELS, alpha, D, loss, until_accuracy=end, save_at=4, digits=25)
    np.testing.assert_allclose(floats.direction, exact.direction.astype(float), rtol=0, atol=3e-9)
    np.testing.assert_allclose(floats.accuracy, exact.accuracy.astype(float), rtol=1e-13)
    np.testing.assert_allclose(floats.dual, exact.dual.astype(float), rtol=2e-8, atol=1e-300)
    np.testing.assert_allclose(floats.log10_time, exact.log10_time.astype(float), rtol=1e-9, atol=1e-4)


@pytest.mark.parametrize(
    ("alpha", "D", "end"), [(1e-6, 3, 1e3), ("1e-30", 3, 1e2), (1e7, 2, 1e15), (1e4, 2, 1e11), (10, 4, 1e10)]
)
def test_at_and_beyond_what_float64_holds(alpha, D, end):
    """Shares need margins right to a fraction of 1, the dual at D > 2 its distance from 1: see `_rounded`."""
    floats = ib.gradient_flow(THREE, LABELS, alpha, D, "exponential", until_accuracy=end, save_at=3)
    exact = ib.gradient_flow(THREE, LABELS, alpha, D, "exponential", until_accuracy=end, save_at=3, digits=25)
    assert floats.beta.dtype == float
    np.testing.assert_allclose(floats.direction, exact.direction.astype(float), rtol=0, atol=3e-9)
    np.testing.assert_allclose(floats.accuracy, exact.accuracy.astype(float), rtol=1e-12)


def test_large_data_beyond_float64_end_with_a_word():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((10, 400)), np.where(np.arange(10) % 2, 1.0, -1.0)
    with pytest.raises(ib.ConvergenceError, match="try digits=20"):
        ib.gradient_flow(X, y, 1e8, 2, "exponential", until_accuracy=1e15, save_at=1)


def test_regression_against_more_digits():
    X, y = regression(4, 6)
    for alpha, D in ((0.5, 2), (1e-6, 2), (0.3, 3)):
        floats = ib.gradient_flow(X, y, alpha, D, until_loss=1e-12, save_at=4)
        exact = ib.gradient_flow(X, y, alpha, D, until_loss=1e-12, save_at=4, digits=25)
        gap = np.abs(floats.beta - exact.beta.astype(float)).max(axis=1)
        assert np.all(gap <= 1e-9 * np.abs(floats.beta).max(axis=1))
        np.testing.assert_allclose(floats.log10_time, exact.log10_time.astype(float), atol=1e-7)


@pytest.mark.parametrize("D", [2, 2.5, 3])
@pytest.mark.parametrize("alpha", [10.0, 1.0, 1e-2])
def test_regression_ends_where_theory_says(alpha, D):
    X, y = regression(8, 20)
    found = ib.gradient_flow(X, y, alpha, D, until_loss=1e-18, save_at=3)
    end = ib.interpolate(X, y, ib.Q(alpha, D))
    assert found.path_distance[-1] == pytest.approx(
        np.linalg.norm(found.beta[-1] - end.beta) / np.linalg.norm(end.beta), rel=1e-12
    )
    assert found.path_distance[-1] < 1e-7  # the loss left is 1e-18
    assert np.all(np.diff(found.path_distance) < 0.0)


def test_the_state_satisfies_its_equations():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((12, 40)), np.where(np.arange(12) % 2, 1.0, -1.0)
    for alpha, D in ((10.0, 2), (1e-3, 2), (2.0, 3)):
        found = ib.gradient_flow(X, y, alpha, D, "exponential", until_accuracy=1e4, save_at=6)
        gradients = np.array([ib.Q(alpha, D).grad(beta) for beta in found.beta])
        np.testing.assert_allclose(gradients, found.dual @ (y[:, None] * X), rtol=1e-10, atol=1e-12)
        assert found.info["dual_residual"] < 1e-12
        assert np.all(found.dual >= 0.0)
        assert np.all(np.diff(found.dual, axis=0) >= 0.0)
        with mpmath.workdps(40):
            for beta, accuracy in zip(found.beta, found.accuracy, strict=True):
                margins = [mpmath.fdot(row, beta) for row in (y[:, None] * X).tolist()]
                loss = mpmath.fsum(mpmath.exp(-m) for m in margins) / len(y)
                assert abs(-mpmath.log(loss) / accuracy - 1) < 1e-12


@pytest.mark.parametrize(
    ("D", "alpha", "close"), [(2, "1e-1000", 2e-3), (2.5, 1e-8, 1e-3), (3, 1e-6, 1e-5), (4, 1e-5, 1e-8)]
)
def test_escape_from_the_saddle(D, alpha, close):
    X, y = regression(10, 30)
    found = saddle_escape(X, y, alpha, D)
    assert found.log10_time == pytest.approx(found.predicted, abs=close)
    assert np.argmax(np.abs(found.trajectory.beta[-1])) == found.coordinate
    assert float(found.trajectory.accuracy[-1]) == pytest.approx(-math.log(0.99 * y @ y), rel=1e-12)


def test_escape_takes_longer_from_closer():
    X, y = THREE, LABELS
    for loss in ("exponential", "logistic"):
        times = [saddle_escape(X, y, alpha, 2, loss) for alpha in ("1e-50", "1e-100", "1e-200")]
        ratios = np.diff([10.0**t.log10_time for t in times]) / np.diff([10.0**t.predicted for t in times])
        np.testing.assert_allclose(ratios, 1.0, rtol=1e-6)  # log(1/alpha) sets the slope exactly
