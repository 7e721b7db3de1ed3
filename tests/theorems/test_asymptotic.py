"""The forms (6) and (7) against Q itself, at any scale."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import implicitbias as ib
from implicitbias import theorems


@st.composite
def cases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    d = draw(st.sampled_from([1, 3, 20]))
    beta = rng.standard_normal(d) * 10.0 ** rng.uniform(-3, 3, d) * (rng.random(d) < 0.8)
    return beta, rng.uniform(0.5, 2.0, d)


@settings(max_examples=150, deadline=None)
@given(case=cases(), log_alpha=st.floats(-3.0, 20.0))
def test_kernel_form(case, log_alpha):
    beta, w0 = case
    form = theorems.asymptotic_kernel(beta, log_alpha, w0)
    value = 4 * math.exp(2 * log_alpha) * float(ib.Q.from_log_alpha(log_alpha, 2, w0)(beta))
    slack = 1e-13 * form.value
    assert -slack <= form.value - value <= form.error + slack


@settings(max_examples=150, deadline=None)
@given(case=cases(), log_size=st.floats(-2.0, 5.0))
def test_rich_form(case, log_size):
    beta, w0 = case
    log_alpha = -(10.0**log_size)
    form = theorems.asymptotic_rich(beta, log_alpha, w0)
    value = float(ib.Q.from_log_alpha(log_alpha, 2, w0)(beta)) / (-2 * log_alpha)
    # the terms are of the size of b log b, of which rounding leaves the 16th digit
    slack = 1e-13 * (np.abs(beta).sum() * (1 + 8 / -log_alpha) + 1 / -log_alpha)
    assert -slack <= form.value - value <= form.error + slack
    printed = theorems.asymptotic_rich(beta, log_alpha, w0, printed=True)
    assert printed.value == np.abs(beta).sum()


def test_the_printed_form_is_a_limit_only():
    beta = np.array([3.0, -0.2])
    for log_alpha in (-1e2, -1e4):
        value = float(ib.Q.from_log_alpha(log_alpha)(beta)) / (-2 * log_alpha)
        off = theorems.asymptotic_rich(beta, log_alpha, printed=True).value - value
        assert off * -2 * log_alpha == pytest.approx(3.2 - 3 * math.log(3) - 0.2 * math.log(0.2), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theorems.asymptotic_kernel(1.0, 0.0), "vectors of one shape"),
        (lambda: theorems.asymptotic_kernel([1.0], 0.0, [1.0, 2.0]), "vectors of one shape"),
        (lambda: theorems.asymptotic_kernel([1.0], 0.0, [0.0]), "w0 must be positive"),
        (lambda: theorems.asymptotic_rich([1.0], 0.0), "log_alpha must be negative"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
