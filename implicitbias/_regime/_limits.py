r"""The two limits of the end point, and by how much it exceeds the norms that they minimize.

Near a limit the excess is far below the rounding of the norm itself, so it is never computed as a difference of
norms:

* *l2*. Let ``e = beta - b'(0) theta`` be what the curve ``beta = b(theta)`` adds to its tangent, from its Taylor
  series where it is small. As ``theta`` is in the row space of X, the projection of beta onto the null space of X,
  which is what parts it from the minimizer, is that of e; its square is the excess, by Pythagoras.
* *l1*. With multipliers m that certify the minimum, ``|x_i^T m| <= v_i`` with equality on its support, the excess
  is ``sum_i |beta_i| (v_i - sign(beta_i) x_i^T m)``: no term is negative, and those of the support are zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import svd
from scipy.optimize import linprog

from ..regularizer import L1, L2
from ..solvers import interpolate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..problems import Interpolation

    Array = NDArray[np.float64]

__all__ = ["KernelLimit", "RichLimit", "bent"]

_EPS = float(np.finfo(np.float64).eps)
_L1_TOL = 1e-7
"""What is asked of the linear program; its multipliers are then made exact on the support."""
_TIGHT = 1e-9
"""Slack of a multiplier, relative to its bound, that counts as none; likewise entries of a minimizer."""
_TERMS = 24
"""Terms of the Taylor series of the curve; where it is used each gains a factor of 6, at D = 2 far more."""


class KernelLimit:
    """Minimum B of ``(sum beta^2 / w0^(2D-2))^(1/2)`` on the solutions of ``X beta = y``."""

    def __init__(self, problem: Interpolation, w0: Array, D: float) -> None:
        self._metric = w0 ** (D - 1.0)
        self.minimizer: Array = np.asarray(interpolate(problem.X, problem.y, L2(self._metric**-2.0)).beta)
        self.minimum = float(np.linalg.norm(self.minimizer / self._metric))
        X = problem.X * self._metric
        unit = np.abs(X).max(axis=1, keepdims=True)
        _, singular, Vt = svd(X / np.where(unit == 0.0, 1.0, unit), full_matrices=False, check_finite=False)
        self._rows = Vt[singular > _EPS * max(X.shape) * singular[0]]

    @property
    def only_solution(self) -> bool:
        """Whether the minimizer is the only predictor that fits the data."""
        return bool(self._rows.shape[0] == self._rows.shape[1])

    def excess(self, beta: Array, bent: Array) -> float:
        """``B(beta)^2 / B^2 - 1`` of an end point; `bent`: how far its curve left the tangent (:func:`bent`)."""
        size = float(np.abs(bent).max())
        if self.minimum == 0.0 or size == 0.0 or self.only_solution:
            return 0.0
        added = beta / self._metric / self.minimum * (bent / size)  # scaled, so that its square is in range
        across = float(np.linalg.norm(added - self._rows.T @ (self._rows @ added)))
        if across <= 4.0 * _EPS * np.sqrt(len(added)) * np.linalg.norm(added):
            return 0.0  # the rounding of the projection
        return float((across * size) ** 2)


class RichLimit:
    """Minimum S of ``sum w0^(2-D) |beta|`` on the solutions of ``X beta = y``, with its multipliers."""

    def __init__(self, problem: Interpolation, w0: Array, D: float) -> None:
        self._weights = w0 ** (2.0 - D)
        X = problem.X / self._weights
        unit = np.abs(X).max(axis=1)
        unit[unit == 0.0] = 1.0
        X, y = X / unit[:, None], problem.y / unit
        self.minimizer: Array = np.zeros(X.shape[1])
        self.minimum, self.unique = 0.0, True
        self._along = self._against = np.ones(X.shape[1])
        if not y.any():
            return
        found = interpolate(X, y, L1(), tol=_L1_TOL)
        g, m = np.asarray(found.beta), np.asarray(found.dual)
        self.minimizer = g / self._weights
        support, sign = np.abs(g) > _TIGHT * np.abs(g).max(), np.sign(g)
        m = m + np.linalg.lstsq(X[:, support].T, sign[support] - X[:, support].T @ m, rcond=None)[0]
        theta = X.T @ m
        # a bound met to rounding is met, and one overstepped within the tolerance of the linear program is too
        tight = support | (np.abs(theta) > 1.0 - _TIGHT)
        theta = np.where(tight, np.where(support, sign, np.sign(theta)), theta)
        self.minimum = float(y @ m)
        self.unique = _is_only_minimizer(X, support, tight, theta)
        self._along, self._against = 1.0 - theta, 1.0 + theta

    def excess(self, beta: Array) -> float:
        """``S(beta) / S - 1`` of a solution."""
        if self.minimum == 0.0:
            return 0.0
        slack = np.where(beta > 0.0, self._along, self._against)
        return float(np.sum(self._weights * np.abs(beta) * slack)) / self.minimum


def _is_only_minimizer(X: Array, support: NDArray[np.bool_], tight: NDArray[np.bool_], theta: Array) -> bool:
    """Whether a point of minimum l1 norm is the only one.

    Others have their support among the tight columns, with the signs of theta there, so a move to one of them is
    a vector of the null space of these columns that has those signs off the support.
    """
    columns = X[:, tight]
    if np.linalg.matrix_rank(columns) == columns.shape[1]:
        return True
    if np.linalg.matrix_rank(X[:, support]) < np.count_nonzero(support):
        return False
    signs = np.where(support[tight], 0.0, theta[tight])
    low = np.where(support[tight], -np.inf, np.minimum(signs, 0.0))
    high = np.where(support[tight], np.inf, np.maximum(signs, 0.0))
    move = linprog(-signs, A_eq=columns, b_eq=np.zeros(len(X)), bounds=np.column_stack([low, high]), method="highs")
    # a move can be as long as its bounds, 1, or there is none; HiGHS takes 1e-7 for zero
    return bool(move.fun > -1e-3)


def bent(beta: Array, s: Array, log_scale: Array, D: float) -> Array:
    """``1 - b'(0) s / t``, elementwise, for ``t = beta e^(-log_scale) = h_D(s)``: the curve against its tangent.

    The Taylor coefficients of h_D are ``2/k!`` (D = 2) and ``2 binom(p + k - 1, k)`` with ``p = D/(D-2)``, k odd.
    """
    p = 0.0 if D == 2.0 else D / (D - 2.0)
    with np.errstate(over="ignore", under="ignore"):
        scale = np.exp(log_scale)  # where that is 0 or inf, the result is 1 or 0 to rounding
    small = np.abs(beta) <= scale
    term, series = np.ones_like(s), np.zeros_like(s)
    for k in range(1, 2 * _TERMS, 2):
        growth = 1.0 if p == 0.0 else (p + k) * (p + k + 1.0)
        term = term * np.where(small, s, 0.0) ** 2 * (growth / ((k + 1.0) * (k + 2.0)))
        series += term
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        direct = 1.0 - (2.0 * p or 2.0) * s * (scale / beta)
    return np.where(small, series / (1.0 + series), direct)
