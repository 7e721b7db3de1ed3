"""The comparisons as the command runs them, and what it shows: tables, JSON and one figure."""

from ._end_points import draw_end_points, end_point_sweep, end_point_table
from ._paths import PATH_ACCURACY, draw_paths, path_sweep, path_table
from ._run import Sweep
from ._tables import fitted, plain_table

__all__ = [
    "PATH_ACCURACY",
    "Sweep",
    "draw_end_points",
    "draw_paths",
    "end_point_sweep",
    "end_point_table",
    "fitted",
    "path_sweep",
    "path_table",
    "plain_table",
]
