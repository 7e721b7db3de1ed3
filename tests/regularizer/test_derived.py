"""What the derivations state, against the package; and that their steps can fail."""

import numpy as np
import pytest
from sympy import Rational, cosh, sinh, symbols

import implicitbias as ib
from derivations import depth, explicit_depth, reference
from implicitbias.ledger import Check, StepError
from implicitbias.regularizer import _explicit

t = symbols("t", real=True)


def fails(function, *arguments):
    with pytest.raises(StepError) as caught:
        function(Check(), *arguments)
    return str(caught.value)


@pytest.mark.parametrize("D", [Rational(21, 10), Rational(3), Rational(9)])
def test_series_of_the_explicit_regularizer(D):
    second, fourth, sixth = explicit_depth.coefficients(D)
    np.testing.assert_allclose(_explicit._series(float(D)), [float(fourth), float(sixth)], rtol=1e-14)
    z = 1e-3
    expected = z**2 * float(second) + z**4 * float(fourth) + z**6 * float(sixth)
    assert ib.R(1, D=float(D))(z) == pytest.approx(expected, rel=4e-15)


def test_conjugate_of_another_curve():
    fails(reference.bregman_conjugate, 2 * sinh(t), cosh(t) - 1, t)
    fails(reference.bregman_conjugate, depth.curve(t), 2 * depth.curve_integral(t), t)


def test_share_is_a_divergence():
    # at t0 = t it vanishes, and so does its slope; with the wrong slope it does not
    start = symbols("t_0", real=True)
    right, wrong = reference.share(cosh(t), sinh(t), t), reference.share(cosh(t), cosh(t), t)
    assert right.diff(start).subs(start, t) == 0
    assert wrong.diff(start).subs(start, t) != 0


def test_flow_of_the_product():
    u, v, correlation, along = reference.product_flow()
    assert (along(u[0]) + 2 * correlation[0] * v[0]).expand() == 0
    assert (along(u[0] ** 2 + v[0] ** 2)).expand() != 0  # only the difference is conserved


def test_curvature_needs_the_right_constraint():
    E = explicit_depth.slope_of_constraint(Check())
    assert "E = 1 there" in fails(explicit_depth.curvature, 2 * E)
