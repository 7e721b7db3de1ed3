"""Trajectories to any number of digits."""

from ._flow import DigitsFlow

__all__ = ["DigitsFlow"]
