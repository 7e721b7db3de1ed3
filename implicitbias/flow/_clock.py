"""The time of the flow, which is not its clock: at an accuracy of ``10^7`` it is ``10^4000000``."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Point", "TimeIntegral", "log_rate"]

_SHORT = 1.0
"""Growth of x over a step up to which ``e^x`` is integrated in tau; beyond, ``d tau / dx`` is the smooth factor."""
_EVEN = 1.05
"""Ratio of the slopes of x at the ends of a step up to which it is integrated as it stands."""
_STEEP = 20.0
"""Ratio of the slopes up to which a few points inside will do where x grows little."""
_STRAIGHT = 1e-3
"""Length of a step times the change of slope up to which the cubic is good, however much the slopes differ."""
_DEEPEST = 30
"""Halvings of a step; a step that is smooth takes as many only towards its end."""
_MOST_POINTS = 500
"""Points asked for inside steps, in all of one integration: rounding errors are not smooth at any length."""
_HORIZON = 40.0
"""What lies farther behind in x is nothing in float64: ``e^-40``."""
_GAUSS = np.polynomial.legendre.leggauss(16)
_NODES, _WEIGHTS = 0.5 * (_GAUSS[0] + 1.0), 0.5 * _GAUSS[1]
_FEW = np.polynomial.legendre.leggauss(5)
_FEW_NODES, _FEW_WEIGHTS = 0.5 * (_FEW[0] + 1.0), 0.5 * _FEW[1]


def log_rate(log_alpha: float, D: float, *, squared: bool) -> float:
    """``log c``, where ``d nu / dt = c p L`` for losses of margins and ``-c r`` for the squared loss.

    ``c = 4`` at depth 2 and ``D (D - 2) alpha^(D-2)`` beyond; twice that for the squared loss without a half.
    """
    constant = 4.0 if D == 2.0 else D * (D - 2.0)
    return math.log(2.0 * constant if squared else constant) + (D - 2.0) * log_alpha


class Point:
    """x, minus the logarithm of the mean slope of the loss, and its derivative in tau, computed if asked for."""

    def __init__(self, x: float, speed: Callable[[], float]) -> None:
        self.x, self._compute = x, speed

    @functools.cached_property
    def speed(self) -> float:
        """``dx / d tau``."""
        return self._compute()


class TimeIntegral:
    """``log t``, ``t = (1/c) int e^x d tau``, from points along the trajectory.

    Between two points x(tau) is the cubic that fits both and their slopes where x grows little. Where it grows
    much, ``f = d tau / dx`` is a power of x that fits both, times a quadratic that makes its integral the step in
    tau; so steps of any length will do. Where the slopes differ too much for that, a point is asked for in the
    middle. Only the last stretch of x counts, and a step is integrated when it is asked for.
    """

    def __init__(self, log_constant: float, log_time: float, start: Point) -> None:
        self._log_constant, self._base, self._last = log_constant, log_time, start
        self._steps: list[_Step] = []
        self._points = _MOST_POINTS

    def after(self, length: float, point: Point, inside: Callable[[float], Point]) -> float:
        """``log t`` at a point that lies `length` in tau beyond the last one.

        `inside` gives the points between, by their distance from the last one.
        """
        self.settle()
        if length <= 0.0:
            return self._base
        return float(np.logaddexp(self._base, self._log_integral(_Step(length, self._last, point, inside))))

    def add(self, length: float, point: Point, inside: Callable[[float], Point]) -> None:
        """Go on to a point; `inside` is kept until :meth:`settle`."""
        self._steps.append(_Step(length, self._last, point, inside))
        self._last = point
        while len(self._steps) > 1 and self._steps[0].end.x < point.x - _HORIZON:
            del self._steps[0]
            self._base = -math.inf  # nothing next to what follows

    def settle(self) -> None:
        """Integrate the steps that count; points inside them are not asked for any more."""
        self._points = _MOST_POINTS
        for step in self._steps:
            self._base = float(np.logaddexp(self._base, self._log_integral(step)))
        self._steps.clear()

    def _log_integral(self, step: _Step, depth: int = 0) -> float:
        length, start, end = step.length, step.start, step.end
        growth = end.x - start.x
        uneven = not start.speed < _EVEN * end.speed < _EVEN**2 * start.speed
        if uneven and length * abs(end.speed - start.speed) > _STRAIGHT:
            steep = min(start.speed, end.speed) > 0.0 and not (
                start.speed < _STEEP * end.speed < _STEEP**2 * start.speed
            )
            divisible = depth < _DEEPEST and self._points > 0
            if growth < _SHORT and not (steep and divisible):
                return end.x + math.log(_by_points(step)) - self._log_constant
            if divisible:
                return self._halved(step, depth)
        # x may fall, of the logistic loss: its slopes are weighted sums
        by_tau = growth < _SHORT or not min(start.speed, end.speed) > 0.0
        whole = _in_tau(length, start, end) if by_tau else _in_x(length, start, end)
        return end.x + math.log(whole) - self._log_constant

    def _halved(self, step: _Step, depth: int) -> float:
        length, start, end = step.length, step.start, step.end
        self._points -= 1
        half = 0.5 * length
        middle = step.inside(half)
        second = self._log_integral(_Step(half, middle, end, lambda offset: step.inside(half + offset)), depth + 1)
        if middle.x < end.x - _HORIZON:
            return second
        return float(np.logaddexp(self._log_integral(_Step(half, start, middle, step.inside), depth + 1), second))


@dataclass(frozen=True)
class _Step:
    length: float
    start: Point
    end: Point
    inside: Callable[[float], Point]


def _by_points(step: _Step) -> float:
    """``int e^(x - x_end) d tau`` over little growth, from x itself: slopes that nearly cancel are not smooth."""
    x = np.array([step.inside(step.length * node).x for node in _FEW_NODES])
    return float(step.length * (_FEW_WEIGHTS @ np.exp(x - step.end.x)))


def _in_tau(length: float, start: Point, end: Point) -> float:
    """``int e^(x - x_end) d tau`` by Gauss' rule, x by Hermite interpolation."""
    growth = end.x - start.x
    left, right = length * start.speed, length * end.speed
    s = _NODES
    x = growth * s * s * (3.0 - 2.0 * s) + s * (1.0 - s) * (left * (1.0 - s) - right * s) - growth
    return float(length * (_WEIGHTS @ np.exp(x)))


def _in_x(length: float, start: Point, end: Point) -> float:
    """The same with x as the variable."""
    # a power of x, kept away from 0 and from the sign change that the logistic loss has there
    base = max(0.0, 1.0 - start.x)
    low, high = start.x + base, end.x + base
    power = math.log(start.speed / end.speed) / math.log(high / low)

    def factor(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        s = (x - low) / (high - low)
        plain = (x / high) ** power / end.speed
        return plain, plain * s * (1.0 - s)

    grid = low * (high / low) ** _NODES
    measure = math.log(high / low) * _WEIGHTS * grid
    plain, bump = factor(grid)
    bend = float((length - measure @ plain) / (measure @ bump))
    reach = min(high - low, _HORIZON)
    near = high - reach * (1.0 - _NODES) ** 2  # crowded at the end, where the exponential is
    plain, bump = factor(near)
    weights = 2.0 * reach * (1.0 - _NODES) * _WEIGHTS * np.exp(near - high)
    linear = float(weights @ plain)
    bent = linear + bend * float(weights @ bump)
    return bent if 0.5 * linear < bent < 2.0 * linear else linear  # not where the points are too rough
