"""The ledger as one page for a browser, formulas in MathML: nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ._claim import Claim, Verdict
from ._report import PAPERS, summary
from ._run import Outcome, Verification

__all__ = ["html"]

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #777; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 58rem; margin: 2rem auto; padding: 0 1rem; }
article { border-top: 1px solid var(--line); padding: 1rem 0; }
h1, h2, h3 { line-height: 1.2; } h3 { margin: 0 0 .3rem; font: 600 1rem/1.3 ui-monospace, monospace; }
.source, .remark, .seconds { color: var(--dim); } p { margin: .3rem 0; }
math[display=block] { margin: .7rem 0; overflow-x: auto; }
.verdict { font: 600 .8rem/1 system-ui, sans-serif; padding: .2rem .5rem; border-radius: 1rem; color: #fff;
  margin-left: .5rem; white-space: nowrap; }
.proved, .proved-by-intervals { background: #2a7a3b; } .tested { background: #1d6f8a; }
.false-as-printed { background: #b3261e; } .gap-in-the-proof { background: #8a6100; }
.not-decidable-here { background: #75439a; }
.instead { border-left: 3px solid #2a7a3b; padding-left: .8rem; margin: .6rem 0; }
.fails, .not-run { color: #b3261e; font-weight: 600; } .left-out { color: #8a6100; }
details { margin: .2rem 0; } summary { cursor: pointer; } ol { margin: .3rem 0; font-size: .9rem; }
nav a { display: inline-block; margin: 0 .8rem .2rem 0; font: .85rem ui-monospace, monospace; }
"""


def html(verification: Verification) -> str:
    """One self-contained page: statements, verdicts, evidence with its steps."""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Claims and evidence</title><style>{_STYLE}</style></head><body>",
        "<h1>Claims and evidence</h1>",
        f"<p>{escape(summary(verification))}.{' Short pass.' if verification.quick else ''}</p>",
    ]
    for prefix, paper in PAPERS.items():
        claims = [c for c in verification.claims.values() if c.id.startswith(f"{prefix}.")]
        if claims:
            links = "".join(f'<a href="#{escape(c.id)}">{escape(c.id)}</a>' for c in claims)
            parts += [
                f"<h2>{escape(paper)}</h2>",
                f"<details><summary>contents</summary><nav>{links}</nav></details>",
            ]
        parts += [_article(claim, verification) for claim in claims]
    return "\n".join([*parts, "</body></html>", ""])


def _article(claim: Claim, verification: Verification) -> str:
    parts = [
        f'<article id="{escape(claim.id)}">',
        f"<h3>{escape(claim.id)}{_badge(claim.verdict)}</h3>",
        f'<p class="source">{escape(claim.source)}</p>',
        f"<p>{escape(claim.sentence)}</p>",
        _formula(claim.latex),
        *_evidence(verification.of(claim.evidence)),
    ]
    if claim.correction is not None:
        parts += [
            f'<div class="instead"><p><b>Instead</b>{_badge(claim.correction.verdict)}</p>',
            f"<p>{escape(claim.correction.sentence)}</p>",
            _formula(claim.correction.latex),
            *_evidence(verification.of(claim.correction.evidence)),
            "</div>",
        ]
    if claim.remark:
        parts.append(f'<p class="remark">{escape(claim.remark)}</p>')
    return "\n".join([*parts, "</article>"])


def _badge(verdict: Verdict) -> str:
    return f' <span class="verdict {_css(verdict.value)}">{escape(verdict.value)}</span>'


def _css(words: str) -> str:
    return words.replace(" ", "-")


def _formula(latex: str) -> str:
    from latex2mathml.converter import convert

    return str(convert(latex, display="block"))


def _evidence(outcomes: Iterable[Outcome]) -> Iterable[str]:
    for outcome in outcomes:
        steps = "".join(f"<li>{escape(step)}</li>" for step in outcome.steps)
        state = "" if outcome.state == "holds" else f'<span class="{_css(outcome.state)}">{outcome.state}</span> '
        yield (
            f"<details><summary><b>{escape(outcome.kind)}</b>: {state}{escape(outcome.result)} "
            f'<span class="seconds">({outcome.seconds:.1f} s)</span></summary>'
            f"<p><code>{escape(outcome.name)}</code></p><ol>{steps}</ol></details>"
        )
