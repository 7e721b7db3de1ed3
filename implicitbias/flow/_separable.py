"""Whether a hyperplane separates the data, in the cheapest way that proves it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..problems import Margins

__all__ = ["require_separable", "why_not_separable"]


def require_separable(problem: Any, loss: str, end: Any) -> None:
    """Raise where the accuracy asked for certainly needs separable data and these are not."""
    if loss == "squared":
        return
    # with a sample on the wrong side the mean loss is above an Nth of the loss at a margin of 0
    at_zero = 0.0 if loss == "exponential" else math.log(math.log(2.0))
    if float(end) <= math.log(problem.shape[0]) - at_zero:
        return
    certificate = why_not_separable(problem)
    if certificate is not None:
        from ..solvers.margin._kernel_end import not_separable

        raise not_separable(problem.signed, certificate)


def why_not_separable(problem: Margins) -> NDArray[np.float64] | None:
    """Weights ``c >= 0`` with ``sum c_n y_n x_n = 0``, or None if the data are separable."""
    sizes = np.abs(problem.signed).max(axis=1)
    signed = problem.signed / sizes[:, None]
    # with independent rows there is a predictor with equal margins: the proof that is cheap to find
    predictor = signed.T @ np.linalg.lstsq(signed @ signed.T, np.ones(len(signed)), rcond=None)[0]
    if np.all(signed @ predictor > 0.0):
        return None
    from ..solvers.margin._kernel_end import separability_certificate

    certificate = separability_certificate(signed)
    return None if certificate is None else np.asarray(certificate * (sizes.min() / sizes))
