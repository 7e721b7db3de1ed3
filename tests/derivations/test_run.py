import pytest
from sympy import Symbol, cos, sin

import derivations.__main__ as command
from derivations import DERIVATIONS, Check, Derivation, StepError

x = Symbol("x", real=True)


@pytest.mark.parametrize("name", DERIVATIONS)
def test_every_step_holds(name):
    outcome = DERIVATIONS[name].run()
    assert len(outcome.steps) >= 15
    assert outcome.result
    assert "\n" not in outcome.result


def test_names_and_sources_are_given():
    for name, derivation in DERIVATIONS.items():
        assert derivation.name == name
        assert "Woodworth" in derivation.source


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


@pytest.fixture
def two_derivations(monkeypatch):
    def good(check):
        check(True, "one is one")
        return "holds [for sure]"

    def bad(check):
        check(False, "one is two")
        return "never reached"

    small = {
        name: Derivation(name, "a statement", "a [source]", derive)
        for name, derive in (("good", good), ("bad", bad))
    }
    monkeypatch.setattr(command, "DERIVATIONS", small)


@pytest.mark.usefixtures("two_derivations")
def test_command_prints_what_holds(capsys):
    assert command.main(["--steps", "good"]) == 0
    output = capsys.readouterr().out
    assert "holds" in output
    assert "1. one is one" in output


@pytest.mark.usefixtures("two_derivations")
def test_command_names_the_step_that_fails_and_runs_the_rest(capsys):
    assert command.main(["bad", "good"]) == 1
    captured = capsys.readouterr()
    assert "bad: this step does not hold: one is two" in captured.err
    assert "holds" in captured.out


def test_command_refuses_unknown_names(capsys):
    assert command.main(["hypentropy", "nonsense"]) == 2
    captured = capsys.readouterr()
    assert "no derivation called nonsense" in captured.err
    assert "hypentropy" in captured.err
    assert captured.out == ""
