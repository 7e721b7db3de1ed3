"""Optimality residuals: one judge for solvers, flows and trainers, whatever they claim of themselves.

For ``min reg(beta) s.t. X beta = y`` the conditions are ``X beta = y`` and ``grad reg(beta) = X^T nu`` for some nu;
both sides of strong duality then agree. For ``min reg(beta) s.t. A beta >= 1``, with rows ``y_n x_n`` in A, they
are ``A beta >= 1``, ``grad reg(beta) = A^T nu``, ``nu >= 0`` and ``nu_n = 0`` wherever the margin is larger than 1.
Every residual is free of units: scaling X, y or reg does not change it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .problems import Interpolation, Margins
    from .regularizer import Regularizer

__all__ = ["estimate_dual", "margin_residuals", "residuals"]

_COARSE = 2.0**-970
"""Value of a regularizer below which it, and the terms of the gap, are too near the end of the range of floats."""
_TERMS = 2.0**-47
"""Rounding of a sum, relative to the sum of the sizes of its terms, that tells nothing of a solution."""
_EDGE = 2.0**-51
"""How near to the edge of the domain of a conjugate, relatively, theta is judged: a few roundings."""


def residuals(
    problem: Interpolation, reg: Regularizer, beta: ArrayLike, dual: ArrayLike | None = None
) -> dict[str, float]:
    """Optimality residuals of a predictor for ``min reg(beta) s.t. X beta = y``.

    Parameters
    ----------
    problem
        Data ``X (N, d)`` and ``y (N,)``.
    reg
        Differentiable regularizer.
    beta
        Predictor, ``(d,)``.
    dual
        Multipliers nu, ``(N,)``. Without them, those that fit ``beta`` best (:func:`estimate_dual`) are judged.

    Returns
    -------
    dict
        ``primal``: ``||X beta - y|| / ||y||`` (over ``|| |X| |beta| ||`` where y = 0);
        ``stationarity``: ``||grad reg(beta) - X^T nu|| / ||grad reg(beta)||`` in the norm of the inverse Hessian,
        where a coordinate counts as much as a change of it changes the predictor;
        ``gap``: ``[reg(beta) + reg*(X^T nu) - <beta, X^T nu>] / reg(beta)``, the duality gap at a feasible point,
        never negative but for rounding.
        Denominators are those of the regularizer without its reference point, where it has one.

    Raises
    ------
    ValueError
        If a shape does not match the problem.
    """
    b = np.asarray(beta, dtype=np.float64)
    N, d = problem.shape
    if b.shape != (d,):
        raise ValueError(f"beta must have shape ({d},) to match X, got shape {b.shape}")
    nu = estimate_dual(problem, reg, b) if dual is None else np.asarray(dual, dtype=np.float64)
    if nu.shape != (N,):
        raise ValueError(f"dual must have shape ({N},) to match X, got shape {nu.shape}")
    X, y = problem.X, problem.y
    scale = np.linalg.norm(y) or np.linalg.norm(abs(X) @ np.abs(b))
    return {
        "primal": _ratio(float(np.linalg.norm(X @ b - y)), float(scale)),
        **_dual_residuals(reg, b, X.T @ nu),
    }


def margin_residuals(
    problem: Margins, reg: Regularizer, beta: ArrayLike, dual: ArrayLike | None = None
) -> dict[str, float]:
    """Optimality residuals of a predictor for ``min reg(beta) s.t. y_n <x_n, beta> >= 1``.

    Parameters
    ----------
    problem
        Data ``X (N, d)`` and labels ``y (N,)``.
    reg
        Differentiable regularizer.
    beta
        Predictor, ``(d,)``.
    dual
        Multipliers nu, ``(N,)``. Without them, those that fit ``beta`` best among nonnegative ones are judged.

    Returns
    -------
    dict
        ``primal``: largest shortfall of a margin, ``max_n (1 - m_n)_+``;
        ``sign``: ``max_n (-nu_n)_+ / max_n |nu_n|``;
        ``complementarity``: ``sum_n |nu_n (m_n - 1)| / sum_n |nu_n|``;
        ``stationarity`` and ``gap``: as in :func:`residuals`.
        Of the differences in the first, third and fourth, what the rounding of the data, beta and nu to floats may
        amount to is not counted: 32 units of it, relative to the sum of the sizes of the terms.

    Raises
    ------
    ValueError
        If a shape does not match the problem.
    """
    b = np.asarray(beta, dtype=np.float64)
    N, d = problem.shape
    if b.shape != (d,):
        raise ValueError(f"beta must have shape ({d},) to match X, got shape {b.shape}")
    A = problem.signed
    nu = _nonnegative_dual(A, reg, b) if dual is None else np.asarray(dual, dtype=np.float64)
    if nu.shape != (N,):
        raise ValueError(f"dual must have shape ({N},) to match X, got shape {nu.shape}")
    sizes, size = np.abs(A), np.abs(nu)
    excess = _beyond(A @ b - 1.0, sizes @ np.abs(b))
    return {
        "primal": float(np.maximum(-excess, 0.0).max() + 0.0),
        "sign": _ratio(float(np.maximum(-nu, 0.0).max() + 0.0), float(size.max())),
        "complementarity": _ratio(float(size @ np.abs(excess)), float(size.sum())),
        **_dual_residuals(reg, b, A.T @ nu, sizes.T @ size),
    }


def _beyond(difference: NDArray[np.float64], terms: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """What of a difference is more than the rounding of terms whose sizes add up to `terms`."""
    return np.copysign(np.maximum(np.abs(difference) - _TERMS * terms, 0.0), difference)


def _dual_residuals(
    reg: Regularizer,
    b: NDArray[np.float64],
    theta: NDArray[np.float64],
    terms: NDArray[np.float64] | float = 0.0,
) -> dict[str, float]:
    """Stationarity and gap of the pair beta, theta; `terms` are the sizes that add up to theta."""
    grad, value, weight = np.asarray(reg.grad(b)), float(reg(b)), _inverse_hessian(reg, b)
    mismatch = _beyond(grad - theta, terms)
    # what is taken off for a reference point counts: near that point nothing but rounding would be left
    size = value if reg.reference is None else float(reg.without_reference()(b))
    return {
        "stationarity": _ratio(_norm(weight, mismatch), _norm(weight, grad + reg.dual_origin)),
        "gap": _ratio(_fenchel_gap(reg, b, theta, value), max(size, _COARSE)),
    }


def _nonnegative_dual(A: NDArray[np.float64], reg: Regularizer, beta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multipliers ``nu >= 0`` that come nearest to stationarity and complementarity together."""
    from scipy.optimize import nnls

    root = np.sqrt(_inverse_hessian(reg, beta))
    matrix = root[:, None] * A.T
    size = np.linalg.norm(matrix, axis=0)
    size[size == 0.0] = 1.0  # samples may differ in units
    target = root * np.asarray(reg.grad(beta))
    slack = np.diag(np.abs(A @ beta - 1.0))
    nu = nnls(np.vstack([matrix / size, slack]), np.append(target, np.zeros(len(A))))[0]
    return np.asarray(nu / size)


def estimate_dual(problem: Interpolation, reg: Regularizer, beta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multipliers nu, ``(N,)``, for which ``X^T nu`` is nearest to ``grad reg(beta)`` in the inverse Hessian."""
    root = np.sqrt(_inverse_hessian(reg, beta))
    transposed = problem.X.T if isinstance(problem.X, np.ndarray) else problem.X.T.toarray()
    matrix = root[:, None] * transposed
    size = np.linalg.norm(matrix, axis=0)
    size[size == 0.0] = 1.0  # samples may differ in units
    solution: NDArray[np.float64] = np.linalg.lstsq(matrix / size, root * np.asarray(reg.grad(beta)), rcond=None)[0]
    solution /= size
    return solution


def _inverse_hessian(reg: Regularizer, beta: NDArray[np.float64]) -> NDArray[np.float64]:
    """``1/hess_diag``, scaled to a largest entry of 1."""
    with np.errstate(all="ignore"):
        curvature = np.asarray(reg.hess_diag(beta))
        smallest = curvature.min()
        # the flattest coordinates count fully also where their curvature is below the range of floats
        return np.where(curvature == smallest, 1.0, smallest / curvature)


def _norm(weight: NDArray[np.float64], v: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.sum(weight * v * v)))


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0.0 else numerator


def _fenchel_gap(reg: Regularizer, beta: NDArray[np.float64], theta: NDArray[np.float64], value: float) -> float:
    """``reg(beta) + reg*(theta) - <beta, theta>``; theta is drawn into the domain of the conjugate first."""
    inside = theta + reg.dual_origin
    excess = float(np.max(np.abs(inside) / reg.dual_bound))
    if excess > 1.0 - _EDGE:
        theta = inside * ((1.0 - _EDGE) / excess) - reg.dual_origin
    return math.fsum([value, float(reg.conjugate(theta)), *(-beta * theta).tolist()])
