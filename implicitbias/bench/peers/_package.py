"""The package itself: one end point, and the path to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from ...solvers import interpolate, interpolation_path
from ._peer import Answer, Peer

if TYPE_CHECKING:
    from ..problems import Problem

__all__ = ["PEERS"]

_POINTS: Final = 100


def _point(problem: Problem, budget: float) -> Answer:
    found = interpolate(problem.X, problem.y, problem.reg, throw=False)
    return Answer(found.beta, "" if found.success else found.status.value, {"steps": float(found.iterations)})


def _path(problem: Problem, budget: float) -> Answer:
    alphas = np.geomspace(1.0, math.exp(problem.alpha.log), _POINTS)
    path = interpolation_path(problem.X, problem.y, alphas.tolist(), D=problem.D)
    return Answer(np.asarray(path.beta[-1]), info={"points": _POINTS})


def _where_the_path_ends(log_alpha: float, D: float) -> bool:
    return abs(log_alpha - math.log(1e-30)) < 1e-9


PEERS: Final = (
    Peer("implicitbias", "dual Newton method, continued in log alpha", "package", _point),
    Peer(
        "implicitbias, path",
        f"{_POINTS} end points from alpha = 1 to 1e-30 in one sweep; the last is judged",
        "path",
        _path,
        applies=_where_the_path_ends,
    ),
)
