"""A classification problem in a form that is easy on the numbers, and results brought back from it and judged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import certificates
from ..._result import NotSeparableError, Result, Status
from ...problems import Interpolation
from .._standard_form import StandardForm
from ._kernel_end import kernel_end

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ...problems import Margins
    from ...regularizer import L2, Q, R
    from ._active import Fit

    Vector = NDArray[np.float64]

__all__ = ["MarginForm", "distinct_rows", "worst"]

_REFINEMENTS = 2
"""Corrections of multipliers from the predictor."""


def distinct_rows(rows: Vector) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first of all equal rows, in order, ``(n,)``, and which of these each row is equal to, ``(N,)``."""
    # adding 0 turns -0 into 0
    _, first, group = np.unique(rows + 0.0, axis=0, return_index=True, return_inverse=True)
    samples = np.sort(first)
    return samples, np.searchsorted(samples, first[group.ravel()])


class MarginForm:
    """Equivalent constraints ``A beta >= targets`` with rows of size one and no row twice.

    Parameters
    ----------
    problem
        The given problem.
    reg
        Its regularizer, at any scale.

    Attributes
    ----------
    A, targets
        Signed rows, ``(n, d)``, and their positive targets, ``(n,)``.
    samples
        The sample that each row is, ``(n,)``: of equal ones the first.
    exponent
        Binary logarithm of the unit of the predictor.
    """

    def __init__(self, problem: Margins, reg: Q | R | L2) -> None:
        self.problem = problem
        signed = problem.signed
        self.samples, _ = distinct_rows(signed)
        self._form = StandardForm(
            Interpolation(signed[self.samples] + 0.0, np.ones(len(self.samples))), reg, mix=False
        )
        self.exponent = self._form.exponent
        scaled = self._form.problem
        self._units = np.exp2(-np.floor(np.log2(scaled.row_sizes())))
        self.A = np.ascontiguousarray(scaled.scaled_rows(self._units))
        self.targets: Vector = scaled.y * self._units

    def regularizer(self, reg: Any) -> Any:
        """The regularizer in the units of the predictor."""
        return self._form.regularizer(reg)

    def kernel_end(self, weights: Vector | None) -> tuple[Vector, Vector]:
        """Predictor of least ``sum weights beta^2`` and its multipliers, ``(n,)``, to about 1e-6.

        Raises
        ------
        NotSeparableError
            If there is none, with a certificate over the given samples.
        """
        try:
            with np.errstate(over="ignore", under="ignore"):
                return kernel_end(self.A, self.targets, weights)
        except NotSeparableError as error:
            raise NotSeparableError(str(error), self._spread(error.certificate)) from None

    def judged(self, reg: Q | R | L2, fit: Fit, *, tol: float, exhausted: bool = False) -> Result:
        """The result in the units of the problem, and what the certificate says of it."""
        nu = np.maximum(fit.nu, 0.0) * self._units
        found = Result(fit.beta, fit.status, {}, fit.iterations, dual=nu, value=float(reg(fit.beta)))
        plain = self._form.original(found, reg)
        plain = replace(plain, dual=self._spread(plain.dual))
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            residuals = certificates.margin_residuals(self.problem, reg, plain.beta, plain.dual)
            if residuals["stationarity"] > tol and np.isfinite(plain.beta).all():
                # multipliers of badly scaled columns are better had from the predictor
                dual = _multipliers(self.problem, reg, plain)
                other = certificates.margin_residuals(self.problem, reg, plain.beta, dual)
                if worst(other) < worst(residuals):
                    plain, residuals = replace(plain, dual=dual), other
        if worst(residuals) <= tol:
            status = Status.CONVERGED
        elif not np.isfinite(plain.beta).all():
            status = Status.NON_FINITE
        else:
            status = Status.ITERATION_LIMIT if exhausted else Status.STALLED
        # multipliers of the given units may be below the range of floats
        support = self._spread(fit.nu) > 0.0
        return replace(plain, status=status, residuals=residuals, info={"support": support})

    def _spread(self, values: Vector) -> Vector:
        """Values of the rows as those of all samples, of equal samples at the first."""
        spread = np.zeros(self.problem.shape[0])
        spread[self.samples] = values
        return spread


def _multipliers(problem: Margins, reg: Q | R | L2, found: Result) -> Vector:
    """Those on the support that fit the predictor best, every coordinate relative to the terms it is the sum of."""
    dual = np.array(found.dual)
    support = dual > 0.0
    rows = problem.signed[support]
    target = np.asarray(reg.grad(found.beta))
    for _ in range(_REFINEMENTS if support.any() else 0):
        terms = np.abs(rows).T @ dual[support]
        weights = 1.0 / np.where(terms > 0.0, terms, 1.0)
        matrix = weights[:, None] * rows.T
        size = np.linalg.norm(matrix, axis=0)
        mismatch = weights * (target - rows.T @ dual[support])
        dual[support] += np.linalg.lstsq(matrix / size, mismatch, rcond=None)[0] / size
        dual = np.maximum(dual, 0.0)
    return dual


def worst(residuals: Mapping[str, float]) -> float:
    """The largest residual; infinite where one is not a number."""
    values = list(residuals.values())
    return max(values) if all(value == value for value in values) else np.inf
