"""How long a step may be: estimates of its error, and the first length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._collocation import Radau
    from ._segment import Moment
    from ._stages import Stages
    from ._system import System

__all__ = ["direction", "estimated_errors", "first_length", "within_domain"]


def direction(system: System, at: Moment) -> list[Any]:
    """``d theta / d tau``, ``(d,)``."""
    row: list[Any] = system.number.times_table([system.right_hand_side(at.point.margins)], system.A)[0]
    return row


def first_length(system: System, at: Moment) -> Any:
    """Length of a step about which nothing is known: the time of relaxation, or that in which theta moves by 1."""
    sizes = system.column_sizes.tolist()
    stiffness = max(w * c * c for w, c in zip(at.point.weights, sizes, strict=True))
    return 1 / max(stiffness, *(abs(v) for v in direction(system, at)))


def within_domain(system: System, at: Moment, h: Any) -> Any:
    """`h`, or what keeps ``|z| < 1`` by a tenth of the distance."""
    along = direction(system, at)
    for v, slack in zip(along, system.distances(at.nu, along), strict=True):
        if slack is not None and abs(v) * h > 0.9 * slack:
            h = 0.9 * slack / abs(v)
    return h


def estimated_errors(
    system: System, tables: Radau, stages: Stages, h: Any, rates: list[Any], accuracy: Any, digits: int
) -> list[float]:
    """Estimated errors over their tolerances: of the trajectory, of its time, of the integral of its accuracy.

    Parameters
    ----------
    system, tables, stages, h
        The step.
    rates
        Slopes of the accuracy at the nodes.
    accuracy
        At the end.
    digits
        Of the trajectory, by which its tolerance is set.
    """
    number, s = system.number, tables.s
    tail = max(abs(v) for row in number.times(tables.tail, stages.p) for v in row)
    end, last = stages.points[-1], stages.nu[-1]
    sizes = system.column_sizes.tolist()
    influence = max(w * c for w, c in zip(end.weights, sizes, strict=True)) / max(abs(v) for v in end.beta)
    # an error of p in the next coefficient moves nu by h/(2s) times as much, and margins by that times the kernel
    moved = h / (2 * s)
    condition = max(system.zero + 1, stages.scale / (2 * s), moved * influence, moved / max(abs(v) for v in last))
    size = max(abs(v) for v in stages.p[-1])
    main = tail * condition / (size * system.power_of_ten(-digits))
    gained = h * max(rates)
    rough = max(abs(v) for row in number.times(tables.tail, [[r] for r in rates]) for v in row) / max(rates)
    # the quadrature of the slopes is wrong by the square of what their interpolation is
    drift = number.exp(number.log(gained / max(accuracy, 1)) / 2)
    return [
        float(main),
        float(rough * min(gained, 1) * system.power_of_ten(min(15.0, digits + 1.0))),
        float(rough * drift * system.power_of_ten(digits / 2)),
    ]
