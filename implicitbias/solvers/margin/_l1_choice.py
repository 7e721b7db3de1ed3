"""Which of several solutions of least l1 norm a path of regularizers leads to: a concave maximum over their set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

__all__ = ["choose"]

_STEPS = 200
_SHRINK = 0.1
"""Of the products of multipliers and slacks, in a step."""
_TO_BOUNDARY = 0.95
_EXACT = 1e-15
"""Products at which the interior-point method stops, relative to those at the start."""


def choose(
    b: Vector,
    directions: NDArray[np.float64],
    rows: NDArray[np.float64],
    bounds: Vector,
    weights: Vector,
    *,
    power: float,
) -> tuple[Vector, float]:
    r"""Maximize ``-sum b_i log(b_i/weights_i)`` (``power = 1``) or ``sum (b_i/weights_i)^power`` over a polyhedron.

    Parameters
    ----------
    b
        A point with ``b > 0`` and ``rows b > bounds``, ``(s,)``.
    directions
        Orthonormal directions of the polyhedron, ``(s, k)``.
    rows, bounds
        Inequalities beside ``b >= 0``, ``(m, s)`` and ``(m,)``.
    weights
        Positive, ``(s,)``.
    power
        In (0, 1].

    Returns
    -------
    tuple
        The maximum, ``(s,)``, positive, and its residual: the largest of the gradient of the Lagrangian along the
        set, relative to that of the objective, and of the products of multipliers and slacks.

    Notes
    -----
    Slopes are infinite at ``b_i = 0``: the maximum is inside those bounds, and a primal-dual interior-point method
    has multipliers for the inequalities alone.
    """
    scale = float(b.max())
    b, bounds = b / scale, bounds / scale
    moving = np.linalg.norm(directions, axis=1) > 1e-12
    rows_along = rows @ directions
    slack = rows @ b - bounds
    binding = np.linalg.norm(rows_along, axis=1) > 1e-12
    rows_along, slack = rows_along[binding], slack[binding]
    multipliers = 1.0 / slack / max(len(slack), 1)
    target = 1.0 / max(len(slack), 1)
    smallest = _EXACT * target
    residual = np.inf
    best = b
    for _ in range(_STEPS):
        slope, curvature = _objective(b, weights, power)
        gradient = directions.T @ slope - rows_along.T @ multipliers
        size = float(np.abs(slope[moving]).max())
        error = max(float(np.abs(gradient).max()), float((multipliers * slack).max(initial=0.0))) / size
        if error < residual:
            residual, best = error, b
        elif error < 1e-12 and target <= smallest:
            break
        if error < 1e-15:
            break
        if float(np.abs(gradient).max()) <= max(target, 1e-13) * size:
            target = max(smallest, _SHRINK * target)
        ratio = multipliers / slack
        matrix = (directions.T * curvature) @ directions + (rows_along.T * ratio) @ rows_along
        right = -gradient + rows_along.T @ (target / slack - multipliers)
        unit = 1.0 / np.sqrt(np.diag(matrix))
        z = unit * np.linalg.lstsq(unit[:, None] * matrix * unit, unit * right, rcond=None)[0]
        change, along = directions @ z, rows_along @ z
        growth = target / slack - multipliers - ratio * along
        step = min(1.0, _reach(b, change), _reach(slack, along), _reach(multipliers, growth))
        b, multipliers = b + step * change, multipliers + step * growth
        slack = slack + step * along
    return best * scale, residual


def _objective(b: Vector, weights: Vector, power: float) -> tuple[Vector, Vector]:
    """First and second derivatives of what is minimized."""
    if power == 1.0:
        return np.log(b / weights) + 1.0, 1.0 / b
    terms = (b / weights) ** power / b
    return -power * terms, power * (1.0 - power) * terms / b


def _reach(values: Vector, change: Vector) -> float:
    """Largest step that keeps positive values so, with some distance."""
    falling = change < 0.0
    return _TO_BOUNDARY * float(np.min(-values[falling] / change[falling], initial=np.inf))
