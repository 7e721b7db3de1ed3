"""Trajectories in float64 where they are hard: odd data, odd scales, plateaus, jumps, interruptions, bad input.

The cases are those on which the integrator has once been wrong, slow or silent, and random ones beside them.
"""

import math
import time

import mpmath
import numpy as np
import pytest
from scipy.optimize import linprog

import implicitbias as ib
from tests.flow.problems import LABELS, THREE


def separable(rng, N, d, kind):
    """Random data of a kind, drawn anew until a hyperplane separates them with some room."""
    while True:
        X = rng.standard_normal((N, d))
        if kind == "rows of very different size":
            X *= 10.0 ** rng.uniform(-1.5, 1.5, (N, 1))
        elif kind == "positive":
            X = np.abs(X) + 0.01
        elif kind == "columns of very different size":
            X *= 10.0 ** rng.uniform(-1.0, 1.0, (1, d))
        y = np.where(X @ rng.standard_normal(d) > 0.0, 1.0, -1.0)
        if kind == "duplicates":
            X[-1], y[-1] = X[0], y[0]
        if len(set(y)) < 2:
            continue
        A = y[:, None] * X / np.abs(X).max(axis=1, keepdims=True)
        room = linprog(
            np.append(np.zeros(d), -1.0),
            A_ub=np.column_stack([-A, np.ones(N)]),
            b_ub=np.zeros(N),
            bounds=[(-1.0, 1.0)] * d + [(None, 1.0)],
        )
        if -room.fun > 1e-2:
            return X, y


def exact_accuracy(A, beta, loss):
    with mpmath.workdps(50):
        margins = [mpmath.fdot(row, beta.tolist()) for row in A.tolist()]
        terms = [mpmath.exp(-m) for m in margins]
        if loss == "logistic":
            terms = [mpmath.log1p(t) if t > 1e-30 else t for t in terms]
        return float(-mpmath.log(mpmath.fsum(terms) / len(terms)))


def check_equations(found, tolerance=1e-9):
    """What holds along every trajectory of a loss of margins, whatever the integrator."""
    A = found.signed
    assert np.all(found.dual >= 0.0)
    # multipliers at rest are held to the tolerance of a step, 1e-11
    assert np.all(np.diff(found.dual, axis=0) >= -1e-11 * found.dual[1:])
    assert np.all(np.diff(found.log10_time) >= 0.0)
    for beta, nu, accuracy in zip(found.beta, found.dual, found.accuracy, strict=True):
        rounding = 2e-15 * float((np.abs(A) @ np.abs(beta)).max())
        assert abs(exact_accuracy(A, beta, found.loss) - accuracy) <= 1e-12 * abs(accuracy) + rounding + 1e-14
        gap = np.abs(found.reg.grad(beta) - A.T @ nu)
        assert np.all(gap <= tolerance * (np.abs(A).T @ nu))


def check_against_digits(found, exact, direction=1e-8):
    assert np.all(np.linalg.norm(found.direction - exact.direction.astype(float), axis=1) <= direction)
    times = exact.log10_time.astype(float)
    # the accuracy itself is rounded at 1e-16, and the time is as sensitive as that is large
    assert np.all(np.abs(found.log10_time - times) <= 1e-6 + 1e-11 * np.abs(times))


KINDS = (
    "normal",
    "rows of very different size",
    "positive",
    "columns of very different size",
    "duplicates",
)


@pytest.mark.parametrize(("kind", "loss"), [(k, ("exponential", "logistic")[i % 2]) for i, k in enumerate(KINDS)])
@pytest.mark.parametrize(
    ("D", "log10_level", "gained"), [(2, -20, 4.0), (2, 9, 1e7), (2.5, 3, 30.0), (4, -1, 20.0)]
)
def test_odd_data(kind, loss, D, log10_level, gained):
    rng = np.random.default_rng(KINDS.index(kind))
    X, y = separable(rng, 3, 4, kind)
    w0 = 10.0 ** rng.uniform(-0.5, 0.5, 4) if loss == "logistic" else None
    alpha = 10.0 ** (log10_level / D)
    found, exact = (
        ib.gradient_flow(X, y, alpha, D, loss, w0=w0, until_accuracy=0.4 + gained, save_at=3, digits=digits)
        for digits in (None, 20)
    )
    check_equations(found)
    check_against_digits(found, exact)


@pytest.mark.parametrize(("N", "d"), [(2, 1), (6, 2)])
def test_more_samples_than_features(N, d):
    X, y = separable(np.random.default_rng(N), N, d, "normal")
    for alpha, D in ((1e-3, 2), (10.0, 3)):
        found = ib.gradient_flow(X, y, alpha, D, "exponential", until_accuracy=50.0, save_at=4)
        exact = ib.gradient_flow(X, y, alpha, D, "exponential", until_accuracy=50.0, save_at=4, digits=20)
        check_equations(found)
        check_against_digits(found, exact)


@pytest.mark.parametrize("loss", ["exponential", "logistic", "squared"])
@pytest.mark.parametrize(("alpha", "D"), [(1e-3, 2), (12.0, 3), (1.5, 10)])
def test_barely_beyond_the_start(loss, alpha, D):
    """A gain of 1e-5: nu has digits of its own there, not those of where it will be."""
    start = {"exponential": 0.0, "logistic": -math.log(math.log(2.0)), "squared": -math.log(3.0)}[loss]
    found, exact = (
        ib.gradient_flow(THREE, LABELS, alpha, D, loss, until_accuracy=start + 1e-5, save_at=3, digits=digits)
        for digits in (None, 20)
    )
    check_against_digits(found, exact)


@pytest.mark.parametrize(("alpha", "D", "w0"), [("1e140", 2, None), (1e95, 3, None), (1e80, 2, [2e60, 1e60, 3e60])])
@pytest.mark.parametrize("loss", ["exponential", "squared"])
def test_scales_whose_power_leaves_the_range_of_floats(alpha, D, w0, loss):
    found, exact = (
        ib.gradient_flow(THREE, LABELS, alpha, D, loss, w0=w0, until_accuracy=3.0, save_at=1, digits=digits)
        for digits in (None, 20)
    )
    check_against_digits(found, exact)
    np.testing.assert_allclose(found.dual, exact.dual.astype(float), rtol=1e-8)


@pytest.mark.parametrize("alpha", ["1e-600", "1e-2000", "1e-5000"])
def test_a_step_too_long_costs_no_digits(alpha):
    """At depth 2 a trial step may land on a loss of e^{10^1000}: it is taken again, shorter, not in more bits."""
    X, y = np.random.default_rng(0).standard_normal((4, 6)), np.array([1.0, -1.0, 1.0, -1.0])
    found, exact = (
        ib.gradient_flow(X, y, alpha, loss="exponential", until_accuracy=5.0, save_at=1, digits=digits)
        for digits in (None, 20)
    )
    check_against_digits(found, exact)
    assert exact.info["bits"] <= 256


def test_large_data_and_a_scale_out_of_range():
    X, y = separable(np.random.default_rng(0), 3, 2000, "normal")
    with pytest.raises(ValueError, match="alpha is too large for float64"):
        ib.gradient_flow(X, y, 1e140, loss="exponential", until_accuracy=3.0)


def test_logistic_loss_below_that_of_one_sample_at_margin_zero():
    """Rows 0.01 and -1: no predictor separates them, and yet the loss falls to 0.36."""
    X, y = [[0.01], [1.0]], [1, -1]
    found = ib.gradient_flow(X, y, 1.0, loss="logistic", until_accuracy=0.9, save_at=1)
    margins = np.array([0.01, -1.0]) * found.beta[-1]
    assert margins.min() < 0.0
    assert math.isclose(-math.log(np.log1p(np.exp(-margins)).mean()), 0.9, rel_tol=1e-12)
    with pytest.raises(ib.NotSeparableError):
        ib.gradient_flow(X, y, 1.0, loss="logistic", until_accuracy=1.1)


def test_a_plateau_is_passed_in_few_steps():
    """Small and positive data: the flow rests on a saddle, where LSODA would go on in 46,000 equal steps."""
    X = np.array(
        [
            [0.52, 0.31, 0.54, 0.58, 0.07],
            [0.76, 1.86, 1.58, 0.11, 0.69],
            [0.15, 0.39, 0.47, 0.83, 0.21],
            [0.16, 0.70, 0.88, 1.52, 0.40],
            [0.68, 1.93, 0.82, 0.48, 1.20],
            [1.50, 0.05, 0.91, 0.24, 0.75],
            [0.39, 0.73, 0.31, 0.55, 1.05],
        ]
    )
    y = np.array([-1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -1.0])
    found = ib.gradient_flow(X, y, 5.6e-6, 3, "exponential", until_accuracy=50.0, save_at=4)
    assert found.info["method"] == "LSODA"
    assert found.steps < 6000
    check_equations(found)


@pytest.mark.parametrize(("alpha", "D"), [(100.0, 2), (0.05, 3)])
def test_resumed_in_the_middle_it_ends_the_same(alpha, D, tmp_path):
    whole = ib.gradient_flow(THREE, LABELS, alpha, D, "exponential", save_at=[0.5, 40.0, 2e3])
    half = ib.gradient_flow(THREE, LABELS, alpha, D, "exponential", save_at=[0.5, 40.0])
    half.save(tmp_path / "half.npz")
    again = ib.Trajectory.load(tmp_path / "half.npz")
    for name in ("accuracy", "beta", "dual", "log10_time"):
        np.testing.assert_array_equal(getattr(again, name), getattr(half, name))
    resumed = ib.gradient_flow(THREE, LABELS, alpha, D, "exponential", resume=again, save_at=[2e3])
    np.testing.assert_allclose(resumed.accuracy, [0.5, 40.0, 2e3], rtol=1e-14)
    np.testing.assert_allclose(resumed.direction, whole.direction, rtol=0, atol=1e-9)
    np.testing.assert_allclose(resumed.log10_time, whole.log10_time, rtol=1e-9, atol=1e-7)


def test_interrupted_it_keeps_what_it_has_and_goes_on():
    calls = []

    def interrupt(state):
        calls.append(float(state.accuracy))
        raise KeyboardInterrupt

    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 400)), np.where(np.arange(40) % 2, 1.0, -1.0)
    options = {"until_accuracy": 1e7, "save_at": 20, "rtol": 1e-13}
    stopped = ib.gradient_flow(X, y, 100.0, 2, "exponential", progress=interrupt, **options)
    assert len(calls) == 1, "the run is too short to be interrupted"
    assert stopped.status is ib.Status.INTERRUPTED
    assert stopped.accuracy[-1] == pytest.approx(calls[0], rel=1e-12)
    check_equations(stopped)
    whole = ib.gradient_flow(X, y, 100.0, 2, "exponential", **options)
    resumed = ib.gradient_flow(X, y, 100.0, 2, "exponential", resume=stopped, **options)
    assert resumed.success
    assert np.linalg.norm(resumed.direction[-1] - whole.direction[-1]) < 1e-9
    assert resumed.log10_time[-1] == pytest.approx(whole.log10_time[-1], rel=1e-11)


def test_a_limit_on_steps_tells_how_far_it_got():
    with pytest.raises(ib.ConvergenceError, match=r"iteration limit.*reached after 60 steps") as caught:
        ib.gradient_flow(THREE, LABELS, 100.0, 2, "exponential", until_accuracy=1e6, max_steps=60)
    assert caught.value.result.status is ib.Status.ITERATION_LIMIT
    assert 0.0 < caught.value.result.accuracy[-1] < 1e6
    check_equations(caught.value.result)


def test_data_that_no_hyperplane_separates():
    X, y = np.array([[1.0, 2.0], [2.0, 4.0], [0.5, -1.0]]), np.array([1.0, -1.0, 1.0])
    with pytest.raises(ib.NotSeparableError) as caught:
        ib.gradient_flow(X, y, 1.0, 2, "exponential", until_accuracy=10.0)
    weights = caught.value.certificate
    assert np.all(weights >= 0.0)
    np.testing.assert_allclose(weights @ (y[:, None] * X), 0.0, atol=1e-12)
    # a target that does not tell the data from separable ones, and is never reached
    started = time.perf_counter()
    with pytest.raises(ib.ConvergenceError):
        ib.gradient_flow(X, y, 1.0, 2, "exponential", until_accuracy=1.0)
    assert time.perf_counter() - started < 5.0


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"y": [1.0, 2.0, -1.0]}, ValueError, "labels"),
        ({"y": [1.0, 1.0, 1.0]}, ValueError, "both classes"),
        ({"y": [1.0, 0.0, -1.0]}, ValueError, "labels"),
        ({"y": [1.0, math.nan, -1.0]}, ValueError, "y"),
        ({"X": [[1.0, 2.0], [0.0, 0.0], [3.0, 1.0]]}, ValueError, "all zeros"),
        ({"X": [[1.0, math.inf], [0.0, 1.0], [3.0, 1.0]]}, ValueError, "X"),
        ({"y": [1.0, -1.0]}, ValueError, "y"),
        ({"alpha": 0.0}, ValueError, "alpha"),
        ({"alpha": -1.0}, ValueError, "alpha"),
        ({"D": 1.5}, ValueError, "D"),
        ({"loss": "hinge"}, ValueError, "loss must be one of"),
        ({"until_loss": 1.5}, ValueError, "a loss below that at the start"),
        ({"until_loss": 0.0}, ValueError, "until_loss"),
        ({"until_loss": "no number"}, TypeError, "until_loss"),
        ({"until_accuracy": -1.0}, ValueError, "a loss below that at the start"),
        ({"until_accuracy": math.nan}, ValueError, "until_accuracy"),
        ({"until_loss": 0.1, "until_accuracy": 1.0}, ValueError, "exclude each other"),
        ({"save_at": []}, ValueError, "save_at"),
        ({"save_at": 0}, ValueError, "save_at"),
        ({"save_at": [2.0, 0.0]}, ValueError, "save_at"),
        ({"save_at": [9.0], "until_accuracy": 5.0}, ValueError, "save_at"),
        ({"digits": 0}, ValueError, "digits"),
        ({"digits": 2.5}, ValueError, "digits"),
        ({"digits": True}, ValueError, "digits"),
        ({"rtol": 0.0}, ValueError, "rtol"),
        ({"max_steps": 0}, ValueError, "max_steps"),
        ({"w0": [1.0, 2.0, 3.0]}, ValueError, "w0"),
        ({"w0": [1.0, 0.0]}, ValueError, "w0"),
    ],
)
def test_bad_input(change, error, text):
    arguments = {"X": [[1.0, 2.0], [0.5, -1.0], [3.0, 1.0]], "y": [1.0, -1.0, 1.0], "alpha": 1.0, "D": 2}
    with pytest.raises(error, match=text):
        ib.gradient_flow(**{**arguments, "loss": "exponential", **change})
