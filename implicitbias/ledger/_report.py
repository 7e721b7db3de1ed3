"""The ledger as a table in the terminal, as JSON, and as the page of errata."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ._claim import Claim, Evidence, Verdict
from ._run import Outcome, Verification, carry_out

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

__all__ = ["PAPERS", "as_json", "errata", "summary", "table"]

PAPERS = {
    "woodworth": "Woodworth et al. (2020), Kernel and Rich Regimes in Overparametrized Models",
    "smith": "Smith (2022), Implicit Regularization in Deep Learning: The Kernel and Rich Regimes",
    "moroshko": "Moroshko et al. (2020), Implicit Bias in Deep Linear Classification",
    "new": "Found on the way",
}
COLOURS = {
    Verdict.PROVED: "green",
    Verdict.INTERVALS: "green",
    Verdict.TESTED: "cyan",
    Verdict.FALSE: "red",
    Verdict.GAP: "yellow",
    Verdict.OPEN: "magenta",
}


def table(verification: Verification) -> Table:
    """One row per claim: what it says, what is known of it, and what the evidence established."""
    from rich.table import Table
    from rich.text import Text

    rows = Table(show_lines=True)
    for heading in ("claim", "statement", "evidence"):
        rows.add_column(heading, overflow="fold")  # an id that is too long goes on in the next line
    for claim in verification.claims.values():
        name = Text(f"{claim.id}\n")
        name.append(claim.verdict.value, style=COLOURS[claim.verdict])
        statement = Text(claim.sentence)
        evidence = _lines(verification.of(claim.evidence))
        if claim.correction is not None:
            statement.append(f"\nInstead ({claim.correction.verdict.value}): ", style="bold")
            statement.append(claim.correction.sentence)
            evidence.append("\n").append_text(_lines(verification.of(claim.correction.evidence)))
        if claim.remark:
            statement.append(f"\n{claim.remark}", style="dim")
        rows.add_row(name, statement, evidence)
    return rows


def _lines(outcomes: Iterable[Outcome]) -> Text:
    from rich.text import Text

    text = Text()
    for index, outcome in enumerate(outcomes):
        text.append("\n" * bool(index) + f"{outcome.kind}: ", style="bold")
        if outcome.state != "holds":
            text.append(f"{outcome.state.upper()} ", style="bold red" if outcome.state == "fails" else "yellow")
        text.append(f"{outcome.result} ({outcome.seconds:.1f} s)")
    return text


def summary(verification: Verification) -> str:
    """Counts by verdict and the time, in one line."""
    counts = Counter(claim.verdict for claim in verification.claims.values())
    parts = [f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict]]
    states = Counter(outcome.state for outcome in verification.outcomes.values())
    evidence = ", ".join(f"{count} {state}" for state, count in states.items())
    return (
        f"{len(verification.claims)} claims: {', '.join(parts)}; "
        f"{len(verification.outcomes)} pieces of evidence ({evidence}) in {verification.seconds:.0f} s"
    )


def as_json(verification: Verification) -> dict[str, Any]:
    """Everything as plain lists, numbers and strings."""
    return {
        "quick": verification.quick,
        "seconds": round(verification.seconds, 3),
        "claims": [_claim_as_dict(claim, verification) for claim in verification.claims.values()],
    }


def _claim_as_dict(claim: Claim, verification: Verification) -> dict[str, Any]:
    def evidence(pieces: Iterable[Evidence]) -> list[dict[str, Any]]:
        return [
            {
                "name": outcome.name,
                "kind": outcome.kind,
                "state": outcome.state,
                "result": outcome.result,
                "steps": list(outcome.steps),
                "cases": outcome.cases,
                "seconds": round(outcome.seconds, 3),
            }
            for outcome in verification.of(pieces)
        ]

    correction = claim.correction
    return {
        "id": claim.id,
        "source": claim.source,
        "sentence": claim.sentence,
        "latex": claim.latex,
        "verdict": claim.verdict.value,
        "evidence": evidence(claim.evidence),
        "correction": correction
        and {
            "sentence": correction.sentence,
            "latex": correction.latex,
            "verdict": correction.verdict.value,
            "evidence": evidence(correction.evidence),
        },
        "remark": claim.remark,
    }


def errata(claims: Mapping[str, Claim]) -> str:
    """The page of what is false or unproved as printed, with the counterexamples, in Markdown.

    Runs the counterexamples, and nothing else; the text is the same wherever it is written.

    Raises
    ------
    RuntimeError
        If a counterexample fails.
    """
    lines = [
        "# Errata",
        "",
        "What is false as printed, or whose printed proof has a gap, in the papers this package works from.",
        "Written by `implicitbias verify --errata derivations/ERRATA.md`; the evidence behind each entry is run by",
        "`implicitbias verify ID`.",
    ]
    for prefix, paper in PAPERS.items():
        chosen = [c for c in claims.values() if c.id.startswith(f"{prefix}.")]
        for verdict in (Verdict.FALSE, Verdict.GAP):
            entries = [c for c in chosen if c.verdict is verdict]
            if entries:
                lines += ["", f"## {paper}: {verdict.value}"]
            for claim in entries:
                lines += _entry(claim)
    return "\n".join(lines) + "\n"


def _entry(claim: Claim) -> list[str]:
    lines = ["", f"### `{claim.id}`", "", f"*{claim.source}.* {_plain(claim.sentence)}", "", f"$${claim.latex}$$"]
    for e in claim.evidence:
        if e.kind == "counterexample":
            outcome = carry_out(e)
            if outcome.state != "holds":
                raise RuntimeError(f"the counterexample {e.name} fails: {outcome.result}")
            lines += ["", f"**Counterexample.** {_plain(outcome.result)}."]
    if claim.correction is not None:
        known, words = claim.correction.verdict.value, _plain(claim.correction.sentence)
        lines += ["", f"**Instead** ({known}). {words}", "", f"$${claim.correction.latex}$$"]
    if claim.remark:
        lines += ["", _plain(claim.remark)]
    return lines


def _plain(text: str) -> str:
    """Text in which Markdown finds nothing to format."""
    return re.sub(r"([\\*_<`|\[\]])", r"\\\1", text)
