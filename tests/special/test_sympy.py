"""SymPy: derivatives, series, values at any magnitude, and what SymPy itself does with the functions."""

import math
import pickle
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch
from mpmath import mp
from sympy import (
    Float,
    I,
    Integer,
    Matrix,
    Order,
    Rational,
    Symbol,
    asinh,
    diff,
    lambdify,
    latex,
    limit,
    nan,
    oo,
    simplify,
    sin,
    sqrt,
    srepr,
    symbols,
)

from derivations.radicals import inverse_depth4, sum_depth4
from implicitbias import special
from implicitbias.special import _symbolic

t = symbols("t", real=True)
GENERIC = [3, 5, 2.5, Fraction(201, 100), 100]
ALL = [2, 4, math.inf, *GENERIC]


def test_closed_forms_are_those_of_the_papers_and_derivations():
    assert simplify(special.q(t) - (t * asinh(t / 2) - sqrt(t**2 + 4) + 2)) == 0
    assert special.q_prime(t) == asinh(t / 2)
    s = sum_depth4(t)
    assert special.q_prime(t, 4) == inverse_depth4(t)
    assert special.q(t, 4) == special.r(t) == (s - 1) * t**2 / s**3
    assert special.q_prime(t, math.inf) == t / (1 + sqrt(1 + t**2))
    for D in (2, 4, math.inf):
        assert not special.q(t, D).has(_symbolic.q, _symbolic.h_inverse)


@pytest.mark.parametrize("D", ALL)
@pytest.mark.parametrize("x", [Rational(1, 3), Integer(-7), Rational(1, 10**6)])
def test_derivatives_are_the_next_function(x, D):
    for name, derivative in (("q", "q_prime"), ("q_prime", "q_second"), ("q_conjugate", "h")):
        found = diff(getattr(special, name)(t, D), t)
        if name == "q_conjugate":
            x = x / 10
        expected = getattr(special, derivative)(x, D)
        assert abs(found.subs(t, x).evalf(40) / expected.evalf(40) - 1) < 1e-30


@pytest.mark.parametrize("D", ALL)
def test_third_derivative_and_complement_against_differences(D):
    x = mpmath.mpf("0.8")
    names = ["q_second"] if D == 2 else ["q_second", "h_inverse_complement"]
    with mpmath.workdps(50):
        for name in names:
            function = getattr(special, name)
            numeric = mpmath.diff(lambda y, function=function: function(y, D), x)
            symbolic = diff(function(t, D), t).evalf(45, subs={t: Float(str(x), 50)})
            assert abs(symbolic - Float(str(numeric), 40)) < 1e-20


@pytest.mark.parametrize("D", GENERIC)
def test_generic_depth_is_a_function_with_exact_chain(D):
    assert special.q(t, D).diff(t) == special.q_prime(t, D)
    assert special.q(t, D).diff(t, 2) == special.q_second(t, D)
    assert special.q(2 * t + 1, D).diff(t) == 2 * special.q_prime(2 * t + 1, D)
    assert special.h(special.h_inverse(t, D), D) == t


@pytest.mark.parametrize("D", GENERIC)
def test_series_at_zero(D):
    series = special.q(t, D).series(t, 0, 8)
    p = Fraction(D) / (Fraction(D) - 2)
    p = Rational(p.numerator, p.denominator)
    assert series.removeO().coeff(t, 2) == 1 / (4 * p)
    assert series.removeO().coeff(t, 4) == -(p + 1) * (p + 2) / (192 * p**3)
    assert simplify(series.diff(t) - special.q_prime(t, D).series(t, 0, 7)).removeO() == 0
    assert simplify(special.q_second(t, D).series(t, 0, 6) - series.diff(t, 2)).removeO() == 0
    inverted = special.h(special.h_inverse(t, D).series(t, 0, 8).removeO(), D).series(t, 0, 8)
    assert simplify(inverted - t - Order(t**8)).removeO() == 0


def test_series_of_a_composition_and_limits():
    assert (
        special.q(sin(t), 3).series(t, 0, 5).removeO() == t**2 / 12 - (Rational(1, 36) + Rational(5, 1296)) * t**4
    )
    assert limit(special.q(t, 3) / t**2, t, 0) == Rational(1, 12)
    assert limit(special.q_prime(t, 3), t, oo) == 1


@pytest.mark.parametrize("D", ALL)
@pytest.mark.parametrize("exponent", [-8700, -40, 0, 40, 8700])
def test_evalf_at_any_magnitude(exponent, D):
    exact = 3 * Integer(10) ** exponent
    with mpmath.workdps(50):
        x = mpmath.mpf(3) * mpmath.mpf(10) ** exponent
        for name in ("q", "q_prime", "q_second", "h_inverse_complement"):
            if D == 2 and name == "h_inverse_complement":
                continue
            reference = getattr(special, name)(x, D)
            value = getattr(special, name)(exact, D).evalf(50)._to_mpmath(mp.prec)
            assert abs(value - reference) <= abs(reference) * mp.eps * 8


def test_evalf_asks_for_the_digits_that_its_argument_cancels():
    small = sqrt(2) - Rational(14142135623730950488, 10**19)
    with mpmath.workdps(40):
        x = mpmath.sqrt(2) - mpmath.mpf(14142135623730950488) / 10**19
        assert abs(special.q(small, 3).evalf(15) - Float(str(special.q(x, 3)), 15)) < 1e-50


@pytest.mark.parametrize("D", ALL)
def test_special_values_and_signs(D):
    zero = Integer(0)
    assert special.q(zero, D) == special.q_prime(zero, D) == 0
    assert special.q_second(zero, D) == (
        Rational(1, 2) if D in (2, math.inf) else (1 - 2 / Rational(Fraction(D))) / 2
    )
    assert special.q(oo, D) == special.q(-oo, D) == oo
    assert special.q_prime(-oo, D) == (-oo if D == 2 else -1)
    assert special.q(nan, D) is nan
    assert special.q(-t, D) == special.q(t, D)
    assert special.q_prime(-t, D) == -special.q_prime(t, D)


def test_assumptions():
    positive = Symbol("u", positive=True)
    assert special.q(t, 3).is_real
    assert special.q(t, 3).is_nonnegative
    assert special.q_prime(positive, 3).is_positive
    assert special.q_prime(-positive, 3).is_negative
    assert special.q_second(t, 3).is_positive
    assert special.h_inverse_complement(t, 3).is_positive
    assert special.q(Symbol("x"), 3).is_real is None


@pytest.mark.parametrize("D", [3, Fraction(5, 2)])
@pytest.mark.parametrize(
    ("module", "x"),
    [
        ("numpy", np.array([0.1, 7.0])),
        ("mpmath", mpmath.mpf("0.3")),
        ("torch", torch.tensor([0.1, 7.0], dtype=torch.float64)),
    ],
)
def test_lambdify_calls_the_function_of_the_namespace(module, x, D):
    for order in range(3):
        compiled = lambdify(t, special.q(t, D).diff(t, order) if order else special.q(t, D), module)
        direct = getattr(special, ("q", "q_prime", "q_second")[order])(x, D)
        assert type(compiled(x)) is type(direct)
        assert float(abs(compiled(x) - direct).max() if module != "mpmath" else abs(compiled(x) - direct)) < 1e-14


def test_pickle_srepr_latex_rewrite_and_matrices():
    expression = special.q(t, 3) + special.q_second(t, Fraction(5, 2))
    assert pickle.loads(pickle.dumps(expression)) == expression
    names = {"Symbol": Symbol, "Integer": Integer, "q": _symbolic.q}
    assert eval(srepr(special.q(t, 3)), names) == special.q(t, 3)
    assert latex(special.q_prime(t, 3)) == r"h_{3}^{-1}\left(t\right)"
    assert latex(special.q(t, 3) ** 2) == r"{\left(q_{3}\left(t\right)\right)}^{2}"
    legendre = special.q(t, 3).rewrite(_symbolic.h_inverse)
    assert abs(legendre.subs(t, 2).evalf() - special.q(Integer(2), 3).evalf()) < 1e-14
    assert special.q(Matrix([t, 1]), 3) == Matrix([special.q(t, 3), special.q(Integer(1), 3)])
    assert list(special.q([t, Integer(0)], 3)) == [special.q(t, 3), 0]


def test_floats_keep_their_precision_and_depths_are_exact():
    assert special.q(Float("0.5", 40), 3)._prec == Float("0.5", 40)._prec
    assert special.q(t, 2.5) == special.q(t, Fraction(5, 2)) == special.q(t, mpmath.mpf("2.5"))
    assert special.q(t, 2.1).args[1] == Rational(Fraction(2.1))


def test_complex_number_is_refused():
    with pytest.raises(TypeError, match="must be real, got I"):
        special.q(I, 3)
    with pytest.raises(TypeError, match="must be real"):
        special.h(1 + I, 3)


@pytest.mark.parametrize("D", [3, Fraction(5, 2), math.inf])
def test_forward_functions_outside_their_domain(D):
    assert special.h(Integer(1), D) == oo == -special.h(Integer(-1), D)
    assert special.h(Integer(2), D) is nan
    assert special.q_conjugate(Rational(-3, 2), D) == oo
