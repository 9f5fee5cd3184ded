"""Tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from clip_emotion.evaluation.result import ClassTable


def class_table(classes: ClassTable) -> Table:
    """Return what was measured of each class as a table that fits a terminal."""
    # The report has room for all columns, a terminal for one of words after the numbers.
    shown = classes.numbers + 2
    table = Table(title=classes.title)
    for place, column in enumerate(classes.columns[:shown]):
        is_number = 0 < place <= classes.numbers
        table.add_column(column, justify="right" if is_number else "left", no_wrap=is_number)
    for row in classes.rows:
        table.add_row(*row[:shown])
    return uncut(table)


def uncut(table: Table) -> Table:
    """Return a table none of whose cells is cut on a narrow terminal.

    What is too long for its column goes on in the next line: an ellipsis would take letters and figures away.
    """
    for column in table.columns:
        column.overflow = "fold"
    return table
