"""Arguments outside what is supported: the kind of error, and that its text says what is wrong."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
import torch
from mpmath import mp

from implicitbias import special


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (1j, "z must be real, got the complex number 1j"),
        (np.array([1j]), "got dtype complex128"),
        (mpmath.mpc(1, 1), "z must be real"),
        ("1", "z must be a number.*got str"),
        (None, "got NoneType"),
        (np.array(["a"]), "got dtype <U1"),
        ([1.0, mpmath.mpf(1), sympy.Integer(1)], "z mixes SymPy and mpmath numbers"),
        ([torch.tensor(1.0), mpmath.mpf(1)], "z mixes mpmath and torch numbers"),
    ],
)
def test_arguments_that_are_no_real_numbers_of_one_kind(x, message):
    with pytest.raises(TypeError, match=message):
        special.q(x)


def test_the_argument_is_called_by_its_name():
    for function, name in (
        (special.h, "s"),
        (special.h_inverse, "t"),
        (special.q_conjugate, "s"),
        (special.q_second, "z"),
    ):
        with pytest.raises(TypeError, match=f"{name} must be"):
            function("x", 3)


def test_complex_tensor():
    with pytest.raises(TypeError, match="real"):
        special.q(torch.tensor([1j]))


@pytest.mark.parametrize(
    "D", [1, 1.99, -3, 0, math.nan, -math.inf, Fraction(3, 2), mpmath.mpf("1.9"), sympy.Integer(1)]
)
def test_depth_out_of_range(D):
    with pytest.raises(ValueError, match="D must be a real number >= 2"):
        special.q(1.0, D)


@pytest.mark.parametrize("D", [True, "3", 3j, None, [3], np.array([3.0, 4.0])])
def test_depth_that_is_no_number(D):
    with pytest.raises(TypeError, match="D must be a real number >= 2"):
        special.q(1.0, D)


def test_symbolic_depth():
    with pytest.raises(TypeError, match="symbolic depth is not supported"):
        special.q(1.0, sympy.Symbol("D"))


@pytest.mark.parametrize("x", [1.0, torch.tensor(1.0), mpmath.mpf(1), sympy.Symbol("t")])
def test_complement_at_depth_two(x):
    with pytest.raises(ValueError, match="D must be greater than 2 for h_inverse_complement"):
        special.h_inverse_complement(x, 2)


@pytest.mark.parametrize(
    "D", [3, 3.0, np.int64(3), np.float32(3), Fraction(3), mpmath.mpf(3), sympy.Integer(3), sympy.Float(3)]
)
def test_the_same_depth_in_every_form(D):
    assert special.q(1.5, D) == special.q(1.5, 3)
    assert special.q(mpmath.mpf(1.5), D) == special.q(mpmath.mpf(1.5), 3)
    assert special.q(torch.tensor(1.5), D) == special.q(torch.tensor(1.5), 3)


@pytest.mark.parametrize("D", [math.inf, sympy.oo, mpmath.inf])
def test_infinite_depth_in_every_form(D):
    assert special.q(mpmath.mpf(1.5), D) == special.q(mpmath.mpf(1.5), math.inf)
    assert special.q(1.5, D) == special.q(1.5, math.inf)


def test_rational_depth_next_to_two_is_exact():
    k = 10**60
    p = Fraction(2 * k + 1, 1)
    with mpmath.workdps(30):
        value = special.q_prime(mpmath.mpf(3), Fraction(2 * k + 1, k))
        assert abs(value * p.numerator / mpmath.asinh(mpmath.mpf(3) / 2) - 1) < mpmath.mpf(10) ** -28


@pytest.mark.parametrize("precision", [30, 53, 400])
def test_precision_in_force_is_left_alone(precision):
    before = mp.prec
    with mpmath.workprec(precision):
        for D in (2, 3, math.inf):
            for function in (special.q, special.h_inverse, special.q_second, special.h, special.q_conjugate):
                function(mpmath.mpf("0.3"), D)
                assert mp.prec == precision
        with pytest.raises((TypeError, ValueError)):
            special.q(mpmath.mpf(1), 1)
        assert mp.prec == precision
        special.q(sympy.Float("0.3", 70), 3).evalf(60)
        special.q(np.array([0.3]), 7)
        assert mp.prec == precision
    assert mp.prec == before


def test_precision_survives_an_exception_inside(monkeypatch):
    from implicitbias.special import _multiprecision

    def broken(*args):
        raise ArithmeticError("inside")

    monkeypatch.setattr(_multiprecision, "solve_h", broken)
    before = mp.prec
    with pytest.raises(ArithmeticError, match="inside"):
        special.q(mpmath.mpf(1), 3)
    assert mp.prec == before


def test_private_contexts_and_containers():
    ctx = mpmath.mp.clone()
    ctx.dps = 50
    value = special.q(ctx.mpf(1), 3)
    assert value.context is ctx
    matrix = special.q(mpmath.matrix([[1, 2], [3, 4]]), 3)
    assert matrix[1, 0] == special.q(mpmath.mpf(3), 3)
    assert list(special.q([mpmath.mpf(1), 2], 3)) == [special.q(mpmath.mpf(1), 3), special.q(mpmath.mpf(2), 3)]
