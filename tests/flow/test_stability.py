"""Condition 5 and the KKT residuals on true trajectories, and on stand-ins with known answers."""

from types import SimpleNamespace

import numpy as np
import pytest

from implicitbias import three_points
from implicitbias.flow import gradient_flow
from implicitbias.flow._stability import parameter_kkt, stability, weights_kkt


def follow(make, alpha, depth, until, **options):
    data = make()
    return gradient_flow(data.X, data.y, alpha, depth, "exponential", until_accuracy=until, **options)


@pytest.mark.parametrize("make", [three_points.same_support, three_points.many_l1_solutions])
def test_stable_support_vectors(make):
    found = stability(follow(make, 1e3, 2, 1e9))
    assert found.stable
    assert found.support.tolist() == [True, False, True]
    assert found.changes == ()
    assert np.isnan(found.failed_at).all()
    assert found.ratio[1] > 1.4
    assert found.ratio[[0, 2]] == pytest.approx([1, 1], abs=1e-7)
    # alpha^{D/2}
    assert found.window[0] == pytest.approx(1e3, rel=0.5)


@pytest.mark.parametrize(
    ("make", "depth", "mu", "sample", "rho0"),
    [(three_points.changing_support, 2, 0.1223, 1, 1.05), (three_points.deeper_norm, 3, 0.02078, 0, 1.02)],
)
def test_a_support_vector_that_leaves(make, depth, mu, sample, rho0):
    scale = 1e6
    place = scale / mu
    saved = np.r_[np.geomspace(1e3, 0.9 * place, 20), np.linspace(0.95, 1.1, 61) * place, 1e2 * place]
    found = stability(follow(make, scale ** (1 / depth), depth, 1e2 * place, save_at=saved), rho0=rho0)
    assert not found.stable
    assert not found.support[sample]
    # the limit of large alpha says where the margin turns up; it takes (log 1e8 / alpha^D)^{1/2} more to be seen
    (change,) = found.changes
    assert change.sample == sample
    assert change.kind == "leaves"
    assert change.accuracy == pytest.approx(place, rel=1.5e-2)
    assert found.failed_at[sample] >= change.accuracy
    assert found.ratio[sample] == pytest.approx(1, abs=1e-6)


def stand_in(margins, accuracy=None, **more):
    margins = np.asarray(margins, dtype=float)
    accuracy = margins.min(axis=1) if accuracy is None else np.asarray(accuracy)
    return SimpleNamespace(loss="exponential", D=2, log_alpha=0.0, accuracy=accuracy, margins=margins, **more)


def test_a_sample_that_enters():
    found = stability(stand_in([[1e3, 2e3], [2e3, 2e3 + 36.0], [3e3, 3e3]]))
    ((accuracy, sample, kind),) = found.changes
    assert (sample, kind) == (1, "enters")
    # the excess over log 1e8 falls from 17.6 to -18.4
    assert accuracy == pytest.approx(2e3 + 1e3 * (36 - np.log(1e8)) / 36)
    assert found.stable
    assert found.support.all()


def test_where_it_fails():
    found = stability(stand_in([[1e3, 1.5e3], [2e3, 2.06e3], [3e3, 3.1e3], [4e3, 8e3]]))
    assert not found.stable
    assert found.failed_at[1] == 3e3
    assert found.ratio[1] == pytest.approx(1.03)
    assert stability(stand_in([[1e3, 1.5e3], [2e3, 2.06e3], [3e3, 3.1e3], [4e3, 8e3]]), start=3.5e3).stable


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rho0": 1.0}, "rho0 must be a number above 1"),
        ({"share": 0.0}, "share must lie between 0 and 1"),
        ({"start": 1e9}, "the window must hold a saved state"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        stability(stand_in([[1e3, 2e3]]), **options)


def test_not_for_the_squared_loss():
    trajectory = stand_in([[1e3, 2e3]])
    trajectory.loss = "squared"
    for function in (stability, parameter_kkt):
        with pytest.raises(ValueError, match="exponential or logistic"):
            function(trajectory)


@pytest.mark.parametrize(("make", "depth"), [(three_points.same_support, 2), (three_points.deeper_norm, 3)])
def test_weights_tend_to_a_kkt_point(make, depth):
    trajectory = follow(make, 0.1, depth, 1e5)
    found = parameter_kkt(trajectory)
    assert found.stationarity.shape == found.complementarity.shape == trajectory.accuracy.shape
    assert found.stationarity[-1] < 0.05
    assert found.complementarity[-1] < 1e-4
    late = trajectory.accuracy > 100
    assert (np.diff(found.stationarity[late]) < 0).all()
    # before the scale of initialization is left behind it is far from one
    early = parameter_kkt(follow(make, 100, depth, 10.0))
    assert early.stationarity[-1] > 0.99


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_residuals_against_the_gradient_of_the_network(depth):
    rng = np.random.default_rng(depth)
    A = rng.standard_normal((4, 6)) + 1
    u = np.concatenate([rng.uniform(1, 2, 6), rng.uniform(0.2, 0.5, 6)])

    def margins(u):
        return A @ (u[:6] ** depth - u[6:] ** depth)

    def log_loss(u):
        return np.log(np.mean(np.exp(-margins(u))))

    step = 1e-6
    down = -np.array([log_loss(u + step * e) - log_loss(u - step * e) for e in np.eye(12)]) / (2 * step)
    cosine = u @ down / np.linalg.norm(u) / np.linalg.norm(down)
    m = margins(u)
    assert m.min() > 0
    share = np.exp(-m) / np.exp(-m).sum()
    found = weights_kkt(u[:6], u[6:], A, depth, share, m)
    assert found.stationarity == pytest.approx(np.sqrt(1 - cosine**2), rel=1e-6)
    assert found.complementarity == pytest.approx(share @ (m - m.min()) / (share @ m), rel=1e-12)


def test_an_exact_kkt_point():
    # one sample (1, 0): u = (1, 0; 0, 0) has all its weight where the margin is made
    found = weights_kkt([1.0, 0.0], [0.0, 0.0], [[1.0, 0.5]], 2, [1.0], [1.0])
    assert found.stationarity == 0
    assert found.complementarity == 0
    assert np.isnan(weights_kkt([1.0, 0.0], [0.0, 0.0], [[-1.0, 0.5]], 2, [1.0], [-1.0]).stationarity)
