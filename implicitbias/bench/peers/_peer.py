"""What a peer is: a function that solves the problem, and what one has to know about it."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..problems import Problem, Vector

__all__ = ["Answer", "BudgetSpent", "Peer", "Stopwatch"]


@dataclass(frozen=True, eq=False)
class Answer:
    """What a peer returns.

    Attributes
    ----------
    beta
        Its solution, ``(d,)``; None where it gave none.
    claim
        Empty where it reported success, else what it reported.
    info
        Further numbers: ``solver_seconds`` is the time of the solver proper, without the modelling layer.
    """

    beta: Vector | None
    claim: str = ""
    info: Mapping[str, float] = field(default_factory=dict)


def everywhere(log_alpha: float, D: float) -> bool:
    """Every scale and depth."""
    return True


@dataclass(frozen=True)
class Peer:
    """One way to solve ``argmin Q(alpha, D) s.t. X beta = y``.

    Attributes
    ----------
    name
        Short, unique.
    solves
        Which form of the problem it is given, in a few words.
    kind
        ``"package"``, ``"path"``, ``"conic"``, ``"smooth"``, ``"l1"`` or ``"training"``.
    run
        ``run(problem, budget) -> Answer``; may overrun its budget of seconds, and is ended from outside then.
    requires
        Modules without which it is not installed.
    applies
        ``applies(log_alpha, D)``: whether the problem at that scale is one it is meant for.
    """

    name: str
    solves: str
    kind: str
    run: Callable[[Problem, float], Answer]
    requires: tuple[str, ...] = ()
    applies: Callable[[float, float], bool] = everywhere

    @property
    def missing(self) -> str:
        """The first module required that is not installed; empty if there is none."""
        return next((name for name in self.requires if not _installed(name)), "")


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # a module that something has put out of reach
        return False


class BudgetSpent(Exception):  # noqa: N818  nothing has gone wrong
    """Ends an iteration whose time is up."""


class Stopwatch:
    """Callback for iterations of SciPy: ends them when the time is up, and keeps the last point."""

    def __init__(self, budget: float) -> None:
        self.last: Any = None
        self._end = time.perf_counter() + budget

    def __call__(self, x: Any, *state: Any) -> None:
        """Note the point; raise :class:`BudgetSpent` after the end."""
        self.last = x.copy()
        if time.perf_counter() > self._end:
            raise BudgetSpent
