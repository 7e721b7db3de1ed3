"""Moroshko et al. (2020), statement by statement, along trajectories that are computed.

Source. Moroshko et al. (2020), Sections 3 to 5; the derivations behind them are in ``classification``.
"""

from __future__ import annotations

import math

import mpmath
import numpy as np
from sympy import Integer, exp, log, simplify, symbols

import implicitbias as ib
from implicitbias import three_points
from implicitbias.ledger import Check, Claim, Search, Verdict, proof, search
from implicitbias.theorems import (
    l2_margin,
    moroshko_lemma3_accuracy,
    moroshko_theorem4,
    moroshko_theorem6,
    moroshko_theorem7,
)

from . import classification, rich_limit
from .depth import D, n, p

__all__ = ["CLAIMS", "separable"]


def separable(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A few samples that some hyperplane separates."""
    while True:
        N, d = int(rng.integers(2, 5)), int(rng.integers(3, 6))
        X = rng.standard_normal((N, d))
        y = np.sign(X @ rng.standard_normal(d))
        if len(set(y)) == 2:
            return X, y


def margins(check: Check) -> str:
    """``exp(-gamma)/N <= L <= exp(-gamma)`` for the mean L of N exponentials, the largest being ``exp(-gamma)``."""
    N, gamma, rest = symbols("N gamma r", positive=True)
    # L = exp(-gamma) (1 + r)/N with 0 <= r <= N - 1 the other terms over the largest
    L = exp(-gamma) * (1 + rest) / N
    check.equal(
        simplify(-log(L).expand(force=True) + log(L.subs(rest, 0)).expand(force=True) + log(1 + rest)),
        Integer(0),
        "-log L = gamma + log N - log(1 + r)",
    )
    check.equal(L.subs(rest, N - 1), exp(-gamma), "r = N - 1: -log L = gamma; r = 0: gamma + log N")
    return "gamma <= -log L <= gamma + log N"


def powers_of_ten(check: Check) -> str:
    """Losses whose accuracies the figures name."""
    with mpmath.workdps(30):
        for accuracy, printed in ((20_000, "-8685.89"), (10**7, "-4342944.8"), (1000, "-434.29")):
            found = -mpmath.mpf(accuracy) / mpmath.log(10)
            check(bool(abs(found - mpmath.mpf(printed)) < mpmath.mpf("0.06")), f"exp(-{accuracy}) is 10^{printed}")
    return "accuracies 2e4, 1e7 and 1000 are losses of 10^-8686, 10^-4342945 and 10^-434"


def polynomial(check: Check) -> str:
    """The l1 excess delta of the minimizer of ``Q_mu`` under margin constraints, by the bounds of ``q_D``."""
    rich_limit.bounds(check)
    mu, size, d, delta = symbols("mu s d delta", positive=True)
    # ||w||_1 - (D/2) mu^(1-2/D) sum |w_i|^(2/D) <= Q_mu(w) <= Q_mu(w*) <= ||w*||_1, Q_mu = mu sum q_D(w_i/mu)
    exponent = simplify(1 - 2 / D)
    check.equal(exponent, n / D, "mu (w/mu)^(2/D) = mu^((D-2)/D) w^(2/D)")
    # sum |w_i|^(2/D) <= d^(1-2/D) ||w||_1^(2/D): delta <= (D/2) (mu d/||w||_1)^((D-2)/D) (1 + delta)
    bound = D / 2 * (mu * d / size) ** (n / D)
    enough = (2 * delta / (D * (1 + delta))) ** (D / n) * size / d
    check.equal(
        simplify(log(bound.subs(mu, enough)).expand(force=True) - log(delta / (1 + delta)).expand(force=True)),
        Integer(0),
        "mu = (||w||_1/d) (2 delta/(D (1+delta)))^(D/(D-2)) is small enough",
    )
    check.equal(p, D / n, "so 1/mu is polynomial in 1/delta, of degree p = D/(D-2)")
    return "1/mu = O(delta^(-D/(D-2))) suffices for an l1 excess of delta; at D = 2 exp(O(1/delta))"


def lemma_3(tries: Search) -> str:
    """The bound of the loss along trajectories, in logarithms."""
    for rng in tries.draws(60, 8):
        X, y = separable(rng)
        depth, alpha = float(rng.choice([2.0, 2.5, 3.0, 5.0, 10.0])), 10 ** rng.uniform(-1, 1)
        flow = ib.gradient_flow(X, y, alpha, depth, loss="exponential", until_accuracy=200.0, throw=False)
        if not flow.status.success:
            tries.skip(flow.status.name)
            continue
        times = math.log(10) * np.asarray(flow.log10_time, dtype=float)
        bound = moroshko_lemma3_accuracy(times, math.log(alpha), depth, l2_margin(X, y))
        for k in range(1, len(flow), max(len(flow) // 6, 1)):
            at = f"D = {depth}, alpha = {alpha:.3g}"
            tries.at_most(float(bound[k]), float(flow.accuracy[k]), at, rel=1e-6)
    return tries.conclude("flows of 2 to 4 samples, D to 10, alpha 0.1 to 10, to accuracy 200", lost=0.1)


def _reached(
    X: np.ndarray, y: np.ndarray, scale: float, depth: float, accuracy: float
) -> tuple[np.ndarray, ib.Trajectory]:
    """``w/gamma`` at an accuracy, from ``alpha^D = scale``, and the trajectory on which it is."""
    marks = np.geomspace(max(scale**0.5, 1.0), accuracy, 20) if accuracy > scale**0.5 else [accuracy]
    flow = ib.gradient_flow(X, y, scale ** (1 / depth), depth, loss="exponential", save_at=marks, throw=False)
    return np.asarray(flow.beta[-1] / flow.margin[-1], dtype=float), flow


def theorem_4(tries: Search) -> str:
    """Distance to the l2 max-margin predictor at accuracy ``alpha^{D/2}``: it falls like ``1/gamma``."""
    for rng in tries.draws(40, 6):
        X, y = separable(rng)
        depth = float(rng.choice([2.0, 3.0, 4.5, 10.0]))
        target = moroshko_theorem4(X, y, depth)
        gaps = []
        for scale in (1e4, 1e8):
            point, flow = _reached(X, y, scale, depth, scale**0.5)
            if not flow.status.success:
                break
            gaps.append(float(np.linalg.norm(point - target) / np.linalg.norm(target)))
        if len(gaps) < 2:
            tries.skip("no trajectory")
            continue
        # near ties the decay sets in late; a factor of 100 in accuracy gives one of 100 in the end
        tries.at_most(gaps[1], 0.2 * gaps[0] + 1e-6, f"D = {depth}")
    return tries.conclude("random separable data, alpha^D = 1e4 and 1e8, accuracy alpha^(D/2)", lost=0.1)


def theorem_6(tries: Search) -> str:
    """Distance to the minimizer of ``Q_mu`` where support vectors are stable; twice or half of mu misses."""
    for rng in tries.draws(60, 10):
        X, y = separable(rng)
        depth, mu, scale = float(rng.choice([2.0, 2.5, 3.0, 5.0, 10.0])), 10 ** rng.uniform(-1, 0.5), 1e6
        point, flow = _reached(X, y, scale, depth, scale / mu)
        if not flow.status.success:
            tries.skip(flow.status.name)
            continue
        stable = ib.stability(flow).stable
        target = moroshko_theorem6(X, y, float(flow.accuracy[-1]), math.log(scale) / depth, depth)
        gap = float(np.linalg.norm(point - target) / np.linalg.norm(target))
        tries.at_most(gap, 1e-3, f"D = {depth}, mu = {mu:.3g}", exercised=stable)
    for depth in (2.0, 3.0):
        data, scale = three_points.same_support(), 1e6
        point, flow = _reached(data.X, data.y, scale, depth, scale / 0.3)
        for factor in (0.5, 2.0):
            other = moroshko_theorem6(data.X, data.y, factor * scale / 0.3, math.log(scale) / depth, depth)
            off = float(np.linalg.norm(point - other) / np.linalg.norm(other))
            tries.at_most(1e-2, off, f"D = {depth}: {factor} mu misses")
    return tries.conclude(
        "random separable data at alpha^D = 1e6, D to 10, where Condition 5 holds; no constant factor"
    )


def theorem_7(tries: Search) -> str:
    """The l1 norm of ``w/gamma`` beyond accuracy ``alpha^D`` where support vectors are stable."""
    for rng in tries.draws(40, 8):
        X, y = separable(rng)
        depth, scale = float(rng.choice([2.0, 3.0, 6.0])), 1e4
        least = float(np.abs(moroshko_theorem7(X, y, depth)).sum())
        excess, stable = [], True
        for accuracy in (1e5, 1e8):
            point, flow = _reached(X, y, scale, depth, accuracy)
            stable = stable and flow.status.success and ib.stability(flow).stable
            excess.append(float(np.abs(point).sum()) / least - 1.0)
        tries.at_most(excess[1], 0.8 * abs(excess[0]) + 1e-4, f"D = {depth}", exercised=stable)
    # without the condition: the flow of depth 3 ends elsewhere
    data = three_points.deeper_norm()
    target = moroshko_theorem7(data.X, data.y, 3)
    limit = ib.flow_limit(data.X, data.y, 3, [1e-9]).beta[0]
    tries.at_most(0.2, float(np.linalg.norm(limit - target) / np.linalg.norm(target)), "deeper_norm() at D = 3")
    return tries.conclude(
        "accuracy 1e5 to 1e8 at alpha^D = 1e4, where support vectors are stable; and a case without", share=0.3
    )


def sweeping(tries: Search) -> str:
    """Three points on which the flow leaves the ``Q_mu`` path for good, and tends to the limit process."""
    data = three_points.changing_support()
    mus = np.array([0.3, 0.05, 0.02])
    for depth in (2, 3):
        limit = ib.flow_limit(data.X, data.y, depth, mus).beta
        gaps = []
        for scale in (1e3, 1e5):
            flow = ib.gradient_flow(
                data.X, data.y, scale ** (1 / depth), depth, loss="exponential", save_at=scale / mus
            )
            points = flow.beta / flow.margin[:, None]
            gaps.append(np.linalg.norm(points - limit, axis=1))
            path = [moroshko_theorem6(data.X, data.y, scale / mu, math.log(scale) / depth, depth) for mu in mus]
            apart = float(np.linalg.norm(points - np.array(path), axis=1).max())
            tries.at_most(0.02, apart, f"D = {depth}, alpha^D = {scale:.0e}: away from the Q_mu path")
        tries.at_most(float(gaps[1].max()), 0.05 * float(gaps[0].max()), f"D = {depth}: hundred times the scale")
    return tries.conclude("changing_support(), D = 2 and 3, alpha^D = 1e3 and 1e5")


def lazy_prefix(tries: Search) -> str:
    """Predictors of the network and of its linearization, at a fixed time in units of the start."""
    data = three_points.same_support()
    for depth in (2.0, 3.0):
        gaps = []
        for scale in (1e2, 1e4):
            alpha = scale ** (1 / depth)
            accuracy = 3.0
            flow = ib.gradient_flow(data.X, data.y, alpha, depth, loss="exponential", save_at=[accuracy])
            # the linearization is the linear model: its path is that of alpha -> infinity
            far = ib.gradient_flow(
                data.X, data.y, 1e8 ** (1 / depth), depth, loss="exponential", save_at=[accuracy]
            )
            gaps.append(float(np.linalg.norm(flow.beta[-1] - far.beta[-1])))
        tries.at_most(gaps[1], 0.01 * gaps[0], f"D = {depth}")
    return tries.conclude("D = 2, 3 at accuracy 3: the gap falls by more than 100 from alpha^D = 1e2 to 1e4")


_PAPER = "Moroshko et al. (2020)"
_SETTING = (
    "For the exponential loss of w = u_+^D - u_-^D from alpha, accuracy gamma~ = -log L and smallest margin gamma: "
)
CLAIMS = (
    Claim(
        "moroshko.section-2-accuracy",
        f"{_PAPER}, Section 5",
        "The accuracy gamma~ = -log L of N samples and their smallest margin gamma differ by at most log N.",
        r"\gamma \le \tilde\gamma \le \gamma + \log N",
        Verdict.PROVED,
        (proof(margins),),
    ),
    Claim(
        "moroshko.theorem-1",
        f"{_PAPER}, Theorem 1, adapted from Chizat et al. (2019)",
        "For any fixed time horizon the predictors of the network from alpha u_0 and of its linearization agree "
        "uniformly as alpha grows.",
        r"\lim_{\alpha\to\infty}\sup_{t\in[0,T]}\|F(u(t))-\bar F(\bar u(t))\| = 0",
        Verdict.GAP,
        (search(lazy_prefix),),
        remark="The time of the theorem that is adapted is alpha^(2D-2) t, so that a fixed T here is a growing "
        "horizon there, which it does not cover. For the diagonal network the statement is tested at "
        "matching accuracies; it is not proved here.",
    ),
    Claim(
        "moroshko.theorem-2",
        f"{_PAPER}, Theorem 2, paraphrasing Lyu and Li",
        "If the loss tends to zero, every limit point of the direction of the weights is along a stationary "
        "point of the problem of least norm of the weights under margin constraints.",
        r"\min\tfrac12\|u\|^2 \text{ s.t. } y_nf(u, x_n) \ge 1",
        Verdict.OPEN,
        (),
        remark="A general theorem that is quoted and holds at infinite time; parameter_kkt measures "
        "stationarity along a trajectory, which proves nothing about limit points.",
    ),
    Claim(
        "moroshko.lemma-3",
        f"{_PAPER}, Lemma 3",
        _SETTING + "the loss at time t is bounded by means of the largest l2 margin gamma_2.",
        r"L(u(t)) \le \frac1{1+2D^2\alpha^{2D-2}\gamma_2^2t}",
        Verdict.PROVED,
        (proof(classification.derive), search(lemma_3)),
        remark="The constants are exact; at t = 0 the slope is attained where the mean of y_n x_n is the point "
        "of their hull nearest to zero.",
    ),
    Claim(
        "moroshko.eq-6",
        f"{_PAPER}, equation (6)",
        "The regularizer Q_mu^D of the transition is sum q_D(w_i/mu), with mu in place of the alpha^D of "
        "regression and without a factor mu in front.",
        r"Q_\mu^D(w) = \sum_i q_D(w_i/\mu)",
        Verdict.PROVED,
        (proof(classification.derive),),
        remark="Woodworth et al. have the factor alpha^D in front, and their Theorem 4 writes mu for alpha. The "
        "minimizers are the same.",
    ),
    Claim(
        "moroshko.theorem-4",
        f"{_PAPER}, Theorem 4",
        _SETTING
        + "if gamma~ grows with alpha, but slower than alpha^D, then w/gamma tends to the predictor of largest "
        "l2 margin.",
        r"\epsilon(\alpha) = e^{-o(\alpha^D)} \Rightarrow \hat w = \operatorname{argmin}\|w\|_2 \text{ s.t. } "
        r"y_n\langle w,x_n\rangle \ge 1",
        Verdict.TESTED,
        (search(theorem_4),),
        remark="The proof is in an appendix that was not at hand. The distance falls like 1/gamma~ plus "
        "(gamma~/alpha^D)^2.",
    ),
    Claim(
        "moroshko.theorem-6",
        f"{_PAPER}, Theorem 6",
        _SETTING
        + "if the support vectors are stable (Condition 5) and alpha^D/gamma~ tends to mu > 0, then w/gamma "
        "tends to the minimizer of Q_mu under margins of at least 1.",
        r"\hat w = \operatorname{argmin} Q_\mu^D(w) \text{ s.t. } y_n\langle w,x_n\rangle \ge 1, \qquad \mu = "
        r"\lim\frac{\alpha^D}{\log(1/\epsilon)}",
        Verdict.PROVED,
        (proof(classification.derive), search(theorem_6)),
        remark="grad Q(w) = sum nu_n y_n x_n holds exactly with nu_n that never fall, so w/gamma meets the "
        "optimality conditions of Q at alpha^D/gamma but for complementary slackness; Condition 5 makes "
        "what is missing there tend to zero, and the minimizer is unique. There is no constant factor in "
        "mu.",
    ),
    Claim(
        "moroshko.theorem-7",
        f"{_PAPER}, Theorem 7",
        _SETTING
        + "if the support vectors are stable and gamma~ grows faster than alpha^D, then w/gamma tends to the "
        "predictor of largest l1 margin.",
        r"\epsilon(\alpha) = e^{-\omega(\alpha^D)} \Rightarrow \hat w = \operatorname{argmin}\|w\|_1 \text{ "
        r"s.t. } y_n\langle w,x_n\rangle \ge 1",
        Verdict.TESTED,
        (search(theorem_7),),
        remark="Where there are several such predictors limit points are among them. At D > 2 Condition 5 can "
        "hold only if that predictor is stationary for the l_{2/D} quasi-norm; without the condition the "
        "flow ends elsewhere (three_points.deeper_norm()). The weaker condition given for D = 2 was not "
        "tested.",
    ),
    Claim(
        "moroshko.section-4-depth",
        f"{_PAPER}, below Theorem 7",
        "To be within delta of the rich limit, mu has to be of the order exp(-1/delta) at D = 2, but only a "
        "power of delta for D > 2.",
        r"1/\mu = \operatorname{poly}(1/\delta) \quad (D > 2)",
        Verdict.PROVED,
        (proof(polynomial),),
        remark="The power is D/(D-2), in the worst case over data attained (new.theorem-2-rich-worst).",
    ),
    Claim(
        "moroshko.figures",
        f"{_PAPER}, Figures 3 to 5",
        "The accuracies named with the figures are losses of about 10^-8686, 10^-4342945 and 10^-434.",
        r"e^{-2\cdot10^4} = 10^{-8685.89}, \quad e^{-10^7} = 10^{-4342944.8}, \quad e^{-10^3} = 10^{-434.29}",
        Verdict.PROVED,
        (proof(powers_of_ten),),
    ),
    Claim(
        "moroshko.open-question",
        f"{_PAPER}, Section 5",
        "Whether the trajectory of huge alpha follows the path of the minimizers of Q_mu where Condition 5 "
        "fails is left open: it does not, because multipliers of the flow never fall while those of the path "
        "may have to.",
        r"\dot\nu_n \ge 0 \text{ along the flow}; \qquad \frac{d\nu_n}{d\tau} < 0 \text{ on the } Q_\mu \text{ "
        r"path of an example}",
        Verdict.PROVED,
        (proof(classification.derive), search(sweeping)),
        remark="The flow tends to a sweeping process instead: new.sweeping-process.",
    ),
    Claim(
        "new.sweeping-process",
        "This package",
        "As alpha^D grows with tau = gamma/alpha^D the flow tends to the process in which a multiplier rises "
        "only while its margin equals tau: its velocity is the least in the metric of the Hessian of Q that "
        "keeps up on the tied margins, and its discrete steps are Bregman projections.",
        r"\nabla Q(w) = X^\top\nu, \quad \dot\nu \ge 0, \quad \dot\nu_n = 0 \text{ unless } m_n = \tau",
        Verdict.TESTED,
        (search(sweeping), proof(classification.derive)),
        remark="The algebra of the process is proved; that the flow tends to it is tested, D = 2 and 3: the "
        "distance falls like 1/alpha^D while that to the Q_mu path stays.",
    ),
)
