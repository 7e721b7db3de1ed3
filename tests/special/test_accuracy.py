"""Floats within 4 units in the last place, mpmath within its last place, both against the definitions."""

import math

import mpmath
import numpy as np
import pytest
from mpmath import mp

from implicitbias import special
from tests.special.oracle import oracle, ulps

INVERSE = ["q", "h_inverse", "h_inverse_complement", "q_second"]
FORWARD = ["h", "q_conjugate"]
DEPTHS = [2, 2.01, 2.5, 3, 4, 5, 6, 10, 100, math.inf, 2 + 1e-10]
BOUNDARIES = [0.5, 1.0, 2.0, 4.0, 2.3e17, 1e9]
ULPS = 4


def neighbours(values):
    values = np.array(values)
    return np.concatenate([values, np.nextafter(values, 0), np.nextafter(values, np.inf)])


def t_grid(rng, count):
    return np.concatenate(
        [
            neighbours(BOUNDARIES),
            [5e-324, 1e-323, 2.3e-308, 1e-162, 1e-154, 1e-8, 1e8, 1e15, 1e100, 1e154, 1.7e308],
            10.0 ** rng.uniform(-323, 308, count),
            10.0 ** rng.uniform(-3, 3, count),
            rng.uniform(0.3, 5, count),
            10.0 ** rng.uniform(3, 25, count),
        ]
    )


def s_grid(rng, D, count):
    if D == 2:
        return np.concatenate(
            [[5e-324, 1e-154, 1e-8, 0.5, 1.0, 354.0, 709.0, 710.4], 10.0 ** rng.uniform(-323, 2.8, 3 * count)]
        )
    p = 1.0 if D == math.inf else D / (D - 2)
    radius = min(0.6, 1.5 / p)
    return np.concatenate(
        [
            neighbours([radius, 0.5, 0.7]),
            [5e-324, 1e-162, 1e-154, 1e-8, 1 - 2.0**-53, 1 - 2.0**-52],
            10.0 ** rng.uniform(-323, -1, count),
            rng.uniform(0, 1, count),
            np.minimum(10.0 ** rng.uniform(-2, 2, count) / p, 0.999),
            1 - 10.0 ** rng.uniform(-15, -1, count),
        ]
    )


def cases():
    return [(n, D) for D in DEPTHS for n in INVERSE + FORWARD if not (D == 2 and n == "h_inverse_complement")]


@pytest.mark.parametrize(("name", "D"), cases())
def test_float64_within_four_ulps(name, D):
    rng = np.random.default_rng([len(name), int(min(D, 1e3) * 100)])
    x = s_grid(rng, D, 10) if name in FORWARD else t_grid(rng, 12)
    errors = [ulps(v, oracle(name, e, D)) for v, e in zip(getattr(special, name)(x, D), x, strict=True)]
    worst = int(np.argmax(errors))
    assert errors[worst] <= ULPS, f"{name}({x[worst]!r}, {D}) is off by {errors[worst]:.2f} ulp"


@pytest.mark.parametrize("s", [0.9713, 0.97167, 0.9721])
def test_conjugate_up_to_overflow(s):
    # the power is beyond floats already at the first of these, its quotient by 200 is not
    assert ulps(special.q_conjugate(s, 2.01), oracle("q_conjugate", s, 2.01)) <= ULPS


@pytest.mark.parametrize("D", [2, 2.01, 4, math.inf])
@pytest.mark.parametrize("name", [*INVERSE, *FORWARD])
def test_float32_within_four_ulps(name, D):
    if D == 2 and name == "h_inverse_complement":
        return
    rng = np.random.default_rng(7)
    x = (
        10.0 ** rng.uniform(-44, 38, 30)
        if name in INVERSE
        else (10.0 ** rng.uniform(-40, 1.9 if D == 2 else -0.001, 30))
    )
    x = x.astype(np.float32)
    values = getattr(special, name)(x, D)
    assert values.dtype == np.float32
    assert max(ulps(v, oracle(name, float(e), D), np.float32) for v, e in zip(values, x, strict=True)) <= ULPS


@pytest.mark.parametrize("D", [2, 2 + 1e-10, 2.01, 2.5, 3, 4, 10, 100, math.inf])
@pytest.mark.parametrize("digits", [30, 60])
def test_mpmath_to_its_last_digit(D, digits):
    rng = np.random.default_rng(digits)
    for name in INVERSE + FORWARD:
        if D == 2 and name == "h_inverse_complement":
            continue
        if name in INVERSE:
            arguments = [f"{s}e{e}" for s in ("1", "3.7") for e in (-300, -20, -1, 0, 1, 20, 300)]
        else:
            arguments = ["1e-300", "1e-20", "0.3", "0.5", "0.71", "0.999", "0.99999999999999999999"]
        with mpmath.workdps(digits):
            for x in [mpmath.mpf(a) for a in arguments] + [mpmath.mpf(float(v)) for v in rng.uniform(0, 1, 3)]:
                truth = oracle(name, x, D, digits + 20)
                value = getattr(special, name)(x, D)
                assert abs(value - truth) <= abs(truth) * mp.eps, f"{name}({x}, {D})"


@pytest.mark.parametrize("D", [2, 2.01, 2.5, 4, math.inf])
@pytest.mark.parametrize("exponent", [-8700, 8700])
def test_mpmath_at_magnitudes_no_float_has(D, exponent):
    with mpmath.workdps(30):
        x = mpmath.mpf(10) ** exponent
        for name in INVERSE:
            if D == 2 and name == "h_inverse_complement":
                continue
            truth = oracle(name, x, D, 40)
            assert abs(getattr(special, name)(x, D) - truth) <= truth * mp.eps


@pytest.mark.parametrize("D", [2, 2.5, 3, 6, math.inf])
def test_oracle_agrees_with_itself_and_with_the_integral(D):
    with mpmath.workdps(40):
        for x in ("1e-5", "0.7", "30"):
            x = mpmath.mpf(x)
            for name in INVERSE[: 4 if D != 2 else 2]:
                if not (D == 2 and name == "h_inverse_complement"):
                    assert abs(oracle(name, x, D, 30) / oracle(name, x, D, 70) - 1) < 1e-30
        x = mpmath.mpf("0.7")
        with mpmath.workdps(15):
            integral = mpmath.quad(lambda t: oracle("h_inverse", t, D, 20) if t else t, [0, x])
        assert abs(integral / oracle("q", x, D) - 1) < 1e-13
