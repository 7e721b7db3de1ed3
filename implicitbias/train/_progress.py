"""The bar of a training under way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ._run import Callback, Progress

__all__ = ["bar"]


@contextlib.contextmanager
def bar(shown: bool, steps: int, callback: Callback | None) -> Iterator[Callback | None]:
    """Yield what is to be called with progress: the callback, and a bar of `steps` on standard error if `shown`."""
    if not shown:
        yield callback
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.fields[now]}"), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as rich_bar:
        task = rich_bar.add_task("", total=steps, now="")

        def follow(progress: Progress) -> None:
            rich_bar.update(task, completed=progress.step, now=f"step {progress.step}, loss x {progress.loss:.2e}")
            if callback is not None:
                callback(progress)

        yield follow
