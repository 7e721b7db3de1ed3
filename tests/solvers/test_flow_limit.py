"""The limit of the flow: against true trajectories, against the Q_mu path where they agree, by its own laws."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import minimize

from implicitbias import Q, three_points
from implicitbias._result import InfeasibleError
from implicitbias.solvers.margin import max_margin
from implicitbias.solvers.margin._flow_limit import flow_limit

LABELS = np.array([1.0, -1.0, 1.0])


def curve(theta, depth):
    """Predictor and its derivative at alpha = 1, without cancellation."""
    if depth == 2:
        return 2 * np.sinh(theta), 2 * np.cosh(theta)
    p = depth / (depth - 2)
    theta = np.clip(theta, -1 + 1e-12, 1 - 1e-12)  # trial points of the integrator may lie beyond
    low, high = 1 - theta, 1 + theta
    return 2 * np.cosh(phi := np.arctanh(theta)) ** p * np.sinh(p * phi), p * (low ** (-p - 1) + high ** (-p - 1))


def trajectory(A, depth, scale, mus):
    """``w/gamma`` at accuracies ``scale/mu`` of the flow itself at ``alpha^D = scale``."""
    samples = len(A)

    def terms(margins):
        """Terms of the loss over the largest, and its margin."""
        least = margins.min()
        return np.exp(-scale * (margins - least)), least

    def weights(nu):
        e = terms(A @ curve(A.T @ nu, depth)[0])[0]
        return e / e.sum()

    def jacobian(_, nu):
        v, W = curve(A.T @ nu, depth)
        e = terms(A @ v)[0]
        p = e / e.sum()
        return -scale * (np.diag(p) - np.outer(p, p)) @ ((A * W) @ A.T)

    def mark(mu):
        def gap(_, nu):
            e, least = terms(A @ curve(A.T @ nu, depth)[0])
            return least + np.log(samples / e.sum()) / scale - 1 / mu

        gap.direction = 1
        return gap

    marks = [mark(mu) for mu in mus]
    marks[-1].terminal = True
    with np.errstate(all="ignore"):  # trial points of the integrator may lie beyond the domain
        solution = solve_ivp(
            lambda _, nu: weights(nu),
            (0, 1e4),
            np.zeros(samples),
            method="Radau",
            jac=jacobian,
            rtol=1e-9,
            atol=1e-13,
            events=marks,
            first_step=1e-6 / scale,
        )
    states = np.array([curve(A.T @ found[0], depth)[0] for found in solution.y_events])
    return states / (states @ A.T).min(axis=1)[:, None]


def relative(a, b):
    return np.linalg.norm(a - b, axis=1) / np.linalg.norm(b, axis=1)


def projection(A, depth, nu, tau, guesses):
    """Multipliers of ``argmin D_Q(v, v(nu)) s.t. A v >= tau``: the one set of increments that passes, by Newton.

    `guesses` holds the increments of each set at the last call, the set that passed then first.
    """
    for chosen in sorted(guesses, key=lambda c: c != guesses.get("last")):
        if chosen == "last":
            continue
        B, x = A[list(chosen)], guesses[chosen]
        for damping in (0.1, 0.3, *[1] * 30):
            v, W = curve(A.T @ nu + B.T @ x, depth)
            x = x + damping * np.linalg.solve((B * W) @ B.T, tau - B @ v)
        v = curve(A.T @ nu + B.T @ x, depth)[0]
        if (x >= 0).all() and (A @ v > tau * (1 - 1e-11)).all() and abs(B @ v / tau - 1).max() < 1e-9:
            guesses[chosen], guesses["last"] = x, chosen
            return nu + np.bincount(chosen, x, minlength=len(A))
    raise AssertionError("no set of support vectors passes")


def sets(samples):
    """Increments of zero for each nonempty set of samples."""
    return {c: np.zeros(k) for k in range(1, samples + 1) for c in combinations(range(samples), k)}


def minimizers(A, depth, mus):
    """Minimizers of ``Q_mu`` with margins of at least 1, by falling mu: projections of zero."""
    guesses, found = sets(len(A)), {}
    for mu in sorted({*np.geomspace(max(100, mus[0]), mus[-1], 80), *mus}, reverse=True):
        nu = projection(A, depth, np.zeros(len(A)), 1 / mu, guesses)
        found[mu] = mu * curve(A.T @ nu, depth)[0]
    return np.array([found[mu] for mu in mus])


def signed(data):
    return data.y[:, None] * data.X


SCALES = (1e2, 1e4, 1e6, 1e8)
MUS = np.array([1.0, 0.03, 0.003])


@pytest.mark.parametrize(
    ("make", "depth"),
    [(three_points.wide_parting, 2), (three_points.changing_support, 4), (three_points.deeper_norm, 3)],
)
def test_flow_tends_to_the_limit_and_not_to_the_path(make, depth):
    data = make()
    limit = flow_limit(data.X, data.y, depth, MUS)
    path = minimizers(signed(data), depth, MUS)
    to_limit, to_path = [], []
    for scale in SCALES:
        reached = trajectory(signed(data), depth, scale, MUS)
        to_limit.append(relative(reached, limit.beta))
        to_path.append(relative(reached, path))
    # like 1/alpha^D up to a logarithm of it
    ratios = np.array(to_limit[1:]) / np.array(to_limit[:-1])
    assert (ratios < 2.5e-2).all()
    assert (to_limit[-1] < 3e-8).all()
    parted = relative(limit.beta, path) > 1e-3
    assert parted[2] if make is three_points.deeper_norm else parted.tolist() == [False, True, True]
    assert np.array(to_path)[1:, parted] == pytest.approx(
        np.broadcast_to(relative(limit.beta, path)[parted], (3, parted.sum())), rel=0.01
    )


@pytest.mark.parametrize("depth", [2, 3])
def test_where_support_vectors_are_stable_the_limit_is_the_path(depth):
    data = three_points.same_support()
    mus = np.geomspace(100, 1e-3, 21)
    limit = flow_limit(data.X, data.y, depth, mus)
    assert limit.events == ()
    assert limit.support.tolist() == [[True, False, True]] * len(mus)
    assert relative(limit.beta, minimizers(signed(data), depth, mus)).max() < 1e-9


def test_events_of_the_three_points():
    data = three_points.changing_support()
    limit = flow_limit(data.X, data.y, 2, [1e-3])
    (event,) = limit.events
    assert (event.sample, event.kind) == (1, "leaves")
    # with all three margins equal the predictor keeps the direction of (2, -1, 4) and theta is known in closed form
    A, b = signed(data), np.array([0.2, -0.1, 0.4])

    def multiplier_speed(tau):
        return np.linalg.solve(A.T, b / np.sqrt(4 + (tau * b) ** 2))[1]

    assert multiplier_speed(1 / event.mu) == pytest.approx(0, abs=1e-12)
    assert multiplier_speed(0.99 / event.mu) > 0
    frozen = np.linalg.solve(A.T, np.arcsinh(b / (2 * event.mu)))[1]
    assert limit.dual[0, 1] == pytest.approx(frozen, rel=1e-12)


def bregman_chain(A, depth, taus):
    """Projections of each point onto the next margins."""
    nu, points, guesses = np.zeros(len(A)), [], sets(len(A))
    for tau in taus:
        nu = projection(A, depth, nu, tau, guesses)
        points.append(curve(A.T @ nu, depth)[0] / tau)
    return np.array(points)


@pytest.mark.parametrize("depth", [2, 3])
def test_bregman_projections_in_small_steps_give_the_same(depth):
    rng = np.random.default_rng(4)
    A = rng.standard_normal((4, 5)) + 0.4
    taus = np.geomspace(0.1, 100, 100)
    limit = flow_limit(LABELS_4[:, None] * A, LABELS_4, depth, 1 / taus)
    assert limit.events
    # an event within a step moves the chain by the square of the step
    assert relative(bregman_chain(A, depth, taus), limit.beta).max() < 2e-4


LABELS_4 = np.array([1.0, -1.0, 1.0, -1.0])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    samples=st.integers(2, 9),
    features=st.integers(2, 12),
    depth=st.sampled_from([2, 2.5, 3, 4, 10]),
    shaped=st.booleans(),
    size=st.sampled_from([1e-150, 1e-3, 1.0, 1e150]),
)
def test_the_laws_of_the_limit(seed, samples, features, depth, shaped, size):
    rng = np.random.default_rng(seed)
    y = np.where(np.arange(samples) % 2, -1.0, 1.0)
    A = rng.standard_normal((samples, features))
    # theta is known relative to the largest of its terms, and counts w0^(D-2) times
    w0 = np.exp(0.6 / depth * rng.standard_normal(features)) if shaped else None
    mus = np.geomspace(30, 1e-3, 60)
    try:
        limit = flow_limit(size * y[:, None] * A, y, depth, mus / size, w0=w0)
    except InfeasibleError:
        assume(False)
    beta, nu = size * limit.beta, limit.dual * size
    margins = beta @ A.T
    assert margins.min(axis=1) == pytest.approx(np.ones(60), rel=1e-12)
    # grad Q_mu(beta) = A^T nu, by the curve: beta = mu a^D h(a^(D-2) theta) at a = w0
    shape = np.ones(features) if w0 is None else w0
    theta = nu @ A * shape ** (depth - 2)
    assert mus[:, None] * shape**depth * curve(theta, depth)[0] == pytest.approx(
        beta, rel=1e-9, abs=1e-9 * abs(beta).max()
    )
    # multipliers never fall, and rise only while their margin is the least
    steps = np.diff(nu, axis=0)
    assert steps.min() > -1e-9 * nu.max()
    held = limit.support[:-1] | limit.support[1:]
    for event in limit.events:
        held[np.clip(np.searchsorted(-mus, -event.mu * size) - 1, 0, 58), event.sample] = True
    assert abs(np.where(held, 0, steps)).max() <= 1e-12 * nu.max()


@pytest.mark.parametrize("depth", [2, 3])
def test_until_a_sample_leaves_the_limit_is_the_path_for_more_samples_too(depth):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 30))
    y = np.sign(X @ rng.standard_normal(30))
    leaves = next(event for event in flow_limit(X, y, depth, [1e-3]).events if event.kind == "leaves")
    mus = leaves.mu * np.array([100, 3, 1.01, 0.2])
    limit = flow_limit(X, y, depth, mus)
    path = np.array([max_margin(X, y, Q(mu ** (1 / depth), depth)).beta for mu in mus])
    gaps = relative(limit.beta, path)
    assert (gaps[:3] < 1e-9).all()
    assert gaps[3] > 1e-3


def test_duplicates_and_ties_of_the_l2_solution():
    # sample 2 has margin 1 and multiplier 0 in the l2 solution of the others: curvature decides
    B = np.array([[1.0, 2.0, 0.0], [2.0, -1.0, 1.0]])
    l2 = np.linalg.lstsq(B, np.ones(2), rcond=None)[0]
    extra = np.array([1.0, 0.0, 3.0])
    A = np.vstack([B, extra / (extra @ l2)])
    mus = np.array([10.0, 1.0, 0.1])
    limit = flow_limit(LABELS[:, None] * A, LABELS, 2, mus)
    path = minimizers(A, 2, mus)
    assert relative(limit.beta, path).max() < 1e-9
    twice = np.vstack([A, A[:2], A[1:]])
    y = np.array([1.0, -1.0, 1.0, 1.0, -1.0, 1.0, -1.0])
    again = flow_limit(y[:, None] * twice, y, 2, mus)
    assert again.beta == pytest.approx(limit.beta, rel=1e-10)
    assert again.events == ()


@pytest.mark.parametrize("scale", [1e3, 1e5])
def test_ties_of_the_l2_solution_on_the_way(scale):
    B = np.array([[1.0, 2.0, 0.0], [2.0, -1.0, 1.0]])
    l2 = np.linalg.lstsq(B, np.ones(2), rcond=None)[0]
    A = np.vstack([B, np.array([1.0, 0.0, 3.0]) / (l2[0] + 3 * l2[2])])
    limit = flow_limit(LABELS[:, None] * A, LABELS, 2, [0.1])
    # log p is of order one while the third margin parts from the others: a gap of log(alpha^D)/alpha^D
    assert relative(trajectory(A, 2, scale, [0.1]), limit.beta).max() < 2 * np.log(scale) / scale


def test_kernel_and_rich_ends():
    data = three_points.changing_support()
    limit = flow_limit(data.X, data.y, 2, [1e6, 1e-250])
    assert limit.beta[0] == pytest.approx([0.2, -0.1, 0.4], rel=1e-9)
    assert limit.beta[1] == pytest.approx([1 / 8, 0, 1 / 2], abs=1e-9)
    deep = three_points.deeper_norm()
    assert flow_limit(deep.X, deep.y, 3, [1e-15]).beta[0] == pytest.approx([0, 1 / 3, 0], abs=1e-4)


def test_shape_decides_the_norm_of_the_kernel_end():
    w0 = np.array([1.0, 2.0, 0.5])
    data = three_points.same_support()
    A = signed(data)
    limit = flow_limit(data.X, data.y, 3, [1e6], w0=w0)
    metric = minimize(
        lambda b: np.sum(b**2 / w0**4),
        limit.beta[0] * 1.3,
        method="SLSQP",
        options={"ftol": 1e-15},
        constraints={"type": "ineq", "fun": lambda b: A @ b - 1},
    ).x
    assert limit.beta[0] == pytest.approx(metric, abs=1e-5)


def test_order_of_mus_does_not_matter():
    data = three_points.changing_support()
    up, down = flow_limit(data.X, data.y, 2, [1e-3, 1.0]), flow_limit(data.X, data.y, 2, [1.0, 1e-3])
    assert up.beta[::-1] == pytest.approx(down.beta, rel=1e-13)
    assert up.mus.tolist() == [1e-3, 1.0]


@pytest.mark.parametrize("seed", [85, 113])
def test_samples_that_drive_for_a_short_while_are_not_passed_over(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((15, 30)), np.where(np.arange(15) % 2, -1.0, 1.0)
    X *= y[:, None]
    at_once = flow_limit(X, y, 3, [1e-4])
    brief = [a.mu / b.mu for a, b in zip(at_once.events, at_once.events[1:], strict=False) if a.sample == b.sample]
    assert min(brief) < np.exp(0.3)
    # marks on the way make the steps short
    watched = flow_limit(X, y, 3, np.geomspace(10, 1e-4, 1500))
    assert [(e.sample, e.kind) for e in at_once.events] == [(e.sample, e.kind) for e in watched.events]
    assert [e.mu for e in at_once.events] == pytest.approx([e.mu for e in watched.events], rel=1e-10)


@pytest.mark.parametrize("mus", [[], [0.0], [-1.0], [np.nan], [np.inf], [[1.0]]])
def test_bad_mus(mus):
    data = three_points.same_support()
    with pytest.raises(ValueError, match="mus must be positive"):
        flow_limit(data.X, data.y, 2, mus)


def test_data_that_cannot_be_separated():
    with pytest.raises(InfeasibleError, match="separated"):
        flow_limit([[1.0, 0.0], [1.0, 0.0]], [1, -1], 2, [1.0])


def test_a_shape_of_the_wrong_length_is_named():
    with pytest.raises(ValueError, match="w0 must have one entry per column of X: X has 3 columns, w0 has 2"):
        flow_limit(three_points.same_support().X, LABELS, 3, w0=[1.0, 2.0])
