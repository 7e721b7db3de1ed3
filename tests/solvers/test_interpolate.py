"""Interpolation against other solvers, the flow itself and a 50-digit solution of the optimality conditions."""

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import null_space

import implicitbias as ib
from implicitbias import ConvergenceError, InfeasibleError, Status


def problem(N=3, d=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((N, d)), rng.standard_normal(N)


def certify(X, y, reg, sol, tol=1e-11):
    """Optimality by hand: feasible, and the gradient orthogonal to the null space of X."""
    assert sol.success
    assert sol.status is Status.CONVERGED
    assert np.linalg.norm(X @ sol.beta - y) <= tol * (np.linalg.norm(y) or 1.0)
    grad = reg.grad(sol.beta)
    assert np.linalg.norm(null_space(X).T @ grad) <= tol * np.linalg.norm(grad)
    assert sol.value == reg(sol.beta)


SCALES = [1e3, 1.0, 0.1, 1e-3]


@pytest.mark.parametrize(
    "reg", [ib.Q(a, D) for D in (2, 2.5, 3, 5) for a in SCALES] + [ib.R(a) for a in SCALES], ids=repr
)
@pytest.mark.parametrize("shape", [(3, 6), (1, 4), (2, 2), (1, 1)])
def test_optimality(reg, shape):
    X, y = problem(*shape)
    sol = ib.interpolate(X, y, reg)
    certify(X, y, reg, sol)
    assert sol.dual.shape == (shape[0],)
    assert sol.seconds > 0.0
    assert 0 <= sol.iterations < 200


@pytest.mark.parametrize("D", [2, 2.5, 3])
@pytest.mark.parametrize("alpha", [1.0, 0.05])
def test_optimality_with_a_shape(D, alpha):
    X, y = problem()
    w0 = np.random.default_rng(1).uniform(0.4, 2.5, 6)
    certify(X, y, ib.Q(alpha, D, w0), ib.interpolate(X, y, ib.Q(alpha, D, w0)))
    certify(X, y, ib.R(alpha, w0), ib.interpolate(X, y, ib.R(alpha, w0)))


@pytest.mark.parametrize("alpha", [1e-100, "1e-300", "1e-4000", 1e100, "1e300"])
def test_any_scale_at_depth_two(alpha):
    X, y = problem()
    reg = ib.Q(alpha)
    sol = ib.interpolate(X, y, reg)
    assert sol.success
    assert np.linalg.norm(X @ sol.beta - y) <= 1e-11 * np.linalg.norm(y)
    # through the dual, as entries of beta may be below the range of floats; e^theta has the condition theta <= 2e4
    if alpha != "1e300":  # there the dual, of order 1e-600, is below it
        np.testing.assert_allclose(reg.grad_conjugate(X.T @ sol.dual), sol.beta, rtol=1e-9)
    end = ib.interpolate(X, y, ib.L2() if float(reg.log_alpha) > 0 else ib.L1())
    # off the support of a vertex beta is of order alpha^{2(1 - |g_i|)}: nothing at these scales
    np.testing.assert_allclose(sol.beta, end.beta, rtol=1e-9, atol=1e-12)


def split_form(X, y, alpha, D, w0):
    """The same minimum as a cone program in ``beta = p - q``: KL divergence at D = 2, powers 2/D beyond."""
    import cvxpy as cp

    d = X.shape[1]
    p, q = cp.Variable(d, nonneg=True), cp.Variable(d, nonneg=True)
    a = alpha * np.asarray(w0)
    if D == 2:
        cost = cp.sum(cp.kl_div(p, a**2) + cp.kl_div(q, a**2))
    else:
        # a_i^{D-2} w0_i^{2-D} = alpha^{D-2}: one dual coordinate is shared by all
        terms = (2 / D) * cp.multiply(a ** (2.0 - D), p + q) - cp.power(p, 2 / D) - cp.power(q, 2 / D)
        cost = (D / 2) * alpha ** (D - 2.0) * cp.sum(terms)
    program = cp.Problem(cp.Minimize(cost), [X @ (p - q) == y])
    program.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    return p.value - q.value


# cvxpy warns when it approximates a real power by a rational one
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("D", "alpha"), [(2, 1.0), (2, 0.1), (3, 1.0), (3, 0.3)])
@pytest.mark.parametrize("shaped", [False, True])
def test_against_cone_programming(D, alpha, shaped):
    X, y = problem()
    w0 = np.linspace(0.7, 1.6, 6) if shaped else np.ones(6)
    sol = ib.interpolate(X, y, ib.Q(alpha, D, w0))
    # gap 1e-10 of a strongly convex cost leaves 1e-5 in the solution; 1e-4 where Clarabel reports reduced accuracy
    np.testing.assert_allclose(sol.beta, split_form(X, y, alpha, D, w0), atol=1e-4)


@pytest.mark.parametrize(("D", "alpha"), [(2, 0.5), (2, 0.05), (3, 0.7), (2.5, 0.5)])
@pytest.mark.parametrize("shaped", [False, True])
def test_against_the_gradient_flow(D, alpha, shaped):
    X, y = problem(2, 4, seed=5)
    w0 = np.array([0.8, 1.0, 1.3, 1.6]) if shaped else np.ones(4)

    def velocity(_, w):
        plus, minus = w[:4], w[4:]
        pull = -2 * D * X.T @ (X @ (plus**D - minus**D) - y)
        return np.concatenate([pull * plus ** (D - 1), -pull * minus ** (D - 1)])

    w = solve_ivp(velocity, (0.0, 3e3), np.tile(alpha * w0, 2), method="LSODA", rtol=1e-11, atol=1e-13).y[:, -1]
    end = w[:4] ** D - w[4:] ** D
    assert np.abs(X @ end - y).max() < 1e-8
    sol = ib.interpolate(X, y, ib.Q(alpha, D, w0))
    np.testing.assert_allclose(sol.beta, end, atol=1e-7)  # the accuracy the integrator keeps over the whole flow


@pytest.mark.parametrize(("D", "alpha"), [(2, "1"), (2, "1e-3"), (2, "1e-300"), (3, "1"), (3, "1e-2"), (5, "0.1")])
def test_against_fifty_digits(D, alpha):
    # Newton's method on y = X b(X^T nu), written out from b = 2 a^2 sinh and b = a^D h_D
    X, y = problem(2, 4, seed=2)
    sol = ib.interpolate(X, y, ib.Q(alpha, D))
    ctx = mpmath.mp.clone()
    ctx.dps = 60
    A, target = ctx.matrix(X.tolist()), ctx.matrix(y.tolist())
    a = ctx.mpf(alpha)
    p = None if D == 2 else ctx.mpf(D) / (D - 2)

    def curve(s):
        return 2 * a**2 * ctx.sinh(s) if D == 2 else a**D * ((1 - s) ** -p - (1 + s) ** -p)

    def slope(s):
        return 2 * a**2 * ctx.cosh(s) if D == 2 else a**D * p * ((1 - s) ** (-p - 1) + (1 + s) ** (-p - 1))

    nu = ctx.matrix(sol.dual.tolist())
    for _ in range(12):
        theta = A.T * nu
        beta = ctx.matrix([curve(s) for s in theta])
        hessian = A * ctx.diag([slope(s) for s in theta]) * A.T
        nu += ctx.lu_solve(hessian, target - A * beta)
    assert ctx.norm(A * ctx.matrix([curve(s) for s in A.T * nu]) - target) < ctx.mpf(10) ** -50
    exact = np.array([float(curve(s)) for s in A.T * nu])
    assert np.linalg.norm(sol.beta - exact) <= 1e-12 * np.linalg.norm(exact)
    np.testing.assert_allclose(sol.dual, [float(v) for v in nu], rtol=1e-10)


@pytest.mark.parametrize("reg", [ib.Q(0.3), ib.Q(0.3, 3), ib.R(0.3), ib.L2(), ib.L1()], ids=repr)
class TestInvariance:
    def test_mixing_of_samples(self, reg):
        X, y = problem()
        mix = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
        np.testing.assert_allclose(
            ib.interpolate(mix @ X, mix @ y, reg).beta, ib.interpolate(X, y, reg).beta, atol=1e-11
        )

    def test_permutations(self, reg):
        X, y = problem()
        rows, columns = [2, 0, 1], [3, 5, 0, 1, 4, 2]
        beta = ib.interpolate(X, y, reg).beta
        np.testing.assert_allclose(ib.interpolate(X[rows], y[rows], reg).beta, beta, atol=1e-11)
        np.testing.assert_allclose(ib.interpolate(X[:, columns], y, reg).beta, beta[columns], atol=1e-11)

    @pytest.mark.parametrize("c", [1e-100, 1e-6, -3.0, 1e100])
    def test_units_of_the_samples(self, reg, c):
        X, y = problem()
        one, other = ib.interpolate(X, y, reg), ib.interpolate(c * X, c * y, reg)
        np.testing.assert_allclose(other.beta, one.beta, atol=1e-11)
        np.testing.assert_allclose(c * other.dual, one.dual, atol=1e-9)

    def test_signs_of_the_columns(self, reg):
        X, y = problem()
        signs = np.array([1, -1, 1, -1, -1, 1.0])
        np.testing.assert_allclose(
            ib.interpolate(X * signs, y, reg).beta, signs * ib.interpolate(X, y, reg).beta, atol=1e-11
        )

    def test_integers_and_lists(self, reg):
        assert ib.interpolate([[1, 2], [3, 5]], [1, 2], reg).beta == pytest.approx([-1.0, 1.0])


@pytest.mark.parametrize("D", [2, 2.5, 3])
@pytest.mark.parametrize("c", [0.1, 7.0])
def test_units_of_the_targets_go_with_the_scale(D, c):
    X, y = problem()
    np.testing.assert_allclose(
        ib.interpolate(X, c**D * y, ib.Q(0.3 * c, D)).beta,
        c**D * ib.interpolate(X, y, ib.Q(0.3, D)).beta,
        rtol=1e-10,
    )


def test_shape_moves_with_the_columns():
    # beta_i / w0_i^D is the predictor of the columns x_i w0_i^D where the weights w0_i^2 are equal
    X, y = problem()
    w0 = np.full(6, 1.7)
    left, right = ib.interpolate(X, y, ib.Q(0.3, 3, w0)), ib.interpolate(X, y, ib.Q(0.3 * 1.7, 3))
    np.testing.assert_allclose(left.beta, right.beta, rtol=1e-11)


@pytest.mark.parametrize("D", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_norms_along_the_path_keep_the_bounds(D, seed):
    X, y = problem(3, 8, seed)
    d = 8
    one, two = ib.interpolate(X, y, ib.L1()).value, np.linalg.norm(ib.interpolate(X, y, ib.L2()).beta)
    scales = np.logspace(1.5, -1.5 if D == 3 else -4, 8)
    l1, l2 = [], []
    for alpha in scales:
        beta = ib.interpolate(X, y, ib.Q(alpha, D)).beta
        l1.append(np.abs(beta).sum())
        l2.append(np.linalg.norm(beta))
        c = alpha**D
        q = ib.special.q
        # Jensen on either side of Q(beta) <= Q(the minimum-norm interpolant)
        assert d * q(l1[-1] / (d * c), D) <= q(one / c, D) * (1 + 1e-9)
        assert q(l2[-1] / c, D) <= d * q(two / (np.sqrt(d) * c), D) * (1 + 1e-9)
        assert l1[-1] >= one * (1 - 1e-9)
        assert l2[-1] >= two * (1 - 1e-9)
    # each end point has, for its own Q, no larger value than any other
    assert l1[-1] < l1[0]
    assert l2[0] < l2[-1]


@pytest.mark.parametrize("eps", [0.5, 1.0, 3.0])
def test_clean_bounds_of_both_regimes(eps):
    X, y = problem(3, 8)
    one = ib.interpolate(X, y, ib.L1()).value
    alpha = np.sqrt(one / 8 * (np.e * 8) ** (-1 / eps))
    assert np.abs(ib.interpolate(X, y, ib.Q(alpha)).beta).sum() <= (1 + eps) * one
    two = ib.interpolate(X, y, ib.L2())
    size = np.linalg.norm(two.beta)
    alpha = np.sqrt(size) * max(1.0, (540 * eps) ** -0.125)
    assert np.linalg.norm(ib.interpolate(X, y, ib.Q(alpha)).beta) ** 2 <= (1 + eps) * size**2


ALL = [ib.Q(0.1), ib.Q(0.1, 3), ib.R(0.1), ib.L1(), ib.L2()]


@pytest.mark.parametrize("reg", ALL, ids=repr)
class TestDegenerate:
    def test_nothing_to_fit(self, reg):
        X, y = problem()
        sol = ib.interpolate(X, 0 * y, reg)
        assert sol.success
        assert not sol.beta.any()
        assert sol.value == 0.0

    def test_repeated_and_dependent_samples(self, reg):
        X, y = problem()
        want = ib.interpolate(X, y, reg).beta
        mix = np.random.default_rng(9).standard_normal((4, 3))
        for more in (np.eye(3)[[0, 0, 1]], mix, np.zeros((1, 3))):
            A, b = np.vstack([X, more @ X]), np.concatenate([y, more @ y])
            np.testing.assert_allclose(ib.interpolate(A, b, reg).beta, want, atol=1e-10)

    def test_a_column_of_zeros_is_left_at_zero(self, reg):
        X, y = problem()
        X[:, 2] = 0.0
        sol = ib.interpolate(X, y, reg)
        assert sol.beta[2] == 0.0
        np.testing.assert_allclose(
            np.delete(sol.beta, 2), ib.interpolate(np.delete(X, 2, 1), y, reg).beta, atol=1e-10
        )

    def test_samples_of_different_units(self, reg):
        X, y = problem()
        units = np.array([1e-6, 1.0, 1e6])
        np.testing.assert_allclose(
            ib.interpolate(units[:, None] * X, units * y, reg).beta,
            ib.interpolate(X, y, reg).beta,
            atol=1e-8,  # the equations themselves carry rounding 1e-16 relative to the largest
        )

    def test_targets_of_any_unit(self, reg):
        X, y = problem()
        for unit in (1e-100, 1e-8):
            sol = ib.interpolate(X, unit * y, reg)
            assert np.linalg.norm(X @ sol.beta - unit * y) <= 1e-11 * unit

    def test_no_solution(self, reg):
        X, y = problem()
        with pytest.raises(InfeasibleError) as caught:
            ib.interpolate(np.vstack([X, X[1]]), np.append(y, y[1] + 1.0), reg)
        text = str(caught.value)
        assert (
            "X beta = y has no solution: X of shape (4, 6) has rank 3 and the least-squares residual is 0.707"
            in text
        )
        assert "row 1 is off by 0.5" in text
        assert "row 3 is off by -0.5" in text
        with pytest.raises(InfeasibleError):
            ib.interpolate(np.zeros((1, 2)), [1.0], reg)

    def test_bad_data(self, reg):
        X, y = problem()
        with pytest.raises(
            ValueError, match=r"X must be finite, got nan at index \(0, 0\) \(18 such entries in all\)"
        ):
            ib.interpolate(X * np.nan, y, reg)
        with pytest.raises(ValueError, match=r"y must be finite, got -?inf at index \(0,\)"):
            ib.interpolate(X, y * np.inf, reg)
        with pytest.raises(ValueError, match="one entry per row of X: X has 3 rows, y has 2"):
            ib.interpolate(X, y[:2], reg)


@pytest.mark.parametrize("reg", [ib.Q(1e-3), ib.Q(1e-2, 3), ib.L1()], ids=repr)
def test_finds_a_sparse_plant(reg):
    rng = np.random.default_rng(4)
    X, beta = rng.standard_normal((12, 20)), np.zeros(20)
    beta[[3, 11]] = 1.0, -2.0
    np.testing.assert_allclose(ib.interpolate(X, X @ beta, reg).beta, beta, atol=2e-3)


def test_weighted_l2_against_the_closed_form():
    X, y = problem()
    weights = np.logspace(-1, 1, 6)
    inverse = X.T / weights[:, None]
    want = inverse @ np.linalg.solve(X @ inverse, y)
    np.testing.assert_allclose(ib.interpolate(X, y, ib.L2(weights)).beta, want, rtol=1e-11)


def test_kernel_limit_with_a_shape():
    X, y = problem()
    w0 = np.linspace(0.5, 2.0, 6)
    for D in (2, 3):
        want = ib.interpolate(X, y, ib.L2(w0 ** (-2.0 * (D - 1)))).beta
        np.testing.assert_allclose(ib.interpolate(X, y, ib.Q(1e6, D, w0)).beta, want, rtol=1e-10)


class TestFailure:
    def test_iteration_limit(self):
        X, y = problem()
        with pytest.raises(
            ConvergenceError, match=r"stopped at the iteration limit .* \(after 2 iterations; primal"
        ) as caught:
            ib.interpolate(X, y, ib.Q(1e-6), max_iterations=2)
        assert caught.value.result.status is Status.ITERATION_LIMIT
        assert caught.value.result.iterations == 2
        assert caught.value.result.beta.shape == (6,)
        sol = ib.interpolate(X, y, ib.Q(1e-6), max_iterations=2, throw=False)
        assert not sol.success
        assert sol.status is Status.ITERATION_LIMIT

    @pytest.mark.parametrize("reg", [ib.Q(1e-3), ib.L2()], ids=repr)
    def test_tolerance_out_of_reach(self, reg):
        X, y = problem(7, 30)  # large enough for the residuals not to vanish by chance
        with pytest.raises(ConvergenceError, match="no further progress is possible at this precision") as caught:
            ib.interpolate(X, y, reg, tol=1e-30)
        assert caught.value.result.status is Status.STALLED

    @pytest.mark.parametrize(("D", "alpha"), [(3, 1e-20), (3, "1e-300"), (5, 1e-10), (2.5, 1e-100)])
    def test_says_so_where_the_dual_saturates(self, D, alpha):
        # whatever is reached, success means optimality, and anything else is an error with the residuals
        X, y = problem(4, 9, seed=3)
        reg = ib.Q(alpha, D)
        sol = ib.interpolate(X, y, reg, throw=False)
        worst = max(sol.residuals.values())
        assert sol.success == (worst <= 1e-12)
        assert np.isfinite(sol.beta).all()
        if not sol.success:
            assert sol.status in {Status.STALLED, Status.ITERATION_LIMIT}
            with pytest.raises(ConvergenceError, match=r"primal .* stationarity .* gap"):
                sol.raise_for_status()

    def test_unknown_regularizer(self):
        X, y = problem()
        with pytest.raises(TypeError, match="reg must be a Q, R, L1 or L2 regularizer, got str"):
            ib.interpolate(X, y, "l1")

    def test_symbolic_scale(self):
        import sympy

        with pytest.raises(TypeError, match="alpha is the expression a"):
            ib.interpolate(*problem(), ib.Q(sympy.Symbol("a", positive=True)))


def test_columns_of_different_units():
    X, y = problem()
    X *= np.logspace(-2, 2, 6)
    for reg in (ib.Q(0.3), ib.Q(0.3, 3), ib.L2()):
        certify(X, y, reg, ib.interpolate(X, y, reg), tol=1e-9)  # the condition of the data is 1e4


def test_an_equation_in_small_units_counts_as_much_as_the_others():
    X, y = problem()
    A, b = np.vstack([X, 1e-9 * X[1]]), np.append(y, 1e-9 * (y[1] + 1.0))
    for reg in ALL:
        with pytest.raises(InfeasibleError, match="has rank 3"):
            ib.interpolate(A, b, reg)
