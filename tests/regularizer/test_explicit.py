"""R at any depth against the cost minimised directly, its domain of convexity, and what it lacks."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import implicitbias as ib
from tests.regularizer import oracle
from tests.strategies import magnitudes, signed

EPS = np.finfo(float).eps
NAMES = ["__call__", "grad", "hess_diag"]
DEPTHS = [2.01, 3, 6, 40]
W0 = [1.0, 2.0, 0.5]


@pytest.mark.parametrize("D", DEPTHS)
@pytest.mark.parametrize("z", [1e-140, 1e-31, 1e-29, 0.3, 1.7, 40.0, 1e29, 1e32, 1e150])
def test_against_the_minimised_cost(D, z):
    exact = oracle.explicit(z, D)
    # the last digits of w_- are those of A - z near z = 1, a difference of numbers of size 1, taken D times
    limit = (16 + D) * EPS
    for name, want in zip(NAMES, exact, strict=True):
        got = float(getattr(ib.R(1, D=D), name)(z))
        # the second difference of the oracle carries 10^-60; the Hessian changes sign near z = 1.7 and 40 at some D
        slack = limit * max(1.0, float(abs(exact[1] / z / want))) if name == "hess_diag" else limit
        assert abs(got / want - 1) <= slack, name
        with mpmath.workdps(40):
            precise = getattr(ib.R(1, D=D), name)(mpmath.mpf(z))
            assert abs(oracle.ctx.mpf(precise) / want - 1) < oracle.ctx.mpf("1e-36"), name
        tensor = getattr(ib.R(1, D=D), name)(torch.tensor(z, dtype=torch.float64))
        assert abs(float(tensor) / want - 1) <= slack, name


@pytest.mark.parametrize("alpha", ["1e-4350", 1e-60, "1e300", "1e3000"])
@pytest.mark.parametrize("D", [2.5, 3])
def test_any_scale(alpha, D):
    # mpmath, with its unbounded exponents, has no ranges to join
    reg = ib.R(alpha, D=D)
    for b in (1e-300, 1e-7, -0.5, 1e100):
        for name in NAMES:
            exact = getattr(reg, name)(mpmath.mpf(b))
            if 0 < abs(exact) < 1e-307:
                continue
            want = float(exact)
            assert float(getattr(reg, name)(b)) == pytest.approx(want, rel=32 * EPS), (name, b)
            got = getattr(reg, name)(torch.tensor(b, dtype=torch.float64)).item()
            assert got == pytest.approx(want, rel=32 * EPS), (name, b)


@pytest.mark.parametrize("D", [2, 2.5, 3])
def test_shape_is_a_scale_of_each_coordinate(D):
    x = np.array([0.3, -2.0, 11.0])
    shaped = ib.R(0.7, W0, D=D)
    parts = [ib.R(mpmath.mpf(0.7) * w, D=D) for w in W0]
    assert shaped(x) == pytest.approx(sum(part(b) for part, b in zip(parts, x, strict=True)), rel=32 * EPS)
    np.testing.assert_allclose(shaped.grad(x), [p.grad(b) for p, b in zip(parts, x, strict=True)], rtol=32 * EPS)
    np.testing.assert_allclose(
        shaped.hess_diag(x), [p.hess_diag(b) for p, b in zip(parts, x, strict=True)], rtol=128 * EPS
    )
    with mpmath.workdps(30):
        assert float(shaped([mpmath.mpf(b) for b in x])) == pytest.approx(shaped(x), rel=32 * EPS)


def test_depth_two_is_the_limit_of_the_others():
    near = ib.R(0.3, D=2 + 1e-9)
    for b in (1e-5, 0.2, -7.0, 1e6):
        # the change with the depth is of the order of 1e-9 log(b/alpha^2)
        assert near(b) == pytest.approx(ib.R(0.3)(b), rel=1e-7)
        assert near.grad(b) == pytest.approx(ib.R(0.3).grad(b), rel=1e-7)


@settings(max_examples=60)
@given(
    st.one_of(magnitudes(-80, 80), st.sampled_from(["1e-4350", "1e400"])),
    st.one_of(st.sampled_from([3, 4, 10]), st.floats(2.01, 30.0)),
    signed(magnitudes(-200, 200)),
)
def test_laws(alpha, D, b):
    reg = ib.R(alpha, D=D)
    assert reg(-b) == reg(b) >= 0.0
    assert reg.grad(-b) == -reg.grad(b)
    assert reg.grad(b) * b >= 0.0
    assert np.isfinite(reg.grad(b))
    assert not np.isnan(reg.hess_diag(b))
    with mpmath.workdps(20):
        curvature = reg.hess_diag(mpmath.mpf(b))
    if 1e-300 < abs(curvature) < 1e300:
        # relative to its size at some distance from where it changes sign
        spread = 2e-14 * (abs(curvature) + abs(reg.grad(b) / b))
        assert abs(reg.hess_diag(b) - curvature) <= spread
    # homogeneous of degree 2 in the weights: powers of two make it exact up to the power D
    with mpmath.workdps(30):
        doubled, moved = ib.R(mpmath.mpf(alpha) * 4, D=D), mpmath.mpf(b) * mpmath.mpf(4) ** mpmath.mpf(D)
    if 1e-290 < abs(reg(b)) < 1e290 and 1e-300 < abs(moved) < 1e300:
        # b is rounded: at most twice its relative error
        assert doubled(float(moved)) == pytest.approx(16 * reg(b), rel=40 * EPS)


@pytest.mark.parametrize("D", [2.3, 3, 5, 20])
def test_convex_up_to_the_radius_and_concave_beyond(D):
    alpha = 0.8
    reg = ib.R(alpha, [1.0], D=D)
    edge = reg.convex_radius * alpha**D
    inside, outside = edge * np.linspace(0.01, 0.999, 40), edge * np.geomspace(1.001, 1e6, 40)
    assert (reg.restricted([0]).hess_diag(inside[:, None]) > 0).all()
    assert (reg.hess_diag(outside[:, None]) < 0).all()
    # with differences of the value, not of what it states itself
    for points, sign in ((inside, 1), (np.linspace(1.01, 3.0, 40) * edge, -1)):
        values = np.array([reg([b]) for b in points])
        assert (sign * np.diff(values, 2) > 0).all()


def test_radius_at_depth_three():
    y = 3.0 - 2.0 * np.sqrt(2.0)  # y = (1-y)^2/4, x = 1
    assert ib.R(1, D=3).convex_radius == pytest.approx(8.0 - (1.0 - y) ** 3, rel=4 * EPS)
    assert ib.R(1).convex_radius == np.inf


@pytest.mark.parametrize("D", [3, 5])
def test_grows_like_the_quasinorm_and_comes_to_it(D):
    # (|b|^{1/D} - alpha)^2, up to what w_- contributes
    b = np.array([0.7, -3.0])
    quasinorm = float(np.sum(np.abs(b) ** (2 / D)))
    gaps = [abs(ib.R(alpha, D=D)(b) - quasinorm) / alpha for alpha in (1e-4, 1e-6, 1e-8)]
    slope = 2 * float(np.sum(np.abs(b) ** (1 / D)))
    assert all(abs(gap / slope - 1) < 1e-3 for gap in gaps)
    assert all(new < old for old, new in pairwise(abs(gap - slope) for gap in gaps[:2]))


@pytest.mark.parametrize("name", ["conjugate", "grad_conjugate", "hess_diag_conjugate"])
def test_has_no_conjugate_beyond_depth_two(name):
    with pytest.raises(NotImplementedError, match=r"grows like \|beta\|\^\(2/D\), slower than any linear function"):
        getattr(ib.R(1, D=3), name)([0.1])
    getattr(ib.R(1), name)([0.1])


def test_has_no_formula_beyond_depth_two():
    with pytest.raises(NotImplementedError, match="R at depth 3 is no formula SymPy could hold"):
        ib.R(1, D=3)(sympy.Symbol("x"))


def test_ends():
    for alpha in ("1e-4350", 1, "1e400"):
        reg = ib.R(alpha, D=3)
        assert reg([0.0]) == 0.0
        assert reg.grad(0.0) == 0.0
        assert np.signbit(reg.grad(-0.0))
        assert reg(np.inf) == np.inf
        assert reg.grad(np.inf) == 0.0
        assert np.isnan([reg(np.nan), reg.grad(np.nan), reg.hess_diag(np.nan)]).all()
    assert ib.R(2.0, D=3).hess_diag(0.0) == pytest.approx(2.0 ** (2 - 6) / 9, rel=4 * EPS)
    assert ib.R(2.0, D=3).hess_diag(mpmath.mpf(0)) == pytest.approx(2.0 ** (2 - 6) / 9, rel=4 * EPS)
    assert ib.R(2.0, D=3)(mpmath.inf) == mpmath.inf


def test_as_an_object():
    assert repr(ib.R("1e-9", [1, 2], D=3)) == "R('1e-9', w0=[1.0, 2.0], D=3)"
    assert ib.R(1, D=3) != ib.R(1)
    assert ib.R(1, D=2) == ib.R(1)
    assert ib.R(1, D=3).D == ib.R(1, D=3).homogeneity == 3
    assert ib.R.from_log_alpha(-2, D=3) == ib.R(1, D=3).at_log_alpha(-2)
    with pytest.raises(ValueError, match="D must be a real number >= 2, got 1"):
        ib.R(1, D=1)


@pytest.mark.parametrize("alpha", [0.6, "1e-400", "1e400"])
@pytest.mark.parametrize("w0", [None, W0])
def test_torch_derivatives(alpha, w0):
    reg = ib.R(alpha, w0, D=3)
    x = torch.tensor([0.3, -1.2, 40.0], dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(reg(x), x, create_graph=True)
    torch.testing.assert_close(grad, reg.grad(x), rtol=1e-15, atol=0.0)
    (second,) = torch.autograd.grad(grad.sum(), x, create_graph=True)
    torch.testing.assert_close(second, reg.hess_diag(x), rtol=1e-15, atol=0.0)
    (third,) = torch.autograd.grad(second.sum(), x)
    step = 1e-5 * x.detach()
    with torch.no_grad():
        numeric = (reg.hess_diag(x + step) - reg.hess_diag(x - step)) / (2 * step)
    # central differences: (1e-5)^2, and 1e-16 over 1e-5
    torch.testing.assert_close(third, numeric, rtol=1e-8, atol=0.0)


@pytest.mark.parametrize("z", [1e-30, 1e-4, 2.9e-3, 3.1e-3, 0.5, 7.43, 300.0, 1e31])
@pytest.mark.parametrize("D", [2.2, 3, 8])
def test_third_derivative(z, D):
    x = torch.tensor(z, dtype=torch.float64, requires_grad=True)
    (third,) = torch.autograd.grad(ib.R(1, D=D).hess_diag(x), x)
    with mpmath.workdps(60):
        point = mpmath.mpf(z)
        h = point * mpmath.mpf("1e-20")
        reg = ib.R(1, D=D)
        exact = (reg.hess_diag(point + h) - reg.hess_diag(point - h)) / (2 * h)
    if z > 1e-20:  # below, r''' is below the rounding of r''/z by more than it could matter, and taken as 0
        # the series leaves z^4 relative to its terms, the closed form loses a factor 1/z
        assert third.item() == pytest.approx(float(exact), rel=2e-9)
    (again,) = torch.autograd.grad(ib.R(1, D=D).hess_diag(x), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="no derivatives beyond the third"):
        torch.autograd.grad(again, x)
