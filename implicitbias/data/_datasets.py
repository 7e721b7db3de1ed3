"""Problems that are planted or come with scikit-learn, and the scaling of any."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Dataset", "diabetes", "digits", "sparse_regression", "standardize"]

FloatArray = NDArray[np.float64]
Seed = int | np.random.Generator | None


@dataclass(frozen=True, eq=False)
class Dataset:
    """A problem of regression or of classification with the words that describe it.

    Attributes
    ----------
    name
        Short name.
    X
        Design matrix, shape ``(N, d)``.
    y
        Targets, or labels -1 and +1, shape ``(N,)``.
    feature_names
        One name per column of `X`.
    description
        One sentence that says what the problem is.
    planted
        The vector the targets were made from, shape ``(d,)``, where there is one.
    """

    name: str
    X: FloatArray
    y: FloatArray
    feature_names: tuple[str, ...]
    description: str
    planted: FloatArray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """``(N, d)``."""
        return self.X.shape[0], self.X.shape[1]


def sparse_regression(
    n_samples: int, n_features: int, n_nonzero: int, *, noise: float = 0.1, rng: Seed = None
) -> Dataset:
    r"""Gaussian design with a sparse planted vector.

    .. math:: y = X\beta^* + \text{noise}\cdot\varepsilon, \qquad \beta^*_i = 1/\sqrt r \text{ for } i < r .

    Parameters
    ----------
    n_samples, n_features
        ``N`` and ``d``; the entries of `X` and of the noise are standard normal.
    n_nonzero
        ``r``, from 1 to `n_features`; the nonzero entries come first.
    noise
        Standard deviation of the noise, not negative.
    rng
        Seed or generator.

    Raises
    ------
    ValueError
        If a size or the noise is out of range.

    Notes
    -----
    Source: Woodworth et al. (2020), section 6 and appendix A, with ``noise**2 = 0.01``.
    """
    if n_samples < 1:
        raise ValueError(f"n_samples must be at least 1, got {n_samples}")
    if not 1 <= n_nonzero <= n_features:
        raise ValueError(f"n_nonzero must lie between 1 and n_features = {n_features}, got {n_nonzero}")
    if not 0 <= noise < math.inf:
        raise ValueError(f"noise must be finite and not negative, got {noise}")
    generator = np.random.default_rng(rng)
    beta = np.zeros(n_features)
    beta[:n_nonzero] = 1 / math.sqrt(n_nonzero)
    X = generator.standard_normal((n_samples, n_features))
    y = X @ beta + noise * generator.standard_normal(n_samples)
    return Dataset(
        name="sparse",
        X=X,
        y=y,
        feature_names=tuple(f"x{i}" for i in range(n_features)),
        description=(
            f"{n_samples} samples of a {n_nonzero}-sparse vector in {n_features} dimensions through a "
            f"Gaussian matrix, noise {noise:g}"
        ),
        planted=beta,
    )


def diabetes(n_samples: int = 30, degree: int = 2, *, rng: Seed = 0) -> Dataset:
    """Few patients of scikit-learn's bundled diabetes data, polynomial features of ten measurements.

    Parameters
    ----------
    n_samples
        Patients kept, drawn at random without replacement, at most 442.
    degree
        Degree of the polynomial features, at least 1. Degree 2 gives 64 columns, degree 3 gives 283.
    rng
        Seed or generator.

    Raises
    ------
    ValueError
        If `n_samples` or `degree` is out of range, or if there are not fewer samples than features.

    Notes
    -----
    The measurements are standardized, then expanded; monomials that repeat an earlier column up to an
    affine map (powers of the two-valued sex) are left out, because with equal columns the minimum l1 norm
    has many solutions. Columns and target are then standardized over all 442 patients, before the few are
    drawn. So every column has entries of order one, the interpolating predictors have entries of order one
    or below, and the change from the kernel to the rich regime falls into ``alpha`` from 1e-3 to 10.
    Statistics of all the patients keep the matrix at full row rank, which centring the few rows by
    themselves would not.
    """
    from sklearn.datasets import load_diabetes  # half a second, and only this function needs it
    from sklearn.preprocessing import PolynomialFeatures

    bunch = load_diabetes(scaled=False)
    total = len(bunch.target)
    if not 1 <= n_samples <= total:
        raise ValueError(f"n_samples must lie between 1 and {total}, got {n_samples}")
    if degree < 1:
        raise ValueError(f"degree must be at least 1, got {degree}")
    expansion = PolynomialFeatures(degree, include_bias=False)
    columns = _standardized(expansion.fit_transform(_standardized(bunch.data)))
    overlap = np.abs(columns.T @ columns) / total
    # Columns of unit variance repeat each other exactly where their correlation is 1 up to rounding.
    fresh = np.flatnonzero(~(np.triu(overlap, 1) > 1 - 1e-9).any(axis=0))
    if n_samples >= len(fresh):
        raise ValueError(
            f"degree {degree} gives {len(fresh)} features, so n_samples must be below that, got {n_samples}"
        )
    names = expansion.get_feature_names_out(bunch.feature_names)
    rows = np.random.default_rng(rng).choice(total, n_samples, replace=False)
    return Dataset(
        name="diabetes",
        X=np.ascontiguousarray(columns[np.ix_(rows, fresh)]),
        y=_standardized(bunch.target)[rows],
        feature_names=tuple(str(name) for name in names[fresh]),
        description=(
            f"disease progression of {n_samples} diabetes patients from {len(fresh)} standardized polynomial "
            f"features of degree up to {degree} of 10 measurements"
        ),
    )


def digits(positive: int = 3, negative: int = 8, n_samples: int | None = None, *, rng: Seed = 0) -> Dataset:
    """Two of the ten classes of scikit-learn's bundled handwritten digits, labelled +1 and -1.

    Parameters
    ----------
    positive, negative
        The digits labelled +1 and -1, from 0 to 9.
    n_samples
        Images kept, drawn at random without replacement, of both digits in proportion; all (about 360) when None.
    rng
        Seed or generator, for the choice of the images.

    Raises
    ------
    ValueError
        If a digit or `n_samples` is out of range.

    Notes
    -----
    Columns are the pixels of the 8 x 8 images as shades from 0 to 1, without those that are the same in all the
    images kept. No shade and no label is shifted: there is no intercept. Any two digits can be separated by a
    hyperplane through the origin. The maximum margins have entries up to 3 (default digits), and the change from
    the l2 to the l1 maximum margin falls into ``mu`` from 1 to 1e-4.
    """
    from sklearn.datasets import load_digits  # half a second, and only this function needs it

    for name, digit in (("positive", positive), ("negative", negative)):
        if digit not in range(10):
            raise ValueError(f"{name} must be a digit from 0 to 9, got {digit!r}")
    if positive == negative:
        raise ValueError(f"positive and negative must be different digits, got {positive} twice")
    bunch = load_digits()
    classes = [np.flatnonzero(bunch.target == digit) for digit in (positive, negative)]
    total = sum(len(rows) for rows in classes)
    if n_samples is not None:
        if not 2 <= n_samples <= total:
            raise ValueError(f"n_samples must lie between 2 and {total}, got {n_samples}")
        first = min(max(round(n_samples * len(classes[0]) / total), 1), n_samples - 1)
        generator = np.random.default_rng(rng)
        sizes = (first, n_samples - first)
        classes = [generator.choice(rows, size, replace=False) for rows, size in zip(classes, sizes, strict=True)]
    rows = np.sort(np.concatenate(classes))
    X = bunch.data[rows] / 16.0
    used = np.flatnonzero(np.ptp(X, axis=0) > 0.0)
    return Dataset(
        name="digits",
        X=np.ascontiguousarray(X[:, used]),
        y=np.where(bunch.target[rows] == positive, 1.0, -1.0),
        feature_names=tuple(bunch.feature_names[i] for i in used),
        description=(
            f"{len(rows)} handwritten digits, {positive} (+1) against {negative} (-1), by {len(used)} pixels of "
            "8 x 8 images"
        ),
    )


def standardize(data: Dataset, *, target: bool = True) -> Dataset:
    """Shift and scale every column and, unless told otherwise, the target to mean 0 and variance 1.

    ``alpha`` is compared with the size of the predictor's entries, so a measurement in grams and one in
    tonnes would otherwise be in different regimes of the same training. Centring takes the place of an
    intercept; it costs the matrix one rank, and the centred targets stay in its range where the original
    ones were in general position.

    Parameters
    ----------
    data
        The problem.
    target
        Whether the target is standardized, too. Labels are not to be.

    Raises
    ------
    ValueError
        If a column, or the target where it counts, is constant; the message names it.
    """
    names, columns = list(data.feature_names), list(data.X.T)
    if target:
        names.append("the target")
        columns.append(data.y)
    for name, column in zip(names, columns, strict=True):
        if column.max() == column.min():
            raise ValueError(f"{data.name}: {name} is constant and cannot be standardized; leave it out")
    return replace(
        data,
        X=_standardized(data.X),
        y=_standardized(data.y) if target else data.y,
        planted=None,
        description=f"{data.description}, standardized",
    )


def _standardized(values: ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    # Largest magnitude of a column to about 1, so that no sum or square overflows; powers of two round nothing.
    array = np.ldexp(array, -np.frexp(np.abs(array).max(axis=0))[1])
    centred = array - array.mean(axis=0)
    scaled: FloatArray = centred / centred.std(axis=0)
    return scaled
