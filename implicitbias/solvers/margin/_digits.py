"""Max-margin predictors to any number of digits: interpolation on the support, all signs proven."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np

from ..._result import InfeasibleError, Result, Status
from ...problems import Interpolation
from ..digits import refine
from ..digits._refine import remainders

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...problems import Margins
    from ...regularizer import L2, Q, R

__all__ = ["refine_margins"]

_CORRECTIONS = 20
"""Changes of the support, found in float64, that are tried."""


def refine_margins(problem: Margins, reg: Q | R | L2, start: Result, digits: int) -> Result:
    """Solve ``argmin reg(beta) s.t. y_n <x_n, beta> >= 1`` to `digits` decimal digits, from a solution in float64.

    Parameters
    ----------
    problem
        Data; the entries of X count as the exact binary numbers they are.
    reg
        `Q`, `R` at depth 2, or `L2`.
    start
        A solution in float64, with ``info["support"]``.
    digits
        Correct digits wanted of every coordinate of beta.

    Returns
    -------
    Result
        As from :func:`implicitbias.solvers.digits.refine`, ``dual (N,)`` over all samples. Every multiplier of the
        support is positive, and every other margin is at least 1 to within the error bound, which ``info["tied"]``,
        ``(N,)``, marks: samples off the support whose margin cannot be told from 1.
    """
    A, N = problem.signed, problem.shape[0]
    support = np.array(start.info["support"])
    beta, nu = np.asarray(start.beta), np.asarray(start.dual)
    iterations = start.iterations
    found = start
    for _ in range(_CORRECTIONS):
        rows = np.flatnonzero(support)
        equality = Interpolation(A[rows], np.ones(len(rows)))
        try:
            found = refine(equality, reg, replace(start, beta=beta, dual=nu[rows]), digits)
        except InfeasibleError:  # a sample too many
            return _stalled(start, iterations)
        iterations += found.iterations
        if not found.success:
            break
        signs = np.array([mpmath.sign(v) for v in found.dual], dtype=np.float64)
        if (signs <= 0.0).any():
            support[rows[signs <= 0.0]] = False
            continue
        gaps, errors = _excess(A, found)
        short = [not support[n] and gaps[n] < -errors[n] for n in range(N)]
        if not any(short):
            return _complete(found, support, gaps, errors, iterations)
        worst = min((n for n in range(N) if short[n]), key=lambda n: gaps[n])
        support[worst] = True
        beta, nu = np.asarray(found.beta, dtype=np.float64), np.zeros(N)
        nu[rows] = np.asarray(found.dual, dtype=np.float64)
    return _stalled(start, iterations)


def _excess(A: NDArray[np.float64], found: Result) -> tuple[list[Any], list[Any]]:
    """``m_n - 1`` and a bound of its error, of every sample."""
    ctx = mpmath.mp.clone()
    ctx.dps = 2 * found.info["digits"] + 20 if mpmath.isfinite(found.info["digits"]) else 40
    beta = [ctx.make_mpf(v._mpf_) for v in found.beta]
    error = ctx.make_mpf(found.info["error_bound"]._mpf_) * max(map(abs, beta))
    gaps = [-left for left in remainders(ctx, A, np.ones(len(A)), beta)]
    errors = [2 * error * ctx.fsum(map(abs, row)) for row in A.tolist()]
    return gaps, errors


def _complete(
    found: Result, support: NDArray[np.bool_], gaps: list[Any], errors: list[Any], iterations: int
) -> Result:
    dual = np.array([mpmath.mpf(0)] * len(support), dtype=object)
    dual[support] = found.dual
    tied = ~support & np.array([gap <= error for gap, error in zip(gaps, errors, strict=True)])
    shortfall = float(max(0, *(-gap for gap in gaps)))
    info = {**found.info, "support": support, "tied": tied}
    return replace(found, dual=dual, residuals={"primal": shortfall}, iterations=iterations, info=info)


def _stalled(start: Result, iterations: int) -> Result:
    """The result in float64, and no digits."""
    info = {**start.info, "digits": 0}
    return replace(start, status=Status.STALLED, iterations=iterations, info=info)
