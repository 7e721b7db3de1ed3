"""Checks of parameters and sample weights that the estimators share."""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = ["SPARSE", "check_network", "check_weights"]

SPARSE = ("csr", "csc", "coo")
"""Sparse formats that are taken."""


def check_network(depth: Any, w0: Any, fit_intercept: Any, d: int) -> None:
    """Raise `ValueError` for parameters of the network that do not make one for d features."""
    if not isinstance(depth, numbers.Real) or isinstance(depth, bool) or not 2.0 <= float(depth) < math.inf:
        raise ValueError(f"depth must be a finite real number >= 2, got {depth!r}")
    if w0 is not None and np.shape(w0) != (d,):
        raise ValueError(f"w0 must have one entry per feature, ({d},), got shape {np.shape(w0)}")
    if not isinstance(fit_intercept, bool | np.bool_):
        raise ValueError(f"fit_intercept must be True or False, got {fit_intercept!r}")


def check_weights(sample_weight: ArrayLike, N: int) -> Array:
    """Sample weights as an array, ``(N,)``, or `ValueError`."""
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim == 0:
        weights = np.full(N, float(weights))
    if weights.shape != (N,):
        raise ValueError(
            f"sample_weight must have one entry per sample, shape ({N},), got an array of shape {weights.shape}"
        )
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0.0)))
    if bad.size:
        i = int(bad[0])
        raise ValueError(f"sample_weight must be finite and not negative, got {weights[i]} at index {i}")
    if not weights.any():
        raise ValueError("sample_weight must have a positive entry, got zeros only")
    return weights
