"""A step that was taken: the trajectory between its ends, the point with a given accuracy, the flow's time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.polynomial.legendre import leggauss, legval

from ._collocation import legendre, legendre_integrals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._system import Point, System

    Floats = NDArray[np.float64]
    Rows = list[list[Any]]

__all__ = ["Moment", "Segment", "extrapolated"]

_INNER, _OUTER = leggauss(16), leggauss(80)
_DROP = 50.0
"""What is smaller by e to this power does not count in an integral to 15 digits."""
_MOST = 600.0
"""Logarithm of a slope so large that the integral is lost in its logarithm; larger ones might overflow."""


@dataclass(frozen=True, eq=False)
class Moment:
    """Point of a trajectory in the numbers of the arithmetic; `log_time` is None at the start."""

    nu: list[Any]
    accuracy: Any
    log_time: Any
    point: Point


@dataclass(frozen=True, eq=False)
class Segment:
    """Step of length `h` from `start` to `end`.

    Attributes
    ----------
    coefficients
        Legendre coefficients of the right-hand side, ``(k, N)``.
    unknown
        Those of ``log p`` or p, ``(k, N)``, to extrapolate from.
    weights
        How much the entries of `unknown` count, ``(N,)``.
    nodes, accuracies
        Where on ``(0, 1]`` the accuracy is known, and the accuracy there.
    log_slopes, ratios
        Legendre coefficients, in float64, of the logarithm of the slope of the accuracy on ``[0, 1]``, and of the
        loss over the mean force, which is 1 for the exponential loss.
    """

    start: Moment
    end: Moment
    h: Any
    coefficients: Rows
    unknown: Rows
    weights: Floats
    nodes: Floats
    accuracies: list[Any]
    log_slopes: Floats
    ratios: Floats

    def ended(self, log_time: Any) -> Segment:
        """The same with the time at its end."""
        return replace(self, end=replace(self.end, log_time=log_time))

    def nu(self, system: System, x: Any) -> list[Any]:
        """Dual point at ``x in [0, 1]``."""
        integrals = legendre_integrals(x, len(self.coefficients))
        moved = system.number.times(system.number.table([integrals]), self.coefficients)[0]
        return [system.number.settled(n + self.h * v) for n, v in zip(self.start.nu, moved, strict=True)]

    def at_accuracy(self, system: System, target: Any, tolerance: Any) -> Moment:
        """The moment at which ``-log loss`` is `target`, to the relative `tolerance`."""
        number = system.number
        low, high = self._bracket(target)
        x = number.number((low + high) / 2)
        # on the way through an accuracy of 0 it is that of the start that it counts relative to
        size = max(abs(target), min(abs(self.start.accuracy), 1))
        for _ in range(200):
            nu = self.nu(system, x)
            point = system.points([nu])[0]
            accuracy = number.settled(system.accuracy(point.margins))
            excess = accuracy - target
            if abs(excess) <= tolerance * size:
                time = self.log_time(system, x, accuracy)
                return Moment(nu, accuracy, time, point)
            if excess > 0:
                high = min(high, x)
            else:
                low = max(low, x)
            slope = self.h * accuracy_slope(system, point)
            x = number.settled(x - excess / slope) if slope > 0 else low
            if not low < x < high:
                x = number.settled((number.number(low) + high) / 2)
        raise ArithmeticError(f"no point of accuracy {target} found between nodes")

    def _bracket(self, target: Any) -> tuple[Any, Any]:
        above = next(j for j, a in enumerate(self.accuracies) if a >= target)
        low = 0.0 if above == 0 else float(self.nodes[above - 1])
        # a little beyond the nodes, whose places are rounded here
        return low * (1 - 1e-12), float(self.nodes[above]) * (1 + 1e-12)

    def log_time(self, system: System, x: Any, accuracy: Any) -> Any:
        """Logarithm of the flow's time at `x`, where the trajectory has `accuracy`."""
        number = system.number
        passed = number.log(self.h) - system.log_rate
        if system.squared:
            passed += number.log(x)
        else:
            passed += accuracy + number.log(number.number(self._integral(float(x))))
        before = self.start.log_time
        if before is None:
            return number.settled(passed)
        top = max(before, passed)
        return number.settled(top + number.log(number.exp(before - top) + number.exp(passed - top)))

    def _integral(self, x: float) -> float:
        """``int_0^x r e^{gamma(u) - gamma(x)} du``, gamma the accuracy, r the loss over the mean force."""

        def drop(u: Floats) -> Floats:
            v = x - np.multiply.outer(u, 0.5 * (_INNER[0] + 1.0))
            slope = np.exp(np.minimum(legval(2.0 * v - 1.0, self.log_slopes), _MOST))
            return u * (slope @ (0.5 * _INNER[1]))

        reach = np.array([x])
        for _ in range(200):  # the slope is positive, so what is further away than this has no weight
            fall = float(drop(reach)[0])
            if fall <= 1.3 * _DROP:
                break
            reach = reach * max(0.2, 1.1 * _DROP / fall)
        u = 0.5 * (_OUTER[0] + 1.0) * reach
        ratio = legval(2.0 * (x - u) - 1.0, self.ratios)
        return float(0.5 * reach[0] * (_OUTER[1] @ (ratio * np.exp(-drop(u)))))


def accuracy_slope(system: System, point: Point) -> Any:
    """``d accuracy / d tau`` on the trajectory through `point`."""
    return slopes(system, [system.right_hand_side(point.margins)], [point])[0]


def slopes(system: System, p: Rows, points: list[Point]) -> list[Any]:
    """``k p^T G p``, the slopes of the accuracy, at points with right-hand sides p."""
    along = system.number.times_table(p, system.A)
    return [
        system.number.settled(
            system.gain(point.margins, weights)
            * sum((w * v * v for w, v in zip(point.weights, row, strict=True)), system.zero)
        )
        for row, weights, point in zip(along, p, points, strict=True)
    ]


def extrapolated(system: System, segment: Segment, h: Any, nodes: list[Any]) -> Rows:
    """The unknowns at the nodes of a step of length `h` after `segment`, to as many terms as gain something."""
    number = system.number
    ratio = h / segment.h
    points = [1 + 2 * ratio * x for x in nodes]
    end = float(points[-1])
    sizes = np.array([[abs(float(v)) for v in row] for row in segment.unknown]) * segment.weights
    with np.errstate(divide="ignore"):
        reach = np.log(sizes.max(axis=1)) + np.arange(len(sizes)) * np.log(end + np.sqrt(end * end - 1.0))
    count = max(1, int(np.argmin(reach)))
    table = number.table([legendre(x, count) for x in points])
    return number.times(table, segment.unknown[:count])
