"""The end point of training as a scikit-learn regressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..regularizer import Q
from ..solvers import interpolate, interpolation_path
from ._checks import SPARSE, check_network, check_weights
from ._least_squares import ReducedData, reduce_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = ["DiagonalNetworkRegressor", "ImplicitBiasRegressor", "end_points"]


class DiagonalNetworkRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]  # untyped
    """What the regressors share: data and parameters checked, fitted attributes, prediction."""

    depth: Any
    w0: Any
    fit_intercept: Any
    tol: Any
    max_iter: Any

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def predict(self, X: ArrayLike) -> Array:
        """Predictions ``X coef_ + intercept_``.

        Parameters
        ----------
        X
            Samples, ``(N, d)``, dense or sparse.

        Returns
        -------
        ndarray
            ``(N,)``, or ``(N, T)`` after fitting T outputs.
        """
        check_is_fitted(self)
        samples = validate_data(self, X, accept_sparse=SPARSE, dtype=np.float64, reset=False)
        predictions: Array = samples @ self.coef_.T + self.intercept_
        return predictions

    def _check_data(self, X: Any, y: Any, sample_weight: Any) -> tuple[Array, Array, Array | None, bool]:
        """Dense X ``(N, d)``, y ``(N, T)``, weights ``(N,)`` or None, and whether y came with a column axis."""
        X, y = validate_data(self, X, y, accept_sparse=SPARSE, dtype=np.float64, y_numeric=True, multi_output=True)
        X = X.toarray() if sparse.issparse(X) else X
        y = np.asarray(y, dtype=np.float64)
        weights = None if sample_weight is None else check_weights(sample_weight, len(X))
        return X, y if y.ndim == 2 else y[:, None], weights, y.ndim == 2

    def _check_parameters(self, d: int) -> None:
        check_network(self.depth, self.w0, self.fit_intercept, d)

    def _end_points(self, data: ReducedData, alphas: Sequence[Any]) -> tuple[Array, Array, NDArray[np.int64]]:
        return end_points(data, alphas, self.depth, self.w0, tol=self.tol, max_iterations=self.max_iter)

    def _set_fitted(self, data: ReducedData, alpha: Any, many: bool) -> None:
        """Solve at `alpha` and set the fitted attributes; `many`: with an axis of outputs in front."""
        beta, dual, iterations = (values[0] for values in self._end_points(data, [alpha]))
        intercept = data.y_mean - beta @ data.x_mean
        self.coef_, self.dual_ = (beta, dual) if many else (beta[0], dual[0])
        self.intercept_ = intercept if many else float(intercept[0])
        self.n_iter_ = iterations if many else int(iterations[0])
        self.rank_ = data.rank


def end_points(
    data: ReducedData, alphas: Sequence[Any], depth: float, w0: ArrayLike | None, *, tol: float, max_iterations: int
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Predictors, multipliers of the samples and Newton steps at k scales for T outputs.

    Returns
    -------
    tuple
        Shapes ``(k, T, d)``, ``(k, T, N)`` and ``(k, T)``. Steps are 1 where linear algebra suffices, and those of
        the whole path at each scale where there are several.
    """
    r, d = data.rows.shape
    k, T = len(alphas), data.targets.shape[1]
    beta, multipliers, iterations = np.zeros((k, T, d)), np.zeros((k, T, r)), np.ones((k, T), dtype=np.int64)
    for j, target in enumerate(data.targets.T):
        if not target.any():
            continue  # the minimum of Q, zero, fits
        if data.unique:
            beta[:, j] = data.rows.T @ target
            grads = [np.asarray(Q(alpha, depth, w0).grad(beta[0, j])) for alpha in alphas]
            multipliers[:, j] = np.array(grads) @ data.rows.T
        elif k == 1:
            end = interpolate(data.rows, target, Q(alphas[0], depth, w0), tol=tol, max_iterations=max_iterations)
            beta[0, j], multipliers[0, j], iterations[0, j] = end.beta, end.dual, max(end.iterations, 1)
        else:
            path = interpolation_path(
                data.rows, target, alphas, depth, w0, tol=tol, max_iterations=k * max_iterations
            )
            beta[:, j], multipliers[:, j], iterations[:, j] = path.beta, path.dual, max(path.iterations, 1)
    return beta, multipliers @ data.lift.T, iterations


class ImplicitBiasRegressor(DiagonalNetworkRegressor):
    r"""Linear regression by a diagonal linear network, trained to the end.

    .. math:: \hat\beta = \arg\min_\beta Q_{\alpha, D, w_0}(\beta) \quad \text{among the minimizers of} \quad
        \min_b \sum_n s_n (x_n^T \beta + b - y_n)^2

    This is where gradient flow on the squared loss ends for ``beta = w_+^D - w_-^D`` with all weights started at
    ``alpha w0``; it is computed, not trained. A small `alpha` gives nearly the interpolant of minimum l1 norm, a
    large one that of minimum l2 norm. Nothing is regularized beyond that: samples that can be fitted are fitted.

    Parameters
    ----------
    alpha
        Scale of initialization, positive: a number, or a decimal string such as ``"1e-4350"``. What counts is the
        size of ``alpha^D`` against that of the coefficients, so features and targets want comparable units
        (``StandardScaler``).
    depth
        Depth D of the network, a real number ``>= 2``.
    w0
        Shape of the initialization, ``(d,)``, nonzero; None for all ones. A large entry makes its feature cheap to
        use.
    fit_intercept
        Whether the network has a bias. It is taken to be at its optimum all along, that is, trained infinitely
        faster than the other weights and not penalized by any `alpha`; the rest is then trained on centred data.
    tol
        Largest relative residual of the optimality conditions that counts as converged.
    max_iter
        Limit on Newton steps.

    Attributes
    ----------
    coef_ : ndarray
        Predictor, ``(d,)``, or ``(T, d)`` for targets of shape ``(N, T)``.
    intercept_ : float or ndarray
        Bias, ``()`` or ``(T,)``; 0 without one.
    dual_ : ndarray
        Multipliers of the samples, ``(N,)`` or ``(T, N)``: ``grad Q(coef_) = X^T dual_``, and ``sum(dual_) = 0`` if
        there is a bias.
    n_iter_ : int or ndarray
        Newton steps, ``()`` or ``(T,)``; 1 where linear algebra suffices.
    rank_ : int
        Rank of the (centred) samples. All features: least squares has one solution, and `alpha` is immaterial.
    n_features_in_ : int
        Number of features d.
    feature_names_in_ : ndarray
        Names of the features, if X had some, all of them strings.

    Raises
    ------
    ValueError, TypeError
        If data or a parameter are invalid.
    ConvergenceError
        If `tol` is not reached.

    See Also
    --------
    ImplicitBiasRegressorCV : Chooses `alpha` by cross-validation.

    Notes
    -----
    Where the samples cannot be fitted (more samples than features, contradictory duplicates) the flow still
    converges: it moves the dual point in the row space of X and stops where ``X^T S (X beta + b - y) = 0``, so its
    limit minimizes Q among the solutions of least squares. Sample weights matter only then; if the samples can be
    fitted, those of positive weight are. A weight of 2 is a sample given twice, one of 0 a sample left out.

    Outputs are trained independently. Sparse X is accepted and made dense: centring and the reduction to
    independent equations fill it anyway.

    Source: Woodworth et al. (2020), Theorems 1 and 3; the shape and the least-squares case are derived for this
    package.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]])
    >>> rich = ImplicitBiasRegressor(alpha=1e-8, fit_intercept=False).fit(X, [2.0, 1.0])
    >>> bool(np.allclose(rich.coef_, [0, 1, 0]))
    True
    """

    def __init__(
        self,
        alpha: Any = 0.01,
        depth: float = 2,
        w0: ArrayLike | None = None,
        *,
        fit_intercept: bool = True,
        tol: float = 1e-9,
        max_iter: int = 2000,
    ) -> None:
        self.alpha = alpha
        self.depth = depth
        self.w0 = w0
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Compute the end point of training.

        Parameters
        ----------
        X
            Samples, ``(N, d)``, dense or sparse.
        y
            Targets, ``(N,)`` or ``(N, T)``.
        sample_weight
            Weights of the samples in the loss, ``(N,)``, not negative; None for equal ones.
        """
        samples, targets, weights, many = self._check_data(X, y, sample_weight)
        self._check_parameters(samples.shape[1])
        Q(self.alpha, self.depth, self.w0)  # an invalid scale is an error whatever the data
        data = reduce_rows(samples, targets, weights, centre=bool(self.fit_intercept))
        self._set_fitted(data, self.alpha, many)
        return self
