"""What a person may give to a command, and how it is refused."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

__all__ = [
    "BAD_INPUT",
    "FAILURE",
    "INTERRUPTED",
    "NUMBER",
    "SUCCESS",
    "InputError",
    "depth_of",
    "digits_of",
    "note_labels",
    "require_picture_format",
    "require_writable",
    "scale",
    "write",
]

NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
SUCCESS, FAILURE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class InputError(Exception):
    """Input the command cannot use; its text is the one line that is shown."""


def write(flag: str, name: str, action: Callable[[Path], Any]) -> None:
    """Write a file, and name the flag where that fails."""
    try:
        action(Path(name))
    except (OSError, ValueError) as error:
        raise InputError(f"argument {flag}: cannot write {name}: {error}") from error


def require_writable(flag: str, file: Path) -> None:
    """Refuse a file that cannot be written, without creating it or changing what it holds."""
    if not file.absolute().parent.is_dir():
        raise InputError(f"argument {flag}: no such directory: {file.absolute().parent}")
    if file.is_dir():
        raise InputError(f"argument {flag}: {file} is a directory, the name of a file is needed")
    if not os.access(file if file.exists() else file.absolute().parent, os.W_OK):
        raise InputError(f"argument {flag}: no permission to write {file}")


def require_picture_format(name: str) -> None:
    from .._report import new_figure

    formats = new_figure((1, 1)).canvas.get_supported_filetypes()
    if Path(name).suffix.lower().removeprefix(".") not in formats:
        known = ", ".join(f".{suffix}" for suffix in sorted(formats))
        raise InputError(f"argument --plot: {name} must end in one of {known}")


def scale(text: str) -> float:
    text = text.strip()
    value = float(text) if NUMBER.fullmatch(text) else math.nan
    if not 0 < value < math.inf:
        raise InputError(f"argument --alpha: a positive number in the range of a float expected, got {text!r}")
    return value


def note_labels(y: Any, loss: str, notes: Any) -> None:
    """Say what becomes of labels 0 and 1."""
    if loss != "squared" and set(y.tolist()) == {0.0, 1.0}:
        notes.print("implicitbias: labels 0 and 1 are taken as -1 and 1", markup=False, highlight=False)


def depth_of(flag: str, text: str) -> float:
    value = float(text) if NUMBER.fullmatch(text.strip()) else math.nan
    if not 2 <= value < math.inf:
        raise InputError(f"argument {flag}: a number of at least 2 expected, got {text.strip()!r}")
    return int(value) if value == int(value) else value


def digits_of(text: str) -> int:
    if not text.strip().isdecimal() or not 1 <= int(text) <= 100_000:
        raise InputError(f"argument --digits: a whole number from 1 to 100000 expected, got {text.strip()!r}")
    return int(text)
