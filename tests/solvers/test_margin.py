"""Max-margin predictors against cone programs, linear programs, and the optimality conditions at high precision."""

import mpmath
import numpy as np
import pytest
from scipy.optimize import linprog
from sklearn.svm import SVC

import implicitbias as ib
from implicitbias import InfeasibleError, Status
from implicitbias._result import NotSeparableError
from implicitbias.certificates import margin_residuals
from implicitbias.solvers import max_margin

LOG10 = np.log(10.0)


def separable(N=12, d=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, d))
    y = np.where(X @ rng.standard_normal(d) > 0.0, 1.0, -1.0)
    y[0] = -y[1]
    X[0] = np.copysign(X[0], y[0])  # whatever the labels, d > 1 and one flipped sample stay separable here
    return X, y


def wide(N=20, d=60, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((N, d)), rng.permutation(np.repeat([-1.0, 1.0], N // 2))


def at_mu(exponent, D, w0=None):
    """The regularizer at ``mu = 10^exponent``."""
    return ib.Q.from_log_alpha(exponent * LOG10 / D, D, w0)


def slope(ctx, b, log_mu, D, w0):
    """``dQ/d beta_i`` from its definition, by bisection on ``beta = level h_D(z)`` in log scale."""
    level = ctx.exp(log_mu) * ctx.mpf(w0) ** D
    t = abs(ctx.mpf(b)) / level
    if D == 2:
        return ctx.sign(b) * ctx.asinh(t / 2)
    p = ctx.mpf(D) / (D - 2)
    # h_D(tanh phi) = 2 cosh(phi)^p sinh(p phi), between (e^phi/2)^p and e^{2 p phi}
    target, low, high = ctx.log(t), ctx.zero, ctx.log(t + 1) + 10
    for _ in range(ctx.prec):
        phi = (low + high) / 2
        found = ctx.log(2) + p * ctx.log(ctx.cosh(phi)) + ctx.log(ctx.sinh(p * phi))
        low, high = (low, phi) if found > target else (phi, high)
    return ctx.sign(b) * ctx.tanh(low) * ctx.mpf(w0) ** (2 - D)


def certify(X, y, exponent, D, sol, w0=None, tol=1e-12):
    """Feasible, complementary, with nonnegative multipliers, and stationary: in 60 digits and with own formulas."""
    assert sol.success
    assert sol.status is Status.CONVERGED
    ctx = mpmath.mp.clone()
    ctx.dps = 60
    A = y[:, None] * X
    margins = A @ sol.beta
    assert margins.min() >= 1.0 - 1e-12 * (np.abs(A) @ np.abs(sol.beta)).max()
    assert (sol.dual >= 0.0).all()
    np.testing.assert_array_equal(sol.info["support"], sol.dual > 0.0)
    support = sol.info["support"]
    np.testing.assert_allclose(margins[support], 1.0, atol=1e-11)
    w0 = np.ones(X.shape[1]) if w0 is None else w0
    log_mu = exponent * ctx.log(10)
    # in a coordinate that is nothing beside the others the slope is free within the rounding of beta
    theta = A.T @ sol.dual
    size = np.abs(theta).max()
    for b, t, w in zip(sol.beta, theta, w0, strict=True):
        if abs(b) > 1e-8 * np.abs(sol.beta).max():
            assert abs(slope(ctx, b, log_mu, D, w) - t) <= tol * size
        else:
            assert abs(t) <= (1.0 + 1e-9) * size


@pytest.mark.parametrize("D", [2, 2.5, 3, 4, 10])
@pytest.mark.parametrize("exponent", [6, 0, -3, -8, -30, -1000])
@pytest.mark.parametrize("make", [separable, wide])
def test_optimality(D, exponent, make):
    X, y = make()
    sol = max_margin(X, y, at_mu(exponent, D))
    certify(X, y, exponent, D, sol)
    assert sol.dual.shape == (len(y),)
    assert sol.seconds > 0.0
    assert set(sol.residuals) == {"primal", "sign", "complementarity", "stationarity", "gap"}
    assert sol.value == float(at_mu(exponent, D)(sol.beta))


@pytest.mark.parametrize("D", [2, 3])
@pytest.mark.parametrize("exponent", [1, -2, -12])
def test_optimality_with_a_shape(D, exponent):
    X, y = wide()
    w0 = np.random.default_rng(1).uniform(0.4, 2.5, X.shape[1])
    certify(X, y, exponent, D, max_margin(X, y, at_mu(exponent, D, w0)), w0)


def split_form(X, y, mu, D):
    """The same minimum as a cone program in ``beta = p - q``: KL divergence at D = 2, powers 2/D beyond."""
    import cvxpy as cp

    d = X.shape[1]
    p, q = cp.Variable(d, nonneg=True), cp.Variable(d, nonneg=True)
    if D == 2:
        cost = cp.sum(cp.kl_div(p, mu) + cp.kl_div(q, mu))
    else:
        a = mu ** (1.0 / D)
        terms = (2 / D) * a ** (2.0 - D) * (p + q) - cp.power(p, 2 / D) - cp.power(q, 2 / D)
        cost = (D / 2) * a ** (D - 2.0) * cp.sum(terms)
    cp.Problem(cp.Minimize(cost), [cp.multiply(y, X @ (p - q)) >= 1]).solve(solver=cp.CLARABEL)
    return p.value - q.value


@pytest.mark.parametrize("D", [2, 3, 4])
@pytest.mark.parametrize("mu", [10.0, 1.0, 0.1])
def test_cone_program(mu, D):
    X, y = separable()
    want, reg = split_form(X, y, mu, D), at_mu(np.log10(mu), D)
    sol = max_margin(X, y, reg)
    # an interior-point method's tolerance, of 1e-8 beside terms of the size of mu; its square root in the predictor
    np.testing.assert_allclose(sol.value, float(reg(want)), atol=1e-7 * mu, rtol=1e-7)
    np.testing.assert_allclose(sol.beta, want, atol=2e-3 * np.abs(want).max())


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 4.0, 0.1, 3.0]])
def test_least_l2_norm(weights):
    import cvxpy as cp

    X, y = separable()
    w = np.ones(6) if weights is None else np.array(weights)
    b = cp.Variable(6)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(cp.multiply(np.sqrt(w), b)) / 2), [cp.multiply(y, X @ b) >= 1])
    problem.solve(solver=cp.CLARABEL)
    sol = max_margin(X, y, ib.L2(weights))
    np.testing.assert_allclose(sol.value, problem.value, rtol=1e-7)  # the cone solver's tolerance
    np.testing.assert_allclose(w * sol.beta, (y[:, None] * X).T @ sol.dual, rtol=1e-11, atol=1e-13)
    assert (y * (X @ sol.beta)).min() >= 1.0 - 1e-13


def test_against_a_support_vector_machine():
    X, y = wide()
    # without an intercept: mirrored samples make it vanish
    fitted = SVC(kernel="linear", C=1e12, tol=1e-10).fit(np.vstack([X, -X]), np.append(y, -y))
    want = fitted.coef_[0]
    np.testing.assert_allclose(max_margin(X, y, ib.L2()).beta, want, atol=1e-6 * np.abs(want).max())


def least_l1(X, y, weights=None):
    A, w = y[:, None] * X, np.ones(X.shape[1]) if weights is None else weights
    found = linprog(np.concatenate([w, w]), A_ub=np.hstack([-A, A]), b_ub=-np.ones(len(y)), bounds=(0, None))
    return found.fun


@pytest.mark.parametrize("D", [2, 2.5, 3, 4, 10])
@pytest.mark.parametrize("make", [separable, wide])
def test_rich_end_has_the_least_l1_norm(D, make):
    X, y = make(seed=3)
    sol = max_margin(X, y, at_mu(-1000000, D))
    certify(X, y, -1000000, D, sol)
    np.testing.assert_allclose(np.abs(sol.beta).sum(), least_l1(X, y), rtol=1e-9 if D > 2 else 1e-5)  # 1/log(1/mu)


def test_rich_end_with_a_shape():
    X, y = wide(seed=3)
    w0 = np.random.default_rng(1).uniform(0.4, 2.5, X.shape[1])
    weights = 1.0 / w0
    sol = max_margin(X, y, at_mu(-1000000, 3, w0))
    np.testing.assert_allclose(weights @ np.abs(sol.beta), least_l1(X, y, weights), rtol=1e-9)


@pytest.mark.parametrize("D", [2, 2.5, 3, 4, 10])
def test_kernel_end_has_the_least_l2_norm(D):
    X, y = wide()
    w0 = np.random.default_rng(1).uniform(0.6, 1.6, X.shape[1])
    for shape, weights in ((None, None), (w0, w0 ** (2.0 - 2.0 * D))):
        want = max_margin(X, y, ib.L2(weights))
        for exponent in (9, 300):
            sol = max_margin(X, y, at_mu(exponent, D, shape))
            assert sol.success
            np.testing.assert_allclose(sol.beta, want.beta, rtol=1e-9, atol=1e-12)
            np.testing.assert_array_equal(sol.info["support"], want.info["support"])


def test_closed_form_of_two_samples():
    # x_1 = e_1 with label 1, x_2 = -c e_2 with label -1: each coordinate alone
    for D in (2, 3):
        sol = max_margin([[1.0, 0.0], [0.0, -4.0]], [1, -1], at_mu(-2, D))
        np.testing.assert_allclose(sol.beta, [1.0, 0.25], rtol=1e-15)
        np.testing.assert_allclose(sol.dual, at_mu(-2, D).grad([1.0, 0.25]) / [1.0, 4.0], rtol=1e-14)
    one = max_margin([[2.0], [-0.5], [3.0]], [1, -1, 1], ib.Q(1))
    np.testing.assert_allclose(one.beta, [2.0], rtol=1e-15)
    np.testing.assert_array_equal(one.info["support"], [False, True, False])


def test_ties_and_copies():
    X, y = separable()
    first = max_margin(X, y, ib.Q(0.1))
    copies = max_margin(np.vstack([X, X, X]), np.tile(y, 3), ib.Q(0.1))
    np.testing.assert_allclose(copies.beta, first.beta, rtol=1e-11)
    np.testing.assert_allclose(copies.dual.reshape(3, -1).sum(axis=0), first.dual, rtol=1e-9, atol=1e-12)
    # the corners of a cube under a majority of three: many margins are tied at 1
    corners = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], dtype=float)
    labels = np.sign(corners.sum(axis=1))
    for D in (2, 3):
        for exponent in (3, -3, -100):
            sol = max_margin(corners, labels, at_mu(exponent, D))
            certify(corners, labels, exponent, D, sol)
            np.testing.assert_allclose(sol.beta, np.ones(3), rtol=1e-12)


@pytest.mark.parametrize("D", [2, 3])
def test_samples_and_columns_in_odd_units(D):
    X, y = separable(20, 8, seed=5)
    rng = np.random.default_rng(0)
    sizes = 10.0 ** rng.uniform(-6, 6, 20)
    sol = max_margin(sizes[:, None] * X, y, at_mu(-4, D))
    assert sol.success
    for unit in (1e-200, 1e200):  # X -> c X: beta -> beta/c and mu -> mu/c
        exponent = -4 - np.log10(unit)
        other = max_margin(unit * X, y, at_mu(exponent, D))
        np.testing.assert_allclose(other.beta * unit, max_margin(X, y, at_mu(-4, D)).beta, rtol=1e-9, atol=1e-12)
    columns = 10.0 ** rng.uniform(-3, 3, 8)
    assert max_margin(X * columns, y, at_mu(-4, D)).success


class TestNotSeparable:
    def check(self, X, y):
        with pytest.raises(NotSeparableError, match="the samples cannot be separated by a hyperplane") as caught:
            max_margin(X, y, ib.Q(0.1))
        c, A = caught.value.certificate, y[:, None] * X
        assert isinstance(caught.value, InfeasibleError)
        assert c.shape == y.shape
        assert (c >= 0.0).all()
        assert c.sum() == pytest.approx(1.0, rel=1e-12)
        assert np.abs(A.T @ c).max() <= 1e-13 * (np.abs(A).T @ c).max()
        assert f"of {np.count_nonzero(c)} samples is zero" in str(caught.value)

    def test_random_labels(self):
        for seed in range(20):
            rng = np.random.default_rng(seed)
            self.check(rng.standard_normal((40, 5)), rng.permutation(np.repeat([-1.0, 1.0], 20)))

    def test_two_opposite_views_of_one_sample(self):
        X, y = separable()
        self.check(np.vstack([X, X[:1]]), np.append(y, -y[0]))
        self.check(np.vstack([X, -7.0 * X[:1]]), np.append(y, y[0]))

    def test_any_units(self):
        rng = np.random.default_rng(0)
        X, y = rng.standard_normal((40, 5)), rng.permutation(np.repeat([-1.0, 1.0], 20))
        self.check(X * 10.0 ** rng.uniform(-4, 4, (40, 1)), y)
        self.check(X * 10.0 ** rng.uniform(-4, 4, 5), y)

    def test_for_every_regularizer(self):
        X, y = np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([1.0, -1.0])
        for reg in (ib.L2(), ib.Q(1), ib.Q("1e-1000", 3), ib.R(1)):
            with pytest.raises(NotSeparableError):
                max_margin(X, y, reg, throw=False)

    def test_barely_separable_is_separable(self):
        # all samples within 1e-5 of a hyperplane that passes through 0
        rng = np.random.default_rng(0)
        for seed in range(5):
            _, y = separable(30, 4, seed)
            flat = np.column_stack([rng.standard_normal((30, 3)), np.zeros(30)])
            flat[:, 3] = 1e-5 * y
            sol = max_margin(flat, y, ib.L2(), tol=1e-9)  # margins of 1 are differences of terms of 1e5
            assert (y * (flat @ sol.beta)).min() >= 1.0 - 1e-9


def test_explicit_regularizer():
    X, y = separable()
    reg = ib.R(0.3)
    sol = max_margin(X, y, reg)
    A = y[:, None] * X
    assert (A @ sol.beta).min() >= 1.0 - 1e-12
    np.testing.assert_allclose(reg.grad(sol.beta), A.T @ sol.dual, rtol=1e-9)
    np.testing.assert_allclose((A @ sol.beta)[sol.dual > 0], 1.0, rtol=1e-12)


def test_labels_zero_and_one():
    X, y = separable()
    np.testing.assert_array_equal(max_margin(X, y > 0, ib.Q(1)).beta, max_margin(X, y, ib.Q(1)).beta)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"y": np.ones(12)}, ValueError, "y must hold both classes"),
        ({"y": np.arange(12.0)}, ValueError, r"y must hold labels -1 or \+1 \(or 0 and 1\), got 2.0 at index 2"),
        ({"X": np.zeros((12, 6))}, ValueError, r"X must have no sample that is all zeros, .* got row 0 \(12 such"),
        ({"reg": "l2"}, TypeError, "reg must be a Q, R, L1, L2 or Lp regularizer, got str"),
        ({"reg": ib.R(1, D=3)}, ValueError, "reg must be convex"),
        ({"reg": ib.Q(1, reference=np.ones(6))}, ValueError, "reg must have no reference"),
        ({"reg": ib.Q(1, 2, [1.0, 2.0])}, ValueError, "w0 must have one entry per column of X: X has 6 columns"),
        ({"digits": 0}, ValueError, "digits must be a positive integer or None, got 0"),
        ({"digits": 20, "reg": ib.L1()}, ValueError, "digits are to be had for Q, R and L2"),
        ({"tol": -1.0}, ValueError, "tol must be a positive finite number"),
        ({"max_iterations": 0}, ValueError, "max_iterations must be a positive integer"),
    ],
)
def test_bad_arguments(change, error, text):
    X, y = separable()
    arguments = {"X": X, "y": y, "reg": ib.Q(1.0), **change}
    with pytest.raises(error, match=text):
        max_margin(**arguments)


def test_iteration_limit():
    X, y = wide()
    sol = max_margin(X, y, at_mu(-30, 3), max_iterations=3, throw=False)
    assert sol.status is Status.ITERATION_LIMIT
    with pytest.raises(ib.ConvergenceError, match="stopped at the iteration limit"):
        max_margin(X, y, at_mu(-30, 3), max_iterations=3)


@pytest.mark.parametrize(
    "reg", [ib.Q(1.0), ib.Q("1e-300"), ib.Q(1e-3, 3), ib.Q(0.5, 2.5, [1, 2, 0.5, 1, 1, 3]), ib.L2()], ids=repr
)
def test_digits(reg):
    X, y = separable(9, 6, seed=2)
    X, y = np.vstack([X, X[:2]]), np.append(y, y[:2])
    sol = max_margin(X, y, reg, digits=40)
    assert sol.success
    assert sol.info["digits"] >= 40
    ctx = mpmath.mp.clone()
    ctx.dps = 60
    A = [[ctx.mpf(float(v)) for v in row] for row in y[:, None] * X]
    margins = [ctx.fsum(a * b for a, b in zip(row, sol.beta, strict=True)) for row in A]
    assert min(margins) >= 1 - ctx.mpf(10) ** -38
    for n, margin in enumerate(margins):
        near = abs(margin - 1) < ctx.mpf(10) ** -38
        assert near == (sol.info["support"][n] or sol.info["tied"][n])
        assert (sol.dual[n] > 0) == sol.info["support"][n]
    with mpmath.mp.workdps(60):
        theta = [mpmath.fsum(row[i] * nu for row, nu in zip(A, sol.dual, strict=True)) for i in range(6)]
        want = reg.grad(list(sol.beta))
    for t, g in zip(theta, want, strict=True):
        assert abs(t - g) <= mpmath.mpf(10) ** -30 * max(map(abs, theta))
    plain = max_margin(X, y, reg)
    np.testing.assert_allclose(plain.beta, sol.beta.astype(float), rtol=1e-10, atol=1e-14)
    assert max(margin_residuals(ib.Margins(X, y), reg, plain.beta).values()) <= 1e-9  # with estimated multipliers


@pytest.mark.parametrize("seed", range(6))
def test_a_shape_beyond_float64_ends_with_a_word(seed):
    """Weights ``w0^{2-2D}`` that differ by 1e392: solved, or said not to be."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((4, 6)), np.array([1.0, -1.0, 1.0, -1.0])
    w0 = 10.0 ** rng.permutation([-2.0, -1.0, 0.0, 1.0, 2.0, rng.uniform(-2, 2)])
    sol = max_margin(X, y, ib.Q(1.0, 50, w0), throw=False)
    assert sol.success == (max(sol.residuals.values()) <= 1e-12)
