"""What evidence writes its steps into: proofs, counterexamples and random searches, each able to fail."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import mpmath
import numpy as np
from sympy import Expr, Rational, S, Symbol, simplify, sympify

from ._intervals import positive_on

__all__ = ["Check", "Refutation", "Search", "StepError"]


class StepError(AssertionError):
    """A step does not hold; the message says which."""


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

    def positive(self, function: Callable[..., Any], ranges: Sequence[tuple[Any, Any]], what: str) -> None:
        """Require ``function > 0`` on a box, by interval arithmetic; see :func:`positive_on`."""
        try:
            boxes = positive_on(function, ranges)
        except ArithmeticError as error:
            raise StepError(f"{what} ({error})") from error
        self.steps.append(f"{what} [{boxes} boxes]")


@dataclass
class Refutation(Check):
    """A counterexample: what is printed, at numbers that are exact or known to thirty digits.

    Attributes
    ----------
    violations : list of str
        The printed relations that the numbers break.
    """

    violations: list[str] = field(default_factory=list)

    def differs(self, printed: Any, true: Any, what: str) -> None:
        """Require two numbers that are printed as equal to differ."""
        gap = _sign(printed, true)
        if gap == 0:
            raise StepError(f"{what}: {_show(printed)} is what it should be")
        self._record(f"{what}: printed {_show(printed)}, true {_show(true)}")

    def exceeds(self, value: Any, bound: Any, what: str) -> None:
        """Require a number to exceed what is printed as an upper bound of it."""
        if _sign(value, bound) <= 0:
            raise StepError(f"{what}: {_show(value)} does not exceed {_show(bound)}")
        self._record(f"{what}: {_show(value)} > {_show(bound)}")

    def holds(self, condition: object, what: str) -> None:
        """Require a fact that contradicts the print, and that is decided exactly (a number of roots, a sign)."""
        self(condition, what)
        self.violations.append(what)

    def _record(self, what: str) -> None:
        self.steps.append(what)
        self.violations.append(what)


@dataclass
class Search(Check):
    """A random search for a violation.

    Attributes
    ----------
    quick : bool
        Whether the short pass is asked for.
    seed : int
        Of the random numbers; every search gets its own.
    cases, exercised : int
        Comparisons made, and those among them that meet the hypothesis of the statement.
    skipped : Counter
        Cases without a verdict, by reason; a solver that did not converge is one.
    worst : float
        Largest ratio of a value to its bound.
    """

    quick: bool = False
    seed: int = 0
    cases: int = 0
    exercised: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    worst: float = -math.inf

    def draws(self, full: int, quick: int) -> Iterator[np.random.Generator]:
        """One generator of random numbers per case, each its own stream: case ``k`` is the same in both passes."""
        for index in range(quick if self.quick else full):
            yield np.random.default_rng([self.seed, index])

    def at_most(self, value: float, bound: float, what: str, *, exercised: bool = True, rel: float = 0.0) -> None:
        """Require ``value <= bound (1 + rel)``; `rel` is what rounding may add.

        Parameters
        ----------
        value, bound
            The two sides, floats; nan is a failure.
        what
            The case, so that it can be found again.
        exercised
            Whether the case meets the hypothesis; one that does not is counted and not compared.
        rel
            Allowance for rounding.
        """
        self.cases += 1
        if not exercised:
            return
        self.exercised += 1
        if not value <= bound + rel * abs(bound):
            raise StepError(f"{what}: {value!r} exceeds {bound!r}")
        if bound > 0:
            self.worst = max(self.worst, value / bound)

    def skip(self, reason: str) -> None:
        """Count a case without a verdict."""
        self.skipped[reason] += 1

    def conclude(self, what: str, *, share: float = 0.5, lost: float = 0.02) -> str:
        """Close the search: require that it tested something; return it in one line.

        Parameters
        ----------
        what
            What was searched.
        share
            Least share of the cases that meet the hypothesis.
        lost
            Largest share of cases that may be without a verdict.
        """
        missing = self.skipped.total()
        self(self.cases > 0 and self.exercised >= share * self.cases, f"at least {share:.0%} of the cases count")
        self(
            missing <= lost * (self.cases + missing), f"at most {lost:.0%} without a verdict ({dict(self.skipped)})"
        )
        self.steps.append(what)
        words = [f"{self.exercised} cases: {what}"]
        if self.exercised < self.cases:
            words.append(f"{self.cases - self.exercised} more do not meet the hypothesis")
        if self.worst > -math.inf:
            words.append(f"largest ratio to the bound {self.worst:.3g}")
        words += [f"{count} without a verdict ({reason})" for reason, count in self.skipped.items()]
        return "; ".join(words)


def _sign(left: Any, right: Any) -> int:
    """Sign of the difference of two numbers: exactly, or where 30 and 60 digits agree that it is not zero."""
    if isinstance(left, float) or isinstance(right, float):
        raise TypeError("a counterexample is given by exact numbers or by 30 digits, not by floats")
    if isinstance(left, mpmath.mpf) or isinstance(right, mpmath.mpf):
        with mpmath.workdps(30):
            gap = _mpf(left) - _mpf(right)
            # inputs are good to thirty digits: what is left after them is no difference
            size = max(abs(_mpf(left)), abs(_mpf(right)))
            return 0 if abs(gap) <= mpmath.mpf(10) ** -25 * size else int(mpmath.sign(gap))
    first, second = sympify(left), sympify(right)
    gap = first - second
    if gap.is_zero or simplify(gap).is_zero:
        return 0
    short, long = gap.evalf(30), gap.evalf(60)
    if not (short.is_Float or short.is_Rational) or not (long.is_Float or long.is_Rational):
        raise StepError(f"the sign of {gap} is not decided")
    # zero that SymPy does not see is evaluated to noise; what counts is a difference in the first 25 digits
    size = max(abs(first.evalf(30)), abs(second.evalf(30)))
    if abs(long) <= size * Rational(1, 10**25):
        return 0
    return 1 if long > 0 else -1


def _mpf(value: Any) -> mpmath.mpf:
    return value if isinstance(value, mpmath.mpf) else mpmath.mpf(sympify(value)._to_mpmath(120))


def _show(value: Any) -> str:
    if isinstance(value, mpmath.mpf):
        return str(mpmath.nstr(value, 12))
    expression = sympify(value)
    if expression.is_Rational or expression.free_symbols - {Symbol("")} or len(str(expression)) <= 12:
        return str(expression)
    return f"{expression} = {expression.evalf(12)}" if len(str(expression)) <= 40 else str(expression.evalf(12))
