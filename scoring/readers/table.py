"""Tables with a header: CSV and TSV of any origin."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clip_emotion.csv_text import shown_columns
from scoring.conversation import Fault
from scoring.readers.cleaning import is_damaged
from scoring.readers.fields import FieldError, field_of, gather, names_of, read_row
from scoring.readers.messages import Layout, Message, fault

_DELIMITERS = (",", "\t", ";", "|")
_LONGEST_ROW = 1000
"""Lines that a quoted value may go over before its quote counts as never closed."""
TOLD_BY = 20
"""By so many lines at most a table is told whose columns are unknown."""
_FEWEST = 3


@dataclass(frozen=True)
class Header:
    """A table's columns, and the sign that parts them."""

    columns: list[str]
    delimiter: str


class TableParser:
    """Reads rows under a header; a row may go over several lines within quotes.

    A row that cannot be used costs its first line alone: its other lines are read anew as rows of their own.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.system_lines = 0
        self._header: Header | None = None
        self._row: list[tuple[int, str]] = []
        self._quoted = False

    def feed(self, number: int, line: str) -> Sequence[Message]:
        """Return the message of the row that ends on this line, if one does."""
        if not self._quoted and (not line or line.isspace()):
            return ()
        if self._header is None:
            return self._read_header(number, line)
        return self._take(deque([(number, line)]), at_end=False)

    def flush(self) -> Sequence[Message]:
        """Return nothing: a row is held back only while its quote is open."""
        return ()

    def finish(self) -> Sequence[Message]:
        """Read the lines behind a quote that was never closed."""
        if not self._row:
            return ()
        return self._take(deque(), at_end=True)

    def is_notice(self, values: Mapping[str, object]) -> bool:
        """Tell whether a row is nobody's message but the export's own; no row of a table of any origin is."""
        return False

    def values_of(self, columns: Sequence[str], cells: Sequence[str]) -> dict[str, object]:
        """Return a row's values by field."""
        return gather(zip(columns, cells, strict=False))

    def _read_header(self, number: int, line: str) -> Sequence[Message]:
        self._header = header_of(line)
        if self._header is None:
            self.faults.append(
                fault(number, "it is no header with a column for the speaker and one for the text", line)
            )
        else:
            self.system_lines += 1
        return ()

    def _take(self, lines: deque[tuple[int, str]], *, at_end: bool) -> list[Message]:
        assert self._header is not None
        messages: list[Message] = []
        while lines or (at_end and self._row):
            if lines:
                entry = lines.popleft()
                if not self._row and not entry[1].strip():
                    continue
                self._row.append(entry)
                self._quoted = quote_is_open(entry[1], self._header.delimiter, self._quoted)
            if self._quoted and len(self._row) < _LONGEST_ROW and (lines or not at_end):
                continue
            row, unclosed = self._row, self._quoted
            self._row, self._quoted = [], False
            try:
                if unclosed:
                    raise FieldError("a quote opens in it and is never closed")
                messages += self._read(row)
            except FieldError as error:
                self.faults.append(fault(row[0][0], str(error), row[0][1]))
                lines.extendleft(reversed(row[1:]))
        return messages

    def _read(self, row: list[tuple[int, str]]) -> list[Message]:
        assert self._header is not None
        number, text = row[0][0], "\n".join(line for _, line in row)
        if is_damaged(text):
            raise FieldError("it holds bytes that are not text")
        cells = _cells(text, self._header)
        values = self.values_of(self._header.columns, cells)
        if self.is_notice(values):
            self.system_lines += sum(bool(line.strip()) for _, line in row)
            return []
        read = read_row(number, values)
        self.faults.extend(fault(number, flaw, text) for flaw in read.flaws)
        return [read.message]


def header_of(line: str) -> Header | None:
    """Return a table's header where the line names a speaker and a text (or emotions, or a picture), else None."""
    for delimiter in _DELIMITERS:
        try:
            columns = [cell.strip() for cell in _parse(line, delimiter)]
        except FieldError:
            continue
        fields = {field_of(column) for column in columns}
        if "speaker" in fields and fields & {"text", "emotions", "image"}:
            return Header(columns, delimiter)
    return None


def unknown_header(lines: Sequence[str], *, surely: bool) -> str | None:
    """Return what is amiss with a table's columns where the first lines are a table under a header that tells no chat.

    ``surely``: the text is called a table by its name; without it, its first lines must have as many cells each.
    """
    for delimiter in _DELIMITERS:
        try:
            rows = [_parse(line, delimiter) for line in lines]
        except FieldError:
            continue
        columns = [cell.strip() for cell in rows[0]] if rows else []
        is_even = len(rows) >= _FEWEST and {len(row) for row in rows} == {len(columns)}
        if len(columns) >= 2 and all(columns) and (surely or is_even):
            fields = {field_of(column) for column in columns}
            wanted = [field for field in ("speaker", "text") if field not in fields]
            called = "; the ".join(f"{field} as one of {names_of(field)}" for field in wanted)
            return (
                f"has the columns {shown_columns(columns)}, of which none is known as the {' or the '.join(wanted)}: "
                f"name the {called}"
            )
    return None


def quote_is_open(line: str, delimiter: str, quoted: bool) -> bool:
    """Tell whether a quoted value is still open behind a line, as the csv module reads it; ``quoted``: before it."""
    position = 0
    while True:
        if quoted or line.startswith('"', position):
            end = line.find('"', position if quoted else position + 1)
            while end >= 0 and line.startswith('""', end):
                end = line.find('"', end + 2)
            if end < 0:
                return True
            quoted, position = False, end + 1
        position = line.find(delimiter, position)
        if position < 0:
            return False
        position += 1


def _cells(text: str, header: Header) -> list[str]:
    cells = _parse(text, header.delimiter)
    width = len(header.columns)
    extra = [cell for cell in cells[width:] if cell.strip()]
    if extra:
        if '"' in text or field_of(header.columns[-1]) != "text":
            raise FieldError(f"it has {len(cells)} columns, the header {width}")
        # Written by hand without quotes: the text is the last column, so what follows is text with commas.
        cells = text.split(header.delimiter, width - 1)
    return cells


def _parse(text: str, delimiter: str) -> list[str]:
    try:
        rows = list(csv.reader([f"{line}\n" for line in text.split("\n")], delimiter=delimiter))
    except csv.Error as error:
        raise FieldError("a value in it is too long for a table") from error
    return [cell for row in rows for cell in row]


def _recognise(line: str, first: bool) -> bool:
    return first and header_of(line) is not None


TABLE = Layout("table", _recognise, parser=lambda source: TableParser(), is_table=True)
