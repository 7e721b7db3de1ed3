"""The command ``implicitbias crosscheck``."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..losses import LOSSES
from ._input import (
    FAILURE,
    INTERRUPTED,
    SUCCESS,
    InputError,
    depth_of,
    note_labels,
    require_picture_format,
    require_writable,
    scale,
    write,
)

if TYPE_CHECKING:
    from .._report import Report, TrajectoryReport
    from .._sweep import Sweep
    from ..data import Dataset

__all__ = ["add_crosscheck"]

_ALPHAS: Final = ("3", "1", "0.3", "0.1", "0.05", "0.02")
_PATH_ALPHAS: Final = ("10", "1", "0.1")
_DEPTHS: Final = ("2", "3")
_DIGITS_KEPT: Final = 100  # images of the default job, which has to end within a minute


@dataclass(frozen=True)
class _Part:
    """One data set with what was found on it."""

    data: Dataset
    loss: str
    sweep: Sweep[Report] | Sweep[TrajectoryReport]

    @property
    def largest(self) -> float:
        return max((report.distance for report in self.sweep.reports), default=-math.inf)

    @property
    def drawable(self) -> list[Any]:
        return [report for report in self.sweep.reports if math.isfinite(report.distance)]

    def draw(self, figure: Any) -> None:
        from .._sweep import draw_end_points, draw_paths

        if self.loss == "squared":
            title = f"{self.data.description}: trained points on predicted curves"
            draw_end_points(figure, self.data.X, self.data.y, self.drawable, title)
        else:
            title = f"{self.data.description}: trained points on predicted paths (filled: normalized descent)"
            draw_paths(figure, self.drawable, title)


def add_crosscheck(commands: Any) -> None:
    """Add the command to the parser."""
    check = commands.add_parser(
        "crosscheck",
        help="train diagonal networks and compare with what is predicted",
        description=(
            "Train diagonal networks by gradient flow and compare with what is predicted: with the end points for "
            "the squared loss, with the paths for a loss of classification. Without arguments: diabetes data "
            "(squared loss) and two digits (exponential loss), depths 2 and 3, alphas from the kernel to the rich "
            "regime."
        ),
    )
    check.add_argument(
        "--data",
        metavar="FILE",
        help=".csv (header line) or .npz (arrays X, y); columns and target are standardized over the given rows, "
        "but not the labels -1 and 1 (or 0 and 1) that the other losses need",
    )
    check.add_argument("--target", metavar="COLUMN", help="column of the .csv file to predict (default: the last)")
    check.add_argument(
        "--loss", choices=LOSSES, help="loss to train with (default: squared; both jobs where no --data is given)"
    )
    check.add_argument("--alpha", metavar="A", nargs="+", help="scales of initialization")
    check.add_argument("--depth", metavar="D", nargs="+", default=list(_DEPTHS), help="depths, real, at least 2")
    check.add_argument("--device", metavar="DEV", help="torch device to train on (default: cpu)")
    check.add_argument(
        "--json", metavar="FILE", nargs="?", const="-", help="write JSON to FILE, or instead of the tables"
    )
    check.add_argument("--plot", metavar="FILE", help="save a picture (format by suffix, such as .png or .pdf)")
    check.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # every value once, in the order given
    scales: dict[float, str] = {}
    for text in options.alpha or ():
        scales.setdefault(scale(text), text.strip())
    depths = list(dict.fromkeys(depth_of("--depth", text) for text in options.depth))
    for flag, file in (("--json", options.json), ("--plot", options.plot)):
        if file is not None and (flag, file) != ("--json", "-"):
            require_writable(flag, Path(file))
    chosen = [(loss, _dataset(options, loss)) for loss in _losses(options)]

    from rich.console import Console

    from .._crosscheck import check_device
    from .._result import ImplicitBiasError

    terminal, notes = Console(), Console(stderr=True)
    quiet = options.json == "-"
    parts: list[_Part] = []
    try:
        # what can be found out before the training is
        if options.plot is not None:
            require_picture_format(options.plot)
        check_device(options.device)
        for loss, data in chosen:
            note_labels(data.y, loss, notes)
            if not quiet:
                terminal.print(f"[bold]{data.name}[/]: {data.description}. {_job(loss)}")
            part = _Part(data, loss, _sweep(data, loss, list(scales.values()), depths, options, notes))
            if part.sweep.interrupted and not (parts or part.sweep.reports or part.sweep.failures):
                raise KeyboardInterrupt
            parts.append(part)
            _show(part, terminal, notes, quiet=quiet)
            if part.sweep.interrupted:
                break
    except (ModuleNotFoundError, ImplicitBiasError, ValueError) as error:
        raise InputError(" ".join(str(error).split())) from error
    _write_files(parts, options, notes)
    if parts[-1].sweep.interrupted:
        return INTERRUPTED
    return FAILURE if any(part.sweep.complaints for part in parts) else SUCCESS


def _losses(options: argparse.Namespace) -> Sequence[str]:
    if options.loss is not None:
        return (options.loss,)
    return ("squared", "exponential") if options.data is None else ("squared",)


def _job(loss: str) -> str:
    from .._sweep import PATH_ACCURACY

    if loss == "squared":
        return "Squared loss, gradient flow to loss 1e-20."
    decades = PATH_ACCURACY / math.log(10)
    return f"{loss.capitalize()} loss, gradient flow to accuracy {PATH_ACCURACY:g}, a loss of 1e-{decades:.0f}."


def _sweep(
    data: Dataset, loss: str, alphas: list[str], depths: list[float], options: argparse.Namespace, notes: Any
) -> Sweep[Report] | Sweep[TrajectoryReport]:
    from .._sweep import end_point_sweep, path_sweep

    if loss == "squared":
        return end_point_sweep(data.X, data.y, alphas or _ALPHAS, depths, options.device, notes)
    return path_sweep(
        data.X, data.y, alphas or _PATH_ALPHAS, depths, loss, options.device, notes, descent=not alphas
    )


def _show(part: _Part, terminal: Any, notes: Any, *, quiet: bool) -> None:
    from .._sweep import end_point_table, path_table

    reports: Any = part.sweep.reports
    if reports and not quiet:
        table = end_point_table if part.loss == "squared" else path_table
        terminal.print(table(reports, terminal.width))
    for complaint in part.sweep.complaints:
        notes.print(f"implicitbias: {complaint}", style="bold red", soft_wrap=True, markup=False, highlight=False)
    if part.sweep.complaints or quiet or not reports:
        return
    what = "end point" if part.loss == "squared" else "path"
    agree = f"The {what} agrees" if len(reports) == 1 else f"All {len(reports)} {what}s agree"
    groups: dict[float, list[float]] = {}
    for report in reports:
        groups.setdefault(report.agreement, []).append(report.distance)
    worst = "; ".join(f"{max(found):.1e}, accepted up to {limit:.0e}" for limit, found in groups.items())
    terminal.print(f"{agree}: largest relative distance {worst}.")


def _write_files(parts: list[_Part], options: argparse.Namespace, notes: Any) -> None:
    """Files last: what goes wrong with them costs nothing of what is on the screen."""
    if options.json is not None:
        found = [part.sweep.as_dict(part.data.description, part.largest) for part in parts]
        if len(found) == 2:
            found[0]["classification"] = found[1]
        text = json.dumps(found[0], indent=2, allow_nan=False)
        if options.json == "-":
            print(text)
        else:
            write("--json", options.json, lambda file: file.write_text(text + "\n", encoding="utf-8"))
    if options.plot is not None:
        from .._report import new_figure

        drawable = [part for part in parts if part.drawable]
        if not drawable:
            notes.print("implicitbias: no training ended at finite weights, so there is no picture", soft_wrap=True)
            return
        figure = new_figure((10, 4.4 * len(drawable)))
        rows = figure.subfigures(len(drawable), 1, squeeze=False)[:, 0]
        for part, row in zip(drawable, rows, strict=True):
            part.draw(row)
        write("--plot", options.plot, lambda file: figure.savefig(file, dpi=160))


def _dataset(options: argparse.Namespace, loss: str) -> Dataset:
    from ..data import diabetes, digits, load_table, standardize

    if options.data is None:
        if options.target is not None:
            raise InputError("argument --target: needs --data with a .csv file")
        return diabetes() if loss == "squared" else digits(n_samples=_DIGITS_KEPT)
    try:
        return standardize(load_table(options.data, options.target), target=loss == "squared")
    except (OSError, ValueError) as error:
        raise InputError(f"argument --data: {error}") from error
