"""What a comparison of prediction and training found: numbers, text, JSON and a picture."""

from ._common import Comparison, MinimumNorms, new_figure
from ._end_points import Report
from ._trajectories import TrajectoryReport

__all__ = ["Comparison", "MinimumNorms", "Report", "TrajectoryReport", "new_figure"]
