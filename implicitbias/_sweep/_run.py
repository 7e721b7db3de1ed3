"""Many comparisons in a row, with progress; one that fails or is interrupted leaves the others standing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from .._report import Comparison
from .._result import ImplicitBiasError

__all__ = ["Follower", "Job", "Sweep", "number_or_none", "run_jobs"]

R = TypeVar("R", bound=Comparison)
Follower = Callable[[Any], None]


@dataclass(frozen=True)
class Job(Generic[R]):
    """One comparison to come.

    Attributes
    ----------
    depth, alpha
        By which it is named.
    run
        Makes the comparison; what it is given, a function or None, is to be called with the trainer's progress.
    """

    depth: float
    alpha: str
    run: Callable[[Follower | None], R]


@dataclass
class Sweep(Generic[R]):
    """What a sweep has come to.

    Attributes
    ----------
    reports
        One per run that ended, an interrupted training included.
    failures
        ``(D, alpha, reason)`` of each run that raised.
    interrupted
        Whether the runs after these are missing.
    """

    reports: list[R] = field(default_factory=list)
    failures: list[tuple[float, str, str]] = field(default_factory=list)
    interrupted: bool = False

    @property
    def complaints(self) -> list[str]:
        """One line for every run that did not end in agreement."""
        failed = [f"D = {depth:g}, alpha = {alpha}: failed: {reason}" for depth, alpha, reason in self.failures]
        return [report.complaint for report in self.reports if report.complaint] + failed

    def as_dict(self, description: str, largest: float) -> dict[str, Any]:
        """Return the whole sweep as plain lists, numbers and strings.

        Parameters
        ----------
        description
            Of the data.
        largest
            Largest distance; None stands for one that is not finite.
        """
        return {
            "description": description,
            "agrees": not self.complaints,
            "largest_distance": number_or_none(largest),
            "rows": [report.as_dict() for report in self.reports],
            "failed": [
                {"depth": depth, "alpha": alpha, "reason": reason} for depth, alpha, reason in self.failures
            ],
        }


def number_or_none(value: float) -> float | None:
    """A number as JSON can say it."""
    return value if math.isfinite(value) else None


def run_jobs(
    jobs: Iterable[Job[R]], notes: Console, total: float, done: Callable[[Any], float], shown: Callable[[Any], str]
) -> Sweep[R]:
    """Run one job after another.

    Parameters
    ----------
    jobs
        In order.
    notes
        Where progress is shown, if it is a terminal.
    total, done, shown
        Length of the bar, and what a trainer's progress is on it and as a word.
    """
    sweep: Sweep[R] = Sweep()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[shown]}"),
        TimeElapsedColumn(),
        console=notes,
        transient=True,
        disable=not notes.is_terminal,
    ) as progress:
        for job in jobs:
            task = progress.add_task(f"D = {job.depth:g}, alpha = {job.alpha}", total=total, shown="")

            def follow(now: Any, task: Any = task) -> None:
                progress.update(task, completed=min(max(done(now), 0.0), total), shown=shown(now))

            try:
                report = job.run(follow if notes.is_terminal else None)
            except KeyboardInterrupt:  # outside the training, which would have returned
                sweep.interrupted = True
                return sweep
            except (ArithmeticError, ImplicitBiasError, ValueError) as error:  # LinAlgError is a ValueError
                reason = " ".join(str(error).split()) or type(error).__name__
                sweep.failures.append((job.depth, job.alpha, reason))
            else:
                sweep.reports.append(report)
                if report.verdict == "interrupted":
                    sweep.interrupted = True
                    return sweep
            progress.remove_task(task)
    return sweep
