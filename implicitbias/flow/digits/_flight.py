"""The one stretch without feedback: from a tiny start at depth D > 2 the predictor is nothing until z is nearly 1.

As long as ``|m| < eps`` the right-hand side is constant to eps, and ``nu = nu_0 + h p`` is wrong by less than
``eps (1 - |z|)`` at its end, because m grows like ``(1 - |z|)^{-p}`` only there. Steps of collocation would close
in on the singularity by one decimal digit each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._system import log2

if TYPE_CHECKING:
    from ._system import Point, System

__all__ = ["flight"]

_WORTH = 1e-3
"""Fraction of the present slack below which the end of the flight is worth it."""


def flight(system: System, nu: list[Any], point: Point, p: list[Any], eps: Any) -> tuple[Any, float] | None:
    """Length of the flight from `nu` with right-hand side `p`, and the bits that its end loses; None for none."""
    reg, number = system.reg, system.number
    if reg.D == 2 or reg.reference is not None or not any(p):
        return None
    allowed = eps * max(abs(v) for v in p) if system.squared else eps
    if not max(abs(m) for m in point.margins) < allowed:
        return None
    direction = number.times_table([p], system.A)[0]
    distances = system.distances(nu, direction)
    best = None
    for i, (v, distance, size) in enumerate(zip(direction, distances, system.column_sizes.tolist(), strict=True)):
        if not abs(v) > 0:
            continue
        # beta = c (1 - |z|)^-p at most
        slack = number.exp(number.log(system.levels[i] * (size * system.d) / allowed) / system.p)
        end = slack / system.squeeze[i]
        length = (distance - end) / abs(v)
        if best is None or length < best[0]:
            best = length, slack, end / distance
    if best is None or not best[2] < _WORTH:
        return None
    return number.settled(best[0]), -log2(number, best[1])
