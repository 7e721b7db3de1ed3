"""The scale of initialization chosen by cross-validation."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils.parallel import Parallel, delayed

from ..regularizer import Q
from ._least_squares import ReducedData, reduce_rows
from ._regressor import DiagonalNetworkRegressor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = ["ImplicitBiasRegressorCV"]

_GRID_SIZE = 30
"""Scales in an automatic grid."""
_KERNEL_END = 10.0
"""``alpha^D`` at which the grid starts, in units of the largest coefficient of the kernel limit; by the cubic term
of the curve the end point is then within some 0.3% of that limit at every depth."""
_LONGEST_GRID = 1e-16
"""Ratio of ``alpha^D`` between the ends of the longest grid."""
_SETTLED = 0.01
"""Relative distance to the end point at the smallest scale below which smaller scales are not worth trying."""


class ImplicitBiasRegressorCV(DiagonalNetworkRegressor):
    """Linear regression by a diagonal linear network whose scale of initialization is cross-validated.

    Every fold is solved at every scale; the scale with the smallest squared error on the held-out samples is then
    used on all of them.

    Parameters
    ----------
    alphas
        Scales to try, each as for :class:`ImplicitBiasRegressor`; or the number of scales of an automatic grid
        (None for 30). The grid is geometric. It starts where the end point on all samples is, within 1%, the
        kernel limit, and ends where smaller scales change it by less than 1%, sixteen decades of ``alpha^D``
        below at the latest.
    depth, w0, fit_intercept, tol, max_iter
        As for :class:`ImplicitBiasRegressor`.
    cv
        Folds: a number, a splitter or a list of pairs of indices, as for ``sklearn.model_selection.check_cv``; None
        for 5 folds.
    n_jobs
        Folds solved at the same time, as for ``joblib.Parallel``.

    Attributes
    ----------
    alpha_ : float or str
        The scale chosen, as it was given. Of equally good ones the largest.
    alphas_ : ndarray
        The scales, ``(k,)``, from the kernel to the rich end; dtype object if one was not given as a float.
    log_alphas_ : ndarray
        Their natural logarithms, ``(k,)``, also where a float would underflow.
    mse_path_ : ndarray
        Mean squared error on the held-out samples, ``(k, n_folds)``, weighted by the sample weights and averaged
        over the outputs.
    coef_, intercept_, dual_, n_iter_, rank_, n_features_in_, feature_names_in_
        Of the fit to all samples, as for :class:`ImplicitBiasRegressor`.

    Raises
    ------
    ValueError, TypeError
        If data or a parameter are invalid.
    ConvergenceError
        If `tol` is not reached on some fold.

    See Also
    --------
    ImplicitBiasRegressor : The same at a given scale.

    Notes
    -----
    Outputs share the scale. Folds count by the total weight of their held-out samples.
    """

    def __init__(
        self,
        alphas: int | ArrayLike | None = None,
        depth: float = 2,
        w0: ArrayLike | None = None,
        *,
        fit_intercept: bool = True,
        cv: Any = None,
        tol: float = 1e-9,
        max_iter: int = 2000,
        n_jobs: int | None = None,
    ) -> None:
        self.alphas = alphas
        self.depth = depth
        self.w0 = w0
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Choose the scale and compute the end point of training on all samples.

        Parameters
        ----------
        X
            Samples, ``(N, d)``, dense or sparse.
        y
            Targets, ``(N,)`` or ``(N, T)``.
        sample_weight
            Weights of the samples in the loss, in training and in validation, ``(N,)``; None for equal ones.
        """
        samples, targets, weights, many = self._check_data(X, y, sample_weight)
        self._check_parameters(samples.shape[1])
        data = reduce_rows(samples, targets, weights, centre=bool(self.fit_intercept))
        alphas = self._grid(data) if _is_count(self.alphas) else _as_list(self.alphas)
        logs = np.array([Q(alpha, self.depth, self.w0).log_alpha for alpha in alphas])
        order = np.argsort(-logs, kind="stable")
        alphas, logs = [alphas[i] for i in order], logs[order]
        folds = list(check_cv(self.cv).split(samples, targets))
        errors = Parallel(n_jobs=self.n_jobs)(
            delayed(self._held_out_errors)(samples, targets, weights, train, test, alphas) for train, test in folds
        )
        self.mse_path_ = np.column_stack(errors)
        sizes = [len(test) if weights is None else weights[test].sum() for _, test in folds]
        best = int(np.argmin(np.average(self.mse_path_, axis=1, weights=sizes)))
        self.alpha_, self.log_alphas_ = alphas[best], logs
        self.alphas_ = _as_array(alphas)
        self._set_fitted(data, self.alpha_, many)
        return self

    def _held_out_errors(
        self,
        X: Array,
        y: Array,
        weights: Array | None,
        train: NDArray[np.int64],
        test: NDArray[np.int64],
        alphas: list[Any],
    ) -> Array:
        """Mean squared errors of one fold, ``(k,)``."""
        seen, held_out = (None, None) if weights is None else (weights[train], weights[test])
        for name, fold in (("training", seen), ("held-out", held_out)):
            if fold is not None and not fold.any():
                raise ValueError(f"sample_weight is zero on all {name} samples of a fold; use other folds")
        data = reduce_rows(X[train], y[train], seen, centre=bool(self.fit_intercept))
        coef, _, _ = self._end_points(data, alphas)
        # (k, T, n): predictions are those at the mean of the training samples, and what the deviation from it adds
        residuals = coef @ (X[test] - data.x_mean).T + (data.y_mean - y[test]).T
        errors: Array = np.average(np.square(residuals).mean(axis=1), axis=1, weights=held_out)
        return errors

    def _grid(self, data: ReducedData) -> list[float]:
        """Scales from the kernel end to where the end point on all samples has settled."""
        size = _GRID_SIZE if self.alphas is None else int(np.asarray(self.alphas))
        w0 = np.ones(data.rows.shape[1]) if self.w0 is None else np.abs(np.asarray(self.w0, dtype=np.float64))
        # minimum of sum beta^2 / w0^(2D-2): the kernel limit
        metric = w0 ** (self.depth - 1.0)
        kernel = metric[:, None] * np.linalg.lstsq(data.rows * metric, data.targets, rcond=None)[0]
        largest = float(np.max(np.abs(kernel) / w0[:, None] ** float(self.depth), initial=0.0))
        start = np.log(_KERNEL_END * (largest or 1.0)) / self.depth
        coarse = start + np.linspace(0.0, np.log(_LONGEST_GRID) / self.depth, 17)
        path, _, _ = self._end_points(data, [float(alpha) for alpha in np.exp(coarse)])
        distance = np.linalg.norm(path - path[-1], axis=-1)
        moving = np.any(distance > _SETTLED * np.linalg.norm(path[-1], axis=-1), axis=-1)
        end = coarse[int(np.max(np.flatnonzero(moving), initial=0)) + 1]
        return [float(alpha) for alpha in np.exp(np.linspace(start, end, size))]


def _is_count(alphas: Any) -> bool:
    if alphas is None:
        return True
    if isinstance(alphas, numbers.Integral) and not isinstance(alphas, bool):
        if alphas < 1:
            raise ValueError(f"alphas must be a positive number of scales or a list of them, got {alphas}")
        return True
    return False


def _as_list(alphas: Any) -> list[Any]:
    if isinstance(alphas, str) or not hasattr(alphas, "__iter__"):
        raise ValueError(f"alphas must be a list of scales, a number of them or None, got {alphas!r}")
    given = alphas.tolist() if isinstance(alphas, np.ndarray) else list(alphas)
    if not given:
        raise ValueError("alphas must hold at least one scale, got none")
    return given


def _as_array(alphas: list[Any]) -> NDArray[Any]:
    floats = all(isinstance(alpha, numbers.Real) for alpha in alphas)
    array: NDArray[Any] = np.empty(len(alphas), dtype=np.float64 if floats else object)
    array[:] = [float(alpha) for alpha in alphas] if floats else alphas
    return array
