"""The two ends between which the implicit bias moves."""

from __future__ import annotations

from numpy.typing import ArrayLike

from .._report import MinimumNorms
from ..regularizer import L1, L2
from ..solvers import interpolate, max_margin

__all__ = ["minimum_norms"]


def minimum_norms(X: ArrayLike, y: ArrayLike, loss: str = "squared") -> MinimumNorms:
    """Fit the data with the least l1 norm and with the least Euclidean norm.

    Parameters
    ----------
    X, y
        As for :func:`implicitbias.interpolate`, or for :func:`implicitbias.max_margin` if the loss is not squared.
    loss
        What the data are fitted for: ``X beta = y`` with ``"squared"``, margins ``y_n <x_n, beta> >= 1`` otherwise.

    Raises
    ------
    InfeasibleError
        If nothing fits.
    ConvergenceError
        If the linear program of the l1 norm ends without a solution for another reason.

    Notes
    -----
    Where the least l1 norm has several solutions, one of them is returned.
    """
    solve = interpolate if loss == "squared" else max_margin
    return MinimumNorms(l1=solve(X, y, L1(), tol=1e-7), l2=solve(X, y, L2()))
