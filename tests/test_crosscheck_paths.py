"""Paths of classifiers: the prediction against the real network, trained by autograd."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import implicitbias._crosscheck._trajectories as module
from implicitbias import InfeasibleError, Status, three_points
from implicitbias._crosscheck import crosscheck, minimum_norms

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((4, 6)), np.array([1.0, -1.0, -1.0, 1.0])
LIMIT = {"until_accuracy": 50}


def check(alpha=1.0, D=2, loss="exponential", **options):
    return crosscheck(X, Y, alpha, D, loss=loss, **{**LIMIT, **options})


@pytest.mark.parametrize("loss", ["exponential", "logistic"])
@pytest.mark.parametrize(("depth", "alpha"), [(2, "1e-1"), (2, 5.0), (2.5, 1.0), (3, 0.3), (4, 1.5)])
def test_predicted_and_trained_agree(depth, alpha, loss):
    report = check(alpha, depth, loss)
    assert report.agrees, report.complaint
    assert report.success
    assert report.verdict == "agree"
    assert report.distance < 1e-7
    assert report.distance == report.distances.max()
    assert np.all(np.diff(report.accuracy) > 0)
    assert report.accuracy[-1] >= 50
    # the prediction is at the accuracy that the network has, by the loss of the network itself
    margins = report.beta @ (Y[:, None] * X).T
    losses = np.exp(-margins) if loss == "exponential" else np.log1p(np.exp(-margins))
    np.testing.assert_allclose(-np.log(losses.mean(axis=1)), report.accuracy, rtol=1e-12)
    np.testing.assert_allclose(report.predicted.accuracy, report.accuracy, rtol=1e-9)
    assert np.all(report.direction_distances <= 2 * report.distances)


def test_shape_of_the_initialization():
    w0 = np.linspace(0.5, 1.5, 6)
    shaped = check(1.0, 3, w0=w0)
    assert shaped.distance < 1e-7
    assert np.linalg.norm(shaped.beta[-1] - check(1.0, 3).beta[-1]) > 1e-1


def test_error_of_normalized_descent_is_of_first_order():
    reports = [check(trainer="normalized", step_size=step, agreement=0.1) for step in (4e-3, 2e-3)]
    assert all(report.agrees for report in reports)
    assert 1e-5 < reports[1].distance < 1e-1
    assert reports[0].distance / reports[1].distance == pytest.approx(2, rel=0.15)
    assert "trained by normalized on cpu" in str(reports[0])


def test_marks_of_the_caller():
    report = check(save_at=[1, 10], until_accuracy=None)
    assert len(report.accuracy) == 2
    assert report.accuracy[0] >= 1
    assert report.accuracy[1] >= 10
    assert check(save_at=[1, 10]).trained.info["accuracy"] >= 50


@pytest.mark.parametrize("depth", [2, 3])
def test_a_wrong_prediction_is_noticed(monkeypatch, depth):
    honest = module.gradient_flow

    def off(X, y, alpha, D, **options):
        return honest(X, y, alpha * (1 + 1e-4), D, **options)

    monkeypatch.setattr(module, "gradient_flow", off)
    report = check(1.0, depth)
    assert report.verdict == "DIFFER"
    assert "the predictors differ by " in report.complaint
    assert report.complaint in str(report)


def test_directions_between_their_limits():
    minimum = minimum_norms(X, Y, "exponential")
    signed = Y[:, None] * X
    for end in (minimum.l1, minimum.l2):
        assert (signed @ end.beta).min() == pytest.approx(1, rel=1e-7)
    kernel = check(30.0, minimum=minimum)
    rich = check(0.01, minimum=minimum, until_accuracy=300)
    assert kernel.minimum is minimum
    near, far = kernel.limit_distances(), rich.limit_distances()
    # alpha^2 = 900 against an accuracy of 50, and 1e-4 against 300
    assert near["l2"] < 0.1 < near["l1"]
    assert far["l1"] < far["l2"]
    assert near["path"] < 0.1
    assert set(near) == {"l1", "l2", "path"}


def test_an_early_end_agrees_as_far_as_it_got():
    report = check(max_steps=100)
    assert report.trained.status is Status.ITERATION_LIMIT
    assert report.distance < 1e-7
    assert 0 < len(report.accuracy) < 12
    assert (report.agrees, report.success, report.verdict) == (False, False, "short")
    assert "the trainer (flow) did not finish: stopped at the iteration limit" in report.complaint


def test_nothing_to_compare():
    report = check(max_steps=0)
    assert report.trained.status is Status.ITERATION_LIMIT
    assert len(report.accuracy) == 0
    assert math.isnan(report.distance)
    assert report.verdict == "DIFFER"
    assert "(no state to compare)" in report.complaint
    assert report.complaint in str(report)
    read = json.loads(report.to_json())
    assert read["distance"] is None
    assert read["limit_distances"] == {"l2": None, "path": None, "l1": None}


def test_interruption_is_returned():
    def stop(progress):
        if progress.accuracy > 5:
            raise KeyboardInterrupt

    report = check(callback=stop)
    assert report.trained.status is Status.INTERRUPTED
    assert report.verdict == "interrupted"
    assert report.distance < 1e-7
    assert 0 < report.accuracy[-1] < 50


def test_steps_that_are_too_long_are_said_to_be():
    # two samples that pull against each other: the weights bounce between them
    points = [[1.0, -0.8], [0.6, -1.0]]
    report = crosscheck(points, [1, -1], 1.0, loss="exponential", trainer="normalized", step_size=0.03, **LIMIT)
    assert report.verdict == "DIFFER"
    assert "steps, which are too long" in report.complaint


def test_json_schema():
    report = check("1e-1", 3)
    read = json.loads(report.to_json())
    parts = {"predicted", "trained", "accuracy", "distances", "direction_distances", "distance", "limit_distances"}
    words = {
        "alpha",
        "depth",
        "samples",
        "features",
        "loss",
        "trainer",
        "device",
        "agreement",
        "agrees",
        "complaint",
    }
    assert set(read) == parts | words
    assert (read["alpha"], read["depth"], read["samples"], read["features"]) == ("1e-1", 3, 4, 6)
    assert (read["loss"], read["agrees"]) == ("exponential", True)
    assert np.shape(read["trained"]["beta"]) == np.shape(read["predicted"]["beta"]) == report.beta.shape
    assert read["trained"]["status"] == read["predicted"]["status"] == "converged"
    assert read["trained"]["info"]["gradients"] > 0
    assert not [name for name in read["trained"]["info"] if name.startswith("saved")]


def test_text():
    text = str(check())
    assert "N = 4, d = 6, D = 2, alpha = 1.0, exponential loss, trained by flow on cpu" in text
    assert "(agree within 1e-06)" in text
    assert len(text.splitlines()) == 5 + len(check().accuracy)


def test_plot(tmp_path):
    pytest.importorskip("matplotlib")
    report = check()
    figure = report.plot()
    figure.savefig(tmp_path / "a.png")
    top, bottom = figure.axes
    lines = [line for line in top.lines if line.get_linestyle() != "None" and len(line.get_xdata()) > 2]
    assert len(lines) == 6
    direction = report.beta[-1] / np.linalg.norm(report.beta[-1])
    np.testing.assert_allclose(np.sort([line.get_ydata()[-1] for line in lines]), np.sort(direction))
    np.testing.assert_array_equal(bottom.lines[0].get_ydata(), report.distances)
    check(max_steps=0).plot().savefig(tmp_path / "empty.png")


def test_labels_zero_and_one():
    labels = (Y + 1) / 2
    report = crosscheck(X, labels, 1.0, loss="exponential", **LIMIT)
    assert report.agrees
    np.testing.assert_array_equal(report.beta, check().beta)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trainer": "descent"}, "trainer must be one of flow, normalized with loss 'exponential', got 'descent'"),
        ({"initial": (Y, Y)}, "initial and model must be left out with loss 'exponential'"),
        ({"model": "product"}, "initial and model must be left out with loss 'exponential'"),
        ({"alpha": None}, "alpha must be given"),
        ({"alpha": "1e-4350"}, "representable as a float to be trained from"),
        ({"until_accuracy": 0.0}, "until_accuracy must be positive and finite, got 0.0"),
        ({"agreement": 0.0}, "agreement must be positive and finite"),
        ({"device": "abacus"}, "device 'abacus' cannot be used: "),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        check(**options)


def test_refuses_labels_that_are_none():
    with pytest.raises(ValueError, match=r"y must hold labels -1 or \+1 \(or 0 and 1\), got 2.0 at index 1"):
        crosscheck(X, [1, 2, -1, 1], 1.0, loss="exponential")
    with pytest.raises(ValueError, match="y must hold both classes"):
        crosscheck(X, np.ones(4), 1.0, loss="exponential")
    with pytest.raises(ValueError, match="X must have no sample that is all zeros"):
        crosscheck(np.zeros((4, 6)), Y, 1.0, loss="exponential")


def test_refuses_samples_that_cannot_be_separated():
    with pytest.raises(InfeasibleError):
        crosscheck([[1.0], [1.0]], [1, -1], 1.0, loss="exponential")


@pytest.mark.parametrize(
    ("trainer", "option", "accepted"),
    [("flow", "step_size", "until_accuracy, save_at, rtol"), ("normalized", "rtol", "step_size, until_accuracy")],
)
def test_unknown_option(trainer, option, accepted):
    with pytest.raises(TypeError, match=f"crosscheck got an unexpected option '{option}'; .*{accepted}"):
        check(trainer=trainer, **{option: 1e-3})


@pytest.mark.parametrize("name", ["same_support", "changing_support"])
@pytest.mark.parametrize(("depth", "alpha"), [(2, 100.0), (3, 1.0)])
def test_a_network_trained_to_a_loss_of_1e_8686(name, depth, alpha):
    data = getattr(three_points, name)()
    report = crosscheck(data.X, data.y, alpha, depth, loss="exponential", until_accuracy=2e4)
    assert report.agrees, report.complaint
    assert report.accuracy[-1] >= 2e4
    assert report.direction_distances[-1] < 1e-9
    assert report.distances[-1] < 1e-9
