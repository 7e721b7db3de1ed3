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
    from ._regime import Regime, regime
    from .estimators import ImplicitBiasRegressor, ImplicitBiasRegressorCV
    from .flow import Trajectory, gradient_flow
    from .solvers import InterpolationPath, interpolate, interpolation_path, max_margin

__version__ = "0.1.0"

__all__ = [
    "L1",
    "L2",
    "ConvergenceError",
    "ImplicitBiasError",
    "ImplicitBiasRegressor",
    "ImplicitBiasRegressorCV",
    "InfeasibleError",
    "Interpolation",
    "InterpolationPath",
    "Margins",
    "Q",
    "R",
    "Regime",
    "Regularizer",
    "Result",
    "Status",
    "Trajectory",
    "crosscheck",
    "gradient_flow",
    "interpolate",
    "interpolation_path",
    "max_margin",
    "regime",
    "special",
]


_LAZY = {
    "ImplicitBiasRegressor": ".estimators",
    "ImplicitBiasRegressorCV": ".estimators",
    "InterpolationPath": ".solvers",
    "Regime": "._regime",
    "crosscheck": "._crosscheck",
    "interpolate": ".solvers",
    "interpolation_path": ".solvers",
    "regime": "._regime",
    "Trajectory": ".flow",
    "gradient_flow": ".flow",
    "max_margin": ".solvers",
}


def __getattr__(name: str) -> Any:
    """Load what needs SciPy's optimizers, scikit-learn or torch when it is first used."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name], __name__), name)
    globals()[name] = value
    return value
