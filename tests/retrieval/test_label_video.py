"""A video's rows: each face on its track with its words, at the right times, and what stands where there are none."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from clip_emotion.data.faces.boxes import Boxes
from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.video_sampling import Sampling
from clip_emotion.errors import UsageError
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.retrieval.video.labelling import VideoOptions, label_video
from clip_emotion.retrieval.video.rows import VideoRow, from_line
from tests.support.videos import Scene, two_people, write_video

SCENE = two_people()


pytestmark = pytest.mark.usefixtures("square_finder")


def config(faces: FaceOptions | None = None, batch: int = 32) -> StreamConfig:
    return StreamConfig(faces or FaceOptions(), batch_size=batch)


def whose(row: VideoRow, scene: Scene = SCENE) -> int:
    """Which actor a row's box is of: the one that it overlaps most, the one in front where they are alike."""
    assert row.box is not None
    assert row.time is not None
    shares = [
        place.overlap((row.box.x, row.box.y, row.box.width, row.box.height)) if place else 0.0
        for place in scene.places(row.time)
    ]
    return max(range(len(shares)), key=lambda at: shares[at])


def apart(row: VideoRow) -> bool:
    """Whether the two are so far from each other that both are seen whole."""
    first, second = SCENE.places(row.time or 0.0)
    return first is not None and second is not None and abs(first.x - second.x) > 24


def test_faces_keep_their_tracks_and_words_come_at_their_times(clip: Path, labeller: ZeroShotLabeller) -> None:
    rows = list(label_video(clip, labeller, VideoOptions(Sampling(fps=10), top=2)))
    assert [row.time for row in rows] == sorted(row.time for row in rows if row.time is not None)
    assert {row.source for row in rows} == {str(clip)}
    assert {row.frame for row in rows} == {round(25 * (row.time or 0.0)) for row in rows}
    clear = [row for row in rows if apart(row)]
    assert len(clear) > 50
    assert sorted({(whose(row), row.track) for row in clear}) in ([(0, 1), (1, 2)], [(0, 2), (1, 1)])
    for row in clear:
        assert [len(row.labels), len(row.smoothed)] == [2, 2]
        time, word = row.time or 0.0, row.labels[0].name
        if whose(row) == 1:
            assert word == "blue"
        elif min(abs(time - change) for change in (1, 3)) > 0.05:
            assert word == ("green" if 1 <= time < 3 else "red"), time


def test_smoothed_words_follow_those_of_the_frame(clip: Path, labeller: ZeroShotLabeller) -> None:
    options = VideoOptions(Sampling(fps=10), top=3, half_life=0.5)
    rows = [row for row in label_video(clip, labeller, options) if (row.time or 0.0) < 1.4 and whose(row) == 0]
    assert len(rows) == 14
    for before, row in pairwise(rows):
        share = 0.5 ** (((row.time or 0.0) - (before.time or 0.0)) / 0.5)
        past = {word.label: word.probability for word in before.smoothed}
        now = {word.label: word.probability for word in row.labels}
        for word in row.smoothed:
            wanted = share * past[word.label] + (1 - share) * now[word.label]
            assert word.probability == pytest.approx(wanted, abs=1e-6)
    plain = list(label_video(clip, labeller, VideoOptions(Sampling(fps=2), half_life=0)))
    assert plain
    assert all(row.smoothed[0].probability == row.labels[0].probability for row in plain)


def test_batches_and_threads_change_nothing(clip: Path, labeller: ZeroShotLabeller) -> None:
    wanted = list(label_video(clip, labeller, VideoOptions(Sampling(fps=5))))
    for batch, workers in ((1, 1), (3, 4)):
        stream = StreamConfig(batch_size=batch, workers=workers)
        rows = list(label_video(clip, labeller, VideoOptions(Sampling(fps=5), stream=stream)))
        assert [(row.frame, row.track, row.box) for row in rows] == [(row.frame, row.track, row.box) for row in wanted]
        for row, other in zip(rows, wanted, strict=True):
            assert [word.probability for word in row.smoothed] == pytest.approx(
                [word.probability for word in other.smoothed], abs=1e-5
            )


def test_the_options_for_faces_hold(clip: Path, labeller: ZeroShotLabeller) -> None:
    def rows(**faces: object) -> list[VideoRow]:
        options = VideoOptions(Sampling(fps=1), stream=config(FaceOptions(**faces)))  # type: ignore[arg-type]
        return list(label_video(clip, labeller, options))

    assert [row.frame for row in rows()] == [0, 0, 25, 25, 50, 75, 75]
    for faces in ({"mode": "require"}, {"max_faces": 1}):
        assert [row.frame for row in rows(**faces)] == [0, 25, 50, 75]
    whole = rows(mode="none")
    assert [(row.track, row.box) for row in whole] == [(1, None)] * 4
    assert all(row.smoothed for row in whole)
    boxes: Boxes = {}
    with pytest.raises(UsageError, match="--boxes"):
        rows(boxes=boxes)


def test_a_frame_without_a_face_is_a_row_without_words(tmp_path: Path, labeller: ZeroShotLabeller) -> None:
    empty = Scene([], (160, 90), 30, ground=(12, 12, 12))
    rows = list(label_video(write_video(tmp_path / "empty.mp4", empty.images()), labeller))
    assert [row.frame for row in rows] == [0, 5, 10, 15, 20, 25]
    assert {(row.track, row.labels, row.error, row.note) for row in rows} == {
        (None, (), None, "no face found, not labelled")
    }


def test_a_video_that_cannot_be_read_is_a_row(tmp_path: Path, labeller: ZeroShotLabeller) -> None:
    (row,) = label_video(tmp_path / "gone.mp4", labeller)
    assert (row.error, row.frame, row.labels) == ("The file does not exist.", None, ())


def test_rows_are_mappings_and_back(clip: Path, labeller: ZeroShotLabeller) -> None:
    for row in label_video(clip, labeller, VideoOptions(Sampling(fps=1))):
        values = row.to_dict()
        assert list(values)[:6] == ["source", "frame", "time", "track", "box", "confidence"]
        assert from_line(values) == row


@pytest.mark.parametrize("made", [{"top": 0}, {"half_life": -1}, {"half_life": float("nan")}, {"lost": -1}])
def test_options_that_cannot_be(made: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        VideoOptions(**made)  # type: ignore[arg-type]
