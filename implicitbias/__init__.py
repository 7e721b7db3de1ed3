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
from .solvers import interpolate

if TYPE_CHECKING:
    from .crosscheck import crosscheck

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


def __getattr__(name: str) -> Any:
    """Load what needs torch when it is first used."""
    if name == "crosscheck":
        return importlib.import_module(".crosscheck", __name__).crosscheck
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
