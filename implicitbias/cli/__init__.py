"""The command ``implicitbias``: prediction and training, trajectories, `Q` at any scale, claims, peers."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from ._bench import add_bench
from ._crosscheck import add_crosscheck
from ._input import BAD_INPUT, FAILURE, INTERRUPTED, NUMBER, InputError
from ._q import add_q
from ._trajectory import add_trajectory
from ._verify import add_verify

__all__ = ["main"]


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
        return FAILURE
    except InputError as error:
        print(f"implicitbias: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("implicitbias: interrupted", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as stop:  # --help and --version
        return int(stop.code or 0)


def _discard_output() -> None:
    """Send what is still buffered to nowhere, so that the interpreter does not fail on it at exit."""
    with contextlib.suppress(OSError, ValueError):  # a standard output without a descriptor has nothing to fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _shield_negative_numbers(arguments: list[str]) -> list[str]:
    """Put a blank before every negative number, without which argparse takes ``-1e-5`` for an option."""
    return [f" {a}" if a.startswith("-") and NUMBER.fullmatch(a) else a for a in arguments]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="implicitbias", description=__doc__)
    parser.add_argument("--version", action="version", version=f"implicitbias {version('implicitbias')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (add_crosscheck, add_trajectory, add_q, add_verify, add_bench):
        add(commands)
    return parser
