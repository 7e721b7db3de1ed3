"""Options that the solvers share, checked before anything is computed."""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING

from ..regularizer import L1, L2, Q, R

if TYPE_CHECKING:
    from ..problems import Interpolation, Margins
    from ..regularizer import Regularizer

__all__ = ["check_lengths", "check_margin_options", "check_options"]


def check_options(reg: Regularizer, digits: int | None, tol: float, max_iterations: int) -> None:
    """Raise `TypeError` or `ValueError` for an argument that no solver takes."""
    if not isinstance(reg, Q | R | L1 | L2):
        raise TypeError(f"reg must be a Q, R, L1 or L2 regularizer, got {type(reg).__name__}")
    if isinstance(reg, R) and reg.D != 2:
        raise ValueError(f"reg must be convex: R is at D = 2 only, got D = {reg.D}")
    _check_numbers(digits, tol, max_iterations)


def check_margin_options(reg: Regularizer, digits: int | None, tol: float, max_iterations: int) -> None:
    """The same for classification, where quasi-norms are taken, too, and every flow starts at zero."""
    if isinstance(reg, Q | R | L1 | L2):
        check_options(reg, digits, tol, max_iterations)
    elif type(reg).__name__ != "Lp":
        raise TypeError(f"reg must be a Q, R, L1, L2 or Lp regularizer, got {type(reg).__name__}")
    _check_numbers(digits, tol, max_iterations)
    if digits is not None and not isinstance(reg, Q | R | L2):
        raise ValueError(f"digits are to be had for Q, R and L2, got reg = {reg!r}")
    if reg.reference is not None:
        raise ValueError("reg must have no reference: the direction of a flow that diverges does not depend on it")


def _check_numbers(digits: int | None, tol: float, max_iterations: int) -> None:
    if digits is not None and (not isinstance(digits, numbers.Integral) or isinstance(digits, bool) or digits < 1):
        raise ValueError(f"digits must be a positive integer or None, got {digits!r}")
    if not isinstance(tol, numbers.Real) or isinstance(tol, bool) or not 0.0 < tol < math.inf:
        raise ValueError(f"tol must be a positive finite number, got {tol!r}")
    if not isinstance(max_iterations, numbers.Integral) or max_iterations < 1:
        raise ValueError(f"max_iterations must be a positive integer, got {max_iterations!r}")


def check_lengths(problem: Interpolation | Margins, reg: Regularizer) -> None:
    """Raise `ValueError` if a vector of the regularizer does not fit the data."""
    d = problem.shape[1]
    for name in ("w0", "weights", "reference"):
        vector = getattr(reg, name, None)
        if vector is not None and vector.shape != (d,):
            raise ValueError(
                f"{name} must have one entry per column of X: X has {d} columns, {name} has {len(vector)} entries"
            )
