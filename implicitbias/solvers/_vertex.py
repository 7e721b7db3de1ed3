"""Solutions whose weight is on few, independent columns: linear algebra where Newton's method on nu is blind.

Let S be the columns that carry the weight. If they are independent, ``X_S beta_S = y`` up to the small contribution
of the other coordinates, which follow from nu, and ``X_S^T nu = grad reg(beta_S)``. Two situations need this:

* at depth D > 2, ``|x_i^T nu|`` is within ``u_i = (c/|beta_i|)^{1/p}`` of its bound on S (``c = alpha^D``); once
  u_i is at rounding level nu no longer determines beta there;
* with fewer columns in S than samples, the other coordinates of beta are below the rounding of y, and
  ``X beta = y`` no longer determines them; nu does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._face import shared_weight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..regularizer import Q, R
    from ._design import Design

    Vector = NDArray[np.float64]

__all__ = ["saturated_support", "separated_support", "vertex"]

_ROUNDS = 4
"""Passes between the support and the rest; the rest is small, so each gains many digits."""
_SATURATED = 1e-4
"""Slack of the dual from its bound, relative, below which the support is read off the dual."""
_NEEDED = 1e-12
"""Size of a coordinate, relative to the largest, from which on it is taken for more than rounding."""
_SEPARATED = 1e4
"""Ratio of consecutive magnitudes of beta from which on they count as parted."""


def saturated_support(design: Design, reg: Q | R, nu: Vector) -> NDArray[np.bool_] | None:
    """Coordinates on which the dual is at its bound, or None where it is not near enough to tell."""
    slack = 1.0 - np.abs(design.adjoint(nu) + reg.dual_origin) / reg.dual_bound
    smallest = max(float(slack.min()), float(np.finfo(float).eps))
    # slacks of the support vanish with alpha, the others do not: part them at the geometric mean with 1
    return slack < np.sqrt(smallest) if smallest <= _SATURATED else None


def separated_support(beta: Vector) -> NDArray[np.bool_] | None:
    """Coordinates above the widest gap between magnitudes, as a ratio; None if there is no wide one."""
    magnitudes = np.sort(np.abs(beta))[::-1]
    magnitudes = magnitudes[magnitudes > 0.0]
    if len(magnitudes) < 2:
        return None
    ratios = magnitudes[:-1] / magnitudes[1:]
    widest = int(np.argmax(ratios))
    return np.abs(beta) >= magnitudes[widest] if ratios[widest] > _SEPARATED else None


def vertex(
    design: Design, y: Vector, reg: Q | R, nu: Vector, beta: Vector, support: NDArray[np.bool_]
) -> tuple[Vector, Vector] | None:
    """Candidate ``(beta, nu)`` with its weight on `support`, from nearby ones; None if there is none.

    The candidate is not checked: its residuals tell whether it is the solution.
    """
    columns = design.columns(support)
    independent = columns.shape[1] <= design.N and np.linalg.matrix_rank(columns) == columns.shape[1]
    if independent:
        # a column may be near its bound and yet not be needed
        size = np.abs(np.linalg.lstsq(columns, y, rcond=None)[0])
        support = support.copy()
        support[support] = size > _NEEDED * size.max(initial=0.0)
        columns = design.columns(support)
    if not independent and np.isinf(reg.dual_bound).any():
        return None
    nearby, beta = beta[support], np.zeros_like(beta)
    for _ in range(_ROUNDS):
        target = y - design.forward(np.where(support, 0.0, beta))
        if independent:
            found = _independent(columns, target, reg, nu, support)
        else:
            found = shared_weight(columns, target, reg.restricted(support), nu, nearby)
        if found is None:
            return None
        nearby, nu = found
        theta = design.adjoint(nu) + reg.dual_origin
        if np.any((np.abs(theta) >= reg.dual_bound) & ~support):
            return None
        beta = np.asarray(reg.grad_conjugate(np.where(support, 0.0, theta) - reg.dual_origin))
        beta[support] = nearby
    return beta, nu


def _independent(
    columns: NDArray[np.float64], y: Vector, reg: Q | R, nu: Vector, support: NDArray[np.bool_]
) -> tuple[Vector, Vector] | None:
    """The weights, which X alone determines, and the nearest multipliers that go with them."""
    beta = np.linalg.lstsq(columns, y, rcond=None)[0]
    inner = reg.restricted(support)
    if np.any(beta * (columns.T @ nu + inner.dual_origin) <= 0.0):
        return None
    mismatch = np.asarray(inner.grad(beta)) - columns.T @ nu
    return np.asarray(beta), np.asarray(nu + np.linalg.lstsq(columns.T, mismatch, rcond=None)[0])
