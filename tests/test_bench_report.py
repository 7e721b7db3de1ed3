"""What a comparison shows, and the command that runs it."""

import json

import numpy as np
import pytest
from rich.console import Console

from implicitbias.bench import PEERS, SIZES, Alpha, Answer, Peer, Plan
from implicitbias.bench.measurement import Measurement
from implicitbias.bench.report import cells, complaints, ratios, tables
from implicitbias.bench.run import Record
from implicitbias.bench.worker import Outcome
from implicitbias.cli import main

TINY = SIZES["tiny"]


def run(capsys, *arguments):
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def plan_with(*peers, **settings):
    defaults = {
        "size": TINY,
        "alphas": (Alpha("1"), Alpha("1e-3")),
        "depths": (2,),
        "repetitions": 2,
        "budget": 1.0,
    }
    return Plan(peers=peers, **{**defaults, **settings})


def shown(record, width=200):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.capture() as capture:
        for table in tables(record, width):
            console.print(table)
    console.file.close()
    return capture.get()


def made(peer, kind, seconds, error, alpha="1e-30", **more):
    return Measurement(peer, kind, 2, alpha, more.pop("repetition", 0), seconds, error=error, **more)


def test_ratios():
    record = Record(plan_with(alphas=(Alpha("1e-30"), Alpha("exp(-1e4)"))))
    record.measurements = [
        *(
            made("implicitbias", "package", t, 1e-15, tiny=1e-14, repetition=k)
            for k, t in enumerate([3.0, 1.0, 2.0])
        ),
        made("implicitbias, path", "path", 7.0, 1e-15),
        made("fast but wrong", "conic", 2.0, 0.5, reason="wrong"),
        made("conic", "conic", 100.0, 1e-8, solver_seconds=50.0, tiny=1.0),
        made("slow conic", "conic", 300.0, 1e-9, tiny=0.5),
        made("smooth", "smooth", 3.0, 1e-14),  # equal: both are rounding
        made("gradient descent (torch)", "training", 10.0, 0.3, reason="time limit"),
        made("implicitbias", "package", 2.0, 1e-10, alpha="exp(-1e4)", l1_error=1e-9),
        made("HiGHS simplex", "l1", 1.0, 1e-15, alpha="exp(-1e4)", l1_error=1e-15),
        made("HiGHS interior", "l1", 8.0, 1e-15, alpha="exp(-1e4)", l1_error=1e-8),
    ]
    found = {(r.what.split(",")[0], r.alpha): r for r in ratios(record)}
    assert found["faster than the best conic solver", "1e-30"].value == 50.0
    assert "25 without the modelling layer" in found["faster than the best conic solver", "1e-30"].detail
    assert found["faster than the best of SciPy", "1e-30"].value == 1.5
    descent = found["faster than gradient descent", "1e-30"]
    assert descent.value is None
    assert "none came within 1%" in descent.detail
    assert "5 times" in descent.detail
    # the simplex is faster and more accurate, so it is not this ratio that says so
    l1 = found["faster than HiGHS at the l1 end", "exp(-1e4)"]
    assert l1.value == 4.0
    assert found["time of the path of 100 points over that of its smallest alpha", "1e-30"].value == 3.5
    tiny = [(r.detail.split(",")[0], r.value) for r in ratios(record) if r.what.startswith("median")]
    assert tiny == [("implicitbias", 1e-14), ("slow conic", 0.5)]
    assert cells(record.measurements)["implicitbias", 2, "1e-30"].repetitions == 3
    # an end point that is itself above the least l1 norm by more than 1e-12 is not compared with linear programs
    record.least_l1 = "2"
    record.references = {(2, "exp(-1e4)"): (1e-50, "2.000000000001"), (2, "1e-30"): (1e-50, "3")}
    assert next(r for r in ratios(record) if "HiGHS" in r.what).value == 4.0
    record.references = {(2, "exp(-1e4)"): (1e-50, "2.000000000004")}
    refused = next(r for r in ratios(record) if "HiGHS" in r.what)
    assert refused.value is None
    assert "2e-12 above the least" in refused.detail
    record.measurements = [
        made("implicitbias", "package", 2.0, 0.5, reason="wrong: 50 % off"),
        record.measurements[5],
    ]
    assert complaints(record) == ["D = 2, alpha = 1e-30: wrong: 50 % off"]
    assert {r.value for r in ratios(record) if not r.what.startswith("median")} == {None}


@pytest.mark.parametrize("width", [45, 80, 100, 200])
def test_tables_fit(width):
    alphas = tuple(map(Alpha, ("1", "1e-1", "1e-3", "1e-30", "exp(-1e4)", "exp(-5e5)")))
    record = Record(plan_with(*PEERS, alphas=alphas))
    record.measurements = [
        made(peer.name, peer.kind, 1234.5, 0.123, alpha.label, reason="time limit: 12.3 % off")
        for peer in PEERS
        for alpha in alphas
    ]
    text = shown(record, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert text.count("12.3 % off") == len(PEERS) * len(alphas)


def test_bench(capsys, tmp_path):
    file = tmp_path / "a.json"
    arguments = (
        "bench",
        "--size",
        "tiny",
        "--cache",
        tmp_path,
        "--alpha",
        "1e-3",
        "1",
        "--depth",
        "2.0",
        "--repeat",
        2,
    )
    code, out, err = run(capsys, *arguments, "--peer", "implicitbias", "l-bfgs", "--budget", 60, "--json", file)
    assert (code, err) == (0, "")
    assert "D = 2, N = 6, d = 20" in out
    assert "times, SciPy L-BFGS" in out
    read = json.loads(file.read_text(encoding="utf-8"))
    assert [a["alpha"] for a in read["references"]] == ["1", "1e-3"]
    ran = [(m["alpha"], m["peer"], m["repetition"]) for m in read["measurements"]]
    assert ran == [(a, p, k) for k in (0, 1) for a in ("1", "1e-3") for p in ("implicitbias", "SciPy L-BFGS")]
    # with nothing left to do, nothing is run again
    code, out, err = run(
        capsys, *arguments, "--peer", "implicitbias", "l-bfgs", "--budget", 60, "--resume", "--json"
    )
    assert (code, err) == (0, "")
    assert json.loads(out)["measurements"] == read["measurements"]


def test_bench_says_when_the_package_is_wrong(capsys, tmp_path, monkeypatch):
    def wrong(problem, budget):
        return Answer(np.ones(20))

    class Here:
        def __init__(self, *arguments):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def run(self, peer, alpha, D, budget):
            return Outcome(1.0, peer.run(None, budget).beta)

    monkeypatch.setattr("implicitbias.bench.run.Worker", Here)
    monkeypatch.setattr("implicitbias.bench.command.PEERS", (Peer("implicitbias", "", "package", wrong),))
    arguments = (
        "bench",
        "--size",
        "tiny",
        "--cache",
        tmp_path,
        "--alpha",
        "1",
        "--depth",
        2,
        "--peer",
        "implicitbias",
    )
    code, _, err = run(capsys, *arguments)
    assert code == 1
    assert err.startswith("implicitbias: D = 2, alpha = 1: wrong: ")
    assert "though it reported success" in err


def test_bench_lists_its_peers(capsys):
    code, out, err = run(capsys, "bench", "--list")
    assert (code, err) == (0, "")
    for name in (
        "Clarabel",
        "ECOS",
        "SCS",
        "trust-constr",
        "L-BFGS",
        "HiGHS",
        "celer",
        "skglm",
        "gradient descent",
    ):
        assert name in out
