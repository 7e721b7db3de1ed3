"""The implicit bias of gradient descent on diagonal linear networks.

Gradient flow on a diagonal network of depth D, started at scale alpha, ends at the minimizer of a known convex
function of the predictor, :class:`Q`, among all predictors that fit the data. This package evaluates that
function anywhere, solves for the end point without training, trains real networks to check the
prediction, and derives all of it with SymPy (``python -m derivations`` in the source tree).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import special
from ._result import ConvergenceError, ImplicitBiasError, InfeasibleError, Result, Status
from .problems import Interpolation, Margins
from .regularizer import L1, L2, Q, R, Regularizer

if TYPE_CHECKING:
    from ._crosscheck import crosscheck
    from .solvers import interpolate

__version__ = "0.1.0"

__all__ = [
    "L1",
    "L2",
    "ConvergenceError",
    "ImplicitBiasError",
    "InfeasibleError",
    "Interpolation",
    "Margins",
    "Q",
    "R",
    "Regularizer",
    "Result",
    "Status",
    "crosscheck",
    "interpolate",
    "special",
]


_LAZY = {"crosscheck": "._crosscheck", "interpolate": ".solvers"}


def __getattr__(name: str) -> Any:
    """Load what needs SciPy's optimizers or torch when it is first used."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name], __name__), name)
    globals()[name] = value
    return value
