"""End points to any number of digits, from those of float64, with a bound of the error.

The work is Newton's method on the dual (:mod:`._newton`) with exact data (:mod:`._linear`), on
independent samples only (:mod:`._rows`). All of it happens in a private mpmath context.
"""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np

from ..._result import Result, Status
from ...regularizer import L2, Q, R
from ._linear import ExactData, as_integers
from ._newton import GUARD, Refinement, exact
from ._rows import independent_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...problems import Interpolation
    from ...regularizer import Regularizer

__all__ = ["refine", "remainders"]


def refine(
    problem: Interpolation, reg: Regularizer, start: Result, digits: int, *, max_iterations: int = 200
) -> Result:
    """Solve ``argmin reg(beta) s.t. X beta = y`` to `digits` decimal digits, from a solution in float64.

    Parameters
    ----------
    problem
        Data; the entries of X and y count as the exact binary numbers they are.
    reg
        `Q` (with or without a reference point), `R` at depth 2, or `L2`: those whose conjugate has a convex second
        derivative.
    start
        Where to start: ``beta (d,)`` and ``dual (N,)`` in float64.
    digits
        Correct digits wanted of every coordinate of beta, at least 1.
    max_iterations
        Limit on Newton steps.

    Returns
    -------
    Result
        ``beta (d,)`` and ``dual (N,)`` are object arrays of mpmath numbers, ``value`` is one. The dual has as many
        digits as it takes to get beta from it, which may be far more than `digits`. ``residuals["primal"]`` is
        ``max|X beta - y| / max|y|`` as a float, 0 below 1e-323. In ``info``: ``digits``, to how many beta is proven
        right; ``relative_error``, a bound for every coordinate, relative to itself, except those in ``unresolved``,
        which cannot be told from zero; ``error_bound``, one for ``max|error| / max|beta|``, those included. The
        bounds are rigorous, given that the methods of `reg` are right to the working precision but for 2^8 units in
        the last place. Without success ``info["digits"]`` is below `digits`, and 0 where nothing is proven.

    Raises
    ------
    InfeasibleError
        If the data, as exact numbers, cannot be fitted.
    TypeError, ValueError
        If `reg` is of another kind, or `digits` not a positive integer.

    Notes
    -----
    The data are held as integers, which takes some 60 bytes for every entry of X. Most of the time goes into
    evaluating `reg`: about ``2 log2(digits/15) + 5`` times over all coordinates.
    """
    _check(reg, digits)
    X = problem.X if isinstance(problem.X, np.ndarray) else problem.X.toarray()
    rows = independent_rows(X, problem.y)
    ctx = mpmath.mp.clone()
    if not len(rows) or not (problem.y.any() or np.any(reg.dual_origin)):
        return _exactly(list(reg.grad_conjugate([ctx.zero] * X.shape[1])), problem, reg)
    work = Refinement(ctx, ExactData(X[rows], problem.y[rows]), reg, digits, max_iterations)
    status = work.run(np.asarray(start.beta, dtype=np.float64), _dual_of(start, rows))
    if work.bounds is None:
        return _unproven(status, start, work.iterations)
    return _proven(work, reg, X, problem.y, rows)


def _check(reg: Regularizer, digits: int) -> None:
    if not isinstance(reg, Q | L2) and not (isinstance(reg, R) and reg.homogeneity == 2):
        raise TypeError(f"digits are to be had for Q, for R at depth 2 and for L2, got reg = {reg!r}")
    if not isinstance(digits, numbers.Integral) or isinstance(digits, bool) or digits < 1:
        raise ValueError(f"digits must be a positive integer, got {digits!r}")


def _dual_of(start: Result, rows: NDArray[np.intp]) -> NDArray[np.float64] | None:
    """Multipliers to start from, where there are any of use."""
    if start.dual is None:
        return None
    dual: NDArray[np.float64] = np.asarray(start.dual, dtype=np.float64)[rows]
    return dual if np.isfinite(dual).all() and dual.any() else None


def _exactly(beta: list[Any], problem: Interpolation, reg: Regularizer) -> Result:
    """The result ``nu = 0``, without error."""
    zero = mpmath.mpf(0)
    info = {"digits": math.inf, "relative_error": zero, "error_bound": zero, "unresolved": ()}
    dual = _objects([0] * problem.shape[0])
    result = _objects(beta)
    return Result(result, Status.CONVERGED, {"primal": 0.0}, 0, dual=dual, value=reg(result), info=info)


def _objects(values: Any) -> NDArray[Any]:
    """Mpmath numbers of any context as such of the global one, digit by digit the same."""
    out = np.empty(len(values), dtype=object)
    for i, v in enumerate(values):
        out[i] = _global(v)
    return out


def _global(value: Any) -> Any:
    return mpmath.mp.make_mpf(value._mpf_) if hasattr(value, "_mpf_") else mpmath.mpf(value)


def _unproven(status: Status, start: Result, iterations: int) -> Result:
    """The result without success: what it started from, and nothing claimed."""
    info = {"digits": 0, "relative_error": mpmath.inf, "error_bound": mpmath.inf, "unresolved": ()}
    beta = _objects(np.asarray(start.beta, dtype=np.float64).tolist())
    dual = None if start.dual is None else _objects(np.asarray(start.dual, dtype=np.float64).tolist())
    value = None if start.value is None else mpmath.mpf(start.value)
    return Result(beta, status, dict(start.residuals), iterations, dual=dual, value=value, info=info)


def _proven(
    work: Refinement, reg: Any, X: NDArray[np.float64], y: NDArray[np.float64], rows: NDArray[np.intp]
) -> Result:
    """The result where the bounds hold; the samples that were left out are checked against them."""
    ctx, bounds = work.ctx, work.bounds or {}
    with ctx.workprec(work.goal + GUARD):
        beta = [+v for v in work.beta]
        value = reg(beta)
        error = bounds["error_bound"] * max(map(abs, beta))
        left = remainders(ctx, X, y, beta)
        largest = max(map(abs, left)) / (float(np.abs(y).max()) or 1)
        sizes = [ctx.fsum(map(abs, row)) for row in X.tolist() if any(row)]
        consistent = all(abs(v) <= 2 * size * error for v, size in zip(left, sizes, strict=True))
        proven = max(bounds["relative_error"], bounds["error_bound"])
        digits = int(ctx.floor(-ctx.log10(proven))) if consistent else 0
    nu = _objects([0] * len(y))
    exponents = (-work.data.row_exponents - work.bits).tolist()
    nu[rows] = _objects([exact(ctx, v, k) for v, k in zip(work.n, exponents, strict=True)])
    info = {
        "digits": digits,
        "relative_error": _global(bounds["relative_error"]),
        "error_bound": _global(bounds["error_bound"]),
        "unresolved": bounds["unresolved"],
    }
    status = Status.CONVERGED if consistent else Status.STALLED
    residuals = {"primal": float(largest)}
    return Result(_objects(beta), status, residuals, work.iterations, dual=nu, value=_global(value), info=info)


def remainders(ctx: Any, X: NDArray[np.float64], y: NDArray[np.float64], beta: list[Any]) -> list[Any]:
    """``y - X beta`` of every sample that is not all zeros, to the precision of `beta`."""
    some = np.any(X != 0.0, axis=1)
    data = ExactData(X[some], y[some])
    largest = max(map(ctx.mag, filter(None, beta)), default=0)
    fraction = int(ctx.prec + 8 - largest - data.column_exponents.min())
    whole = as_integers(beta, fraction + data.column_exponents)
    left = data.target(fraction + data.shift) - data.times(whole)
    exponents = (data.row_exponents - fraction - data.shift).tolist()
    return [exact(ctx, v, k) for v, k in zip(left, exponents, strict=True)]
