"""The predictor of least weighted l2 norm with given margins, and the verdict whether there is any.

``min sum w_i beta_i^2 s.t. A beta >= t`` is least distance programming. With rows ``b_n`` of ``A w^{-1/2}``, scaled
to unit length, and ``h_n`` their targets, it is the nonnegative least-squares problem
``min ||sum u_n b_n||^2 + (1 - sum u_n h_n)^2`` over ``u >= 0`` (Lawson and Hanson 1974, chapter 23): with
``s = 1 - <h, u>`` the solution is ``sum u_n b_n / s`` and its multipliers are ``u / s``. The least is zero only
where no beta has positive margins; then u, normalised, is a convex combination of the rows that is zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linprog, nnls

from ..._result import ConvergenceError, NotSeparableError
from ._quadratic import BoundedQuadratic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

__all__ = ["kernel_end", "separability_certificate"]

_NEARLY = 1e-6
"""Shortfall of the margins, relative, at which a solution is near enough to be refined."""
_ZERO = 1e-14
"""Size of a convex combination, per sample and relative to the sizes in it, that is zero to rounding."""


def kernel_end(A: Matrix, targets: Vector, weights: Vector | None) -> tuple[Vector, Vector]:
    """``beta (d,)`` of least ``sum weights beta^2`` and its multipliers, ``(N,)``, to about 1e-6.

    Raises
    ------
    NotSeparableError
        If a convex combination of the rows is zero to rounding.
    ConvergenceError
        If float64 does not tell.
    """
    # the ratio of two weights may be out of range where that of their roots is not
    root = np.ones(A.shape[1]) if weights is None else np.sqrt(weights.min()) / np.sqrt(weights)
    rows = A * root
    length = np.linalg.norm(rows, axis=1)
    rows /= length[:, None]
    height = targets / length
    unit = float(height.max())
    height = height / unit

    def in_units(x: Vector, nu: Vector) -> tuple[Vector, Vector]:
        return root * x * unit, nu * (unit / length) * (1.0 if weights is None else weights.min())

    extended = np.column_stack([rows, height])
    found: list[tuple[Vector, Vector]] = []
    for solve in (_by_gram_matrix, _by_factorization):
        found = [*_candidates(rows, height, solve(extended)), *found]
        for x, nu in found:
            if np.all(rows @ x >= (1.0 - _NEARLY) * height):
                return in_units(x, nu)
        certificate = separability_certificate(A)
        if certificate is not None:
            # rows of equal targets are those of the problem, up to a common factor
            raise not_separable(A / targets[:, None], certificate * (targets / targets.max()))
    # targets of very different size: only the signs of the margins are certain
    if found and _are_separable(A):
        return in_units(*found[0])
    raise ConvergenceError(
        "whether the samples can be separated is not decided in float64: no predictor was found to have all "
        "margins positive, and no convex combination of the y_n x_n to be zero to rounding; scale the columns of X"
    )


def _candidates(rows: Matrix, height: Vector, u: Vector) -> list[tuple[Vector, Vector]]:
    """Predictors and multipliers from a least-squares solution: from its support, and from its residual."""
    free = u > 0.0
    if not free.any():
        return []
    x: Vector = np.asarray(np.linalg.lstsq(rows[free], height[free], rcond=None)[0], dtype=np.float64)
    nu = np.zeros(len(u))
    nu[free] = np.maximum(np.linalg.lstsq(rows[free].T, x, rcond=None)[0], 0.0)
    found = [(x, nu)]
    combination = rows.T @ u
    size = float(combination @ combination)
    if 0.0 < size < 0.25:
        # s (1 - s) = ||sum u_n b_n||^2, without the cancellation in 1 - <h, u>
        gap = 2.0 * size / (1.0 + np.sqrt(1.0 - 4.0 * size))
        gap = 1.0 - gap if float(height @ u) < 0.5 else gap
        found.append((combination / gap, u / gap))
    return found


def _are_separable(A: Matrix) -> bool:
    """Whether a predictor is found with margins positive beyond rounding, whatever their sizes."""
    columns = np.abs(A).max(axis=0)
    columns[columns == 0.0] = 1.0
    scaled = A / columns
    scaled /= np.linalg.norm(scaled, axis=1)[:, None]
    extended = np.column_stack([scaled, np.ones(len(A))])
    for solve in (_by_gram_matrix, _by_factorization):
        for x, _ in _candidates(scaled, np.ones(len(A)), solve(extended)):
            if np.all(scaled @ x > _ZERO * (np.abs(scaled) @ np.abs(x))):
                return True
    return False


def separability_certificate(A: Matrix) -> Vector | None:
    """``c (N,)``, nonnegative with sum 1, with ``sum c_n a_n = 0`` to rounding; None where none is found.

    Neither positive factors of rows nor those of columns matter to whether there is one.
    """
    columns = np.abs(A).max(axis=0)
    columns[columns == 0.0] = 1.0
    scaled = A / columns
    size = np.linalg.norm(scaled, axis=1)
    size[size == 0.0] = 1.0
    scaled /= size[:, None]
    extended = np.column_stack([scaled, np.ones(len(A))])
    for solve in (_by_gram_matrix, _by_factorization, _by_linear_program):
        u = solve(extended)
        free = u > 0.0
        if not free.any():
            continue
        # once more from a factorization: the residual is to be of the size of rounding
        exact = np.linalg.lstsq(extended[free].T, np.append(np.zeros(A.shape[1]), 1.0), rcond=None)[0]
        for part in (exact, u[free]):
            c = np.zeros(len(A))
            c[free] = np.maximum(part, 0.0)
            if _is_zero(scaled, c):
                c /= size
                return np.asarray(c / c.sum())
    return None


def _is_zero(rows: Matrix, c: Vector) -> bool:
    taken = np.flatnonzero(c)
    sizes = float(np.max(np.abs(rows[taken]).T @ c[taken], initial=0.0))
    total = float(np.max(np.abs(rows[taken].T @ c[taken]), initial=0.0))
    return len(taken) > 0 and total <= _ZERO * (len(taken) + 1) * sizes


def not_separable(A: Matrix, certificate: Vector) -> NotSeparableError:
    """The error that says so."""
    c = certificate / certificate.sum()
    taken = int(np.count_nonzero(c))
    residual = float(np.max(np.abs(A.T @ c)))
    sizes = float(np.max(np.abs(A).T @ c))
    return NotSeparableError(
        f"the samples cannot be separated by a hyperplane through the origin: a convex combination of the rows "
        f"y_n x_n of {taken} samples is zero (largest entry {residual:.1e}, from terms that add up to {sizes:.1e} "
        "in absolute value); add a column of ones to X if an intercept is wanted",
        c,
    )


def _by_gram_matrix(extended: Matrix) -> Vector:
    N, d = extended.shape
    start, target = np.zeros(N), extended[:, -1]
    if 2 * N <= d:  # most samples are support vectors then
        start = np.maximum(np.linalg.lstsq(extended @ extended.T, target, rcond=None)[0], 0.0)
    gradient = target - extended @ (extended.T @ start)
    noise = 1e-15 * np.sqrt(d)
    return BoundedQuadratic(extended).solve(np.ones(d), gradient, start, np.zeros(N), noise)[0]


def _by_factorization(extended: Matrix) -> Vector:
    try:
        solution: Vector = nnls(extended.T, np.append(np.zeros(extended.shape[1] - 1), 1.0))[0]
    except RuntimeError:  # too many iterations
        return np.zeros(len(extended))
    return solution


def _by_linear_program(extended: Matrix) -> Vector:
    N = len(extended)
    found = linprog(
        np.zeros(N),
        A_eq=extended.T,
        b_eq=np.append(np.zeros(extended.shape[1] - 1), 1.0),
        bounds=(0.0, None),
        method="highs",
    )
    return np.zeros(N) if found.x is None else np.asarray(found.x)
