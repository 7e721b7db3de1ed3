"""The kernel limit ``alpha -> infinity``: the Euclidean norm, with the bound that the printed proof lacks.

Statement. For ``D >= 2``, ``q_D(||beta_alpha||_2/alpha^D) <= sum q_D(beta*_i/alpha^D) <= B^2/(4p)``,
``B = ||beta_2*||_2/alpha^D``, so ``||beta_alpha||_2 <= alpha^D q_D^{-1}(B^2/(4p))``, which tends to
``||beta_2*||_2``. A limit point of ``beta_alpha`` is a solution of no larger norm than ``beta_2*``, hence is
``beta_2*``.

Source. Woodworth et al. (2020), Theorem 3, eqs. (63)-(66).
"""

from __future__ import annotations

import numpy as np
from sympy import Integer, asinh, limit, series, sqrt, symbols

import implicitbias as ib
from implicitbias.ledger import Check, Claim, Search, Verdict, proof, search

from . import concavity
from .depth import curve, curve_integral, p

__all__ = ["CLAIMS", "derive"]


def derive(check: Check) -> str:
    """Concavity bounds the norm; the quadratic term of ``q_D`` says what the bound tends to."""
    concavity.derive(check)
    z = symbols("z", positive=True)
    q = z * curve(z) - curve_integral(z)
    for value in (1, 2, 5):
        ratio = (4 * p * q / curve(z) ** 2).subs(p.as_numer_denom()[1], value)
        check(limit(ratio, z, 0) == 1, f"q_D(t)/(t^2/(4p)) -> 1 as t -> 0 at D = {value + 2}")
    # for every D, from the series: h = 2pz + ..., H = pz^2 + ...
    small = symbols("z", real=True)
    exponent = symbols("p", positive=True)
    h = series((1 - small) ** -exponent - (1 + small) ** -exponent, small, 0, 4).removeO()
    check.equal(h.coeff(small, 1), 2 * exponent, "h_D = 2 p z + O(z^3), eq. (65)")
    H = h.integrate(small)
    leading = limit((small * h - H) / h**2, small, 0)
    check.equal(leading, 1 / (4 * exponent), "q_D = t^2/(4p) + O(t^4) for every D > 2")
    u = symbols("u", positive=True)
    at_two = 2 - sqrt(4 + u**2) + u * asinh(u / 2)
    check(limit(at_two / u**2, u, 0) == Integer(1) / 4, "and t^2/4 at D = 2")
    # q increasing: q(s) <= B^2/(4p) with B -> 0 gives s/B -> 1, so the bound of ||beta|| tends to ||beta_2*||
    return "limsup ||beta_alpha||_2 <= ||beta_2*||_2: every limit point is beta_2*"


def bounded(tries: Search) -> str:
    """``q_D(||beta_inf||_2/alpha^D) <= d q_D(||beta_2*||_2/(sqrt d alpha^D))`` for solved problems."""
    for rng in tries.draws(200, 25):
        N, d = int(rng.integers(1, 4)), int(rng.integers(2, 7))
        D = float(rng.choice([2.0, 2.3, 3.0, 5.0, 12.0, 20.0]))
        mu = 10 ** rng.uniform(-4, 4)
        X = rng.standard_normal((N, d))
        if rng.random() < 0.3:
            X[-1] = X[0] * 2  # rank deficient
        y = X @ rng.standard_normal(d)
        found = ib.interpolate(X, y, ib.Q.from_log_alpha(np.log(mu) / D, D), throw=False)
        if not found.success:
            tries.skip(found.status.name)
            continue
        least = float(np.linalg.norm(np.linalg.lstsq(X, y, rcond=None)[0])) / mu
        value = float(ib.special.q(np.linalg.norm(found.beta) / mu, D))
        tries.at_most(value, d * float(ib.special.q(least / np.sqrt(d), D)), f"D = {D}, mu = {mu:.3g}", rel=1e-9)
    return tries.conclude("random problems, N to 3, d to 6, deficient ranks, alpha^D 1e-4 to 1e4, D to 20")


CLAIMS = (
    Claim(
        "woodworth.theorem-3-kernel-limit",
        "Woodworth et al. (2020), Theorem 3, equations (63)-(66)",
        "As alpha grows the end point of training at depth D tends to the solution of X beta = y of least "
        "Euclidean norm. The printed proof infers from 'finite for each alpha' that the end points are bounded.",
        r"\lim_{\alpha\to\infty}\beta_{\alpha,D}^\infty = \beta^*_{\ell_2}",
        Verdict.GAP,
        (proof(derive), search(bounded)),
        remark="The statement is true, and proved here: q_D(||beta||_2/alpha^D) is at most sum "
        "q_D(beta*_i/alpha^D), because q_D is concave in the square of its argument; that bounds the norm.",
    ),
)
