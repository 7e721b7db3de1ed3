import pytest

from implicitbias.ledger import carry_out, select, verify


def states(verification):
    return {name.split(".")[-1]: outcome.state for name, outcome in verification.outcomes.items()}


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_holds_and_what_fails(toys, jobs):
    seen = []
    found = verify(toys.ALL, jobs=jobs, follow=lambda outcome, total: seen.append((outcome.name, total)))
    assert states(found) == {
        "one_is_one": "holds",
        "nothing": "fails",
        "one_is_two": "fails",
        "broken": "fails",
        "long": "holds",
        "squares": "holds",
        "half": "holds",
    }
    results = {outcome.name.split(".")[-1]: outcome.result for outcome in found.failures}
    assert results["nothing"] == "nothing was checked (checked nothing)"
    assert results["one_is_two"] == "one is two (got False)"
    assert results["broken"].startswith("AttributeError: ")
    # every piece is run once, though two serve several claims
    assert sorted(name for name, _ in seen) == sorted(found.outcomes)
    assert {total for _, total in seen} == {7}
    assert not found.interrupted


def test_the_short_pass_leaves_long_proofs_out_and_tries_fewer_cases(toys):
    found = verify(toys.ALL, quick=True, jobs=1)
    assert states(found)["long"] == "left out"
    assert found.outcomes["toy_claims.squares"].cases == 5
    assert carry_out(toys.TESTED.evidence[0]).cases == 50


def test_a_process_that_dies_is_a_failure_and_no_hang(toys):
    found = verify({"dead": toys.DEAD, "good": toys.GOOD}, jobs=2)
    assert states(found)["death"] == "fails"
    assert "process died" in found.outcomes["toy_claims.death"].result


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interruption_keeps_what_was_done(toys, jobs):
    def stop(outcome, total):
        raise KeyboardInterrupt

    found = verify(toys.FINE, jobs=jobs, follow=stop)
    assert found.interrupted
    assert sorted(states(found).values()) == ["holds", "not run", "not run"]
    assert not found.failures


def test_threads_of_this_process_are_left_alone(toys, monkeypatch):
    import os

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    verify(toys.FINE, jobs=2)
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_selection(toys):
    assert select(toys.ALL, []) == toys.ALL
    assert list(select(toys.ALL, ["smith"])) == ["smith.empty", "smith.broken"]
    assert list(select(toys.ALL, ["*.good", "moroshko.false"])) == ["woodworth.good", "moroshko.false"]
    with pytest.raises(ValueError, match=r"no claim is called 'woodworth.god'; similar: woodworth.good"):
        select(toys.ALL, ["woodworth.god"])
