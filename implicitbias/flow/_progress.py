"""The bar of a trajectory under way."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["progress_bar"]


@contextlib.contextmanager
def progress_bar(start: float, end: float, console: Console | None = None) -> Iterator[Callable[[Any], None]]:
    """A bar in the logarithm of the accuracy gained; yields what is to be called with states.

    Parameters
    ----------
    start, end
        Accuracies between which the flow runs.
    console
        Where the bar is, and not left behind; standard output, and left there, when None.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("gradient flow"),
        BarColumn(),
        TextColumn("{task.fields[now]}"),
        TimeElapsedColumn(),
        console=console,
        transient=console is not None,
    ) as progress:
        task = progress.add_task("", total=math.log1p(end - start), now="")

        def follow(state: Any) -> None:
            accuracy = float(state.accuracy)
            done = math.log1p(min(max(accuracy - start, 0.0), end - start))
            progress.update(task, completed=done, now=f"accuracy {accuracy:.6g} of {end:.6g}")

        yield follow
