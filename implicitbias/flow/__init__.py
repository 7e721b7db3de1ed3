"""Gradient-flow trajectories: in float64, and the same interface at any precision."""

from ._escape import SaddleEscape, saddle_escape
from ._gradient_flow import gradient_flow
from ._stability import ParameterKKT, Stability, parameter_kkt, stability, weights_kkt
from ._trajectory import Trajectory

__all__ = [
    "ParameterKKT",
    "SaddleEscape",
    "Stability",
    "Trajectory",
    "gradient_flow",
    "parameter_kkt",
    "saddle_escape",
    "stability",
    "weights_kkt",
]
