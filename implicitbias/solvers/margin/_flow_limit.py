"""Where exponential-loss flow goes as its initialization grows: a sweeping process of monotone multipliers.

In the dual units of :class:`implicitbias.Q` the flow is ``d nu / d s = p``, ``p = softmax(-m)``, with margins
``m = A w`` and ``grad Q(w) = A^T nu``: no multiplier ever falls. With ``v = w/alpha^D`` and ``alpha^D -> inf`` the
weights ``p`` live on the smallest margins alone, and in the clock ``tau = min_n (A v)_n``

``grad Q_1(v) = A^T nu,  A v >= tau,  nu' >= 0,  nu_n' ((A v)_n - tau) = 0``.

Between events the samples that move are fixed, their margins are all tau, and the multipliers of the others rest:
the state at any tau up to the next event solves one system of equations, whatever the steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.optimize import brentq, nnls

from ..._result import ConvergenceError, NotSeparableError
from ...problems import Margins
from ...regularizer import Q
from .._level_curve import LevelCurve
from .._options import check_lengths
from ._bounded import solve_bounded
from ._flow_way import Way
from ._form import distinct_rows
from ._kernel_end import kernel_end

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ._flow_way import Landing

    Vector = NDArray[np.float64]

__all__ = ["FlowEvent", "FlowLimit", "flow_limit"]

_START = 1e-3
"""Size of the largest coordinate of v where following begins: nearly linear, yet its curvature is well resolved."""
_LINEAR = 1e-100
"""Size of v up to which it is proportional to tau, and so is nu."""
_STEP = 0.5
"""Longest step in log tau."""
_SURE = 0.02
"""Step in log tau within which nothing is looked for that falls and rises again."""
_TIE = 1e-9
"""How near to tau, relatively, a margin counts as equal to it."""
_BEHIND = 1e-12
"""Relative size of a margin above tau, and of a rate, that is rounding."""


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
        the support vectors are linearly dependent they are one choice of several, of equal samples all of it on the
        first; beta is unique all the same. At D > 2 the gradient tends to 1 or -1, and beta has digits that these
        multipliers do not tell.
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
        If mu is so small that the predictor ``w/alpha^D``, of the order of ``1/mu``, or its derivative by the dual
        variable leaves the range of floats: for data of order one, below some 1e-260 at D = 2, 1e-230 at D = 3,
        1e-150 at any D.

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
    try:
        grid = np.atleast_1d(np.asarray(mus, dtype=np.float64))
    except (TypeError, ValueError):
        raise TypeError(f"mus must be positive finite numbers of shape (k,), got {mus!r}") from None
    if grid.ndim != 1 or grid.size == 0 or not (np.isfinite(grid) & (grid > 0.0)).all():
        raise ValueError(f"mus must be positive finite numbers of shape (k,), got {mus!r}")
    N, d = problem.shape
    beta, dual, support = np.empty((grid.size, d)), np.zeros((grid.size, N)), np.empty((grid.size, N), dtype=bool)
    reg = Q(1, D, w0)
    check_lengths(problem, reg)
    samples, equal_to = distinct_rows(problem.signed)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        follower = _follower(problem.signed, samples, reg)
        for index in np.argsort(-grid):
            tau = 1.0 / grid[index]
            reached = max(tau, follower.linear)
            way = follower.advance(reached)
            beta[index], dual[index, samples], least = follower.state(way)
            dual[index] *= tau / reached
            support[index] = least[equal_to]
    events = tuple(replace(event, sample=int(samples[event.sample])) for event in follower.events)
    return FlowLimit(grid, beta, dual, support, events)


def _follower(signed: Vector, samples: NDArray[np.intp], reg: Q) -> _Follower:
    """Of distinct samples; what proves that these cannot be separated is a proof for all."""
    try:
        return _Follower(signed[samples], reg)
    except NotSeparableError as error:
        certificate = np.zeros(len(signed))
        certificate[samples] = error.certificate
        raise NotSeparableError(str(error), certificate) from None


class _Follower:
    """State of the limit process, moved on in tau."""

    def __init__(self, rows: Vector, reg: Q) -> None:
        self.unit = float(np.exp2(np.floor(np.log2(np.abs(rows).max()))))
        self.rows, self.reg = rows / self.unit, reg
        self.events: list[FlowEvent] = []
        self.kernel_weights = LevelCurve(reg)(np.zeros(rows.shape[1]))[1] * np.ones(rows.shape[1])
        self.kernel, _ = kernel_end(self.rows, np.ones(len(rows)), 1.0 / self.kernel_weights)
        self.linear = _LINEAR * self.unit / float(np.max(np.abs(self.kernel)))
        self.way: Way | None = None

    def state(self, way: Way) -> tuple[Vector, Vector, NDArray[np.bool_]]:
        """``(beta, nu, support)`` now."""
        least = (way.present.excess.min() + 1.0) * way.tau
        return way.present.v / (least * self.unit), way.nu / self.unit, way.present.excess <= _TIE

    def advance(self, tau: float) -> Way:
        """Move on to `tau`."""
        tau = tau / self.unit
        if self.way is None:
            self.way = self._begin(min(tau, _START / float(np.max(np.abs(self.kernel)))))
        way = self.way
        length, in_place = _STEP, 0
        while way.tau < tau:
            goal = min(tau, way.tau * float(np.exp(length)))
            landing = way.land(goal)
            dips = landing is not None and length > _SURE and way.dips(landing)
            if landing is None or dips:
                length *= 0.5
                if length < 1e-6:
                    raise self._lost(way)
                continue
            crossings = self._crossings(way, landing)
            if crossings:
                before = way.tau
                self._meet(way, crossings, landing)
                in_place = in_place + 1 if way.tau == before else 0
                if in_place > 2 * len(self.rows):
                    raise self._lost(way)
            else:
                way.accept(landing)
                in_place, length = 0, min(_STEP, 2.0 * length)
        return way

    def _lost(self, way: Way) -> ConvergenceError:
        return ConvergenceError(
            f"float64 does not resolve the limit of the flow below mu = {1.0 / (way.tau * self.unit):.3g}; "
            "larger mus can be had"
        )

    def _begin(self, tau: float) -> Way:
        """Start at a tau where v is small: there it minimizes Q, as no multiplier has had cause to fall."""
        sides = np.full(len(self.rows), tau)
        start = kernel_end(self.rows, sides, 1.0 / self.kernel_weights)[1]
        way = Way(self.rows, self.reg, solve_bounded(self.rows, sides, self.reg, start=start).nu, tau)
        landing = way.land(tau)
        if landing is None:
            raise self._lost(way)
        way.accept(landing)
        return way

    # ---- events ----

    def _crossings(self, way: Way, landing: Landing) -> list[tuple[int, bool]]:
        """Samples that enter (True) or leave (False) before a landing, in about this order."""
        behind = landing.lags()
        behind[way.moving] = False
        entering, leaving = np.flatnonzero(behind), np.flatnonzero(landing.speed < 0.0)
        start = np.maximum(np.append(way.present.excess[entering], way.present.speed[leaving]), 0.0)
        end = np.append(landing.excess[entering], landing.speed[leaving])
        found = [(int(n), True) for n in entering] + [(int(n), False) for n in way.moving[leaving]]
        return [found[i] for i in np.argsort(start / (start - end), kind="stable")]

    def _meet(self, way: Way, crossings: list[tuple[int, bool]], landing: Landing) -> None:
        """Go to the first of the crossings and choose anew who moves."""
        sample, enters = crossings[0]
        for crossing in crossings:
            root = self._root(way, *crossing, landing)
            if root is not None:
                landing, (sample, enters) = root, crossing
        if landing is not way.present:
            way.accept(landing)
        tied = way.present.excess <= _TIE
        tied[way.moving] = True
        # who leaves has a rate of zero, of whatever sign that comes out
        tied[sample] = enters
        candidates = np.flatnonzero(tied)
        rate = _least_distance(np.sqrt(way.present.weight / way.present.weight.max()) * self.rows[candidates])
        if rate is None:
            raise self._lost(way)
        moves = rate > _BEHIND * rate.max()
        # a rate of zero that must rise, or the margin falls behind
        moves |= enters & (candidates == sample)
        before, after = set(way.moving.tolist()), set(candidates[moves].tolist())
        way.choose(candidates[moves])
        mu = 1.0 / (way.tau * self.unit)
        self.events += [FlowEvent(mu, n, "enters") for n in sorted(after - before)]
        self.events += [FlowEvent(mu, n, "leaves") for n in sorted(before - after)]

    def _root(self, way: Way, sample: int, enters: bool, end: Landing) -> Landing | None:
        """Where a crossing between now and `end` is; None if it comes later."""
        position = int(np.searchsorted(way.moving, sample))
        far = float(np.log(end.tau / way.tau))

        def at(x: float) -> Landing:
            if x in (0.0, far):
                return way.present if x == 0.0 else end
            found = way.land(way.tau * float(np.exp(x)))
            if found is None:
                raise self._lost(way)
            return found

        def signal(x: float) -> float:
            return float(at(x).excess[sample] if enters else at(x).speed[position])

        start = 0.0
        if far == 0.0 or signal(far) > 0.0:
            return None
        if signal(start) <= (_TIE if enters else 0.0):
            if not enters:
                return way.present
            # one that has just left has a margin of tau, to rounding: it may move away first and fall behind later
            later = (far * 0.5**k for k in range(1, 12))
            start = next((x for x in later if signal(x) > _BEHIND), start)
            if start == 0.0:
                return way.present
        return at(float(brentq(signal, start, far, xtol=1e-13, rtol=1e-13)))


def _least_distance(rows: Vector) -> Vector | None:
    """Multipliers of ``min |u|^2 s.t. rows u >= 1``, by nonnegative least squares (Lawson and Hanson, ch. 23).

    None where rounding has left no rows, or rows of zeros.
    """
    size = np.linalg.norm(rows, axis=1)
    least = float(size.min(initial=np.inf))
    if not (
        0.0 < least < np.inf
    ):  # nnls must not see a matrix without columns: in SciPy 1.17 the process ends there
        return None
    R = np.linalg.qr((rows / size[:, None]).T, mode="r")  # the columns of which have the same inner products
    stacked = np.vstack([R, least / size])
    target = np.zeros(len(stacked))
    target[-1] = 1.0
    z = nnls(stacked, target)[0]
    rate = z / (size * least * (1.0 - float(stacked[-1] @ z)))
    return np.asarray(rate) if np.isfinite(rate).all() else None
