"""What a trajectory tells of its states, and how it is kept, interrupted, resumed and refused."""

import dataclasses
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from scipy.optimize import linprog, minimize

import implicitbias as ib
from implicitbias import Status, three_points
from tests.flow.problems import LABELS, THREE, regression

SIGNED = LABELS[:, None] * THREE


@pytest.fixture(scope="module", params=[None, 20], ids=["float64", "20 digits"])
def path(request):
    return ib.gradient_flow(
        THREE, LABELS, 3.0, 2, "exponential", until_accuracy=1e3, save_at=[0.5, 5, 50, 200], digits=request.param
    )


def floats(values):
    return np.asarray(values).astype(float)


def test_shapes_and_kinds(path):
    assert len(path) == 5
    for name, shape in {
        "accuracy": (5,),
        "beta": (5, 3),
        "dual": (5, 3),
        "log10_time": (5,),
        "direction": (5, 3),
    }.items():
        values = getattr(path, name)
        assert values.shape == shape
        assert values.dtype == (float if path.digits is None else object)
        assert path.digits is None or all(isinstance(v, mpmath.mpf) for v in values.ravel())
    assert path.success
    assert path.support.dtype == bool
    np.testing.assert_allclose(floats(path.accuracy), [0.5, 5, 50, 200, 1e3], rtol=1e-14)
    np.testing.assert_allclose(floats(path.log10_loss), -floats(path.accuracy) / math.log(10.0), rtol=1e-14)


def test_derived_quantities_by_their_definitions(path):
    beta = floats(path.beta)
    margins = beta @ SIGNED.T
    norm = np.linalg.norm(beta, axis=1)
    np.testing.assert_allclose(floats(path.direction), beta / norm[:, None], rtol=1e-13)
    np.testing.assert_allclose(floats(path.margins), margins, rtol=1e-12)
    np.testing.assert_allclose(floats(path.margin), margins.min(axis=1), rtol=1e-12)
    np.testing.assert_allclose(floats(path.normalized_margins), margins / norm[:, None], rtol=1e-12)
    shares = np.exp(margins.min(axis=1, keepdims=True) - margins)
    np.testing.assert_allclose(
        floats(path.softmax), shares / shares.sum(axis=1, keepdims=True), rtol=1e-9, atol=1e-300
    )
    np.testing.assert_allclose(path.normalized, beta / margins.min(axis=1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(path.log_mu, np.log(9.0 / floats(path.accuracy)), rtol=1e-13)


@pytest.mark.parametrize("digits", [None, 20])
@pytest.mark.parametrize(("D", "loss"), [(2, "exponential"), (3, "logistic"), (2.5, "squared")])
def test_weights_of_the_network(D, loss, digits):
    w0 = np.array([1.0, 0.5, 2.0])
    y = LABELS if loss != "squared" else np.array([1.0, 2.0, -1.0])
    end = {"until_accuracy": 40.0} if loss != "squared" else {"until_loss": 1e-6}
    path = ib.gradient_flow(THREE, y, 0.3, D, loss, w0=w0, save_at=3, digits=digits, **end)
    plus, minus, a = path.w_plus, path.w_minus, 0.3 * w0
    close = 1e-12 if digits is None else 1e-14
    np.testing.assert_allclose(floats(plus**D - minus**D), floats(path.beta), rtol=close, atol=1e-15)
    conserved = plus * minus / a**2 if D == 2 else (plus ** (2 - D) + minus ** (2 - D)) / (2 * a ** (2 - D))
    np.testing.assert_allclose(floats(conserved), 1.0, rtol=close)
    assert np.all(floats(plus) > 0.0)


def test_softmax_of_the_logistic_loss():
    path = ib.gradient_flow(THREE, LABELS, 1.0, 2, "logistic", until_accuracy=30.0, save_at=[0.5, 3.0])
    slopes = 1.0 / (1.0 + np.exp(path.beta @ SIGNED.T))
    np.testing.assert_allclose(path.softmax, slopes / slopes.sum(axis=1, keepdims=True), rtol=1e-11)


def test_support_is_what_margins_say():
    """With the first sample flipped out of the way its share falls exponentially in the accuracy."""
    path = ib.gradient_flow(THREE, LABELS, 100.0, 2, "exponential", until_accuracy=2e4, save_at=5)
    excess = path.margins - path.margin[:, None]
    np.testing.assert_array_equal(path.support, excess <= math.log(1e8))
    assert path.support[0].all()
    assert not path.support[-1].all()


def test_excess_norms_against_other_solvers(path):
    least_l1 = linprog(np.ones(6), A_ub=-np.hstack([SIGNED, -SIGNED]), b_ub=-np.ones(3)).fun
    l2 = minimize(
        lambda b: b @ b, np.ones(3) * 3, constraints={"type": "ineq", "fun": lambda b: SIGNED @ b - 1.0}, tol=1e-14
    ).fun
    np.testing.assert_allclose(path.l1_excess, np.abs(path.normalized).sum(axis=1) / least_l1 - 1.0, atol=1e-7)
    np.testing.assert_allclose(path.l2_excess, (path.normalized**2).sum(axis=1) / l2 - 1.0, atol=1e-6)
    assert np.all(path.l1_excess >= -1e-12)


@pytest.mark.parametrize("digits", [None, 20])
@pytest.mark.parametrize("D", [2, 3])
def test_distance_to_the_path_of_solutions(D, digits):
    """Where support vectors stay, the flow is within ``O(1/alpha^D)`` of ``Q_mu`` at ``mu = alpha^D/accuracy``."""
    data = three_points.same_support()
    away = []
    for level in (1e4, 1e6):
        path = ib.gradient_flow(
            data.X,
            data.y,
            level ** (1 / D),
            D,
            "exponential",
            save_at=[level, 10 * level, 1e3 * level],
            digits=digits,
        )
        for beta, mu, distance in zip(path.normalized, np.exp(path.log_mu), path.path_distance, strict=True):
            target = ib.max_margin(data.X, data.y, ib.Q.from_log_alpha(math.log(mu) / D, D)).beta
            assert distance == pytest.approx(np.linalg.norm(beta - target) / np.linalg.norm(target), abs=1e-11)
        away.append(path.path_distance)
    # float64 resolves directions to some 1e-9
    np.testing.assert_allclose(away[1] * 1e2, away[0], rtol=0.01, atol=0.0 if digits else 1e-7)
    assert away[0].max() < 2e-5


def test_distance_to_the_path_whatever_the_precision_in_force():
    path = ib.gradient_flow(THREE, LABELS, 3, 2, "exponential", until_accuracy=100.0, save_at=3)
    again = dataclasses.replace(path)
    with mpmath.workdps(3):
        rough = again.path_distance
    assert np.array_equal(rough, path.path_distance)


def test_round_trip_through_a_file(path, tmp_path):
    path.save(tmp_path / "run.npz")
    again = ib.Trajectory.load(tmp_path / "run.npz")
    for name in ("X", "y", "accuracy", "beta", "dual", "log10_time"):
        assert np.array_equal(getattr(again, name), getattr(path, name)), name
    for name in ("loss", "status", "digits", "steps", "seconds", "D", "reg"):
        assert getattr(again, name) == getattr(path, name), name
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


@pytest.mark.parametrize("alpha", ["1e-4350", mpmath.mpf("1.5"), 2, 0.1])
@pytest.mark.parametrize("w0", [None, [1.0, 2.0, 0.5]])
def test_scales_survive_a_file_exactly(alpha, w0, tmp_path):
    path = ib.gradient_flow(THREE, LABELS, alpha, 2, "exponential", w0=w0, until_accuracy=2.0, save_at=1)
    path.save(tmp_path / "run.npz")
    assert ib.Trajectory.load(tmp_path / "run.npz").reg == path.reg


@pytest.mark.parametrize("D", [Fraction(7, 3), 2.1, mpmath.mpf("2.5"), 4])
def test_depths_survive_a_file_exactly(D, tmp_path):
    path = ib.gradient_flow(THREE, LABELS, 1, D, "exponential", until_accuracy=2.0, save_at=1)
    path.save(tmp_path / "run.npz")
    again = ib.Trajectory.load(tmp_path / "run.npz")
    assert again.D == D
    assert (
        len(ib.gradient_flow(THREE, LABELS, 1, D, "exponential", until_accuracy=3.0, save_at=1, resume=again)) == 2
    )


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        ib.Trajectory.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("text")
    np.savez(tmp_path / "other.npz", a=1)
    for name in ("text.npz", "other.npz"):
        with pytest.raises(ValueError, match="not a saved trajectory"):
            ib.Trajectory.load(tmp_path / name)


@pytest.mark.parametrize("digits", [None, 20])
@pytest.mark.parametrize(
    ("D", "loss", "end"), [(2, "exponential", 1e3), (3, "exponential", 1e3), (2, "squared", 20.0)]
)
def test_resumed_where_it_was_left(D, loss, end, digits, tmp_path):
    arguments = (THREE, LABELS, 0.5, D, loss)
    whole = ib.gradient_flow(*arguments, until_accuracy=end, save_at=[1.0, 3.0, 10.0], digits=digits)
    half = ib.gradient_flow(*arguments, until_accuracy=3.0, save_at=[1.0], digits=digits)
    half.save(tmp_path / "half.npz")
    read = ib.Trajectory.load(tmp_path / "half.npz")
    both = ib.gradient_flow(*arguments, until_accuracy=end, save_at=[10.0], digits=digits, resume=read)
    assert len(both) == len(whole)
    # a restart takes other steps; each is right to the tolerance of 1e-11, or to the digits
    close = 1e-8 if digits is None else 1e-15
    for name in ("accuracy", "beta", "log10_time"):
        a, b = floats(getattr(both, name)), floats(getattr(whole, name))
        np.testing.assert_allclose(a, b, rtol=close, atol=close * np.abs(b).max())
    if digits:
        gap = max(abs(a - b) / abs(b) for a, b in zip(both.beta.ravel(), whole.beta.ravel(), strict=True))
        assert gap < 1e-19
    assert both.steps > half.steps


@pytest.mark.parametrize("digits", [None, 15])
def test_interruption_loses_nothing(digits):
    def stop(state):
        if state.accuracy > 1e4:
            raise KeyboardInterrupt

    import implicitbias.flow._float as engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_CALLBACK_SECONDS", 0.0)
        found = ib.gradient_flow(
            THREE, LABELS, 100, 2, "exponential", until_accuracy=1e7, save_at=30, digits=digits, progress=stop
        )
    assert found.status is Status.INTERRUPTED
    assert found.accuracy[-1] > 1e4
    assert np.all(np.diff(floats(found.accuracy)) > 0)
    whole = ib.gradient_flow(
        THREE, LABELS, 100, 2, "exponential", until_accuracy=1e7, save_at=1, digits=digits, resume=found
    )
    fresh = ib.gradient_flow(THREE, LABELS, 100, 2, "exponential", until_accuracy=1e7, save_at=1, digits=digits)
    np.testing.assert_allclose(floats(whole.direction[-1]), floats(fresh.direction[-1]), atol=1e-9)
    assert whole.success


def test_limit_on_steps():
    with pytest.raises(ib.ConvergenceError, match="iteration limit") as caught:
        ib.gradient_flow(THREE, LABELS, 1.0, 2, "exponential", until_accuracy=1e3, max_steps=50)
    reached = caught.value.result
    assert reached.status is Status.ITERATION_LIMIT
    assert 0.0 < reached.accuracy[-1] < 1e3
    quiet = ib.gradient_flow(THREE, LABELS, 1.0, 2, "exponential", until_accuracy=1e3, max_steps=50, throw=False)
    assert quiet.accuracy[-1] == reached.accuracy[-1]


def test_a_bar_is_shown(capsys):
    ib.gradient_flow(THREE, LABELS, 1.0, 2, "exponential", until_accuracy=10.0, progress=True)
    assert "gradient flow" in capsys.readouterr().out


def test_a_line_says_what_it_is():
    path = ib.gradient_flow(THREE, LABELS, 1.0, 3, "exponential", until_accuracy=5.0, save_at=4)
    assert repr(path) == (
        "<Trajectory: exponential loss, D = 3, log(alpha) = 0, 4 states, accuracy 0.01 to 5, CONVERGED>"
    )
    assert path.w is path.beta


def test_default_ends():
    X, y = regression()
    assert ib.gradient_flow(X, y, 1.0).accuracy[-1] == pytest.approx(-math.log(1e-16 * y @ y), rel=1e-12)
    deep = ib.gradient_flow(THREE, LABELS, 10.0, 2, "exponential")
    assert deep.accuracy[-1] == pytest.approx(1e4, rel=1e-13)
    assert len(deep) == 100
    marks = ib.gradient_flow(THREE, LABELS, 10.0, 2, "exponential", save_at=[3.0, 1.0])
    np.testing.assert_allclose(marks.accuracy, [1.0, 3.0], rtol=1e-13)


TWO = {"X": THREE, "y": LABELS, "alpha": 1.0, "loss": "exponential", "until_accuracy": 10.0}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"loss": "hinge"}, ValueError, "loss must be one of squared, exponential, logistic, got 'hinge'"),
        ({"y": [1.0, 2.0, -1.0]}, ValueError, "2.0"),
        ({"y": [1.0, 1.0, 1.0]}, ValueError, "class"),
        ({"X": THREE * [[1.0], [0.0], [1.0]]}, ValueError, r"row 1"),
        (
            {"until_accuracy": None, "until_loss": 3.0},
            ValueError,
            "until_loss must ask for .*, which is 1, an accuracy of 0; got 3.0",
        ),
        (
            {"until_accuracy": None, "until_loss": 0.0},
            ValueError,
            "until_loss must be positive and finite, got 0.0",
        ),
        ({"until_accuracy": None, "until_loss": "small"}, TypeError, "until_loss must be a number"),
        ({"until_accuracy": -1.0}, ValueError, "until_accuracy must ask for a loss below that at the start"),
        ({"until_accuracy": math.inf}, ValueError, "until_accuracy must be finite"),
        ({"until_loss": 1e-3}, ValueError, "exclude each other"),
        ({"save_at": [20.0]}, ValueError, "save_at must lie beyond"),
        ({"save_at": 0}, ValueError, "save_at must be a positive number"),
        ({"save_at": "10"}, TypeError, "save_at must be a sequence"),
        ({"digits": 0}, ValueError, "digits must be a positive integer, at most 100000, or None, got 0"),
        ({"digits": 2.5}, ValueError, "digits must be a positive integer, at most 100000, or None, got 2.5"),
        ({"digits": 10**9}, ValueError, "at most 100000"),
        ({"resume": "run.npz"}, TypeError, "resume must be a Trajectory, got str"),
        ({"rtol": 1e-20}, ValueError, "rtol must be a number from 1e-13 to 1e-3"),
        ({"max_steps": 0}, ValueError, "max_steps must be a positive integer, got 0"),
        (
            {"w0": [1.0, 1.0]},
            ValueError,
            "w0 must have one entry per column of X: X has 3 columns, w0 has 2 entries",
        ),
        ({"alpha": -1.0}, ValueError, "alpha must be"),
        ({"loss": "squared", "until_accuracy": 500.0}, ValueError, "give digits"),
        ({"loss": "squared", "y": [0.0, 0.0, 0.0]}, ValueError, "y must not be zero"),
    ],
)
def test_bad_input_is_named(change, error, message):
    arguments = TWO | change
    with pytest.raises(error, match=message):
        ib.gradient_flow(arguments.pop("X"), arguments.pop("y"), arguments.pop("alpha"), 2, **arguments)


def test_labels_of_zero_and_one():
    other = ib.gradient_flow(THREE, [1, 0, 1], 1.0, 2, "exponential", until_accuracy=10.0, save_at=1)
    np.testing.assert_array_equal(other.y, LABELS)


def test_data_that_cannot_be_separated():
    X = np.vstack([THREE, THREE[0]])
    y = np.append(LABELS, -LABELS[0])
    with pytest.raises(ib.InfeasibleError, match="cannot be separated"):
        ib.gradient_flow(X, y, 1.0, 2, "exponential", until_accuracy=10.0)
    # but its loss can fall for a while
    assert ib.gradient_flow(X, y, 1.0, 2, "exponential", until_accuracy=0.2, save_at=1).success


def test_resuming_something_else_is_refused():
    path = ib.gradient_flow(THREE, LABELS, 1.0, 2, "exponential", until_accuracy=5.0, save_at=1)
    with pytest.raises(ValueError, match="differs in alpha, D or w0"):
        ib.gradient_flow(THREE, LABELS, 2.0, 2, "exponential", until_accuracy=10.0, resume=path)
    with pytest.raises(ValueError, match="at accuracy 5 already"):
        ib.gradient_flow(THREE, LABELS, 1.0, 2, "exponential", until_accuracy=4.0, resume=path)


def test_margins_are_those_of_classification():
    X, y = regression()
    path = ib.gradient_flow(X, y, 1.0, save_at=2)
    with pytest.raises(AttributeError, match="no margins"):
        path.margins  # noqa: B018  the access is what raises
