"""The command ``implicitbias``: check predicted against trained end points, and evaluate `Q` at any scale."""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ._report import Report
    from .data import Dataset

__all__ = ["main"]

_ALPHAS: Final = ("3", "1", "0.3", "0.1", "0.05", "0.02")
_DEPTHS: Final = ("2", "3")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SUCCESS, _DISAGREEMENT, _BAD_INPUT, _INTERRUPTED = 0, 1, 2, 130


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
        0 on success; 1 if end points disagree or something did not converge; 2 on bad input; 130 on
        interruption.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        options = _parser().parse_args(_shield_negative_numbers(arguments))
        code: int = options.run(options)
        return code
    except InputError as error:
        print(f"implicitbias: {error}", file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        print("implicitbias: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except SystemExit as stop:  # --help and --version
        return int(stop.code or 0)


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
    check.add_argument("--data", metavar="FILE", help=".csv (header line) or .npz (arrays X, y); standardized")
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
    return parser


def _crosscheck(options: argparse.Namespace) -> int:
    alphas = [_positive_float("--alpha", text) for text in options.alpha]
    depths = [_depth("--depth", text) for text in options.depth]
    for flag, file in (("--json", options.json), ("--plot", options.plot)):
        if file not in (None, "-") and not Path(file).absolute().parent.is_dir():
            raise InputError(f"argument {flag}: no such directory: {Path(file).absolute().parent}")
    data = _dataset(options)

    from rich.console import Console

    from ._result import ImplicitBiasError

    terminal, notes = Console(), Console(stderr=True)
    if options.json != "-":
        terminal.print(f"[bold]{data.name}[/]: {data.description}. Squared loss, gradient flow to loss 1e-20.")
    try:
        if options.plot is not None:
            from ._report import new_figure

            new_figure((1, 1))  # a missing matplotlib is better heard of before the training than after
        reports = _train(data, alphas, depths, options.device, notes)
    except (ModuleNotFoundError, ImplicitBiasError, ValueError) as error:
        raise InputError(str(error)) from error
    stopped = bool(reports) and reports[-1].trained.status.name == "INTERRUPTED"
    if not reports:
        return _INTERRUPTED
    return max(_show(data, reports, options, terminal, notes), _INTERRUPTED if stopped else _SUCCESS)


def _train(
    data: Dataset, alphas: list[tuple[str, float]], depths: list[float], device: str | None, notes: Any
) -> list[Report]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from ._crosscheck import crosscheck, minimum_norms

    minimum = minimum_norms(data.X, data.y)
    reports: list[Report] = []
    target = -math.log(1e-20)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.0e}"),
        TimeElapsedColumn(),
        console=notes,
        transient=True,
        disable=not notes.is_terminal,
    ) as progress:
        for depth in depths:
            for text, _ in alphas:
                task = progress.add_task(f"D = {depth:g}, alpha = {text}", total=target, loss=1.0)

                def follow(now: Any, task: Any = task) -> None:
                    done = -math.log(now.loss) if now.loss > 0 else target
                    progress.update(task, completed=min(max(done, 0.0), target), loss=now.loss)

                callback = follow if notes.is_terminal else None
                report = crosscheck(data.X, data.y, text, depth, device=device, minimum=minimum, callback=callback)
                reports.append(report)
                if report.trained.status.name == "INTERRUPTED":
                    return reports
                progress.remove_task(task)
    return reports


def _show(data: Dataset, reports: list[Report], options: argparse.Namespace, terminal: Any, notes: Any) -> int:
    from ._sweep import sweep_figure, sweep_json, sweep_table

    if options.json is not None:
        text = json.dumps(sweep_json(data.description, reports), indent=2, allow_nan=False)
        if options.json == "-":
            print(text)
        else:
            _write("--json", options.json, lambda file: file.write_text(text + "\n", encoding="utf-8"))
    if options.json != "-":
        terminal.print(sweep_table(reports))
    if options.plot is not None:
        title = f"{data.description}: trained points on predicted curves"
        figure = sweep_figure(data.X, data.y, reports, title)
        _write("--plot", options.plot, lambda file: figure.savefig(file, dpi=160))
    complaints = [report.complaint for report in reports if report.complaint]
    for complaint in complaints:
        notes.print(f"implicitbias: {complaint}", style="bold red", soft_wrap=True, markup=False, highlight=False)
    if complaints:
        return _DISAGREEMENT
    if options.json != "-":
        worst = max(report.distance for report in reports)
        terminal.print(
            f"All {len(reports)} end points agree: largest relative distance {worst:.1e}, "
            f"accepted up to {reports[0].agreement:.0e}."
        )
    return _SUCCESS


def _dataset(options: argparse.Namespace) -> Dataset:
    from .data import diabetes, load_table, standardize

    if options.data is None:
        if options.target is not None:
            raise InputError("argument --target: needs --data with a .csv file")
        return diabetes()
    try:
        data = standardize(load_table(options.data, options.target))
    except (OSError, ValueError) as error:
        raise InputError(f"argument --data: {error}") from error
    if data.shape[0] > data.shape[1]:
        raise InputError(
            f"argument --data: {options.data} has {data.shape[0]} rows and {data.shape[1]} features; "
            "interpolation needs at least as many features as rows"
        )
    return data


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
        reg = Q(alpha, D=depth)
        value, gradient = reg(beta), reg.grad(beta)
        print(f"value     {mpmath.nstr(value, digits)}")
        for text, slope in zip(texts, gradient, strict=True):
            print(f"gradient  {mpmath.nstr(slope, digits)}  at {text}")
    return _SUCCESS


def _write(flag: str, name: str, write: Any) -> None:
    try:
        write(Path(name))
    except (OSError, ValueError) as error:  # matplotlib answers an unknown suffix with ValueError
        raise InputError(f"argument {flag}: cannot write {name}: {error}") from error


def _positive_float(flag: str, text: str) -> tuple[str, float]:
    text = text.strip()
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not 0 < value < math.inf:
        raise InputError(f"argument {flag}: a positive number in the range of a float expected, got {text!r}")
    return text, value


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
