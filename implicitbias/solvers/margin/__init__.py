"""Classification: predictors of least regularizer with all margins at least one, and the limit of the flow."""

from ._bounded import BoundedSolution, solve_bounded
from ._flow_limit import FlowEvent, FlowLimit, flow_limit
from ._kinks import Kink
from ._l1 import max_margin_solutions
from ._l1_solutions import L1Solutions
from ._max_margin import max_margin
from ._path import MarginPath, max_margin_path

__all__ = [
    "BoundedSolution",
    "FlowEvent",
    "FlowLimit",
    "Kink",
    "L1Solutions",
    "MarginPath",
    "flow_limit",
    "max_margin",
    "max_margin_path",
    "max_margin_solutions",
    "solve_bounded",
]
