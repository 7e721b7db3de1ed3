"""Path following on the columns that matter, where there are many more columns than samples.

At small alpha the predictor is dominated by few coordinates. The path is followed on a working set, checked
against all columns at its end, and taken up again, from the last point at which the columns that were missing were
harmless, with those included. What is returned has passed the check over all columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._result import InfeasibleError
from ._continuation import Follower, State
from ._least_squares import kernel_end
from ._level_curve import LevelCurve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..regularizer import Q, R
    from ._continuation import Counter
    from ._design import Design

    Vector = NDArray[np.float64]

__all__ = ["follow_on_working_set"]

_PER_SAMPLE = 8, 32
"""Columns per sample in the first working set: at least, and at most."""
_SHARE = 64
"""Columns for one of the first working set between those bounds."""
_HARMLESS = 1e-3
"""Part of y, relative, that columns outside may contribute."""


def follow_on_working_set(
    design: Design, y: Vector, reg: Q | R, interpolant: Vector, counter: Counter
) -> State | None:
    """State at the alpha of `reg`, over all columns; None where the columns that matter are too many."""
    scale = float(np.linalg.norm(y))
    norms = np.sqrt(design.column_squares)
    reference = reg.reference
    shift = interpolant if reference is None else interpolant - reference
    slope = shift if reg.w0 is None else shift * reg.w0 ** (2.0 - 2.0 * float(reg.homogeneity))
    inside = np.zeros(design.d, dtype=bool)
    least, most = (count * design.N for count in _PER_SAMPLE)
    first = max(least, min(most, design.d // _SHARE))
    inside[np.argpartition(-np.abs(slope) / reg.dual_bound, first)[:first]] = True
    states: list[State] = []
    while 4 * np.count_nonzero(inside) <= design.d and not counter.exhausted:
        columns = np.flatnonzero(inside)
        part = design.restrict(columns)
        follower = Follower(part, y, reg.restricted(columns), counter)
        start = _resume(follower, states) if states else None
        if start is None:
            try:
                start = follower.start(kernel_end(part, y, follower.reg, follower.normal))
            except InfeasibleError:  # too few columns to reach y
                inside[np.argsort(-np.abs(slope))[: 2 * len(columns)]] = True
                continue
            states = []
        states = [s for s in states if s.log_alpha > start.log_alpha]
        top = states[0].log_alpha if states else None
        state = follower.follow(start, reg.log_alpha, states.append, top=top)
        if state.log_alpha != reg.log_alpha:
            return None
        theta = design.adjoint(state.nu)
        beta, _ = LevelCurve(reg)(theta)
        contribution = np.where(inside, 0.0, np.abs(beta) * norms)
        outside = float(np.sqrt(np.sum(np.minimum(contribution, scale) ** 2)))
        if outside <= _HARMLESS * scale:
            return State(reg.log_alpha, beta, state.nu)
        missing = contribution > _HARMLESS * scale / np.sqrt(design.d)
        if np.count_nonzero(missing) > len(columns):
            # the worst first: with them in, many of the others will not matter
            missing = contribution >= np.partition(contribution, -len(columns))[-len(columns)]
        inside |= missing
    return None


def _resume(follower: Follower, states: list[State]) -> State | None:
    """Last of the states of smaller sets that all columns of the follower leave nearly solved."""
    duals = np.stack([s.nu for s in states], axis=1)
    thetas = follower.design.adjoint(duals)
    for state, theta in zip(reversed(states), thetas.T[::-1], strict=True):
        beta, _ = LevelCurve(follower.reg.at_log_alpha(state.log_alpha))(theta)
        if not np.isfinite(beta).all():
            continue
        gap: Any = follower.y - follower.design.forward(beta)
        if np.linalg.norm(gap) <= 0.3 * follower.scale:
            return State(state.log_alpha, beta, state.nu)
    return None
