from __future__ import annotations

import functools
import json
import subprocess
import sys

import mpmath
import numpy as np
import pytest

from implicitbias import InfeasibleError, __version__
from implicitbias.cli import main
from implicitbias.data import sparse_regression


@pytest.fixture
def table(tmp_path):
    data = sparse_regression(4, 10, 2, rng=3)
    file = tmp_path / "toy.npz"
    np.savez(file, X=data.X, y=data.y)
    return str(file)


def run(capsys, *arguments):
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def numbers(out):
    return [mpmath.mpf(line.split()[1]) for line in out.splitlines()]


def test_version_and_help(capsys):
    assert run(capsys, "--version") == (0, f"implicitbias {__version__}\n", "")
    code, out, _ = run(capsys, "crosscheck", "--help")
    assert code == 0
    assert "--alpha" in out


def test_q_at_extreme_scales(capsys):
    code, out, err = run(capsys, "q", "1e-4350", "1e-8700", "-3e-8700", "--digits", "30")
    assert (code, err) == (0, "")
    with mpmath.workdps(30):
        value, first, second = numbers(out)
        expected = sum(z * mpmath.asinh(z / 2) - mpmath.sqrt(4 + z**2) + 2 for z in (mpmath.mpf(1), mpmath.mpf(-3)))
        assert mpmath.almosteq(value, expected * mpmath.mpf("1e-8700"), rel_eps=mpmath.mpf("1e-28"))
        assert mpmath.almosteq(first, mpmath.asinh(0.5), rel_eps=mpmath.mpf("1e-28"))
        assert mpmath.almosteq(second, -mpmath.asinh(1.5), rel_eps=mpmath.mpf("1e-28"))
    assert "at -3e-8700" in out


def test_q_depth_and_default_digits(capsys):
    code, out, _ = run(capsys, "q", "0.5", "-1e-5", "-2", "--depth", "3")
    assert code == 0
    _, first, second = numbers(out)
    assert first < 0
    assert second < first
    # D = 3: beta = a^3 [(1-z)^-3 - (1+z)^-3] where the gradient is z
    z = second
    assert mpmath.almosteq(((1 - z) ** -3 - (1 + z) ** -3) / 8, -2, rel_eps=1e-12)


def test_crosscheck_table(capsys, table):
    code, out, err = run(capsys, "crosscheck", "--data", table, "--alpha", "1", "1e-1", "--depth", "2", "2.5")
    assert (code, err) == (0, "")
    assert "4 rows with 10 features from toy.npz, standardized" in out.replace("\n", " ")
    assert out.count("agree") == 5
    assert "All 4 end points agree" in out
    assert "DIFFER" not in out


def test_crosscheck_csv_with_target(capsys, tmp_path):
    file = tmp_path / "toy.csv"
    file.write_text("a,b,c,d\n1,2,3,9\n2,1,7,1\n0,5,4,4\n", encoding="utf-8")
    code, out, err = run(capsys, "crosscheck", "--data", file, "--target", "b", "--alpha", "1", "--depth", 2)
    assert (code, err) == (0, "")
    assert "3 features" in out


def test_crosscheck_json(capsys, table, tmp_path):
    arguments = ("crosscheck", "--data", table, "--alpha", "1e-1", "--depth", "3", "--json")
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    read = json.loads(out)
    assert set(read) == {"description", "agrees", "largest_distance", "rows", "failed"}
    assert read["failed"] == []
    assert read["agrees"] is True
    assert read["largest_distance"] < 1e-8
    assert [(row["alpha"], row["depth"]) for row in read["rows"]] == [("1e-1", 3)]
    file = tmp_path / "out.json"
    code, out, _ = run(capsys, *arguments, file)
    assert code == 0
    assert "agree" in out
    assert json.loads(file.read_text(encoding="utf-8")).keys() == read.keys()


def test_crosscheck_plot(capsys, table, tmp_path):
    pytest.importorskip("matplotlib")
    file = tmp_path / "a.png"
    code, _, err = run(capsys, "crosscheck", "--data", table, "--alpha", 1, 0.1, "--depth", 2, "--plot", file)
    assert (code, err) == (0, "")
    assert file.read_bytes().startswith(b"\x89PNG")


def test_disagreement_is_exit_code_one(capsys, table, monkeypatch):
    import implicitbias._crosscheck._end_points as module

    honest = module.interpolate

    def off(X, y, reg, **options):
        from dataclasses import replace

        result = honest(X, y, reg, **options)
        return replace(result, beta=result.beta * (1 + 1e-5))

    monkeypatch.setattr(module, "interpolate", off)
    code, out, err = run(capsys, "crosscheck", "--data", table, "--alpha", "1", "--depth", "2")
    assert code == 1
    assert "DIFFER" in out
    assert err == "implicitbias: D = 2, alpha = 1: the end points differ by 1.0e-05, more than 1e-06\n"


def test_interruption_shows_what_there_is(capsys, table, monkeypatch):
    import implicitbias.train as train

    honest = train.train_by_flow
    runs = 0

    @functools.wraps(honest)
    def interrupted(*arguments, **options):
        nonlocal runs
        runs += 1

        def stop(progress):
            raise KeyboardInterrupt

        return honest(*arguments, **{**options, "callback": stop if runs == 2 else None})

    monkeypatch.setattr(train, "train_by_flow", interrupted)
    code, out, err = run(capsys, "crosscheck", "--data", table, "--alpha", "1", "0.5", "0.1", "--depth", "2")
    assert code == 130
    assert "DIFFER" not in out
    assert "interrupted" in out
    assert out.count("agree") == 1
    assert runs == 2
    assert "alpha = 0.5: the trainer (flow) did not finish: interrupted" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (
            ["crosscheck", "--alpha", "0"],
            "argument --alpha: a positive number in the range of a float expected, got '0'",
        ),
        (["crosscheck", "--alpha", "-1"], "argument --alpha: a positive number in the range of a float"),
        (["crosscheck", "--alpha", "1e-4350"], "argument --alpha: a positive number in the range of a float"),
        (["crosscheck", "--depth", "1.9"], "argument --depth: a number of at least 2 expected, got '1.9'"),
        (["crosscheck", "--target", "a"], "argument --target: needs --data with a .csv file"),
        (["crosscheck", "--data", "none.csv"], "argument --data: none.csv: no such file"),
        (["crosscheck", "--device", "abacus"], "device 'abacus' cannot be used"),
        (["crosscheck", "--device", "meta"], "device 'meta' cannot be used"),
        (["crosscheck", "--data", "."], "argument --data: .: a directory; a .csv or .npz file is needed"),
        (["crosscheck", "--json", "."], "argument --json: . is a directory, the name of a file is needed"),
        (["crosscheck", "--json", "no/such/dir/a"], "argument --json: no such directory: "),
        (["crosscheck", "--plot", "no/such/dir/a.png"], "argument --plot: no such directory: "),
        (["crosscheck", "--speed"], "unrecognized arguments: --speed"),
        (
            ["bench", "--size", "vast"],
            "argument --size: one of tiny, small, medium, large, wide expected, got 'vast'",
        ),
        (
            ["bench", "--alpha", "exp(x)"],
            "argument --alpha: alpha must be a positive number such as 1e-30 or exp(-1e4)",
        ),
        (["bench", "--depth", "1"], "argument --depth: a number from 2 to 1000 expected, got '1'"),
        (["bench", "--peer", "abacus"], "argument --peer: no peer has a name with abacus in it; see --list"),
        (["bench", "--repeat", "0"], "argument --repeat: a whole number from 1 to 1000 expected, got '0'"),
        (["bench", "--budget", "-1"], "argument --budget: a number from 0.001 to 86400 expected, got '-1'"),
        (["bench", "--seed", "x"], "argument --seed: a whole number from 0 to 4294967296 expected, got 'x'"),
        (["bench", "--json", "no/such/dir/a"], "argument --json: no such directory: "),
        (["bench", "--cache", "/dev/null/a", "--peer", "HiGHS", "--size", "tiny"], "argument --cache: "),
        (["q", "-1", "1"], "argument ALPHA: a positive decimal number expected, got '-1'"),
        (["q", "0", "1"], "argument ALPHA: a positive decimal number expected, got '0'"),
        (
            ["q", f"1e-{'9' * 29}", "1"],
            "argument ALPHA: the exponent of 1e-99999999999999999999999999999 is out of",
        ),
        (["q", "1", "x"], "argument BETA: a decimal number expected, got 'x'"),
        (["q", "1", "nan"], "argument BETA: a decimal number expected, got 'nan'"),
        (
            ["q", "1", "1", "--digits", "-5"],
            "argument --digits: a whole number from 1 to 100000 expected, got '-5'",
        ),
        (["q", "1", "1", "--depth", "1"], "argument --depth: a number of at least 2 expected, got '1'"),
    ],
)
def test_bad_input_is_one_line(capsys, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert message in err
    assert err.startswith("implicitbias: ")
    assert err.count("\n") == 1
    assert "Traceback" not in out + err


def test_more_rows_than_features(capsys, tmp_path):
    X = np.random.default_rng(0).standard_normal((5, 2))
    file = tmp_path / "tall.npz"
    np.savez(file, X=X, y=np.arange(5.0))
    code, _, err = run(capsys, "crosscheck", "--data", file)
    assert code == 2
    assert err.startswith("implicitbias: X beta = y has no solution: X of shape (5, 2) has rank 2")
    assert err.count("\n") == 1
    np.savez(file, X=X, y=X @ [1.0, -2.0])
    code, out, err = run(capsys, "crosscheck", "--data", file, "--alpha", "1", "--depth", "2")
    assert (code, err) == (0, "")
    assert "The end point agrees: largest" in out


@pytest.mark.parametrize("name", ["a.xyz", "a"])
def test_unknown_picture_format_is_refused_before_training(capsys, table, tmp_path, monkeypatch, name):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("implicitbias._sweep._end_points.crosscheck", None)
    code, out, err = run(capsys, "crosscheck", "--data", table, "--plot", tmp_path / name)
    assert (code, out) == (2, "")
    assert f"{name} must end in one of " in err
    assert ".png" in err


def test_table_is_shown_before_a_file_fails(capsys, table, tmp_path, monkeypatch):
    from pathlib import Path

    def full(self, *arguments, **options):
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    arguments = ("crosscheck", "--data", table, "--alpha", "1", "--depth", "2", "--json", tmp_path / "a.json")
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert "The end point agrees" in out
    assert "argument --json: cannot write" in err


@pytest.mark.parametrize(
    "error", [np.linalg.LinAlgError("SVD did not\nconverge"), InfeasibleError("SVD did not converge")]
)
def test_a_failing_run_leaves_the_others(capsys, table, tmp_path, monkeypatch, error):
    import implicitbias._sweep._end_points as module

    honest = module.crosscheck

    def fragile(X, y, alpha, depth, **options):
        if alpha == "0.5":
            raise error
        return honest(X, y, alpha, depth, **options)

    monkeypatch.setattr(module, "crosscheck", fragile)
    file = tmp_path / "a.json"
    arguments = ("crosscheck", "--data", table, "--alpha", "1", "0.5", "0.1", "--depth", "2", "--json", file)
    code, out, err = run(capsys, *arguments)
    assert code == 1
    assert out.count("agree") == 2
    assert err == "implicitbias: D = 2, alpha = 0.5: failed: SVD did not converge\n"
    read = json.loads(file.read_text(encoding="utf-8"))
    assert [row["alpha"] for row in read["rows"]] == ["1", "0.1"]
    assert read["failed"] == [{"depth": 2, "alpha": "0.5", "reason": "SVD did not converge"}]
    assert read["agrees"] is False
    code, out, err = run(capsys, "crosscheck", "--data", table, "--alpha", "0.5", "--depth", "2", "--json")
    assert code == 1
    assert json.loads(out)["largest_distance"] is None


def test_overflow_is_a_row(capfd, table):
    code, out, err = run(capfd, "crosscheck", "--data", table, "--alpha", "1", "1e300", "--depth", "2")
    assert code == 1
    assert "agree" in out
    assert "DLASCL" not in out + err
    assert err.startswith(
        "implicitbias: D = 2, alpha = 1e300: the trainer (flow) did not finish: a value that is not"
    )


def test_interruption_outside_the_training(capsys, table, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("implicitbias._sweep._end_points.crosscheck", interrupted)
    code, _, err = run(capsys, "crosscheck", "--data", table)
    assert (code, err) == (130, "implicitbias: interrupted\n")


def test_repeated_values_are_trained_once(capsys, table):
    arguments = ("crosscheck", "--data", table, "--alpha", "1", "0.5", "1.0", "--depth", "2", "2.0", "--json")
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert [(row["depth"], row["alpha"]) for row in json.loads(out)["rows"]] == [(2, "1"), (2, "0.5")]


@pytest.mark.parametrize(
    ("width", "gone"), [(80, ()), (72, ("solve",)), (66, ("solve", "train")), (60, ("solve", "train", "l2 norm"))]
)
def test_narrow_terminals_lose_columns(capsys, table, monkeypatch, width, gone):
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, _ = run(capsys, "crosscheck", "--data", table, "--alpha", "0.1", "--depth", "2.5")
    assert code == 0
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= width
    header = next(line for line in out.splitlines() if "alpha" in line and "KKT train" in line)
    shown = header.replace("KKT train", "")
    assert [name for name in ("solve", "train", "l2 norm") if name not in shown] == list(gone)


def test_a_reader_that_has_gone():
    code = "import sys; from implicitbias.cli import main; sys.stdin.read(); sys.exit(main(['q', '1', '2']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [("torch", [], "torch"), ("matplotlib", ["--plot", "a.png"], "plot")],
)
def test_missing_extras(table, tmp_path, module, arguments, extra):
    code = (
        f"import sys; sys.modules[{module!r}] = None; from implicitbias.cli import main; "
        f"sys.exit(main(['crosscheck', '--data', {table!r}, '--alpha', '1'] + {arguments!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"pip install 'implicitbias[{extra}]'" in done.stderr


def test_q_in_a_process_loads_neither_torch_nor_matplotlib():
    code = (
        "import sys; from implicitbias.cli import main; code = main(['q', '1e-400', '-1e-5']); "
        "assert not {'torch', 'matplotlib'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("value ")


def test_module_is_a_program():
    command = [sys.executable, "-m", "implicitbias.cli", "q", "1", "-1e-5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
