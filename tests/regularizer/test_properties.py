"""Laws that hold for every scale, depth and shape."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import implicitbias as ib
from tests.strategies import magnitudes, reals, signed

EPS = np.finfo(float).eps
ALPHAS = st.one_of(magnitudes(-100, 100), st.sampled_from(["1e-4000000", "1e-4350", "1e3000", 1e-150, 1e140, 1]))
DEPTHS = st.one_of(st.sampled_from([2, 2.5, 3, 4, 5, 10]), st.floats(2.05, 20.0))
SHAPES = st.lists(signed(magnitudes(-2, 2)), min_size=3, max_size=3)
VECTORS = st.lists(reals(-100, 100), min_size=3, max_size=3).map(np.array)
MODERATE = st.lists(signed(magnitudes(-3, 3)), min_size=3, max_size=3).map(np.array)


def regularizers():
    return st.one_of(
        st.builds(ib.Q, ALPHAS, DEPTHS, st.one_of(st.none(), SHAPES)),
        st.builds(ib.R, ALPHAS, st.one_of(st.none(), SHAPES)),
        st.builds(ib.L2, st.one_of(st.none(), st.lists(magnitudes(-3, 3), min_size=3, max_size=3))),
    )


def scaled():
    """Q and R at scales where the dual point of a moderate predictor is not saturated."""
    alphas = st.one_of(magnitudes(-3, 3), st.just("1e-3"))
    return st.one_of(
        st.builds(ib.Q, alphas, st.sampled_from([2, 2.5, 3, 4]), st.one_of(st.none(), SHAPES)),
        st.builds(ib.R, alphas, st.one_of(st.none(), SHAPES)),
    )


@given(regularizers(), VECTORS)
def test_even(reg, beta):
    assert reg(-beta) == reg(beta)
    np.testing.assert_array_equal(reg.grad(-beta), -reg.grad(beta))
    np.testing.assert_array_equal(reg.hess_diag(-beta), reg.hess_diag(beta))


@given(regularizers(), VECTORS)
def test_least_at_zero_and_curved_upwards(reg, beta):
    assert reg(0.0 * beta) == 0.0
    assert reg(beta) >= 0.0
    assert (reg.hess_diag(beta) >= 0.0).all()
    assert (reg.grad(beta) * beta >= 0.0).all()


@given(regularizers(), VECTORS, VECTORS, st.floats(0.0, 1.0))
def test_convex(reg, one, other, t):
    between = t * one + (1.0 - t) * other
    chord = t * reg(one) + (1.0 - t) * reg(other)
    assert reg(between) <= chord * (1.0 + 100 * EPS)  # about 20 ulp of either value, and of the point between


@given(regularizers(), VECTORS, VECTORS)
def test_gradient_increases(reg, one, other):
    # far apart; equal gradients where both are saturated
    order = np.sign(one - other)
    slack = 32 * EPS * (np.abs(reg.grad(one)) + np.abs(reg.grad(other)))  # each gradient a dozen ulp, w0 included
    assert ((reg.grad(one) - reg.grad(other)) * order >= -slack).all()


@given(scaled(), MODERATE, MODERATE)
def test_fenchel_young(reg, beta, other):
    theta = reg.grad(other)
    try_conjugate = reg.conjugate(theta)
    assume(np.isfinite(try_conjugate))
    right = float(theta @ beta)
    left = reg(beta) + try_conjugate
    assert left >= right - 100 * EPS * (abs(left) + float(np.abs(theta) @ np.abs(beta)))  # rounding of either side


@given(scaled(), MODERATE)
def test_fenchel_young_is_tight_at_the_gradient(reg, beta):
    theta = reg.grad(beta)
    assume(np.isfinite(reg.conjugate(theta)))
    value = reg(beta) + reg.conjugate(theta)
    # theta is rounded: conjugate(theta) is off by |theta| eps times its own gradient
    condition = float(np.abs(theta) @ np.abs(reg.grad_conjugate(theta)))
    assert abs(value - theta @ beta) <= 100 * EPS * (value + condition)


@given(scaled(), MODERATE)
def test_round_trip(reg, beta):
    theta = reg.grad(beta)
    back = reg.grad_conjugate(theta)
    # theta is rounded, w0 included, by a dozen ulp: its condition is |theta h'(theta)/h(theta)|
    condition = np.abs(theta) / (reg.hess_diag(beta) * np.abs(beta))
    assume((condition < 1e8).all())
    assert (np.abs(back / beta - 1.0) <= 100 * EPS * (1.0 + condition)).all()
    slope = reg.hess_diag_conjugate(theta) * reg.hess_diag(beta)
    depth = 4.0 if isinstance(reg, ib.R) else float(reg.D)
    # its logarithm changes at most (p+2)/p times faster than that of the curve
    power = 1.0 if depth == 2 else 1.0 + 1.0 / (depth / (depth - 2.0))
    assert (np.abs(slope - 1.0) <= 200 * EPS * (1.0 + 2.0 * power * condition)).all()


@given(regularizers(), VECTORS, st.permutations(range(3)))
def test_permutation_together_with_the_shape(reg, beta, order):
    order = list(order)
    if isinstance(reg, ib.L2):
        moved = ib.L2(None if reg.weights is None else reg.weights[order])
    else:
        w0 = None if reg.w0 is None else reg.w0[order]
        moved = ib.R(reg._scale, w0) if isinstance(reg, ib.R) else ib.Q(reg._scale, reg.D, w0)
    np.testing.assert_array_equal(moved.grad(beta[order]), reg.grad(beta)[order])
    assert moved(beta[order]) == pytest.approx(reg(beta), rel=4 * EPS)  # the sum is taken in another order


@given(magnitudes(-50, 50), st.sampled_from([2, 2.5, 3, 5]), MODERATE, st.integers(-20, 20))
def test_scaling_law(alpha, D, beta, exponent):
    # Q at alpha c of c^D beta is c^D Q at alpha of beta; powers of four make c^D exact
    c = 4.0**exponent
    left, right = ib.Q(alpha * c, D), ib.Q(alpha, D)
    assert left(c**D * beta) == pytest.approx(c**D * right(beta), rel=8 * EPS)
    np.testing.assert_allclose(left.grad(c**D * beta), right.grad(beta), rtol=8 * EPS)
    # at alpha = 1e50, D = 5 the Hessian on the left may be subnormal: it is rounded to a multiple of 5e-324
    np.testing.assert_allclose(
        left.hess_diag(c**D * beta) * c**D, right.hess_diag(beta), rtol=8 * EPS, atol=5e-324 * c**D
    )


@given(magnitudes(-50, 50), MODERATE, st.integers(-20, 20))
def test_scaling_law_of_the_explicit_regularizer(alpha, beta, exponent):
    c = 2.0**exponent
    assert ib.R(alpha * c)(c**2 * beta) == pytest.approx(c**2 * ib.R(alpha)(beta), rel=8 * EPS)


@given(magnitudes(-3, 3), st.sampled_from([2, 2.5, 3, 5]), magnitudes(-2, 2), MODERATE)
def test_common_factor_of_the_shape_belongs_to_alpha(alpha, D, factor, beta):
    # alpha w0 enters as a product, apart from the factor w0^{2-D} of Q as a whole
    shaped = ib.Q(alpha, D, [factor] * 3)
    with mpmath.workdps(40):
        plain = ib.Q(mpmath.mpf(alpha) * mpmath.mpf(factor), D)
    # two powers of w0, the first amplified by at most 2
    assert shaped(beta) == pytest.approx(factor ** (2 - D) * plain(beta), rel=32 * EPS)


@given(st.sampled_from([2.5, 3, 4, 5, 10]), SHAPES, MODERATE)
def test_rich_limit_is_the_weighted_l1_norm(D, w0, beta):
    norm = float(np.sum(np.abs(w0) ** (2.0 - D) * np.abs(beta)))
    # the correction is (D/2) (alpha^D w0^D / |beta|)^{(D-2)/D}, below 1e-100 here
    assert ib.Q("1e-4350", D, w0)(beta) == pytest.approx(norm, rel=32 * EPS)


@given(SHAPES, MODERATE)
def test_rich_limit_at_depth_two(w0, beta):
    w0 = np.abs(w0)
    log_scale = -2.0 * ib.Q("1e-4000000").log_alpha
    value = ib.Q("1e-4000000", 2, w0)(beta) / log_scale
    # |b| (log(|b|/(alpha w0)^2) - 1)/log(1/alpha^2)
    correction = np.sum(np.abs(beta) * (np.log(np.abs(beta) / w0**2) - 1.0)) / log_scale
    assert value == pytest.approx(np.abs(beta).sum() + correction, rel=32 * EPS)
    assert value == pytest.approx(np.abs(beta).sum(), rel=2e-6)  # log|b/w0^2| <= 17 against 1.8e7


@given(st.sampled_from([2, 2.5, 3, 5]), SHAPES, MODERATE)
def test_kernel_limit_is_the_weighted_l2_norm(D, w0, beta):
    alpha = 1e12
    p = math.inf if D == 2 else D / (D - 2)
    half = 0.25 if D == 2 else 1 / (4 * p)
    limit = half * np.sum(beta**2 * np.abs(w0) ** (-2.0 * (D - 1))) / alpha**D
    # relative correction (beta/(alpha w0)^D)^2 < 1e-20
    assert ib.Q(alpha, D, w0)(beta) == pytest.approx(limit, rel=32 * EPS)


@given(MODERATE, magnitudes(-3, 3))
def test_explicit_limits(beta, unit):
    assert ib.R("1e-400")(beta) == pytest.approx(np.abs(beta).sum(), rel=8 * EPS)
    # r(z) = z^2/8 near 0
    assert ib.R(1e12)(beta) == pytest.approx(float(beta @ beta) / 8e24, rel=8 * EPS)


@given(MODERATE, st.floats(0.001, 0.999))
def test_smaller_scales_are_closer_to_the_l1_norm(beta, ratio):
    # Q/(its largest slope) decreases to the l1 norm from below for D > 2
    for D in (3, 5):
        small, large = ib.Q(ratio, D)(beta), ib.Q(1.0, D)(beta)
        assert large <= small * (1 + 8 * EPS) <= np.abs(beta).sum() * (1 + 16 * EPS)


@given(VECTORS)
def test_l1(beta):
    reg = ib.L1()
    assert reg(beta) == pytest.approx(sum(abs(b) for b in beta), rel=4 * EPS)
    np.testing.assert_array_equal(reg.grad(beta), np.sign(beta))
    assert reg.conjugate(reg.grad(beta)) == 0.0
    assert reg.conjugate(np.append(reg.grad(beta), 1.0 + 2 * EPS)) == math.inf


@given(st.lists(magnitudes(-3, 3), min_size=3, max_size=3), MODERATE)
def test_l2(weights, beta):
    reg = ib.L2(weights)
    assert reg(beta) == pytest.approx(0.5 * sum(w * b * b for w, b in zip(weights, beta, strict=True)), rel=8 * EPS)
    assert reg(beta) + reg.conjugate(reg.grad(beta)) == pytest.approx(reg.grad(beta) @ beta, rel=8 * EPS)
    np.testing.assert_allclose(reg.grad_conjugate(reg.grad(beta)), beta, rtol=4 * EPS)
    np.testing.assert_allclose(reg.hess_diag(beta) * reg.hess_diag_conjugate(beta), 1.0, rtol=4 * EPS)


NAMES = ["__call__", "grad", "hess_diag", "conjugate", "grad_conjugate", "hess_diag_conjugate"]


@settings(max_examples=8)  # SymPy is slow
@pytest.mark.parametrize("name", NAMES)
@given(
    st.sampled_from([Fraction(1, 4), 1, 3, "0.01"]),  # SymPy factors what is under a root: few digits
    st.sampled_from([2, 3, 4, 5]),
    st.lists(st.integers(-63, 63).filter(bool).map(lambda k: k / 64), min_size=3, max_size=3),
    st.sampled_from([None, [1, 2, 4]]),
)
def test_namespaces_agree(name, alpha, D, x, w0):
    # SymPy last: it evaluates its own expression at 30 digits; theta stays inside the domain also at w0 = 4
    if "conjugate" in name and w0 is not None:
        x = [v / 64 for v in x]
    for reg in (ib.Q(alpha, D, w0), ib.R(alpha, w0), ib.L2(w0)):
        function = getattr(reg, name)
        with mpmath.workdps(30):
            reference = np.array(function([mpmath.mpf(v) for v in x])).astype(float)
        exact = function([sympy.Rational(int(v * 4096), 4096) for v in x])
        symbolic = [float(sympy.N(v, 20)) for v in (exact if isinstance(exact, list) else [exact])]
        numpy = np.asarray(function(np.array(x)))
        tensor = function(torch.tensor(x, dtype=torch.float64)).numpy()
        # 8 ulp without a shape; a power of w0 more, amplified by the condition of the function, with it
        rtol = (8 if w0 is None else 64) * EPS
        np.testing.assert_allclose(numpy, reference, rtol=rtol, atol=0.0)
        np.testing.assert_allclose(tensor, reference, rtol=rtol, atol=0.0)
        np.testing.assert_allclose(np.array(symbolic).reshape(reference.shape), reference, rtol=4 * EPS, atol=0.0)


@pytest.mark.parametrize("reg", [ib.L1(), ib.L2([1, 2, 0.5])])
def test_norms_in_all_namespaces(reg):
    x = [0.5, -0.25, 0.75]
    want, slope = reg(np.array(x)), reg.grad(np.array(x)).tolist()
    assert reg(torch.tensor(x)).item() == want
    assert reg.grad(torch.tensor(x)).tolist() == slope
    assert reg([mpmath.mpf(v) for v in x]) == want
    assert reg.grad([mpmath.mpf(v) for v in x]) == slope
    assert float(reg([sympy.Rational(v) for v in x])) == want
    assert [float(v) for v in reg.grad([sympy.Rational(v) for v in x])] == slope
    assert reg.conjugate([mpmath.mpf(v) for v in x]) == reg.conjugate(np.array(x))
    assert float(reg.conjugate([sympy.Rational(v) for v in x])) == reg.conjugate(np.array(x))
    assert reg.hess_diag([mpmath.mpf(v) for v in x]) == reg.hess_diag(np.array(x)).tolist()
