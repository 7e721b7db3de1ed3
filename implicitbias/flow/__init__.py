"""Gradient-flow trajectories: in float64, and the same interface at any precision."""

from ._escape import SaddleEscape, saddle_escape
from ._gradient_flow import gradient_flow
from ._trajectory import Trajectory

__all__ = ["SaddleEscape", "Trajectory", "gradient_flow", "saddle_escape"]
