"""How commands show tables: all alike, and whole on a narrow console."""

from __future__ import annotations

from collections.abc import Collection

from rich import box
from rich.table import Table

__all__ = ["new_table"]


def new_table(title: str, *columns: str, texts: Collection[str] = ()) -> Table:
    """An empty table. Columns hold numbers, and keep to the right, but for the first and those in `texts`;
    what is too long goes on in the next line.
    """
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        text = number == 0 or column in texts
        table.add_column(column, justify="left" if text else "right", overflow="fold")
    return table
