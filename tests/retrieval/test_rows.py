"""Rows as JSON Lines, CSV and Parquet: every text survives, torn ends are dropped, strangers are refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_emotion.errors import DataError, UsageError
from clip_emotion.retrieval.labelling.parquet import image_schema, write_table
from clip_emotion.retrieval.labelling.row_files import RowWriter, Target, open_target, read_finished
from clip_emotion.retrieval.labelling.rows import PIPED_ROW_FORMATS, ROW_FORMATS, RunCard, from_row, to_row
from clip_emotion.types import FaceBox, FaceRegion, Prediction, ScoredLabel

CARD = RunCard("f" * 64, "own", 2, {"lang": "ko", "face": "auto", "words": "abc"})
# Everything that UTF-8 can hold, with the characters that break naive writers made frequent.
TEXT = st.text(
    st.one_of(st.sampled_from(',"\n\r;\t\u2028\ufeff=설렘'), st.characters(min_codepoint=1, exclude_categories=["Cs"])),
    max_size=12,
)
SHARES = st.floats(0, 1)
LABELS = st.lists(st.builds(ScoredLabel, TEXT.filter(bool), TEXT, SHARES, st.floats(-1, 1)), min_size=1, max_size=2)
BOXES = st.none() | st.builds(FaceBox, *[st.integers(0, 9999)] * 4)


@st.composite
def predictions(draw: st.DrawFn) -> Prediction:
    path, model = draw(TEXT.filter(bool)), CARD.model
    if draw(st.booleans()):
        return Prediction(path, (), model, error=draw(TEXT.filter(bool)))
    box = draw(BOXES)
    index = None if box is None else draw(st.integers(0, 9))
    part = draw(st.sampled_from(("face", "whole")))
    confidence = draw(st.none() | SHARES)
    return Prediction(path, tuple(draw(LABELS)), model, FaceRegion(index, box, confidence, part, draw(TEXT)))


def written(layout: str, rows: list[Prediction]) -> bytes:
    stream = io.BytesIO()
    writer = RowWriter(stream, ROW_FORMATS[layout], CARD)
    writer.start()
    for row in rows:
        writer.write(row)
    return stream.getvalue()


@settings(max_examples=120, deadline=None)
@given(rows=st.lists(predictions(), max_size=4))
@pytest.mark.parametrize("layout", ["jsonl", "csv"])
def test_every_text_survives(layout: str, rows: list[Prediction]) -> None:
    decoded = [from_row(row) for _, row in ROW_FORMATS[layout].decode(io.BytesIO(written(layout, rows)))]
    assert decoded == rows


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(predictions(), min_size=1, max_size=3), data=st.data())
@pytest.mark.parametrize("layout", ["jsonl", "csv"])
def test_a_torn_file_gives_only_its_whole_rows(layout: str, rows: list[Prediction], data: st.DataObject) -> None:
    whole = written(layout, rows)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    found = list(ROW_FORMATS[layout].decode(io.BytesIO(cut)))
    assert [from_row(row) for _, row in found] == rows[: len(found)]
    assert len(found) < len(rows)
    # What is appended after the last whole row completes the file again.
    end = found[-1][0] if found else len(ROW_FORMATS[layout].head(CARD))
    rest = written(layout, rows[len(found) :])[len(ROW_FORMATS[layout].head(CARD)) :]
    assert whole[:end] + rest == whole


def test_csv_is_what_the_standard_reader_and_excel_expect() -> None:
    row = Prediction(
        'a "b",c.png', (ScoredLabel("설렘", "설렘,\n두근", 0.75, 0.5),), CARD.model, FaceRegion(0, FaceBox(1, 2, 3, 4))
    )
    content = written("csv", [row])
    assert content.startswith(b"\xef\xbb\xbfpath,face_index,face_x,")
    (cells,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert cells["path"] == row.path
    assert cells["rank1_name"] == "설렘,\n두근"
    assert float(cells["rank1_probability"]) == 0.75
    assert cells["rank2_label"] == cells["error"] == ""
    assert [cells[f"face_{side}"] for side in ("x", "y", "width", "height")] == ["1", "2", "3", "4"]
    assert not PIPED_ROW_FORMATS["csv"].head(CARD).startswith(b"\xef\xbb\xbf")


def test_json_rows_have_the_documented_keys() -> None:
    row = to_row(Prediction("a", (ScoredLabel("k", "n", 0.5, 0.1),), CARD.model), CARD)
    assert list(row) == ["path", "face", "labels", "model", "vocabulary", "settings", "error"]
    assert list(row["face"]) == ["index", "box", "confidence", "part", "note"]
    assert list(row["labels"][0]) == ["label", "name", "probability", "similarity"]
    assert row["settings"] == "lang=ko face=auto words=abc top=2"


def some(count: int) -> list[Prediction]:
    return [Prediction(f"/{i}.png", (ScoredLabel("k", "n", 0.5, 0.1),), CARD.model) for i in range(count)]


@pytest.mark.parametrize("layout", ["jsonl", "csv"])
def test_a_continued_file_equals_an_unbroken_one(tmp_path: Path, layout: str) -> None:
    rows = some(6)
    path = tmp_path / f"rows.{layout}"
    path.write_bytes(written(layout, rows)[:-7])
    with open_target(Target(path, layout, resume=True), CARD) as (writer, done):
        assert {row.path for row in done.predictions} == {row.path for row in rows[:5]}
        writer.write(rows[5])
    assert path.read_bytes() == written(layout, rows)


def test_a_row_per_face_redoes_the_last_picture(tmp_path: Path) -> None:
    rows = [*some(2), *some(2)[1:]]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(written("jsonl", rows))
    done = read_finished(path, ROW_FORMATS["jsonl"], CARD, many_rows=True)
    assert {row.path for row in done.predictions} == {"/0.png"}
    assert done.size == len(written("jsonl", rows[:1]))


@pytest.mark.parametrize("layout", ["jsonl", "csv"])
@pytest.mark.parametrize(
    "other",
    [
        RunCard("0" * 64, "own", 2, CARD.settings),
        RunCard(CARD.model, "kote44", 2, CARD.settings),
        RunCard(CARD.model, "own", 2, {**CARD.settings, "face": "each"}),
        RunCard(CARD.model, "own", 5, CARD.settings),
    ],
)
def test_rows_of_another_run_are_refused(tmp_path: Path, layout: str, other: RunCard) -> None:
    path = tmp_path / "rows"
    before = written(layout, some(2))
    path.write_bytes(before)
    with (
        pytest.raises(UsageError, match="cannot be continued"),
        open_target(Target(path, layout, resume=True), other),
    ):
        pass
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"{}\n", b"[1]\n", b"not json\n", b'{"path": 1}\n', b"\xff\n"])
@pytest.mark.parametrize("layout", ["jsonl", "csv"])
def test_files_of_something_else_are_refused_unharmed(tmp_path: Path, layout: str, content: bytes) -> None:
    path = tmp_path / "rows"
    path.write_bytes(content)
    with pytest.raises(UsageError), open_target(Target(path, layout, resume=True), CARD):
        pass
    assert path.read_bytes() == content


def test_parquet_that_cannot_be_put_in_place_keeps_its_rows(tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet.partial.jsonl"
    rows.touch()
    (tmp_path / "rows.parquet" / "in the way").mkdir(parents=True)
    with pytest.raises(DataError, match="continue with --resume"):
        write_table(rows, tmp_path / "rows.parquet", image_schema(False))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["rows.parquet", "rows.parquet.partial.jsonl"]


def test_parquet_gathers_beside_and_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    partial = tmp_path / "rows.parquet.partial.jsonl"
    rows = some(4)

    def interrupted() -> None:
        with open_target(Target(path, "parquet"), CARD) as (writer, _):
            writer.write(rows[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not path.exists()
    assert partial.exists()
    with open_target(Target(path, "parquet", resume=True), CARD) as (writer, done):
        assert len(done.predictions) == 1
        for row in rows[1:3]:
            writer.write(row)
    with open_target(Target(path, "parquet", resume=True), CARD) as (writer, done):
        assert len(done.predictions) == 3
        writer.write(rows[3])
    table = pq.read_table(path)
    assert [from_row(row) for row in table.to_pylist()] == rows
    assert [file.name for file in tmp_path.iterdir()] == ["rows.parquet"]


def test_places_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="Cannot write"), open_target(Target(tmp_path / "file" / "x", "jsonl"), CARD):
        pass

    class Full(io.BytesIO):
        def write(self, content: object) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match="No space left"):
        RowWriter(Full(), ROW_FORMATS["jsonl"], CARD).write(some(1)[0])


def test_jsonl_lines_are_json(tmp_path: Path) -> None:
    lines = written("jsonl", some(3)).decode().splitlines()
    assert [json.loads(line)["path"] for line in lines] == ["/0.png", "/1.png", "/2.png"]
