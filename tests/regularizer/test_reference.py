"""Q with a reference point: the Bregman divergence that training minimizes from any start."""

import copy
import pickle

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
NAMES = ["__call__", "grad", "hess_diag", "conjugate", "grad_conjugate", "hess_diag_conjugate"]
START = [0.3, -0.02, 0.0]
W0 = [1.0, 2.0, 0.5]
REGULARIZERS = [ib.Q(0.4, D, w0, reference=START) for D in (2, 2.5, 3, 6) for w0 in (None, W0)]


def pairs(b0):
    """Points next to b0, near it, further out, at zero and on the other side."""
    near = [b0 * (1 + s * 2.0**-e) for s in (1, -1) for e in (51, 30, 12, 5)]
    return [*near, 1.3 * b0, 2.1 * b0, 0.4 * b0, 1e3 * b0, 1e-3 * b0, 1e8 * b0, 0.0, -b0, -1e-4 * b0, -1e5 * b0]


@pytest.mark.parametrize("D", [2, 2.05, 3, 7.5])
@pytest.mark.parametrize("alpha", ["1e-30", 1e-3, 1e5])
@pytest.mark.parametrize("b0", [1e-7, -40.0])
def test_value_is_right_near_the_reference_and_far_from_it(D, alpha, b0):
    reg = ib.Q(alpha, D, reference=[b0])
    for b in pairs(b0):
        exact = oracle.divergence(b, b0, alpha, D)
        # a dozen operations, and a factor from 1 to 10 that the last of them lose near the end of a range
        assert abs(float(reg([b])) - exact) <= 60 * EPS * exact, b
        if alpha == 1e-3:
            got = reg(torch.tensor([b], dtype=torch.float64))
            assert abs(got.item() - exact) <= 60 * EPS * exact, b


@pytest.mark.parametrize("D", [2, 3])
def test_value_at_the_ends_of_the_scale(D):
    # at D = 2 and a tiny scale it is the Kullback-Leibler divergence; at a large one it is a square
    reg = ib.Q("1e-4350", D, reference=[2.0])
    if D == 2:
        assert reg([3.0]) == pytest.approx(3 * np.log(1.5) - 1, rel=4 * EPS)
    else:
        assert 0.0 <= reg([3.0]) < 1e-300  # 1e-4350 to rounding
    square = (3.0 - 2.0) ** 2 / (4 if D == 2 else 12)
    assert ib.Q("1e60", D, reference=[2.0])([3.0]) == pytest.approx(square / 1e60**D, rel=8 * EPS)
    assert ib.Q("1e200", D, reference=[1e300])([-1e305]) == pytest.approx(
        float(oracle.divergence(-1e305, 1e300, "1e200", D)), rel=60 * EPS
    )


@pytest.mark.parametrize("digits", [15, 60])
@pytest.mark.parametrize("alpha", ["1e-30", 0.5])
@pytest.mark.parametrize("D", [2, 3])
def test_mpmath_is_right_to_its_last_places(D, alpha, digits):
    reg = ib.Q(alpha, D, reference=[0.7])
    with mpmath.workdps(digits):
        for b in (0.7 * (1 + 2.0**-45), 0.71, -3.0, 1e6):
            exact = oracle.divergence(b, 0.7, alpha, D)
            assert abs(oracle.ctx.mpf(reg([mpmath.mpf(b)])) / exact - 1) < oracle.ctx.mpf(10) ** (2 - digits)
        assert reg([mpmath.mpf(0.7)]) == 0
        assert reg.grad([mpmath.mpf(0.7)]) == [0]
        assert reg.conjugate([mpmath.mpf(0)]) == 0
        theta = reg.grad([mpmath.mpf("0.9")])
        # 1 - |theta + theta_0| is of order 1e-30 at D = 3: theta holds no more of it than digits - 30
        kept = digits - (33 if D == 3 and alpha == "1e-30" else 3)
        if kept > 0:
            assert abs(reg.grad_conjugate(theta)[0] / mpmath.mpf("0.9") - 1) < mpmath.mpf(10) ** (3 - kept)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reg", REGULARIZERS, ids=repr)
def test_namespaces_agree(reg, name):
    x = np.array([0.31, 0.5, -0.2]) if "conjugate" not in name else np.array([0.02, -0.01, 0.015])
    function = getattr(reg, name)
    with mpmath.workdps(30):
        exact = np.array(function([mpmath.mpf(v) for v in x])).astype(float)
    # differences of gradients are right relative to theta_0, which is within a factor 100 of them
    np.testing.assert_allclose(np.asarray(function(x)), exact, rtol=500 * EPS)
    np.testing.assert_allclose(function(torch.tensor(x)).numpy(), exact, rtol=500 * EPS)
    # one entry: integrals at D other than 2 are slow in SymPy
    one = ib.Q(0.25, 2, reference=[0.5])
    symbolic = getattr(one, name)([sympy.Rational(1, 8)])
    symbolic = symbolic[0] if isinstance(symbolic, list) else symbolic
    numeric = np.asarray(getattr(one, name)(np.array([0.125]))).item()
    assert float(symbolic) == pytest.approx(numeric, rel=64 * EPS)


@pytest.mark.parametrize("reg", REGULARIZERS, ids=repr)
def test_least_at_the_reference(reg):
    start = reg.reference
    assert reg(start) == 0.0
    np.testing.assert_array_equal(reg.grad(start), 0.0)
    assert reg.conjugate(np.zeros(3)) == pytest.approx(0.0, abs=EPS)
    np.testing.assert_allclose(reg.grad_conjugate(np.zeros(3)), start, rtol=64 * EPS, atol=1e-17)
    base = reg.without_reference()
    assert base.reference is None
    assert base == ib.Q(0.4, reg.D, reg.w0)
    np.testing.assert_array_equal(reg.dual_origin, base.grad(start))
    np.testing.assert_array_equal(reg.hess_diag(start), base.hess_diag(start))
    assert base.dual_origin == 0.0


COORDINATE = signed(magnitudes(-3, 3))
VECTORS = st.lists(COORDINATE, min_size=2, max_size=2).map(np.array)


@settings(max_examples=30)
@given(magnitudes(-4, 2), st.sampled_from([2, 2.5, 3, 5]), VECTORS, VECTORS, VECTORS)
def test_bregman_laws(alpha, D, start, one, other):
    reg = ib.Q(alpha, D, reference=start)
    base = reg.without_reference()
    assert reg(one) >= 0.0
    # three points: D(x, s) = D(x, z) + D(z, s) + <grad(z) - grad(s), x - z>
    through = ib.Q(alpha, D, reference=other)
    cross = (base.grad(other) - base.grad(start)) * (one - other)
    scale = reg(one) + through(one) + reg(other) + np.abs(base.grad(other) * (one - other)).sum()
    scale += np.abs(base.grad(start) * (one - other)).sum()
    assert abs(reg(one) - through(one) - reg(other) - cross.sum()) <= 300 * EPS * scale
    # Fenchel-Young, with equality at the gradient
    theta = reg.grad(one)
    conjugate = reg.conjugate(theta)
    if np.isfinite(conjugate):
        back = np.abs(reg.grad_conjugate(theta))
        rounding = float((np.abs(theta) + np.abs(reg.dual_origin)) @ (back + np.abs(one) + np.abs(start)))
        assert abs(reg(one) + conjugate - theta @ one) <= 300 * EPS * (reg(one) + rounding)
        assert reg(other) + conjugate >= theta @ other - 300 * EPS * (reg(other) + rounding + abs(theta @ other))


def test_domain_of_the_conjugate():
    reg = ib.Q(0.5, 3, reference=[0.4])
    edge = 1.0 - reg.dual_origin[0]
    assert np.isfinite(reg.conjugate([edge - 1e-6]))
    assert reg.conjugate([edge + 1e-6]) == np.inf
    assert reg.conjugate(torch.tensor([edge + 1e-6])).item() == np.inf
    assert reg([np.inf]) == np.inf
    assert np.isnan(reg([np.nan]))
    assert reg(torch.tensor([np.inf])).item() == np.inf


def test_other_scales_and_coordinates_keep_the_reference():
    reg = ib.Q(0.4, 3, W0, reference=START)
    assert reg.at_log_alpha(-2) == ib.Q.from_log_alpha(-2, 3, W0, reference=START)
    np.testing.assert_array_equal(reg.at_log_alpha(-2).dual_origin, ib.Q.from_log_alpha(-2, 3, W0).grad(START))
    part = reg.restricted([2, 0])
    assert part == ib.Q(0.4, 3, [0.5, 1.0], reference=[0.0, 0.3])
    x = np.array([0.2, -0.1, 0.7])
    np.testing.assert_array_equal(part.grad(x[[2, 0]]), reg.grad(x)[[2, 0]])
    np.testing.assert_array_equal(reg.dual_bound, reg.without_reference().dual_bound)


def test_as_an_object():
    reg = ib.Q(0.1, 3, reference=[1, -2])
    assert repr(reg) == "Q(0.1, D=3, reference=[1.0, -2.0])"
    for other in (eval(repr(reg), {"Q": ib.Q}), pickle.loads(pickle.dumps(reg)), copy.deepcopy(reg)):
        assert other == reg
        assert hash(other) == hash(reg)
        assert other([1.0, 1.0]) == reg([1.0, 1.0])
    assert reg != ib.Q(0.1, 3)
    assert reg != ib.Q(0.1, 3, reference=[1, 2])
    assert ib.Q(0.1, 3, reference=[0.0, 0.0]) == ib.Q(0.1, 3)
    assert ib.Q(0.1, 3, reference=[0, 0]).reference is None
    with pytest.raises(ValueError, match="read-only"):
        reg.reference[0] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        reg.dual_origin[0] = 2.0
    long = ib.Q(1, 2, np.linspace(0.5, 2.0, 13), reference=np.linspace(-1.0, 1.0, 13))
    assert repr(long) == "Q(1, D=2, w0=<13 entries from 0.5 to 2>, reference=<13 entries from -1 to 1>)"
    narrow = reg.grad(np.array([1.5, 0.5], dtype=np.float32))
    assert narrow.dtype == np.float32
    assert reg.grad(torch.tensor([1.5, 0.5])).dtype == torch.float32
    np.testing.assert_allclose(reg.grad(torch.tensor([1.5, 0.5])).numpy(), narrow, rtol=1e-6)
    assert reg.grad([[1.0, 2.0], [3.0, 4.0]]).shape == (2, 2)


@pytest.mark.parametrize(
    ("reference", "error", "text"),
    [
        ([1.0, np.nan], ValueError, "reference must be finite, got nan at index 1"),
        ([[1.0, 2.0]], ValueError, r"reference must have shape \(d,\), got an array of shape \(1, 2\)"),
        ([1.0], ValueError, r"reference must have the shape of w0, \(2,\), got \(1,\)"),
        (["1", "2"], TypeError, "reference must hold real numbers, got dtype <U1"),
    ],
)
def test_bad_reference(reference, error, text):
    with pytest.raises(error, match=text):
        ib.Q(1, 3, [1, 2], reference=reference)
    with pytest.raises(ValueError, match=r"the length of reference along its last axis, got shape \(3,\)"):
        ib.Q(1, reference=[1, 2])(np.ones(3))


# ---- from the weights at the start ----


@pytest.mark.parametrize("D", [2, 2.0001, 2.5, 3, 8])
@pytest.mark.parametrize("pair", [(0.3, 0.5), (1e-3, 20.0), (0.7, 0.7 * (1 + 2.0**-40)), (5e-20, 3e-20)])
def test_scale_and_reference_of_weights(D, pair):
    ctx = oracle.ctx
    reg = ib.Q.from_weights([pair[0], 0.4], [pair[1], 0.1], D)
    plus, minus, depth = oracle.number(pair[0]), oracle.number(pair[1]), oracle.number(D)
    scale = (
        ctx.sqrt(plus * minus)
        if D == 2
        else ((plus ** (2 - depth) + minus ** (2 - depth)) / 2) ** (1 / (2 - depth))
    )
    start = plus**depth - minus**depth
    # exp of a logarithm of size up to 50
    assert abs(reg.alpha * reg.w0[0] / scale - 1) < 100 * EPS
    assert abs(reg.reference[0] / start - 1) < 8 * EPS * D
    # the weights lie on the curve of that scale: theta_0 is log(w_+/w_-), or (w_-^{2-D} - w_+^{2-D})/2 in its units
    theta = ctx.log(plus / minus) if D == 2 else (minus ** (2 - depth) - plus ** (2 - depth)) / 2
    unit = 1 if D == 2 else oracle.number(reg.alpha) ** (depth - 2)
    # 1 - |theta| loses what the scale and the reference were rounded by
    assert float(reg.dual_origin[0]) == pytest.approx(float(theta * unit), rel=1e-11)


def test_balanced_weights_are_the_usual_start():
    assert ib.Q.from_weights([0.5, 0.5], [0.5, 0.5], 3) == ib.Q(0.5, 3)
    reg = ib.Q.from_weights([0.5, 2.0], [0.5, 2.0], 3)
    assert reg == ib.Q(1.0, 3, [0.5, 2.0])
    assert ib.Q.from_weights([-0.5, 0.5], [0.5, -0.5]) == ib.Q(0.5)  # signs do not matter at even depth


def test_product_of_weights():
    u, v = np.array([0.3, -1.2, 2.0, 0.5]), np.array([0.5, 0.1, 0.0, -0.25])
    reg = ib.Q.from_product(u, v)
    np.testing.assert_allclose(2 * (reg.alpha * reg.w0) ** 2, np.abs(u**2 - v**2) / 2, rtol=16 * EPS)
    np.testing.assert_array_equal(reg.reference, u * v)
    # the same as the difference of ((u+v)/2)^2 and ((u-v)/2)^2
    other = ib.Q.from_weights((u + v) / 2, (u - v) / 2)
    np.testing.assert_allclose(reg.dual_origin, other.dual_origin, rtol=64 * EPS, atol=EPS)
    np.testing.assert_allclose(np.sinh(reg.dual_origin), u * v / (np.abs(u**2 - v**2) / 2), rtol=64 * EPS)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ib.Q.from_weights([1.0, 0.0], [1.0, 1.0]), "w_plus must be nonzero .* got 0.0 at index 1"),
        (
            lambda: ib.Q.from_weights([1.0, 1.0], [1.0, -1.0], 3),
            "w_minus must be positive at depth 3, got -1.0 at index 1",
        ),
        (lambda: ib.Q.from_weights([1.0, 1.0], [1.0]), r"w_plus and w_minus must have one shape \(d,\), got"),
        (lambda: ib.Q.from_weights([np.inf], [1.0]), "w_plus must be finite, got inf at index 0"),
        (
            lambda: ib.Q.from_weights([1e-200], [2e-200]),
            r"w_plus\*\*D - w_minus\*\*D must stay within .* at index 0",
        ),
        (lambda: ib.Q.from_weights([1e200], [1.0]), r"must stay within the range of float64, got w_plus = 1e\+200"),
        (
            lambda: ib.Q.from_product([1.0, 2.0], [3.0, -2.0]),
            "u and v must differ .* u = 2.0 and v = -2.0 at index 1",
        ),
        (lambda: ib.Q.from_product([1e200], [1e201]), r"u \* v must stay within the range of float64"),
    ],
)
def test_bad_weights(make, text):
    with pytest.raises(ValueError, match=text):
        make()


# ---- torch ----


@pytest.mark.parametrize("reg", [REGULARIZERS[0], REGULARIZERS[5]], ids=repr)
def test_torch_derivatives(reg):
    x = torch.tensor([0.31, -1.2, 0.4], dtype=torch.float64, requires_grad=True)
    theta = torch.tensor([0.01, -0.02, 0.03], dtype=torch.float64, requires_grad=True)
    for name in NAMES:
        point = theta if "conjugate" in name else x
        assert torch.autograd.gradcheck(getattr(reg, name), (point,))
    assert torch.autograd.gradgradcheck(reg, (x,))
    assert torch.autograd.gradgradcheck(reg.conjugate, (theta,))
    (grad,) = torch.autograd.grad(reg(x), x)
    torch.testing.assert_close(grad, reg.grad(x.detach()), rtol=1e-15, atol=0.0)
