"""End points of training as solutions of convex problems, without training."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .._namespace import Kind, kind_of
from .._result import Result
from ..problems import Interpolation
from ..regularizer import L2, Q, R
from . import _norms
from ._dual_newton import Sweep
from ._options import check_lengths, check_options
from ._path import InterpolationPath, interpolation_path
from ._standard_form import StandardForm
from .margin import (
    FlowLimit,
    Kink,
    L1Solutions,
    MarginPath,
    flow_limit,
    max_margin,
    max_margin_path,
    max_margin_solutions,
)

if TYPE_CHECKING:
    from ..regularizer import Regularizer

__all__ = [
    "FlowLimit",
    "InterpolationPath",
    "Kink",
    "L1Solutions",
    "MarginPath",
    "flow_limit",
    "interpolate",
    "interpolation_path",
    "max_margin",
    "max_margin_path",
    "max_margin_solutions",
]


def interpolate(
    X: Any,
    y: Any,
    reg: Regularizer,
    *,
    digits: int | None = None,
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
        Design matrix, ``(N, d)``: an array of any real type and memory order, or a SciPy sparse array. Also
        ``(..., N, d)`` for many problems at once, and a torch tensor on any device.
    y
        Targets, ``(N,)`` or ``(..., N)``; leading axes are broadcast against those of X.
    reg
        :class:`~implicitbias.Q`, :class:`~implicitbias.R` at depth 2, :class:`~implicitbias.L2` or
        :class:`~implicitbias.L1`. Where the least l1 norm has several solutions, the one returned for ``L1()`` is
        the limit of the end points for ``Q(alpha)`` as ``alpha -> 0``: the one of largest entropy
        ``-sum |beta_i| log |beta_i|``.
    digits
        Number of correct digits of every coordinate, for ``Q``, ``R`` and ``L2``; then `beta`, `dual` and `value`
        hold mpmath numbers, and ``info["error_bound"]`` bounds the error. float64 when None.
    tol
        Largest residual (:func:`implicitbias.certificates.residuals`) that counts as converged. For ``L1``, where a
        linear programming solver has to decide, its own tolerance, 1e-7, if that is larger.
    max_iterations
        Limit on Newton steps, all of the continuation counted.
    throw
        Whether to raise where the tolerance is not reached; otherwise look at ``status``. Of a single problem that
        has no solution an error tells in any case.

    Returns
    -------
    Result
        ``beta (d,)``, ``dual (N,)`` with ``grad reg(beta) = X^T dual``, ``value``, ``status``, ``residuals``,
        ``iterations`` (Newton steps). For many problems a ``BatchResult``, with a status for each. From torch
        tensors come tensors, differentiable with respect to X, y and an alpha that is a tensor.

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
    check_options(reg, digits, tol, max_iterations)
    sparse = hasattr(X, "tocsc")
    torch = not sparse and kind_of(X=X, y=y) is Kind.TORCH
    result: Result
    if np.ndim(y) == 2 and np.ndim(X) == 2 and np.shape(y)[1] == 1 != np.shape(X)[0]:
        raise ValueError(f"y must have shape (N,), or (..., N) for many problems, got {np.shape(y)}; use y.ravel()")
    if digits is not None and (torch or (not sparse and np.ndim(X) > 2) or np.ndim(y) > 1):
        raise ValueError("digits are for a single problem in NumPy arrays, got a batch or tensors")
    if torch:
        from .batch._torch import solve_torch

        result = solve_torch(X, y, reg, tol=tol, max_iterations=max_iterations)
    elif not sparse and (np.ndim(X) > 2 or np.ndim(y) > 1):
        from .batch import solve_batch

        result = solve_batch(X, y, reg, tol=tol, max_iterations=max_iterations)
    else:
        result = _solve_one(Interpolation(X, y), reg, digits, tol, max_iterations)
    result = replace(result, seconds=time.perf_counter() - started)
    return result.raise_for_status() if throw else result


def _solve_one(problem: Interpolation, reg: Any, digits: int | None, tol: float, max_iterations: int) -> Result:
    check_lengths(problem, reg)
    form = StandardForm(problem, reg)
    if isinstance(reg, Q | R):
        inner = form.regularizer(reg)
        result = Sweep(form.problem, inner, tol=tol, max_iterations=max_iterations).visit(inner)
    elif isinstance(reg, L2):
        result = _norms.minimum_l2(form.problem, reg, tol=tol)
    else:
        result = _norms.minimum_l1(form.problem, reg, tol=tol, max_iterations=max_iterations)
    result = form.original(result, reg)
    if digits is None:
        return result
    from .digits import refine

    return refine(problem, reg, result, digits)
