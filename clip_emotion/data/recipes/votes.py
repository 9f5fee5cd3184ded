"""Crowd votes per picture, as FER+ publishes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from datasets import Features, Value

from clip_emotion.data.content_keys import content_key
from clip_emotion.data.layouts import split_named
from clip_emotion.data.recipes.base import Reading, Request, Row, Skipped
from clip_emotion.data.recipes.texts import text_tables
from clip_emotion.data.sources import Source
from clip_emotion.data.tables import Table


def read_votes(source: Source, request: Request) -> Reading | None:
    """Read a table with a picture's path and one column of votes per emotion; the path's first folder is the split."""
    emotions = [column for column in request.card.columns if column not in ("path", "split")]
    tables = text_tables(source, request.card, ["path", *emotions])
    if not tables:
        return None
    features = Features({"path": Value("string"), **{emotion: Value("int32") for emotion in emotions}})
    return Reading("votes_csv", features, _rows(tables, request, emotions))


def _rows(tables: Sequence[Table], request: Request, emotions: Sequence[str]) -> Iterator[Row | Skipped]:
    for table in tables:
        for line, cells in table.rows():
            yield _row(f"{table.name}:{line}", cells, request.default_split, emotions)


def _row(origin: str, cells: dict[str, str] | None, default: str, emotions: Sequence[str]) -> Row | Skipped:
    if cells is None:
        return Skipped(default, origin, "too few cells")
    path = cells["path"].strip()
    split = split_named(cells.get("split", "")) or split_named(path.split("/")[0]) or default
    votes = {emotion: cells[emotion].strip() for emotion in emotions}
    wrong = next((vote for vote in votes.values() if not vote.isdecimal()), None)
    if not path or wrong is not None:
        return Skipped(
            split, origin, f"'{wrong}' is no number of votes" if path else "no picture: FER+ names none here"
        )
    numbers = {emotion: int(vote) for emotion, vote in votes.items()}
    return Row(split, {"path": path, **numbers}, content_key(path.encode()), str(sorted(numbers.items())))
