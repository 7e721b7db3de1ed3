"""Inequalities over whole boxes, by interval arithmetic with bisection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mpmath import iv

__all__ = ["positive_on"]


def positive_on(
    function: Callable[..., Any], ranges: Sequence[tuple[Any, Any]], *, limit: int = 20_000, digits: int = 30
) -> int:
    """Prove ``function(x_1, ..., x_k) > 0`` for all ``x`` in a closed box.

    The box is halved along its widest side (relative to the box at the start) until the interval extension of the
    function is positive on every piece. Each evaluation rounds outward, so success is a proof. A function that
    touches zero on the box cannot be done: divide the zero out, or treat its neighbourhood by a series.

    Parameters
    ----------
    function
        Takes one interval of ``mpmath.iv`` per variable and returns one, by ``iv.exp``, ``iv.log``, ``iv.sqrt``
        and arithmetic. An unbounded domain has to be brought to a box by the function (``t = s/(1-s)``).
    ranges
        Ends of the box, one pair per variable: integers, strings or mpmath numbers, so that nothing is rounded.
    limit
        Largest number of pieces.
    digits
        Working precision.

    Returns
    -------
    int
        How many pieces it took.

    Raises
    ------
    ArithmeticError
        If the function is not positive somewhere, or the limit is reached; the message names the piece.
    """
    previous = iv.dps
    iv.dps = digits
    try:
        whole = [iv.mpf([low, high]) for low, high in ranges]
        pieces, done = [whole], 0
        while pieces:
            box = pieces.pop()
            value = function(*box)
            if value.a > 0:
                done += 1
                continue
            if value.b <= 0:
                raise ArithmeticError(f"not positive on {_show(box)}")
            if done + len(pieces) >= limit:
                raise ArithmeticError(f"not decided after {limit} pieces; one left is {_show(box)}")
            shares = [
                (side.delta / start.delta).b if start.delta.b else 0 for side, start in zip(box, whole, strict=True)
            ]
            side = shares.index(max(shares))
            if shares[side] < 1e-15:
                raise ArithmeticError(f"zero, or too near to it, at {_show(box)}")
            low, high = box[side].a, box[side].b
            middle = iv.mpf((low + high) / 2).mid
            for part in ((low, middle), (middle, high)):
                pieces.append([*box[:side], iv.mpf(part), *box[side + 1 :]])
        return done
    finally:
        iv.dps = previous


def _show(box: Sequence[Any]) -> str:
    return " x ".join(f"[{float(side.a):.6g}, {float(side.b):.6g}]" for side in box)
