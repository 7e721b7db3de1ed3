"""The power function against its definition in mpmath, and the properties of its conjugate."""

import copy
import math
import pickle
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st

from implicitbias.regularizer import L1, L2, Lp, Regularizer
from tests import strategies

EXPONENTS = [Fraction(2, 3), 0.5, 0.2, 1, Fraction(4, 3), 1.5, 2, 2.5, 7]
DUAL = ["conjugate", "grad_conjugate", "hess_diag_conjugate"]
PRIMAL = ["__call__", "grad", "hess_diag"]


def exact(name, x, p):
    """One coordinate at 60 digits: the definition, and differences of it; the conjugate by its maximum."""
    with mpmath.workdps(60):
        p = mpmath.mpf(p.numerator) / p.denominator if isinstance(p, Fraction) else mpmath.mpf(p)
        x = mpmath.mpf(x)

        def value(t):
            return mpmath.exp(p * mpmath.log(abs(t))) if t else mpmath.mpf(0)

        if name in PRIMAL:
            h = abs(x) * mpmath.mpf(10) ** -20
            return {
                "__call__": lambda: value(x),
                "grad": lambda: (value(x + h) - value(x - h)) / (2 * h),
                "hess_diag": lambda: (value(x + h) - 2 * value(x) + value(x - h)) / h**2,
            }[name]()
        # the maximum of x b - |b|^p, where p b^(p-1) = |x|
        b = mpmath.findroot(
            lambda t: mpmath.log(p) + (p - 1) * t - mpmath.log(abs(x)), mpmath.log(abs(x) / p) / (p - 1)
        )
        b = mpmath.exp(b)
        return {
            "conjugate": lambda: abs(x) * b - value(b),
            "grad_conjugate": lambda: mpmath.sign(x) * b,
            "hess_diag_conjugate": lambda: 1 / (p * (p - 1) * b ** (p - 2)),
        }[name]()


@given(p=st.sampled_from(EXPONENTS), x=strategies.signed(strategies.magnitudes(-30.0, 30.0)))
def test_values_and_derivatives(p, x):
    reg = Lp(p)
    for name in PRIMAL + (DUAL if p > 1 else []):
        want = exact(name, x, p)
        size = abs(float(want))
        if p == 1 and name == "hess_diag":
            size = 1.0 / abs(x)  # the differences leave a rounding error of this scale where 0 is exact
        # the float power of 1e30 amplifies the rounding of its logarithm
        got = getattr(reg, name)(np.array([x]))
        assert abs(float(np.sum(got)) - float(want)) <= 2e-14 * size
        digits = getattr(reg, name)([mpmath.mpf(x)])
        digits = digits[0] if isinstance(digits, list) else digits
        assert abs(float(digits) - float(want)) <= 4e-16 * size
        tensor = getattr(reg, name)(torch.tensor([x], dtype=torch.float64)).sum()
        assert abs(float(tensor) - float(want)) <= 2e-14 * size


@pytest.mark.parametrize("p", EXPONENTS)
@pytest.mark.parametrize("exponent", [-4350, -1, 4350])
def test_digits_of_the_precision_in_force(p, exponent):
    reg = Lp(p)
    with mpmath.workdps(50):
        x = -3 * mpmath.mpf(10) ** exponent
        for name in PRIMAL + (DUAL if p > 1 else []):
            few = getattr(reg, name)(x)
            with mpmath.workdps(90):
                many = getattr(reg, name)(x)
            assert mpmath.almosteq(few, many, mpmath.mpf(10) ** -49)


@pytest.mark.parametrize("p", EXPONENTS)
def test_at_zero(p):
    reg = Lp(p)
    curvature = 2.0 if p == 2 else 0.0 if p == 1 or p > 2 else math.copysign(math.inf, p - 1)
    for zero in (np.zeros(2), -np.zeros(2), torch.zeros(2), [mpmath.mpf(0)] * 2, [sympy.Integer(0)] * 2):
        assert float(reg(zero)) == 0.0
        assert [float(v) for v in reg.grad(zero)] == [0.0, 0.0]
        assert [float(v) for v in reg.hess_diag(zero)] == [curvature] * 2
        assert float(reg.conjugate(zero)) == 0.0
    tensor = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    reg(tensor).backward()
    assert tensor.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("p", EXPONENTS)
def test_torch_derivatives(p):
    x = torch.tensor([0.3, -2.0, 1e-3], dtype=torch.float64, requires_grad=True)
    reg = Lp(p)
    (slope,) = torch.autograd.grad(reg(x), x, create_graph=True)
    torch.testing.assert_close(slope, reg.grad(x))
    if p != 1:
        (curvature,) = torch.autograd.grad(slope.sum(), x)
        torch.testing.assert_close(curvature, reg.hess_diag(x))
    assert reg.grad(x.detach().float()).dtype == torch.float32


def test_sympy():
    x = sympy.Symbol("x", positive=True)
    reg = Lp(Fraction(2, 3))
    assert reg(x) == x ** sympy.Rational(2, 3)
    assert sympy.simplify(sympy.diff(reg(x), x) - reg.grad(x)) == 0
    assert sympy.simplify(sympy.diff(reg(x), x, 2) - reg.hess_diag(x)) == 0
    convex = Lp(Fraction(3, 2))
    assert sympy.simplify(convex.grad(convex.grad_conjugate(x)) - x) == 0
    assert sympy.simplify(sympy.diff(convex.conjugate(x), x) - convex.grad_conjugate(x)) == 0
    assert sympy.simplify(sympy.diff(convex.conjugate(x), x, 2) - convex.hess_diag_conjugate(x)) == 0
    assert reg([-x, sympy.Integer(0)]) == x ** sympy.Rational(2, 3)


def test_agrees_with_the_norms():
    x = np.array([-2.0, 0.0, 3.5, 1e300])
    with np.errstate(over="ignore"):
        for name in ("grad", "hess_diag", "__call__"):
            np.testing.assert_array_equal(getattr(Lp(1), name)(x), getattr(L1(), name)(x))
            np.testing.assert_allclose(getattr(Lp(2), name)(x[:3]), 2 * getattr(L2(), name)(x[:3]), rtol=1e-15)
    np.testing.assert_array_equal(Lp(1).conjugate(np.array([-1.0, 1.0])), 0.0)
    assert Lp(1).conjugate(np.array([1.5])) == math.inf


@given(p=st.floats(1.05, 8.0), b=strategies.reals(-20.0, 20.0), t=strategies.reals(-10.0, 10.0))
def test_fenchel_young(p, b, t):
    reg = Lp(p)
    with np.errstate(over="ignore"):
        left, right = float(reg(b)) + float(reg.conjugate(t)), b * t
    assert left >= right * (1 - 1e-13) or math.isinf(left)
    slope = float(reg.grad(b))
    if 1e-250 < abs(slope) < 1e250:
        assert float(reg(b)) + float(reg.conjugate(slope)) == pytest.approx(b * slope, rel=1e-12)
        # a power of 1/(p-1) multiplies the rounding of the slope
        assert float(reg.grad_conjugate(slope)) == pytest.approx(b, rel=1e-12 / (p - 1))


@given(
    p=st.sampled_from(EXPONENTS),
    x=st.lists(strategies.reals(-20.0, 20.0), min_size=1),
    c=strategies.magnitudes(-3, 3),
)
def test_homogeneous_and_even(p, x, c):
    reg, x = Lp(p), np.array(x)
    assert float(reg(c * x)) == pytest.approx(c ** float(p) * float(reg(x)), rel=1e-12)
    assert reg(-x) == reg(x)
    np.testing.assert_array_equal(reg.grad(-x), -np.asarray(reg.grad(x)))


def test_convex_from_one_on():
    assert [Lp(p).is_convex for p in (0.5, 1, 2)] == [False, True, True]
    assert [float(Lp(p).dual_bound) for p in (0.5, 1, 2)] == [0.0, 1.0, math.inf]
    assert Lp(0.5)(np.ones(2)) > (Lp(0.5)(np.array([2.0, 0.0])) + Lp(0.5)(np.array([0.0, 2.0]))) / 2


def test_depth():
    """|beta|^(2/D) is the least cost of weights with w_+^D - w_-^D = beta."""
    for D, beta in ((2, 0.3), (3, -2.0), (5, 7.0)):
        minus = np.linspace(0.0, 3.0, 100_001)
        plus = np.maximum(abs(beta) + minus**D, 0.0) ** (1 / D)
        assert float(Lp(Fraction(2, D))(beta)) == pytest.approx((plus**2 + minus**2).min(), rel=1e-12)


@pytest.mark.parametrize("p", [Fraction(2, 3), 0.5, 2, 0.1])
def test_identity(p):
    reg = Lp(p)
    assert isinstance(reg, Regularizer)
    assert reg.p == p
    assert type(reg.p) is type(p)
    for other in (
        eval(repr(reg), {"Lp": Lp, "Fraction": Fraction}),
        pickle.loads(pickle.dumps(reg)),
        copy.copy(reg),
    ):
        assert other == reg
        assert hash(other) == hash(reg)
    assert reg != Lp(3)
    assert reg.restricted([0]) == reg


def test_exact_numbers():
    assert Lp(0.5) == Lp(Fraction(1, 2)) == Lp(mpmath.mpf("0.5")) == Lp(sympy.Rational(1, 2)) == Lp(np.float32(0.5))
    assert Lp(2) == Lp(2.0) == Lp(np.int64(2))
    assert Lp(2 / 3) != Lp(Fraction(2, 3))
    assert Lp(2) != L2()


@pytest.mark.parametrize(
    ("p", "kind", "message"),
    [
        (0, ValueError, "p must be a positive finite number, got 0"),
        (-0.5, ValueError, "p must be a positive finite number, got -0.5"),
        (math.nan, ValueError, "p must be a positive finite number, got nan"),
        (math.inf, ValueError, "p must be a positive finite number, got inf"),
        ("2/3", TypeError, "p must be a real number, got str"),
        (True, TypeError, "p must be a real number, got bool"),
        (None, TypeError, "p must be a real number, got NoneType"),
    ],
)
def test_bad_exponents(p, kind, message):
    with pytest.raises(kind, match=message):
        Lp(p)


@pytest.mark.parametrize("p", [Fraction(1, 3), 1])
def test_no_gradient_of_an_indicator(p):
    for name in ("grad_conjugate", "hess_diag_conjugate"):
        with pytest.raises(NotImplementedError, match="is an indicator for p <= 1, here p = "):
            getattr(Lp(p), name)(np.ones(2))


def test_conjugate_below_one():
    reg = Lp(Fraction(2, 3))
    assert reg.conjugate(np.zeros(3)) == 0.0
    assert reg.conjugate(np.array([0.0, 1e-300])) == math.inf
    assert reg.conjugate(torch.tensor([1e-3])) == math.inf
    assert reg.conjugate([mpmath.mpf(1)]) == mpmath.inf
    assert reg.conjugate([sympy.Integer(1)]) is sympy.oo
    assert math.isnan(reg.conjugate(np.array([math.nan])))
    assert math.isnan(reg(np.array([math.nan])))
