from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from implicitbias import InfeasibleError, Status
from implicitbias._crosscheck import check_device, crosscheck, minimum_norms
from implicitbias.data import sparse_regression

DATA = sparse_regression(4, 10, 2, rng=3)


@pytest.mark.parametrize("depth", [2, 2.5, 4])
@pytest.mark.parametrize("alpha", ["1e-1", 2.0])
def test_predicted_and_trained_agree(depth, alpha):
    report = crosscheck(DATA.X, DATA.y, alpha, depth)
    assert report.agrees, report.complaint
    assert report.success
    assert report.verdict == "agree"
    assert report.distance < 1e-8
    assert report.residuals["predicted"].keys() == report.residuals["trained"].keys()
    assert max(report.residuals["trained"].values()) < 1e-7


def test_shape_of_the_initialization():
    w0 = np.linspace(0.5, 1.5, 10)
    shaped = crosscheck(DATA.X, DATA.y, 0.5, 3, w0=w0)
    assert shaped.distance < 1e-8
    plain = crosscheck(DATA.X, DATA.y, 0.5, 3)
    assert np.linalg.norm(shaped.trained.beta - plain.trained.beta) > 1e-2


def test_norms_lie_between_their_minima():
    minimum = minimum_norms(DATA.X, DATA.y)
    rich = crosscheck(DATA.X, DATA.y, 1e-2, 2, minimum=minimum)
    kernel = crosscheck(DATA.X, DATA.y, 10, 2, minimum=minimum)
    assert rich.minimum is minimum
    norms = rich.norms()
    assert norms["minimum_l1"]["l1"] <= norms["trained"]["l1"] < kernel.norms()["trained"]["l1"]
    assert norms["minimum_l2"]["l2"] <= kernel.norms()["trained"]["l2"] < norms["trained"]["l2"]
    np.testing.assert_allclose(DATA.X @ minimum.l1.beta, DATA.y, atol=1e-9)
    np.testing.assert_allclose(DATA.X @ minimum.l2.beta, DATA.y, atol=1e-12)


def test_descent_is_near_and_says_so():
    report = crosscheck(DATA.X, DATA.y, 0.5, trainer="descent", tolerance=1e-14)
    assert report.trained.success
    assert 1e-6 < report.distance < 0.1
    assert not report.agrees
    assert "the end points differ by" in report.complaint
    assert crosscheck(DATA.X, DATA.y, 0.5, trainer="descent", tolerance=1e-14, agreement=0.1).agrees


def test_an_early_end_is_reported():
    report = crosscheck(DATA.X, DATA.y, 0.5, max_steps=5)
    assert report.trained.status is Status.ITERATION_LIMIT
    assert not report.agrees
    assert not report.success
    assert report.verdict == "DIFFER"
    assert "the trainer (flow) did not finish: stopped at the iteration limit" in report.complaint
    assert report.complaint in str(report)


def test_json_schema():
    report = crosscheck(DATA.X, DATA.y, "1e-1", 3)
    read = json.loads(report.to_json())
    assert set(read) == {
        *("alpha", "depth", "samples", "features", "loss", "trainer", "device"),
        *("distance", "agreement", "agrees", "complaint", "predicted", "trained", "minimum_l1", "minimum_l2"),
    }
    assert (read["alpha"], read["depth"], read["samples"], read["features"]) == ("1e-1", 3, 4, 10)
    for name in ("predicted", "trained"):
        end = read[name]
        assert {"status", "iterations", "seconds", "residuals", "norms", "beta"} <= set(end)
        assert end["status"] == "converged"
        assert len(end["beta"]) == 10
        assert end["norms"]["l1"] == pytest.approx(np.abs(end["beta"]).sum())
    assert read["trained"]["relative_loss"] <= 1e-20
    assert read["trained"]["info"]["gradients"] > 0
    assert set(read["minimum_l1"]) == {"norms", "seconds"}
    assert read["distance"] == report.distance


def test_json_has_no_nan():
    report = crosscheck(DATA.X, DATA.y, 0.5, max_steps=5)
    object.__setattr__(report, "distance", float("nan"))
    assert json.loads(report.to_json())["distance"] is None
    assert not report.agrees


def test_text():
    text = str(crosscheck(DATA.X, DATA.y, "1e-1", 3))
    assert "N = 4, d = 10, D = 3, alpha = 1e-1, trained by flow on cpu" in text
    for word in ("agree within 1e-06", "minimum l1", "minimum l2", "residuals, trained"):
        assert word in text


def test_plot(tmp_path):
    pytest.importorskip("matplotlib")
    report = crosscheck(DATA.X, DATA.y, "1e-1", 3)
    figure = report.plot()
    assert len(figure.axes) == 2
    figure.savefig(tmp_path / "a.png")
    trained = next(line for line in figure.axes[0].lines if line.get_label() == "trained")
    np.testing.assert_allclose(np.sort(trained.get_ydata()), np.sort(report.trained.beta))


def test_plot_without_matplotlib(monkeypatch):
    report = crosscheck(DATA.X, DATA.y, 1.0)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'implicitbias\[plot\]'"):
        report.plot()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "hinge"}, "loss must be one of squared, exponential, logistic, got 'hinge'"),
        ({"trainer": "adam"}, "trainer must be one of flow, descent with loss 'squared', got 'adam'"),
        ({"agreement": 0.0}, "agreement must be positive and finite"),
        ({"device": "abacus"}, "device 'abacus' cannot be used: "),
        ({"alpha": "1e-4350"}, "representable as a float to be trained from"),
        ({"alpha": -1.0}, "alpha must be a positive finite number"),
        ({"D": 1}, "D"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        crosscheck(DATA.X, DATA.y, **{"alpha": 1.0, **options})


def test_no_solution():
    with pytest.raises(InfeasibleError, match="X beta = y has no solution"):
        crosscheck([[1.0, 1.0], [1.0, 1.0]], [0.0, 1.0], 1.0)


def test_interruption_is_returned():
    def stop(progress):
        raise KeyboardInterrupt

    report = crosscheck(DATA.X, DATA.y, 1.0, callback=stop)
    assert report.trained.status is Status.INTERRUPTED
    assert report.verdict == "interrupted"
    assert not report.success


def test_overflow_in_training(capfd):
    report = crosscheck(DATA.X, DATA.y, 1e300)
    assert report.trained.status is Status.NON_FINITE
    assert report.predicted.success
    assert all(np.isnan(value) for value in report.residuals["trained"].values())
    assert json.loads(report.to_json())["distance"] is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("trainer", "option", "accepted"),
    [("flow", "step_size", "rtol, atol, method"), ("descent", "rtol", "step_size")],
)
def test_unknown_option(trainer, option, accepted):
    with pytest.raises(TypeError, match=f"crosscheck got an unexpected option '{option}'; .*{accepted}"):
        crosscheck(DATA.X, DATA.y, 1.0, trainer=trainer, **{option: 1e-3})


def test_device_check():
    check_device(None)
    check_device("cpu")
    for device in ("abacus", "meta"):
        with pytest.raises(ValueError, match=f"device '{device}' cannot be used: "):
            check_device(device)
