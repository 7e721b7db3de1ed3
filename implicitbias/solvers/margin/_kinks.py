"""Where support vectors change along the path in mu.

With the support S held fixed the predictor with ``A_S beta = t_S`` is a smooth function of ``log mu``, and so are
its multipliers and the other margins. S is right as long as the former are positive and the latter at least 1; the
first of them to fail, on the way down, is a root of one smooth function, and tells how S goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

from .._continuation import State
from ._active import Fit, fit_exactly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from ...regularizer import Q
    from ._sweep import MarginSweep

    Vector = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["Kink", "find_kinks"]

_ACCURACY = 1e-12
"""Accuracy of ``log mu``, relative to the larger of it and 1."""
_FAILS = 1e-11
"""Negative multiplier, relative to the largest, or shortfall of a margin, that is more than rounding."""
_ABOVE, _AT_LEAST, _SHARE = 4.0, 1.0, 0.1
"""Stretches of ``log mu``: above the kernel end, at least, and as a share of the distance from there."""
_LIMIT = 2000
"""Newton steps for one solution on a fixed support."""


class Kink(NamedTuple):
    """A change of the support vectors, as mu falls.

    Attributes
    ----------
    mu
        Where: a float, or an mpmath number where that is beyond its range.
    log_mu
        Its natural logarithm.
    sample
        Which sample.
    kind
        ``"enters"`` or ``"leaves"``.
    """

    mu: Any
    log_mu: float
    sample: int
    kind: str


class _Track:
    """Solutions on a fixed support, from one that is known on downwards."""

    def __init__(self, sweep: MarginSweep, at: Callable[[float], Q], state: State, log_mu: float, support: Mask):
        self.sweep, self.at, self.support = sweep, at, support
        self.state, self.log_mu = state, log_mu

    def fit(self, log_mu: float) -> Fit | None:
        samples = np.flatnonzero(self.support)
        sweep, reg = self.sweep, self.at(log_mu)
        near = State(max(self.state.log_alpha, reg.log_alpha), self.state.beta, self.state.nu)
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            fit = fit_exactly(sweep.A, sweep.targets, reg, samples, tol=sweep.tol, limit=_LIMIT, near=near)
            if fit is None or not fit.status.success:
                fit = fit_exactly(sweep.A, sweep.targets, reg, samples, tol=sweep.tol, limit=_LIMIT)
        if fit is not None:
            sweep.counter.used += fit.iterations
        return fit if fit is not None and fit.status.success else None

    def move(self, log_mu: float, fit: Fit) -> None:
        """Go on from the solution at a smaller mu."""
        self.log_mu, self.state = log_mu, State(self.at(log_mu).log_alpha, fit.beta, np.maximum(fit.nu, 0.0))

    def slack(self, fit: Fit) -> Vector:
        """What must not be negative: multipliers of the support, excess margins of the others, relative."""
        with np.errstate(under="ignore"):
            margins = (self.sweep.A @ fit.beta) / self.sweep.targets - 1.0
            return np.where(self.support, fit.nu / np.abs(fit.nu).max(), margins)


def find_kinks(
    sweep: MarginSweep, at: Callable[[float], Q], start: tuple[float, State, Mask], end: tuple[float, Mask]
) -> Iterator[tuple[float, int, str]]:
    """Changes of the support between two solutions, as ``log_mu, row, change``, from the larger mu down.

    Parameters
    ----------
    sweep
        The problem.
    at
        The regularizer, in the units of the sweep, at a logarithm of mu.
    start, end
        Logarithm of mu, (solution) and support at both ends; the start is the larger one.
    """
    track = _Track(sweep, at, start[1], start[0], start[2].copy())
    bottom, final = end
    top = sweep.top * float(sweep.reg.homogeneity) + sweep.form.exponent * np.log(2.0)
    if np.array_equal(track.support, final) and track.log_mu - bottom <= _stretch(track.log_mu, top):
        return
    for _ in range(4 * len(final) + 20):
        while True:
            low = max(bottom, track.log_mu - _stretch(track.log_mu, top))
            event, fit = _first_failure(track, low)
            if fit is None or (event is None and low == bottom):
                return
            if event is not None:
                break
            track.move(low, fit)
        where, sample = event
        for other, change in _exchange(track, sample, fit):
            track.support[other] = change == "enters"
            yield where, other, change
        track.move(where, fit)


def _stretch(log_mu: float, top: float) -> float:
    """How much of ``log mu`` is looked at at once: changes become rare with the distance from the kernel end."""
    return _ABOVE if log_mu > top else max(_AT_LEAST, _SHARE * (top - log_mu))


def _first_failure(track: _Track, low: float) -> tuple[tuple[float, int] | None, Fit | None]:
    """Where above `low`, and in which sample, the support of the track ceases to be right, and the solution there.

    None and the solution at `low` if nowhere; None and None where there is no solution.
    """
    fit, above = track.fit(low), None
    found: tuple[float, int] | None = None
    while fit is not None:
        slack = track.slack(fit)
        failing = np.flatnonzero(slack < -_FAILS)
        if found is not None:
            failing = failing[failing != found[1]]
        if not failing.size:
            return found, fit
        sample = int(failing[np.argmin(slack[failing])])
        above = above or track.fit(track.log_mu)
        if above is None:
            break
        if track.slack(above)[sample] <= 0.0:
            return (track.log_mu, sample), above  # it was about to
        root = _root(track, sample, low)
        if root is None:
            break
        found, low, fit = (root, sample), root, track.fit(root)
    return None, None


def _root(track: _Track, sample: int, low: float) -> float | None:
    def function(log_mu: float) -> float:
        fit = track.fit(log_mu)
        if fit is None:
            raise ArithmeticError
        return float(track.slack(fit)[sample])

    try:
        return float(brentq(function, low, track.log_mu, xtol=_ACCURACY, rtol=_ACCURACY))
    except ArithmeticError:
        return None


def _exchange(track: _Track, sample: int, fit: Fit) -> list[tuple[int, str]]:
    """Changes of the support where a sample fails: it leaves, or enters, in place of one if it depends on them."""
    if track.support[sample]:
        return [(sample, "leaves")]
    A = track.sweep.A
    samples = np.flatnonzero(track.support)
    combination, *_ = np.linalg.lstsq(A[samples].T, A[sample], rcond=None)
    rest = A[sample] - A[samples].T @ combination
    if np.linalg.norm(rest) > 1e-10 * np.linalg.norm(A[sample]):
        return [(sample, "enters")]
    falls = combination > 0.0
    if not falls.any():
        return [(sample, "enters")]
    lengths = np.where(falls, fit.nu[samples] / np.where(falls, combination, 1.0), np.inf)
    return [(sample, "enters"), (int(samples[np.argmin(lengths)]), "leaves")]
