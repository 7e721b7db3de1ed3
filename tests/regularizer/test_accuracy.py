"""Q and R in float64, torch and mpmath against the definitions at 90 digits, over 600 orders of magnitude."""

import math

import mpmath
import numpy as np
import pytest
import torch

import implicitbias as ib
from tests.regularizer import oracle
from tests.regularizer.oracle import DUAL_NAMES, NAMES, ulps

ALPHAS = ["1e-4000000", "1e-4350", 1e-150, 1e-3, 1, 1e140, "1e3000", 1e300]
DEPTHS = [2, 2.5, 3, 5]
BETAS = [*(10.0**e for e in range(-300, 301, 40)), 1.7e-7, 0.3, -3.3, 1234.5]
ULPS = 4
SHAPES = [(0.3, 1), (-1.7, 2), (40.0, 3)]


def evaluate(reg, name, x):
    return reg(x) if name == "value" else getattr(reg, name)(x)


def dual_points(alpha, D):
    """Exact floats where the curve is small, moderate and about to overflow."""
    if D != 2:
        return [1e-300, 1e-20, 1e-3, 0.3, -0.5, 0.9, 0.99, 1 - 1e-5, 1 - 1e-10, 1 - 2.0**-53]
    far = float(-2 * oracle.ctx.log(oracle.number(alpha)))  # where 2 alpha^2 sinh(theta) is of order 1
    return [
        1e-300,
        1e-20,
        1e-3,
        -0.5,
        5.0,
        300.0,
        700.0,
        *(far + x for x in (-700.0, -90.0, 0.5, 90.0, 700.0) if far > 700),
    ]


@pytest.mark.parametrize("D", DEPTHS)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_functions_of_the_predictor(alpha, D):
    reg = ib.Q(alpha, D)
    for beta in BETAS:
        for name in NAMES:
            exact = oracle.regularizer(name, beta, alpha, D)
            assert ulps(evaluate(reg, name, np.float64(beta)), exact) <= ULPS, (name, beta)


@pytest.mark.parametrize("D", DEPTHS)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_functions_of_the_dual_point(alpha, D):
    # theta is an exact float here, so its rounding plays no part, even at 1 - 2^-53 or at theta = 1.8e7
    reg = ib.Q(alpha, D)
    for theta in dual_points(alpha, D):
        for name in DUAL_NAMES:
            exact = oracle.regularizer(name, theta, alpha, D)
            assert ulps(evaluate(reg, name, np.float64(theta)), exact) <= ULPS, (name, theta)


@pytest.mark.parametrize("D", DEPTHS)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_torch_float64(alpha, D):
    reg = ib.Q(alpha, D)
    with oracle.ctx.workdps(30):
        c = oracle.number(alpha) ** oracle.number(D)
    direct = abs(float(oracle.ctx.log(c, 2))) < 300
    for beta in BETAS:
        for name in NAMES:
            exact = oracle.regularizer(name, beta, alpha, D)
            # c q(b/c) is formed directly for moderate c: b/c, q and q'' must then be normal floats; a subnormal
            # result for other c comes through an ldexp in two halves, which rounds twice
            if (direct and not 1e-140 < abs(beta) / c < 1e140) or 0 < abs(exact) < 1e-307:
                continue
            got = evaluate(reg, name, torch.tensor(beta, dtype=torch.float64))
            assert ulps(float(got), exact) <= ULPS, (name, beta)
    for theta in dual_points(alpha, D):
        if D == 2 and theta > 700 and direct:
            continue  # cosh(theta) overflows before c cosh(theta)
        for name in DUAL_NAMES:
            exact = oracle.regularizer(name, theta, alpha, D)
            if 0 < abs(exact) < 1e-300:
                continue
            # h' goes through a traced power: the rounding of p + 1 counts |log(1 - theta)| times
            rounded = name == "hess_diag_conjugate" and D != 2 and direct
            limit = ULPS + (4 * (1 + abs(math.log1p(-abs(theta)))) if rounded else 0)
            got = evaluate(reg, name, torch.tensor(theta, dtype=torch.float64))
            assert ulps(float(got), exact) <= limit, (name, theta)


@pytest.mark.parametrize("digits", [15, 50])
@pytest.mark.parametrize("D", DEPTHS)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_mpmath_is_right_to_its_last_place(alpha, D, digits):
    reg = ib.Q(alpha, D)
    cases = [(name, b) for name in NAMES for b in ("1e-300", "1e-7", "0.3", "1e5", "1e300")]
    cases += [(name, t) for name in DUAL_NAMES for t in ("1e-200", "0.3", "0.99999")]
    with mpmath.workdps(digits):
        for name, text in cases:
            x = mpmath.mpf(text)
            exact = oracle.regularizer(name, x, alpha, D)
            got = oracle.ctx.mpf(evaluate(reg, name, x))
            assert abs(got / exact - 1) <= oracle.ctx.mpf(2) ** (1 - mpmath.mp.prec), (name, text)


@pytest.mark.parametrize("alpha", ["1e-4350", 1e-3, 1, "1e300"])
@pytest.mark.parametrize(("reg_of", "D", "k"), [(ib.Q, 2, 2), (ib.Q, 3, 3), (ib.R, 4, 2)])
@pytest.mark.parametrize("w0", [w for w, _ in SHAPES])
def test_shape(alpha, reg_of, D, k, w0):
    reg = reg_of(alpha, w0=[w0]) if reg_of is ib.R else reg_of(alpha, D, [w0])
    with mpmath.workdps(30):
        for name in (*NAMES, *DUAL_NAMES):
            for x in [1e-200, 0.3, 0.6, 1e50] if name in NAMES else [1e-100, 0.01, 0.02]:
                exact = oracle.regularizer(name, x, alpha, D, w0=w0, homogeneity=k)
                # two powers of w0 and two products: 4 roundings. Those of the argument, half an ulp each, are
                # amplified by the condition x f'/f, at most 2 for functions of beta;
                # on the dual side it is theta h'(theta)/h(theta) <= 1 + (p+1) theta/(1-theta) with theta <= 0.9
                limit = 4 + ULPS + (8 if name in NAMES else 60)
                assert ulps(float(np.asarray(evaluate(reg, name, [x])).item()), exact) <= limit, (name, x)
                got = evaluate(reg, name, [mpmath.mpf(x)])
                got = oracle.ctx.mpf(got if name in ("value", "conjugate") else got[0])
                assert abs(got / exact - 1) < oracle.ctx.mpf("1e-28"), (name, x)


@pytest.mark.parametrize("alpha", ["1e-4350", 1e-150, 1e-3, 1, 1e140])
def test_explicit_regularizer_is_the_least_cost_of_moving_the_weights(alpha):
    # R(beta) = min (a - alpha)^2 + (b - alpha)^2 over a^2 - b^2 = beta, minimised here for itself
    ctx = oracle.ctx
    with ctx.workdps(120):
        scale = oracle.number(alpha)
        for beta in [1e-3, 0.4, 5.0]:
            z = ctx.mpf(beta) / scale**2
            if not 1e-20 < z < 1e20:
                continue

            # s = a + b in units of alpha: a - b = z/s and stationarity of ((s-2)^2 + (z/s)^2)/2
            def stationarity(s, z=z):
                return s**3 * (s - 2) - z * z

            low, high = ctx.mpf(2), 2 + ctx.sqrt(z) + z
            s = ctx.findroot(stationarity, (low, high), solver="bisect", tol=1e-150, verify=False, maxsteps=420)
            cost = scale**2 * ((s - 2) ** 2 + (z / s) ** 2) / 2
            assert ulps(float(ib.R(alpha)(beta)), cost) <= ULPS


@pytest.mark.parametrize("D", [2, 2.5, 3, 5])
@pytest.mark.parametrize("beta", [0.02, 1.5, 70.0])
def test_value_is_the_integral_of_the_inverse_curve(D, beta):
    ctx = oracle.ctx
    with ctx.workdps(25):
        alpha = ctx.mpf("0.7")
        c = alpha**D
        p = oracle.number(D) / (oracle.number(D) - 2) if D != 2 else None

        def curve(s):
            return 2 * ctx.sinh(s) if D == 2 else (1 - s) ** -p - (1 + s) ** -p

        bracket = (0, 20) if D == 2 else (0, 1 - ctx.mpf(10) ** -12)
        theta = ctx.findroot(
            lambda s: curve(s) - beta / c, bracket, solver="bisect", tol=1e-60, verify=False, maxsteps=150
        )
        # integration by parts: int_0^beta theta = beta theta - int_0^theta c h
        value = beta * theta - c * ctx.quad(curve, [0, theta / 2, theta])
    with mpmath.workdps(20):
        assert ctx.almosteq(ctx.mpf(ib.Q("0.7", D)(mpmath.mpf(beta))), value, rel_eps=ctx.mpf("1e-18"))


def test_ends_and_special_values():
    for D in (2, 3):
        for alpha in ("1e-4350", 1e-3, 1e200):
            reg = ib.Q(alpha, D)
            assert reg(np.inf) == np.inf
            assert reg([0.0]) == 0.0
            assert reg.grad(np.inf) == (np.inf if D == 2 else 1.0)
            assert reg.hess_diag(np.inf) == 0.0
            assert math.copysign(1.0, reg.grad(-0.0)) == -1.0
            assert np.isnan(
                [reg(np.nan), reg.grad(np.nan), reg.hess_diag(np.nan), reg.grad_conjugate(np.nan)]
            ).all()
    for alpha in ("1e-4350", 1e-3, 1e200):
        assert ib.Q(alpha, 3).conjugate(1.0) == np.inf
        assert ib.Q(alpha, 3).conjugate(1.5) == np.inf
        assert ib.Q(alpha, 3).grad_conjugate(-1.0) == -np.inf
        assert np.isnan(ib.Q(alpha, 3).grad_conjugate(1.5))
        assert ib.Q(alpha, 3).hess_diag_conjugate(1.0) == np.inf
        assert ib.Q(alpha).conjugate(np.inf) == np.inf
