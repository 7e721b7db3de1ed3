"""The command ``implicitbias``: predicted against trained end points, `Q` at any scale, and the solver's peers."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ._sweep import Sweep
    from .data import Dataset

__all__ = ["main"]

_ALPHAS: Final = ("3", "1", "0.3", "0.1", "0.05", "0.02")
_DEPTHS: Final = ("2", "3")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SUCCESS, _FAILURE, _BAD_INPUT, _INTERRUPTED = 0, 1, 2, 130


class InputError(Exception):
    """Input the command cannot use; its text is the one line that is shown."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        # One line, without the usage that argparse puts before it.
        raise InputError(f"{message} (see {self.prog} --help)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv
        Arguments without the name of the program; those of the process when None.

    Returns
    -------
    int
        0 on success; 1 if end points disagree, something did not converge, a run failed or nobody reads the
        output; 2 on bad input; 130 on interruption.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        options = _parser().parse_args(_shield_negative_numbers(arguments))
        code: int = options.run(options)
        sys.stdout.flush()  # a reader that has gone is better noticed here than at exit
        return code
    except BrokenPipeError:
        _discard_output()
        return _FAILURE
    except InputError as error:
        print(f"implicitbias: {error}", file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        print("implicitbias: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except SystemExit as stop:  # --help and --version
        return int(stop.code or 0)


def _discard_output() -> None:
    """Send what is still buffered to nowhere, so that the interpreter does not fail on it at exit."""
    with contextlib.suppress(OSError, ValueError):  # a standard output without a descriptor has nothing to fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _shield_negative_numbers(arguments: list[str]) -> list[str]:
    """Put a blank before every negative number, without which argparse takes ``-1e-5`` for an option."""
    return [f" {a}" if a.startswith("-") and _NUMBER.fullmatch(a) else a for a in arguments]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="implicitbias", description=__doc__)
    parser.add_argument("--version", action="version", version=f"implicitbias {version('implicitbias')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    check = commands.add_parser(
        "crosscheck",
        help="train diagonal networks and compare with the predicted end points",
        description=(
            "Train diagonal networks by gradient flow and compare with the predicted end points. "
            "Without arguments: diabetes data, depths 2 and 3, alphas from the kernel to the rich regime."
        ),
    )
    check.add_argument(
        "--data",
        metavar="FILE",
        help=".csv (header line) or .npz (arrays X, y); columns and target are standardized over the given rows",
    )
    check.add_argument("--target", metavar="COLUMN", help="column of the .csv file to predict (default: the last)")
    check.add_argument("--alpha", metavar="A", nargs="+", default=list(_ALPHAS), help="scales of initialization")
    check.add_argument("--depth", metavar="D", nargs="+", default=list(_DEPTHS), help="depths, real, at least 2")
    check.add_argument("--device", metavar="DEV", help="torch device to train on (default: cpu)")
    check.add_argument(
        "--json", metavar="FILE", nargs="?", const="-", help="write JSON to FILE, or instead of the table"
    )
    check.add_argument("--plot", metavar="FILE", help="save a picture (format by suffix, such as .png or .pdf)")
    check.set_defaults(run=_crosscheck)

    value = commands.add_parser(
        "q",
        help="value and gradient of Q in multiprecision",
        description=(
            "Value and gradient of the implicit regularizer Q(alpha, D) at BETA, at N digits. "
            "ALPHA and BETA are decimal strings of any size, such as 1e-4350."
        ),
    )
    value.add_argument("alpha", metavar="ALPHA")
    value.add_argument("beta", metavar="BETA", nargs="+")
    value.add_argument("--depth", metavar="D", default="2", help="depth, real, at least 2 (default: 2)")
    value.add_argument("--digits", metavar="N", default="15", help="decimal digits (default: 15)")
    value.set_defaults(run=_q)
    _add_bench(commands)
    return parser


def _add_bench(commands: Any) -> None:
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
    bench.set_defaults(run=_bench)


def _crosscheck(options: argparse.Namespace) -> int:
    # every value once, in the order given
    scales: dict[float, str] = {}
    for text in options.alpha:
        scales.setdefault(_alpha(text), text.strip())
    depths = list(dict.fromkeys(_depth("--depth", text) for text in options.depth))
    for flag, file in (("--json", options.json), ("--plot", options.plot)):
        if file is not None and (flag, file) != ("--json", "-"):
            _require_writable(flag, Path(file))
    data = _dataset(options)

    from rich.console import Console

    from ._crosscheck import check_device
    from ._result import ImplicitBiasError
    from ._sweep import run_sweep

    terminal, notes = Console(), Console(stderr=True)
    try:
        # what can be found out before the training is
        if options.plot is not None:
            _require_picture_format(options.plot)
        check_device(options.device)
        if options.json != "-":
            terminal.print(f"[bold]{data.name}[/]: {data.description}. Squared loss, gradient flow to loss 1e-20.")
        sweep = run_sweep(data.X, data.y, list(scales.values()), depths, options.device, notes)
    except (ModuleNotFoundError, ImplicitBiasError, ValueError) as error:
        raise InputError(str(error)) from error
    if sweep.interrupted and not (sweep.reports or sweep.failures):
        raise KeyboardInterrupt
    code = _show(data, sweep, options, terminal, notes)
    return _INTERRUPTED if sweep.interrupted else code


def _show(data: Dataset, sweep: Sweep, options: argparse.Namespace, terminal: Any, notes: Any) -> int:
    from ._sweep import sweep_figure, sweep_json, sweep_table

    reports, complaints = sweep.reports, sweep.complaints
    text = ""
    if options.json is not None:
        text = json.dumps(sweep_json(data.description, sweep), indent=2, allow_nan=False)
    if options.json == "-":
        print(text)
    elif reports:
        terminal.print(sweep_table(reports, terminal.width))
    for complaint in complaints:
        notes.print(f"implicitbias: {complaint}", style="bold red", soft_wrap=True, markup=False, highlight=False)
    if not complaints and options.json != "-":
        worst = max(report.distance for report in reports)
        agree = "The end point agrees" if len(reports) == 1 else f"All {len(reports)} end points agree"
        terminal.print(
            f"{agree}: largest relative distance {worst:.1e}, accepted up to {reports[0].agreement:.0e}."
        )
    # Files last: what goes wrong with them costs nothing of what is on the screen.
    if options.json not in (None, "-"):
        _write("--json", options.json, lambda file: file.write_text(text + "\n", encoding="utf-8"))
    drawn = [report for report in reports if math.isfinite(report.distance)]
    if options.plot is not None and not drawn:
        notes.print("implicitbias: no training ended at finite weights, so there is no picture", soft_wrap=True)
    elif options.plot is not None:
        title = f"{data.description}: trained points on predicted curves"
        figure = sweep_figure(data.X, data.y, drawn, title)
        _write("--plot", options.plot, lambda file: figure.savefig(file, dpi=160))
    return _FAILURE if complaints else _SUCCESS


def _dataset(options: argparse.Namespace) -> Dataset:
    from .data import diabetes, load_table, standardize

    if options.data is None:
        if options.target is not None:
            raise InputError("argument --target: needs --data with a .csv file")
        return diabetes()
    try:
        return standardize(load_table(options.data, options.target))
    except (OSError, ValueError) as error:
        raise InputError(f"argument --data: {error}") from error


def _q(options: argparse.Namespace) -> int:
    import mpmath

    from .regularizer import Q

    digits = _digits(options.digits)
    depth = _depth("--depth", options.depth)
    alpha = options.alpha.strip()
    if not (_NUMBER.fullmatch(alpha) and mpmath.mpf(alpha) > 0):
        raise InputError(f"argument ALPHA: a positive decimal number expected, got {alpha!r}")
    texts = [text.strip() for text in options.beta]
    for text in texts:
        if not _NUMBER.fullmatch(text):
            raise InputError(f"argument BETA: a decimal number expected, got {text!r}")
    # Ten digits more than shown, so that rounding a decimal string to binary stays invisible.
    with mpmath.workdps(digits + 10):
        beta = [mpmath.mpf(text) for text in texts]
        try:
            reg = Q(alpha, D=depth)
        except ValueError as error:  # a positive number it is, so only its exponent can be amiss
            raise InputError(f"argument ALPHA: the exponent of {alpha} is out of range") from error
        try:
            value, gradient = reg(beta), reg.grad(beta)
            lines = [f"value     {mpmath.nstr(value, digits)}"]
            for text, slope in zip(texts, gradient, strict=True):
                lines.append(f"gradient  {mpmath.nstr(slope, digits)}  at {text}")
        except (ArithmeticError, MemoryError, ValueError) as error:
            raise InputError(f"Q cannot be evaluated at {', '.join(texts)}: {error}") from error
    print("\n".join(lines))
    return _SUCCESS


def _bench(options: argparse.Namespace) -> int:
    if options.json not in (None, "-"):
        _require_writable("--json", Path(options.json))
    from rich.console import Console

    from ._result import ImplicitBiasError
    from .bench import cache_directory
    from .bench.command import peer_table, plan_of, run_with_progress, show
    from .bench.report import complaints, record_json

    terminal, notes = Console(), Console(stderr=True)
    if options.list:
        terminal.print(peer_table())
        return _SUCCESS
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
        return _FAILURE
    text = "" if options.json is None else json.dumps(record_json(record), indent=2, allow_nan=False)
    if options.json == "-":
        print(text)
    else:
        show(record, terminal)
    wrong = complaints(record)
    for line in wrong:
        notes.print(f"implicitbias: {line}", style="bold red", soft_wrap=True, markup=False, highlight=False)
    if options.json not in (None, "-"):
        _write("--json", options.json, lambda file: file.write_text(text + "\n", encoding="utf-8"))
    return _INTERRUPTED if record.interrupted else _FAILURE if wrong else _SUCCESS


def _write(flag: str, name: str, write: Any) -> None:
    try:
        write(Path(name))
    except (OSError, ValueError) as error:
        raise InputError(f"argument {flag}: cannot write {name}: {error}") from error


def _require_writable(flag: str, file: Path) -> None:
    """Refuse a file that cannot be written, without creating it or changing what it holds."""
    if not file.absolute().parent.is_dir():
        raise InputError(f"argument {flag}: no such directory: {file.absolute().parent}")
    if file.is_dir():
        raise InputError(f"argument {flag}: {file} is a directory, the name of a file is needed")
    if not os.access(file if file.exists() else file.absolute().parent, os.W_OK):
        raise InputError(f"argument {flag}: no permission to write {file}")


def _require_picture_format(name: str) -> None:
    from ._report import new_figure

    formats = new_figure((1, 1)).canvas.get_supported_filetypes()
    if Path(name).suffix.lower().removeprefix(".") not in formats:
        known = ", ".join(f".{suffix}" for suffix in sorted(formats))
        raise InputError(f"argument --plot: {name} must end in one of {known}")


def _alpha(text: str) -> float:
    text = text.strip()
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not 0 < value < math.inf:
        raise InputError(f"argument --alpha: a positive number in the range of a float expected, got {text!r}")
    return value


def _depth(flag: str, text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text.strip()) else math.nan
    if not 2 <= value < math.inf:
        raise InputError(f"argument {flag}: a number of at least 2 expected, got {text.strip()!r}")
    return int(value) if value == int(value) else value


def _digits(text: str) -> int:
    if not text.strip().isdecimal() or not 1 <= int(text) <= 100_000:
        raise InputError(f"argument --digits: a whole number from 1 to 100000 expected, got {text.strip()!r}")
    return int(text)


if __name__ == "__main__":
    raise SystemExit(main())
