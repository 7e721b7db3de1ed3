r"""What gradient flow ends at where the data cannot be fitted, and with an intercept.

The loss is :math:`L(\beta, b) = \sum_n s_n (x_n^T \beta + b - y_n)^2` with sample weights :math:`s_n \ge 0`.

*Without a fit.* The flow moves the dual point :math:`\theta = X^T \nu` in the row space of X only, and stops where
:math:`X^T S (X \beta - y) = 0`: its limit is the minimizer of Q among the solutions of least squares. With the thin
singular value decomposition :math:`S^{1/2} X = U \Sigma V^T` of rank r these are the solutions of the r equations
:math:`\Sigma^{-1} U^T S^{1/2} (X \beta - y) = 0`, which can always be met. Independent samples can all be fitted;
their weights do not matter beyond being positive.

*The intercept* is a bias that is at its optimum all along, :math:`b = \bar y - \bar x^T \beta` with weighted
means: the limit of training it infinitely faster than the rest, in which no scale of initialization penalizes it.
(Trained at a finite rate it would add its own square to Q.) What is left is the flow on centred data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import svd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["ReducedData", "reduce_rows"]


@dataclass(frozen=True, eq=False)
class ReducedData:
    """Independent equations ``rows beta = targets`` for the solutions of least squares, rank r, T outputs.

    Attributes
    ----------
    rows
        Equations, ``(r, d)``; orthonormal if ``r = d``.
    targets
        Right-hand sides, ``(r, T)``.
    lift
        Takes multipliers m of these equations to multipliers of the samples, ``(N, r)``:
        ``rows.T @ m = X.T @ (lift @ m)``, and the latter sum to zero with an intercept.
    x_mean, y_mean
        Weighted means that were taken off, ``(d,)`` and ``(T,)``; zero without an intercept.
    """

    rows: Array
    targets: Array
    lift: Array
    x_mean: Array
    y_mean: Array

    @property
    def rank(self) -> int:
        """Number of equations r."""
        return len(self.rows)

    @property
    def unique(self) -> bool:
        """Whether least squares alone determines the predictor."""
        return bool(self.rank == self.rows.shape[1])


def reduce_rows(X: Array, y: Array, weights: Array | None, *, centre: bool) -> ReducedData:
    """Turn samples into as many equations as they are worth.

    Parameters
    ----------
    X, y
        Data, ``(N, d)`` and ``(N, T)``.
    weights
        Weights of the samples, ``(N,)``, not negative, one at least positive; None for equal ones.
    centre
        Whether there is an intercept.

    Notes
    -----
    Singular values below ``eps max(N, d)`` times the largest count as zero, as in ``numpy.linalg.matrix_rank``.

    Each column of `rows` is computed from that of X alone, so that equal columns stay equal: at small scales of a
    deep network a difference in the last digit decides which of two columns is used.
    """
    N, d = X.shape
    weights = np.ones(N) if weights is None else weights / weights.max()
    kept = np.flatnonzero(weights)
    A, b, weights = X[kept], y[kept], weights[kept]
    x_mean, y_mean = np.zeros(d), np.zeros(y.shape[1])
    if centre:
        # the second pass leaves means of rounding size relative to the spread, not to the mean
        for _ in range(2):
            x_step, y_step = np.average(A, axis=0, weights=weights), np.average(b, axis=0, weights=weights)
            A, b, x_mean, y_mean = A - x_step, b - y_step, x_mean + x_step, y_mean + y_step
    root = np.sqrt(weights)[:, None]
    U, singular, Vt = svd(root * A, full_matrices=False, check_finite=False)
    cutoff = np.finfo(np.float64).eps * max(A.shape) * singular[0]
    # centred samples are dependent: what is found beyond that is rounding
    rank = min(int(np.count_nonzero(singular > cutoff)), len(kept) - centre)
    U, singular = U[:, :rank], singular[:rank]
    lift = np.zeros((N, rank))
    if rank == d or rank < len(kept) - centre:
        lift[kept] = root * U / singular
        rows = Vt[:rank] if rank == d else (U.T @ (root * A)) / singular[:, None]
        return ReducedData(rows, (U.T @ (root * b)) / singular[:, None], lift, x_mean, y_mean)
    # independent samples; once centred their weighted sum is zero, and one of them follows from the others
    lift[kept[int(centre) :]] = np.eye(rank)
    if centre:
        lift[kept] -= (weights / weights.sum())[:, None]
    return ReducedData(A[int(centre) :], b[int(centre) :], lift, x_mean, y_mean)
