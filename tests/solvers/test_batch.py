"""Batches of problems: optimality of each by hand, 50-digit solutions, limits, failures; NumPy and torch."""

import mpmath
import numpy as np
import pytest
import torch
from scipy.linalg import null_space

import implicitbias as ib
from implicitbias import ConvergenceError, InfeasibleError, Status
from implicitbias.solvers.batch import _together
from implicitbias.solvers.batch._together import broadcast, solve_batch, solve_flat

LAYOUTS = {
    "many targets": ((3, 7), (4, 3)),
    "many designs": ((4, 3, 7), (4, 3)),
    "both": ((2, 1, 3, 7), (4, 3)),
    "one": ((3, 7), (3,)),
}


def data(layout="many designs", seed=0):
    rng = np.random.default_rng(seed)
    X_shape, y_shape = LAYOUTS[layout]
    return rng.standard_normal(X_shape), rng.standard_normal(y_shape)


def each(X, y):
    """Index, design and targets of every problem of a batch."""
    shape = np.broadcast_shapes(X.shape[:-2], y.shape[:-1])
    X, y = np.broadcast_to(X, shape + X.shape[-2:]), np.broadcast_to(y, shape + y.shape[-1:])
    return [(i, X[i], y[i]) for i in np.ndindex(shape)]


def certify(X, y, reg, beta, tol=1e-11):
    """Optimality by hand: feasible, and the gradient orthogonal to the null space of X."""
    assert np.linalg.norm(X @ beta - y) <= tol * np.linalg.norm(y)
    grad = reg.grad(beta)
    assert np.linalg.norm(null_space(X).T @ grad) <= tol * np.linalg.norm(grad)


W0 = np.linspace(0.5, 1.8, 7)
REGULARIZERS = [
    *(ib.Q(alpha, D) for D in (2, 3) for alpha in (1e3, 1.0, 0.1, 1e-3)),
    ib.Q(0.1, 2.5),
    *(ib.Q(0.05, D, W0) for D in (2, 3)),
    ib.R(0.1),
    ib.R(0.1, W0),
    ib.L2(),
    ib.L2(W0**4),
]


@pytest.mark.parametrize(
    ("reg", "layout"),
    [(reg, layout) for reg in REGULARIZERS for layout in list(LAYOUTS)[:2]]
    + [(reg, layout) for reg in (ib.Q(0.1), ib.Q(0.1, 3), ib.L2()) for layout in list(LAYOUTS)[2:]],
    ids=repr,
)
def test_every_problem_is_optimal(reg, layout):
    X, y = data(layout)
    sol = solve_batch(X, y, reg).raise_for_status()
    problems = each(X, y)
    assert sol.status is Status.CONVERGED
    assert sol.shape == np.broadcast_shapes(X.shape[:-2], y.shape[:-1])
    assert sol.beta.shape == (*sol.shape, 7)
    assert sol.dual.shape == (*sol.shape, 3)
    assert not sol.info["single"].any()
    for i, A, b in problems:
        certify(A, b, reg, sol.beta[i])
        np.testing.assert_allclose(sol.value[i], reg(sol.beta[i]), rtol=1e-14)
        theta = reg.grad(sol.beta[i])
        assert np.linalg.norm(A.T @ sol.dual[i] - theta) <= 1e-10 * np.linalg.norm(theta)
        assert max(values[i] for values in sol.residuals.values()) <= 1e-12


def exact(X, y, alpha, D, start):
    """Newton's method on ``y = X b(X^T nu)`` with 60 digits, written out from b = 2 a^2 sinh and b = a^D h_D."""
    ctx = mpmath.mp.clone()
    ctx.dps = 60
    A, target, a = ctx.matrix(X.tolist()), ctx.matrix(y.tolist()), ctx.mpf(alpha)
    p = None if D == 2 else ctx.mpf(D) / (D - 2)

    def curve(s):
        return 2 * a**2 * ctx.sinh(s) if D == 2 else a**D * ((1 - s) ** -p - (1 + s) ** -p)

    def slope(s):
        return 2 * a**2 * ctx.cosh(s) if D == 2 else a**D * p * ((1 - s) ** (-p - 1) + (1 + s) ** (-p - 1))

    nu = ctx.matrix(start.tolist())
    for _ in range(10):
        theta = A.T * nu
        hessian = A * ctx.diag([slope(s) for s in theta]) * A.T
        nu += ctx.lu_solve(hessian, target - A * ctx.matrix([curve(s) for s in theta]))
    beta = ctx.matrix([curve(s) for s in A.T * nu])
    assert ctx.norm(A * beta - target) < ctx.mpf(10) ** -50
    return np.array([float(b) for b in beta])


@pytest.mark.parametrize(("D", "alpha"), [(2, "1"), (2, "1e-3"), (2, "1e-300"), (3, "0.5"), (3, "1e-3")])
def test_against_fifty_digits(D, alpha):
    X, y = data(seed=2)
    sol = solve_batch(X, y, ib.Q(alpha, D))
    for i, A, b in each(X, y):
        want = exact(A, b, alpha, D, sol.dual[i])
        assert np.linalg.norm(sol.beta[i] - want) <= 1e-12 * np.linalg.norm(want)


@pytest.mark.parametrize("reg", [ib.Q("1e-4350"), ib.Q("1e-300", 3), ib.Q(1e-3, 10), ib.Q(1e-8, 3, W0)], ids=repr)
@pytest.mark.parametrize("layout", ["many targets", "many designs"])
def test_rich_end(reg, layout):
    # at these scales all that is off the l1 solution is below 1e-4 of it; weights: dual bounds w0^{2-D}
    X, y = data(layout)
    sol = solve_batch(X, y, reg).raise_for_status()
    assert not sol.info["single"].any()
    weights = np.ones(7) if reg.w0 is None else reg.w0 ** (2.0 - reg.D)
    for i, A, b in each(X, y):
        want = ib.interpolate(A / weights, b, ib.L1()).beta / weights
        np.testing.assert_allclose(sol.beta[i], want, atol=1e-3 if reg.D == 2 else 1e-6)


@pytest.mark.parametrize("alpha", [1e3, "1e300"])
@pytest.mark.parametrize("D", [2, 3])
def test_kernel_end(D, alpha):
    X, y = data()
    sol = solve_batch(X, y, ib.Q(alpha, D)).raise_for_status()
    np.testing.assert_allclose(sol.beta, np.linalg.pinv(X) @ y[..., None] @ [1.0], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("reg", [ib.Q(0.01), ib.Q(0.01, 3), ib.Q(1e-3, 10), ib.L2()], ids=repr)
@pytest.mark.parametrize("layout", ["many targets", "many designs"])
def test_a_solution_does_not_depend_on_its_batch(reg, layout):
    rng = np.random.default_rng(3)
    y = rng.standard_normal((33, 5)) * np.logspace(-2, 2, 33)[:, None]
    X = rng.standard_normal((5, 14) if layout == "many targets" else (33, 5, 14))
    together = solve_batch(X, y, reg).raise_for_status()
    for i in (0, 16, 32):
        A = X if X.ndim == 2 else X[i]
        alone, single = solve_batch(A, y[i], reg), ib.interpolate(A, y[i], reg)
        size = np.linalg.norm(alone.beta)
        assert np.linalg.norm(together.beta[i] - alone.beta) <= 1e-12 * size
        assert np.linalg.norm(together.beta[i] - single.beta) <= 1e-12 * size


def test_in_parts(monkeypatch):
    X, y = data()
    whole = solve_batch(X, y, ib.Q(0.1))
    monkeypatch.setattr(_together, "_ELEMENTS", 3 * 7 * 3)
    sol = solve_batch(X, y, ib.Q(0.1))
    np.testing.assert_allclose(sol.beta, whole.beta, rtol=1e-13)
    assert sol.info["iterations"].shape == sol.value.shape == sol.residuals["gap"].shape == (4,)


class TestDegenerate:
    REGS = (ib.Q(0.1), ib.Q(1e-6), ib.Q(0.1, 3), ib.L2())

    @pytest.mark.parametrize("reg", REGS, ids=repr)
    def test_ordinary_and_degenerate_problems_together(self, reg):
        rng = np.random.default_rng(5)
        X, beta = rng.standard_normal((8, 4, 9)), rng.standard_normal((8, 9))
        X[1, 3] = X[1, 2]  # a sample twice
        X[2, 3] = X[2, 0] - 2.0 * X[2, 1]  # a dependent one
        X[3, 1] = 0.0  # a sample of zeros
        X[4, :, 5] = 0.0  # a column of zeros
        X[5] *= np.array([1e-9, 1.0, 1e9, 1e3])[:, None]  # samples of different units
        y = (X @ beta[..., None])[..., 0]
        y[6] = 0.0
        y[7] *= 1e-9
        sol = solve_batch(X, y, reg).raise_for_status()
        assert not sol.beta[6].any()
        assert sol.beta[4, 5] == 0.0
        for i in (0, 1, 2, 3, 4, 7):
            certify(X[i], y[i], reg, sol.beta[i], tol=1e-10)
        rows = X[5] / np.linalg.norm(X[5], axis=1, keepdims=True)
        # the largest rows set the rounding of all that the data say of the smallest
        certify(rows, rows @ beta[5], reg, sol.beta[5], tol=1e-9)

    @pytest.mark.parametrize("reg", REGS, ids=repr)
    @pytest.mark.parametrize(("N", "d"), [(1, 1), (1, 5), (4, 4), (6, 4)])
    def test_shapes(self, reg, N, d):
        rng = np.random.default_rng(6)
        X, beta = rng.standard_normal((5, N, d)), rng.standard_normal((5, d))
        sol = solve_batch(X, (X @ beta[..., None])[..., 0], reg).raise_for_status()
        if d <= N:
            np.testing.assert_allclose(sol.beta, beta, rtol=1e-9)
        else:
            for i in range(5):
                certify(X[i], X[i] @ beta[i], reg, sol.beta[i])

    def test_a_noiseless_sparse_plant(self):
        # fewer columns than samples carry the weight, so the dual is not determined in the limit
        rng = np.random.default_rng(7)
        X, beta = rng.standard_normal((6, 10, 20)), np.zeros((6, 20))
        beta[:, [3, 11]] = 1.0, -2.0
        sol = solve_batch(X, (X @ beta[..., None])[..., 0], ib.Q("1e-300")).raise_for_status()
        np.testing.assert_allclose(sol.beta, beta, atol=1e-9)

    def test_no_problems_at_all(self):
        X, y = data("many targets")
        for A, b in ((X, y[:0]), (np.zeros((0, 3, 7)), y[0])):
            sol = solve_batch(A, b, ib.Q(1.0)).raise_for_status()
            assert sol.beta.shape == (0, 7)
            assert sol.residuals["primal"].shape == (0,)
            assert sol.iterations == 0


def test_l1_is_solved_one_by_one_and_says_so():
    X, y = data()
    sol = solve_batch(X, y, ib.L1()).raise_for_status()
    assert sol.info["single"].all()
    for i, A, b in each(X, y):
        assert np.linalg.norm(A @ sol.beta[i] - b) <= 1e-9
        # strong duality: <y, nu> with ||X^T nu||_inf <= 1 is a lower bound of the norm
        assert np.abs(A.T @ sol.dual[i]).max() <= 1.0 + 1e-9
        np.testing.assert_allclose(b @ sol.dual[i], np.abs(sol.beta[i]).sum(), rtol=1e-9)


def test_what_does_not_settle_is_solved_singly_and_says_so(monkeypatch):
    X, y = data()
    reg = ib.Q(0.1)

    def lost(problems, reg, limit):
        beta, nu, steps = follow(problems, reg, limit)
        beta[2], nu[1] = np.nan, np.nan
        return beta, nu, steps

    follow = _together.follow
    monkeypatch.setattr(_together, "follow", lost)
    sol = solve_batch(X, y, reg).raise_for_status()
    assert sol.info["single"].tolist() == [False, True, True, False]
    for i, A, b in each(X, y):
        certify(A, b, reg, sol.beta[i])
        np.testing.assert_allclose(A.T @ sol.dual[i], reg.grad(sol.beta[i]), rtol=1e-9, atol=1e-11)


class TestFailure:
    def infeasible(self):
        X, y = data()
        X[2, 1] = X[2, 0]
        return X, y

    def test_one_without_solution(self):
        X, y = self.infeasible()
        sol = solve_batch(X, y, ib.Q(0.1))
        assert sol.converged.tolist() == [True, True, False, True]
        assert sol.status is sol.statuses[2] is Status.INFEASIBLE
        assert not sol.success
        assert np.isnan(sol.beta[2]).all()
        assert np.isnan(sol.dual[2]).all()
        assert sol.value[2] == np.inf
        assert np.isnan(sol.residuals["primal"]).tolist() == [False, False, True, False]
        for i in (0, 1, 3):
            certify(X[i], y[i], ib.Q(0.1), sol.beta[i])
        with pytest.raises(
            InfeasibleError, match=r"^1 of 4 problems are not solved: problem 2: no solution exists"
        ) as caught:
            sol.raise_for_status()
        assert isinstance(caught.value, ConvergenceError)
        assert caught.value.result is sol

    def test_iteration_limit(self):
        X, y = data("both")
        sol = solve_batch(X, y, ib.Q(1e-6), max_iterations=3)
        assert sol.info["iterations"].max() == sol.iterations == 3
        assert set(sol.statuses.ravel()) == {Status.ITERATION_LIMIT}
        with pytest.raises(ConvergenceError) as caught:
            sol.raise_for_status()
        text = str(caught.value)
        assert text.startswith(
            "8 of 8 problems are not solved: problems (0, 0), (0, 1), (0, 2), (0, 3), (1, 0) and 3"
        )
        assert "raise the limit or loosen the tolerance (residuals up to primal" in text
        assert not isinstance(caught.value, InfeasibleError)

    def test_tolerance_out_of_reach(self):
        X, y = self.infeasible()
        sol = solve_batch(X, y, ib.Q(1e-3), tol=1e-30)
        assert sol.statuses.tolist() == [Status.STALLED] * 2 + [Status.INFEASIBLE, Status.STALLED]
        with pytest.raises(ConvergenceError, match=r"problems 0, 1, 3: no further .*; problem 2: no solution"):
            sol.raise_for_status()

    @pytest.mark.parametrize(
        ("X", "y", "text"),
        [
            (np.ones(3), np.ones(3), r"X must have shape \(..., N, d\) and y shape \(..., N\), got shapes \(3,\)"),
            (np.ones((2, 3)), np.ones((4, 3)), "one entry per row of X: X has 2 rows, y has 3"),
            (
                np.ones((5, 2, 3)),
                np.ones((4, 2)),
                r"broadcasting, got X of shape \(5, 2, 3\) and y of shape \(4, 2\)",
            ),
            (np.ones((2, 0)), np.ones(2), r"at least one row and one column, got shape \(2, 0\)"),
            (np.ones((4, 2, 3)) * np.nan, np.ones(2), r"X must be finite, got nan at index \(0, 0, 0\) \(24 such"),
            (np.ones((2, 3)), [[1.0, 2.0], [1.0, np.inf]], r"y must be finite, got inf at index \(1, 1\) \(1 such"),
        ],
    )
    def test_bad_data(self, X, y, text):
        with pytest.raises(ValueError, match=text):
            solve_batch(X, y, ib.Q(1.0))

    def test_bad_kinds(self):
        with pytest.raises(TypeError, match="X must hold real numbers, got dtype complex128"):
            solve_batch(np.ones((2, 3)) * 1j, np.ones(2), ib.Q(1.0))
        with pytest.raises(TypeError, match="reg must be a Q, R, L1 or L2 regularizer, got int"):
            solve_batch(np.ones((2, 3)), np.ones(2), 3)
        with pytest.raises(ValueError, match=r"reg must be convex, got R\(1.0, D=3\)"):
            solve_batch(np.ones((2, 3)), np.ones(2), ib.R(1.0, D=3))
        for name, reg in (("w0", ib.Q(1.0, w0=np.ones(4))), ("weights", ib.L2(np.ones(4)))):
            with pytest.raises(ValueError, match=f"{name} must have one entry per column of X: X has 3 columns"):
                solve_batch(np.ones((2, 3)), np.ones(2), reg)


def test_results_of_single_problems():
    X, y = data("both")
    reg = ib.Q(0.1)
    sol = solve_batch(X, y, reg)
    one = sol[1, 2]
    assert one.success
    assert one.raise_for_status() is one
    certify(X[1, 0], y[2], reg, one.beta)
    assert one.value == sol.value[1, 2]
    assert one.iterations == sol.info["iterations"][1, 2]
    assert one.residuals == {name: values[1, 2] for name, values in sol.residuals.items()}
    for index in (1, slice(None), (0, slice(None))):
        with pytest.raises(IndexError, match=r"the index must be 2 integers, as the batch has shape \(2, 4\)"):
            sol[index]
    assert solve_batch(X[0, 0], y, reg)[3].beta.shape == (7,)


def test_integers_lists_and_memory_of_others():
    X = [[[1, 2], [3, 5]], [[2, 0], [0, 2]]]
    np.testing.assert_allclose(solve_batch(X, [1, 2], ib.Q(1.0)).beta, [[-1.0, 1.0], [0.5, 1.0]])
    X, y = data()
    X.setflags(write=False)
    y.setflags(write=False)
    sol = solve_batch(X, y, ib.Q(0.1))
    fortran = solve_batch(np.asfortranarray(X), y, ib.Q(0.1))
    np.testing.assert_allclose(fortran.beta, sol.beta, rtol=1e-12)


@pytest.mark.parametrize(
    "reg", [ib.Q(1.0), ib.Q(1e-30), ib.Q(0.1, 3), ib.Q(1e-6, 3, W0), ib.Q(1e-3, 10), ib.L2(W0)], ids=repr
)
@pytest.mark.parametrize("layout", ["many targets", "many designs"])
def test_torch_goes_the_same_way(reg, layout):
    X, y = data(layout)
    X[..., 1, :] *= 1e6
    flat_X, flat_y, _ = broadcast(torch.tensor(X), torch.tensor(y), reg)
    flat = solve_flat(flat_X, flat_y, reg, tol=1e-12, max_iterations=2000)
    assert isinstance(flat.beta, torch.Tensor)
    assert not flat.single.any()
    rows = np.array([1.0, 1e-6, 1.0])
    for i, A, b in each(X, y):
        certify(A * rows[:, None], b * rows, reg, flat.beta.numpy()[i])
    for values in flat.residuals.values():
        assert float(values.max()) <= 1e-12


def test_torch_hands_over_what_fails():
    X, y = data()
    X[1, 1] = X[1, 0]
    flat = solve_flat(torch.tensor(X), torch.tensor(y), ib.Q(0.1), tol=1e-12, max_iterations=2000)
    assert flat.statuses.tolist() == [Status.CONVERGED, Status.INFEASIBLE] + [Status.CONVERGED] * 2
    assert flat.beta.isnan().any(-1).tolist() == [False, True, False, False]
    empty = solve_flat(torch.tensor(X), torch.tensor(y), ib.L1(), tol=1e-9, max_iterations=100)
    assert empty.single.all()
