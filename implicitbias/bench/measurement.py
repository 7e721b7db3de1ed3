"""One measurement, what is said of it, and the file that keeps them."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .peers import Peer
    from .problems import Vector
    from .reference import Reference
    from .worker import Outcome

__all__ = ["USABLE", "Log", "Measurement", "judge"]

USABLE: Final = 1e-2
"""Relative error from which on a solution is called wrong."""


@dataclass(frozen=True)
class Measurement:
    """What came of one run of a peer.

    Attributes
    ----------
    peer, kind, D, alpha, repetition
        What was run.
    seconds
        Time it took.
    solver_seconds
        Of these, the solver proper, where a modelling layer tells.
    error
        ``||beta - reference|| / ||reference||``; None where there is no solution.
    tiny
        Median relative error of the coordinates below 1e-6 of the largest; None where there is none.
    l1_error
        The worse of the relative error of the l1 norm against its minimum and ``||X beta - y|| / ||y||``, at the l1
        end only.
    reason
        What is wrong; empty where nothing is.
    note
        What the peer said of a solution that is usable.
    """

    peer: str
    kind: str
    D: float
    alpha: str
    repetition: int
    seconds: float
    solver_seconds: float | None = None
    error: float | None = None
    tiny: float | None = None
    l1_error: float | None = None
    reason: str = ""
    note: str = ""

    @property
    def usable(self) -> bool:
        """Whether there is a solution that deserves the name."""
        return not self.reason and self.error is not None

    @property
    def key(self) -> tuple[str, float, str, int]:
        """What was run."""
        return self.peer, self.D, self.alpha, self.repetition


def judge(
    peer: Peer,
    D: float,
    alpha: str,
    repetition: int,
    outcome: Outcome,
    data: tuple[Vector, Vector],
    reference: Reference,
    least_l1: float | None,
) -> Measurement:
    """Compare what a peer returned with the reference, and say what is to be said.

    Parameters
    ----------
    data
        ``X (N, d)`` and ``y (N,)``.
    least_l1
        Least l1 norm at the l1 end, else None.
    """
    X, y = data
    error = tiny = l1_error = None
    beta = outcome.beta
    if beta is not None and not np.isfinite(beta).all():
        beta = None
    if beta is not None:
        with np.errstate(over="ignore"):
            error, tiny = reference.distance(beta), reference.tiny(beta)
            primal = float(np.linalg.norm(X @ beta - y) / np.linalg.norm(y))
            if least_l1 is not None:
                l1_error = max(abs(float(math.fsum(np.abs(beta))) - least_l1) / least_l1, primal)
    reason, note = _verdict(outcome, error)
    return Measurement(
        peer.name,
        peer.kind,
        D,
        alpha,
        repetition,
        outcome.seconds,
        outcome.info.get("solver_seconds"),
        error if error is not None and math.isfinite(error) else None,
        tiny if tiny is not None and math.isfinite(tiny) else None,
        l1_error if l1_error is not None and math.isfinite(l1_error) else None,
        reason,
        note,
    )


def _verdict(outcome: Outcome, error: float | None) -> tuple[str, str]:
    """What is wrong, and what is worth a note."""
    if outcome.failure:
        return outcome.failure, ""
    claim = " ".join(outcome.claim.split()).split(";")[0]
    if error is None:
        return f"no finite solution: {claim or 'though it reported success'}", ""
    if error > USABLE or math.isnan(error):
        off = (
            f"{100 * error:.3g} % off"
            if error < 10
            else f"off by a factor of {error:.0e}"
            if math.isfinite(error)
            else "off beyond all bounds"
        )
        return (f"{claim}: {off}" if claim else f"wrong: {off} though it reported success"), ""
    return "", claim


class Log:
    """Measurements in a file, one line of JSON each, written as they come.

    Parameters
    ----------
    file
        Its directory is created.
    settings
        First line of the file; only a file with the same settings is continued.
    resume
        Whether to continue; otherwise the file starts afresh.
    """

    def __init__(self, file: Path, settings: Mapping[str, Any], *, resume: bool) -> None:
        self.file = file
        self.measurements: list[Measurement] = []
        file.parent.mkdir(parents=True, exist_ok=True)
        head = json.dumps(settings, sort_keys=True)
        if resume:
            self.measurements = _read(file, head)
        lines = [head, *(json.dumps(dataclasses.asdict(m)) for m in self.measurements)]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def add(self, measurement: Measurement) -> None:
        """Keep a measurement; it is on disk when this returns."""
        self.measurements.append(measurement)
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(dataclasses.asdict(measurement)) + "\n")


def _read(file: Path, head: str) -> list[Measurement]:
    """Measurements of a file with this first line; a last line cut short is left out."""
    try:
        first, *lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    found: list[Measurement] = []
    if first == head:
        for line in lines:
            try:
                found.append(Measurement(**json.loads(line)))
            except (TypeError, ValueError):
                break
    return found
