"""Matrix factorization: Theorems 4 and 9, Lemmas 11 to 13, Corollary 10 and Gunasekar's case, by integration."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import linprog

import implicitbias as ib
from derivations.theorem4 import lifted_speed
from derivations.theorem9 import _both
from implicitbias import theorems
from tests.theorems.problems import exercise, exercised

SEEDS = st.integers(0, 2**32 - 1)


@exercised("theorem 9", least=0.4)
@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, width=st.integers(1000, 8000), log_scale=st.floats(-1, 1), part=st.sampled_from([0.1, 0.999]))
def test_theorem_9_and_its_lemmas(seed, width, log_scale, part):
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 4))
    N = int(rng.integers(1, min(2, d * d) + 1))  # more measurements than entries have a singular Gram matrix
    X = rng.standard_normal((N, d, d))
    gram = np.linalg.eigvalsh(X.reshape(N, -1) @ X.reshape(N, -1).T)
    W0 = 10.0**log_scale / np.sqrt(width) * rng.standard_normal((2 * d, width))
    M0 = W0 @ W0.T
    eigen = np.linalg.eigvalsh(M0)
    mu, gamma = float(eigen[0] + eigen[-1]) / 2, float(eigen[-1] - eigen[0]) / 2
    low, high = float(gram[0]), float(gram[-1])
    if not exercise("theorem 9", low > 1e-3 * high and mu * low > 4.1 * high * gamma):
        return
    gap = part * theorems.theorem9_largest_gap(mu, gamma, low, high)
    direction = rng.standard_normal(N)
    target = np.einsum("nij,ij->n", X, M0[:d, d:]) - gap * direction / np.linalg.norm(direction)
    bars = np.zeros((N, 2 * d, 2 * d))
    bars[:, :d, d:] = X / 2
    bars += bars.transpose(0, 2, 1)
    root = np.linalg.cholesky(M0)  # the flow stays in the row space of W(0)
    path = solve_ivp(
        _both,
        (0, 30 / (mu * low)),
        np.concatenate([root.ravel()] * 2),
        args=(bars, target, root),
        rtol=1e-9,
        atol=1e-12,
    )
    moved = np.linalg.norm(path.y[: root.size] - root.ravel()[:, None], axis=0).max()
    apart = np.linalg.norm(path.y[: root.size] - path.y[root.size :], axis=0).max()
    assert moved <= theorems.theorem9_weights(gap, mu, gamma, low, high)
    assert apart <= theorems.theorem9_tangent(gap, mu, gamma, low, high)
    assert apart <= theorems.theorem9_tangent(gap, mu, gamma, low, high, printed=True)


@exercised("gunasekar", least=0.8)
@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_gunasekar_commuting_measurements(seed):
    """``U U^T`` from ``alpha I``: the trace comes down to the least as alpha does."""
    rng = np.random.default_rng(seed)
    d, N = 4, int(rng.integers(1, 3))
    basis = np.linalg.qr(rng.standard_normal((d, d)))[0]
    rows = rng.uniform(0.2, 1.0, (N, d))
    A = np.array([basis @ np.diag(row) @ basis.T for row in rows])
    y = rows @ (rng.random(d) * (rng.random(d) < 0.6) + np.eye(d)[0])

    def speed(_, flat):
        Z = flat.reshape(d, d)
        G = 2 * np.einsum("n,nij->ij", np.einsum("nij,ij->n", A, Z) - y, A)
        return (-2 * (G @ Z + Z @ G)).ravel()

    least = linprog(np.ones(d), A_eq=rows, b_eq=y, bounds=(0, None)).fun
    excess = []
    for scale in (1e-2, 1e-6):
        end = solve_ivp(speed, (0, 3e3), scale * np.eye(d).ravel(), "LSODA", rtol=1e-9, atol=1e-16).y[:, -1]
        Z = end.reshape(d, d)
        # near the boundary of the cone the flow converges like 1/t and has not ended yet
        if not exercise("gunasekar", np.abs(np.einsum("nij,ij->n", A, Z) - y).max() < 1e-4):
            return
        excess.append(np.trace(Z) - least)
    assert -1e-4 < excess[1] <= excess[0] + 1e-4
    # of the order of the trace over log(1/alpha^2)
    assert excess[1] <= 0.35 * least


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, log_mu=st.floats(-1.0, 1.0))
def test_theorem_4_for_a_common_singular_basis(seed, log_mu):
    rng = np.random.default_rng(seed)
    d, mu2 = 3, 10.0**log_mu
    P, S = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    rows = rng.standard_normal((2, d))
    y = rows @ rng.standard_normal(d)
    X = np.array([P @ np.diag(row) @ S.T for row in rows])
    start = 2 * mu2 * np.eye(2 * d)  # the limit of normal weights as the width grows
    end = solve_ivp(lifted_speed, (0, 400 / mu2), start.ravel(), "LSODA", args=(X, y), rtol=1e-10, atol=1e-12)
    found = P.T @ end.y[:, -1].reshape(2 * d, 2 * d)[:d, d:] @ S
    expected = ib.interpolate(rows, y, ib.Q(math.sqrt(mu2))).beta
    assert found == pytest.approx(np.diag(expected), abs=1e-4 * np.linalg.norm(expected))


def test_corollary_10_and_lemma_13():
    assert theorems.lemma13_deviation(4, 25, 2.0) == 320.0
    assert theorems.lemma13_probability(4) == pytest.approx(2 * math.exp(-2))
    assert theorems.lemma13_probability(1) == 1.0
    # the third term is too small as printed
    args = (1e6, 1.0, 1, 1.0, 1.0)
    assert theorems.corollary10_width(*args, printed=True) == 204800
    assert theorems.corollary10_width(*args) == 4e7
    assert theorems.lemma11_rate(0.0, 2.0, 0.1, 1.0, 3.0) == pytest.approx(3.8)
    assert theorems.lemma11_rate(0.0, 2.0, 0.1, 1.0, 3.0, printed=True) == pytest.approx(2.8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: theorems.theorem9_weights(1.0, 1.0, 1.0, 1.0, 1.0),
            "mu must exceed 4 Lam gamma/lam = 4.0, got 1.0",
        ),
        (lambda: theorems.theorem9_weights(9.0, 1.0, 0.0, 1.0, 1.0), "gap must lie between 0 and"),
        (lambda: theorems.theorem9_tangent(0.1, 1.0, 0.0, 2.0, 1.0), "lam must not exceed Lam"),
        (lambda: theorems.theorem9_tangent(0.1, 1.0, -1.0, 1.0, 1.0), "gamma must not be negative"),
        (lambda: theorems.lemma13_deviation(5, 3), "d must lie between 1 and k"),
        (lambda: theorems.corollary10_width(0.0, 1.0, 1, 1.0, 1.0), "Y must be positive"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
