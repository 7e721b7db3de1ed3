"""Every property that the docstrings state, by computations of other kinds than the package's own."""

from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import linprog, minimize, nnls

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


def path(A, depth):
    """Minimizers of Q_mu with margins of 1 and their multipliers, from the one set of samples that passes."""
    p = depth / (depth - 2) if depth > 2 else np.inf

    def curve(theta):
        return 2 * np.sinh(theta) if depth == 2 else (1 - theta) ** -p - (1 + theta) ** -p

    def weight(theta):
        return 2 * np.cosh(theta) if depth == 2 else p * ((1 - theta) ** (-p - 1) + (1 + theta) ** (-p - 1))

    sets = [c for size in (1, 2, 3) for c in combinations(range(3), size)]
    at = dict.fromkeys(sets)
    predictors, duals = [], []
    for mu in MUS:
        passed = []
        for chosen in sets:
            B = A[list(chosen)]
            start = np.zeros(len(B)) if at[chosen] is None else at[chosen]
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                nu, error = newton(
                    lambda nu, B=B, mu=mu: mu * B @ curve(B.T @ nu) - 1,
                    lambda nu, B=B, mu=mu: mu * (B * weight(B.T @ nu)) @ B.T,
                    start,
                )
            if error > 1e-9:
                continue  # no solution in the domain of the curve
            at[chosen] = nu
            w = mu * curve(B.T @ nu)
            if (nu > 0).all() and (A @ w > 1 - 1e-9).all():
                passed.append((w, np.bincount(chosen, nu, minlength=3)))
        assert len(passed) == 1
        predictors.append(passed[0][0])
        duals.append(passed[0][1])
    return np.array(predictors), np.array(duals)


def angle(a, b):
    return np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))


@pytest.mark.parametrize("make", ALL)
def test_entries_are_small_integers_and_both_labels_occur(make):
    data = make()
    assert data.shape == (3, 3)
    assert set(data.y) == {-1.0, 1.0}
    assert (data.X == np.round(data.X)).all()
    assert np.abs(data.X).max() <= 5
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
    nu = path(A, 2)[1]
    start, end = A @ l2(A), A @ np.array([1 / 8, 0, 1 / 2])
    assert start == pytest.approx([1, 1, 1])
    assert end == pytest.approx([1, 9 / 8, 1])
    least, box = l1_range(A)
    assert least == pytest.approx(5 / 8)
    assert box == pytest.approx(np.array([[1 / 8, 0, 1 / 2]] * 2), abs=1e-9)
    assert ((nu[:, 1] > 0) == (MUS > 0.0377)).all()
    assert (np.diff(nu[:, 1])[MUS[1:] > 0.1223] > 0).all()
    assert (np.diff(nu[:, 1])[(MUS[:-1] < 0.1223) & (MUS[1:] > 0.0377)] < 0).all()


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
