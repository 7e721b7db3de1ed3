"""The direction in which training of a classifier ends, as a scikit-learn classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .._result import ConvergenceError, NotSeparableError
from ..regularizer import Q
from ..solvers.margin import max_margin
from ._checks import SPARSE, check_network, check_weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .._result import Result

    Array = NDArray[np.float64]

__all__ = ["ImplicitBiasClassifier"]


class ImplicitBiasClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # untyped
    r"""Linear classification by a diagonal linear network, trained until its direction is that of a margin.

    .. math:: \hat\beta = \arg\min_\beta Q_{\mu, D, w_0}(\beta) \quad \text{subject to} \quad
        y_n (x_n^T \beta + b) \ge 1

    Gradient flow on the exponential loss, for ``beta = w_+^D - w_-^D`` with all weights started at ``alpha w0``,
    has this direction when the loss has come down to eps with ``mu = alpha^D / log(1/eps)``, as both alpha and
    1/eps grow and as long as the support vectors do not change on the way. It is computed, not trained. A large
    `mu`, training stopped early, gives the maximum l2 margin of a hard-margin support vector machine; a small one,
    long training, that in the l1 norm. Nothing is regularized beyond that: classes that cannot be separated are an
    error.

    Parameters
    ----------
    mu
        Scale of initialization against length of training, ``alpha^D / log(1/eps)``, positive: a number, or a
        decimal string such as ``"1e-4350"``. What counts is its size against that of the coefficients, so features
        want comparable units.
    depth
        Depth D of the network, a real number ``>= 2``.
    w0
        Shape of the initialization, ``(d,)``, nonzero; None for all ones. A large entry makes its feature cheap to
        use.
    fit_intercept
        Whether the network has a bias. It is the weight of one more feature, the constant 1, started as with
        ``w0 = 1`` and regularized like the others; scale the features down to make it cheap. Without it the
        hyperplanes pass through the origin.
    tol
        Largest relative residual of the optimality conditions that counts as converged.
    max_iter
        Limit on Newton steps, for each class.

    Attributes
    ----------
    classes_ : ndarray
        Labels, sorted, ``(K,)``.
    coef_ : ndarray
        Predictors with smallest margin 1, ``(1, d)`` for two classes (positive for the second), else ``(K, d)``,
        each of them separating one class from all others.
    intercept_ : ndarray
        Biases, ``(1,)`` or ``(K,)``; 0 without one.
    support_ : ndarray
        Indices of the support vectors, of any of the predictors, ``(n_SV,)``.
    dual_coef_ : ndarray
        Multipliers of the support vectors times their signs -1 and +1, ``(1, n_SV)`` or ``(K, n_SV)``:
        ``grad Q(coef_) = dual_coef_ @ X[support_]``.
    n_iter_ : ndarray
        Newton steps, ``(1,)`` or ``(K,)``; at least 1.
    n_features_in_ : int
        Number of features d.
    feature_names_in_ : ndarray
        Names of the features, if X had some, all of them strings.

    Raises
    ------
    NotSeparableError
        If no hyperplane separates the classes; its ``certificate``, for the samples of positive weight, proves it.
        It is a ``ValueError``.
    ValueError, TypeError
        If data or a parameter are invalid.
    ConvergenceError
        If `tol` is not reached.

    See Also
    --------
    ImplicitBiasRegressor : The end point of training on the squared loss.

    Notes
    -----
    Of more than two classes each is separated from all the others, independently. Where that cannot be but any two
    of them can be separated, use ``sklearn.multiclass.OneVsOneClassifier(ImplicitBiasClassifier())``.

    Sample weights do not matter as long as they are positive: a factor of a term of the loss shifts the logarithm
    of that term, which grows without bound. A sample of weight 0 is left out. Sparse X is accepted and made dense.

    Source: Moroshko et al. (2020), Theorem 6.

    Examples
    --------
    >>> from implicitbias.data import digits
    >>> data = digits(3, 8)
    >>> early = ImplicitBiasClassifier(mu=100).fit(data.X, data.y)
    >>> late = ImplicitBiasClassifier(mu="1e-300").fit(data.X, data.y)
    >>> early.score(data.X, data.y), late.score(data.X, data.y)
    (1.0, 1.0)
    >>> int((abs(early.coef_) > 1e-6).sum()), int((abs(late.coef_) > 1e-6).sum())
    (51, 23)
    """

    def __init__(
        self,
        mu: Any = 1.0,
        depth: float = 2,
        w0: ArrayLike | None = None,
        *,
        fit_intercept: bool = True,
        tol: float = 1e-9,
        max_iter: int = 2000,
    ) -> None:
        self.mu = mu
        self.depth = depth
        self.w0 = w0
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Compute the direction in which training ends.

        Parameters
        ----------
        X
            Samples, ``(N, d)``, dense or sparse.
        y
            Labels of any kind, ``(N,)``, at least two different ones.
        sample_weight
            Weights of the samples in the loss, ``(N,)``, not negative; of these only zeros matter.
        """
        given, y = validate_data(self, X, y, accept_sparse=SPARSE, dtype=np.float64)
        check_classification_targets(y)
        samples: Array = given.toarray() if sparse.issparse(given) else given
        reg = self._regularizer(samples.shape[1])
        kept = np.arange(len(samples))
        if sample_weight is not None:
            kept = np.flatnonzero(check_weights(sample_weight, len(samples)))
        self.classes_, codes = np.unique(np.asarray(y)[kept], return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y must hold at least two classes, got one class only, {self.classes_[0]}")
        rows = samples[kept]
        if self.fit_intercept:
            rows = np.column_stack([rows, np.ones(len(rows))])
        positive = [1] if len(self.classes_) == 2 else range(len(self.classes_))
        signs = np.array([np.where(codes == k, 1.0, -1.0) for k in positive])
        found = [self._separate(rows, s, reg, k) for s, k in zip(signs, positive, strict=True)]
        beta = np.array([result.beta for result in found])
        dual = np.array([result.dual for result in found]) * signs
        used = np.flatnonzero(dual.any(axis=0))
        self.coef_ = beta[:, :-1] if self.fit_intercept else beta
        self.intercept_ = beta[:, -1] if self.fit_intercept else np.zeros(len(found))
        self.support_, self.dual_coef_ = kept[used], dual[:, used]
        self.n_iter_ = np.array([max(1, result.iterations) for result in found])
        return self

    def _regularizer(self, d: int) -> Q:
        """The regularizer of all columns, that of the bias among them."""
        check_network(self.depth, self.w0, self.fit_intercept, d)
        try:
            log_mu = Q(self.mu).log_alpha
        except (TypeError, ValueError) as error:
            raise type(error)(str(error).replace("alpha", "mu")) from None
        w0 = None if self.w0 is None else np.asarray(self.w0)
        if w0 is not None and self.fit_intercept:
            w0 = np.append(w0, 1.0)
        return Q.from_log_alpha(log_mu / float(self.depth), self.depth, w0)

    def _separate(self, rows: Array, signs: Array, reg: Q, k: int) -> Result:
        """Max-margin predictor of one class against the others."""
        try:
            return max_margin(rows, signs, reg, tol=self.tol, max_iterations=self.max_iter)
        except NotSeparableError as error:
            which, other = "the two classes", ""
            if len(self.classes_) > 2:
                which = f"class {self.classes_[k]} and the others"
                other = "; for pairs of classes there is sklearn.multiclass.OneVsOneClassifier"
            origin = "" if self.fit_intercept else " through the origin"
            raise NotSeparableError(
                f"{which} cannot be separated by a hyperplane{origin}, as {np.count_nonzero(error.certificate)} of "
                f"the samples prove (certificate); add features, or leave samples out{other}",
                error.certificate,
            ) from error
        except ConvergenceError as error:
            raise ConvergenceError(f"class {self.classes_[k]}: {error}", error.result) from error

    def decision_function(self, X: ArrayLike) -> Array:
        """Predictors' values ``X coef_ + intercept_``, at least 1 in size with the right sign on training samples.

        Parameters
        ----------
        X
            Samples, ``(N, d)``, dense or sparse.

        Returns
        -------
        ndarray
            ``(N,)`` for two classes, positive for the second, else ``(N, K)``.
        """
        check_is_fitted(self)
        samples = validate_data(self, X, accept_sparse=SPARSE, dtype=np.float64, reset=False)
        scores: Array = samples @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Labels, ``(N,)``: of the largest value of :meth:`decision_function`, or by its sign.

        Parameters
        ----------
        X
            Samples, ``(N, d)``, dense or sparse.
        """
        scores = self.decision_function(X)
        chosen = (scores > 0.0).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)
        labels: NDArray[Any] = self.classes_[chosen]
        return labels
