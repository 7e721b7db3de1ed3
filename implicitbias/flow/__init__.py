"""Gradient-flow trajectories: in float64, and the same interface at any precision."""

from ._gradient_flow import gradient_flow
from ._trajectory import Trajectory

__all__ = ["Trajectory", "gradient_flow"]
