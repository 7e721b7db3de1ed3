"""Following many solutions down in log alpha at once, each at its own pace.

For one problem: the dual ``max_nu <y, nu> - reg*(X^T nu)`` has the gradient ``y - X beta`` and the Hessian
``-X W X^T``. At large alpha it is a quadratic; alpha is lowered from there, each solution predicting the next
(linearised at a predictor beta, the conditions of any alpha read ``X W X^T nu = y - X beta + X W grad reg(beta)``)
and Newton's method correcting.

Here every round factors one matrix for every problem, be it for a prediction or for a correction. A problem that
arrives is left alone, and once half of them have arrived the others go on by themselves. The host waits for the
device a few times per round, never per problem.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ._curve import BatchCurve
from ._problems import constant, namespace, norm
from ._vertex import SATURATED, vertices

if TYPE_CHECKING:
    from ...regularizer import Q, R
    from ._problems import Problems

__all__ = ["Points", "follow"]

_LINEAR = 0.1
"""Largest ``beta_i/(alpha w0_i)^k`` at which the regularizer passes for a quadratic."""
_ON_THE_WAY = 1e-3
"""Primal residual, relative, that is enough to go on to the next alpha."""
_ARRIVED = 1e-7
"""Primal residual, relative, from which on the solution is refined in ``(beta, nu)``."""
_ROUNDS_PER_ALPHA = 12
_INSIDE = 0.9
"""How far towards the edge of the domain a step may go."""
_FIRST_STEP = 0.5
"""First step in log alpha."""
_EASY = 4
"""Rounds at one alpha up to which the next step is twice as long."""
_SHORTEST = 1e-3
"""Step in log alpha at which a problem is given up."""


@dataclass
class Points:
    """State of every problem; the first axis of every array is B."""

    log_alpha: Any
    """Where the problem is solved, by `beta`, `nu` and ``theta = X^T nu``; infinite before it is anywhere."""
    beta: Any
    nu: Any
    theta: Any
    trial_log_alpha: Any
    """Where it is being solved, by the `trial` values."""
    trial_beta: Any
    trial_nu: Any
    trial_theta: Any
    start: Any
    """Log alpha of the kernel end."""
    step: Any
    rounds: Any
    """Rounds at the trial alpha; 0 where it is still to be predicted."""
    used: Any
    """Rounds in all."""
    running: Any

    def take(self, mask: Any) -> Points:
        """Return a copy of some of the points."""
        return Points(*(getattr(self, f.name)[mask] for f in fields(self)))

    def put(self, mask: Any, other: Points) -> None:
        """Overwrite the points in `mask`."""
        for f in fields(self):
            getattr(self, f.name)[mask] = getattr(other, f.name)


def follow(problems: Problems, reg: Q | R, limit: int) -> tuple[Any, Any, Any]:
    """Follow all problems to the alpha of `reg`, in at most `limit` rounds each.

    Returns ``(beta, nu, rounds)``; where a problem has not arrived its beta and nu are those of the last alpha that
    it has reached.
    """
    curve = BatchCurve(reg, problems.y)
    points = _kernel_end(problems, curve, reg.log_alpha)
    _run(problems, curve, reg, limit, points)
    return points.beta, points.nu, points.used


def _kernel_end(problems: Problems, curve: BatchCurve, target: float) -> Points:
    """Start at the reference point, where nu = 0, with alpha so large that one Newton step nearly solves."""
    y = problems.y
    xp = namespace(y)
    zero = xp.zeros_like(y[:, 0])
    flat = xp.zeros_like(y[:, :1]) + xp.zeros_like(problems.X[..., 0, :])  # (B, d)
    beta = flat if curve.reference is None else flat + curve.reference
    level = curve.level(zero)
    weights = curve.weights_at_zero(level[:1]) + flat[:1]
    interpolant = beta + weights * problems.adjoint(problems.solver(weights)(y - problems.forward(beta)))
    size = xp.log(xp.maximum(xp.abs(interpolant), xp.abs(beta))) - level
    start = xp.clip((xp.amax(size, -1) - np.log(_LINEAR)) / curve.k, target, None)
    none = constant(0, y, "int64") + xp.zeros_like(y[:, 0] > 0.0)
    nu = xp.zeros_like(y)
    return Points(
        log_alpha=zero + np.inf,
        beta=beta,
        nu=nu,
        theta=flat,
        trial_log_alpha=start,
        trial_beta=flat,
        trial_nu=nu,
        trial_theta=flat,
        start=start,
        step=zero + _FIRST_STEP,
        rounds=none,
        used=none,
        running=none == 0,
    )


def _run(problems: Problems, curve: BatchCurve, reg: Q | R, limit: int, points: Points) -> None:
    """Rounds until every problem has arrived, been given up, or used up its rounds."""
    scale = problems.scale(points.beta)
    while True:
        count = int(points.running.sum())
        if count == 0:
            return
        if 2 * count <= len(scale):
            mask = points.running | False  # a copy: it is written to below
            some = points.take(mask)
            _run(problems.take(mask), curve, reg, limit, some)
            points.put(mask, some)
            return
        points.used = points.used + points.running
        moved = _move(problems, curve, points)
        solved = _conclude(problems, points, moved, scale, reg.log_alpha)
        if curve.bounded:
            _end_at_vertices(problems, reg, curve, points, solved)
        points.running = points.running & (points.used < limit)


def _move(problems: Problems, curve: BatchCurve, points: Points) -> Any:
    """Predict where an alpha is new, take a Newton step elsewhere; whether that was possible, ``(B,)``."""
    xp = namespace(points.nu)
    level = curve.level(points.trial_log_alpha)
    origin = curve.origin(level)
    new = points.running & (points.rounds == 0)
    at, nu, theta = points.trial_beta, points.trial_nu, points.trial_theta
    weights = curve.weights(theta, level, origin)
    if bool(new.any()):
        growth = xp.ones_like(points.start)
        if not curve.bounded:  # the dual grows like log(1/alpha) at depth 2 and is bounded beyond
            growth = (points.start - points.trial_log_alpha + 1.0) / (points.start - points.log_alpha + 1.0)
        nu = xp.where(new[:, None], growth[:, None] * points.nu, nu)
        theta = xp.where(new[:, None], growth[:, None] * points.theta, theta)
        beta = points.beta[new]
        gradient, flatness = curve.gradient(beta, level[new], origin[new])
        at, weights = xp.where(new[:, None], 0.0, at), xp.where(new[:, None], 0.0, weights)
        weights[new] = flatness
        at[new] = beta - flatness * (gradient - theta[new])
    right = problems.y - problems.forward(at)
    direction = problems.solver(weights)(right)
    along = problems.adjoint(direction)
    room = curve.room(xp.zeros_like(theta), theta + along, origin)
    shrink = xp.where(new & (room <= 1.0), _INSIDE * room, 1.0)[:, None]
    nu, theta, direction, along = shrink * nu, shrink * theta, shrink * direction, shrink * along
    gain, initial = (problems.y * direction).sum(-1), (right * direction).sum(-1)
    length, beta = _line_search(curve, (theta, along, level, origin), gain, initial, new)
    moved = length > 0.0
    # a length of 0 may belong to a direction that is not finite
    points.trial_nu = nu + xp.where(moved[:, None], length[:, None] * direction, 0.0)
    points.trial_theta = theta + xp.where(moved[:, None], length[:, None] * along, 0.0)
    points.trial_beta = beta
    return moved


def _line_search(
    curve: BatchCurve, line: tuple[Any, Any, Any, Any], gain: Any, initial: Any, free: Any
) -> tuple[Any, Any]:
    """Step lengths along ascent directions of the duals, and beta there; 0 where there is none.

    The slope ``gain - <along, beta(theta + t along)>``, `initial` at t = 0, decreases in t; where a step ends it
    has fallen, without changing sign much. Unlike the dual value it is still accurate where the step is down to
    rounding. Problems that are `free` take the whole step.
    """
    theta, along, level, origin = line
    xp = namespace(theta)
    edge = curve.room(theta, along, origin)
    length = xp.clip(xp.where(free, 1.0, _INSIDE * edge), None, 1.0)
    length = xp.where(free | (initial > 0.0), length, 0.0)
    beta = curve.predictor(theta + length[:, None] * along, level, origin)
    pending = ~free & (initial > 0.0)
    low, high, slope = xp.zeros_like(length), edge, gain - (along * beta).sum(-1)
    for _ in range(60):
        too_far = ~(slope >= -0.5 * initial)  # not finite is too far
        short = (slope > 0.9 * initial) & (length < _INSIDE * high)
        high, low = xp.where(pending & too_far, length, high), xp.where(pending & short, length, low)
        pending = pending & (too_far | short)
        if not bool(pending.any()):
            break
        length = xp.where(pending, xp.where(xp.isinf(high), 2.0 * length, 0.5 * (low + high)), length)
        there = tuple(v[pending] for v in (theta + length[:, None] * along, level, origin))
        beta[pending] = curve.predictor(*there)
        slope[pending] = gain[pending] - (along[pending] * beta[pending]).sum(-1)
    return xp.where(pending, 0.0, length), beta


def _conclude(problems: Problems, points: Points, moved: Any, scale: Any, target: float) -> Any:
    """Decide for every problem whether to go on at this alpha, to the next one, or back to a shorter step.

    Returns which were solved at their alpha, ``(B,)``.
    """
    xp = namespace(scale)
    last = points.trial_log_alpha == target
    size = norm(problems.y - problems.forward(points.trial_beta))
    good = points.running & moved & (size <= xp.where(last, _ARRIVED, _ON_THE_WAY) * scale)
    bad = points.running & ~good & ~(moved & xp.isfinite(size) & (points.rounds < _ROUNDS_PER_ALPHA))
    for name in ("log_alpha", "beta", "nu", "theta"):
        now, trial = getattr(points, name), getattr(points, f"trial_{name}")
        setattr(points, name, xp.where(good if now.ndim == 1 else good[:, None], trial, now))
    faster = xp.where(good & (points.rounds <= _EASY), 2.0, 1.0)
    points.step = points.step * xp.where(bad, 0.25, faster)
    given_up = bad & ((points.step < _SHORTEST) | xp.isinf(points.log_alpha))
    points.running = points.running & ~given_up & ~(good & last)
    points.rounds = xp.where(good | bad, 0, points.rounds + 1)
    onwards = xp.clip(points.log_alpha - points.step, target, None)
    points.trial_log_alpha = xp.where(good | bad, onwards, points.trial_log_alpha)
    return good


def _end_at_vertices(problems: Problems, reg: Q | R, curve: BatchCurve, points: Points, solved: Any) -> None:
    """Skip the rest of the way where the end is known: the vertex that the dual singles out, if it passes."""
    xp = namespace(points.nu)
    slack = curve.slack(points.theta, curve.origin(curve.level(points.log_alpha)))
    near = solved & points.running & (xp.amin(slack, -1) <= SATURATED)
    if not bool(near.any()):
        return
    beta, nu, good = vertices(problems.take(near), reg, points.nu[near], slack[near])
    found = near & False
    found[near] = good
    if bool(good.any()):
        points.beta[found], points.nu[found] = beta[good], nu[good]
        points.log_alpha = xp.where(found, reg.log_alpha, points.log_alpha)
        points.running = points.running & ~found
