"""Lemmas 5, 6 and 7, at scales far beyond floats, and their sharp versions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import implicitbias as ib
from implicitbias import theorems
from tests.theorems.problems import exercise, exercised

MAGNITUDES = st.floats(-100.0, 100.0).map(lambda e: 10.0**e)


@st.composite
def vectors(draw):
    d = draw(st.sampled_from([1, 2, 3, 10, 100]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    beta = rng.standard_normal(d) * 10.0 ** rng.uniform(-4, 4, d) * (rng.random(d) < draw(st.floats(0.3, 1.0)))
    beta[0] += 1e-3
    return beta * draw(MAGNITUDES)


@exercised("lemma 5", least=0.8)
@settings(max_examples=200, deadline=None)
@given(beta=vectors(), log_eps=st.floats(-6.0, 2.0), below=st.floats(0.0, 50.0))
def test_lemma_5(beta, log_eps, below):
    eps, norm = 10.0**log_eps, float(np.abs(beta).sum())
    log_alpha = theorems.lemma5_log_alpha(eps, norm, len(beta)) - below
    if exercise("lemma 5", log_alpha > -1e300):
        value = float(ib.Q.from_log_alpha(log_alpha)(beta)) / (-2 * log_alpha)
        assert (1 - eps) * norm * (1 - 1e-12) <= value <= (1 + eps) * norm * (1 + 1e-12)


@exercised("lemma 7", least=0.8)
@settings(max_examples=200, deadline=None)
@given(beta=vectors(), log_eps=st.floats(-6.0, 2.0), above=st.floats(0.0, 50.0))
def test_lemma_7(beta, log_eps, above):
    eps, norm = 10.0**log_eps, float(np.linalg.norm(beta))
    printed = theorems.lemma7_alpha(eps, norm)
    sharp = theorems.lemma7_sharp_alpha(eps, float(np.abs(beta).max()))
    assert sharp < printed
    for alpha in (printed, sharp):
        log_alpha = math.log(alpha) + above
        # Q times 4 alpha^2, at a scale of the argument that stays in range
        value = 4 * math.exp(2 * log_alpha - 2 * math.log(norm)) * float(ib.Q.from_log_alpha(log_alpha)(beta))
        if exercise("lemma 7", math.isfinite(value) and value > 0):
            assert (1 - eps) * (1 - 1e-11) <= value <= 1 + 1e-11


@exercised("lemma 6", least=0.8)
@settings(max_examples=100, deadline=None)
@given(log_eps=st.floats(-4.0, 0.3), more=st.floats(0.0, 200.0), above=st.floats(0.0, 5.0))
def test_lemma_6(log_eps, more, above):
    eps = 10.0**log_eps
    log_d = max(1.0, 4 * eps * math.log(12.0)) + more
    if not exercise("lemma 6", log_d < 690):
        return
    d = math.exp(log_d)
    printed, sharp = theorems.lemma6_log_alpha(eps, d), theorems.lemma6_sharp_log_alpha(eps, d)
    assert sharp < printed
    for log_alpha in (printed, printed + above, sharp + 1e-6):
        q = ib.Q.from_log_alpha(log_alpha)
        ratio = float(q(np.array([1.0]))) / (math.sqrt(d) * float(q(np.array([d**-0.5]))))
        assert ratio >= (1 + eps) * (1 - 1e-9)
    q = ib.Q.from_log_alpha(sharp - 1e-3)
    assert float(q(np.array([1.0]))) / (math.sqrt(d) * float(q(np.array([d**-0.5])))) < 1 + eps


def test_sharp_scale_of_lemma_6_for_many_features():
    for eps in (0.1, 0.5, 2.0):
        expected = -0.5 - 0.25 * (1 + 1 / eps) * math.log(1e80)
        assert theorems.lemma6_sharp_log_alpha(eps, 1e80) == pytest.approx(expected, rel=1e-6 if eps < 1 else 1e-3)
    assert theorems.lemma6_sharp_alpha(0.4, 2) > 0


def test_scales_as_printed():
    assert theorems.lemma5_alpha(0.5, 2.0, 3) == pytest.approx(min(1, 2**0.5, 0.25, math.exp(-1.5)))
    assert theorems.lemma5_alpha(1e-6, 1.0, 10) == 0.0
    assert theorems.lemma5_log_alpha(1e-6, 1.0, 10) == pytest.approx(-5e6)
    assert theorems.lemma6_alpha(0.25, 100) == pytest.approx(100 ** (-0.25 - 0.5))
    assert theorems.lemma7_alpha(1 / 16, 9.0) == pytest.approx(9.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theorems.lemma5_alpha(0.0, 1.0, 2), "eps must be positive"),
        (lambda: theorems.lemma5_alpha(1.0, -1.0, 2), "l1_norm must be positive"),
        (lambda: theorems.lemma6_alpha(1.0, 100), r"d must be at least max\(e, 12\^\(4 eps\)\)"),
        (lambda: theorems.lemma6_sharp_alpha(1.0, 4), r"eps must be less than sqrt\(d\) - 1"),
        (lambda: theorems.lemma7_alpha(1.0, math.inf), "l2_norm must be positive and finite"),
        (lambda: theorems.lemma7_sharp_alpha(1.0, 0.0), "largest must be positive"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
