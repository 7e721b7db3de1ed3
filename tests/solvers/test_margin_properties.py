"""What no choice of data may change: order, copies, signs and units of samples; and the verdict on separability."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import implicitbias as ib
from implicitbias._result import NotSeparableError
from implicitbias.solvers import max_margin

EXAMPLES = settings(max_examples=25, deadline=None)


@st.composite
def samples(draw, separable=True):
    """Data of every kind: generic, on a grid with ties, with copies, of very different size."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    N, d = draw(st.integers(2, 16)), draw(st.integers(1, 8))
    X = rng.standard_normal((N, d))
    kind = draw(st.sampled_from(["plain", "grid", "signs", "copies", "sizes", "columns"]))
    if kind == "grid":
        X = np.round(2.0 * X)
    elif kind == "signs":
        X = np.sign(X)
    elif kind == "copies":
        X = X[rng.integers(0, N, N)]
    elif kind == "sizes":
        X *= 10.0 ** rng.uniform(-2, 2, (N, 1))
    elif kind == "columns":
        X *= 10.0 ** rng.uniform(-2, 2, d)
    y = np.where(X @ rng.standard_normal(d) > 0.0, 1.0, -1.0) if separable else rng.choice([-1.0, 1.0], N)
    flip = int(rng.integers(N))
    if np.abs(y.sum()) == N:  # both classes, still separable
        X[flip], y[flip] = -X[flip], -y[flip]
    assume(X.any(axis=1).all())
    return X, y, rng


regularizers = st.builds(
    lambda exponent, D: ib.Q.from_log_alpha(exponent * np.log(10.0) / D, D),
    st.sampled_from([300, 4, 1, 0, -1, -2, -5, -20, -1000, -1000000]),
    st.sampled_from([2, 2.5, 3, 4, 10]),
)


def close(found, want):
    """Equal to the rounding of problems whose solution changes by 1e4 times a change of the data."""
    np.testing.assert_allclose(found, want, rtol=1e-9, atol=1e-10 * np.abs(want).max())


@EXAMPLES
@given(samples(), regularizers)
def test_order_signs_and_copies(data, reg):
    X, y, rng = data
    want = max_margin(X, y, reg)
    A = y[:, None] * X
    assert (A @ want.beta).min() >= 1.0 - 1e-11 * (np.abs(A) @ np.abs(want.beta)).max()
    order, columns = rng.permutation(len(y)), rng.permutation(X.shape[1])
    close(max_margin(X[order][:, columns], y[order], reg).beta, want.beta[columns])
    signs = rng.choice([-1.0, 1.0], len(y))
    if np.abs((signs * y).sum()) < len(y):
        close(max_margin(signs[:, None] * X, signs * y, reg).beta, want.beta)
    again = rng.integers(0, len(y), 3)
    close(max_margin(np.vstack([X, X[again]]), np.append(y, y[again]), reg).beta, want.beta)
    mirrored = rng.choice([-1.0, 1.0], X.shape[1])
    close(max_margin(X * mirrored, y, reg).beta, want.beta * mirrored)


@EXAMPLES
@given(samples(), regularizers, st.integers(-200, 200))
def test_units(data, reg, exponent):
    X, y, _ = data
    # else the multipliers leave the range of floats
    assume(float(reg.homogeneity) * reg.log_alpha < 600.0 or abs(exponent) < 20)
    want = max_margin(X, y, reg)
    found = max_margin(np.ldexp(X, exponent), y, reg.in_units(exponent))
    close(np.ldexp(found.beta, exponent), want.beta)


@EXAMPLES
@given(samples(), regularizers)
def test_more_samples_cost_more(data, reg):
    X, y, _ = data
    some = max(2, len(y) - 2)
    assume(np.abs(y[:some].sum()) < some)
    assert max_margin(X[:some], y[:some], reg).value <= max_margin(X, y, reg).value * (1.0 + 1e-9)


@settings(max_examples=150, deadline=None)
@given(samples(separable=False))
def test_separable_or_not_as_a_linear_program_says(data):
    X, y, _ = data
    A = y[:, None] * X
    scaled = A / np.abs(A).max(axis=1, keepdims=True)
    found = linprog(np.zeros(X.shape[1]), A_ub=-scaled, b_ub=-np.ones(len(y)), bounds=(None, None))
    assert found.status in {0, 2}
    if found.status == 0:
        assert (A @ max_margin(X, y, ib.L2()).beta).min() > 0.0
        return
    with pytest.raises(NotSeparableError) as caught:
        max_margin(X, y, ib.L2())
    c = caught.value.certificate
    assert c.min() >= 0.0
    assert np.abs(A.T @ c).max() <= 1e-12 * (np.abs(A).T @ c).max()
