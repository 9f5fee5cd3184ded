"""CSV as everyone here writes it: quoted where needed, and no text that a spreadsheet would run as a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

BOM = "\ufeff"
"""Written before a CSV file, so that spreadsheets read it as UTF-8."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""What a spreadsheet takes a text that begins so for: a formula, which may run programs and send the table away."""
MOST_SHOWN, LONGEST_SHOWN = 20, 40
"""Columns of a table, and letters of the name of each, that a sentence tells."""


def csv_line(cells: Sequence[object], *, line_end: str = "\r\n") -> str:
    """Return one record with its line end; a text that would be a formula gets an apostrophe before it.

    Numbers stay numbers, and None is an empty cell.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator=line_end).writerow([guarded(cell) for cell in cells])
    return text.getvalue()


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]], *, line_end: str = "\n") -> str:
    """Return a header and its rows as one table, without a BOM."""
    return "".join(csv_line(row, line_end=line_end) for row in (header, *rows))


def guarded(cell: object) -> object:
    """Return a cell as a spreadsheet may have it: a text that begins like a formula has an apostrophe before it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def unguarded(cell: str) -> str:
    """Return the text that ``guarded`` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def shown_columns(columns: Sequence[str]) -> str:
    """Return the names of columns, the first of many."""
    names = [name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}…" for name in columns[:MOST_SHOWN]]
    return ", ".join(names) + (" …" if len(columns) > MOST_SHOWN else "")
