"""Newton's method for the smooth dual under lower bounds: ``min_nu reg*(A^T nu) - <t, nu>  s.t. nu >= lower``.

Its solution is the Bregman projection of a mirror flow: ``beta = grad reg*(A^T nu)`` has margins ``A beta >= t``,
with equality wherever ``nu > lower``. Every step goes to the solution of the quadratic model under the same
bounds, or part of the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..._result import Status
from .._continuation import Counter, line_search
from .._level_curve import LevelCurve
from ._quadratic import BoundedQuadratic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...regularizer import Q, R

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["BoundedNewton", "BoundedSolution", "Point", "solve_bounded"]

_ROUNDING = 1e-15
"""Residual, relative, below which there is nothing but rounding."""
_ARRIVED = 1e-7
"""Residual, relative, from which on a step that gains little is the last."""
_FIRST_STEPS = 6
"""Newton steps after which the residual must be half of what it was at first."""
_STEPS = 12
"""Newton steps after which each must at least halve the residual."""
_MOST_STEPS = 40
"""Newton steps after which the start counts as too far off."""
_LONGEST = 1e6
"""Longest step, relative to Newton's, that is tried where the slope does not fall."""


class Point(NamedTuple):
    """A dual point and what follows from it."""

    nu: Vector
    theta: Vector
    beta: Vector
    weights: Vector
    gradient: Vector
    """``t - A beta``"""


class BoundedSolution(NamedTuple):
    """What :func:`solve_bounded` reached."""

    beta: Vector
    nu: Vector
    active: Mask
    """Samples with ``nu > lower``: their constraint is tight."""
    status: Status


class BoundedNewton:
    """Newton's method for one matrix and one vector of targets.

    Parameters
    ----------
    A
        Signed rows, ``(N, d)``, of moderate size.
    targets
        Positive margins, ``(N,)``.
    lower
        Bounds of the multipliers, ``(N,)``.
    counter
        Newton steps, counted here.
    """

    def __init__(self, A: Matrix, targets: Vector, lower: Vector, counter: Counter) -> None:
        self.A, self.targets, self.lower, self.counter = A, targets, lower, counter
        self.scale = float(np.linalg.norm(targets))
        self.quadratic = BoundedQuadratic(A)

    def evaluate(self, curve: LevelCurve, nu: Vector) -> Point:
        """The point at nu."""
        theta = self.A.T @ nu
        beta, weights = curve(theta)
        return Point(nu, theta, beta, weights, self.targets - self.A @ beta)

    def residual(self, point: Point) -> float:
        """Norm of the gradient without what the bounds hold up, relative to the targets."""
        held = (point.nu <= self.lower) & (point.gradient < 0.0)
        return float(np.linalg.norm(np.where(held, 0.0, point.gradient))) / self.scale

    def run(self, curve: LevelCurve, point: Point, enough: float, *, final: bool) -> tuple[Point | None, int]:
        """Iterate from a point; None if that does not settle in a few steps.

        `final` goes on as far as rounding lets it, down to the residual `enough`.
        """
        sizes: list[float] = []
        for step in range(_MOST_STEPS):
            size = self.residual(point)
            slow = bool(sizes) and not size < 0.1 * sizes[-1]
            if size <= enough or (final and size <= _ARRIVED and slow):
                return point, step
            sizes.append(size)
            # a coordinate that came out too large falls by a factor e in each step: that may take many
            if step >= _FIRST_STEPS and not size < 0.5 * sizes[-2 if step >= _STEPS else 0]:
                break
            usable = np.isfinite(size) and np.isfinite(point.weights).all()
            if not usable or not self.counter.take():
                break
            moved = self.step(curve, point, size)
            if moved is None:
                return (point if size <= _ARRIVED else None), step
            point = moved
        return None, _MOST_STEPS

    def step(self, curve: LevelCurve, point: Point, size: float) -> Point | None:
        """One step from a point of the given residual; None if nothing is to be gained."""
        noise = _ROUNDING * self.targets
        wanted, free = self.quadratic.solve(point.weights, point.gradient, point.nu, self.lower, noise)
        direction = wanted - point.nu
        along = self.A.T @ direction
        slope = float(point.gradient @ direction)
        longest = 1.0
        falling = direction < 0.0
        if size > _ARRIVED:
            # powers of two within the bounds: the search doubles its step
            room = float(np.min((point.nu - self.lower)[falling] / -direction[falling], initial=_LONGEST))
            longest = float(np.exp2(np.floor(np.log2(max(room, 1.0)))))
        found = line_search(curve, point.theta, point.beta, along, slope, longest)
        if found is None:
            return None
        length, beta, weights = found
        nu = wanted if length == 1.0 else np.maximum(point.nu + length * direction, self.lower)
        if length == 1.0:
            nu[~free] = self.lower[~free]
        theta = point.theta + length * along
        return Point(nu, theta, beta, weights, self.targets - self.A @ beta)


def solve_bounded(
    A: Matrix,
    targets: Vector,
    reg: Q | R,
    *,
    lower: Vector | None = None,
    start: Vector | None = None,
    max_iterations: int = 2000,
) -> BoundedSolution:
    """``argmin_nu reg*(A^T nu) - <targets, nu>  s.t. nu >= lower``, from a point that is not too far off.

    Parameters
    ----------
    A
        Signed rows ``y_n x_n``, ``(N, d)``, of moderate size.
    targets
        Positive margins, ``(N,)``: at the solution ``A beta >= targets``, with equality where ``nu > lower``.
    reg
        Scaled regularizer, at a scale of the order of the predictor.
    lower
        Bounds, ``(N,)``, inside the domain of the conjugate; None for zeros.
    start
        Where to start, ``(N,)``, raised to the bounds; None for the bounds themselves.
    max_iterations
        Limit on Newton steps.

    Returns
    -------
    BoundedSolution
        ``beta (d,)``, ``nu (N,)``, ``active (N,)``, and a status: `STALLED` where the last point is not a solution
        to a relative residual of 1e-7, otherwise it is one to rounding.
    """
    low = np.zeros(len(targets)) if lower is None else np.asarray(lower, dtype=np.float64)
    counter = Counter(max_iterations)
    newton = BoundedNewton(A, targets, low, counter)
    curve = LevelCurve(reg)
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        best = newton.evaluate(curve, low.copy() if start is None else np.maximum(start, low))
        if not np.isfinite(best.beta).all():
            best = newton.evaluate(curve, low.copy())
        status = Status.STALLED
        while not counter.exhausted:
            point, least = best, newton.residual(best)
            moved = newton.step(curve, point, least) if counter.take() and np.isfinite(least) else None
            if moved is None:
                break
            size = newton.residual(moved)
            arrived = least <= _ARRIVED and not size < 0.1 * least
            best = moved if size < least or not arrived else best
            if arrived or size <= _ROUNDING:
                break
        if newton.residual(best) <= _ARRIVED:
            status = Status.CONVERGED
        elif counter.exhausted:
            status = Status.ITERATION_LIMIT
    return BoundedSolution(best.beta, best.nu, best.nu > low, status)
