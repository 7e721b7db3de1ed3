"""Evidence that cannot fail shows nothing: wrong constants, curves and bounds are refused."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sympy import Rational, cosh, oo, sin, sqrt, symbols

from derivations import (
    asymptotics,
    chizat,
    concavity,
    convergence,
    corollary10,
    depth,
    explicit,
    kernel_limit,
    lemma5,
    lemma6,
    lemma7,
    moroshko,
    rich_limit,
    scale,
    theorem2,
    theorem2_sharp,
    theorem4,
    theorem9,
)
from implicitbias.ledger import Check, Refutation, Search, StepError

x = symbols("x", positive=True)


def refused(function, *arguments, recorder=Check):
    with pytest.raises(StepError) as caught:
        function(recorder(), *arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    "step", [asymptotics.small, asymptotics.large, asymptotics.next_orders, asymptotics.periodic]
)
def test_another_hypentropy(monkeypatch, step):
    original = asymptotics.q
    monkeypatch.setattr(asymptotics, "q", lambda z: original(z) + z**2 / 1000)
    refused(step)


def test_a_quartic_term_that_is_too_small():
    refused(asymptotics.small, Rational(1, 200))


@pytest.mark.parametrize(
    ("module", "step"), [(lemma5, lemma5.rewritten), (lemma6, lemma6.identity)], ids=["lemma5", "lemma6"]
)
def test_lemmas_need_the_hypentropy(monkeypatch, module, step):
    original = module.q
    monkeypatch.setattr(module, "q", lambda z: 2 * original(z))
    refused(step)


def test_the_right_root_is_no_misprint(monkeypatch):
    original = lemma6.scaled
    monkeypatch.setattr(lemma6, "scaled", lambda root: original(Rational(1, 4)))
    with pytest.raises(StepError, match="what it should be"):
        lemma6.misprint(Refutation())


@pytest.mark.parametrize("step", [rich_limit.bounds, kernel_limit.derive])
def test_another_conjugate(monkeypatch, step):
    original = depth.curve_integral
    for module in (rich_limit, kernel_limit, scale, depth):
        monkeypatch.setattr(module, "curve_integral", lambda z: 2 * original(z))
    refused(step)


def test_another_curve(monkeypatch):
    original = depth.curve
    monkeypatch.setattr(rich_limit, "curve", lambda z: 2 * original(z))
    refused(rich_limit.bounds)


def test_a_concave_curve_has_no_increasing_ratio():
    refused(concavity.increasing_ratio, sin(x), x)
    refused(concavity.increasing_ratio, sqrt(x), x)


def test_a_bounded_conjugate_does_not_hold_the_path():
    assert "without bound" in refused(convergence.coercive, x / (1 + x), x, x, oo)
    convergence.coercive(Check(), 2 * (cosh(x) - 1), x, x, oo)


def test_an_explicit_regularizer_of_another_rate(monkeypatch):
    original = explicit.stationary_curve
    monkeypatch.setattr(explicit, "stationary_curve", lambda check: tuple(2 * f for f in original(check)))
    refused(explicit.rate_of_approach)


def test_measurements_that_share_a_basis_do_not_refute_theorem_4(monkeypatch):
    monkeypatch.setattr(theorem4, "end_point", lambda *_: (theorem4.mpmath.mpf("0.5"), theorem4.mpmath.mpf(1), 0))
    refused(theorem4.not_the_minimizer, recorder=Refutation)


BOUNDS = [
    (lemma5.violations, lemma5, "lemma5_log_alpha", lambda value: 0.3 * value),
    (lemma6.ratios, lemma6, "lemma6_log_alpha", lambda value: 1.8 * value),
    (lemma7.violations, lemma7, "lemma7_sharp_alpha", lambda value: 0.7 * value),
    (theorem2.violations, theorem2, "theorem2_kernel_alpha", lambda value: 1e-3 * value),
    (theorem2.violations, theorem2, "theorem2_rich_log_alpha", lambda value: 0.02 * value),
    (theorem2_sharp.attained, theorem2_sharp, "theorem2_rich_sharp_log_alpha", lambda value: value + 0.2),
    (theorem2_sharp.attained, theorem2_sharp, "theorem2_rich_sharp_log_alpha", lambda value: value - 0.2),
    (theorem2_sharp.worst_kernel, theorem2_sharp, "theorem2_kernel_sharp_alpha", lambda value: 0.9 * value),
    (theorem9.simulate, theorem9, "theorem9_weights", lambda value: 0.3 * value),
    (theorem9.simulate, theorem9, "lemma11_rate", lambda value: 3 * value),
    (corollary10.at_the_width, corollary10, "corollary10_width", lambda value: 0.05 * value),
    (scale.derivative, scale, "interpolation_derivative", lambda value: 1.01 * value),
    (moroshko.lemma_3, moroshko, "moroshko_lemma3_accuracy", lambda value: value + 0.5),
    (moroshko.theorem_6, moroshko, "moroshko_theorem6", lambda value: 1.01 * value),
    (moroshko.theorem_4, moroshko, "moroshko_theorem4", lambda value: 1.01 * value),
]


@pytest.mark.parametrize(("find", "module", "name", "change"), BOUNDS, ids=lambda v: getattr(v, "__name__", str(v)))
def test_searches_find_what_is_wrong(monkeypatch, find, module, name, change):
    original = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *a, **k: change(original(*a, **k)))
    refused(find, recorder=lambda: Search(seed=11))


def test_slopes_of_another_theory(monkeypatch):
    original = chizat.trained

    def off(X, y, alpha, depth, w0):
        return original(X, y, alpha, depth, w0) + 0.01 * math.sqrt(alpha)

    monkeypatch.setattr(chizat, "trained", off)
    refused(chizat.slopes, recorder=lambda: Search(seed=11))


def test_the_end_point_of_the_counterexample_by_another_method():
    def speed(_, flat):
        return theorem4.lifted_speed(0.0, flat, X, y)

    X, y = np.array([np.eye(2), [[0.0, 1.0], [0.0, 0.0]]]), np.ones(2)
    end = solve_ivp(speed, (0, 15), np.eye(4).ravel(), rtol=3e-14, atol=1e-16, method="DOP853").y[:, -1]
    p, b, c = theorem4.end_point()
    # another order of the series, with other steps, agrees to 33 digits
    assert abs(theorem4.end_point(42, 30)[2] - c) < 1e-33
    assert end.reshape(4, 4)[:2, 2:] == pytest.approx(np.array([[p, b], [c, p]], dtype=float), abs=1e-9)
