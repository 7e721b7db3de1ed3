"""The smooth way between two events of the limit of the flow, and landing anywhere on it.

The samples that move have margins of tau, the multipliers of the others rest: k equations for k multipliers at any
tau, solved by Newton's method from what is known nearby. Multipliers are counted from the state that was reached
last, and so is what is left between theta and the end of its domain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from .._anchored_curve import AnchoredCurve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...regularizer import Q

    Vector = NDArray[np.float64]
    Index = NDArray[np.intp]

__all__ = ["Landing", "Way"]

_ILL = 1e-3
"""Pivot of a Gram matrix of unit diagonal below which rows are factored rather than it."""
_SETTLED = 2e-15
"""Relative error of the margins that is nothing but rounding."""
_NEARLY = 1e-9
"""Relative error below which a step that does not gain shows that the rest is rounding."""
_ROUGH = 1e-13
"""Relative error above which a state that is kept is refined."""
_SLOW = 0.03
"""Gain per step above which the matrix is factored anew."""
_STEPS = 25
"""Most Newton steps."""
_EDGE = 1e-5
"""Slack left, relative to the last state's, at which a step has been too long."""
_INSIDE = np.arange(1, 8)[:, None] / 8.0
"""Where in a step a dip is looked for."""
_DIP = 1e-6
"""Rate of a multiplier, relative to the largest, that is a fall."""
_BEHIND = 1e-12
"""How far below tau, relatively, a margin has to be to count: some hundred roundings."""


@dataclass(frozen=True, eq=False)
class Landing:
    """A point of the way.

    Attributes
    ----------
    tau
        Where.
    moved
        How far the multipliers of the moving samples have come since the last state, ``(k,)``.
    v, weight
        Predictor and ``d v / d theta``, ``(d,)``.
    error
        Largest relative error of the margins that are to be tau.
    excess
        All margins over tau, less 1, ``(N,)``.
    speed
        ``d nu / d log tau`` of the moving samples, ``(k,)``: their margins keep up with tau.
    slope
        ``d excess / d log tau``, ``(N,)``.
    """

    tau: float
    moved: Vector
    v: Vector
    weight: Vector
    error: float
    excess: Vector
    speed: Vector
    slope: Vector

    def lags(self) -> NDArray[np.bool_]:
        """Samples with margins below tau."""
        return self.excess < -max(_BEHIND, 10.0 * self.error)


class Way:
    """The last state and the way on from there.

    Attributes
    ----------
    nu
        Multipliers, ``(N,)``.
    moving
        Samples that move, ``(k,)``.
    present
        The last state as a landing.

    Parameters
    ----------
    rows
        Signed rows of moderate size, ``(N, d)``.
    reg
        ``Q_1``.
    nu, tau
        First state.
    """

    def __init__(self, rows: Vector, reg: Q, nu: Vector, tau: float) -> None:
        self.rows, self.nu = rows, nu.copy()
        self._curve = AnchoredCurve(reg, np.zeros(rows.shape[1]))
        self._curve.move(rows.T @ nu)
        v, weight, _ = self._curve(np.zeros(rows.shape[1]))
        nothing = np.zeros(0)
        self.present = Landing(tau, nothing, v, weight, 0.0, rows @ v / tau - 1.0, nothing, nothing)
        self.choose(np.flatnonzero(nu > 0.0))

    @property
    def tau(self) -> float:
        """Where the last state is."""
        return self.present.tau

    def choose(self, moving: Index) -> None:
        """Let these samples move."""
        self.moving = moving
        self._moving_rows = self.rows[moving]
        self._seen: dict[float, Landing] = {}
        self._before: Landing | None = None
        here = self.present
        self.present = self._landing(here.tau, np.zeros(len(moving)), here.v, here.weight, here.error)

    def accept(self, landing: Landing) -> None:
        """Make a landing the last state."""
        before = self.present
        self._shift(landing)
        if landing.error > _ROUGH:  # where rows nearly cancel, small displacements have more digits
            finer = self.land(landing.tau)
            if finer is not None and finer.error < landing.error:
                self._shift(finer)
        self._seen, self._before = {}, None if landing.tau == before.tau else before

    def _shift(self, landing: Landing) -> None:
        self._curve.move(self._moving_rows.T @ landing.moved)
        self.nu[self.moving] += landing.moved
        self._seen = {}
        self.present = replace(landing, moved=np.zeros(len(self.moving)))

    def land(self, tau: float) -> Landing | None:
        """The state at which the margins of the moving samples are tau; None if Newton's method does not settle."""
        if tau in self._seen:
            return self._seen[tau]
        rows, moved = self._moving_rows, self._predict(tau)
        best, least, last, worse = None, np.inf, np.inf, 0
        gram: _Gram | None = None
        for _ in range(_STEPS):
            v, weight, slack = self._curve(rows.T @ moved)
            gap = tau - rows @ v
            error = float(np.max(np.abs(gap), initial=0.0)) / tau
            if not np.isfinite(error) or slack < _EDGE:
                break
            worse += not error < 0.5 * least
            if error < least:
                best, least = (moved, v, weight), error
            if error <= _SETTLED or worse > (0 if least < _NEARLY else 2):
                break
            if gram is None or error > _SLOW * last:
                gram = _Gram(rows, weight)
            moved, last = moved + gram.solve(gap), error
        if best is None or not least < _NEARLY:
            return None
        landing = self._landing(tau, *best, least)
        if not np.isfinite(landing.speed).all():
            return None
        self._seen[tau] = landing
        return landing

    def _predict(self, tau: float) -> Vector:
        """From the nearest landing along a parabola that has the speed of the next but one, too.

        Multipliers change at even rates in log tau.
        """
        known = [self.present, *self._seen.values()] + ([] if self._before is None else [self._before])
        near, *others = sorted(known, key=lambda k: abs(np.log(tau / k.tau)))[:2]
        if near is self._before:
            near, others = self.present, [near]
        way = np.log(tau / near.tau)
        moved = near.moved + near.speed * way
        for other in others:
            moved = moved + (near.speed - other.speed) * (0.5 * way**2 / np.log(near.tau / other.tau))
        return np.asarray(moved)

    def _landing(self, tau: float, moved: Vector, v: Vector, weight: Vector, error: float) -> Landing:
        rows = self._moving_rows
        speed = tau * _Gram(rows, weight).solve(np.ones(len(rows)))
        excess = self.rows @ v / tau - 1.0
        slope = self.rows @ (weight * (rows.T @ speed)) / tau - 1.0 - excess
        return Landing(tau, moved, v, weight, error, excess, speed, slope)

    def dips(self, landing: Landing) -> bool:
        """Whether a margin on the way to a landing, or a multiplier, seems to fall too far and to rise again.

        Cubics that have the values and slopes of both ends tell.
        """
        start, x = self.present, _INSIDE
        way = np.log(landing.tau / start.tau)
        low, high = way * start.speed, way * landing.speed
        mean = landing.moved
        rate = low + x * (6.0 * mean - 4.0 * low - 2.0 * high + x * 3.0 * (low + high - 2.0 * mean))
        if (rate < -_DIP * np.abs(mean).max()).any():
            return True
        resting = np.ones(len(self.rows), dtype=bool)
        resting[self.moving] = False
        below, above = start.excess[resting], landing.excess[resting]
        low, high = way * start.slope[resting], way * landing.slope[resting]
        rise = above - below
        excess = below + x * (low + x * (3.0 * rise - 2.0 * low - high + x * (low + high - 2.0 * rise)))
        return bool((excess < -_BEHIND).any())


class _Gram:
    """``A W A^T``, factored."""

    def __init__(self, rows: Vector, weight: Vector) -> None:
        self._top = float(weight.max())
        scaled = np.sqrt(weight / self._top) * rows
        gram = scaled @ scaled.T
        self._size = np.sqrt(gram.diagonal())
        factor, failed = dpotrf(gram / self._size / self._size[:, None], lower=0, clean=0)
        if failed or not factor.diagonal().min(initial=1.0) >= _ILL:
            scaled /= self._size[:, None]
            factor = np.linalg.qr(scaled.T, mode="r") if np.isfinite(scaled).all() else np.full_like(gram, np.nan)
        self._factor = factor

    def solve(self, right: Vector) -> Vector:
        """Not finite where rows are dependent."""
        if len(self._factor) < len(right):  # more rows than columns
            return np.full(len(right), np.nan)
        found = dpotrs(self._factor, right / self._size, lower=0)[0]
        return np.asarray(found / self._size / self._top)
