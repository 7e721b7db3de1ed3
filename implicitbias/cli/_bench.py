"""The command ``implicitbias bench``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ._input import FAILURE, INTERRUPTED, SUCCESS, InputError, require_writable, write

__all__ = ["add_bench"]


def add_bench(commands: Any) -> None:
    """Add the command to the parser."""
    bench = commands.add_parser(
        "bench",
        help="time and error of the solver and of its peers",
        description=(
            "Time and error of the solver against conic solvers, SciPy, linear programming and training, on a "
            "sparse vector seen through a Gaussian matrix. Errors are relative, against references of 50 digits. "
            "Needs the extra 'bench'; a peer that is not installed is left out. The default takes some ten minutes."
        ),
    )
    bench.add_argument(
        "--size",
        metavar="SIZE",
        default="small",
        help="N x d: small (100 x 1000, default), medium (200 x 10^4), large (500 x 5*10^4), wide (100 x 10^6)",
    )
    bench.add_argument(
        "--alpha", metavar="A", nargs="+", help="scales of initialization, such as 1e-3 or exp(-1e4)"
    )
    bench.add_argument("--depth", metavar="D", nargs="+", help="depths, real, at least 2 (default: 2 3)")
    bench.add_argument("--peer", metavar="NAME", nargs="+", help="only peers whose name contains one of these")
    bench.add_argument("--list", action="store_true", help="list the peers and exit")
    bench.add_argument(
        "--quick", action="store_true", help="fewer alphas and peers, depth 2, short limits: about a minute"
    )
    bench.add_argument("--repeat", metavar="K", help="rounds over everything (default: 5)")
    bench.add_argument("--budget", metavar="S", help="seconds that one run may take (default: by size, from 6)")
    bench.add_argument("--seed", metavar="N", default="0", help="of the data (default: 0)")
    bench.add_argument("--resume", action="store_true", help="go on where the last run of this size ended")
    bench.add_argument("--cache", metavar="DIR", help="where references and measurements are kept")
    bench.add_argument(
        "--json", metavar="FILE", nargs="?", const="-", help="write JSON to FILE, or instead of the tables"
    )
    bench.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if options.json not in (None, "-"):
        require_writable("--json", Path(options.json))
    from rich.console import Console

    from .._result import ImplicitBiasError
    from ..bench import cache_directory
    from ..bench.command import peer_table, plan_of, run_with_progress, show
    from ..bench.report import complaints, record_json

    terminal, notes = Console(), Console(stderr=True)
    if options.list:
        terminal.print(peer_table())
        return SUCCESS
    try:
        plan = plan_of(options)
    except ValueError as error:
        raise InputError(str(error)) from error
    try:
        directory = Path(options.cache) if options.cache else cache_directory()
        record = run_with_progress(plan, directory, notes, resume=options.resume)
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed: pip install 'implicitbias[bench]'") from error
    except OSError as error:
        raise InputError(f"argument --cache: {error}") from error
    except ImplicitBiasError as error:
        notes.print(f"implicitbias: {error}", style="bold red", soft_wrap=True, markup=False, highlight=False)
        return FAILURE
    text = "" if options.json is None else json.dumps(record_json(record), indent=2, allow_nan=False)
    if options.json == "-":
        print(text)
    else:
        show(record, terminal)
    wrong = complaints(record)
    for line in wrong:
        notes.print(f"implicitbias: {line}", style="bold red", soft_wrap=True, markup=False, highlight=False)
    if options.json not in (None, "-"):
        write("--json", options.json, lambda file: file.write_text(text + "\n", encoding="utf-8"))
    return INTERRUPTED if record.interrupted else FAILURE if wrong else SUCCESS
