"""The predictor of least regularizer among those with all margins at least one."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..._result import Result
from ...problems import Margins
from ...regularizer import L1, L2, Q, R
from .._options import check_lengths, check_margin_options
from ._sweep import MarginSweep, minimum_l2

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ...regularizer import Regularizer

__all__ = ["max_margin"]


def max_margin(
    X: ArrayLike,
    y: ArrayLike,
    reg: Regularizer,
    *,
    digits: int | None = None,
    tol: float = 1e-12,
    max_iterations: int = 2000,
    throw: bool = True,
) -> Result:
    """Minimize a regularizer among separating predictors: ``argmin reg(beta) s.t. y_n <x_n, beta> >= 1``.

    For ``reg = Q(alpha, D, w0)`` with ``mu = alpha^D`` this is, up to a positive factor, the direction in which
    gradient flow on the exponential loss of a depth-D diagonal network leaves when its scale of initialization and
    its accuracy ``gamma~ = -log loss`` grow in the proportion ``alpha_init^D / gamma~ = mu`` (Moroshko et al. 2020,
    Theorem 6): l2 max-margin for large mu, l1 max-margin for small.

    Parameters
    ----------
    X
        Design matrix, ``(N, d)``.
    y
        Labels, ``(N,)``: -1 and +1, or 0 and 1, of which 0 then means -1.
    reg
        :class:`~implicitbias.Q`, :class:`~implicitbias.R` at depth 2, :class:`~implicitbias.L2`,
        :class:`~implicitbias.L1` or :class:`~implicitbias.Lp`.
    digits
        Number of correct digits of every coordinate, for ``Q``, ``R`` and ``L2``; then `beta`, `dual` and `value`
        hold mpmath numbers, ``info["error_bound"]`` bounds the error. float64 when None.
    tol
        Largest residual (:func:`implicitbias.certificates.margin_residuals`) that counts as converged.
    max_iterations
        Limit on Newton steps, all of the continuation counted.
    throw
        Whether to raise where the tolerance is not reached; otherwise look at ``status``. Of samples that cannot
        be separated an error tells in any case.

    Returns
    -------
    Result
        ``beta (d,)``; ``dual``, multipliers ``nu (N,)``, nonnegative, with ``grad reg(beta) = sum nu_n y_n x_n``;
        ``value``, ``status``, ``residuals``, ``iterations``; ``info["support"]``, ``(N,)``: the support vectors,
        those samples with ``nu_n > 0``. If the y_n x_n with margin 1 are linearly dependent nu is not unique; the
        one returned lives on independent ones. If X is multiplied by c, the solution for ``mu/c`` is that for mu
        divided by c.

    Raises
    ------
    NotSeparableError
        If no predictor has all margins positive; its ``certificate`` proves it.
    ConvergenceError
        If the tolerance is not reached and `throw` is set; its ``result`` holds what was.
    TypeError, ValueError
        If an argument is invalid.
    """
    started = time.perf_counter()
    check_margin_options(reg, digits, tol, max_iterations)
    problem = Margins(X, y)
    check_lengths(problem, reg)
    result = replace(_solve(problem, reg, digits, tol, max_iterations), seconds=time.perf_counter() - started)
    return result.raise_for_status() if throw else result


def _solve(problem: Margins, reg: Any, digits: int | None, tol: float, max_iterations: int) -> Result:
    if isinstance(reg, L1):
        from ._l1 import minimum_l1

        return minimum_l1(problem, reg, tol=tol)
    if isinstance(reg, L2):
        result = minimum_l2(problem, reg, tol=tol, max_iterations=max_iterations)
    elif isinstance(reg, Q | R):
        result = MarginSweep(problem, reg, tol=tol, max_iterations=max_iterations).visit(reg)
    else:
        from ._lp import minimum_lp

        return minimum_lp(problem, reg, tol=tol)
    if digits is None or not result.success:
        return result
    from ._digits import refine_margins

    return refine_margins(problem, reg, result, digits)
