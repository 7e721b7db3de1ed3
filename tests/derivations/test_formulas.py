"""The formulas against numbers that owe nothing to SymPy: high precision, and gradient flow itself."""

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sympy import Rational, Symbol, lambdify

from derivations.depth_limits import slope_at_two, t
from derivations.radicals import inverse_depth4, inverse_infinite, sum_depth4
from implicitbias.ledger import Check

MAGNITUDES = ["1e-300", "1e-40", "1e-8", "0.3", "1", "27", "1e8", "1e30", "1e100"]


def h(depth, z):
    p = mpmath.mpf(depth) / (depth - 2)
    return (1 - z) ** -p - (1 + z) ** -p


def inverse(depth, value):
    """Bisect ``h_D(z) = value > 0`` in ``z = tanh(phi)``, where ``2 sinh(p phi) <= value``."""
    with mpmath.workdps(80):
        p = mpmath.mpf(depth) / (depth - 2)
        top = mpmath.asinh(value / 2) / p

        def relative_error(phi):
            return 2 * mpmath.cosh(phi) ** p * mpmath.sinh(p * phi) / value - 1

        return mpmath.tanh(mpmath.findroot(relative_error, (0, top), solver="bisect", maxsteps=400))


def q(depth, value):
    n = mpmath.mpf(depth) - 2
    z = inverse(depth, value)
    return value * z - n / 2 * ((1 - z) ** (-2 / n) + (1 + z) ** (-2 / n) - 2)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("magnitude", MAGNITUDES)
def test_depth_four_round_trip(magnitude, sign):
    value = sign * mpmath.mpf(magnitude)
    formula = lambdify(symbol := Symbol("x"), inverse_depth4(symbol), "mpmath")
    with mpmath.workdps(200):
        z = formula(value)
        assert abs(z) < 1
        assert abs(4 * z / (1 - z**2) ** 2 / value - 1) < mpmath.mpf(10) ** -90


@pytest.mark.parametrize("magnitude", [m for m in MAGNITUDES if abs(float(m)) < 1e60 and float(m) > 1e-150])
def test_depth_four_loses_no_digits_in_double_precision(magnitude):
    symbol = Symbol("x")
    double, exact = (lambdify(symbol, inverse_depth4(symbol), module) for module in ("numpy", "mpmath"))
    with mpmath.workdps(60):
        truth = exact(mpmath.mpf(float(magnitude)))
        # about twenty correctly rounded operations, none of which cancels
        assert abs(double(float(magnitude)) / truth - 1) < 20 * np.finfo(float).eps


def test_depth_four_at_zero():
    assert inverse_depth4(Rational(0)) == 0
    assert sum_depth4(Rational(0)) == 2


@pytest.mark.parametrize("magnitude", MAGNITUDES)
def test_infinite_depth_is_the_limit(magnitude):
    value = mpmath.mpf(magnitude)
    with mpmath.workdps(250):
        z = lambdify(symbol := Symbol("x"), inverse_infinite(symbol), "mpmath")(value)
        assert abs(2 * z / (1 - z**2) / value - 1) < mpmath.mpf(10) ** -100


def test_slope_at_depth_two():
    step = mpmath.mpf("1e-8")
    with mpmath.workdps(40):
        p = (2 + step) / step
        hypentropy = 2 - mpmath.sqrt(29) + 5 * mpmath.asinh(2.5)
        measured = (p * q(2 + step, mpmath.mpf(5)) - hypentropy) / step
        assert abs(measured - slope_at_two(Check()).subs(t, 5).evalf(20)) < 1e-6


@pytest.mark.parametrize("depth", [3, 4, 5, 6, 10, 2.5])
def test_expansion_at_infinity(depth):
    with mpmath.workdps(60):
        gaps = []
        for value in (mpmath.mpf("1e12"), mpmath.mpf("1e18")):
            depth = mpmath.mpf(depth)
            expansion = value - depth / 2 * value ** (2 / depth) + (depth - 2) * (1 - 2 ** (-depth / (depth - 2)))
            gaps.append(abs(q(depth, value) - expansion))
        assert gaps[1] < gaps[0] / 4
        assert gaps[1] < 1e-2


def end_of_flow(X, y, alpha, w0, depth):
    """Integrate the gradient flow of ``||X beta - y||^2`` in the weights until the residual is gone."""
    start = np.concatenate([alpha * w0, alpha * w0])

    def velocity(_, w):
        plus, minus = np.split(w, 2)
        g = 2 * depth * X.T @ (X @ (plus**depth - minus**depth) - y)
        return np.concatenate([-g * plus ** (depth - 1), g * minus ** (depth - 1)])

    end = solve_ivp(velocity, (0, 400), start, method="LSODA", rtol=1e-11, atol=1e-13).y[:, -1]
    return np.split(end, 2)


X = np.array([[1.0, -0.4, 0.7, 0.2], [0.3, 0.9, -0.5, 1.1]])
Y = np.array([0.8, -0.6])
SHAPE = np.array([1.0, 0.6, 1.5, 0.8])


def row_space_residual(theta):
    coefficients, *_ = np.linalg.lstsq(X.T, theta, rcond=None)
    return np.linalg.norm(X.T @ coefficients - theta) / np.linalg.norm(theta)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_end_of_the_flow_satisfies_the_derived_condition(depth):
    alpha = 0.7
    plus, minus = end_of_flow(X, Y, alpha, SHAPE, depth)
    beta, a = plus**depth - minus**depth, alpha * SHAPE
    assert X @ beta == pytest.approx(Y, abs=1e-9)
    if depth == 2:
        gradient = np.arcsinh(beta / (2 * a**2))
        unshaped = np.arcsinh(beta / (2 * alpha**2))
    else:
        z = [float(mpmath.sign(b)) * float(inverse(depth, abs(mpmath.mpf(b)))) for b in beta / a**depth]
        gradient = a ** (2.0 - depth) * z
        unshaped = np.array(z)
    # the integrator's tolerance, amplified by the conditioning of the inverse
    assert row_space_residual(gradient) < 1e-7
    assert row_space_residual(unshaped) > 1e-3


def test_rich_limit_at_depth_four_is_weighted():
    # Plain l1 would spend on the larger feature; weights w0^{-2} = (1, 1/4) make the smaller one cheaper.
    design, w0 = np.array([[1.0, 0.8]]), np.array([1.0, 2.0])
    plus, minus = end_of_flow(design, np.ones(1), 0.05, w0, 4)
    assert plus**4 - minus**4 == pytest.approx([0, 1.25], abs=1e-3)
    plus, minus = end_of_flow(design, np.ones(1), 0.05, np.ones(2), 4)
    assert plus**4 - minus**4 == pytest.approx([1, 0], abs=1e-3)
