"""Max-margin predictors from the l2 to the l1 end, with the places where support vectors change."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._result import Result
from ...problems import Margins
from ...regularizer import L1, Q
from ...regularizer._scale import Scale, working_context
from .._options import check_lengths, check_margin_options
from .._path import limits
from .._solution_path import PER_DECADE, RICH, RICH_EXCESS, SolutionPath, stacked
from ._kinks import Kink, find_kinks
from ._sweep import MarginSweep, minimum_l2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from .._continuation import State

    Vector = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["MarginPath", "max_margin_path"]

_NARROW = 1e-11
"""Width of the bracket of a kink, relative to the larger of ``log mu`` and 1."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class MarginPath(SolutionPath):
    """Max-margin predictors at several mu, in the order they were asked for.

    Attributes
    ----------
    mus
        The values as they were given.
    log_mu
        Their natural logarithms, ``(k,)``.
    beta
        Predictors, ``(k, d)``.
    dual
        Multipliers, ``(k, N)``.
    support
        Which samples are support vectors, ``(k, N)``.
    value
        Q at each point, ``(k,)``.
    status
        How each ended.
    residuals
        Optimality residuals of each, arrays ``(k,)`` by name.
    kinks
        Changes of the support vectors between the largest and the smallest mu, from the largest down.
    iterations
        Newton steps of the whole sweep.
    seconds
        Wall-clock time of the sweep.
    """

    mus: tuple[Any, ...]
    log_mu: Vector
    support: NDArray[np.bool_]
    kinks: tuple[Kink, ...]

    def _summary(self) -> str:
        span = f"exp({self.log_mu.max():.6g}) to exp({self.log_mu.min():.6g})"
        return f"{len(self)} values of mu from {span}, {len(self.kinks)} kinks"

    @property
    def direction(self) -> NDArray[np.float64]:
        """``beta / ||beta||_2``, ``(k, d)``."""
        largest = np.abs(self.beta).max(axis=1, keepdims=True)
        return np.asarray(self.beta / largest / np.linalg.norm(self.beta / largest, axis=1, keepdims=True))

    @functools.cached_property
    def l1_excess(self) -> Vector:
        """``||beta||_1`` over the least with these margins, less 1, ``(k,)``; weighted as the rich limit is."""
        from ._l1 import minimum_l1

        least = minimum_l1(self.problem, self.limits[0]).raise_for_status()
        return self._excess(self.limits[0], least.value)

    @functools.cached_property
    def l2_excess(self) -> Vector:
        """``||beta||_2^2`` over the least with these margins, less 1, ``(k,)``; weighted as the kernel limit is."""
        least = minimum_l2(self.problem, self.limits[1], tol=1e-9, max_iterations=2000).raise_for_status()
        return self._excess(self.limits[1], least.value)


def max_margin_path(
    X: ArrayLike,
    y: ArrayLike,
    mus: Sequence[Any] | None = None,
    D: Any = 2,
    w0: ArrayLike | None = None,
    *,
    tol: float = 1e-12,
    max_iterations: int = 10000,
    throw: bool = True,
) -> MarginPath:
    """Predictors ``argmin Q_mu s.t. y_n <x_n, beta> >= 1`` for many mu, from the l2 to the l1 max-margin predictor.

    ``Q_mu = Q(mu^{1/D}, D, w0)``. The values are visited from the largest down, each solution predicting the
    next. Between any two the changes of the support vectors are located, to some 1e-12 of ``log mu``: where the
    multiplier of a support vector reaches zero or the margin of another sample reaches 1. Samples that
    leave and come back within a tenth of the way from the l2 end, or within a factor e of mu, may go unseen.

    Parameters
    ----------
    X, y
        As for :func:`implicitbias.max_margin`.
    mus
        Values of mu in any order: floats, decimal strings or mpmath numbers; or None for a grid that starts where
        the predictor is that of least l2 norm and goes on until its l1 norm is within 1e-3 of the least and its
        support vectors are those of the l1 max-margin predictor, or mu is 1e-26 of beta.
    D, w0
        Depth and shape of the initialization.
    tol, max_iterations, throw
        As for :func:`implicitbias.max_margin`; the limit counts the steps of the whole sweep.

    Returns
    -------
    MarginPath
        One entry for each mu, in the order given, and the kinks.

    Raises
    ------
    NotSeparableError
        If no predictor has all margins positive.
    ConvergenceError
        If a point does not reach the tolerance and `throw` is set; its ``result`` holds the whole path.
    TypeError, ValueError
        If an argument is invalid.

    Notes
    -----
    Moroshko et al. (2020), section 4: the path that gradient flow on the exponential loss follows, at
    ``mu = alpha^D / gamma~``, as long as support vectors are stable.
    """
    started = time.perf_counter()
    prototype = Q(1.0, D, w0)
    check_margin_options(prototype, None, tol, max_iterations)
    problem = Margins(X, y)
    check_lengths(problem, prototype)
    logs = None if mus is None else _logarithms(mus)
    sweep = MarginSweep(problem, prototype, tol=tol, max_iterations=max_iterations)
    walk = _Walk(sweep, prototype)
    rich, kernel = limits(prototype)
    if mus is None or logs is None:
        log_mu = _adaptive(walk, rich)
        order = list(range(len(log_mu)))
        given: tuple[Any, ...] = tuple(_number(v) for v in log_mu)
    else:
        given, log_mu = tuple(mus), logs
        order = sorted(range(len(logs)), key=lambda i: -log_mu[i])
        for i in order:
            walk.to(log_mu[i])
    results = [walk.results[order.index(i)] for i in range(len(order))]
    path = MarginPath(
        mus=given,
        log_mu=np.array([float(v) for v in log_mu]),
        **stacked(results),
        support=np.stack([r.info["support"] for r in results]),
        kinks=tuple(walk.kinks),
        iterations=sweep.counter.used,
        seconds=time.perf_counter() - started,
        problem=problem,
        limits=(rich, kernel),
    )
    return path._raise_for_status("mu", given) if throw else path


class _Walk:
    """Solutions at falling mu, and the kinks between them."""

    def __init__(self, sweep: MarginSweep, prototype: Q) -> None:
        self.sweep, self.prototype = sweep, prototype
        self.results: list[Result] = []
        self.kinks: list[Kink] = []
        self._before: tuple[float, State, NDArray[np.bool_]] | None = None

    def at(self, log_mu: Any) -> Q:
        """The regularizer at a logarithm of mu."""
        k = self.prototype.homogeneity
        scale = log_mu / float(k) if isinstance(log_mu, float) else log_mu / working_context().mpf(float(k))
        return self.prototype.at_log_alpha(scale)

    def to(self, log_mu: Any) -> Result:
        """Visit the next mu, which is not larger than the last."""
        result = self.sweep.visit(self.at(log_mu))
        self.results.append(result)
        if not result.success:
            return result
        samples = self.sweep.form.samples
        support, here = result.info["support"][samples], float(log_mu)
        if self._before is not None:
            self.kinks += [
                Kink(_number(where), where, int(samples[row]), change)
                for where, row, change in self._changes(self._before, (here, support))
            ]
        self._before = here, self.sweep.last, support
        return result

    def _changes(self, start: tuple[float, State, Mask], end: tuple[float, Mask]) -> list[tuple[float, int, str]]:
        inner = self.sweep.form.regularizer
        found = list(find_kinks(self.sweep, lambda v: inner(self.at(v)), start, end))
        reached = start[2].copy()
        for _, row, change in found:
            reached[row] = change == "enters"
        if not np.array_equal(reached, end[1]):  # on the way a support had no solution of its own
            last = self.sweep.last
            found = self._bisected(start, end)
            self.sweep.resume(last)
        return found

    def _bisected(self, start: tuple[float, State, Mask], end: tuple[float, Mask]) -> list[tuple[float, int, str]]:
        """The changes by solving in between, until no more than one place is left for each."""
        if np.array_equal(start[2], end[1]):
            return []
        middle = 0.5 * (start[0] + end[0])
        if start[0] - end[0] > _NARROW * max(1.0, abs(middle)):
            self.sweep.resume(start[1])
            result = self.sweep.visit(self.at(middle))
            if result.success:
                support = result.info["support"][self.sweep.form.samples]
                between = middle, self.sweep.last, support
                return self._bisected(start, (middle, support)) + self._bisected(between, end)
        rows = np.flatnonzero(start[2] != end[1])
        return [(middle, int(row), "enters" if end[1][row] else "leaves") for row in rows]


def _adaptive(walk: _Walk, rich: L1) -> list[float]:
    """Visit a grid from the kernel end down, until the predictor is nearly that of least l1 norm."""
    from ._l1 import minimum_l1

    k = float(walk.prototype.homogeneity)
    exponent = walk.sweep.form.exponent * np.log(2.0)  # the units of the sweep
    top = walk.sweep.top * k + exponent
    end = minimum_l1(walk.sweep.problem, rich).raise_for_status()
    samples = walk.sweep.form.samples
    step = np.log(10.0) / PER_DECADE
    log_mu, visited = top + 2.0 * PER_DECADE * step, []
    while True:
        result = walk.to(float(log_mu))
        visited.append(float(log_mu))
        near = float(rich(result.beta)) <= (1.0 + RICH_EXCESS) * end.value
        # a support vector may leave long after the norm has settled
        arrived = near and np.array_equal(result.info["support"][samples], end.info["support"][samples])
        if not result.success or (log_mu < top and (arrived or top - log_mu > RICH)):
            return visited
        log_mu -= step


def _logarithms(mus: Any) -> list[Any]:
    """Natural logarithms of the values, as mpmath numbers."""
    if isinstance(mus, str) or not np.iterable(mus):
        raise TypeError(f"mus must be a sequence of positive numbers or None, got {mus!r}")
    ctx = working_context()
    logs = [Scale(float(mu) if isinstance(mu, np.floating) else mu, name="mu").log(ctx) for mu in mus]
    if not logs:
        raise ValueError("mus must hold at least one value, got none")
    return logs


def _number(log_value: float) -> Any:
    """``exp(log_value)``: a float, or an mpmath number where that is beyond its range."""
    if abs(log_value) < 700.0:
        return float(np.exp(log_value))
    import mpmath

    return mpmath.exp(log_value)
