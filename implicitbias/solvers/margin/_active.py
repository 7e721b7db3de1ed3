"""From a nearly optimal set of support vectors to the right one, with the interpolation engines.

On a set S of samples the predictor with ``A_S beta = t_S`` is the max-margin one if its multipliers are nonnegative
and no other margin falls short. Otherwise S is corrected as Lawson and Hanson correct it for least squares: towards
the multipliers of S as far as the signs allow, dropping the samples that stop there, and, once all are positive,
taking in the sample that falls shortest. The dual value rises each time, so no set comes twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import qr

from ..._result import InfeasibleError, Status
from ...problems import Interpolation
from ...regularizer import L2, Q, R
from .. import _norms
from .._continuation import State
from .._dual_newton import Sweep
from .._standard_form import StandardForm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Samples = NDArray[np.intp]

__all__ = ["Fit", "fit_exactly", "independent_support", "optimal_support"]

_CORRECTIONS = 200
"""Changes of the support that are tried."""
_DEPENDENT = 1e-12
"""Relative size of what a row adds to the span of others that is rounding."""
_ROUNDING = 4e-16
"""Rounding error of a margin, relative to the sum of the sizes of its terms."""


class Fit(NamedTuple):
    """Predictor that meets some targets with equality, and its multipliers over all samples."""

    beta: Vector
    nu: Vector
    status: Status
    iterations: int


def fit_exactly(
    A: Matrix,
    targets: Vector,
    reg: Q | R | L2,
    samples: Samples,
    *,
    tol: float,
    limit: int,
    near: State | None = None,
) -> Fit | None:
    """``argmin reg(beta) s.t. A_S beta = t_S`` for S = `samples`; None if there is no such beta.

    `near` is a nearly solved state at the same or a larger alpha, over all samples.
    """
    problem = Interpolation(A[samples], targets[samples])
    form = StandardForm(problem, reg)
    try:
        if isinstance(reg, L2):
            found = _norms.minimum_l2(form.problem, reg, tol=tol)
        else:
            inner = form.regularizer(reg)
            sweep = Sweep(form.problem, inner, tol=tol, max_iterations=limit)
            if near is not None and form.problem is problem:
                sweep.resume(State(near.log_alpha, near.beta, near.nu[samples]))
            found = sweep.visit(inner)
    except InfeasibleError:
        return None
    found = form.original(found, reg)
    nu = np.zeros(len(targets))
    nu[samples] = found.dual
    return Fit(found.beta, nu, found.status, found.iterations)


def optimal_support(
    A: Matrix,
    targets: Vector,
    reg: Q | R | L2,
    near: State,
    *,
    tol: float,
    limit: int,
    corrections: int = _CORRECTIONS,
) -> Fit | None:
    """The max-margin predictor from a nearby dual point that is feasible; None if that leads nowhere.

    The fit is returned whether or not it has passed; the judge has the last word.
    """
    start, nu = near, np.maximum(near.nu, 0.0)
    support = nu > 0.0
    used, best, shortest = 0, None, np.inf
    for _ in range(corrections):
        support, nu = independent_support(A, support, nu)
        samples = np.flatnonzero(support)
        if not samples.size:  # multipliers below the range of floats
            return best
        fit = fit_exactly(A, targets, reg, samples, tol=tol, limit=limit - used, near=start)
        if fit is not None and not fit.status.success and start is not None:
            used += fit.iterations
            again = fit_exactly(A, targets, reg, samples, tol=tol, limit=limit - used)
            fit = again if again is not None and again.status.success else fit
        if fit is None:
            return best
        used += fit.iterations
        wrong = support & (fit.nu <= 0.0)
        if wrong.any() and (nu[wrong] > 0.0).any():
            # as far as the signs allow; what stops there leaves
            falls = wrong & (nu > 0.0)
            lengths = nu[falls] / (nu[falls] - fit.nu[falls])
            length = float(lengths.min())
            nu = np.where(support, nu + length * (fit.nu - nu), 0.0)
            nu[np.flatnonzero(falls)[lengths <= length]] = 0.0
            support = support & (nu > 0.0)
            start = State(near.log_alpha, fit.beta, fit.nu) if fit.status.success else start
            continue
        if wrong.any():  # taken in, and yet without gain: rounding
            support = support & ~wrong
            nu = np.where(support, nu, 0.0)
            continue
        shortfall = (targets - A @ fit.beta) / targets
        rounding = _ROUNDING * (np.abs(A) @ np.abs(fit.beta)) / targets
        shortfall[support] = 0.0
        worst = int(np.argmax(shortfall - rounding))
        short = max(float(shortfall[worst]), 0.0)
        if fit.status.success and short < shortest:
            best, shortest = fit._replace(iterations=used), short
        if best is None:
            best = fit._replace(iterations=used)
        if shortfall[worst] <= max(0.5 * tol, rounding[worst]) or used >= limit:
            return best
        nu = fit.nu
        support = support.copy()
        support[worst] = True
        if fit.status.success:
            start = State(near.log_alpha, fit.beta, fit.nu)
    return best


def independent_support(A: Matrix, support: Mask, nu: Vector) -> tuple[Mask, Vector]:
    """Multipliers with the same ``A^T nu`` on independent samples only, where those of `support` are not.

    Carathéodory's argument: along a combination of rows that vanishes, one multiplier after another reaches zero.
    """
    samples = np.flatnonzero(support)
    nu = nu.copy()
    while len(samples) > 1:
        rows = A[samples]
        size = np.linalg.norm(rows, axis=1)
        triangle, order = qr(rows.T / size, mode="r", pivoting=True)
        diagonal = np.abs(np.diagonal(triangle))
        rank = int(np.count_nonzero(diagonal > _DEPENDENT * diagonal[0]))
        if rank == len(samples):
            break
        # the first row that depends on those before it
        combination = np.zeros(len(samples))
        combination[order[:rank]] = np.linalg.solve(triangle[:rank, :rank], triangle[:rank, rank])
        combination[order[rank]] = -1.0
        combination /= size
        if not np.any(combination > 0.0):
            combination = -combination
        falls = combination > 0.0
        lengths = np.where(falls, nu[samples] / np.where(falls, combination, 1.0), np.inf)
        first = int(np.argmin(lengths))
        nu[samples] = np.maximum(nu[samples] - lengths[first] * combination, 0.0)
        nu[samples[first]] = 0.0
        samples = np.delete(samples, first)
    kept = np.zeros_like(support)
    kept[samples] = True
    return kept, nu
