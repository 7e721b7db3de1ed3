"""The command ``implicitbias trajectory``."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..losses import LOSSES
from ._input import (
    FAILURE,
    INTERRUPTED,
    NUMBER,
    SUCCESS,
    InputError,
    depth_of,
    digits_of,
    note_labels,
    require_picture_format,
    require_writable,
    write,
)

if TYPE_CHECKING:
    from ..data import Dataset
    from ..flow import Trajectory

__all__ = ["add_trajectory"]

_NAMED: Final = (
    "three",
    "many-l1-solutions",
    "changing-support",
    "wide-parting",
    "deeper-norm",
    "local-minimum",
    "digits",
    "diabetes",
)


def add_trajectory(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "trajectory",
        help="follow gradient flow to a loss of any size",
        description=(
            "Follow gradient flow on a diagonal network to a loss of any size, such as 1e-8700, without a network, "
            "and save its states. Ctrl-C saves those reached; --resume goes on from there."
        ),
    )
    parser.add_argument(
        "--data",
        metavar="DATA",
        help=f"{', '.join(_NAMED)}, or a file: .csv (header line) or .npz (arrays X, y), taken as it is; "
        "labels -1 and 1, or 0 and 1, unless the loss is squared (default: three)",
    )
    parser.add_argument(
        "--target", metavar="COLUMN", help="column of the .csv file with the labels (default: last)"
    )
    parser.add_argument(
        "--standardize", action="store_true", help="shift and scale the columns of the file to mean 0, variance 1"
    )
    parser.add_argument("--alpha", metavar="A", help="scale of initialization, of any size (default: 1)")
    parser.add_argument("--depth", metavar="D", help="depth, real, at least 2 (default: 2)")
    parser.add_argument("--loss", choices=LOSSES, help="loss (default: exponential)")
    end = parser.add_mutually_exclusive_group(required=True)
    end.add_argument("--loss-until", metavar="L", help="loss to stop at, such as 1e-8700")
    end.add_argument("--accuracy-until", metavar="A", help="-log loss to stop at")
    parser.add_argument(
        "--save-at",
        metavar="A",
        nargs="+",
        help="accuracies to save the state at, or one whole number: how many of them (default: 100)",
    )
    parser.add_argument("--digits", metavar="N", help="correct decimal digits of every number (default: float64)")
    parser.add_argument(
        "--resume", metavar="FILE", help="trajectory to go on from; options not given are those it was made with"
    )
    parser.add_argument("--out", metavar="FILE", help="where to save the trajectory, .npz")
    parser.add_argument(
        "--json", metavar="FILE", nargs="?", const="-", help="write JSON to FILE, or instead of the table"
    )
    parser.add_argument("--plot", metavar="FILE", help="save a picture (format by suffix, such as .png or .pdf)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    _check_files(options)
    before = _resumed(options)
    flow = _arguments(options, before)

    from rich.console import Console

    from .._result import ImplicitBiasError, Status
    from .._trajectory_view import progress_bar
    from ..flow import gradient_flow

    terminal, notes = Console(), Console(stderr=True)
    data, ends = flow.pop("data"), {name: flow[name] for name in ("until_loss", "until_accuracy")}
    note_labels(data.y, flow["loss"], notes)
    if options.json != "-":
        _say(terminal, f"{data.name}: {data.description}", prefix="")
    try:
        if options.plot is not None:
            require_picture_format(options.plot)
        with progress_bar(*_way(data, flow["loss"], before, **ends), notes) as follow:
            found = gradient_flow(
                data.X, data.y, **flow, resume=before, progress=False if follow is None else follow, throw=False
            )
    except (ModuleNotFoundError, ImplicitBiasError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        flag = "argument --resume: " if before is not None and "resume" in reason else ""
        raise InputError(f"{flag}{reason}") from error
    saved = _save(found, options)
    if found.status is Status.INTERRUPTED:
        _say(notes, _farewell(found, options, saved=saved))
        return INTERRUPTED
    _show(found, data, options, terminal, saved=saved)
    if not found.success:
        message = found.info.get("message", "")
        _say(notes, f"{found.status.value}{': ' if message else ''}{message}", style="bold red")
        return FAILURE
    return SUCCESS


def _check_files(options: argparse.Namespace) -> None:
    for flag, file in (("--out", options.out), ("--json", options.json), ("--plot", options.plot)):
        if file is not None and (flag, file) != ("--json", "-"):
            require_writable(flag, Path(file))
    if options.out is not None and Path(options.out).suffix != ".npz":
        raise InputError(f"argument --out: {options.out} must end in .npz")


def _resumed(options: argparse.Namespace) -> Trajectory | None:
    if options.resume is None:
        return None
    from ..flow import Trajectory

    try:
        return Trajectory.load(options.resume)
    except (OSError, ValueError) as error:
        raise InputError(f"argument --resume: {error}") from error


def _arguments(options: argparse.Namespace, before: Trajectory | None) -> dict[str, Any]:
    """Arguments of :func:`implicitbias.gradient_flow` but for the data themselves, which are under ``"data"``."""
    from ..data import Dataset

    flow: dict[str, Any] = {
        "loss": options.loss or ("exponential" if before is None else before.loss),
        "alpha": "1" if before is None else before.alpha,
        "D": 2 if before is None else before.D,
        "w0": None if before is None else before.w0,
        "digits": None if before is None else before.digits,
        "until_loss": None,
        "until_accuracy": None,
    }
    if options.alpha is not None:
        flow["alpha"] = _number("--alpha", options.alpha, positive=True)
    if options.depth is not None:
        flow["D"] = depth_of("--depth", options.depth)
    if options.digits is not None:
        flow["digits"] = digits_of(options.digits)
    if options.loss_until is not None:
        flow["until_loss"] = _number("--loss-until", options.loss_until, positive=True)
    else:
        flow["until_accuracy"] = _number("--accuracy-until", options.accuracy_until)
    flow["save_at"] = _marks(options.save_at)
    if before is None or options.data is not None:
        flow["data"] = _dataset(options)
    else:
        name = Path(options.resume).name
        described = f"data of {name}, {len(before.y)} samples"
        flow["data"] = Dataset(name, before.X, before.y, (), described)
    return flow


def _number(flag: str, text: str, *, positive: bool = False) -> str:
    """A decimal of any size, as text: a float would be 0 where it is far from it."""
    import mpmath

    text = text.strip()
    if not NUMBER.fullmatch(text) or (positive and not mpmath.mpf(text) > 0):
        raise InputError(
            f"argument {flag}: a {'positive ' if positive else ''}decimal number expected, got {text!r}"
        )
    return text


def _marks(texts: list[str] | None) -> int | list[str] | None:
    if texts is None:
        return None
    if len(texts) == 1 and texts[0].strip().isdecimal():
        return int(texts[0])
    return [_number("--save-at", text) for text in texts]


def _dataset(options: argparse.Namespace) -> Dataset:
    from .. import three_points
    from ..data import diabetes, digits, load_table, standardize

    name = options.data or "three"
    if name not in _NAMED:
        try:
            table = load_table(name, options.target)
            return standardize(table, target=options.loss == "squared") if options.standardize else table
        except (OSError, ValueError) as error:
            raise InputError(f"argument --data: {error}") from error
    if options.target is not None:
        raise InputError("argument --target: needs --data with a .csv file")
    if name in ("diabetes", "digits"):
        return diabetes() if name == "diabetes" else digits()
    made: Dataset = getattr(three_points, "same_support" if name == "three" else name.replace("-", "_"))()
    return made


def _way(
    data: Dataset, loss: str, before: Trajectory | None, until_loss: str | None, until_accuracy: str | None
) -> tuple[float, float]:
    """Accuracies between which the flow is going to run."""
    import mpmath

    from ..losses import EXPONENTIAL, LOGISTIC

    if before is not None and len(before):
        start = float(before.accuracy[-1])
    elif loss == "squared":
        start = float(-mpmath.log(mpmath.fdot(data.y, data.y)))
    else:
        start = (EXPONENTIAL if loss == "exponential" else LOGISTIC).accuracy(np.zeros(len(data.y)))
    end = until_accuracy if until_loss is None else -mpmath.log(mpmath.mpf(until_loss))
    return start, max(float(mpmath.mpf(end)), start)


def _save(found: Trajectory, options: argparse.Namespace) -> bool:
    if options.out is None or not len(found):
        return False
    write("--out", options.out, found.save)
    return True


def _show(found: Trajectory, data: Dataset, options: argparse.Namespace, terminal: Any, *, saved: bool) -> None:
    from .._trajectory_view import trajectory_figure, trajectory_json, trajectory_rows, trajectory_table

    rows = trajectory_rows(found)
    text = ""
    if options.json is not None:
        text = json.dumps(trajectory_json(found, data.description, rows), indent=2, allow_nan=False)
    if options.json == "-":
        print(text)
    else:
        terminal.print(trajectory_table(found, rows, terminal.width))
        place = f", saved to {options.out}" if saved else ""
        _say(terminal, f"{len(found)} states, {found.steps} steps, {found.seconds:.2f} s{place}", prefix="")
        if options.json is not None:
            write("--json", options.json, lambda file: file.write_text(text + "\n", encoding="utf-8"))
    if options.plot is not None:
        title = rf"{data.name}: {found.loss} loss, $D = {float(found.D):g}$, $\alpha = {found.alpha}$"
        figure = trajectory_figure(found, title)
        write("--plot", options.plot, lambda file: figure.savefig(file, dpi=160))


def _farewell(found: Trajectory, options: argparse.Namespace, *, saved: bool) -> str:
    reached = (
        f"interrupted at accuracy {float(found.accuracy[-1]):.6g}" if len(found) else "interrupted at the start"
    )
    if not saved:
        return f"{reached}; nothing was saved" + ("" if options.out else ", as there is no --out")
    end = (
        ["--loss-until", options.loss_until]
        if options.loss_until is not None
        else ["--accuracy-until", options.accuracy_until]
    )
    again = shlex.join(["implicitbias", "trajectory", "--resume", options.out, *end, "--out", options.out])
    return f"{reached}; {len(found)} states are in {options.out}; go on with: {again}"


def _say(console: Any, text: str, *, prefix: str = "implicitbias: ", style: str | None = None) -> None:
    console.print(prefix + text, style=style, soft_wrap=True, markup=False, highlight=False)
