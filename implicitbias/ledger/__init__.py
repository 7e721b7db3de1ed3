"""The ledger: every claim of the papers, what is known of it, and the evidence, which can be run."""

from ._check import Check, Refutation, Search, StepError
from ._claim import Claim, Correction, Evidence, Verdict, counterexample, intervals, proof, search
from ._html import html
from ._intervals import positive_on
from ._load import load
from ._report import as_json, errata, summary, table
from ._run import Outcome, Verification, carry_out, select, verify

__all__ = [
    "Check",
    "Claim",
    "Correction",
    "Evidence",
    "Outcome",
    "Refutation",
    "Search",
    "StepError",
    "Verdict",
    "Verification",
    "as_json",
    "carry_out",
    "counterexample",
    "errata",
    "html",
    "intervals",
    "load",
    "positive_on",
    "proof",
    "search",
    "select",
    "summary",
    "table",
    "verify",
]
