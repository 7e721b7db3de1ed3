"""Problems to train on: planted sparse regression, scikit-learn's diabetes data, tables from files."""

from __future__ import annotations

import csv
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Dataset", "diabetes", "load_table", "sparse_regression", "standardize"]

FloatArray = NDArray[np.float64]
Seed = int | np.random.Generator | None


@dataclass(frozen=True, eq=False)
class Dataset:
    """A regression problem with the words that describe it.

    Attributes
    ----------
    name
        Short name.
    X
        Design matrix, shape ``(N, d)``.
    y
        Targets, shape ``(N,)``.
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


def load_table(path: str | Path, target: str | None = None) -> Dataset:
    """Read a regression problem from a ``.csv`` or an ``.npz`` file, as it stands there.

    Parameters
    ----------
    path
        A CSV file with one line of column names and numbers below, or an NPZ file with arrays ``X`` and
        ``y``.
    target
        Name of the CSV column that holds the targets; the last one when None. The others are the features.

    Returns
    -------
    Dataset
        Not scaled; :func:`standardize` does that.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file, or a directory of that name.
    ValueError
        If the file cannot be used; the message names the file and, in a CSV file, line and column.
    """
    file = Path(path)
    if file.is_dir():
        raise IsADirectoryError(f"{file}: a directory; a .csv or .npz file is needed")
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    readers = {".csv": _read_csv, ".npz": _read_npz}
    if file.suffix.lower() not in readers:
        raise ValueError(f"{file}: the name must end in .csv or .npz")
    X, y, names = readers[file.suffix.lower()](file, target)
    return Dataset(
        name=file.stem,
        X=X,
        y=y,
        feature_names=names,
        description=f"{X.shape[0]} rows with {X.shape[1]} features from {file.name}",
    )


def standardize(data: Dataset) -> Dataset:
    """Shift and scale every column and the target to mean 0 and variance 1.

    ``alpha`` is compared with the size of the predictor's entries, so a measurement in grams and one in
    tonnes would otherwise be in different regimes of the same training. Centring takes the place of an
    intercept; it costs the matrix one rank, and the centred targets stay in its range where the original
    ones were in general position.

    Raises
    ------
    ValueError
        If a column or the target is constant; the message names it.
    """
    for name, column in zip((*data.feature_names, "the target"), (*data.X.T, data.y), strict=True):
        if column.max() == column.min():
            raise ValueError(f"{data.name}: {name} is constant and cannot be standardized; leave it out")
    return replace(
        data,
        X=_standardized(data.X),
        y=_standardized(data.y),
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


def _read_csv(file: Path, target: str | None) -> tuple[FloatArray, FloatArray, tuple[str, ...]]:
    try:
        header, rows = _csv_cells(file)
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not a text file in UTF-8 ({error.reason}); save it in that encoding") from error
    except csv.Error as error:
        raise ValueError(f"{file}: not a CSV file ({error})") from error
    if len(header) < 2 or not rows:
        raise ValueError(f"{file}: at least two columns and one row of numbers are needed")
    column = header[-1] if target is None else target
    if header.count(column) != 1:
        problem = "no column" if column not in header else "more than one column"
        raise ValueError(f"{file}: {problem} named {column!r}; the columns are {', '.join(header)}")
    at = header.index(column)
    table = np.array(rows)
    return np.delete(table, at, axis=1), table[:, at].copy(), tuple(header[:at] + header[at + 1 :])


def _csv_cells(file: Path) -> tuple[list[str], list[list[float]]]:
    with file.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream)
        header = [name.strip() for name in next(reader, [])]
        if not header:
            raise ValueError(f"{file}: the file is empty")
        if all(_is_number(name) for name in header):
            raise ValueError(f"{file}, line 1: column names expected, got numbers only")
        if "" in header:
            raise ValueError(
                f"{file}, line 1: column {header.index('') + 1} has no name; name it, or remove it if it only "
                "numbers the rows (pandas leaves that out with to_csv(index=False))"
            )
        rows = []
        for cells in reader:
            if not cells:  # a blank line, commonly the last
                continue
            if len(cells) != len(header):
                raise ValueError(
                    f"{file}, line {reader.line_num}: {len(cells)} entries where the header has {len(header)}"
                )
            rows.append(
                [_number(cell, file, reader.line_num, name) for cell, name in zip(cells, header, strict=True)]
            )
    return header, rows


def _read_npz(file: Path, target: str | None) -> tuple[FloatArray, FloatArray, tuple[str, ...]]:
    if target is not None:
        raise ValueError(f"{file}: an .npz file names its target itself (array y); a target column is for .csv")
    if not zipfile.is_zipfile(file):
        raise ValueError(f"{file}: not an .npz archive, whatever its name says; numpy.savez writes one")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            missing = [name for name in ("X", "y") if name not in arrays]
            if missing:
                held = ", ".join(arrays) or "none"
                raise ValueError(f"{file}: no array {' and no array '.join(missing)}, only {held}")
            X, y = _member(file, arrays, "X"), _member(file, arrays, "y")
    except (OSError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{file}: the archive cannot be read: {error}") from error
    if X.ndim != 2 or y.shape != X.shape[:1] or 0 in X.shape:
        raise ValueError(f"{file}: X must have shape (N, d) and y (N,), got {X.shape} and {y.shape}")
    for name, array in (("X", X), ("y", y)):
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{file}: {name} must hold real numbers, got dtype {array.dtype}")
        if not np.isfinite(array).all():
            raise ValueError(f"{file}: {name} must be finite, entry {_first_bad(array)} is not")
    names = tuple(f"x{i}" for i in range(X.shape[1]))
    return X.astype(np.float64), y.astype(np.float64), names


def _member(file: Path, arrays: Mapping[str, Any], name: str) -> NDArray[Any]:
    try:
        return np.asarray(arrays[name])
    except ValueError as error:  # NumPy's own text names a switch that would run code from the file
        raise ValueError(f"{file}: {name} is not an array of numbers") from error


def _first_bad(array: NDArray[np.generic]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(~np.isfinite(array.astype(np.float64)))[0])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str, file: Path, line: int, column: str) -> float:
    where = f"{file}, line {line}, column {column!r}"
    if not _is_number(text):
        raise ValueError(f"{where}: a number expected, got {text.strip()!r}")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{where}: a finite number expected, got {text.strip()}")
    return value
