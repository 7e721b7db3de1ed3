"""End points to many digits, against Newton's method written out here at a higher precision.

The dual is strictly convex, so whatever point the oracle starts from, a root is the solution.
"""

import os
import subprocess
import sys

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf

import implicitbias as ib
from implicitbias import InfeasibleError, Result, Status
from implicitbias.problems import Interpolation
from implicitbias.solvers.digits import refine

RNG = np.random.default_rng(5)
X, Y = RNG.standard_normal((3, 6)), RNG.standard_normal(3)
SHAPE = np.array([1.0, 2.0, 0.5, 0.3, 1.7, 1.0])


def refined(X, y, reg, digits, **options):
    return refine(Interpolation(X, y), reg, ib.interpolate(X, y, reg, throw=False), digits, **options)


def curve(theta, alpha, D, w):  # Woodworth et al. (2020), eqs. (17) and (59)
    """``beta_i`` and its derivative as the papers print them, with weights and scales of a shape."""
    c, s = (alpha * w) ** D, theta * w ** (D - 2)
    if D == 2:
        return 2 * c * mp.sinh(s), 2 * c * mp.cosh(s)
    p = mpf(D) / (D - 2)
    outer = c * w ** (D - 2) * p * ((1 - s) ** (-p - 1) + (1 + s) ** (-p - 1))
    return c * ((1 - s) ** -p - (1 + s) ** -p), outer


def angle(beta, alpha, D):
    """Dual coordinate of a predictor, by bisection beyond depth 2."""
    if D == 2 or beta == 0:
        return mp.asinh(beta / (2 * alpha**2))
    return mp.findroot(
        lambda s: curve(s, alpha, D, mpf(1))[0] - beta,
        (-1 + alpha**2, 1 - alpha**2),
        solver="bisect",
        maxsteps=9999,
    )


def oracle(X, y, alpha, D, nu, digits, lost=600, w0=None, reference=None):
    """Root of ``X beta(X^T nu) = y`` to `digits` digits of y, by Newton's method; `nu` is where to start.

    `lost` digits are those that 1 - |theta|, or theta itself, cancels to, and the condition of the Hessian.
    """
    with mp.workdps(digits + lost):
        alpha = mpf(alpha)
        A, b, nu = mp.matrix(X.tolist()), mp.matrix(y.tolist()), mp.matrix([+v for v in nu])
        w = [mpf(float(v)) for v in (np.ones(X.shape[1]) if w0 is None else w0)]
        origin = mp.matrix(
            [angle(mpf(v), alpha, D) for v in (np.zeros(X.shape[1]) if reference is None else reference)]
        )
        for _ in range(12):
            theta = A.T * nu + origin
            beta, slope = zip(*[curve(t, alpha, D, v) for t, v in zip(theta, w, strict=True)], strict=True)
            residual = b - A * mp.matrix(beta)
            size = mp.norm(residual, mp.inf)
            if size <= mp.norm(b, mp.inf) * mpf(10) ** -digits:
                break
            nu += mp.lu_solve(A * mp.diag(slope) * A.T, residual)
        else:
            raise AssertionError(f"the oracle did not converge: {mp.nstr(size, 5)}")
        return list(beta)


def deviation(beta, exact):
    """Largest relative error of a coordinate, and largest error over largest entry."""
    with mp.workdps(400):
        errors = [abs(a - b) for a, b in zip(beta, exact, strict=True)]
        relative = max(e / abs(b) for e, b in zip(errors, exact, strict=True) if b)
        return relative, max(errors) / max(map(abs, exact))


def assert_right(found, exact, digits):
    relative, overall = deviation(found.beta, exact)
    assert found.success
    assert found.info["digits"] >= digits
    assert not found.info["unresolved"]
    assert found.info["relative_error"] <= mpf(10) ** -digits
    assert relative <= found.info["relative_error"]
    assert overall <= found.info["error_bound"]
    # a bound, but not an empty one: a dozen digits of slack cost next to nothing
    assert found.info["error_bound"] <= mpf(10) ** (4 - digits)


@pytest.mark.parametrize("digits", [30, 50, 300])
@pytest.mark.parametrize("alpha", [1, 1e-3, 1e-30])
@pytest.mark.parametrize("D", [2, 3, 10])
def test_digits_are_right(D, alpha, digits):
    found = refined(X, Y, ib.Q(alpha, D), digits)
    assert_right(found, oracle(X, Y, alpha, D, found.dual, digits + 100), digits)


@pytest.mark.parametrize("D", [2, 2.1, 3])
def test_digits_at_scales_beyond_floats(D):
    found = refined(X, Y, ib.Q("1e-4350", D), 30)
    assert_right(found, oracle(X, Y, "1e-4350", D, found.dual, 130, 9000 if D == 3 else 1500), 30)
    assert min(map(abs, found.beta)) < mpf("1e-400")


@pytest.mark.parametrize("alpha", ["1e300", 1e-3])
@pytest.mark.parametrize("D", [2, 2.1, 3, 10])
def test_shapes_and_large_scales(D, alpha):
    found = refined(X, Y, ib.Q(alpha, D, SHAPE), 40)
    assert_right(found, oracle(X, Y, alpha, D, found.dual, 140, 4000 if D > 2 else 1000, SHAPE), 40)


@pytest.mark.parametrize("D", [2, 3])
def test_reference_points(D):
    reference = np.array([0.3, -0.2, 0.01, 0.5, -0.1, 0.05])
    found = refined(X, Y, ib.Q(0.01, D, reference=reference), 40)
    exact = oracle(X, Y, mpf(0.01), D, found.dual, 120, 100, reference=reference)
    assert_right(found, exact, 40)


def test_explicit_regularizer():
    # r = q_4 of beta/alpha^2: the dual of Q at depth 4 with another scale
    found = refined(X, Y, ib.R(0.01), 40)
    with mp.workdps(300):
        alpha = mp.sqrt(mpf(0.01))
    assert_right(found, oracle(X, Y, alpha, 4, found.dual, 140), 40)


def test_least_norm_is_rational_linear_algebra():
    weights = SHAPE
    found = refined(X, Y, ib.L2(weights), 60)
    with mp.workdps(100):
        A, inverse = mp.matrix(X.tolist()), mp.diag([1 / mpf(v) for v in weights.tolist()])
        exact = inverse * A.T * mp.lu_solve(A * inverse * A.T, mp.matrix(Y.tolist()))
    assert_right(found, list(exact), 60)


def test_one_number():
    found = refine(Interpolation([[3.0]], [1.0]), ib.Q(1e-8, 3), Result(np.ones(1), Status.STALLED, {}, 0), 100)
    assert found.success
    with mp.workdps(110):
        assert abs(found.beta[0] - mpf(1) / 3) <= mpf(10) ** -100


def sparse(integer):
    rows = RNG.integers(-3, 4, (3, 6)).astype(float) if integer else RNG.standard_normal((3, 6))
    return rows, rows[:, 0] * (2.0 if integer else 0.3)


def zero_column():
    rows = X.copy()
    rows[:, 2] = 0.0
    return rows, Y


DEGENERATE = {
    "exactly sparse": sparse(True),
    "sparse but for rounding": sparse(False),
    "zero column": zero_column(),
    "columns of any size": (X * [1e6, 1.0, 1e-6, 1.0, 1.0, 1e5], Y),
    "rows of any size": (X * np.array([[1e12], [1.0], [1e-12]]), Y),
    "square": (X[:, :3], Y),
    "one sample": (X[:1], Y[:1]),
    "one coordinate": (X[:1, :1], Y[:1]),
}


@pytest.mark.parametrize("reg", [(1, 2), (1e-10, 2), (1e-30, 2), (1e-10, 3)], ids=str)
@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_problems(name, reg):
    rows, y = DEGENERATE[name]
    found = refined(rows, y, ib.Q(*reg), 30)
    exact = oracle(rows, y, *reg, found.dual, 130)
    relative, overall = deviation(found.beta, exact)
    assert found.success
    assert overall <= found.info["error_bound"] <= mpf(10) ** -30
    if not found.info["unresolved"]:
        assert relative <= found.info["relative_error"] <= mpf(10) ** -30


def test_poor_start():
    found = refine(Interpolation(X, Y), ib.Q(1e-20), Result(np.linalg.pinv(X) @ Y, Status.STALLED, {}, 0), 30)
    assert_right(found, oracle(X, Y, 1e-20, 2, found.dual, 200), 30)


def test_dependent_samples():
    rows, y = np.vstack([X, X[0], 2.0 * X[1], np.zeros(6)]), np.r_[Y, Y[0], 2.0 * Y[1], 0.0]
    found = refined(rows, y, ib.Q(1e-5), 50)
    assert_right(found, oracle(X, Y, 1e-5, 2, found.dual[:3], 200), 50)
    assert found.dual.shape == (6,)
    assert 0.0 <= found.residuals["primal"] <= 1e-50


@pytest.mark.parametrize(
    ("rows", "y", "message"),
    [
        (np.vstack([X, X[0]]), np.r_[Y, Y[0] * (1.0 + 1e-15)], "row 3"),
        (X[:, :2], X[:, :2] @ [0.1, 0.7], "no exact solution"),
    ],
)
def test_fits_only_to_rounding(rows, y, message):
    start = Result(np.linalg.pinv(rows) @ y, Status.CONVERGED, {}, 0)
    with pytest.raises(InfeasibleError, match=message):
        refine(Interpolation(rows, y), ib.Q(1), start, 30)


def test_zero_targets_have_the_zero_solution():
    found = refined(X, 0.0 * Y, ib.Q(1e-3, 3), 50)
    assert found.success
    assert not any(found.beta)
    assert not any(found.dual)
    assert found.value == 0


def test_a_coordinate_that_is_zero_is_said_to_be_unresolved():
    # theta_2 = nu_0 - nu_1 = 0 by symmetry, which no finite precision can tell
    rows = np.array([[1 / 3, 0.1, 0.7], [0.1, 1 / 3, -0.7]])
    found = refined(rows, np.array([1.0, 1.0]), ib.Q(1e-2), 40)
    assert found.success
    assert found.info["unresolved"] in {(), (2,)}
    assert abs(found.beta[2]) <= found.info["error_bound"] * max(map(abs, found.beta))
    with mp.workdps(60):
        assert abs(found.beta[0] - 1 / (mpf(0.1) + mpf(1 / 3))) <= mpf(10) ** -40


def test_two_precisions_agree():
    rng = np.random.default_rng(1)
    rows, y = rng.standard_normal((15, 60)), rng.standard_normal(15)
    short, long = (refined(rows, y, ib.Q(1e-12, 3), digits) for digits in (40, 90))
    assert short.success
    assert long.success
    relative, overall = deviation(short.beta, long.beta)
    assert relative <= short.info["relative_error"] <= mpf(10) ** -40
    assert overall <= short.info["error_bound"]


def test_many_samples_satisfy_the_conditions():
    rng = np.random.default_rng(0)
    rows, y = rng.standard_normal((100, 1000)), rng.standard_normal(100)
    found = refined(rows, y, ib.Q(1e-3), 50)
    assert found.success
    with mp.workdps(80):
        for i in range(100):
            assert abs(mp.fdot(rows[i].tolist(), found.beta) - mpf(y[i])) <= mpf(10) ** -50
        for j in range(1000):
            theta = mp.fdot(rows[:, j].tolist(), found.dual)
            assert abs(mp.asinh(found.beta[j] / (2 * mpf(1e-3) ** 2)) - theta) <= mpf(10) ** -50


def test_value_and_numbers_are_of_the_global_context():
    found = refined(X, Y, ib.Q(1e-3), 40)
    assert all(isinstance(v, mpf) for v in [*found.beta, *found.dual, found.value])
    with mp.workdps(40):
        assert abs(found.value / ib.Q(1e-3)(found.beta) - 1) <= mpf(10) ** -38


@pytest.mark.parametrize("method", ["grad_conjugate", "hess_diag_conjugate"])
def test_precision_in_force_is_left_alone(method, monkeypatch):
    start, reg, calls = ib.interpolate(X, Y, ib.Q(1e-3)), ib.Q(1e-3), []
    original = getattr(ib.Q, method)

    def interrupted(self, x):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, x)

    with mp.workdps(23):
        monkeypatch.setattr(ib.Q, method, interrupted)
        with pytest.raises(KeyboardInterrupt):
            refine(Interpolation(X, Y), reg, start, 200)
        assert mp.dps == 23
        # and the next call, the fourth, is none the worse
        assert refine(Interpolation(X, Y), reg, start, 60).success
        assert mp.dps == 23


def test_what_is_not_reached_is_said():
    found = refined(X, Y, ib.Q(1e-3), 500, max_iterations=2)
    assert found.status is Status.ITERATION_LIMIT
    assert not found.success
    assert found.info["digits"] == 0
    assert found.info["error_bound"] == mpmath.inf
    with pytest.raises(ib.ConvergenceError):
        found.raise_for_status()


@pytest.mark.parametrize("reg", [ib.L1()])
def test_regularizers_without_a_curve_are_refused(reg):
    with pytest.raises(TypeError, match=r"L1\(\)"):
        refine(Interpolation(X, Y), reg, Result(np.ones(6), Status.STALLED, {}, 0), 30)


@pytest.mark.parametrize("digits", [0, -3, 2.5, True, "30"])
def test_digits_must_be_a_positive_integer(digits):
    with pytest.raises(ValueError, match="digits must be a positive integer"):
        refine(Interpolation(X, Y), ib.Q(1), Result(np.ones(6), Status.STALLED, {}, 0), digits)


def test_without_gmpy():
    code = (
        "import mpmath, numpy as np, implicitbias as ib\n"
        "from implicitbias.solvers.digits import refine\n"
        "assert mpmath.libmp.BACKEND == 'python'\n"
        "X, y = np.array([[1.0, 2.0, 0.5]]), np.array([1.0])\n"
        "start = ib.interpolate(X, y, ib.Q(1e-3))\n"
        "print(refine(ib.solvers.Interpolation(X, y), ib.Q(1e-3), start, 60).info['digits'])"
    )
    environment = {**os.environ, "MPMATH_NOGMPY": "1"}
    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    ).stdout
    assert int(printed) >= 60
