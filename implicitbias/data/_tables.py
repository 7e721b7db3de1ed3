"""Tables from files, as problems of regression or of classification."""

from __future__ import annotations

import csv
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._datasets import Dataset

__all__ = ["load_table"]

FloatArray = NDArray[np.float64]


def load_table(path: str | Path, target: str | None = None) -> Dataset:
    """Read a problem from a ``.csv`` or an ``.npz`` file, as it stands there.

    Parameters
    ----------
    path
        A CSV file with one line of column names and numbers below, or an NPZ file with arrays ``X`` and
        ``y``.
    target
        Name of the CSV column that holds the targets or labels (-1 and 1, or 0 and 1); the last one when None. The
        others are the features.

    Returns
    -------
    Dataset
        Not scaled; :func:`~implicitbias.data.standardize` does that, with ``target=False`` for labels.

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
