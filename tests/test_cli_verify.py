import json
from pathlib import Path

import pytest

from implicitbias import cli, ledger

ROOT = Path(__file__).parents[1]


@pytest.fixture
def toys(monkeypatch):
    import importlib

    monkeypatch.syspath_prepend(str(ROOT / "tests" / "ledger"))
    module = importlib.import_module("toy_claims")
    monkeypatch.setattr(ledger, "load", lambda: module.ALL)
    return module


@pytest.mark.usefixtures("toys")
def test_claims_that_hold(capsys):
    assert cli.main(["verify", "woodworth.good", "moroshko", "--jobs", "1", "--steps"]) == 0
    out = capsys.readouterr().out
    assert "3 claims" in out
    assert "1. one is one" in out


@pytest.mark.usefixtures("toys")
def test_failing_evidence_ends_with_status_one(capsys):
    assert cli.main(["verify", "--jobs", "1", "--json"]) == 1
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)["claims"]) == 7
    assert "toy_claims.one_is_two fails: one is two" in captured.err


@pytest.mark.usefixtures("toys")
def test_files(tmp_path, capsys):
    record, page, errata = tmp_path / "r.json", tmp_path / "p.html", tmp_path / "e.md"
    arguments = ["verify", "moroshko", "--quick", "--jobs", "1", "--json", str(record), "--html", str(page)]
    assert cli.main(arguments) == 0
    assert json.loads(record.read_text())["quick"] is True
    assert "Short pass" in page.read_text()
    assert cli.main(["verify", "--errata", str(errata)]) == 0
    assert "moroshko.false" in errata.read_text()
    capsys.readouterr()


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "no claim is called 'nonsense'"),
        (["--jobs", "0"], "argument --jobs: a whole number of at least 1 expected, got '0'"),
        (["--html", "/no/such/place/x.html"], "argument --html: no such directory"),
    ],
)
def test_bad_input(arguments, message, capsys):
    assert cli.main(["verify", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("toys")
def test_list_runs_nothing(capsys):
    assert cli.main(["verify", "--list", "smith"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == ["smith.empty", "smith.broken"]


@pytest.mark.usefixtures("toys")
def test_interruption_has_its_own_status(monkeypatch, capsys):
    from implicitbias.ledger import _run

    def interrupt(evidence, *, quick=False):
        raise KeyboardInterrupt

    monkeypatch.setattr(_run, "carry_out", interrupt)
    assert cli.main(["verify", "woodworth.good", "--jobs", "1"]) == 130
    assert "NOT RUN interrupted" in capsys.readouterr().out
