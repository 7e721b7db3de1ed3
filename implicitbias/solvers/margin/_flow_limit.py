"""Where exponential-loss flow goes as its initialization grows: a sweeping process of monotone multipliers.

In the dual units of :class:`implicitbias.Q` the flow is ``d nu / d s = p``, ``p = softmax(-m)``, with margins
``m = A w`` and ``grad Q(w) = A^T nu``: no multiplier ever falls. With ``v = w/alpha^D`` and ``alpha^D -> inf`` the
weights ``p`` live on the smallest margins alone, and in the clock ``tau = min_n (A v)_n``

``grad Q_1(v) = A^T nu,  A v >= tau,  nu' >= 0,  nu_n' ((A v)_n - tau) = 0``.

Between events the samples that move are fixed, their margins are all tau, and the multipliers of the others rest:
the state at any tau up to the next event solves one system of equations, whatever the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular
from scipy.optimize import brentq, nnls

from ..._result import ConvergenceError
from ...problems import Margins
from ...regularizer import Q
from .._level_curve import LevelCurve
from ._bounded import solve_bounded
from ._kernel_end import kernel_end

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Vector = NDArray[np.float64]
    Index = NDArray[np.intp]

__all__ = ["FlowEvent", "FlowLimit", "flow_limit"]

_START = 1e-3
"""Size of the largest coordinate of v where following begins: nearly linear, yet its curvature is well resolved."""
_STEP = 0.25
"""Longest step in log tau; a margin that fell below tau and rose again within one would be missed."""
_TIE = 1e-9
"""How near to tau, relatively, a margin counts as equal to it."""
_BEHIND = 1e-12
"""How far below tau, relatively, a margin has to be to count: some hundred roundings."""
_ILL = 1e-3
"""Pivot of a Gram matrix of unit diagonal below which rows are factored rather than it."""
_FLOOR = 1e-7
"""Relative error of the margins above which following gives up; rounding of theta near its bound is the cause."""


@dataclass(frozen=True)
class FlowEvent:
    """Change of the set of samples that drive the limit of the flow.

    Attributes
    ----------
    mu
        Where it happens.
    sample
        Index of the sample.
    kind
        ``"enters"``: its margin has come down to the smallest one, and its multiplier begins to grow;
        ``"leaves"``: its multiplier has stopped growing and stays where it is, and its margin moves away.
    """

    mu: float
    sample: int
    kind: Literal["enters", "leaves"]


@dataclass(frozen=True, eq=False)
class FlowLimit:
    """Limit of the normalized predictor ``w/gamma`` along the flow, at each mu.

    Attributes
    ----------
    mus
        ``(k,)``, as given.
    beta
        Predictors with least margin 1, ``(k, d)``.
    dual
        Multipliers ``nu``, ``(k, N)``: ``grad Q_mu(beta) = sum_n nu_n y_n x_n``. They never fall as mu does. Where
        the support vectors are linearly dependent they are one choice of several; beta is unique all the same.
    support
        Whether the margin of a sample is the least one, ``(k, N)``.
    events
        Changes of the driving samples from ``mu = inf`` to the smallest mu, in this order. Those that drive at the
        start, the l2 support vectors, have no event.
    """

    mus: Vector
    beta: Vector
    dual: Vector
    support: NDArray[np.bool_]
    events: tuple[FlowEvent, ...]


def flow_limit(
    X: ArrayLike, y: ArrayLike, D: Any = 2, mus: ArrayLike = (1.0,), *, w0: ArrayLike | None = None
) -> FlowLimit:
    r"""Limit of exponential-loss flow as the scale of initialization and the accuracy grow together.

    .. math:: \hat w(\mu) = \lim_{\alpha\to\infty} \frac{w(t_\alpha)}{\gamma(t_\alpha)}, \qquad
              -\log L(w(t_\alpha)) = \alpha^D / \mu .

    Parameters
    ----------
    X
        Samples, ``(N, d)``.
    y
        Labels -1 and +1 (or 0 and 1), ``(N,)``; linearly separable.
    D
        Depth, a real number ``>= 2``.
    mus
        Positive numbers in any order, ``(k,)``.
    w0
        Shape of the initialization, ``(d,)``; None means all ones.

    Returns
    -------
    FlowLimit
        Predictors, multipliers, support vectors, and the events between.

    Raises
    ------
    TypeError, ValueError
        If the data or a mu are not usable.
    NotSeparableError
        If no hyperplane separates the classes.
    ConvergenceError
        If mu is so small that float64 cannot hold the distance of the dual variable to its bound: at D > 2, for
        data of order one, below some ``(1e9/p)^{-p}``, ``p = D/(D-2)``.

    Notes
    -----
    Moroshko et al. (2020), Theorem 6, has ``argmin Q_mu s.t. margins >= 1`` as this limit under their Condition 5,
    the stability of support vectors, and leaves open what happens without it. The difference: along the minimizers
    of ``Q_mu`` a multiplier may fall as mu does; along the flow none can. While none has to, both agree. In
    discrete form the limit is a chain of Bregman projections, ``argmin D_Q(v, v_k) s.t. A v >= tau_{k+1}``. See
    ``derivations/classification.py``. As ``mu -> inf`` it is the l2 max-margin predictor (in the norm ``sum
    beta_i^2 / w0_i^{2(D-1)}``), without any condition.
    """
    problem = Margins(X, y)
    grid = np.atleast_1d(np.asarray(mus, dtype=np.float64))
    if grid.ndim != 1 or grid.size == 0 or not (np.isfinite(grid) & (grid > 0.0)).all():
        raise ValueError(f"mus must be positive finite numbers of shape (k,), got {mus!r}")
    N, d = problem.shape
    beta, dual, support = np.empty((grid.size, d)), np.empty((grid.size, N)), np.empty((grid.size, N), dtype=bool)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        follower = _Follower(problem.signed, Q(1, D, w0))
        for index in np.argsort(-grid):
            follower.advance(1.0 / grid[index])
            beta[index], dual[index], support[index] = follower.state()
    return FlowLimit(grid, beta, dual, support, tuple(follower.events))


class _Landing(NamedTuple):
    tau: float
    nu: Vector
    error: float
    """Largest relative error of the margins that are to be tau."""


class _Follower:
    """State of the limit process, moved on in tau."""

    def __init__(self, rows: Vector, reg: Q) -> None:
        self.unit = float(np.exp2(np.floor(np.log2(np.abs(rows).max()))))
        self.rows = rows / self.unit
        self.reg = reg
        self.curve = LevelCurve(reg)
        self.events: list[FlowEvent] = []
        _, self.kernel_weights = self.curve(np.zeros(rows.shape[1]))
        self.kernel_weights = self.kernel_weights * np.ones(rows.shape[1])
        self.kernel, _ = kernel_end(self.rows, np.ones(len(rows)), 1.0 / self.kernel_weights)
        self.tau = 0.0
        self.nu = np.zeros(len(rows))
        self.moving: Index = np.zeros(0, dtype=np.intp)

    def state(self) -> tuple[Vector, Vector, NDArray[np.bool_]]:
        """``(beta, nu, support)`` now."""
        v, _ = self._at(self.nu)
        margins = self.rows @ v
        return v / (margins.min() * self.unit), self.nu / self.unit, margins <= self.tau * (1.0 + _TIE)

    def advance(self, tau: float) -> None:
        """Move on to `tau`."""
        tau = tau / self.unit
        if self.tau == 0.0:
            self._begin(min(tau, _START / float(np.max(np.abs(self.kernel)))))
        length, in_place = _STEP, 0
        while self.tau < tau:
            goal = min(tau, self.tau * float(np.exp(length)))
            landing = self._land(goal)
            if landing is None:
                length *= 0.5
                if length < 1e-6:
                    raise self._lost()
                continue
            crossings = self._crossings(landing, goal)
            if crossings:
                before = self.tau
                self._meet(crossings, goal)
                in_place = in_place + 1 if self.tau == before else 0
                if in_place > 2 * len(self.rows):
                    raise self._lost()
            else:
                self.nu, self.tau, in_place = landing.nu, goal, 0
                length = min(_STEP, 2.0 * length)

    def _lost(self) -> ConvergenceError:
        mu = 1.0 / (self.tau * self.unit)
        return ConvergenceError(
            f"float64 does not resolve the limit of the flow below mu = {mu:.3g}; larger mus can be had"
        )

    def _begin(self, tau: float) -> None:
        """Start at a tau where v is small: there it minimizes Q, as no multiplier has had cause to fall."""
        sides = np.full(len(self.rows), tau)
        start = kernel_end(self.rows, sides, 1.0 / self.kernel_weights)[1]
        self.nu, self.tau = solve_bounded(self.rows, sides, self.reg, start=start).nu, tau
        self.moving = np.flatnonzero(self.nu > 0.0)
        landing = self._land(tau)
        if landing is None:
            raise self._lost()
        self.nu = landing.nu

    # ---- the smooth way between events ----

    def _at(self, nu: Vector) -> tuple[Vector, Vector]:
        return self.curve(self.rows.T @ nu)

    def _solve(self, weight: Vector, right: Vector) -> Vector:
        """``G^{-1} right`` with ``G = A W A^T`` of the moving samples."""
        B = np.sqrt(weight) * self.rows[self.moving]
        size = np.linalg.norm(B, axis=1)
        B /= size[:, None]
        try:
            R = cholesky(B @ B.T)
            if R.diagonal().min() < _ILL:
                R = np.linalg.qr(B.T, mode="r")
            return np.asarray(solve_triangular(R, solve_triangular(R, right / size, trans="T")) / size)
        except (LinAlgError, ValueError):  # dependent rows, or weights beyond the range of floats
            return np.full(len(right), np.nan)

    def _speed(self, weight: Vector) -> Vector:
        """``d nu / d tau`` of the moving samples: their margins keep up with tau."""
        return self._solve(weight, np.ones(len(self.moving)))

    def _land(self, tau: float, near: _Landing | None = None) -> _Landing | None:
        """The state at which the margins of the moving samples are tau; None if Newton's method does not settle.

        It starts at the present state, or at one landed at since.
        """
        origin = near or _Landing(self.tau, self.nu, 0.0)
        nu = origin.nu.copy()
        # a step taken in log tau keeps to the right magnitude
        nu[self.moving] += self._speed(self._at(nu)[1]) * origin.tau * np.log(tau / origin.tau)
        best, least, worse = nu, np.inf, 0
        for _ in range(20):
            v, weight = self._at(nu)
            gap = tau - self.rows[self.moving] @ v
            error = float(np.max(np.abs(gap))) / tau
            worse += not error < 0.5 * least
            if not np.isfinite(error) or worse > 2:
                break
            if error < least:
                best, least = nu.copy(), error
            if error <= 1e-15:
                break
            nu[self.moving] += self._solve(weight, gap)
        return _Landing(tau, best, least) if least < _FLOOR else None

    # ---- events ----

    def _crossings(self, landing: _Landing, tau: float) -> list[tuple[int, bool]]:
        """Samples that enter (True) or leave (False) before `tau`."""
        v, weight = self._at(landing.nu)
        behind = self.rows @ v < tau * (1.0 - max(_BEHIND, 10.0 * landing.error))
        behind[self.moving] = False
        falling = self.moving[self._speed(weight) < 0.0]
        return [*((int(n), True) for n in np.flatnonzero(behind)), *((int(n), False) for n in falling)]

    def _meet(self, crossings: list[tuple[int, bool]], tau: float) -> None:
        """Go to the first of the crossings and choose anew who moves."""
        log_tau, (sample, enters) = float(np.log(tau)), crossings[0]
        for crossing in crossings:
            root = self._root(*crossing, log_tau)
            if root is not None:
                log_tau, (sample, enters) = root, crossing
        if log_tau > np.log(self.tau):
            goal = float(np.exp(log_tau))
            landing = self._land(goal)
            if landing is None:
                raise self._lost()
            self.nu, self.tau = landing.nu, goal
        v, weight = self._at(self.nu)
        tied = self.rows @ v <= self.tau * (1.0 + _TIE)
        tied[self.moving] = True
        # who leaves has a rate of zero, of whatever sign that comes out
        tied[sample] = enters
        candidates = np.flatnonzero(tied)
        rate = _least_distance(np.sqrt(weight) * self.rows[candidates])
        before = set(self.moving.tolist())
        moves = rate > _BEHIND * rate.max()
        # a rate of zero that must rise, or the margin falls behind
        moves |= enters & (candidates == sample)
        self.moving = candidates[moves]
        after = set(self.moving.tolist())
        mu = 1.0 / (self.tau * self.unit)
        self.events += [FlowEvent(mu, n, "enters") for n in sorted(after - before)]
        self.events += [FlowEvent(mu, n, "leaves") for n in sorted(before - after)]

    def _root(self, sample: int, enters: bool, end: float) -> float | None:
        """Logarithm of the tau of a crossing between now and `end`; None if it comes later."""
        position = int(np.searchsorted(self.moving, sample))

        landing = _Landing(self.tau, self.nu, 0.0)

        def signal(log_tau: float) -> float:
            nonlocal landing
            goal = float(np.exp(log_tau))
            found = _Landing(self.tau, self.nu, 0.0) if goal <= self.tau else self._land(goal, landing)
            if found is None:
                raise self._lost()
            landing = found
            v, weight = self._at(landing.nu)
            return float(self.rows[sample] @ v) / goal - 1.0 if enters else float(self._speed(weight)[position])

        start = float(np.log(self.tau))
        if signal(end) > 0.0:
            return None
        if signal(start) <= (_TIE if enters else 0.0):
            if not enters:
                return start
            # one that has just left has a margin of tau, to rounding: it may move away first and fall behind later
            later = (start + (end - start) * 0.5**k for k in range(1, 12))
            start = next((point for point in later if signal(point) > _BEHIND), start)
            if start == float(np.log(self.tau)):
                return start
        return float(brentq(signal, start, end, xtol=1e-13, rtol=1e-13))


def _least_distance(rows: Vector) -> Vector:
    """Multipliers of ``min |u|^2 s.t. rows u >= 1``, by nonnegative least squares (Lawson and Hanson, ch. 23)."""
    size = np.linalg.norm(rows, axis=1)
    least = float(size.min())
    R = np.linalg.qr((rows / size[:, None]).T, mode="r")  # the columns of which have the same inner products
    stacked = np.vstack([R, least / size])
    target = np.zeros(len(stacked))
    target[-1] = 1.0
    z = nnls(stacked, target)[0]
    return np.asarray(z / (size * least * (1.0 - float(stacked[-1] @ z))))
