"""The implicit bias of gradient descent on diagonal linear networks.

Gradient flow on a diagonal network of depth D, started at scale alpha, ends at the minimizer of a known convex
function of the predictor, :class:`Q`, among all predictors that fit the data. This package evaluates that
function anywhere, solves for the end point without training, trains real networks to check the
prediction, and derives all of it with SymPy (``implicitbias verify``).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import special
from ._result import ConvergenceError, ImplicitBiasError, InfeasibleError, NotSeparableError, Result, Status
from .problems import Interpolation, Margins
from .regularizer import L1, L2, Lp, Q, R, Regularizer

if TYPE_CHECKING:
    from ._crosscheck import crosscheck
    from ._regime import Regime, regime
    from .estimators import ImplicitBiasClassifier, ImplicitBiasRegressor, ImplicitBiasRegressorCV
    from .flow import Stability, Trajectory, gradient_flow, parameter_kkt, saddle_escape, stability
    from .solvers import (
        FlowLimit,
        InterpolationPath,
        MarginPath,
        flow_limit,
        interpolate,
        interpolation_path,
        max_margin,
        max_margin_path,
        max_margin_solutions,
    )

__version__ = "0.1.0"

__all__ = [
    "L1",
    "L2",
    "ConvergenceError",
    "FlowLimit",
    "ImplicitBiasClassifier",
    "ImplicitBiasError",
    "ImplicitBiasRegressor",
    "ImplicitBiasRegressorCV",
    "InfeasibleError",
    "Interpolation",
    "InterpolationPath",
    "Lp",
    "MarginPath",
    "Margins",
    "NotSeparableError",
    "Q",
    "R",
    "Regime",
    "Regularizer",
    "Result",
    "Stability",
    "Status",
    "Trajectory",
    "crosscheck",
    "flow_limit",
    "gradient_flow",
    "interpolate",
    "interpolation_path",
    "max_margin",
    "max_margin_path",
    "max_margin_solutions",
    "parameter_kkt",
    "regime",
    "saddle_escape",
    "special",
    "stability",
]


_LAZY = {
    "FlowLimit": ".solvers",
    "ImplicitBiasClassifier": ".estimators",
    "ImplicitBiasRegressor": ".estimators",
    "ImplicitBiasRegressorCV": ".estimators",
    "InterpolationPath": ".solvers",
    "MarginPath": ".solvers",
    "Regime": "._regime",
    "Stability": ".flow",
    "Trajectory": ".flow",
    "crosscheck": "._crosscheck",
    "flow_limit": ".solvers",
    "gradient_flow": ".flow",
    "interpolate": ".solvers",
    "interpolation_path": ".solvers",
    "max_margin": ".solvers",
    "max_margin_path": ".solvers",
    "max_margin_solutions": ".solvers",
    "parameter_kkt": ".flow",
    "regime": "._regime",
    "saddle_escape": ".flow",
    "stability": ".flow",
}


def __getattr__(name: str) -> Any:
    """Load what needs SciPy's optimizers, scikit-learn or torch when it is first used."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name], __name__), name)
    globals()[name] = value
    return value
