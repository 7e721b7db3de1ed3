"""Every property that the docstrings state, by computations of other kinds than the package's own."""

from itertools import combinations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq, linprog, minimize, nnls

from implicitbias import three_points

ALL = [getattr(three_points, name) for name in three_points.__all__]
MUS = np.geomspace(1e3, 1e-4, 36)


def rows(dataset):
    return dataset.y[:, None] * dataset.X


def l2(A):
    result = minimize(
        lambda w: w @ w,
        np.linalg.lstsq(A, np.ones(3) * 2, rcond=None)[0],
        jac=lambda w: 2 * w,
        constraints={"type": "ineq", "fun": lambda w: A @ w - 1, "jac": lambda w: A},
        method="SLSQP",
        options={"ftol": 1e-15},
    )
    assert result.success
    return result.x


def l1_range(A):
    """Least l1 norm and the smallest box around all the predictors that have it."""
    split = np.hstack([A, -A])
    least = linprog(np.ones(6), A_ub=-split, b_ub=-np.ones(3)).fun
    box = [
        [
            sign
            * linprog(
                sign * np.r_[axis, -axis], A_ub=np.vstack([-split, np.ones(6)]), b_ub=np.r_[-np.ones(3), least]
            ).fun
            for axis in np.eye(3)
        ]
        for sign in (1, -1)
    ]
    return least, np.array(box)


def vertices(A):
    """Vertices of ``A w >= 1`` cut by the coordinate planes, where a concave cost is least."""
    planes, sides = np.vstack([A, np.eye(3)]), np.r_[np.ones(3), np.zeros(3)]
    chosen = [list(c) for c in combinations(range(6), 3) if abs(np.linalg.det(planes[list(c)])) > 1e-9]
    found = np.array([np.linalg.solve(planes[c], sides[c]) for c in chosen])
    return found[(A @ found.T >= 1 - 1e-9).all(axis=0)]


def least_lp(A, p):
    points = vertices(A)
    return points[np.argmin((np.abs(points) ** p).sum(axis=1))]


def newton(function, slope, x):
    """Root of a monotone map; steps halve while they lead out of its domain or raise the residual."""
    value = function(x)
    for _ in range(60):
        step, damping = np.linalg.solve(slope(x), value), 1.0
        while not np.abs(new := function(x - damping * step)).max() < np.abs(value).max() and damping > 1e-6:
            damping /= 2
        if damping <= 1e-6:
            break
        x, value = x - damping * step, new
    return x, np.abs(value).max()


def curve(theta, depth):
    """The predictor at mu = 1."""
    p = depth / (depth - 2) if depth > 2 else np.inf
    return 2 * np.sinh(theta) if depth == 2 else (1 - theta) ** -p - (1 + theta) ** -p


def weight(theta, depth):
    """Its derivative."""
    p = depth / (depth - 2) if depth > 2 else np.inf
    return 2 * np.cosh(theta) if depth == 2 else p * ((1 - theta) ** (-p - 1) + (1 + theta) ** (-p - 1))


def tight(A, depth, mu, chosen, nu):
    """Margins of 1 for the chosen samples, the other multipliers as they are: multipliers, and the residual."""
    B, rest = A[chosen], A.T @ np.where(np.isin(range(3), chosen), 0.0, nu)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        moved, error = newton(
            lambda x: mu * B @ curve(rest + B.T @ x, depth) - 1,
            lambda x: mu * (B * weight(rest + B.T @ x, depth)) @ B.T,
            nu[chosen],
        )
    nu = nu.copy()
    nu[chosen] = moved
    return nu, error


def path(A, depth):
    """Minimizers of Q_mu with margins of 1 and their multipliers, from the one set of samples that passes."""
    at = {c: np.zeros(3) for size in (1, 2, 3) for c in combinations(range(3), size)}
    predictors, duals = [], []
    for mu in MUS:
        passed = []
        for chosen, start in at.items():
            nu, error = tight(A, depth, mu, list(chosen), start)
            if error > 1e-9:
                continue  # no solution in the domain of the curve
            at[chosen] = nu
            w = mu * curve(A.T @ nu, depth)
            if (nu[list(chosen)] > 0).all() and (A @ w > 1 - 1e-9).all():
                passed.append((w, nu))
        assert len(passed) == 1
        predictors.append(passed[0][0])
        duals.append(passed[0][1])
    return np.array(predictors), np.array(duals)


def follow(A, depth, chosen, nu, mus):
    """`tight` at falling mus, one after the other: predictors and multipliers, each ``(k, 3)``."""
    duals = []
    for mu in mus:
        nu, error = tight(A, depth, mu, chosen, nu)
        assert error < 1e-9
        duals.append(nu)
    return np.array([mu * curve(A.T @ nu, depth) for mu, nu in zip(mus, duals, strict=True)]), np.array(duals)


def turning_point(A, depth, chosen, sample, mus):
    """The mu between two at which the multiplier of a sample of the path begins to fall, and all multipliers."""

    def speed(mu, nu):
        B = A[chosen]
        return np.linalg.solve((B * weight(A.T @ nu, depth)) @ B.T, np.ones(len(B)))[chosen.index(sample)]

    def there(mu):
        return follow(A, depth, chosen, np.zeros(3), np.geomspace(1e3, mu, 60))[1][-1]

    mu = brentq(lambda mu: speed(mu, there(mu)), *mus, rtol=1e-13)
    return mu, there(mu)


def angle(a, b):
    return np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))


@pytest.mark.parametrize("make", ALL)
def test_entries_are_small_integers_and_both_labels_occur(make):
    data = make()
    assert data.shape == (3, 3)
    assert set(data.y) == {-1.0, 1.0}
    assert (data.X == np.round(data.X)).all()
    assert np.abs(data.X).max() <= 6
    assert not np.signbit(data.X[data.X == 0]).any()


@pytest.mark.parametrize("depth", [2, 3, 10])
def test_same_support_everywhere(depth):
    A = rows(three_points.same_support())
    w, nu = path(A, depth)
    assert (A @ w.T)[[0, 2]] == pytest.approx(np.ones((2, len(MUS))), abs=1e-6)
    assert (A @ w.T)[1].min() > 2.2
    assert (nu[:, 1] == 0).all()
    assert (np.diff(nu[:, [0, 2]], axis=0) > 0).all()
    assert w[0] == pytest.approx(l2(A), abs=1e-5)


def test_same_support_end_points():
    A = rows(three_points.same_support())
    least, box = l1_range(A)
    expected = np.array([1.6, 0, 0.2])
    assert least == pytest.approx(1.8)
    assert box == pytest.approx(np.array([expected, expected]), abs=1e-9)
    for p in (2 / 3, 2 / 10):
        assert least_lp(A, p) == pytest.approx(expected, abs=1e-12)
    assert l2(A) / np.linalg.norm(l2(A)) == pytest.approx(np.array([1.66, -1.29, 1.17]) / 2.406, abs=2e-3)
    assert 41 < angle(l2(A), expected) < 43
    multipliers = np.linalg.solve(A[np.ix_([0, 2], [0, 2])].T, [1, 1])
    assert abs(A[[0, 2], 1] @ multipliers) == pytest.approx(3 / 5)


def test_many_l1_solutions():
    A = rows(three_points.many_l1_solutions())
    ends = np.array([[-0.1, 0, -0.7], [0, 0.2, -0.6]])
    least, box = l1_range(A)
    assert np.abs(ends).sum(axis=1) == pytest.approx(least)
    assert box == pytest.approx(np.array([ends.min(axis=0), ends.max(axis=0)]), abs=1e-9)
    assert 19 < angle(*ends) < 21
    w, nu = path(A, 2)
    assert (A @ w.T)[[0, 2]] == pytest.approx(np.ones((2, len(MUS))), abs=1e-6)
    assert (A @ w.T)[1].min() > 1.4
    assert (np.diff(nu[:, [0, 2]], axis=0) > 0).all()
    assert w[-1] == pytest.approx([-0.0306, 0.1389, -0.6306], abs=1e-4)
    assert angle(w[0], w[-1]) > 10


def test_changing_support():
    A = rows(three_points.changing_support())
    w, nu = path(A, 2)
    l1 = np.array([1 / 8, 0, 1 / 2])
    start, end = A @ l2(A), A @ l1
    assert start == pytest.approx([1, 1, 1])
    assert l2(A) == pytest.approx(np.array([2, -1, 4]) / 10)
    assert end == pytest.approx([1, 9 / 8, 1])
    least, box = l1_range(A)
    assert least == pytest.approx(5 / 8)
    assert box == pytest.approx(np.array([l1, l1]), abs=1e-9)
    mu, there = turning_point(A, 2, [0, 1, 2], 1, (0.2, 0.1))
    assert mu == pytest.approx(0.1223, abs=5e-5)
    kink = brentq(lambda mu: tight(A, 2, mu, [0, 1, 2], there)[0][1], 0.1, 0.02)
    assert kink == pytest.approx(0.03774, abs=5e-6)
    assert ((nu[:, 1] > 0) == (MUS > kink)).all()
    assert (np.diff(nu[:, 1])[MUS[1:] > mu] > 0).all()
    assert (np.diff(nu[:, 1])[(MUS[:-1] < mu) & (MUS[1:] > kink)] < 0).all()
    # the flow: from there on that multiplier rests
    flow, dual = follow(A, 2, [0, 2], there, np.geomspace(mu, 1e-6, 200)[1:])
    assert (np.diff(dual[:, [0, 2]], axis=0) > 0).all()
    assert (A @ flow.T)[1].min() > 1
    assert angle(follow(A, 2, [0, 2], there, np.geomspace(mu, kink, 20))[0][-1], l2(A)) == pytest.approx(4, abs=0.5)
    assert flow[-1] == pytest.approx(l1, abs=1e-2)
    # flow and path are on the segment between both ends
    for points in (flow, w):
        share = (points - l2(A)) @ (l1 - l2(A)) / ((l1 - l2(A)) @ (l1 - l2(A)))
        assert points == pytest.approx(l2(A) + share[:, None] * (l1 - l2(A)), abs=1e-6)
        assert share.min() > -1e-6
        assert share.max() <= 1


def test_wide_parting():
    A = rows(three_points.wide_parting())
    nu = path(A, 2)[1]
    l1 = np.array([0, 0, 1 / 3])
    assert A @ l2(A) == pytest.approx([1, 1.129, 1], abs=1e-3)
    assert A @ l1 == pytest.approx([1, 2, 5 / 3])
    assert l1_range(A)[1] == pytest.approx(np.array([l1, l1]), abs=1e-9)
    mu, there = turning_point(A, 2, [0, 2], 2, (0.1, 0.02))
    assert mu == pytest.approx(0.04534, abs=5e-6)
    kink = brentq(lambda mu: tight(A, 2, mu, [0, 2], there)[0][2], 0.02, 0.005)
    assert kink == pytest.approx(0.008861, abs=5e-7)
    assert ((nu > 0) == np.column_stack([MUS > 0, MUS < 0, MUS > kink])).all()
    assert (np.diff(nu[:, 2])[MUS[1:] > mu] > 0).all()
    # the flow: from there on that multiplier rests, and no other margin comes down
    flow, dual = follow(A, 2, [0], there, np.geomspace(mu, 1e-7, 400)[1:])
    assert (np.diff(dual[:, 0]) > 0).all()
    assert (A @ flow.T)[1:].min() > 1
    both = [follow(A, 2, chosen, there, np.geomspace(mu, kink, 20))[0][-1] for chosen in ([0], [0, 2])]
    assert angle(*both) == pytest.approx(4.5, abs=0.05)
    assert angle(flow[-1], l1) < 0.5
    # the path in small steps, before its kink and after
    line = np.vstack(
        [
            follow(A, 2, [0, 2], there, np.geomspace(mu, kink, 300))[0],
            follow(A, 2, [0], np.array([there[0], 0, 0]), np.geomspace(kink, 1e-5, 600))[0],
        ]
    )
    line, beside = (
        points / np.linalg.norm(points, axis=1)[:, None]
        for points in (line, follow(A, 2, [0], there, np.geomspace(mu, 1e-3, 600))[0])
    )
    apart = np.degrees(np.arccos((beside @ line.T).max(axis=1)))
    assert max(apart) == pytest.approx(3.37, abs=0.02)


def test_deeper_norm():
    A = rows(three_points.deeper_norm())
    end, other = np.array([2 / 23, 5 / 23, 0]), np.array([0, 1 / 3, 0])
    box = l1_range(A)[1]
    assert box == pytest.approx(np.array([end, end]), abs=1e-9)
    assert least_lp(A, 2 / 3) == pytest.approx(other, abs=1e-12)
    active = np.abs(A @ end - 1) < 1e-9
    assert active.tolist() == [True, False, True]
    # where coordinates are not zero the slope of l_{2/3} must be a combination of support vectors, weights >= 0
    slope = (2 / 3) * end[:2] ** (-1 / 3)
    assert nnls(A[active][:, :2].T, slope)[1] > 0.01
    # for l1 it is one
    assert nnls(A[active][:, :2].T, np.ones(2))[1] < 1e-12
    w, nu = path(A, 3)
    assert ((nu > 0) == active).all()
    assert (A @ w.T)[1].min() > 1.05
    assert angle(w[-1], end) < 2


def test_local_minimum():
    A = rows(three_points.local_minimum())
    l1, best, other = np.array([3, 9, 14]) / 53, np.array([0, 1 / 6, 1 / 3]), np.array([0, 0, 1])
    assert l1_range(A)[1] == pytest.approx(np.array([l1, l1]), abs=1e-9)
    assert least_lp(A, 2 / 3) == pytest.approx(best, abs=1e-12)
    # stationary: the slope on the coordinates in use is a combination of support vectors, weights >= 0
    for point, stationary in ((l1, False), (best, True), (other, True)):
        active, used = np.abs(A @ point - 1) < 1e-9, point > 0
        assert (A @ point > 1 - 1e-9).all()
        assert (nnls(A[active][:, used].T, (2 / 3) * point[used] ** (-1 / 3))[1] < 1e-12) == stationary
    assert angle(best, other) == pytest.approx(27, abs=0.5)
    w, nu = path(A, 3)
    enters = brentq(
        lambda mu: A[2] @ follow(A, 3, [0, 1], np.zeros(3), np.geomspace(1e3, mu, 60))[0][-1] - 1, 0.1, 0.01
    )
    assert enters == pytest.approx(0.01294, abs=5e-6)
    assert ((nu > 0) == np.column_stack([MUS > 0, MUS > 0, MUS < enters])).all()
    assert w[MUS < enters] == pytest.approx(np.broadcast_to(l1, ((MUS < enters).sum(), 3)), abs=1e-8)
    # with all three margins equal the multiplier of sample 1 would fall, so it rests
    there = follow(A, 3, [0, 1], np.zeros(3), np.geomspace(1e3, enters, 60))[1][-1]
    later = [tight(A, 3, 0.999 * enters, chosen, there)[0] for chosen in ([0, 1, 2], [0, 2])]
    assert later[0][1] < there[1]
    assert (later[1][[0, 2]] > there[[0, 2]]).all()
    flow, dual = follow(A, 3, [0, 2], there, np.geomspace(enters, 1e-9, 300)[1:])
    assert (np.diff(dual[:, [0, 2]], axis=0) > 0).all()
    assert (A @ flow.T)[1].min() > 1
    assert angle(flow[-1], best) < 0.05


def trained(A, alpha, accuracy):
    """Direction of the network of depth 3 itself, where its loss is ``exp(-accuracy)``, by Radau's method."""

    def margins(u):
        return A @ (u[:3] ** 3 - u[3:] ** 3)

    def velocity(_, u):
        p = np.exp(-margins(u) + margins(u).min())
        pull = 3 * A.T @ (p / p.sum())
        return np.r_[pull, -pull] * u**2

    def reached(_, u):
        return margins(u).min() - np.log(np.exp(-margins(u) + margins(u).min()).mean()) - accuracy

    reached.terminal = True
    found = solve_ivp(velocity, (0, 1e9), np.full(6, alpha), method="Radau", rtol=1e-7, atol=1e-12, events=reached)
    (u,) = found.y_events[0]
    return u[:3] ** 3 - u[3:] ** 3


@pytest.mark.parametrize(
    ("alpha", "end"), [(0.01, (0, 0, 1)), (0.1, (0, 0, 1)), (0.3, (0, 1, 2)), (1, (0, 1, 2)), (3, (0, 1, 2))]
)
def test_networks_that_a_local_minimum_catches(alpha, end):
    A = rows(three_points.local_minimum())
    # what is left shrinks with the accuracy over alpha^D
    assert angle(trained(A, alpha, 1e4 * max(1, alpha**3)), np.array(end)) < 2
