"""The l1 end: linear programs, and the Lasso with a small penalty."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.optimize import linprog

from ..problems import RICH
from ._peer import Answer, Peer

if TYPE_CHECKING:
    from ..problems import Problem

__all__ = ["PEERS"]

_PENALTY: Final = 1e-4
"""Of the least penalty under which the Lasso is zero: small enough to come near, large enough to end in time."""


def _highs(problem: Problem, budget: float, *, method: str) -> Answer:
    d = problem.X.shape[1]
    found = linprog(
        np.ones(2 * d),
        A_eq=np.hstack([problem.X, -problem.X]),
        b_eq=problem.y,
        bounds=(0.0, None),
        method=method,
        options={"time_limit": budget},
    )
    if found.x is None:
        return Answer(None, "time limit" if found.status == 1 else str(found.message))
    return Answer(found.x[:d] - found.x[d:], "" if found.success else str(found.message))


def _lasso(problem: Problem, budget: float, *, library: str) -> Answer:
    if library == "celer":
        from celer import Lasso
    else:
        from skglm import Lasso
    penalty = _PENALTY * float(np.max(np.abs(problem.X.T @ problem.y))) / len(problem.y)
    # the tolerance of both is absolute in skglm, relative to |y|^2 in celer; y is of order one per sample here
    model = Lasso(alpha=penalty, fit_intercept=False, tol=1e-3 * penalty, max_iter=1000)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(problem.X, problem.y)
    late = [str(w.message).split("\n")[0] for w in caught if "onverge" in str(w.message)]
    return Answer(np.asarray(model.coef_, dtype=np.float64), late[0] if late else "")


def _rich(log_alpha: float, D: float) -> bool:
    return log_alpha <= RICH


PEERS: Final = (
    Peer("HiGHS simplex", "l1 norm as a linear program", "l1", partial(_highs, method="highs-ds"), applies=_rich),
    Peer("HiGHS interior", "the same", "l1", partial(_highs, method="highs-ipm"), applies=_rich),
    Peer(
        "celer",
        f"Lasso at {_PENALTY:g} of its largest penalty",
        "l1",
        partial(_lasso, library="celer"),
        ("celer",),
        _rich,
    ),
    Peer("skglm", "the same", "l1", partial(_lasso, library="skglm"), ("skglm",), _rich),
)
