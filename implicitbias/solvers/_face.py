"""Solutions on many saturated columns: Newton's method on the slack of the dual, at depth D > 2.

On the columns S that carry the weight, ``z_i = s_i (1 - u_i)`` with signs s and slacks ``u_i`` of the size of
``alpha^{D/p}``, which ``z_i`` no longer holds where that is below rounding. If S has more columns than X has rank,
they alone decide how the weight is shared. So the multipliers are split: ``nu = nu_0 + eps mu``, where
``X_S^T nu_0`` is at the bound exactly and eps has the size of the slacks. With ``v_i = u_i / eps``, linear in mu,

    ``beta_i = s_i c_i eps^{-p} v_i^{-p}``

up to a relative error of ``(u_i/2)^p``, and ``X_S beta_S = y`` is again the condition of a concave maximum, in mu.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._continuation import line_search
from ._design import Design
from ._level_curve import LevelCurve
from ._normal import NormalEquations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..regularizer import Q, R

    Vector = NDArray[np.float64]

__all__ = ["shared_weight"]

_STEPS = 100
_SATURATED = 1e-5
"""Largest slack, relative, up to which the other power in the curve is left out; the judge has the last word."""


def shared_weight(
    columns: NDArray[np.float64], y: Vector, reg: Q | R, nu: Vector, beta: Vector
) -> tuple[Vector, Vector] | None:
    """``(beta, nu)`` of the problem on saturated columns alone, from a nearby predictor; None if there is none.

    Parameters
    ----------
    columns
        The saturated columns, ``(N, k)``.
    y
        What they must add up to, ``(N,)``.
    reg
        The regularizer on these coordinates.
    nu, beta
        A nearby solution, ``(N,)`` and ``(k,)``: the signs and the proportions of beta count.
    """
    curve = LevelCurve(reg)
    sign = np.sign(beta)
    bound = np.broadcast_to(reg.dual_bound, beta.shape)
    level = np.broadcast_to(curve.log_level, beta.shape)
    log_eps = float(level.max()) / curve.power
    factor = np.exp(level - curve.power * log_eps)
    origin, given = np.broadcast_to(reg.dual_origin, beta.shape), np.zeros(beta.shape)
    if reg.reference is not None:
        along = reg.reference * sign > 0.0
        given[along] = (factor[along] / np.abs(reg.reference[along])) ** (1.0 / curve.power)
        along &= given * np.exp(log_eps) <= _SATURATED
        given[~along] = 0.0
        origin = np.where(along, sign * bound, origin)
    corner = nu + np.linalg.lstsq(columns.T, sign * bound - origin - columns.T @ nu, rcond=None)[0]
    if not np.abs(columns.T @ corner + origin - sign * bound).max() <= 1e-9 * bound.max():
        return None  # no multipliers are at the bound on all of these columns

    def shares(theta: Vector) -> tuple[Vector, Vector]:
        slack = np.maximum(given - sign * theta / bound, 0.0)
        size = factor * slack**-curve.power
        return sign * size, curve.power * size / (slack * bound)

    # slacks of the nearby predictor at this scale, as far as multipliers can make them
    wanted = sign * bound * (given - (factor / np.abs(beta)) ** (1.0 / curve.power))
    mu = np.linalg.lstsq(columns.T, wanted, rcond=None)[0]
    design = Design(columns)
    normal = NormalEquations(design)
    theta = columns.T @ mu
    if np.any(given - sign * theta / bound <= 0.0):
        return None
    found, weights = shares(theta)
    gradient = y - columns @ found
    for _ in range(_STEPS):
        size = float(np.linalg.norm(gradient))
        direction = normal.at(weights).solve(gradient)
        along = columns.T @ direction
        step = line_search(shares, theta, found, along, float(gradient @ direction), 1.0)
        if step is None:
            break
        candidate = y - columns @ step[1]
        if size <= 1e-13 * np.linalg.norm(y) and not np.linalg.norm(candidate) < 0.5 * size:
            break
        mu, theta, found, weights, gradient = (
            mu + step[0] * direction,
            theta + step[0] * along,
            *step[1:],
            candidate,
        )
    slack = np.exp(log_eps) * (given - sign * theta / bound)
    if (
        not np.isfinite(found).all()
        or not np.linalg.norm(gradient) <= 1e-9 * np.linalg.norm(y)
        or slack.max() > _SATURATED
    ):
        return None
    mu = np.linalg.lstsq(columns.T, theta, rcond=None)[0]  # what the columns do not see is not to move
    return found, corner + np.exp(log_eps) * mu
