"""What is made of a video beside rows: the annotated video, the page with timelines, and what is gathered for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clip_emotion.data.video_sampling import Sampling
from clip_emotion.data.video_sources import as_video
from clip_emotion.errors import UsageError
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.video.annotate import Annotator
from clip_emotion.retrieval.video.drawing import COLOURS, Drawn, draw
from clip_emotion.retrieval.video.labelling import VideoOptions, label_frames
from clip_emotion.retrieval.video.looking import Kept
from clip_emotion.retrieval.video.plots import _clocks
from clip_emotion.retrieval.video.report import VideoReport, _colours
from clip_emotion.retrieval.video.rows import SmoothedLabel, VideoRow
from clip_emotion.retrieval.video.sinks import earlier_frames
from clip_emotion.retrieval.video.timeline import POINTS, STRETCHES, TRACKS, Timeline
from tests.support.videos import Encoding, av, two_people, write_video

SCENE = two_people()


pytestmark = pytest.mark.usefixtures("square_finder")


def decoded(path: Path) -> list[tuple[float, Image.Image]]:
    with av.open(str(path)) as container:
        return [(float(frame.time or 0), frame.to_image()) for frame in container.decode(video=0)]


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_every_frame_is_written_with_its_time_and_boxes(
    clip: Path, tmp_path: Path, labeller: ZeroShotLabeller, suffix: str
) -> None:
    said: list[str] = []
    out = tmp_path / f"out{suffix}"
    options = VideoOptions(Sampling(fps=5, start=0.4, end=1.6), top=1)
    with Annotator(as_video(clip), out, options.sampling, said.append) as annotator:
        for frame in label_frames(as_video(clip), labeller, options):
            annotator.take(frame)
        assert not out.exists(), "the file is there when it is whole"
    assert said == [f"Annotated video: {out}"]
    assert list(tmp_path.iterdir()) == [out]
    frames = decoded(out)
    assert len(frames) == 31
    assert [later - time for (time, _), (later, _) in pairwise(frames)] == pytest.approx([0.04] * 30, abs=2e-3)
    for at, (_, image) in enumerate(frames[:-1]):
        # The left edge of the box of the one who comes from the left is drawn where the face is.
        place = SCENE.actors[0].place(0.4 + at / 25)
        assert place is not None
        pixels = np.asarray(image).astype(int)[34:46]
        left = round(place.x - place.side / 2)
        drawn = np.abs(pixels[:, max(0, left - 3) : left + 4] - (130, 120, 120)).sum(axis=2).min(axis=0)
        plain = np.asarray(image).astype(int)[38:42, left + 8 : left + 12]
        assert np.abs(plain - (125, 125, 120)).max() < 25, "the face itself is not painted over"
        assert drawn.max() > 60


def test_a_failed_run_leaves_no_video(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stopped"):
        stopped(clip, tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match=r"give out\.mp4 instead of out\.gif"):
        stopped(clip, tmp_path / "out.gif")


def stopped(clip: Path, out: Path) -> None:
    with Annotator(as_video(clip), out, Sampling(), str):
        raise RuntimeError("stopped")


def test_odd_sides_and_turned_videos_are_written(tmp_path: Path, labeller: ZeroShotLabeller) -> None:
    images = [Image.new("RGB", (96, 70), (12, 12, 12))] * 3
    clip = write_video(tmp_path / "turned.mkv", images, Encoding(turn=90))
    with Annotator(as_video(clip), tmp_path / "out.mp4", Sampling(), str) as annotator:
        for frame in label_frames(as_video(clip), labeller):
            annotator.take(frame)
    assert {image.size for _, image in decoded(tmp_path / "out.mp4")} == {(70, 96)}


def test_hangul_is_drawn() -> None:
    ground = Image.new("RGB", (200, 120), (12, 12, 12))
    words = [SmoothedLabel(name, name, 0.5) for name in ("기쁨", "뷁뷁", "")]
    drawn = [draw(ground, [Drawn(1, (20, 60, 90, 110), (word,))]) for word in words]
    pixels = [np.asarray(image).astype(int) for image in drawn]
    differ = [np.abs(one - other).sum() for one, other in ((pixels[0], pixels[1]), (pixels[0], pixels[2]))]
    assert min(differ) > 5000, "other syllables are other pictures, and none is a blank"
    assert np.abs(pixels[0] - np.array(tuple(bytes.fromhex(COLOURS[0][1:])))).sum(axis=2).min() == 0


def test_words_stay_within_the_frame() -> None:
    ground = Image.new("RGB", (120, 90), (12, 12, 12))
    word = SmoothedLabel("기쁨", "기쁨", 0.5)
    for corners in ((-10, -10, 20, 20), (100, 70, 140, 100), (0, 0, 120, 90), None):
        pixels = np.asarray(draw(ground, [Drawn(1, corners, (word,))]))
        assert (pixels == 255).all(axis=2).sum() > 20


def test_the_page_has_each_face_with_its_words(clip: Path, tmp_path: Path, labeller: ZeroShotLabeller) -> None:
    said: list[str] = []
    with VideoReport(tmp_path / "report", labeller, said.append) as report:
        for frame in label_frames(as_video(clip), labeller, VideoOptions(Sampling(fps=10)), Kept(faces=True)):
            report.take(frame)
    assert said == [f"Video report: {tmp_path / 'report' / 'index.html'}"]
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert [int(number) for number in re.findall(r'<span lang="ko">얼굴 (\d+)</span>', page)] == [1, 2]
    assert page.count("data:image/png;base64,") == 4, "two plots a face, for wide and narrow screens"
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!data:)', page), "the page needs nothing else"
    first = page.split("<article>")[1 if "red" in page.split("<article>")[1] else 2]
    assert re.findall(r"<strong><bdi>(\w+)</bdi>", first) == ["red", "green", "red"]
    assert first.count("data:image/webp;base64,") == 3


def test_rows_of_an_earlier_run_are_on_the_page_too(clip: Path, tmp_path: Path, labeller: ZeroShotLabeller) -> None:
    frames = list(label_frames(as_video(clip), labeller, VideoOptions(Sampling(fps=2))))
    report = VideoReport(tmp_path, labeller, str)
    for frame in [*earlier_frames([row for one in frames[:4] for row in one.rows]), *frames[4:]]:
        report.take(frame)
    (timeline,) = report.timelines.values()
    assert timeline.frames == len(frames) == 8
    assert sum(line.frames for line in timeline.tracks.values()) == sum(len(frame.rows) for frame in frames)


def rows(number: int, words: Sequence[str], track: int = 1, rate: float = 10) -> VideoRow:
    labels = tuple(SmoothedLabel(word, word, 0.6 / (at + 1)) for at, word in enumerate(words))
    return VideoRow("a.mp4", number, number / rate, track, smoothed=labels)


def test_shares_and_stretches_are_those_of_the_rows() -> None:
    timeline = Timeline("a.mp4", ["a", "b"])
    for number in range(100):
        timeline.take([rows(number, ["b", "a"] if 30 <= number < 50 else ["a", "b"])], [], [])
    (line,) = timeline.longest(5)
    assert line.shares() == [("a", 0.8), ("b", 0.2)]
    assert [(one.word, one.start, one.end) for one in line.shown_stretches(8)] == [
        ("a", 0, 2.9), ("b", 3, 4.9), ("a", 5, 9.9),
    ]  # fmt: skip
    times, curve = line.curve()
    assert times.tolist() == pytest.approx([number / 10 for number in range(100)])
    assert curve[[0, 40]].tolist() == [[0.6, 0.3], [0.3, 0.6]]


def test_words_that_are_stacked_have_colours_of_their_own() -> None:
    words = "abcdefghi"
    lines = []
    for number, shown in enumerate(("abcdef", "abcdgh", "ai")):
        timeline = Timeline("a.mp4", words)
        timeline.take([rows(0, shown, number + 1)], [], [])
        lines += timeline.longest(1)
    for line, shown in zip(lines, ("abcdef", "abcdgh", "ai"), strict=True):
        assert len({_colours(lines, words)[word] for word in shown}) == len(shown), line.number


@pytest.mark.parametrize(
    ("ticks", "shown"),
    [
        ((0, 0.8, 1.6), ["0:00.0", "0:00.8", "0:01.6"]),
        ((0, 0.15, 0.3), ["0:00.00", "0:00.15", "0:00.30"]),
        ((0, 20, 40, 60), ["0:00", "0:20", "0:40", "1:00"]),
        ((3,), ["0:03"]),
    ],
)
def test_no_two_ticks_of_an_axis_of_time_read_alike(ticks: Sequence[float], shown: list[str]) -> None:
    assert [_clocks(ticks)(tick, at) for at, tick in enumerate(ticks)] == shown


def test_what_is_gathered_does_not_grow_with_the_video() -> None:
    timeline = Timeline("a.mp4", ["a", "b"])
    blank = Image.new("RGB", (8, 8))
    for number in range(3_000):
        word = ["a", "b"] if number % 2 else ["b", "a"]
        timeline.take([rows(number, word)], [blank], [np.array([0.25, 0.75])])
    for track in range(2, 500):
        timeline.take([rows(3_000 + track, ["a"], track)], [blank], [np.array([1.0, 0.0])])
    assert len(timeline.tracks) <= 2 * TRACKS
    line = timeline.tracks[1]
    assert len(line.times) <= POINTS + 1
    assert len(line.stretches) <= STRETCHES
    assert line.frames == 3_000
    times, curve = line.curve()
    assert (times[0], times[-1]) == (0, pytest.approx(299.9, rel=0.01))
    assert curve == pytest.approx(np.tile([0.25, 0.75], (len(times), 1)))


def test_the_curve_of_many_frames_is_their_mean() -> None:
    timeline = Timeline("a.mp4", ["a"])
    values = np.random.default_rng(0).random(POINTS * 4)
    for number, value in enumerate(values):
        timeline.take([rows(number, ["a"])], [], [np.array([value])])
    line = timeline.tracks[1]
    _, curve = line.curve()
    assert line.width == 4
    means = values.reshape(-1, line.width).mean(axis=1)
    assert curve[:-1, 0] == pytest.approx(means[: len(curve) - 1])


def test_a_face_that_was_away_has_a_gap() -> None:
    timeline = Timeline("a.mp4", ["a"])
    for number in [*range(10), *range(80, 90)]:
        timeline.take([rows(number, ["a"])], [], [np.array([0.5])])
    _, curve = timeline.tracks[1].curve()
    assert np.isnan(curve).sum() == 1
