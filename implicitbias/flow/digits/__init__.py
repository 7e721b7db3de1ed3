"""Trajectories to any number of digits."""

from ._arithmetic import BACKENDS
from ._flow import DigitsFlow

__all__ = ["BACKENDS", "DigitsFlow"]
