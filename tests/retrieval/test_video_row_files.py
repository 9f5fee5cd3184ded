"""Files of video rows that are gone on with: what stays of them, without holding their rows in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from clip_emotion.retrieval.labelling.row_files import place_of
from clip_emotion.retrieval.labelling.rows import RunCard
from clip_emotion.retrieval.video.labelling import VideoOptions
from clip_emotion.retrieval.video.row_files import read_done
from clip_emotion.retrieval.video.row_formats import FORMATS
from clip_emotion.retrieval.video.rows import SmoothedLabel, VideoRow, to_line
from clip_emotion.types import FaceBox, ScoredLabel

CARD = RunCard("m", "v", 1)
OPTIONS = VideoOptions(half_life=0.05, lost=1.0)
LABELS, SMOOTHED = (ScoredLabel("a", "가", 0.5, 0.25),), (SmoothedLabel("a", "가", 0.5),)


def face(source: str, number: int, track: int) -> VideoRow:
    box = FaceBox(track, number, 9, 9)
    return VideoRow(source, number, number / 4, track, box, 0.9, LABELS, SMOOTHED, model="m")


def written(path: Path, rows: Sequence[VideoRow]) -> Path:
    row_format = FORMATS[path.suffix[1:]]
    path.write_bytes(row_format.head(CARD) + b"".join(row_format.encode(to_line(row, CARD), CARD) for row in rows))
    return path


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_what_stays_is_all_before_the_last_frame(tmp_path: Path, form: str) -> None:
    picture = VideoRow("가, \n나.png", model="m", error="The image is broken.")
    first = [face("a.mp4", number, track) for number in range(12) for track in (1, 2)]
    damage = VideoRow("b.mp4", None, 2.0, model="m", error="damaged")
    second = [face("b.mp4", number, 1) for number in range(8)]
    second += [damage, face("b.mp4", 12, 2), face("b.mp4", 13, 3), face("b.mp4", 14, 3), face("b.mp4", 14, 4)]
    stays = [picture, *first, *second[:-2]]
    path = written(tmp_path / f"rows.{form}", [picture, *first, *second, damage])
    with path.open("ab") as file:
        file.write(b'{"source": "torn')
    done = read_done(path, FORMATS[form], CARD, OPTIONS)
    assert list(done.rows()) == stays
    assert path.read_bytes()[: done.size] == written(tmp_path / f"stays.{form}", stays).read_bytes()
    assert done.failed == 2, "the damage behind the last frame is met again"
    assert done.finished == {place_of(picture.source), place_of("a.mp4")}
    assert done.unfinished == place_of("b.mp4")
    assert done.earlier is not None
    assert (done.earlier.begin, done.earlier.time, done.earlier.tracks) == (3.0, 3.5, 3)
    assert done.earlier.known == {12: {FaceBox(2, 12, 9, 9): 2}, 13: {FaceBox(3, 13, 9, 9): 3}}


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_file_that_ends_with_a_picture_stays_whole(tmp_path: Path, form: str) -> None:
    rows = [face("a.mp4", 0, 1), VideoRow("b.png", labels=LABELS, smoothed=SMOOTHED, model="m")]
    path = written(tmp_path / f"rows.{form}", rows)
    done = read_done(path, FORMATS[form], CARD, OPTIONS)
    assert list(done.rows()) == rows
    assert (done.size, done.unfinished, done.earlier) == (path.stat().st_size, None, None)
    assert done.finished == {place_of("a.mp4"), place_of("b.png")}


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, form: str) -> None:
    rows = [face("a.mp4", number, 1) for number in range(1_500)]
    path = written(tmp_path / f"rows.{form}", rows)
    del rows
    tracemalloc.start()
    done = read_done(path, FORMATS[form], CARD, OPTIONS)
    assert sum(1 for _ in done.rows()) == 1_499
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300_000, "a file's buffer is a part of it, and the rows together are more than a megabyte"
