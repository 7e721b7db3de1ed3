"""Classification: predictors of least regularizer with all margins at least one."""

from ._bounded import BoundedSolution, solve_bounded
from ._max_margin import max_margin

__all__ = ["BoundedSolution", "max_margin", "solve_bounded"]
