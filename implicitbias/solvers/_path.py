"""End points at many scales of initialization in one sweep, from the kernel end to the rich end."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._result import Result
from ..problems import Interpolation
from ..regularizer import L1, L2, Q
from . import _norms
from ._dual_newton import Sweep
from ._options import check_lengths, check_options
from ._solution_path import PER_DECADE, RICH, RICH_EXCESS, SolutionPath, stacked
from ._standard_form import StandardForm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Vector = NDArray[np.float64]

__all__ = ["InterpolationPath", "interpolation_path", "limits"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class InterpolationPath(SolutionPath):
    """End points of training at several scales of initialization, in the order they were asked for.

    Attributes
    ----------
    alphas
        The scales as they were given.
    log_alpha
        Their natural logarithms, ``(k,)``.
    beta
        Predictors, ``(k, d)``.
    dual
        Multipliers, ``(k, N)``.
    value
        Q at each end point, ``(k,)``.
    status
        How each ended.
    residuals
        Optimality residuals of each, arrays ``(k,)`` by name.
    iterations
        Newton steps of the whole sweep.
    seconds
        Wall-clock time of the sweep.
    """

    alphas: tuple[Any, ...]
    log_alpha: Vector

    def _summary(self) -> str:
        span = f"exp({self.log_alpha.max():.6g}) to exp({self.log_alpha.min():.6g})"
        return f"{len(self)} values of alpha from {span}"

    @functools.cached_property
    def l1_excess(self) -> Vector:
        """``||beta||_1 / min ||beta||_1 - 1`` at each point, ``(k,)``; weighted as the rich limit is."""
        form = StandardForm(self.problem)
        # where a linear programming solver has to decide, its own tolerance is 1e-7
        least = _norms.minimum_l1(form.problem, self.limits[0], tol=1e-7).raise_for_status()
        return self._excess(self.limits[0], form.original(least, self.limits[0]).value)

    @functools.cached_property
    def l2_excess(self) -> Vector:
        """``||beta||_2^2 / min ||beta||_2^2 - 1`` at each point, ``(k,)``; weighted as the kernel limit is."""
        form = StandardForm(self.problem)
        least = _norms.minimum_l2(form.problem, self.limits[1], tol=1e-9).raise_for_status()
        return self._excess(self.limits[1], form.original(least, self.limits[1]).value)


def interpolation_path(
    X: Any,
    y: ArrayLike,
    alphas: Sequence[Any] | None = None,
    D: Any = 2,
    w0: ArrayLike | None = None,
    *,
    tol: float = 1e-12,
    max_iterations: int = 10000,
    throw: bool = True,
) -> InterpolationPath:
    """End points of training for many scales of initialization: ``argmin Q(alpha, D, w0) s.t. X beta = y``.

    The scales are visited from the largest down, each solution predicting the next, so that all of them together
    cost little more than the smallest alone.

    Parameters
    ----------
    X, y
        As for :func:`implicitbias.interpolate`.
    alphas
        Scales of initialization in any order, each as :class:`implicitbias.Q` takes it; or None for a grid that
        starts where the end point is that of least l2 norm and goes on until its l1 norm is within 1e-3 of the
        least, or alpha^D is 1e-26 of beta.
    D, w0
        Depth and shape of the initialization.
    tol, max_iterations, throw
        As for :func:`implicitbias.interpolate`; the limit counts the steps of the whole sweep.

    Returns
    -------
    InterpolationPath
        One entry per scale, in the order given.

    Raises
    ------
    InfeasibleError
        If no predictor fits the data.
    ConvergenceError
        If a point does not reach the tolerance and `throw` is set; its ``result`` holds the whole path.
    TypeError, ValueError
        If an argument is invalid.
    """
    started = time.perf_counter()
    prototype = Q(1.0, D, w0)
    check_options(prototype, None, tol, max_iterations)
    problem = Interpolation(X, y)
    check_lengths(problem, prototype)
    form = StandardForm(problem)
    original, prototype = prototype, form.regularizer(prototype)
    sweep = Sweep(form.problem, prototype, tol=tol, max_iterations=max_iterations)
    given: tuple[Any, ...]
    rich, kernel = limits(prototype)
    if alphas is None:
        results = _adaptive(sweep, form, prototype, rich)
        k = float(prototype.homogeneity)
        shift = form.exponent * np.log(2.0) / k  # the units of the predictor are those of alpha^k
        results = [
            (value + shift, form.original(result, original.at_log_alpha(value + shift)))
            for value, result in results
        ]
        given = tuple(float(np.exp(value)) for value, _ in results)
    else:
        if isinstance(alphas, str) or not np.iterable(alphas):
            raise TypeError(f"alphas must be a sequence of scales or None, got {alphas!r}")
        given = tuple(alphas)
        if not given:
            raise ValueError("alphas must hold at least one scale, got none")
        regularizers = [Q(alpha, D, w0) for alpha in given]
        order = sorted(range(len(given)), key=lambda i: -regularizers[i].log_alpha)
        found = {}
        for i in order:
            reg = regularizers[i]
            result = sweep.visit(form.regularizer(reg), polish=False)
            found[i] = reg.log_alpha, form.original(result, reg)
        results = [found[i] for i in range(len(given))]
    path = InterpolationPath(
        alphas=given,
        log_alpha=np.array([log_alpha for log_alpha, _ in results]),
        **stacked([result for _, result in results]),
        iterations=sweep.counter.used,
        seconds=time.perf_counter() - started,
        problem=problem,
        limits=(rich, kernel),
    )
    return path._raise_for_status("alpha", given) if throw else path


def limits(reg: Q) -> tuple[L1, L2]:
    """The norms that the end points minimize as alpha goes to 0 and to infinity."""
    k = float(reg.homogeneity)
    if reg.w0 is None:
        return L1(), L2()
    return L1() if k == 2.0 else L1(reg.w0 ** (2.0 - k)), L2(reg.w0 ** (2.0 - 2.0 * k))


def _adaptive(sweep: Sweep, form: StandardForm, prototype: Q, rich: L1) -> list[tuple[float, Result]]:
    """End points from the kernel end down, until the l1 norm is nearly the least possible."""
    k = float(prototype.homogeneity)
    step = np.log(10.0) / (PER_DECADE * k)
    kernel = sweep.top.log_alpha
    if kernel == -np.inf:  # y = 0: every scale ends where it starts
        return [(0.0, sweep.visit(prototype.at_log_alpha(0.0), polish=False))]
    least = _norms.minimum_l1(form.problem, rich, tol=1e-9).value
    log_alpha = kernel + 2.0 * PER_DECADE * step
    results: list[tuple[float, Result]] = []
    while True:
        result = sweep.visit(prototype.at_log_alpha(log_alpha), polish=False)
        results.append((log_alpha, result))
        arrived = float(rich(result.beta)) <= (1.0 + RICH_EXCESS) * least
        if not result.success or (log_alpha < kernel and (arrived or (kernel - log_alpha) * k > RICH)):
            return results
        log_alpha -= step
