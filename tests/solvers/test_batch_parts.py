"""Parts of the batched solver on their own: the curve at many scales, and the linear algebra."""

import numpy as np
import pytest
import torch

import implicitbias as ib
from implicitbias.solvers.batch._curve import BatchCurve
from implicitbias.solvers.batch._problems import Problems, _solve_each, norm

W0 = np.linspace(0.5, 1.8, 7)


@pytest.mark.parametrize(
    "reg", [ib.Q(0.3), ib.Q(0.3, 3), ib.Q(0.3, 2.5, W0), ib.Q(0.3, 10), ib.R(0.3), ib.R(0.3, W0)], ids=repr
)
def test_the_curve_at_scales_of_its_own(reg):
    # against the regularizer at each scale, which has tests of its own
    rng = np.random.default_rng(8)
    logs = np.log([30.0, 1.0, 0.1])
    beta = rng.standard_normal((3, 7))
    curve = BatchCurve(reg, beta)
    level = curve.level(logs)
    origin = curve.origin(level)
    theta, weights = curve.gradient(beta, level, origin)
    for i, log_alpha in enumerate(logs):
        one = reg.at_log_alpha(log_alpha)
        np.testing.assert_allclose(theta[i], one.grad(beta[i]), rtol=1e-12)
        np.testing.assert_allclose(weights[i], 1.0 / one.hess_diag(beta[i]), rtol=1e-10)
        inside = one.grad(beta[i])
        theta[i] = inside
        np.testing.assert_allclose(curve.predictor(theta, level, origin)[i], one.grad_conjugate(inside), rtol=1e-9)
        np.testing.assert_allclose(
            curve.weights(theta, level, origin)[i], one.hess_diag_conjugate(inside), rtol=1e-9
        )
    direction = rng.standard_normal((3, 7))
    edge = curve.room(theta, direction, origin)
    if isinstance(reg, ib.Q) and reg.D == 2:
        assert np.isinf(edge).all()
    else:  # |theta_i| < w0_i^{2-k}
        s = (theta + edge[:, None] * direction) * (1.0 if reg.w0 is None else reg.w0 ** (reg.homogeneity - 2.0))
        np.testing.assert_allclose(np.abs(s).max(axis=1), 1.0, rtol=1e-12)


def test_hessians_of_a_shared_design():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((3, 7)), rng.standard_normal((4, 3))
    weights = np.random.default_rng(9).uniform(0.1, 1.0, (4, 7))
    shared, plain = Problems.of(X, y), Problems(X, y)
    assert shared.pairs is not None
    want = np.stack([X @ np.diag(w) @ X.T for w in weights])
    for problems in (shared, plain, Problems.of(np.broadcast_to(X, (4, 3, 7)), y)):
        np.testing.assert_allclose(problems.gram(weights), want, rtol=1e-13, atol=1e-13)
        v = problems.solver(weights)(y)
        np.testing.assert_allclose((want @ v[..., None])[..., 0], y, rtol=1e-9)


def test_a_singular_matrix_spoils_only_itself():
    matrix = np.stack([np.eye(2), np.zeros((2, 2)), 2.0 * np.eye(2)])
    found = _solve_each(matrix, np.ones((3, 2)))
    np.testing.assert_array_equal(found, [[1.0, 1.0], [np.nan, np.nan], [0.5, 0.5]])
    negative = torch.tensor(np.stack([np.eye(2), -np.eye(2)]))
    found = Problems.spd_solver(negative)(torch.ones(2, 2, dtype=torch.float64))
    assert found.isnan().any(-1).tolist() == [False, True]


def test_norm_without_overflow():
    v = np.array([[3e200, 4e200], [0.0, 0.0], [3e-200, 4e-200]])
    np.testing.assert_allclose(norm(v), [5e200, 0.0, 5e-200], rtol=1e-15)
