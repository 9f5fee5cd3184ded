"""Delimited tables as they come: with or without header, BOM, gzip or quotes, in UTF-8 or CP949."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from clip_emotion.data.sources import Source, open_source, open_table
from clip_emotion.errors import DataError
from clip_emotion.files import expanded
from clip_emotion.text import fold, nfc

SUFFIXES = (".csv", ".tsv", ".txt")
CHUNK = 1 << 20


@dataclass(frozen=True)
class Table:
    """Where a table lies and how it is cut; ``columns`` map our names to positions; ``skip`` header lines to pass."""

    source: Source
    name: str
    columns: Mapping[str, int]
    delimiter: str
    encoding: str
    quoted: bool = True
    skip: int = 1

    def rows(self) -> Iterator[tuple[int, dict[str, str] | None]]:
        """Yield (line number, our columns' NFC cells), or (line number, None) for a row with too few cells.

        Raises DataError when the file is damaged or a cell has no end.
        """
        width = max(self.columns.values()) + 1
        with _text(self.source, self.name, self.encoding) as lines:
            reader = csv.reader(
                lines, delimiter=self.delimiter, quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE
            )
            try:
                for count, cells in enumerate(reader):
                    if count < self.skip or not cells:
                        continue
                    whole = len(cells) >= width
                    yield (
                        reader.line_num,
                        {ours: nfc(cells[at]) for ours, at in self.columns.items()} if whole else None,
                    )
            except csv.Error as error:
                raise DataError(f"{self.name}, line {reader.line_num}: {error}.") from error


def is_table(name: str) -> bool:
    """Tell by its suffix whether a file is a delimited table, gzipped or not."""
    return table_suffix(name) in SUFFIXES


def table_suffix(name: str) -> str:
    """Return a file's lower-case suffix beneath ``.gz``."""
    path = PurePosixPath(name.lower())
    return PurePosixPath(path.stem).suffix if path.suffix == ".gz" else path.suffix


def find_table(
    source: Source, name: str, columns: Mapping[str, Sequence[str]], required: Sequence[str]
) -> Table | None:
    """Read a table's header and place our columns in it, or return None when a required one is not there."""
    encoding = encoding_of(source, name)
    first = _first_line(source, name, encoding)
    delimiter = delimiter_of(name, first)
    header = [fold(cell) for cell in next(csv.reader([first], delimiter=delimiter), [])]
    found = {}
    for ours, spellings in columns.items():
        position = next((header.index(fold(spelling)) for spelling in spellings if fold(spelling) in header), None)
        if position is not None:
            found[ours] = position
    if any(column not in found for column in required):
        return None
    return Table(source, name, found, delimiter, encoding)


def header_of(source: Source, name: str) -> list[str]:
    """Return the cells of a table's first line."""
    first = _first_line(source, name, encoding_of(source, name))
    return [nfc(cell.strip()) for cell in next(csv.reader([first], delimiter=delimiter_of(name, first)), [])]


def headerless_table(source: Source, name: str, columns: Sequence[str], quoted: bool) -> Table:
    """Describe a table without header whose first columns are these; the delimiter is a tab unless it is a .csv."""
    delimiter = "," if table_suffix(name) == ".csv" else "\t"
    places = {column: position for position, column in enumerate(columns)}
    return Table(source, name, places, delimiter, encoding_of(source, name), quoted, skip=0)


def read_column(path: Path, column: str) -> list[str]:
    """Return one column of a table with a header; raises DataError when the file or the column is not there."""
    with open_source(expanded(path)) as source:
        for name in source.names():
            table = find_table(source, name, {column: [column]}, [column])
            if table is not None:
                return [cells[column] for _, cells in table.rows() if cells is not None]
    raise DataError(f"{path} has no column '{column}'.")


def width_of(table: Table) -> int:
    """Return how many cells the first line of a table has."""
    first = _first_line(table.source, table.name, table.encoding)
    return len(first.split(table.delimiter))


def delimiter_of(name: str, header: str) -> str:
    """Return the delimiter: a tab in .tsv and .txt files, in a .csv whichever of comma, semicolon, tab is commonest."""
    return max(",;\t", key=header.count) if table_suffix(name) == ".csv" else "\t"


def encoding_of(source: Source, name: str) -> str:
    """Return ``utf-8-sig`` or ``cp949``, whichever decodes the whole table; raises DataError when neither does."""
    for encoding in ("utf-8-sig", "cp949"):
        decoder = codecs.getincrementaldecoder(encoding)()
        with open_table(source, name) as stream:
            try:
                while chunk := stream.read(CHUNK):
                    decoder.decode(chunk)
                decoder.decode(b"", final=True)
                return encoding
            except UnicodeDecodeError:
                continue
    raise DataError(f"{name} is neither UTF-8 nor CP949 text: save it as UTF-8.")


def _first_line(source: Source, name: str, encoding: str) -> str:
    with _text(source, name, encoding) as lines:
        return lines.readline(CHUNK).rstrip("\r\n")


def _text(source: Source, name: str, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(open_table(source, name), encoding=encoding, newline="")
