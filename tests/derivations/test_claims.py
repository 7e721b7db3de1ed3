"""Every piece of evidence holds, in the short pass; every refutation is exact."""

import pytest

from derivations import CLAIMS, MODULES
from implicitbias.ledger import Refutation, Search, Verdict

EVIDENCE = {e.name: e for claim in CLAIMS.values() for e in claim.all_evidence}
FALSE = {e.name for claim in CLAIMS.values() if claim.verdict is Verdict.FALSE for e in claim.evidence}


@pytest.mark.parametrize("name", EVIDENCE)
def test_evidence_holds(name):
    recorder = EVIDENCE[name].recorder(quick=True)
    result = EVIDENCE[name].function(recorder)
    assert result
    assert "\n" not in result
    assert recorder.steps
    if isinstance(recorder, Refutation):
        assert recorder.violations
    if isinstance(recorder, Search):
        assert recorder.exercised > 0


def test_every_module_belongs_to_the_list():
    from pathlib import Path

    import derivations

    files = {p.stem for p in Path(derivations.__file__).parent.glob("[a-z]*.py")}
    assert files == set(MODULES)


def test_false_claims_are_refuted_by_their_evidence():
    assert all(EVIDENCE[name].kind in {"counterexample", "proof", "search", "intervals"} for name in FALSE)
    for claim in CLAIMS.values():
        if claim.verdict is Verdict.FALSE:
            assert any(e.kind == "counterexample" for e in claim.evidence), claim.id
