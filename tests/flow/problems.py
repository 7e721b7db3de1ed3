"""Small problems, and brute force: the flow of the weights themselves, which knows nothing of the dual."""

import numpy as np
from scipy.integrate import solve_ivp

THREE = np.array([[1.0, 0.2, 0.3], [-0.4, -1.0, 0.3], [0.2, -0.5, 1.0]])
LABELS = np.array([1.0, -1.0, 1.0])


def regression(N=5, d=8, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, d))
    return X, X[:, 0] + 0.5 * X[:, 1] + 0.1 * rng.standard_normal(N)


def train_weights(X, y, alpha, D, loss, accuracy, w0=1.0):
    """``(beta, log t)`` where the flow of ``w_+``, ``w_-`` has this accuracy, which is the clock."""
    N, d = X.shape

    def parts(state):
        plus, minus = state[:d], state[d : 2 * d]
        beta = plus**D - minus**D
        if loss == "squared":
            r = X @ beta - y
            return plus, minus, r @ r, 2.0 * X.T @ r
        m = y * (X @ beta)
        e = np.exp(-m) if loss == "exponential" else 1.0 / (1.0 + np.exp(m))
        value = np.mean(e if loss == "exponential" else np.log1p(np.exp(-m)))
        return plus, minus, value, -(X.T @ (y * e)) / N

    def velocity(_, state):
        plus, minus, value, gradient = parts(state)
        du = np.concatenate([-D * plus ** (D - 1) * gradient, D * minus ** (D - 1) * gradient])
        # d accuracy / dt = |grad L|^2 / L; divided by it, accuracy is the clock
        rate = du @ du / value
        return np.concatenate([du / rate, [1.0 / rate]])

    start = np.concatenate([np.full(2 * d, alpha) * np.tile(np.broadcast_to(w0, d), 2), [0.0]])
    initial = -np.log(parts(start)[2])
    run = solve_ivp(velocity, (initial, accuracy), start, method="DOP853", rtol=1e-12, atol=1e-14)
    assert run.success
    end = run.y[:, -1]
    plus, minus = parts(end)[:2]
    return plus**D - minus**D, np.log(end[-1])
