"""The ledger: every claim of the papers, what is known of it, and the evidence, which can be run."""

from ._check import Check, Refutation, Search, StepError
from ._claim import Claim, Correction, Evidence, Verdict, counterexample, intervals, proof, search
from ._intervals import positive_on
from ._load import load

__all__ = [
    "Check",
    "Claim",
    "Correction",
    "Evidence",
    "Refutation",
    "Search",
    "StepError",
    "Verdict",
    "counterexample",
    "intervals",
    "load",
    "positive_on",
    "proof",
    "search",
]
