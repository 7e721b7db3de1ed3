"""The comparison with peers: what they solve, children that are ended, what is said of answers, runs resumed."""

import json
import math
from typing import ClassVar

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.bench import (
    ALPHAS,
    PEERS,
    QUICK,
    SIZES,
    Alpha,
    Answer,
    Peer,
    Plan,
    Problem,
    ReferenceStore,
    run_plan,
    solve_reference,
)
from implicitbias.bench import worker as worker_module
from implicitbias.bench.measurement import Log, Measurement, judge
from implicitbias.bench.problems import draw
from implicitbias.bench.report import complaints, record_json, remarks, tables
from implicitbias.bench.worker import Outcome, Worker

TINY = SIZES["tiny"]
DATA = draw(TINY, 0)


def problem(alpha, D, data=DATA):
    return Problem(*data, Alpha(alpha), D)


def proposal(p):
    return ib.interpolate(p.X, p.y, p.reg, throw=False).beta


# --- peers, in this process


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    return ReferenceStore(tmp_path_factory.mktemp("references"))


ACCURACY = {"package": 1e-13, "conic": 2e-4, "smooth": 1e-5, "l1": 1e-3, "training": 1e-2}
INSTALLED = [peer for peer in PEERS if not peer.missing and peer.kind in ACCURACY and peer.name != "skglm"]


@pytest.mark.filterwarnings("ignore")  # those of other people's code
@pytest.mark.parametrize("peer", INSTALLED, ids=lambda peer: peer.name)
def test_peers_solve_the_problem(peer, references):
    p = problem({"l1": "exp(-1e4)", "training": "1"}.get(peer.kind, "1e-1"), 2)
    assert peer.applies(p.alpha.log, 2)
    peer.run(p, 0.1)  # torch takes seconds to load
    answer = peer.run(p, 2.0)
    assert references.end_point(p).distance(answer.beta) < ACCURACY[peer.kind]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("peer", [p for p in INSTALLED if p.kind == "conic"], ids=lambda peer: peer.name)
def test_power_cones_are_the_regularizer_at_depth_three(peer, references):
    p = problem("1e-1", 3)
    assert references.end_point(p).distance(peer.run(p, 5.0).beta) < 1e-3  # SCS at its default tolerance


def test_names_are_unique_and_what_is_missing_is_said():
    assert len({peer.name for peer in PEERS}) == len(PEERS)
    assert (
        Peer("a", "", "conic", lambda p, b: Answer(None), ("numpy", "no_such_module")).missing == "no_such_module"
    )


@pytest.mark.parametrize("label", ["0", "-1", "1e", "exp(1", "exp(inf)", "nan", "0e5"])
def test_alphas_are_read_strictly(label):
    with pytest.raises(ValueError, match="alpha must be a positive number"):
        Alpha(label)


def test_alphas_are_what_they_say():
    for label, log in (
        ("1e-30", -30 * math.log(10)),
        ("exp(-1e4)", -1e4),
        ("2.5", math.log(2.5)),
        (".1", -math.log(10)),
    ):
        assert Alpha(label).log == pytest.approx(log, rel=1e-15)
        assert Alpha(label).regularizer(3).log_alpha == pytest.approx(log, rel=1e-15)


# --- children

ODD = """
import os, time
from implicitbias.bench import Answer

calls = 0

def sleep(problem, budget): time.sleep(60)
def sleep_from_the_second_call_on(problem, budget):
    global calls
    calls += 1
    time.sleep(60 if calls > 1 else 0)
def crash(problem, budget): os.kill(os.getpid(), 9)
def fail(problem, budget): raise ArithmeticError("two\\nlines")
def threads(problem, budget):
    from threadpoolctl import threadpool_info
    return Answer(problem.X[0], info={"threads": max(pool["num_threads"] for pool in threadpool_info())})
def noisy(problem, budget):
    os.write(1, b"noise"); os.write(2, b"noise")
    return Answer(problem.X[0], "", {"first": float(problem.X[0, 0])})
"""


@pytest.fixture
def odd(tmp_path, monkeypatch):
    import importlib
    import sys

    (tmp_path / "odd_peers.py").write_text(ODD)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("odd_peers")
    del sys.modules["odd_peers"]


def test_children(odd, capfd, monkeypatch):
    data = draw(TINY, 5)
    monkeypatch.setattr(worker_module, "_GRACE", 0.1)
    with Worker(TINY, 5) as worker:

        def ask(name):
            return worker.run(Peer(name, "", "conic", getattr(odd, name)), Alpha("1"), 2, 0.5)

        assert ask("fail").failure == "solver error: two lines"
        answer = ask("noisy")
        assert answer.info["first"] == data[0][0, 0]
        np.testing.assert_array_equal(answer.beta, data[0][0])
        assert ask("threads").info["threads"] == 1
        stuck = ask("sleep_from_the_second_call_on")
        assert stuck.failure == "time limit"
        assert stuck.seconds < 10  # of sixty
        assert ask("crash").failure == "crashed: signal 9"
        monkeypatch.setattr(worker_module, "_WARM_UP", 0.1)
        assert ask("sleep").failure == "time limit, while warming up"
    assert capfd.readouterr() == ("", "")


def test_an_interrupt_ends_the_child(odd, monkeypatch):
    worker = Worker(TINY, 0)
    ended = []

    class Connection:
        def send(self, request):
            raise KeyboardInterrupt

        def close(self):
            ended.append("connection")

    class Process:
        kill = join = close = lambda self: ended.append("process")

    worker._connection, worker._process = Connection(), Process()
    with pytest.raises(KeyboardInterrupt):
        worker.run(Peer("a", "", "conic", odd.sleep), Alpha("1"), 2, 1.0)
    assert ended == ["connection", *["process"] * 3]
    worker.close()  # nothing is left to be ended


# --- what is said of an answer


def judged(outcome, alpha="exp(-1e4)", least=None):
    p = problem(alpha, 2)
    reference = solve_reference(p, proposal(p))
    peer = Peer("a", "", "conic", lambda p, b: Answer(None))
    return judge(peer, 2, alpha, 0, outcome, DATA, reference, least), reference


def test_verdicts():
    _, reference = judged(Outcome(1.0))
    good = reference.high
    assert judged(Outcome(1.0, good))[0].reason == ""
    assert judged(Outcome(1.0, good, "almost solved"))[0].note == "almost solved"
    assert judged(Outcome(1.0, 1.46 * good))[0].reason == "wrong: 46 % off though it reported success"
    assert judged(Outcome(1.0, 1.46 * good, "gave up; sorry"))[0].reason == "gave up: 46 % off"
    assert (
        judged(Outcome(1.0, 1e5 * good))[0].reason == "wrong: off by a factor of 1e+05 though it reported success"
    )
    assert "no finite solution: though it reported success" in judged(Outcome(1.0, good * np.nan))[0].reason
    assert judged(Outcome(1.0, None, "infeasible"))[0].reason == "no finite solution: infeasible"
    assert judged(Outcome(1.0, failure="time limit"))[0].reason == "time limit"
    # an l1 norm that is small because the data are not met does not pass
    least = float(reference.l1)
    assert judged(Outcome(1.0, good), least=least)[0].l1_error < 1e-15
    assert judged(Outcome(1.0, 0.999 * good), least=least)[0].l1_error == pytest.approx(1e-3)


def test_errors_are_seen_below_rounding():
    _, reference = judged(Outcome(1.0))
    i = int(np.argmax(np.abs(reference.high)))
    beta = reference.high.copy()
    beta[i] = np.nextafter(beta[i], 0)
    exact = np.linalg.norm((beta - reference.high) - reference.low) / np.linalg.norm(reference.high)
    assert 0 < reference.distance(reference.high) < reference.distance(beta) == pytest.approx(exact)
    tiny = solve_reference(problem("1e-30", 2), proposal(problem("1e-30", 2)))
    small = np.where(np.abs(tiny.high) < 1e-7, 2 * tiny.high, tiny.high)
    assert tiny.tiny(small) == 1.0
    assert tiny.tiny(np.where(np.abs(tiny.high) < 1e-7, np.nan, tiny.high)) == math.inf
    assert tiny.distance(small) < 1e-7


# --- the run


def plan_with(*peers, **settings):
    defaults = {
        "size": TINY,
        "alphas": (Alpha("1"), Alpha("1e-3")),
        "depths": (2,),
        "repetitions": 2,
        "budget": 1.0,
    }
    return Plan(peers=peers, **{**defaults, **settings})


def exact(p, budget):
    return Answer(proposal(p))


class FakeWorker:
    """Runs in this process, and counts."""

    runs: ClassVar[list[tuple[str, str]]] = []
    stop_after = None

    def __init__(self, size, seed):
        self.data = draw(size, seed)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run(self, peer, alpha, D, budget):
        if len(self.runs) == self.stop_after:
            raise KeyboardInterrupt
        self.runs.append((peer.name, alpha.label))
        answer = peer.run(Problem(*self.data, alpha, D), budget)
        return Outcome(0.25, answer.beta, answer.claim)


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr("implicitbias.bench.run.Worker", FakeWorker)
    monkeypatch.setattr(FakeWorker, "runs", [])
    monkeypatch.setattr(FakeWorker, "stop_after", None)
    return FakeWorker


def test_repetitions_are_interleaved_and_resumed(fake, references, tmp_path, monkeypatch):
    plan = plan_with(Peer("a", "", "package", exact), Peer("b", "", "smooth", exact))
    whole = [(name, alpha) for _ in range(2) for alpha in ("1", "1e-3") for name in ("a", "b")]
    monkeypatch.setattr(fake, "stop_after", 3)
    record = run_plan(plan, references, tmp_path / "log")
    assert record.interrupted
    assert fake.runs == whole[:3]
    assert len(record.measurements) == 3
    monkeypatch.setattr(fake, "stop_after", None)
    # a line cut short, as a crash leaves it
    (tmp_path / "log").write_text((tmp_path / "log").read_text() + '{"peer": "b", ')
    record = run_plan(plan, references, tmp_path / "log", resume=True)
    assert not record.interrupted
    assert fake.runs == whole
    assert [m.key[0::2] for m in record.measurements] == whole
    assert len((tmp_path / "log").read_text().splitlines()) == 1 + len(whole)
    # without being asked to resume, or with other settings, everything is run again
    run_plan(plan, references, tmp_path / "log")
    run_plan(plan_with(*plan.peers, budget=2.0), references, tmp_path / "log", resume=True)
    assert fake.runs == 3 * whole


def test_slow_and_missing_peers_are_left_out(fake, references, tmp_path):
    def slow(p, budget):
        return Answer(proposal(p), "time limit")

    def wrong(p, budget):
        return Answer(np.zeros(TINY.d))

    alphas = tuple(map(Alpha, ("1", "1e-1", "1e-2", "1e-3")))
    plan = plan_with(
        Peer("slow", "", "training", slow),
        Peer("wrong", "", "smooth", wrong),
        Peer("gone", "", "conic", exact, ("no_such_module",)),
        alphas=alphas,
    )
    record = run_plan(plan, references, tmp_path / "log")
    assert [alpha for name, alpha in fake.runs if name == "slow"] == ["1", "1e-1"] * 2
    assert record.late == [("slow", 2, "1e-2"), ("slow", 2, "1e-3")]
    assert [alpha for name, alpha in fake.runs if name == "wrong"] == [a.label for a in alphas]  # once each
    assert record.missing == {"gone": "no_such_module"}
    told = [text for table in tables(record, 200) for column in table.columns for text in column.cells]
    assert told.count("too slow") == 2
    assert told.count("not installed") == 1
    assert "wrong, D = 2, alpha = 1, 1e-1, 1e-2, 1e-3: wrong: 100 % off though it reported success" in remarks(
        record
    )
    assert "gone: not installed (needs no_such_module)" in remarks(record)


def test_a_run_in_children(references, tmp_path):
    chosen = [peer for peer in PEERS if peer.name in ("implicitbias", "HiGHS simplex")]
    plan = plan_with(*chosen, alphas=(Alpha("exp(-1e4)"),), repetitions=1, budget=20.0)
    record = run_plan(plan, references, tmp_path / "log")
    assert len(record.measurements) == 2
    assert all(m.usable and m.error < 1e-13 and m.l1_error < 1e-13 for m in record.measurements)
    assert not complaints(record)
    told = json.loads(json.dumps(record_json(record), allow_nan=False))
    assert told["settings"]["d"] == TINY.d
    assert told["references"][0]["error_bound"] < 1e-50


def made(peer, kind, seconds, error, alpha="1e-30", **more):
    return Measurement(peer, kind, 2, alpha, more.pop("repetition", 0), seconds, error=error, **more)


def test_logs_of_other_settings_are_not_continued(tmp_path):
    log = Log(tmp_path / "log", {"a": 1}, resume=False)
    log.add(made("x", "conic", 1.0, 1e-3))
    assert Log(tmp_path / "log", {"a": 1}, resume=True).measurements == log.measurements
    assert Log(tmp_path / "log", {"a": 2}, resume=True).measurements == []


def test_the_quick_run_has_one_of_each_kind():
    assert len(QUICK["peers"]) == 11
    assert {peer.kind for peer in QUICK["peers"]} == {peer.kind for peer in PEERS}
    assert {alpha.label for alpha in QUICK["alphas"]} <= {alpha.label for alpha in ALPHAS}
