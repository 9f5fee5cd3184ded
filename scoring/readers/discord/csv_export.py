"""DiscordChatExporter's CSV: ``AuthorID,Author,Date,Content,Attachments,Reactions``.

Versions write dates as ``17-May-20 02:21 AM``, in ISO 8601, or as the user's country does (``10/6/2023 12:37 AM``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from scoring.readers.cleaning import clean
from scoring.readers.messages import Layout, Source
from scoring.readers.table import TableParser, header_of
from scoring.readers.times import MONTH, read_clock, read_date, read_time
from scoring.readers.turns import file_kind
from scoring.readers.written_dates import OrderEvidence, WrittenDate, told_order, written_date

_HEADER = ["AuthorID", "Author", "Date", "Content", "Attachments", "Reactions"]
_EARLIEST = 2015
_SHORT = re.compile(rf"(\d{{1,2}})-({MONTH})-(\d{{2}}|\d{{4}})\b", re.IGNORECASE)
_NUMBERS = re.compile(r"(?<!\d)(\d{1,4})([/.-]) ?(\d{1,2})\2 ?(\d{1,4})(?!\d)")
_DISCRIMINATOR = re.compile(r"#\d{4}$")
_IN_ROW = re.compile(r'"?\d{15,21}"?,"?(?:[^"]|"")*?"?,"?(?P<date>\d{1,4}[/.-] ?\d{1,2}[/.-] ?\d{1,4}(?!\d))')


class DiscordCsvParser(TableParser):
    """Reads rows as a table's; a row without words is what was attached, or the program's own."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        order = told_order(_dates(source.lines), source.date_order, source.name, _EARLIEST)
        self._evidence = OrderEvidence(_EARLIEST, order)

    def values_of(self, columns: Sequence[str], cells: Sequence[str]) -> dict[str, object]:
        """Return a row's values by field."""
        row = dict(zip(columns, cells, strict=False))
        attached = row.get("Attachments", "")
        return {
            "speaker": _DISCRIMINATOR.sub("", row.get("Author", "")),
            "text": row.get("Content", ""),
            "media": file_kind(attached.split(",")[0].split("?")[0]) if attached else None,
            "time": self._time(clean(row.get("Date", ""))),
        }

    def is_notice(self, values: Mapping[str, object]) -> bool:
        """Tell whether a row holds nothing that somebody said, such as an embed, which CSV leaves out."""
        return not (values.get("text") or values.get("media"))

    def _time(self, text: str) -> str | None:
        """Return the time of a row in ISO 8601."""
        if match := _SHORT.search(text):
            year = match[3] if len(match[3]) == 4 else f"20{match[3]}"
            text = text.replace(match[0], f"{match[1]} {match[2]} {year}", 1)
        elif read_date(text) is None and (written := _written(text)):
            order = self._evidence.order_of(written)
            day, clock = written.read(order) if order else None, read_clock(text)
            return datetime.combine(day, clock).isoformat() if day and clock else text
        moment = read_time(text)
        return moment.isoformat() if moment else text


def _written(text: str) -> WrittenDate | None:
    match = _NUMBERS.search(text)
    return written_date(match[1], match[3], match[4], match[2]) if match else None


def _dates(lines: Sequence[str]) -> Iterator[WrittenDate]:
    """Yield the dates in numbers alone with which rows begin."""
    for line in lines:
        match = _IN_ROW.match(line)
        if match and read_date(match["date"]) is None and (written := _written(match["date"])):
            yield written


def _recognise(line: str, first: bool) -> bool:
    if not first or not line.startswith(("AuthorID", '"AuthorID')):
        return False
    header = header_of(line)
    return header is not None and header.columns[: len(_HEADER)] == _HEADER


DISCORD_CSV = Layout("discord-csv", _recognise, DiscordCsvParser, is_table=True)
