"""Every piece of evidence holds, in the short pass; every refutation is exact; the page of errata is up to date."""

from pathlib import Path

import pytest
from latex2mathml.converter import convert

import derivations
from derivations import CLAIMS, MODULES
from implicitbias.ledger import Refutation, Search, Verdict, errata

EVIDENCE = {e.name: e for claim in CLAIMS.values() for e in claim.all_evidence}
FALSE = [claim for claim in CLAIMS.values() if claim.verdict is Verdict.FALSE]
DIRECTORY = Path(derivations.__file__).parent


@pytest.mark.parametrize("name", EVIDENCE)
def test_evidence_holds(name):
    recorder = EVIDENCE[name].recorder(quick=True)
    result = EVIDENCE[name].function(recorder)
    assert result
    assert "\n" not in result
    assert recorder.steps
    if isinstance(recorder, Search):
        assert recorder.exercised > 0


@pytest.mark.parametrize("claim", FALSE, ids=lambda claim: claim.id)
def test_false_claims_have_an_exact_counterexample_and_a_correction_that_holds(claim):
    refutations = [e for e in claim.evidence if e.kind == "counterexample"]
    assert refutations
    for e in refutations:
        recorder = e.recorder()
        assert isinstance(recorder, Refutation)  # takes exact numbers and thirty digits, no floats
        e.function(recorder)
        assert recorder.violations
    assert claim.correction.evidence
    assert claim.correction.verdict in {Verdict.PROVED, Verdict.INTERVALS, Verdict.TESTED}
    assert claim.correction.latex != claim.latex


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=lambda claim: claim.id)
def test_statements_can_be_read(claim):
    for latex in (claim.latex, claim.correction.latex if claim.correction else claim.latex):
        assert convert(latex, display="block").startswith("<math")
        assert latex.count("{") == latex.count("}")
        assert "$" not in latex
    assert claim.sentence.endswith(".")
    assert not claim.remark or claim.remark.endswith(".")


def test_every_module_belongs_to_the_list():
    assert {path.stem for path in DIRECTORY.glob("[a-z]*.py")} == set(MODULES)


def test_every_paper_is_there_and_in_order():
    prefixes = [name.split(".")[0] for name in CLAIMS]
    assert list(dict.fromkeys(prefixes)) == ["woodworth", "smith", "moroshko", "new"]


def test_errata_are_up_to_date():
    # implicitbias verify --errata derivations/ERRATA.md
    assert (DIRECTORY / "ERRATA.md").read_text(encoding="utf-8") == errata(CLAIMS)
