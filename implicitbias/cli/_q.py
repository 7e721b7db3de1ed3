"""The command ``implicitbias q``."""

from __future__ import annotations

import argparse
from typing import Any

from ._input import NUMBER, SUCCESS, InputError, depth_of, digits_of

__all__ = ["add_q"]


def add_q(commands: Any) -> None:
    """Add the command to the parser."""
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
    value.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    import mpmath

    from ..regularizer import Q

    digits = digits_of(options.digits)
    depth = depth_of("--depth", options.depth)
    alpha = options.alpha.strip()
    if not (NUMBER.fullmatch(alpha) and mpmath.mpf(alpha) > 0):
        raise InputError(f"argument ALPHA: a positive decimal number expected, got {alpha!r}")
    texts = [text.strip() for text in options.beta]
    for text in texts:
        if not NUMBER.fullmatch(text):
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
    return SUCCESS
