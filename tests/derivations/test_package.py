"""`implicitbias.special` against the derived formulas, each evaluated here from the symbolic result."""

import mpmath
import numpy as np
import pytest
from sympy import Poly, Rational, Symbol, lambdify

from derivations import depth, explicit
from derivations.depth_limits import HYPENTROPY, t
from derivations.radicals import inverse_depth4
from implicitbias import special

VALUES = ["-1000", "-3.5", "-0.001", "0.001", "0.25", "1", "27", "1e6"]
EPS = np.finfo(float).eps


def in_fifty_digits(expression, symbol, value):
    with mpmath.workdps(50):
        return +lambdify(symbol, expression, "mpmath")(mpmath.mpf(value))


@pytest.mark.parametrize("value", VALUES)
def test_hypentropy(value):
    assert special.q(float(value)) == pytest.approx(
        float(in_fifty_digits(HYPENTROPY, t, float(value))), rel=8 * EPS
    )


@pytest.mark.parametrize("value", VALUES)
def test_inverse_at_depth_four(value):
    symbol = Symbol("x")
    expected = in_fifty_digits(inverse_depth4(symbol), symbol, float(value))
    assert special.h_inverse(float(value), 4) == pytest.approx(float(expected), rel=8 * EPS)


@pytest.mark.parametrize("value", VALUES)
def test_explicit_regularizer_is_the_smallest_root(value):
    quartic = Poly(explicit.printed_quartic(Rational(float(value))), explicit.u)
    smallest = float(quartic.real_roots(radicals=False)[0].evalf(30))
    assert special.r(float(value)) == pytest.approx(smallest, rel=8 * EPS)
    assert special.q(float(value), 4) == pytest.approx(smallest, rel=8 * EPS)


@pytest.mark.parametrize("D", [3, 4, 5, 10])
@pytest.mark.parametrize("z", [-0.9, -0.01, 0.3, 0.99])
def test_curve_and_conjugate(D, z):
    symbol = Symbol("x")
    curve = in_fifty_digits(depth.curve(symbol).subs(depth.n, D - 2), symbol, z)
    integral = in_fifty_digits(depth.curve_integral(symbol).subs(depth.n, D - 2), symbol, z)
    # near z = 1 the curve magnifies a rounding of z by p/(1 - z), at most 300 here
    assert special.h(z, D) == pytest.approx(float(curve), rel=300 * EPS)
    assert special.q_conjugate(z, D) == pytest.approx(float(integral), rel=300 * EPS)
