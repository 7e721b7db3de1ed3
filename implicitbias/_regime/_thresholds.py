"""Scales at which the end point comes within a tolerance of its limits: found, and guaranteed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq

from ..regularizer import Q
from ..solvers import interpolate
from ._limits import KernelLimit, RichLimit, bent

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..problems import Interpolation

    Array = NDArray[np.float64]

__all__ = ["EndPoints", "crossings", "guarantees"]

_LOG_TINY = -700.0
"""Logarithm that stands for that of an excess of zero, just inside the range of floats."""
_FARTHEST = 700.0
"""Logarithm of the ratio of scales over which a bracket is looked for."""
_ACCEPTED = 1e-8
"""Largest residual of an end point that is used."""
_SETTLED = 1e-6
"""Excess of the l1 norm, in units of the tolerance, from which on the end point is taken to be at its limit."""


class EndPoints:
    """Excesses of the end point as functions of log alpha, each scale solved once."""

    def __init__(self, problem: Interpolation, reg: Q) -> None:
        self.problem, self.reg, self.D = problem, reg, float(reg.D)
        self.w0 = np.ones(problem.shape[1]) if reg.w0 is None else np.asarray(reg.w0)
        self.kernel = KernelLimit(problem, self.w0, self.D)
        self.rich = RichLimit(problem, self.w0, self.D)
        self._known: dict[float, tuple[float, float]] = {}

    def excesses(self, log_alpha: float) -> tuple[float, float]:
        """Relative excess of the l1 norm and of the squared l2 norm."""
        if log_alpha not in self._known:
            reg = self.reg if log_alpha == self.reg.log_alpha else self.reg.at_log_alpha(log_alpha)
            # a stall on the last digits leaves several right, and is no reason to give up the search
            found = interpolate(self.problem.X, self.problem.y, reg, throw=False)
            if max(found.residuals.values()) > _ACCEPTED:
                found.raise_for_status()
            beta = np.asarray(found.beta)
            slope = np.asarray(reg.grad(beta)) * self.w0 ** (self.D - 2.0)
            away = bent(beta, slope, self.D * (log_alpha + np.log(self.w0)), self.D)
            self._known[log_alpha] = self.rich.excess(beta), self.kernel.excess(beta, away)
        return self._known[log_alpha]


def guarantees(S: float, B: float, D: float, w0: Array, eps: float) -> tuple[float, float]:
    """Log alphas below which the l1 excess, and above which the l2 excess, is at most `eps` for any X.

    They depend on the problem through its minimum norms, S and B, only.
    The margins below are monotone in alpha because the elasticity ``t q'(t) / q(t)`` falls as t grows.
    """
    if B == 0.0:
        return math.inf, -math.inf
    total, least = float(np.sum(w0**2)), float(np.min(w0**2))

    def log_q(log_alpha: float, weight: float, g: float) -> float:
        """Logarithm of ``L q(g / L)`` for ``L = alpha^D weight``."""
        return math.log(float(Q.from_log_alpha(log_alpha + math.log(weight) / D, D)(g)))

    def l1_margin(log_alpha: float) -> float:
        return log_q(log_alpha, total, (1.0 + eps) * S) - log_q(log_alpha, least, S)

    def l2_margin(log_alpha: float) -> float:
        inner, outer = math.sqrt((1.0 + eps) * least) * B, math.sqrt(total) * B
        return log_q(log_alpha, least, inner) - log_q(log_alpha, total, outer)

    # without a zero a margin is positive everywhere, as it is in its less favourable limit
    rich = math.inf if (1.0 + eps) ** 2 * least >= total else _zero(l1_margin, math.log(S / total) / D, -1.0)
    kernel = -math.inf if (1.0 + eps) * least >= total else _zero(l2_margin, math.log(B) / D, 1.0)
    return rich, kernel


def crossings(end: EndPoints, eps: float, certain: tuple[float, float]) -> tuple[float, float]:
    """Log alphas at which the two excesses cross `eps`, found by walking down from the kernel end."""

    def margin(which: int) -> Callable[[float], float]:
        def function(log_alpha: float) -> float:
            excess = end.excesses(log_alpha)[which]
            return (math.log(excess) if excess > 0.0 else _LOG_TINY) - math.log(eps)

        return function

    l1, l2 = margin(0), margin(1)
    if end.kernel.minimum == 0.0 or end.kernel.only_solution:
        return math.inf, -math.inf
    start = certain[1] if math.isfinite(certain[1]) else math.log(10.0 * end.kernel.minimum) / end.D
    always_rich = math.isinf(certain[0]) or end.rich.excess(end.kernel.minimizer) <= eps
    step = 1.0 / end.D
    while not always_rich and l1(start) <= 0.0:  # the crossing is beyond the kernel end
        start, step = start + step, 2.0 * step
        always_rich = step > _FARTHEST / end.D  # the limit is at eps to rounding
    rich = math.inf if always_rich else math.nan
    # of many minimizers of the l1 norm only the path tells which one training tends to
    to_vertex = end.kernel.excess(end.rich.minimizer, np.ones(len(end.w0))) if end.rich.unique else math.inf
    kernel = -math.inf if math.isinf(certain[1]) or to_vertex <= eps else math.nan
    here, step = start, 1.0 / end.D
    while math.isnan(rich) or math.isnan(kernel):
        below, step = here - step, 1.5 * step
        if math.isnan(kernel) and l2(below) > 0.0:
            kernel = _root(l2, below, here)
        if math.isnan(rich) and l1(below) <= 0.0:  # at the guarantee at the latest
            rich = _root(l1, below, here)
        if math.isnan(kernel) and end.excesses(below)[0] <= _SETTLED * min(eps, 1.0):
            kernel = -math.inf
        here = below
    return rich, kernel


def _zero(function: Callable[[float], float], start: float, direction: float) -> float:
    """Zero of a monotone function that is positive far in the given direction and negative far in the other."""
    positive = negative = start
    step = direction
    while function(positive) < 0.0:
        negative, positive, step = positive, positive + step, 2.0 * step
    step = -direction
    while function(negative) >= 0.0:
        if abs(negative - start) > _FARTHEST:
            return negative  # still guaranteed; the limit beyond is zero to rounding
        positive, negative, step = negative, negative + step, 2.0 * step
    return _root(function, min(positive, negative), max(positive, negative))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(brentq(function, low, high, xtol=1e-10, rtol=1e-14))
