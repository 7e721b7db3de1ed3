import math

import mpmath
import numpy as np
import pytest
from sympy import Integer, Rational, Symbol, cos, log, sin, sqrt

from implicitbias.ledger import Check, Refutation, Search, StepError

x = Symbol("x", real=True)


@pytest.mark.parametrize("condition", [False, None, x > 0, 1, "yes"])
def test_only_plain_truth_is_a_step(condition):
    check = Check()
    with pytest.raises(StepError, match="this one"):
        check(condition, "this one")
    assert check.steps == []


def test_equal_reports_the_difference():
    check = Check()
    check.equal(sin(x) ** 2, 1 - cos(x) ** 2, "identity")
    assert check.steps == ["identity"]
    with pytest.raises(StepError, match=r"off by one .*differ by 1\)"):
        check.equal(x + 1, x, "off by one")


def test_positive_by_intervals():
    check = Check()
    check.positive(lambda t: 1 + t * t - t, [(-1, 1)], "t^2 - t + 1 > 0")
    assert "boxes" in check.steps[0]
    with pytest.raises(StepError, match=r"t > 0 \(not positive on"):
        check.positive(lambda t: t, [(-2, -1)], "t > 0")


def test_exact_differences():
    refute = Refutation()
    refute.differs(Rational(1, 3), Rational(1, 2), "a third")
    refute.exceeds(sqrt(2), Rational(141421, 100000), "the root")
    refute.holds(True, "two roots")
    assert len(refute.violations) == 3
    with pytest.raises(StepError, match="what it should be"):
        refute.differs(sqrt(8), 2 * sqrt(2), "the same")
    with pytest.raises(StepError, match="does not exceed"):
        refute.exceeds(Integer(1), Integer(1), "one")
    assert len(refute.violations) == 3


def test_thirty_digits_decide():
    refute = Refutation()
    with mpmath.workdps(40):
        near = mpmath.pi + mpmath.mpf("1e-20")
        refute.differs(near, mpmath.pi + 0, "off by 1e-20")
        with pytest.raises(StepError):
            refute.differs(mpmath.pi + mpmath.mpf("1e-29"), mpmath.pi + 0, "beyond thirty digits")
        refute.exceeds(near, Rational(3), "more than three")


def test_floats_are_no_counterexample():
    with pytest.raises(TypeError, match="floats"):
        Refutation().differs(0.1 + 0.2, Rational(3, 10), "rounding")


def test_logarithms_are_compared_in_digits():
    refute = Refutation()
    refute.exceeds(log(3), log(2) + Rational(4, 10), "log 3")


def test_search_counts_and_finds():
    tries = Search(seed=3)
    for rng in tries.draws(40, 4):
        value = rng.uniform()
        tries.at_most(value, 1.0, "uniform", exercised=value < 0.9)
    tries.skip("no solution")
    assert tries.cases == 40
    line = tries.conclude("uniform numbers", share=0.7, lost=0.1)
    assert f"{tries.exercised} cases: uniform numbers" in line
    assert "1 without a verdict (no solution)" in line
    with pytest.raises(StepError, match=r"here: 2\.0 exceeds 1\.0"):
        tries.at_most(2.0, 1.0, "here")
    with pytest.raises(StepError):
        tries.at_most(math.nan, 1.0, "nan")


def test_search_needs_its_hypothesis_met():
    tries = Search()
    tries.at_most(1.0, 2.0, "x")
    tries.at_most(5.0, 2.0, "out of range", exercised=False)
    tries.at_most(5.0, 2.0, "out of range", exercised=False)
    with pytest.raises(StepError, match="at least 50%"):
        tries.conclude("mostly vacuous")
    with pytest.raises(StepError):
        Search().conclude("nothing at all")


def test_search_refuses_many_cases_without_verdict():
    tries = Search()
    tries.at_most(1.0, 2.0, "x")
    tries.skip("did not converge")
    with pytest.raises(StepError, match="without a verdict"):
        tries.conclude("half lost")


def test_quick_draws_are_the_first_of_the_full_ones():
    full = [rng.uniform() for rng in Search(seed=1).draws(10, 3)]
    quick = [rng.uniform() for rng in Search(seed=1, quick=True).draws(10, 3)]
    assert quick == full[:3]
    assert not np.isclose(full[0], next(Search(seed=2).draws(1, 1)).uniform())


def test_a_zero_that_is_not_seen_is_no_difference():
    # asinh(1/2) as a logarithm: SymPy leaves the difference alone, and evaluates it to noise
    from sympy import asinh

    hidden = asinh(Rational(1, 2)) - log((1 + sqrt(5)) / 2)
    with pytest.raises(StepError, match="what it should be"):
        Refutation().differs(1 + hidden, Integer(1), "the golden ratio")
