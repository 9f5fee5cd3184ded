"""``label`` over videos: rows in every form, gone on with by time, beside pictures, and what is refused."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clip_emotion.cli.video_window import Window
from clip_emotion.data.faces import makers
from clip_emotion.models import registry
from clip_emotion.retrieval.video.labelling import LabelledFrame
from tests.support.commands import Run, runner
from tests.support.fakes import FakeEncoder
from tests.support.pictures import plain, save
from tests.support.rtsp import camera
from tests.support.videos import Encoding, SquareFinder, av, two_people, write_video

WORDS = ("--labels", "red,green,blue")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "두 사람.mp4"
    return write_video(path, two_people().images(), Encoding(options={"movflags": "faststart"}))


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> Run:
    monkeypatch.setitem(makers.FINDERS, "mtcnn", SquareFinder)
    monkeypatch.setattr(registry, "load_encoder", lambda spec="mini", device="auto": FakeEncoder())
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path_factory.mktemp("cache")))
    return runner(capfd, "label", after=WORDS)


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file as JSON lines have them."""
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_rows_have_the_same_values_in_every_form(run: Run, clip: Path, tmp_path: Path) -> None:
    for suffix in ("jsonl", "csv", "parquet"):
        code, out, err = run(clip, "--fps", "2", "--out", tmp_path / f"rows.{suffix}", "--top", "2")
        assert (code, out) == (0, "")
        assert "8 frames and pictures" in err
        assert "; 0 failed." in err
    lines = read(tmp_path / "rows.jsonl")
    assert list(lines[0]) == [
        "source", "frame", "time", "track", "box", "confidence", "labels", "smoothed", "note", "model", "vocabulary",
        "settings", "error",
    ]  # fmt: skip
    assert "frames=fps:2 half_life=0.5" in lines[0]["settings"]
    assert read(tmp_path / "rows.parquet") == lines
    table = read(tmp_path / "rows.csv")
    assert len(table) == len(lines)
    for cells, line in zip(table, lines, strict=True):
        assert [cells["source"], int(cells["frame"]), float(cells["time"])] == [
            str(clip), line["frame"], line["time"],
        ]  # fmt: skip
        assert [int(cells[f"box_{side}"]) for side in ("x", "y", "width", "height")] == line["box"]
        assert float(cells["rank2_similarity"]) == line["labels"][1]["similarity"]
        assert [cells["smoothed1_name"], float(cells["smoothed1_probability"])] == [
            line["smoothed"][0]["name"], line["smoothed"][0]["probability"],
        ]  # fmt: skip


@pytest.mark.parametrize(("suffix", "cut"), [("jsonl", 0.3), ("jsonl", 0.97), ("csv", 0.62), ("parquet", 0.62)])
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(
    run: Run, clip: Path, tmp_path: Path, suffix: str, cut: float
) -> None:
    whole, part = tmp_path / f"whole.{suffix}", tmp_path / f"part.{suffix}"
    options = ("--fps", "5", "--half-life", "0.1")
    assert run(clip, *options, "--out", whole)[0] == 0
    # What a kill leaves: rows up to somewhere, the last one torn.
    if suffix == "parquet":
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in read(whole)).encode()
        part.with_name(part.name + ".partial.jsonl").write_bytes(lines[: int(cut * len(lines))])
    else:
        part.write_bytes(whole.read_bytes()[: int(cut * whole.stat().st_size)])
    assert run(clip, *options, "--out", part, "--resume")[0] == 0
    wanted, found = ([plainly(row) for row in read(path)] for path in (whole, part))
    assert [names for names, _ in found] == [names for names, _ in wanted]
    for (_, numbers), (_, other) in zip(found, wanted, strict=True):
        assert numbers == pytest.approx(other, abs=2e-3)


def test_the_page_of_a_resumed_run_tells_of_the_earlier_rows_too(run: Run, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    assert run(clip, "--fps", "2", "--out", out)[0] == 0
    out.write_bytes(b"".join(out.read_bytes().splitlines(keepends=True)[:9]))
    assert run(clip, "--fps", "2", "--out", out, "--resume", "--report", tmp_path / "page")[0] == 0
    page = (tmp_path / "page" / "index.html").read_text("utf-8")
    assert "8 frames looked at" in page


def plainly(row: Any) -> tuple[list[Any], list[float]]:
    """A row's texts and whole numbers, and its fractions, which may differ in the last places."""
    if isinstance(row, dict | list):
        parts = [plainly(value) for value in (row.values() if isinstance(row, dict) else row)]
        return [name for names, _ in parts for name in names], [number for _, numbers in parts for number in numbers]
    if isinstance(row, str) and row.count(".") == 1 and row.replace(".", "").isdigit():
        return [], [float(row)]
    return ([], [row]) if isinstance(row, float) else ([row], [])


def test_a_finished_file_that_is_refused_stays_alone(run: Run, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    assert run(clip, "--fps", "2", "--out", out)[0] == 0
    before = out.read_bytes()
    assert run(clip, "--fps", "4", "--out", out, "--resume")[0] == 2
    assert out.read_bytes() == before
    assert not out.with_name(out.name + ".partial.jsonl").exists()


def test_a_finished_run_goes_on_with_nothing_new(run: Run, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    save(plain("red"), tmp_path / "red.png")
    assert run(clip, tmp_path / "red.png", "--out", out)[0] == 0
    before = read(out)
    assert run(clip, tmp_path / "red.png", "--out", out, "--resume")[0] == 0
    assert [(row["source"], row["frame"], row["track"]) for row in read(out)] == [
        (row["source"], row["frame"], row["track"]) for row in before
    ]
    code, _, err = run(clip, "--out", out, "--resume", "--fps", "3")
    assert code == 2
    assert "this run has" in err


def test_pictures_stand_beside_videos(run: Run, clip: Path, tmp_path: Path) -> None:
    picture = save(plain("green"), tmp_path / "green.png")
    code, out, _ = run(clip, picture, tmp_path / "gone.mp4", "--fps", "1", "--format", "jsonl")
    assert code == 1
    rows = [json.loads(line) for line in out.splitlines()]
    first, gone, *others = rows
    assert [first["source"], first["frame"], first["time"], first["track"]] == [str(picture), None, None, None]
    assert first["labels"][0]["name"] == first["smoothed"][0]["name"] == "green"
    assert {row["source"] for row in others} == {str(clip)}
    assert [gone["source"], gone["error"]] == [str(tmp_path / "gone.mp4"), "There is no such file or folder."]


def test_the_table_has_a_line_a_face(run: Run, clip: Path) -> None:
    code, out, _ = run(clip, "--fps", "1", "--from", "0:01", "--to", "3.2")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == str(clip)
    assert lines[1].split()[:2] == ["0:01.0", "face"]
    assert [line.split()[0] for line in lines[1:]] == ["0:01.0", "0:01.0", "0:02.0", "0:03.0", "0:03.0"]


def test_the_older_spelling_of_out_names_a_file_still(run: Run, clip: Path, tmp_path: Path) -> None:
    assert run(clip, "--fps", "1", "--to", tmp_path / "rows.jsonl")[0] == 0
    assert read(tmp_path / "rows.jsonl")
    code, _, err = run(clip, "--to", tmp_path / "a.jsonl", "--out", tmp_path / "b.jsonl")
    assert code == 2
    assert "is no time" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--fps", "5", "--every", "2"), "either --fps"),
        (("--from", "ten"), "is no time"),
        (("--boxes", "boxes.csv"), "--boxes"),
        (("--resume", "--out", "rows.jsonl", "--annotate", "a.mp4"), "--annotate draws a whole video"),
        (("--annotate", "a.gif"), "--annotate writes"),
        (("again.mp4", "--annotate", "a.mp4"), "and 2 are named"),
        (("camera:0", "--resume", "--out", "rows.jsonl"), "what a camera saw before is gone"),
        (("camera:0", "camera:1"), "One camera or stream at a time"),
        (("--half-life", "nan"), "--half-life"),
        (("--to", "1m30s"), "'1m30s' is no time"),
        (("--annotate", "same.mp4", "--out", "same.mp4", "--format", "csv"), "give two files"),
    ],
)
def test_what_cannot_be_is_told_before_any_work(
    run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("boxes.csv").write_text("path,x,y,width,height\na.png,1,1,9,9\n")
    Path("again.mp4").write_bytes(clip.read_bytes())
    code, out, err = run(clip, *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_options_for_videos_need_one(run: Run, tmp_path: Path) -> None:
    picture = save(plain("green"), tmp_path / "green.png")
    for option in (("--fps", "5"), ("--annotate", "a.mp4"), ("--show",), ("--from", "3")):
        code, _, err = run(picture, *option)
        assert code == 2
        assert f"{option[0]} is for videos, and none is named" in err


def test_a_camera_that_is_not_there_is_a_failed_row(run: Run) -> None:
    code, out, _ = run("camera:97", "--format", "jsonl")
    assert code == 1
    assert json.loads(out)["source"] == "camera:97"
    assert "cannot be opened" in json.loads(out)["error"]


def test_a_stream_is_labelled_and_drawn_while_it_comes(run: Run, tmp_path: Path) -> None:
    video = write_video(tmp_path / "camera.ts", two_people(2.0).images())
    with camera(video) as address:
        code, out, err = run(address, "--fps", "5", "--annotate", tmp_path / "seen.mp4", "--format", "jsonl")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert {row["source"] for row in rows} == {address.replace("someone:secret@", "")}
    assert len({row["frame"] for row in rows}) == 10
    assert "secret" not in out + err
    with av.open(str(tmp_path / "seen.mp4")) as container:
        assert len(list(container.decode(video=0))) == 10


def test_a_page_and_a_drawn_video_are_made_in_one_call(run: Run, clip: Path, tmp_path: Path) -> None:
    made = ("--report", tmp_path / "page", "--annotate", tmp_path / "drawn.mp4")
    code, _, err = run(clip, "--fps", "1", *made, "--out", tmp_path / "rows.csv")
    assert code == 0
    assert f"Annotated video: {tmp_path / 'drawn.mp4'}" in err
    assert "sound" not in err, "the clip has none"
    assert f"Video report: {tmp_path / 'page' / 'index.html'}" in err
    code, _, err = run(clip, *made)
    assert code == 2
    assert "is there already" in err
    assert run(clip, "--fps", "1", "--to", "1", *made[2:], "--overwrite")[0] == 0
    code, _, err = run(clip, "--annotate", clip, "--overwrite")
    assert code == 2
    assert "is an input" in err


def test_a_video_that_cannot_be_opened_is_a_failed_row_beside_any_output(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    made = ("--report", tmp_path / "page", "--annotate", tmp_path / "drawn.mp4")
    code, _, err = run(broken, *made, "--out", tmp_path / "rows.jsonl")
    assert code == 1
    assert "Error:" not in err
    assert "drawn.mp4 was not written: no frame could be read." in err
    assert "This is no video that can be read" in read(tmp_path / "rows.jsonl")[0]["error"]
    assert "This is no video that can be read" in (tmp_path / "page" / "index.html").read_text("utf-8")


def test_a_time_behind_the_end_is_a_failed_row(run: Run, clip: Path) -> None:
    code, out, err = run(clip, "--from", "1:30")
    assert code == 1
    assert "No frame lies from 1:30.00 on: the video ends at 0:04.00." in out
    assert "1 failed" in err


def test_a_window_needs_a_display(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    code, _, err = run(clip, "--show")
    assert code == 2
    assert "--show needs a display, and this machine has none" in err


@pytest.mark.real_data
def test_a_window_shows_frames_and_closing_it_ends_the_run(
    run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if shutil.which("Xvfb") is None:
        pytest.skip("no display can be made here")
    pytest.importorskip("tkinter")
    shown = []
    take = Window.take

    def watched(self: Window, frame: LabelledFrame) -> None:
        shown.append(frame)
        if len(shown) == 4:
            self.root.event_generate("<Escape>")
        take(self, frame)

    monkeypatch.setattr(Window, "take", watched)
    with subprocess.Popen(["Xvfb", ":97", "-screen", "0", "800x600x24"], stderr=subprocess.DEVNULL) as display:
        try:
            monkeypatch.setenv("DISPLAY", ":97")
            time.sleep(1.0)
            code, _, _ = run(clip, "--fps", "5", "--show", "--out", tmp_path / "rows.jsonl")
        finally:
            display.terminate()
    assert code == 0
    assert len(shown) in (4, 5)
    assert all(frame.image is not None for frame in shown)
    assert len({row["frame"] for row in read(tmp_path / "rows.jsonl")}) == len(shown)


def test_the_extra_is_named_where_it_is_missing(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    code, out, err = run(clip)
    assert (code, out) == (1, "")
    assert "pip install 'clip-emotion[video]'" in err


def test_a_damaged_stretch_fails_and_the_rest_has_rows(run: Run, clip: Path, tmp_path: Path) -> None:
    content = clip.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    out = tmp_path / "rows.jsonl"
    code, _, err = run(tmp_path / "cut.mp4", "--out", out)
    assert code == 1
    assert "; 1 failed." in err
    *rows, last = read(out)
    assert all(row["error"] is None for row in rows)
    assert "the file is cut off" in last["error"]
