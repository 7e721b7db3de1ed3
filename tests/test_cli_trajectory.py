"""``implicitbias trajectory``, and ``implicitbias crosscheck`` with a loss of classification."""

from __future__ import annotations

import json
import shlex

import mpmath
import numpy as np
import pytest
from rich.console import Console

from implicitbias import three_points
from implicitbias._trajectory_view import progress_bar
from implicitbias.cli import main
from implicitbias.data import digits
from implicitbias.flow import Trajectory, gradient_flow
from implicitbias.flow._float import FloatFlow

DATA = three_points.same_support()
NAMES = ("accuracy", "beta", "dual", "log10_time")


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "run.npz")


@pytest.fixture
def table(tmp_path):
    """A file with labels 0 and 1."""
    file = tmp_path / "toy.npz"
    np.savez(file, X=DATA.X, y=(DATA.y + 1) / 2)
    return str(file)


def run(capsys, *arguments):
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def trajectory(capsys, *arguments):
    return run(capsys, "trajectory", *arguments)


def interrupt(monkeypatch, after):
    """Ctrl-C when this many states have been reached."""
    honest, calls = FloatFlow.advance_to, 0

    def advance_to(self, accuracy):
        nonlocal calls
        calls += 1
        if calls > after:
            raise KeyboardInterrupt
        return honest(self, accuracy)

    monkeypatch.setattr(FloatFlow, "advance_to", advance_to)


def same(one, other):
    for name in NAMES:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_equals_the_line_of_python(capsys, out):
    code, shown, err = trajectory(capsys, "--alpha", 100, "--loss-until", "1e-8700", "--save-at", 20, "--out", out)
    assert (code, err) == (0, "")
    expected = gradient_flow(DATA.X, DATA.y, "100", 2, "exponential", until_loss="1e-8700", save_at=20)
    same(Trajectory.load(out), expected)
    assert len(expected) == 20
    assert "-8700 " in shown
    assert "20 states" in shown
    assert f"saved to {out}" in shown.replace("\n", "")


def test_table_has_what_the_trajectory_has(capsys):
    code, shown, _ = trajectory(capsys, "--accuracy-until", 1000, "--save-at", 2, "1e2", "--depth", 3)
    assert code == 0
    states = gradient_flow(DATA.X, DATA.y, 1, 3, "exponential", until_accuracy=1000, save_at=[2, 100])
    lines = [line.split() for line in shown.splitlines()]
    header = next(line for line in lines if line[:1] == ["accuracy"])
    assert " ".join(header) == "accuracy log10 loss margin l1 excess l2 excess to Q_mu support"
    rows = [line for line in lines if len(line) == 7 and line[0].isdecimal()]
    assert len(rows) == 3
    for i, row in enumerate(rows):
        numbers = [states.accuracy[i], states.log10_loss[i], states.margin[i]]
        numbers += [states.l1_excess[i], states.l2_excess[i], states.path_distance[i]]
        np.testing.assert_allclose([float(cell) for cell in row[:-1]], numbers, rtol=1e-2)
        assert int(row[-1]) == states.support[i].sum()


@pytest.mark.parametrize("loss", ["logistic", "squared"])
def test_other_losses(capsys, table, out, loss):
    code, shown, _ = trajectory(
        capsys, "--data", table, "--loss", loss, "--accuracy-until", 9, "--out", out, "--save-at", 4
    )
    assert code == 0
    y = DATA.y if loss == "logistic" else (DATA.y + 1) / 2
    same(Trajectory.load(out), gradient_flow(DATA.X, y, "1", loss=loss, until_accuracy=9, save_at=4))
    assert ("support" in shown) == (loss == "logistic")


def test_digits_are_all_there(capsys, out):
    code, shown, err = trajectory(
        capsys, "--digits", 25, "--loss-until", "1e-300", "--save-at", 2, "--out", out, "--json"
    )
    assert (code, err) == (0, "")
    read, saved = json.loads(shown), Trajectory.load(out)
    assert saved.digits == read["digits"] == 25
    assert [len(row["support"]) for row in read["rows"]] == saved.support.sum(axis=1).tolist()
    with mpmath.workdps(25):
        assert mpmath.almosteq(mpmath.mpf(read["rows"][-1]["log10_loss"]), -300, rel_eps=mpmath.mpf("1e-23"))
        for text, value in zip(read["beta"], saved.beta[-1], strict=True):
            assert mpmath.almosteq(mpmath.mpf(text), value, rel_eps=mpmath.mpf("1e-23"))


def test_json(capsys, tmp_path):
    file = tmp_path / "a.json"
    arguments = ("--accuracy-until", 50, "--save-at", 30, "--json")
    code, shown, _ = trajectory(capsys, *arguments)
    assert code == 0
    read = json.loads(shown)
    assert set(read) == {
        *(
            "description",
            "alpha",
            "depth",
            "loss",
            "digits",
            "status",
            "states",
            "steps",
            "seconds",
            "rows",
            "beta",
        ),
    }
    assert (read["alpha"], read["depth"], read["loss"], read["status"]) == ("1", 2, "exponential", "converged")
    assert (read["states"], len(read["rows"])) == (30, 12)
    # the first states are on the wrong side of a sample, where no excess exists
    assert read["rows"][0]["l1_excess"] is None
    assert read["rows"][-1]["l1_excess"] > 0
    code, shown, _ = trajectory(capsys, *arguments, file)
    assert code == 0
    assert "states" in shown
    again = json.loads(file.read_text(encoding="utf-8"))
    assert {**again, "seconds": 0} == {**read, "seconds": 0}


@pytest.mark.parametrize("loss", ["exponential", "squared"])
def test_plot(capsys, tmp_path, loss):
    pytest.importorskip("matplotlib")
    file = tmp_path / "a.png"
    code, _, err = trajectory(capsys, "--loss", loss, "--accuracy-until", 8, "--save-at", 5, "--plot", file)
    assert (code, err) == (0, "")
    assert file.read_bytes().startswith(b"\x89PNG")


def test_labels_zero_and_one_are_converted_and_said_to_be(capsys, table, out):
    code, _, err = trajectory(capsys, "--data", table, "--accuracy-until", 9, "--out", out)
    assert (code, err) == (0, "implicitbias: labels 0 and 1 are taken as -1 and 1\n")
    np.testing.assert_array_equal(Trajectory.load(out).y, DATA.y)


def test_interruption_loses_nothing_and_goes_on(capsys, monkeypatch, tmp_path, out):
    whole = ("--alpha", "3", "--depth", "2.5", "--data", "changing-support", "--accuracy-until", "1e3")
    with monkeypatch.context() as patch:
        interrupt(patch, 40)
        code, _, err = trajectory(capsys, *whole, "--out", out)
    assert code == 130
    assert err.startswith("implicitbias: interrupted at accuracy ")
    assert err.count("\n") == 1
    part = Trajectory.load(out)
    assert len(part) in (40, 41)  # the state in which it was stopped is kept, too
    again = shlex.split(err.split("go on with: ")[1])
    assert again[:2] == ["implicitbias", "trajectory"]
    code, _, err = run(capsys, *again[1:])
    assert (code, err) == (0, "")
    found = Trajectory.load(out)
    assert found.accuracy[-1] == pytest.approx(1000, rel=1e-12)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(found, name)[: len(part)], getattr(part, name))
    data = three_points.changing_support()
    direct = gradient_flow(data.X, data.y, 3, 2.5, "exponential", until_accuracy=1e3, save_at=1)
    np.testing.assert_allclose(found.beta[-1], direct.beta[-1], rtol=1e-8)


def test_interruption_with_nothing_to_save(capsys, monkeypatch, out):
    interrupt(monkeypatch, 0)
    code, _, err = trajectory(capsys, "--accuracy-until", 100, "--out", out)
    assert (code, err) == (130, "implicitbias: interrupted at the start; nothing was saved\n")
    interrupt(monkeypatch, 3)
    code, _, err = trajectory(capsys, "--accuracy-until", 100)
    assert code == 130
    assert err.endswith("nothing was saved, as there is no --out\n")


def test_resume_with_other_arguments(capsys, out, tmp_path):
    assert trajectory(capsys, "--accuracy-until", 10, "--alpha", 2, "--out", out)[0] == 0
    other = str(tmp_path / "other.npz")
    code, _, err = trajectory(capsys, "--resume", out, "--accuracy-until", 20, "--out", other, "--save-at", 3)
    assert (code, err) == (0, "")
    before, after = Trajectory.load(out), Trajectory.load(other)
    assert (len(before), after.accuracy[-1]) == (100, pytest.approx(20, rel=1e-12))
    np.testing.assert_array_equal(after.beta[:100], before.beta)
    for arguments, different in (
        (["--alpha", "3"], "alpha, D or w0"),
        (["--depth", "3"], "alpha, D or w0"),
        (["--loss", "logistic"], "loss"),
        (["--digits", "20"], "digits"),
        (["--data", "deeper-norm"], "X"),
    ):
        code, _, err = trajectory(capsys, "--resume", out, "--accuracy-until", 20, *arguments)
        assert code == 2
        assert err.startswith("implicitbias: argument --resume: resume must be a trajectory of the same problem; ")
        assert different in err
    code, _, err = trajectory(capsys, "--resume", out, "--accuracy-until", 5)
    assert code == 2
    assert "the trajectory to resume is at accuracy 10 already, 5 asked" in err


def test_an_end_before_the_goal_is_exit_code_one(capsys, monkeypatch, out):
    import implicitbias.flow as flow

    honest = flow.gradient_flow
    monkeypatch.setattr(flow, "gradient_flow", lambda *a, **k: honest(*a, **{**k, "max_steps": 60}))
    code, shown, err = trajectory(capsys, "--accuracy-until", 1e6, "--out", out)
    assert code == 1
    assert err.startswith("implicitbias: stopped at the iteration limit before reaching the tolerance")
    assert err.count("\n") == 1
    assert "saved to" in shown
    assert 0 < Trajectory.load(out).accuracy[-1] < 1e6


def test_progress_is_shown_on_terminals_only():
    with progress_bar(0.0, 1e4, Console(file=None, force_terminal=False)) as follow:
        assert follow is None
    console = Console(force_terminal=True, record=True, width=100)
    with console.capture() as captured, progress_bar(0.0, 1e4, console) as follow:
        gradient_flow(DATA.X, DATA.y, 1, loss="exponential", until_accuracy=1e4, progress=follow)
        follow(type("State", (), {"accuracy": 1e4}))
    assert "accuracy 10000 of 10000" in captured.get()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the arguments --loss-until --accuracy-until is required"),
        (["--loss-until", "1e-9", "--accuracy-until", "1"], "not allowed with argument"),
        (["--loss-until", "-1"], "argument --loss-until: a positive decimal number expected, got '-1'"),
        (["--loss-until", "0"], "argument --loss-until: a positive decimal number expected, got '0'"),
        (["--loss-until", "2"], "must ask for a loss below that at the start"),
        (["--accuracy-until", "-1"], "must ask for a loss below that at the start"),
        (["--accuracy-until", "x"], "argument --accuracy-until: a decimal number expected, got 'x'"),
        (
            ["--accuracy-until", "9", "--alpha", "0"],
            "argument --alpha: a positive decimal number expected, got '0'",
        ),
        (["--accuracy-until", "9", "--depth", "1"], "argument --depth: a number of at least 2 expected, got '1'"),
        (["--accuracy-until", "9", "--digits", "0"], "argument --digits: a whole number from 1 to 100000 expected"),
        (["--accuracy-until", "9", "--save-at", "0"], "save_at must be a positive number of points"),
        (
            ["--accuracy-until", "9", "--save-at", "1", "x"],
            "argument --save-at: a decimal number expected, got 'x'",
        ),
        (["--accuracy-until", "9", "--save-at", "1", "10"], "save_at must lie beyond the accuracy at the start"),
        (["--accuracy-until", "9", "--loss", "hinge"], "invalid choice: 'hinge'"),
        (["--accuracy-until", "9", "--data", "none.csv"], "argument --data: none.csv: no such file"),
        (["--accuracy-until", "9", "--target", "a"], "argument --target: needs --data with a .csv file"),
        (["--accuracy-until", "9", "--resume", "none.npz"], "argument --resume: none.npz: no such file"),
        (["--accuracy-until", "9", "--resume", "toy.npz"], "argument --resume: toy.npz: not a saved trajectory"),
        (["--accuracy-until", "9", "--out", "no/such/a.npz"], "argument --out: no such directory: "),
        (["--accuracy-until", "9", "--out", "."], "argument --out: . is a directory"),
        (["--accuracy-until", "9", "--out", "a.txt"], "argument --out: a.txt must end in .npz"),
        (["--accuracy-until", "9", "--json", "no/such/a"], "argument --json: no such directory: "),
        (["--accuracy-until", "9", "--plot", "a.xyz"], "a.xyz must end in one of "),
        (["--accuracy-until", "9", "--data", "labels.csv"], "y must hold labels -1 or +1 (or 0 and 1), got 2.0"),
        (["--accuracy-until", "9", "--data", "one.csv"], "y must hold both classes"),
        (["--accuracy-until", "9", "--data", "zero.csv"], "X must have no sample that is all zeros"),
        (["--accuracy-until", "9", "--data", "mixed.csv"], "separa"),
    ],
)
def test_bad_input_is_one_line(capsys, monkeypatch, tmp_path, table, arguments, message):
    monkeypatch.chdir(tmp_path)
    for name, rows in (
        ("labels", "1,2\n3,1"),
        ("one", "1,1\n3,1"),
        ("zero", "0,1\n3,-1"),
        ("mixed", "1,1\n1,-1"),
    ):
        (tmp_path / f"{name}.csv").write_text(f"a,label\n{rows}\n", encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    code, shown, err = trajectory(capsys, *arguments)
    assert code == 2
    assert message in err
    assert err.startswith("implicitbias: ")
    assert err.count("\n") == 1
    assert "Traceback" not in shown + err
    assert sorted(tmp_path.iterdir()) == before


# ---- crosscheck ----


def test_crosscheck_with_a_loss_of_classification(capsys, table, tmp_path):
    file = tmp_path / "a.json"
    arguments = ("crosscheck", "--data", table, "--loss", "logistic", "--alpha", "1", "--depth", "2", "3")
    code, shown, err = run(capsys, *arguments, "--json", file)
    assert (code, err) == (0, "implicitbias: labels 0 and 1 are taken as -1 and 1\n")
    assert "All 2 paths agree" in shown
    assert "normalized" not in shown.split("accuracy:")[0]
    read = json.loads(file.read_text(encoding="utf-8"))
    assert set(read) == {"description", "agrees", "largest_distance", "rows", "failed"}
    assert [(row["loss"], row["alpha"], row["depth"]) for row in read["rows"]] == [
        ("logistic", "1", 2),
        ("logistic", "1", 3),
    ]
    assert read["largest_distance"] < 1e-7


def test_crosscheck_of_both_kinds(capsys, monkeypatch, tmp_path):
    # the default job, on fewer images and with fewer alphas
    monkeypatch.setattr("implicitbias.cli._crosscheck._DIGITS_KEPT", 20)
    monkeypatch.setattr("implicitbias.cli._crosscheck._ALPHAS", ("1",))
    monkeypatch.setattr("implicitbias.cli._crosscheck._PATH_ALPHAS", ("1",))
    picture = tmp_path / "a.png"
    code, shown, err = run(capsys, "crosscheck", "--depth", "2", "--json", "--plot", picture)
    assert (code, err) == (0, "")
    read = json.loads(shown)
    assert (len(read["rows"]), read["rows"][0]["loss"]) == (1, "squared")
    rows = read["classification"]["rows"]
    assert [(row["trainer"], row["agrees"]) for row in rows] == [("flow", True), ("normalized", True)]
    assert rows[0]["distance"] < 1e-7 < rows[1]["distance"]
    assert read["classification"]["description"] == digits(n_samples=20).description
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_disagreement_of_paths_is_exit_code_one(capsys, table, monkeypatch):
    import implicitbias._crosscheck._trajectories as module

    honest = module.gradient_flow
    monkeypatch.setattr(
        module, "gradient_flow", lambda X, y, alpha, D, **k: honest(X, y, float(alpha) * 1.001, D, **k)
    )
    code, shown, err = run(
        capsys, "crosscheck", "--data", table, "--loss", "exponential", "--alpha", "1", "--depth", "2"
    )
    assert code == 1
    assert "DIFFER" in shown
    assert err.splitlines()[-1].startswith(
        "implicitbias: D = 2, alpha = 1, exponential loss: the predictors differ"
    )


@pytest.mark.parametrize(
    ("width", "gone"), [(100, []), (80, ["solve"]), (60, ["solve", "train", "accuracy", "to Q_mu"])]
)
def test_narrow_terminals_lose_columns(capsys, table, monkeypatch, width, gone):
    monkeypatch.setenv("COLUMNS", str(width))
    code, shown, _ = run(
        capsys, "crosscheck", "--data", table, "--loss", "exponential", "--alpha", "0.1", "--depth", "2"
    )
    assert code == 0
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= width
    header = next(line for line in shown.splitlines() if "alpha" in line and "trainer" in line)
    header = header.replace("trainer", "")
    assert [name for name in ("solve", "train", "accuracy", "to Q_mu") if name not in header] == gone


def test_samples_that_cannot_be_separated(capsys, tmp_path):
    file = tmp_path / "a.npz"
    np.savez(file, X=[[0.0], [1.0], [2.0], [4.0]], y=[1, -1, 1, -1])
    code, _, err = run(capsys, "crosscheck", "--data", file, "--loss", "exponential")
    assert code == 2
    assert err.startswith("implicitbias: ")
    assert err.count("\n") == 1
