"""Data of any size brought to a form in which squares neither overflow nor drown one another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import qr

from ..problems import Interpolation
from ..regularizer import L1, L2
from ._design import Design

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .._result import Result

__all__ = ["StandardForm"]

_MODERATE = 1e-100
"""Size of rows, either way, from which on their squares leave the range of floats."""
_EXTREME = 300
"""Binary exponent of y, either way, from which on its square comes near the ends of the range of floats."""
_GIANT = 1e6
"""Norm of a column, relative to the median, from which on it is treated apart."""


class StandardForm:
    """An interpolation problem equivalent to a given one.

    * If rows of X are extreme, they and their targets are scaled by powers of two.
    * If y is extreme next to X, the predictor is measured in units of a power of two.
    * If a few columns are larger than the others by far, multipliers must be orthogonal to them to more digits than
      they have. The samples are then mixed, by an orthogonal matrix, such that each such column is seen by as
      few of them as possible, and the multipliers of those become small numbers of their own.

    Parameters
    ----------
    problem
        The given problem.
    reg
        Its regularizer, whose reference point counts for the size of the predictor.
    mix
        Whether samples may be mixed, which inequalities do not allow.

    Attributes
    ----------
    problem
        The problem to be solved; the given one wherever it can be.
    """

    def __init__(self, problem: Interpolation, reg: Any = None, *, mix: bool = True) -> None:
        units = problem.row_units()
        extreme = units is not None and not _MODERATE < units.min() <= units.max() < 1.0 / _MODERATE
        self.units = units if extreme else None
        if units is not None and extreme:
            with np.errstate(over="ignore"):
                problem = Interpolation(problem.scaled_rows(units), problem.y * units)
        with np.errstate(over="ignore"):
            size = min(float(np.abs(problem.y / problem.row_sizes()).max()), float(np.finfo(float).max))
        reference = getattr(reg, "reference", None)
        if reference is not None:
            size = max(size, float(np.abs(reference).max()))
        exponent = int(np.frexp(size)[1]) if size > 0.0 else 0
        self.exponent = exponent if abs(exponent) > _EXTREME else 0
        X, y = problem.X, problem.y
        if self.exponent:
            y = np.ldexp(y, -self.exponent)
        self.rotation, rotated = _apart(X) if mix else (None, X)
        if self.rotation is not None:
            X, y = rotated, self.rotation.T @ y
        self.problem = problem if not self.exponent and self.rotation is None else Interpolation(X, y)

    def regularizer(self, reg: Any) -> Any:
        """The regularizer in the units of the predictor."""
        return reg if not self.exponent or isinstance(reg, L1 | L2) else reg.in_units(self.exponent)

    def original(self, found: Result, reg: Any) -> Result:
        """The result of the given problem from that of this one."""
        if not self.exponent and self.rotation is None and self.units is None:
            return found
        dual = found.dual if self.rotation is None else self.rotation @ found.dual
        with np.errstate(over="ignore", under="ignore"):  # infinity and 0 are the correctly rounded results
            if self.units is not None:
                dual = dual * self.units
            beta = np.ldexp(found.beta, self.exponent)
            if isinstance(reg, L2):
                dual = np.ldexp(dual, self.exponent)
            return replace(found, beta=beta, dual=dual, value=float(reg(beta)))


def _apart(X: Any) -> tuple[NDArray[np.float64] | None, Any]:
    """Orthogonal matrix that makes the giant columns triangular, and X in its coordinates; None without any."""
    with np.errstate(over="ignore"):
        norms = np.sqrt(Design(X).column_squares)
    ordinary = float(np.median(norms[norms > 0.0])) if norms.any() else 0.0
    giant = np.flatnonzero(norms > _GIANT * ordinary)
    N = X.shape[0]
    if not 0 < len(giant) < N or not np.isfinite(norms).all():
        return None, X
    columns = Design(X).columns(giant)
    # large rows first: with column pivoting each row is then right relative to its own size
    rows = np.argsort(-np.abs(columns).max(axis=1))
    rotation = np.empty((N, N))
    rotation[rows], triangle, order = qr(columns[rows], pivoting=True)
    rotated = rotation.T @ X
    rotated[:, giant[order]] = triangle  # with exact zeros
    return rotation, rotated
