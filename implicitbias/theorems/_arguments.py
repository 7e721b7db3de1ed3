"""What the bounds ask of their arguments."""

from __future__ import annotations

import math

__all__ = ["require_depth", "require_positive"]


def require_positive(**values: float) -> None:
    """Raise ValueError for the first value, by its name, that is not positive and finite."""
    for name, value in values.items():
        if not 0.0 < value < math.inf:
            raise ValueError(f"{name} must be positive and finite, got {value}")


def require_depth(D: float) -> None:
    """Raise ValueError for a depth that is not a finite number of at least 2."""
    if not 2.0 <= D < math.inf:
        raise ValueError(f"D must be a finite number >= 2, got {D}")
