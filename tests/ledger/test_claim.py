import pytest

from implicitbias.ledger import Claim, Correction, Search, Verdict, counterexample, load, proof, search


def evidence(check):
    return "done"


def claim(verdict, *pieces, **more):
    return Claim("new.x", "Here", "Words.", "x", verdict, pieces, **more)


@pytest.mark.parametrize(
    ("verdict", "piece"),
    [
        (Verdict.PROVED, search(evidence)),
        (Verdict.INTERVALS, proof(evidence)),
        (Verdict.TESTED, proof(evidence)),
        (Verdict.GAP, counterexample(evidence)),
    ],
)
def test_a_verdict_needs_its_kind_of_evidence(verdict, piece):
    with pytest.raises(ValueError, match=r"new\.x: .* needs evidence of the kind"):
        claim(verdict, piece, remark="Something.")


def test_false_needs_a_counterexample_and_a_correction():
    fixed = Correction("Words.", "x", Verdict.PROVED, (proof(evidence),))
    with pytest.raises(ValueError, match="counterexample"):
        claim(Verdict.FALSE, proof(evidence), correction=fixed)
    with pytest.raises(ValueError, match="has a correction"):
        claim(Verdict.FALSE, counterexample(evidence))
    with pytest.raises(ValueError, match="has a correction"):
        claim(Verdict.PROVED, proof(evidence), correction=fixed)
    unproved = Correction("Words.", "x", Verdict.PROVED, ())
    with pytest.raises(ValueError, match="correction: 'proved' needs"):
        claim(Verdict.FALSE, counterexample(evidence), correction=unproved)


@pytest.mark.parametrize("verdict", [Verdict.GAP, Verdict.OPEN])
def test_what_is_missing_is_said(verdict):
    with pytest.raises(ValueError, match="remark"):
        claim(verdict, proof(evidence))


def test_every_search_has_numbers_of_its_own():
    def other(check):
        return ""

    one, two = search(evidence).recorder(), search(other).recorder()
    assert isinstance(one, Search)
    assert one.seed != two.seed


def test_the_derivations_of_this_checkout_are_loaded():
    from derivations import CLAIMS

    assert load() is CLAIMS


def test_other_derivations_are_refused(monkeypatch, tmp_path):
    import sys
    import types

    stranger = types.ModuleType("derivations")
    stranger.__file__ = str(tmp_path / "derivations" / "__init__.py")
    monkeypatch.setitem(sys.modules, "derivations", stranger)
    with pytest.raises(ModuleNotFoundError, match="not that of"):
        load()
