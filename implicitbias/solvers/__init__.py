"""End points of training as solutions of convex problems, without training."""

from __future__ import annotations

import math
import numbers
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from .._result import Result
from ..problems import Interpolation
from ..regularizer import L1, L2, Q, R
from . import _dual_newton, _norms

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..regularizer import Regularizer

__all__ = ["interpolate"]


def interpolate(
    X: ArrayLike,
    y: ArrayLike,
    reg: Regularizer,
    *,
    tol: float = 1e-12,
    max_iterations: int = 2000,
    throw: bool = True,
) -> Result:
    """Minimize a regularizer among the predictors that fit the data: ``argmin reg(beta) s.t. X beta = y``.

    For ``reg = Q(alpha, D, w0)`` this is where gradient flow on the squared loss of a depth-D diagonal network
    started at ``alpha w0`` ends (Woodworth et al. 2020, Theorems 1 and 3).

    Parameters
    ----------
    X
        Design matrix, ``(N, d)``.
    y
        Targets, ``(N,)``.
    reg
        :class:`~implicitbias.Q`, :class:`~implicitbias.R`, :class:`~implicitbias.L2` or
        :class:`~implicitbias.L1`.
    tol
        Largest residual (:func:`implicitbias.certificates.residuals`) that counts as converged.
    max_iterations
        Limit on Newton steps, all of the continuation counted.
    throw
        Whether to raise on anything but success; otherwise look at ``status``.

    Returns
    -------
    Result
        ``beta (d,)``, ``dual (N,)`` with ``grad reg(beta) = X^T dual``, ``value``, ``status``, ``residuals``,
        ``iterations`` (Newton steps).

    Raises
    ------
    InfeasibleError
        If no predictor fits the data.
    ConvergenceError
        If the tolerance is not reached and `throw` is set; its ``result`` holds what was.
    TypeError, ValueError
        If an argument is invalid.
    """
    started = time.perf_counter()
    problem = Interpolation(X, y)
    _check_options(problem, reg, tol, max_iterations)
    if isinstance(reg, Q | R):
        result = _dual_newton.solve(problem, reg, tol=tol, max_iterations=max_iterations)
    elif isinstance(reg, L2):
        result = _norms.minimum_l2(problem, reg, tol=tol)
    elif isinstance(reg, L1):
        result = _norms.minimum_l1(problem, tol=tol)
    else:
        raise TypeError(f"reg must be a Q, R, L1 or L2 regularizer, got {type(reg).__name__}")
    result = replace(result, seconds=time.perf_counter() - started)
    return result.raise_for_status() if throw else result


def _check_options(problem: Interpolation, reg: Regularizer, tol: float, max_iterations: int) -> None:
    if not isinstance(tol, numbers.Real) or isinstance(tol, bool) or not 0.0 < tol < math.inf:
        raise ValueError(f"tol must be a positive finite number, got {tol!r}")
    if not isinstance(max_iterations, numbers.Integral) or max_iterations < 1:
        raise ValueError(f"max_iterations must be a positive integer, got {max_iterations!r}")
    d = problem.shape[1]
    for name in ("w0", "weights"):
        vector = getattr(reg, name, None)
        if vector is not None and vector.shape != (d,):
            raise ValueError(
                f"{name} must have one entry per column of X: X has {d} columns, {name} has {len(vector)} entries"
            )
