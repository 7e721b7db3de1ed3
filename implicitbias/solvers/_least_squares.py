"""The interpolant of least weighted l2 norm, and the verdict whether there is any interpolant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._result import InfeasibleError
from ._normal import NormalEquations

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..regularizer import Q, R
    from ._design import Design

    Vector = NDArray[np.float64]

__all__ = ["WELL_CONDITIONED", "kernel_end", "least_squares_interpolant"]

WELL_CONDITIONED = 1e-8
"""Reciprocal condition number of the Gram matrix above which Cholesky factors and one correction are exact."""
_AT_ONCE = 1 << 22
"""Entries of X up to which a QR factorization takes it whole."""


def least_squares_interpolant(
    design: Design, y: Vector, weights: Vector | None = None, normal: NormalEquations | None = None
) -> Vector:
    """``argmin sum weights beta^2 s.t. X beta = y``, ``(d,)``.

    From the Gram matrix, which `normal` then holds, or by a QR factorization of X^T where that is too
    ill-conditioned.

    Raises
    ------
    InfeasibleError
        If the least-squares residual is not zero to rounding; the message names the worst rows.
    """
    shrink: Any = np.ones(design.d) if weights is None else 1.0 / weights
    normal = (normal or NormalEquations(design)).at(shrink, accuracy=1e-6)
    if normal.reciprocal_condition() > WELL_CONDITIONED:
        beta = shrink * design.adjoint(normal.solve(y))
        return np.asarray(beta + shrink * design.adjoint(normal.solve(y - design.forward(beta))))
    return _by_qr(design, y, np.sqrt(shrink))


def kernel_end(design: Design, y: Vector, reg: Q | R, normal: NormalEquations) -> Vector:
    """Interpolant to which the end point tends as alpha grows: the nearest to where the flow starts."""
    weights = None if reg.w0 is None else reg.w0 ** (2.0 - 2.0 * float(reg.homogeneity))
    reference = reg.reference
    if reference is None:
        return least_squares_interpolant(design, y, weights, normal)
    return np.asarray(reference + least_squares_interpolant(design, y - design.forward(reference), weights, normal))


def _by_qr(design: Design, y: Vector, root: Vector) -> Vector:
    solve, rank, norm = _pseudoinverse(design, root)
    beta = root * solve(y)
    beta = beta + root * solve(y - design.forward(beta))
    residual = design.forward(beta) - y
    # rounding of a least-squares solution: eps times condition, generously
    if np.linalg.norm(residual) > 1e-10 * (np.linalg.norm(y) + norm * np.linalg.norm(beta / root)):
        unit = 1.0 if design.unit is None else design.unit
        residual, target = residual / unit, y / unit
        worst = np.argsort(-np.abs(residual))[:3]
        rows = ", ".join(f"row {int(i)} is off by {residual[i]:.3g}" for i in worst)
        raise InfeasibleError(
            f"X beta = y has no solution: X of shape ({design.N}, {design.d}) has rank {rank} and the "
            f"least-squares residual is {np.linalg.norm(residual):.3g} (||y|| = {np.linalg.norm(target):.3g}); "
            f"{rows}"
        )
    return beta


def _pseudoinverse(design: Design, root: Vector) -> tuple[Callable[[Vector], Vector], int, float]:
    """Pseudoinverse of ``A = X diag(root)`` as a function, its rank and the Frobenius norm of A.

    With ``A^T = Q R``, block by block where A^T is long: then Q is not kept, ``Q z = A^T R^+ z``.
    """
    whole = design.N * design.d <= _AT_ONCE
    width = design.d if whole else _AT_ONCE // design.N
    Q: NDArray[np.float64] = np.zeros((0, 0))
    R: NDArray[np.float64] = np.zeros((0, design.N))
    for start in range(0, design.d, width):
        part = slice(start, start + width)
        block = design.columns(part).T * root[part, None]
        if whole:
            # large rows first: each is then right relative to its own size
            order = np.argsort(-np.abs(block).max(axis=1))
            sorted_Q, R = np.linalg.qr(block[order])
            Q = np.empty_like(sorted_Q)
            Q[order] = sorted_Q
        else:
            R = np.asarray(np.linalg.qr(np.vstack([R, block]), mode="r"))
    U, singular, Vt = np.linalg.svd(R, full_matrices=False)
    kept = singular > np.finfo(float).eps * max(design.N, design.d) * singular[0]
    U, singular, Vt = U[:, kept], singular[kept], Vt[kept]

    def solve(right: Vector) -> Vector:
        inner = (Vt @ right) / singular
        if whole:
            return np.asarray(Q @ (U @ inner))
        return root * design.adjoint(Vt.T @ (inner / singular))

    return solve, int(kept.sum()), float(np.linalg.norm(singular))
