"""Run derivations and print what they establish: ``python -m derivations [NAME ...]``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from derivations import DERIVATIONS, StepError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from derivations import Outcome


def _table(outcomes: dict[str, Outcome]) -> Table:
    table = Table("name", "source", "result", show_lines=True)
    table.add_column("steps", justify="right")
    table.add_column("seconds", justify="right")
    for name, outcome in outcomes.items():
        text = (
            name,
            DERIVATIONS[name].source,
            outcome.result,
            str(len(outcome.steps)),
            f"{outcome.seconds:.1f}",
        )
        table.add_row(*map(escape, text))
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named derivations, or all; return 0 if every step holds, 1 if not, 2 for an unknown name."""
    parser = argparse.ArgumentParser(prog="python -m derivations", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(DERIVATIONS)} (default: all)")
    parser.add_argument("--steps", action="store_true", help="print every step that was established")
    options = parser.parse_args(arguments)
    output, errors = Console(), Console(stderr=True)

    unknown = [name for name in options.names if name not in DERIVATIONS]
    if unknown:
        errors.print(
            f"no derivation called {', '.join(unknown)}; choose from {', '.join(DERIVATIONS)}", markup=False
        )
        return 2

    outcomes, failures = {}, {}
    for name in options.names or DERIVATIONS:
        try:
            outcomes[name] = DERIVATIONS[name].run()
        except StepError as error:
            failures[name] = error
    if options.steps:
        for name, outcome in outcomes.items():
            output.print(f"{name}: {DERIVATIONS[name].statement}", markup=False, style="bold")
            for number, step in enumerate(outcome.steps, start=1):
                output.print(f"  {number:2}. {step}", markup=False, highlight=False)
    output.print(_table(outcomes))
    for name, failure in failures.items():
        errors.print(f"{name}: this step does not hold: {failure}", markup=False)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
