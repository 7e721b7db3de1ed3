"""Regularizers as objects: identity, reading back, copies, error texts, containers."""

import copy
import pickle
import warnings
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
import torch

import implicitbias as ib

a = sympy.Symbol("a", positive=True)
x = sympy.Symbol("x", real=True)
NAMES = {"np": np, "mpf": mpmath.mpf, "Fraction": Fraction, "a": a} | {
    n: getattr(ib, n) for n in ("Q", "R", "L1", "L2")
}
REGULARIZERS = [
    ib.Q(0.1),
    ib.Q("1e-4350", 3, [1.0, -2.5]),
    ib.Q(Fraction(1, 3), Fraction(7, 3)),
    ib.Q(sympy.Rational(1, 3), sympy.Rational(5, 2)),
    ib.Q(mpmath.mpf("0.25"), mpmath.mpf("2.5")),
    ib.Q(np.float64(0.5)),
    ib.Q(np.int64(3)),
    ib.Q(a, 3),
    ib.Q(1, w0=np.array([0.1, 0.7])),
    ib.Q.from_log_alpha(-1e4, 3),
    ib.Q.from_log_alpha("-1e9"),
    ib.R("1e-9", [1, 2]),
    ib.R.from_log_alpha(-7),
    ib.R(0.3, D=3),
    ib.L1(),
    ib.L1([0.5, 2]),
    ib.L2(),
    ib.L2([1, 0.1]),
]


@pytest.mark.parametrize("reg", REGULARIZERS, ids=repr)
def test_reads_back_and_copies(reg):
    for other in (eval(repr(reg), NAMES), pickle.loads(pickle.dumps(reg)), copy.copy(reg), copy.deepcopy(reg)):
        assert other == reg
        assert hash(other) == hash(reg)
        assert repr(other) == repr(reg)


def test_copies_evaluate_alike_also_after_use_with_torch():
    reg = ib.Q(0.1, 3, [1, 2])
    reg(torch.ones(2))
    assert pickle.loads(pickle.dumps(reg))([1.0, 2.0]) == reg([1.0, 2.0])


def test_equality_is_that_of_exact_numbers():
    assert ib.Q(0.1) != ib.Q("0.1")
    assert ib.Q(0.1) == ib.Q("0.1000000000000000055511151231257827021181583404541015625")
    assert ib.Q(0.5) == ib.Q("0.5") == ib.Q(Fraction(1, 2)) == ib.Q(mpmath.mpf("0.5")) == ib.Q(sympy.Rational(1, 2))
    assert len({ib.Q(0.5), ib.Q("0.5"), ib.Q("5e-1"), ib.Q(np.float32(0.5))}) == 1
    assert ib.Q("1e-4350") == ib.Q("10e-4351")
    assert ib.Q("1e-4350") != ib.Q("1e-4351")
    assert ib.Q(1) == ib.Q(1, 2.0)
    assert ib.Q(1) != ib.Q(1, 3)
    assert ib.Q(1) != ib.R(1)
    assert ib.R(1, [1, 2]) == ib.R(1, [-1, 2]) != ib.R(1)
    assert ib.Q(1, w0=[1, 2]) == ib.Q(1, w0=[1, -2])
    assert ib.Q(1, w0=[1, 2]) != ib.Q(1, w0=[1, 3])
    assert ib.Q.from_log_alpha(0) != ib.Q(1)  # told apart by how they were given
    assert ib.L1() != ib.L2()
    assert ib.L2([1, 2]) != ib.L2()
    assert ib.L1([1, 2]) != ib.L1()
    assert ib.L1([1, 2]) != ib.L2([1, 2])
    assert ib.L1([1, 2]) == ib.L1((1.0, 2.0))
    assert ib.Q(1) != 1


def test_different_scales_that_one_float_holds_differ():
    one, other = ib.Q("1e-1000000"), ib.Q("1.0000000000000000001e-1000000")
    assert one != other
    with mpmath.workdps(40):
        assert one.grad(mpmath.mpf(1)) != other.grad(mpmath.mpf(1))


@pytest.mark.parametrize("log_alpha", [0, -3.5, "-1e4", 700, mpmath.mpf(-2), Fraction(1, 3)])
@pytest.mark.parametrize("D", [2, 3])
def test_scale_given_by_its_logarithm(log_alpha, D):
    reg = ib.Q.from_log_alpha(log_alpha, D, [1, 2])
    with mpmath.workdps(40):
        power = mpmath.mpf(Fraction(str(log_alpha) if isinstance(log_alpha, str) else 0).numerator)
        exact = (
            power
            if isinstance(log_alpha, str)
            else mpmath.mpf(log_alpha)
            if not isinstance(log_alpha, Fraction)
            else mpmath.mpf(1) / 3
        )
        alpha = mpmath.exp(exact)
        direct = ib.Q(alpha, D, [1, 2])
        assert mpmath.almosteq(reg([mpmath.mpf(1), mpmath.mpf(3)]), direct([mpmath.mpf(1), mpmath.mpf(3)]), 1e-36)
    np.testing.assert_allclose(reg.grad([1.0, 3.0]), direct.grad([1.0, 3.0]), rtol=1e-15)
    assert reg.log_alpha == pytest.approx(float(exact), rel=1e-15, abs=1e-300)


def test_symbolic_scale():
    reg = ib.Q(a)
    expected = x * sympy.asinh(x / (2 * a**2)) - sympy.sqrt(4 * a**4 + x**2) + 2 * a**2
    assert sympy.simplify(reg(x) - expected) == 0
    assert sympy.simplify(sympy.diff(expected, x) - reg.grad(x)) == 0
    assert sympy.simplify(sympy.diff(expected, x, 2) - reg.hess_diag(x)) == 0
    conjugate = 2 * a**2 * (sympy.cosh(x) - 1)
    assert sympy.simplify((reg.conjugate(x) - conjugate).rewrite(sympy.exp)) == 0
    assert sympy.simplify((reg.grad_conjugate(x) - 2 * a**2 * sympy.sinh(x)).rewrite(sympy.exp)) == 0
    assert sympy.simplify((reg.hess_diag_conjugate(x) - 2 * a**2 * sympy.cosh(x)).rewrite(sympy.exp)) == 0
    third = ib.Q(a, 3).grad_conjugate(x)
    assert sympy.simplify(third - a**3 * ((1 - x) ** -3 - (1 + x) ** -3)) == 0
    limit = sympy.limit(ib.Q(a)(sympy.Integer(3)) / sympy.log(1 / a**2), a, 0, "+")
    assert limit == 3
    for bad in (1.0, np.ones(2), torch.ones(2), mpmath.mpf(1)):
        with pytest.raises(
            TypeError, match="alpha is the expression a; it can be evaluated on SymPy expressions only"
        ):
            reg.grad(bad)


def test_sympy_floats_and_matrices():
    third = float(ib.Q(1, 3)(0.3))
    assert float(ib.Q(1, 3)(sympy.Float(0.3, 20))) == pytest.approx(third, rel=1e-15)
    assert float(ib.Q(1, 3).hess_diag_conjugate(sympy.Float(0.3))) == pytest.approx(
        ib.Q(1, 3).hess_diag_conjugate(0.3)
    )
    column = sympy.Matrix([1, 2])
    assert ib.Q(1).grad(column) == sympy.Matrix([sympy.asinh(sympy.Rational(1, 2)), sympy.asinh(1)])
    assert float(ib.Q(1, w0=[1, 2])(column)) == pytest.approx(ib.Q(1, w0=[1, 2])([1.0, 2.0]), rel=1e-15)


def test_mpmath_containers_have_scalar_values():
    flat = [mpmath.mpf(k) for k in (1, 2, 3, 4)]
    nested = [flat[:2], flat[2:]]
    for reg in (ib.Q(1), ib.L2(), ib.L1()):
        value = reg(flat)
        assert isinstance(value, mpmath.mpf)
        assert reg(nested) == reg(np.array(nested)) == reg(mpmath.matrix(nested)) == value
        assert reg.grad(nested) == [reg.grad(flat)[:2], reg.grad(flat)[2:]]
        assert reg(mpmath.mpf(3)) == reg([mpmath.mpf(3)])


ALPHA = (
    "alpha must be a positive finite number: int, float, decimal string such as '1e-4350', or mpmath number, got "
)


@pytest.mark.parametrize(
    ("alpha", "error", "got"),
    [
        (0, ValueError, "0"),
        (-1.5, ValueError, "-1.5"),
        (float("nan"), ValueError, "nan"),
        (float("inf"), ValueError, "inf"),
        (mpmath.mpf("-1"), ValueError, "mpf('-1.0')"),
        (mpmath.mpf("inf"), ValueError, "mpf('+inf')"),
        (mpmath.mpf("nan"), ValueError, "mpf('nan')"),
        ("0", ValueError, "'0'"),
        ("-1e-5", ValueError, "'-1e-5'"),
        ("nan", ValueError, "'nan'"),
        ("Infinity", ValueError, "'Infinity'"),
        ("abc", ValueError, "'abc'"),
        ("", ValueError, "''"),
        (sympy.Integer(-1), ValueError, "the expression -1"),
        (sympy.oo, ValueError, "the expression oo"),
        (sympy.nan, ValueError, "the expression nan"),
        (sympy.I, ValueError, "the expression I"),
        (sympy.true, ValueError, "the expression True"),
        (sympy.Symbol("n", negative=True), ValueError, "the expression n"),
        (True, TypeError, "True of type bool"),
        (np.bool_(True), TypeError, "np.True_ of type bool"),
        (1j, TypeError, "1j of type complex"),
        (None, TypeError, "None of type NoneType"),
        ([1.0], TypeError, "[1.0] of type list"),
        (np.array([1.0]), TypeError, "array([1.]) of type ndarray"),
    ],
)
@pytest.mark.parametrize("kind", [ib.Q, ib.R])
def test_bad_scale(kind, alpha, error, got):
    with pytest.raises(error) as caught:
        kind(alpha)
    assert str(caught.value) == ALPHA + got


@pytest.mark.parametrize("bad", [float("nan"), float("-inf"), "x", sympy.Symbol("l"), mpmath.mpf("inf")])
def test_bad_logarithm(bad):
    with pytest.raises(ValueError, match="log_alpha must be a finite real number"):
        ib.Q.from_log_alpha(bad)
    with pytest.raises(TypeError, match="log_alpha must be a finite real number"):
        ib.R.from_log_alpha(1j)


@pytest.mark.parametrize(
    ("D", "error", "text"),
    [
        (1, ValueError, "D must be a real number >= 2, got 1"),
        (1.999, ValueError, "D must be a real number >= 2, got 1.999"),
        (float("nan"), ValueError, "D must be a real number >= 2, got nan"),
        (
            float("inf"),
            ValueError,
            "D must be a finite real number >= 2, got inf; special.q takes the limit D = inf",
        ),
        (sympy.oo, ValueError, "D must be a finite real number >= 2, got inf; special.q takes the limit D = inf"),
        ("3", TypeError, "D must be a real number >= 2, got '3' of type str"),
        (True, TypeError, "D must be a real number >= 2, got True of type bool"),
        (None, TypeError, "D must be a real number >= 2, got None of type NoneType"),
        (3 + 0j, TypeError, "D must be a real number >= 2, got (3+0j) of type complex"),
        (a, TypeError, "D must be a number, got the expression a; symbolic depth is not supported"),
    ],
)
def test_bad_depth(D, error, text):
    with pytest.raises(error) as caught:
        ib.Q(1, D)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("w0", "error", "text"),
    [
        ([1, 0], ValueError, "w0 must have nonzero finite entries, got 0 at index 1"),
        ([np.nan, 1], ValueError, "w0 must have nonzero finite entries, got nan at index 0"),
        ([1, np.inf], ValueError, "w0 must have nonzero finite entries, got inf at index 1"),
        ([[1.0, 2.0]], ValueError, r"w0 must have shape (d,), got an array of shape (1, 2)"),
        (2.0, ValueError, r"w0 must have shape (d,), got an array of shape ()"),
        ([], ValueError, r"w0 must have shape (d,), got an array of shape (0,)"),
        ([1j, 1], TypeError, "w0 must hold real numbers, got dtype complex128"),
        (["1"], TypeError, "w0 must hold real numbers, got dtype <U1"),
        ([True, False], TypeError, "w0 must hold real numbers, got dtype bool"),
        ([1e-200, 1], ValueError, "w0 must vary moderately: its entries to the power 2D - 2 = 4 must stay within"),
        ([1e80, 1], ValueError, "put a common factor into alpha"),
    ],
)
def test_bad_shape(w0, error, text):
    with pytest.raises(error) as caught:
        ib.Q(1, 3, w0)
    assert text in str(caught.value)


@pytest.mark.parametrize("kind", [ib.L1, ib.L2])
def test_bad_weights(kind):
    for bad, text in [
        ([1, 0.0], "weights must be positive and finite, got 0.0 at index 1"),
        ([-1.0], "weights must be positive and finite, got -1.0 at index 0"),
        ([np.inf], "weights must be positive and finite, got inf at index 0"),
        ([[1.0]], r"weights must have shape (d,), got an array of shape (1, 1)"),
    ]:
        with pytest.raises(ValueError) as caught:  # noqa: PT011  the whole text is compared below
            kind(bad)
        assert str(caught.value) == text


@pytest.mark.parametrize(
    "name", ["__call__", "grad", "hess_diag", "conjugate", "grad_conjugate", "hess_diag_conjugate"]
)
def test_argument_must_match_the_shape(name):
    for argument in (np.ones(3), 1.0, np.ones((2, 3)), [mpmath.mpf(1)] * 3, torch.ones(3), [x, x, x]):
        for reg, what in ((ib.Q(1, 2, [1, 2]), "w0"), (ib.R(1, [1, 2]), "w0"), (ib.L2([1, 2]), "weights")):
            with pytest.raises(ValueError, match=rf"must have the length of {what} along its last axis, got shape"):
                getattr(reg, name)(argument)


@pytest.mark.parametrize("reg", [ib.Q(1), ib.R(1), ib.L1(), ib.L2()], ids=repr)
def test_bad_arguments(reg):
    with pytest.raises(TypeError, match="beta must be real, got the complex number 1j"):
        reg(1j)
    with pytest.raises(TypeError, match="dtype complex128; for higher precision pass mpmath numbers"):
        reg(np.array([1j]))
    with pytest.raises(TypeError, match="beta mixes SymPy and mpmath numbers"):
        reg([mpmath.mpf(1), sympy.Integer(1)])
    with pytest.raises(TypeError, match=r"beta must be a number, a NumPy array, .* got str"):
        reg("1")
    with pytest.raises(TypeError, match="got NoneType"):
        reg([1.0, None])
    with pytest.raises(TypeError, match="theta must be real"):
        reg.conjugate(1j)


@pytest.mark.parametrize("reg", [ib.L1(), ib.L1([2.0])], ids=repr)
def test_l1_has_no_curve(reg):
    for name in ("grad_conjugate", "hess_diag_conjugate"):
        with pytest.raises(
            NotImplementedError, match="the conjugate of the l1 norm is an indicator: it has no gradient"
        ):
            getattr(reg, name)([0.1])


@pytest.mark.parametrize("name", ["__call__", "grad", "hess_diag", "conjugate"])
def test_weighted_l1_must_match_its_argument(name):
    for argument in (np.ones(3), 1.0, [mpmath.mpf(1)] * 3, torch.ones(3), [x, x, x]):
        with pytest.raises(ValueError, match="must have the length of weights along its last axis, got shape"):
            getattr(ib.L1([1, 2]), name)(argument)


def test_weighted_l1_in_all_namespaces():
    reg, point = ib.L1([0.5, 2.0, 3.0]), [4.0, -0.25, 0.0]
    np.testing.assert_array_equal(reg.dual_bound, [0.5, 2.0, 3.0])
    for argument in (
        np.array(point),
        torch.tensor(point),
        [mpmath.mpf(v) for v in point],
        [sympy.Rational(v) for v in point],
    ):
        assert float(reg(argument)) == 2.5
        assert [float(v) for v in reg.grad(argument)] == [0.5, -2.0, 0.0]
        assert [float(v) for v in reg.hess_diag(argument)] == [0.0, 0.0, 0.0]
    for theta, value in (([0.5, -2.0, 1.0], 0.0), ([0.5, -2.5, 1.0], np.inf)):
        for argument in (
            np.array(theta),
            torch.tensor(theta),
            [mpmath.mpf(v) for v in theta],
            [sympy.Rational(v) for v in theta],
        ):
            assert float(reg.conjugate(argument)) == value
    assert reg.restricted([2, 0]) == ib.L1([3.0, 0.5])
    assert ib.L1().restricted([0]) == ib.L1()
    # the rich limit of Q at depth 3, at w0 = 1/weights
    assert ib.Q("1e-4350", 3, 1 / reg.weights)(point) == pytest.approx(2.5, rel=1e-14)


def test_scale_as_it_was_given():
    third = Fraction(1, 3)
    for given in (0.1, "1e-4350", third, a):
        assert ib.Q(given).alpha == given
        assert ib.R(given).alpha == given
    assert ib.Q.from_log_alpha(-3).alpha is None
    assert ib.Q(0.1).at_log_alpha(-3).alpha is None


def test_long_vectors_are_abbreviated():
    short, long = np.linspace(1.0, 2.0, 12), np.linspace(1.0, 2.0, 1000)
    assert repr(ib.Q(1, w0=short)).count(",") == 13
    assert repr(ib.Q(1, w0=long)) == "Q(1, D=2, w0=<1000 entries from 1 to 2>)"
    assert repr(ib.R(1, long)) == "R(1, w0=<1000 entries from 1 to 2>)"
    assert repr(ib.L2(long)) == "L2(weights=<1000 entries from 1 to 2>)"
    assert ib.L2(long) != ib.L2(long[::-1])


def test_shape_and_weights_are_read_only():
    given = np.array([1.0, -2.0])
    for held in (ib.Q(1, 2, given).w0, ib.R(1, given).w0, ib.L2(abs(given)).weights, ib.L1(abs(given)).weights):
        assert held.tolist() == [1.0, 2.0]
        with pytest.raises(ValueError, match="read-only"):
            held[0] = 3.0
    with pytest.raises(AttributeError):
        ib.Q(1, 2, given).w0 = given
    reg = ib.Q(1, 2, given)
    given[0] = 7.0
    assert reg.w0[0] == 1.0


@pytest.mark.parametrize("reg", [ib.Q(0.1), ib.Q("1e-4350", 3), ib.R(0.1), ib.L1(), ib.L2()], ids=repr)
def test_numpy_arrays_of_every_sort(reg):
    base = np.linspace(-2.0, 2.0, 12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("grad", "hess_diag"):
            function = getattr(reg, name)
            want = function(base)
            np.testing.assert_array_equal(function(base.reshape(3, 4)), want.reshape(3, 4))
            np.testing.assert_array_equal(function(base.reshape(3, 4).T), want.reshape(3, 4).T)
            np.testing.assert_array_equal(function(base[::-2]), want[::-2])
            np.testing.assert_array_equal(function(base.tolist()), want)
            frozen = base.copy()
            frozen.setflags(write=False)
            np.testing.assert_array_equal(function(frozen), want)
            assert function(np.empty(0)).shape == (0,)
            assert function([]).shape == (0,)
            assert np.shape(function(np.float64(0.5))) == np.shape(function(0.5)) == ()
            assert function(base.astype(np.float32)).dtype == np.float32
            np.testing.assert_array_equal(function(np.array([1, -2])), function([1.0, -2.0]))
            np.testing.assert_array_equal(function([True, False]), function([1.0, 0.0]))
            np.testing.assert_array_equal(function(np.array([1.0, 2.0], dtype=">f8")), function([1.0, 2.0]))
            np.testing.assert_array_equal(function([Fraction(1, 2), 2**70]), function([0.5, 2.0**70]))
            assert function(Fraction(1, 2)) == function(0.5)
            assert function(2**70) == function(2.0**70)
        assert reg([]) == 0.0
        assert reg(base.reshape(3, 4)) == pytest.approx(reg(base), rel=1e-15)
        assert reg(np.array([-128], dtype=np.int8)) == reg([128.0])
        for extreme in (0.0, 5e-324, 1.7e308):
            reg(np.array([extreme])), reg.grad([extreme]), reg.hess_diag([extreme])


@pytest.mark.parametrize("kind", [ib.Q, ib.R])
def test_input_is_not_changed(kind):
    beta = np.array([1.0, -2.0])
    reg = kind(0.1, w0=[1, 2])
    for name in ("__call__", "grad", "hess_diag", "conjugate", "grad_conjugate", "hess_diag_conjugate"):
        getattr(reg, name)(beta)
    assert beta.tolist() == [1.0, -2.0]


def test_precision_in_force_is_left_alone():
    with mpmath.workdps(33):
        ib.Q("1e-4000000", 3).grad(mpmath.mpf(1))
        ib.Q(1.5, 3, [1, 2])
        assert mpmath.mp.dps == 33
