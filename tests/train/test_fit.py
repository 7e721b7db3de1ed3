"""The front door: methods, losses, goals, records, resumption."""

import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from implicitbias import Status
from implicitbias.train import DiagonalNetwork, Watcher, fit

METHODS = ["gd", "sgd", "momentum", "nesterov"]


def data(N=6, d=9, seed=0):
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.standard_normal((N, d))), torch.tensor(rng.standard_normal(N))


def labelled(N=6, d=9, seed=0):
    X, _ = data(N, d, seed)
    return X, torch.tensor(np.where(np.arange(N) % 2, 1.0, -1.0))


def mlp(inputs, outputs, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    layers = (torch.nn.Linear(inputs, 8), torch.nn.Tanh(), torch.nn.Linear(8, outputs))
    return torch.nn.Sequential(*layers).to(dtype)


def by_hand(net, X, y, step, steps, momentum=0.0, nesterov=False, batches=None):
    optimizer = torch.optim.SGD(net.parameters(), lr=step, momentum=momentum, nesterov=nesterov)
    for k in range(steps):
        rows = slice(None) if batches is None else batches[k]
        scale = 1.0 if batches is None else len(y) / len(batches[k])
        optimizer.zero_grad()
        (scale * (net(X[rows]) - y[rows]).square().sum()).backward()
        optimizer.step()
    return net.predictor().detach().numpy()


@pytest.mark.parametrize(
    ("method", "momentum", "nesterov"), [("gd", 0, False), ("momentum", 0.8, False), ("nesterov", 0.8, True)]
)
def test_steps_are_those_of_torch(method, momentum, nesterov):
    X, y = data()
    found = fit(DiagonalNetwork(9, 3, 0.4), X, y, method=method, step_size=1e-3, momentum=momentum, until_steps=40)
    assert found.status is Status.CONVERGED
    assert found.info["time"] == pytest.approx(0.04)
    expected = by_hand(DiagonalNetwork(9, 3, 0.4), X, y, 1e-3, 40, momentum, nesterov)
    assert found.beta == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("replacement", [False, True])
def test_batches(replacement):
    from implicitbias.train._batches import Batches

    X, y = data()
    batches = Batches(6, 4, replacement, 5, X.device)
    drawn = [batches.at(k) for k in range(30)]
    # the same in any order: a batch depends on its number only
    assert all(bool((batches.at(k) == drawn[k]).all()) for k in (7, 3, 29, 0))
    if not replacement:
        assert [len(rows) for rows in drawn[:4]] == [4, 2, 4, 2]
        for epoch in range(10):
            together = torch.cat(drawn[2 * epoch : 2 * epoch + 2])
            assert sorted(together.tolist()) == list(range(6))
        assert len({tuple(rows.tolist()) for rows in drawn[::2]}) > 5
    found = fit(
        DiagonalNetwork(9, 2, 0.4),
        X,
        y,
        method="sgd",
        batch_size=4,
        replacement=replacement,
        seed=5,
        step_size=1e-3,
        until_steps=30,
    )
    assert found.beta == pytest.approx(
        by_hand(DiagonalNetwork(9, 2, 0.4), X, y, 1e-3, 30, batches=drawn), rel=1e-13
    )


def test_batches_cover_every_sample_equally():
    from implicitbias.train._batches import Batches

    batches = Batches(5, 2, True, 0, torch.device("cpu"))
    counts = np.bincount(torch.cat([batches.at(k) for k in range(5000)]).numpy(), minlength=5)
    # 10000 draws over five samples: a standard deviation is 40
    assert np.abs(counts - 2000).max() < 200


@pytest.mark.parametrize("method", ["gd", "normalized", "flow"])
@pytest.mark.parametrize("loss", ["squared", "exponential", "logistic", "cross-entropy"])
def test_every_loss_goes_down_to_its_goal(method, loss):
    outputs = 3 if loss == "cross-entropy" else 1
    X, y = labelled() if loss in ("exponential", "logistic") else data()
    net = mlp(9, outputs)
    y = torch.arange(6) % 3 if loss == "cross-entropy" else y[:, None]
    found = fit(net, X, y, method=method, loss=loss, step_size=0.02, until_loss=0.01, rtol=1e-6, max_steps=20_000)
    assert found.success, found.status
    outputs = net(X).detach()
    terms = {
        "squared": lambda: (outputs - y).square().sum(),
        "exponential": lambda: (-y * outputs).exp().mean(),
        "logistic": lambda: torch.nn.functional.softplus(-y * outputs).mean(),
        "cross-entropy": lambda: torch.nn.functional.cross_entropy(outputs, y),
    }
    assert terms[loss]().item() <= 0.01


def test_log_of_the_cross_entropy_far_down():
    from implicitbias.train._samples import SampleObjective

    outputs = torch.tensor([[900.0, 0.0, 1.0], [-3.0, 2.0, 500.0]], dtype=torch.float64)

    class Fixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(outputs)

        def forward(self, X):
            return self.w[: len(X)]

    value = SampleObjective(
        Fixed(), torch.zeros(2, 1), torch.tensor([0, 2]), "cross-entropy", logarithm=True
    ).value()
    # log of the mean of e^-899 + e^-900 and e^-498 + e^-503: the second is all of it
    assert value == pytest.approx(-498 + math.log1p(math.exp(-5)) - math.log(2), rel=1e-14)


def test_normalized_descent_goes_where_floats_end():
    X, y = labelled()
    found = fit(
        DiagonalNetwork(9, 2, 1.0),
        X,
        y,
        method="normalized",
        loss="exponential",
        step_size=1e-3,
        until_accuracy=1e3,
    )
    assert found.success
    assert found.info["accuracy"] >= 1e3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_types(dtype):
    X, y = data()
    net = mlp(9, 1, dtype=dtype)
    found = fit(net, X, y[:, None], method="gd", step_size=1e-2, tolerance=1e-3)
    assert found.success
    assert next(net.parameters()).dtype == dtype


def test_goals():
    X, y = data()

    def run(**goal):
        return fit(DiagonalNetwork(9, 2, 0.5), X, y, step_size=1e-3, **goal)

    assert run(until_steps=7).iterations == 7
    assert run(until_time=0.0105).iterations == 11
    by_loss, by_accuracy = run(until_loss=0.5), run(until_accuracy=math.log(2))
    assert by_loss.iterations == by_accuracy.iterations
    assert by_loss.residuals["loss"] * by_loss.info["initial_loss"] <= 0.5
    first = run(until_loss=0.5, until_steps=3)
    assert (first.iterations, first.status) == (3, Status.CONVERGED)
    assert run(tolerance=1e-30, max_steps=5).status is Status.ITERATION_LIMIT
    flow = fit(DiagonalNetwork(9, 2, 0.5), X, y, method="flow", until_time=0.1)
    assert flow.info["time"] == 0.1


def test_records():
    X, y = data()
    seen = lambda net: {"norm": net.predictor().norm().item()}  # noqa: E731 (as a person would pass it)
    found = fit(DiagonalNetwork(9, 2, 0.5), X, y, step_size=1e-3, until_steps=10, record=4, observe=seen)
    assert found.info["record_step"].tolist() == [0, 4, 8]
    assert found.info["record_time"] == pytest.approx([0, 0.004, 0.008])
    assert found.info["record_beta"].shape == (3, 9)
    assert found.info["record_norm"] == pytest.approx(np.linalg.norm(found.info["record_beta"], axis=1))
    assert found.info["record_loss"][0] == pytest.approx(y.square().sum().item())
    listed = fit(DiagonalNetwork(9, 2, 0.5), X, y, step_size=1e-3, until_steps=10, record=[1, 7])
    assert listed.info["record_step"].tolist() == [0, 1, 7]
    batched = fit(DiagonalNetwork(9, 2, 0.5), X, y, method="sgd", step_size=1e-3, until_steps=10, record=[1, 7])
    assert np.isfinite(batched.info["record_loss"]).all()


class Sum(Watcher):
    def __init__(self):
        self.total = 0.0

    def watch(self, before, gradient, step_size, after):
        self.total += float((before - after).sum())

    def memory(self):
        return {"total": self.total}

    def restore(self, memory):
        self.total = memory["total"]


@pytest.mark.parametrize("method", [*METHODS, "gd-chosen", "normalized", "flow"])
def test_resumption_is_exact(method, tmp_path):
    X, y = labelled()
    options = {
        "loss": "logistic",
        "until_steps": 60,
        "record": 7,
        "checkpoint_every": 10,
        "seed": 3,
        "batch_size": 4,
    }
    if method == "gd-chosen":
        options["method"] = "gd"
    else:
        options |= {"method": method, "step_size": 0.05}

    def run(file, stop=None):
        watcher = None if method == "flow" else Sum()

        def interrupt(progress):
            if stop is not None and progress.step >= stop:
                raise KeyboardInterrupt

        found = fit(
            DiagonalNetwork(9, 2, 0.7), X, y, **options, callback=interrupt, checkpoint=file, watcher=watcher
        )
        return found, watcher

    whole, sums = run(tmp_path / "whole.pt")
    first, _ = run(tmp_path / "parts.pt", stop=23)
    assert first.status is Status.INTERRUPTED
    second, sums_again = run(tmp_path / "parts.pt")
    assert second.status is whole.status is Status.CONVERGED
    assert second.iterations == whole.iterations == 60
    for name in ("record_beta", "record_loss", "record_step", "record_time", "time", "gradients"):
        assert np.array_equal(second.info[name], whole.info[name]), name
    assert np.array_equal(second.beta, whole.beta)
    if method != "flow":
        assert sums_again.total == sums.total
        assert second.info["zero_crossings"] == whole.info["zero_crossings"]


KILLED = """
import sys, torch
from implicitbias.train import DiagonalNetwork, fit
torch.manual_seed(0)
X, y = torch.randn(6, 9, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
print("ready", flush=True)
net = DiagonalNetwork(9, 2, 0.7)
found = fit(net, X, y, method="sgd", batch_size=2, step_size=1e-4, until_steps=int(sys.argv[2]),
            checkpoint=sys.argv[1], checkpoint_every=50)
print(found.beta.tobytes().hex())
"""


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    def start(file, steps):
        return subprocess.Popen(
            [sys.executable, "-c", KILLED, str(file), str(steps)], stdout=subprocess.PIPE, text=True
        )

    whole = start(tmp_path / "whole.pt", 3000).communicate()[0].split()[-1]
    file = tmp_path / "killed.pt"
    with start(file, 3000) as process:
        while not file.exists():
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
    kept = torch.load(file, weights_only=True)["run"]["run"]["steps"]
    assert 0 <= kept < 3000
    assert start(file, 3000).communicate()[0].split()[-1] == whole


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    X, y = data()
    file = tmp_path / "run.pt"
    fit(DiagonalNetwork(9, 2, 0.5), X, y, step_size=1e-3, until_steps=3, checkpoint=file)
    with pytest.raises(ValueError, match=r"of another run: its step_size is 0.001, not 0.01"):
        fit(DiagonalNetwork(9, 2, 0.5), X, y, step_size=1e-2, until_steps=3, checkpoint=file)
    with pytest.raises(ValueError, match="its data is"):
        fit(DiagonalNetwork(9, 2, 0.5), X, 2 * y, step_size=1e-3, until_steps=3, checkpoint=file)
    file.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="cannot be read"):
        fit(DiagonalNetwork(9, 2, 0.5), X, y, step_size=1e-3, until_steps=3, checkpoint=file)
    # a longer goal is the same run
    file.unlink()
    fit(DiagonalNetwork(9, 2, 0.5), X, y, step_size=1e-3, until_steps=3, checkpoint=file)
    more = fit(DiagonalNetwork(9, 2, 0.5), X, y, step_size=1e-3, until_steps=8, checkpoint=file)
    assert more.iterations == 8


def test_modules_with_a_state_of_their_own_resume_exactly(tmp_path):
    X, y = data(12)

    def net():
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Linear(9, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1)
        ).double()

    def run(file, steps):
        torch.manual_seed(1)
        return fit(net(), X, y[:, None], method="gd", step_size=1e-3, until_steps=steps, checkpoint=file)

    whole = run(tmp_path / "whole.pt", 30)
    run(tmp_path / "parts.pt", 11)
    torch.manual_seed(2)
    assert np.array_equal(run(tmp_path / "parts.pt", 30).beta, whole.beta)


def test_bar(capsys):
    X, y = data()
    fit(DiagonalNetwork(9, 2, 0.5), X, y, step_size=1e-3, until_steps=50, progress=True)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of tolerance, until_loss"),
        ({"method": "adam", "until_steps": 3}, "method must be one of gd, sgd"),
        ({"loss": "hinge", "until_steps": 3}, "loss must be one of squared"),
        ({"method": "sgd", "until_steps": 3}, "step_size must be given for method='sgd'"),
        (
            {"method": "sgd", "step_size": 0.1, "batch_size": 7, "until_steps": 3},
            "between 1 and the number of samples 6",
        ),
        (
            {"method": "momentum", "step_size": 0.1, "momentum": 1.0, "until_steps": 3},
            r"momentum must lie in \[0, 1\)",
        ),
        ({"until_loss": -1.0}, "until_loss must be positive"),
        ({"until_steps": 3, "record": 0}, "record must be a positive"),
        ({"until_steps": 3, "checkpoint": "/no/such/place/x.pt"}, "no such directory"),
        ({"until_steps": 3, "loss": "logistic"}, "labels -1 and 1"),
        ({"until_steps": 3, "loss": "cross-entropy"}, "needs outputs of shape"),
        ({"until_steps": 3, "y": torch.ones(6, 1)}, "y must have the shape of the outputs"),
        ({"until_steps": 3, "method": "flow", "watcher": Watcher()}, "watcher must be None"),
    ],
)
def test_refuses(options, message):
    X, y = data()
    y = options.pop("y", y)
    with pytest.raises(ValueError, match=message):
        fit(DiagonalNetwork(9, 2, 0.5), X, y, **options)
