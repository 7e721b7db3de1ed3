"""End points to any number of digits, refined from float64 solutions."""

from ._refine import refine

__all__ = ["refine"]
