"""Values at the ends of the range of floats that went wrong once."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from implicitbias import Q


@pytest.mark.parametrize("alpha", [1, "1e-300", "1e300"])
@pytest.mark.parametrize("theta", [1e19, 1.7e308])
def test_conjugate_functions_at_depth_two_overflow_to_infinity(alpha, theta):
    reg = Q(alpha)
    assert reg.conjugate(theta) == np.inf
    assert reg.grad_conjugate(-theta) == -np.inf
    assert reg.hess_diag_conjugate(theta) == np.inf


@pytest.mark.parametrize("D", [2, 3, 17.25])
@pytest.mark.parametrize("theta", [5e-324, 1e-310, 3e-200])
def test_subnormal_dual_variable_at_large_scale(D, theta):
    reg = Q("1e10", D)
    assert reg.grad_conjugate(theta) == pytest.approx(float(reg.grad_conjugate(mpf(theta))), rel=1e-15)
    assert reg.conjugate(theta) == pytest.approx(float(reg.conjugate(mpf(theta))), rel=1e-15)


@pytest.mark.parametrize("D", [2.5, 3, 17.25])
def test_hessian_of_the_conjugate_outside_its_domain(D):
    reg = Q(1, D)
    assert reg.hess_diag_conjugate(mpf(1)) == mpmath.inf
    assert reg.hess_diag_conjugate(1.0) == np.inf
    assert mpmath.isnan(reg.hess_diag_conjugate(mpf(2)))
    assert np.isnan(reg.hess_diag_conjugate(2.0))


def test_scale_from_decimal_and_sympy_floats():
    from decimal import Decimal

    import sympy

    assert Q(Decimal("0.1")) == Q("0.1")
    assert Q(sympy.Float(0.1)) == Q(0.1)
    assert Q(sympy.Float(0.1))(0.5) == Q(0.1)(0.5)


def test_scale_from_extended_precision_is_exact():
    third = np.longdouble(1) / 3
    assert Q(third) == Q(Fraction(*map(int, third.as_integer_ratio())))
