"""What the ledger holds: a claim, its verdict, and the evidence for it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ._check import Check, Refutation, Search

__all__ = ["Claim", "Correction", "Evidence", "Verdict", "counterexample", "intervals", "proof", "search"]


class Verdict(Enum):
    """What is known of a claim; the value is what a person reads."""

    PROVED = "proved"
    INTERVALS = "proved by intervals"
    TESTED = "tested"
    FALSE = "false as printed"
    GAP = "gap in the proof"
    OPEN = "not decidable here"


@dataclass(frozen=True)
class Evidence:
    """A function that establishes something, step by step.

    Attributes
    ----------
    kind : str
        ``"proof"``, ``"intervals"``, ``"search"`` or ``"counterexample"``.
    function : callable
        Takes the recorder of that kind and returns the result in one line; defined at the top of a module, so that
        another process finds it by name.
    slow : bool
        Whether the short pass leaves it out.
    """

    kind: str
    function: Callable[[Any], str]
    slow: bool = False

    @property
    def name(self) -> str:
        """Module and function; the same evidence may serve several claims and is run once."""
        module = self.function.__module__.removeprefix("implicitbias.").removeprefix("derivations.")
        return f"{module}.{self.function.__qualname__}"

    def recorder(self, *, quick: bool = False) -> Check:
        """What the function is to be called with."""
        if self.kind == "search":
            return Search(quick=quick, seed=zlib.crc32(self.name.encode()))
        return Refutation() if self.kind == "counterexample" else Check()


def proof(function: Callable[[Check], str], *, slow: bool = False) -> Evidence:
    """Evidence by SymPy: every step an identity, a sign or a limit decided exactly."""
    return Evidence("proof", function, slow)


def intervals(function: Callable[[Check], str], *, slow: bool = False) -> Evidence:
    """Evidence by interval arithmetic over the whole domain, which the result names."""
    return Evidence("intervals", function, slow)


def search(function: Callable[[Search], str], *, slow: bool = False) -> Evidence:
    """Evidence by cases that were tried: no proof."""
    return Evidence("search", function, slow)


def counterexample(function: Callable[[Refutation], str], *, slow: bool = False) -> Evidence:
    """Evidence against what is printed, by exact numbers or thirty digits."""
    return Evidence("counterexample", function, slow)


@dataclass(frozen=True)
class Correction:
    """What holds in place of a false statement.

    Attributes
    ----------
    sentence, latex : str
        The corrected statement in words and as a formula.
    verdict : Verdict
        How it is known.
    evidence : tuple of Evidence
        What shows it.
    """

    sentence: str
    latex: str
    verdict: Verdict
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Claim:
    """One statement of a paper, or a new one.

    Attributes
    ----------
    id : str
        Paper and item, such as ``woodworth.lemma-6``.
    source : str
        Paper, place and number of the equation, for a reader who looks it up.
    sentence, latex : str
        What is claimed, in one plain sentence that defines its symbols, and as a formula.
    verdict : Verdict
        What is known of it.
    evidence : tuple of Evidence
        What shows the verdict; of a false statement, the counterexample.
    correction : Correction, optional
        What holds instead; a false statement has one.
    remark : str
        The step that is missing in a proof, what is sharp, how far a search went, why something is left open.
    """

    id: str
    source: str
    sentence: str
    latex: str
    verdict: Verdict
    evidence: tuple[Evidence, ...]
    correction: Correction | None = None
    remark: str = ""

    def __post_init__(self) -> None:
        _require_fitting(self.id, self.verdict, self.evidence, self.remark)
        if (self.verdict is Verdict.FALSE) != (self.correction is not None):
            raise ValueError(f"{self.id}: a false statement, and no other, has a correction")
        if self.correction is not None:
            if self.correction.verdict is Verdict.FALSE:
                raise ValueError(f"{self.id}: a correction is not false")
            _require_fitting(
                f"{self.id}, correction", self.correction.verdict, self.correction.evidence, self.remark
            )

    @property
    def all_evidence(self) -> tuple[Evidence, ...]:
        """Evidence of the verdict, then of the correction."""
        return self.evidence + (self.correction.evidence if self.correction else ())


_NEEDS = {
    Verdict.PROVED: {"proof"},
    Verdict.INTERVALS: {"intervals"},
    Verdict.TESTED: {"search"},
    Verdict.FALSE: {"counterexample"},
    Verdict.GAP: {"proof", "intervals", "search"},
}


def _require_fitting(name: str, verdict: Verdict, evidence: tuple[Evidence, ...], remark: str) -> None:
    needed = _NEEDS.get(verdict)
    if needed is not None and not needed & {e.kind for e in evidence}:
        raise ValueError(f"{name}: '{verdict.value}' needs evidence of the kind {' or '.join(sorted(needed))}")
    if verdict in (Verdict.GAP, Verdict.OPEN) and not remark:
        raise ValueError(f"{name}: '{verdict.value}' needs a remark that says what is missing")
