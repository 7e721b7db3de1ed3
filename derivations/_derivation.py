"""What a derivation is: a statement, its source, and steps each of which can fail."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sympy import Expr, S, simplify

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Check", "Derivation", "Outcome", "StepError"]


class StepError(AssertionError):
    """A step of a derivation does not hold; the message says which."""


@dataclass
class Check:
    """Record the steps that hold and stop at the first that does not.

    Raising by hand rather than by ``assert`` keeps the steps alive under ``python -O``.

    Attributes
    ----------
    steps : list of str
        What has been established so far, in order.
    """

    steps: list[str] = field(default_factory=list)

    def __call__(self, condition: object, what: str) -> None:
        """Require ``condition`` to be plainly true: an undecided SymPy relation counts as a failure."""
        if condition is not True and condition is not S.true:
            raise StepError(f"{what} (got {condition!r})")
        self.steps.append(what)

    def equal(self, left: Expr, right: Expr, what: str) -> None:
        """Require two SymPy expressions to be the same function."""
        difference = simplify(left - right)
        if difference != 0:
            raise StepError(f"{what} (the two sides differ by {difference})")
        self.steps.append(what)


@dataclass(frozen=True)
class Outcome:
    """A derivation that went through: its result in one line, its steps, and the seconds it took."""

    result: str
    steps: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Derivation:
    """A statement with its source and the function that derives it.

    Attributes
    ----------
    name : str
        What the command line calls it.
    statement : str
        What is claimed.
    source : str
        Paper and equation numbers.
    derive : callable
        Takes a `Check`, puts every step through it, and returns the result in one line.
    """

    name: str
    statement: str
    source: str
    derive: Callable[[Check], str]

    def run(self) -> Outcome:
        """Carry the derivation out; `StepError` if a step does not hold."""
        check = Check()
        start = time.perf_counter()
        result = self.derive(check)
        return Outcome(result, tuple(check.steps), time.perf_counter() - start)
