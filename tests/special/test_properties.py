"""What holds for every argument and every depth."""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from mpmath import mp
from sympy import Float

from implicitbias import special
from tests.strategies import depths, dual_points, reals

EPS = np.finfo(float).eps
EVERYWHERE = settings(max_examples=60)
FEW_DEPTHS = settings(max_examples=40)

KINDS = {
    "numpy": (np.float64, float),
    "torch": (lambda x: torch.tensor(x, dtype=torch.float64), lambda y: y.item()),
    "mpmath": (mpmath.mpf, float),
    "sympy": (lambda x: Float(x, 30), float),
}
NAMES = ["q", "q_prime", "q_second", "h_inverse_complement"]


@pytest.mark.parametrize("kind", KINDS)
@EVERYWHERE
@given(t=reals(), D=depths(two=True))
def test_parity_sign_and_range(kind, t, D):
    to, back = KINDS[kind]

    def value(name, x):
        return back(getattr(special, name)(to(x), D))

    assert value("q", t) == value("q", -t) >= 0
    assert value("q_second", t) == value("q_second", -t) >= 0
    slope = value("q_prime", t)
    assert slope == -value("q_prime", -t)
    assert slope * t >= 0
    if D != 2:
        assert abs(slope) <= 1
        assert 0 <= value("h_inverse_complement", t) == value("h_inverse_complement", -t) <= 1


@EVERYWHERE
@given(t=reals(), D=depths(two=True))
def test_four_namespaces_agree(t, D):
    for name in NAMES[: 4 if D != 2 else 3]:
        values = {k: back(getattr(special, name)(to(t), D)) for k, (to, back) in KINDS.items()}
        reference = values["mpmath"]
        tolerance = 4 * (np.spacing(abs(reference)) if math.isfinite(reference) else 0)
        for kind, value in values.items():
            assert value == reference or abs(value - reference) <= tolerance, (name, kind)


@EVERYWHERE
@given(s=dual_points(), D=depths(two=True))
def test_four_namespaces_agree_on_the_dual_side(s, D):
    for name in ("h", "q_conjugate"):
        values = {k: back(getattr(special, name)(to(s), D)) for k, (to, back) in KINDS.items()}
        reference = values["mpmath"]
        tolerance = 4 * (np.spacing(abs(reference)) if math.isfinite(reference) else 0)
        for kind, value in values.items():
            assert value == reference or abs(value - reference) <= tolerance, (name, kind)


@EVERYWHERE
@given(pair=st.tuples(reals(), reals()), D=depths(two=True))
def test_gradient_and_curve_increase(pair, D):
    low, high = sorted(pair)
    # two neighbouring values may each be off by 4 ulp in either direction
    slack = 8 * np.spacing(abs(special.q_prime(np.array([low, high]), D)).max())
    assert special.q_prime(low, D) <= special.q_prime(high, D) + slack
    with mpmath.workdps(40):
        assert special.q_prime(mpmath.mpf(low), D) <= special.q_prime(mpmath.mpf(high), D)


@EVERYWHERE
@given(a=reals(high=150), b=reals(high=150), weight=st.floats(0, 1), D=depths(two=True, anew=True))
def test_q_is_convex(a, b, weight, D):
    with mpmath.workdps(40):
        a, b, weight = map(mpmath.mpf, (a, b, weight))
        chord = weight * special.q(a, D) + (1 - weight) * special.q(b, D)
        assert special.q(weight * a + (1 - weight) * b, D) <= chord * (1 + 100 * mp.eps)


@EVERYWHERE
@given(t=reals(high=150), s=dual_points(), D=depths(two=True, anew=True))
def test_fenchel_young_inequality(t, s, D):
    with mpmath.workdps(40):
        t, s = mpmath.mpf(t), mpmath.mpf(s)
        total = special.q(t, D) + special.q_conjugate(s, D)
        assert s * t <= total * (1 + 100 * mp.eps)


@EVERYWHERE
@given(t=reals(high=100), D=depths(two=True, anew=True))
def test_fenchel_young_equality_at_the_gradient(t, D):
    with mpmath.workdps(400):  # 1 - s is as small as t^-1
        t = mpmath.mpf(t)
        s = special.q_prime(t, D)
        total = special.q(t, D) + special.q_conjugate(s, D)
        assert abs(total - s * t) <= total * mpmath.mpf(10) ** -200


@EVERYWHERE
@given(t=reals(high=100), D=depths(two=True, anew=True))
def test_round_trip_from_the_predictor(t, D):
    with mpmath.workdps(400):
        t = mpmath.mpf(t)
        assert abs(special.h(special.h_inverse(t, D), D) - t) <= abs(t) * mpmath.mpf(10) ** -200


@EVERYWHERE
@given(s=dual_points(), D=depths(two=True))
def test_round_trip_from_the_dual_point(s, D):
    assume(math.isfinite(t := special.h(s, D)) and abs(t) > 1e-300)
    condition = max(1.0, abs(t * special.q_second(t, D) / s))
    assert abs(special.h_inverse(t, D) / s - 1) <= 10 * condition * EPS


@EVERYWHERE
@given(s=dual_points(), D=depths(two=True, anew=True))
def test_second_derivative_is_one_over_the_slope_of_the_curve(s, D):
    with mpmath.workdps(60):
        p = mpmath.mpf(D) / (mpmath.mpf(D) - 2) if 2 < D < math.inf else mpmath.mpf(1)
        s = mpmath.mpf(s)
        slope = 2 * mpmath.cosh(s) if D == 2 else p * ((1 - s) ** (-p - 1) + (1 + s) ** (-p - 1))
        assume(slope < mpmath.mpf(10) ** 4000)
        value = special.q_second(special.h(s, D), D)
        assert abs(value * slope - 1) <= mpmath.mpf(10) ** -35  # the inverse loses what 1 - s has lost, twice


@EVERYWHERE
@given(t=reals(high=300), D=depths(anew=True))
def test_complement_completes(t, D):
    with mpmath.workdps(700):
        t = mpmath.mpf(t)
        assert abs(special.h_inverse_complement(t, D) + abs(special.h_inverse(t, D)) - 1) < mpmath.mpf(10) ** -690


@FEW_DEPTHS
@given(t=reals(high=-60), D=depths(two=True, anew=True))
def test_kernel_end(t, D):
    with mpmath.workdps(30):
        t = mpmath.mpf(t)
        p = 1 if D in (2, math.inf) else mpmath.mpf(D) / (mpmath.mpf(D) - 2)
        assert abs(special.q(t, D) - t * t / (4 * p)) <= t * t / (4 * p) * mpmath.mpf(10) ** -25
        assert abs(special.q_prime(t, D) - t / (2 * p)) <= abs(t) / (2 * p) * mpmath.mpf(10) ** -25


@FEW_DEPTHS
@given(exponent=st.floats(200, 2000), D=st.one_of(st.integers(3, 12), st.floats(2.5, 12)))
def test_rich_end(exponent, D):
    with mpmath.workdps(60):
        t, D_ = mpmath.mpf(10) ** exponent, mpmath.mpf(D)
        expansion = t - D_ / 2 * t ** (2 / D_) + (D_ - 2) * (1 - 2 ** (-D_ / (D_ - 2)))
        assert abs(special.q(t, D) / expansion - 1) < mpmath.mpf(10) ** -50
        leading = t ** (-(D_ - 2) / D_)
        assert abs(special.h_inverse_complement(t, D) / leading - 1) < mpmath.mpf(10) ** -30


@FEW_DEPTHS
@given(exponent=st.floats(40, 2000))
def test_rich_end_at_depth_two(exponent):
    with mpmath.workdps(60):
        t = mpmath.mpf(10) ** exponent
        expansion = t * mpmath.log(t) - t + 2
        assert abs(special.q(t) / expansion - 1) < mpmath.mpf(10) ** -50


@FEW_DEPTHS
@given(t=reals(high=100), k=st.integers(30, 200))
def test_depth_falls_to_two(t, k):
    with mpmath.workdps(260):
        t = mpmath.mpf(t)
        D = 2 + mpmath.mpf(10) ** -k
        p = D / (D - 2)
        assert abs(p * special.q(t, D) - special.q(t)) <= special.q(t) * mpmath.mpf(10) ** (8 - k)
        assert abs(p * special.q_prime(t, D) - special.q_prime(t)) <= abs(special.q_prime(t)) * mpmath.mpf(10) ** (
            8 - k
        )


@FEW_DEPTHS
@given(t=reals(high=20))
def test_depth_grows_without_bound(t):
    with mpmath.workdps(40):
        t, D = mpmath.mpf(t), mpmath.mpf(10) ** 20
        for name in ("q", "q_prime", "q_second"):
            end = getattr(special, name)(t, math.inf)
            assert abs(getattr(special, name)(t, D) - end) <= abs(end) * mpmath.mpf(10) ** -15


@EVERYWHERE
@given(z=reals())
@example(z=0.0)
def test_r_is_a_root_of_the_quartic_and_q_at_depth_four(z):
    with mpmath.workdps(60):
        z = mpmath.mpf(z)
        u = special.r(z)
        assert u == special.q(z, 4)
    with mpmath.workdps(1500):
        u = special.r(z)
        terms = [u**4, -6 * u**3, (12 - 2 * z**2) * u**2, -(8 + 10 * z**2) * u, z**2 + z**4]
        assert abs(sum(terms)) <= sum(map(abs, terms)) * mpmath.mpf(10) ** -1490
        assert u <= abs(z)  # the other real root is larger: the sum of both exceeds 2|z|


@EVERYWHERE
@given(t=reals(-44, 38), D=depths(two=True))
def test_float32_is_the_rounded_double(t, D):
    t = np.float32(t)
    for name in NAMES[: 4 if D != 2 else 3]:
        wide = getattr(special, name)(np.float64(t), D)
        narrow = getattr(special, name)(t, D)
        assert narrow.dtype == np.float32
        with np.errstate(over="ignore", under="ignore"):
            rounded = np.float32(wide)
        assert narrow == rounded or abs(narrow - rounded) <= 4 * np.spacing(abs(rounded))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("D", [2, 2.01, 3, 4, 100, math.inf])
def test_infinity_nan_and_zero(kind, D):
    to, back = KINDS[kind]
    for name, at_infinity, odd, at_zero in (
        ("q", math.inf, False, 0.0),
        ("q_prime", math.inf if D == 2 else 1.0, True, 0.0),
        ("q_second", 0.0, False, 0.5 if D in (2, math.inf) else (D - 2) / (2 * D)),
        ("h_inverse_complement", 0.0, False, 1.0),
    ):
        if D == 2 and name == "h_inverse_complement":
            continue
        function = getattr(special, name)
        assert back(function(to(math.inf), D)) == at_infinity
        assert back(function(to(-math.inf), D)) == (-at_infinity if odd else at_infinity)
        assert math.isnan(back(function(to(math.nan), D)))
        assert back(function(to(0.0), D)) == pytest.approx(at_zero, rel=4 * EPS)
    if D != 2:
        assert back(special.h(to(1.0), D)) == math.inf == -back(special.h(to(-1.0), D))
        assert math.isnan(back(special.h(to(1.5), D)))
        assert back(special.q_conjugate(to(1.0), D)) == math.inf == back(special.q_conjugate(to(-2.0), D))
    assert math.isnan(back(special.h(to(math.nan), D)))
    assert math.isnan(back(special.q_conjugate(to(math.nan), D)))
