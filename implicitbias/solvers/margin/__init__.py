"""Classification: predictors of least regularizer with all margins at least one."""

from ._bounded import BoundedSolution, solve_bounded
from ._kinks import Kink
from ._max_margin import max_margin
from ._path import MarginPath, max_margin_path

__all__ = ["BoundedSolution", "Kink", "MarginPath", "max_margin", "max_margin_path", "solve_bounded"]
