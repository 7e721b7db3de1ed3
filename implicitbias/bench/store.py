"""References on disk: computed when missing, kept for every later run."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from .._result import ImplicitBiasError
from ..regularizer import L1
from ..solvers import interpolate
from .reference import Matrix, Reference, ReferenceFailure, solve_reference
from .vertex import VertexError, l1_minimum

if TYPE_CHECKING:
    from .problems import Problem, Vector

__all__ = ["ReferenceStore", "cache_directory"]

_FORMAT: Final = 1


def cache_directory() -> Path:
    """Where references and measurements live between runs, in the place the system has for such files."""
    from platformdirs import user_cache_path

    return Path(user_cache_path("implicitbias", appauthor=False)) / "bench"


class ReferenceStore:
    """References by problem, in a directory.

    Parameters
    ----------
    directory
        Created when the first reference is written.
    digits
        Digits that a reference is proven to.
    """

    def __init__(self, directory: Path, digits: int = 50) -> None:
        self._directory, self._digits = directory, digits
        self._vertices: dict[str, Vector] = {}
        self._matrix: tuple[str, Matrix] | None = None

    def end_point(self, problem: Problem) -> Reference:
        """The end point of a problem.

        Raises
        ------
        ReferenceFailure
            If it can neither be read nor computed.
        """
        file = self._file(problem.X, problem.y, f"D{problem.D:g}-alpha{problem.alpha.label}", "npz")
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as data:
                return Reference(
                    data["high"], data["low"], float(data["error"]), float(data["worst"]), str(data["l1"])
                )
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
            pass  # not there, or not readable: computed afresh
        reference = self._solve(problem)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part.npz")
        np.savez_compressed(
            part,
            high=reference.high,
            low=reference.low,
            error=reference.error,
            worst=reference.worst,
            l1=reference.l1,
        )
        part.replace(file)  # whole or not at all
        return reference

    def least_l1(self, X: Vector, y: Vector) -> str:
        """Least l1 norm of an interpolant, 50 proven digits.

        Raises
        ------
        VertexError
            If the problem has no unique nondegenerate solution.
        """
        file = self._file(X, y, "l1", "json")
        try:
            return str(json.loads(file.read_text(encoding="utf-8"))["l1"])
        except (OSError, KeyError, TypeError, ValueError):
            pass
        value = l1_minimum(X, y, self._vertex(X, y), self._digits)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"l1": value}) + "\n", encoding="utf-8")
        return value

    def _solve(self, problem: Problem) -> Reference:
        # the solver under test proposes; should it be wrong, the iteration starts from the linear program
        found = interpolate(problem.X, problem.y, problem.reg, throw=False)
        matrix = self._balls(problem)
        try:
            return solve_reference(problem, np.nan_to_num(found.beta), self._digits, matrix=matrix)
        except (ReferenceFailure, VertexError, ArithmeticError):
            start = self._vertex(problem.X, problem.y)
            return solve_reference(problem, start, self._digits, matrix=matrix)

    def _balls(self, problem: Problem) -> Matrix:
        key = _fingerprint(problem.X, problem.y)
        if self._matrix is None or self._matrix[0] != key:
            self._matrix = key, Matrix(problem.X)
        return self._matrix[1]

    def _vertex(self, X: Vector, y: Vector) -> Vector:
        key = _fingerprint(X, y)
        if key not in self._vertices:
            try:
                self._vertices[key] = np.asarray(interpolate(X, y, L1(), throw=False).beta)
            except ImplicitBiasError as error:
                raise VertexError(f"no solution of the l1 problem to start from: {error}") from error
        return self._vertices[key]

    def _file(self, X: Vector, y: Vector, what: str, suffix: str) -> Path:
        name = re.sub(r"[^\w.+-]", "_", what)
        N, d = X.shape
        return self._directory / f"{N}x{d}-{_fingerprint(X, y)}-{name}-{self._digits}-v{_FORMAT}.{suffix}"


def _fingerprint(X: Vector, y: Vector) -> str:
    """Few characters that change with the data: y depends on every row, and the first row on the generator."""
    digest = hashlib.sha256(np.ascontiguousarray(y).tobytes())
    digest.update(np.ascontiguousarray(X[0]).tobytes())
    return digest.hexdigest()[:12]
