"""Tables that fit a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

__all__ = ["fitted", "plain_table"]


def fitted(make: Callable[[Sequence[str]], Table], expendable: Sequence[str], width: int) -> Table:
    """Make a table without as many of the expendable columns, in their order, as it takes to fit."""
    console = Console(width=10_000)
    for count in range(len(expendable) + 1):
        table = make(expendable[:count])
        if Measurement.get(console, console.options, table).maximum <= width:
            break
    return table


def plain_table(caption: str, names: Sequence[str]) -> Table:
    """An empty table with columns that align to the right, and a caption below."""
    table = Table(
        caption=caption,
        caption_justify="left",
        # no vertical rules and little padding: the table has to fit into 80 columns
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table
