"""Outputs: nothing that is there is replaced unasked, and an input never."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clip_emotion.errors import UsageError
from clip_emotion.files import write_atomic
from clip_emotion.outputs import WriteOptions, claim_file, claim_folder, held, mark_folder, mark_of

OVERWRITE, RESUME = WriteOptions(overwrite=True), WriteOptions(resume=True)


def test_a_new_file_may_be_written_and_nothing_is_made_yet(tmp_path: Path) -> None:
    claim_file(tmp_path / "new" / "deeper" / "rows.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_wants_a_word(tmp_path: Path) -> None:
    there = tmp_path / "rows.jsonl"
    there.write_text("mine")
    with pytest.raises(UsageError, match=r"is there already: choose another name, or add --overwrite to replace it\.$"):
        claim_file(there)
    with pytest.raises(UsageError, match="or --resume to go on"):
        claim_file(there, resumable=True)
    claim_file(there, OVERWRITE)
    claim_file(there, RESUME)
    assert there.read_text() == "mine"


@pytest.mark.parametrize("options", [WriteOptions(), OVERWRITE, RESUME])
def test_an_input_is_never_an_output(tmp_path: Path, options: WriteOptions) -> None:
    image = tmp_path / "얼굴.jpg"
    image.write_bytes(b"pixels")
    link = tmp_path / "link.jpg"
    link.symlink_to(image)
    for output in (image, link, tmp_path / "." / "얼굴.jpg"):
        with pytest.raises(UsageError, match="is an input of this call"):
            claim_file(output, options, inputs=[tmp_path / "other.jpg", image])


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a folder: give a file name in it"):
        claim_file(tmp_path)
    with pytest.raises(UsageError, match="is a file: name a folder"):
        claim_folder(tmp_path / "file", "report")


def test_a_place_that_cannot_be_written_is_told_before_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Cannot write /proc/1/rows\.jsonl"):
        claim_file(Path("/proc/1/rows.jsonl"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="Cannot write"):
        claim_file(tmp_path / "file" / "rows.jsonl")


def test_only_a_marked_folder_is_written_over_and_only_when_asked(tmp_path: Path) -> None:
    claim_folder(tmp_path / "new", "contact sheet")
    (tmp_path / "empty").mkdir()
    claim_folder(tmp_path / "empty", "contact sheet")
    foreign = tmp_path / "site"
    foreign.mkdir()
    (foreign / "index.html").write_text("my page")
    for options in (WriteOptions(), OVERWRITE, RESUME):
        with pytest.raises(UsageError, match="holds files that clip-emotion did not make"):
            claim_folder(foreign, "contact sheet", options)
    ours = tmp_path / "sheet"
    mark_folder(ours, "contact sheet")
    assert mark_of(ours) == "contact sheet"
    with pytest.raises(UsageError, match="holds a contact sheet already: choose another folder, or add --overwrite"):
        claim_folder(ours, "contact sheet")
    claim_folder(ours, "contact sheet", OVERWRITE)
    with pytest.raises(UsageError, match="holds a contact sheet: name a new folder for the score report"):
        claim_folder(ours, "score report", OVERWRITE)
    mark_folder(ours, "ONNX export")
    with pytest.raises(UsageError, match="holds an ONNX export already"):
        claim_folder(ours, "ONNX export")
    with pytest.raises(UsageError, match="holds an ONNX export: name a new folder"):
        claim_folder(ours, "score report", OVERWRITE)


@pytest.mark.parametrize("content", ["", "[]", '{"made_by": "someone"}', "[" * 100_000])
def test_a_foreign_mark_is_no_mark(tmp_path: Path, content: str) -> None:
    (tmp_path / ".clip-emotion.json").write_text(content)
    assert mark_of(tmp_path) is None


def test_streams_are_written_through(tmp_path: Path) -> None:
    claim_file(Path(os.devnull))
    write_atomic(Path(os.devnull), "gone")
    assert not Path(os.devnull).is_file()
    with held(Path(os.devnull)):
        pass


def test_a_second_process_is_told_who_holds_the_output(tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    script = "import sys, pathlib, clip_emotion.outputs as o\nwith o.held(pathlib.Path(sys.argv[1])): pass"
    with held(output):
        second = subprocess.run([sys.executable, "-c", script, str(output)], capture_output=True, text=True)
        assert second.returncode == 1
        assert f"is being written by process {os.getpid()}" in second.stderr
    third = subprocess.run([sys.executable, "-c", script, str(output)], capture_output=True, text=True)
    assert third.returncode == 0, third.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_a_killed_process_left_is_free(tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    (tmp_path / ".rows.jsonl.lock").write_text("")
    (tmp_path / ".rows.jsonl.held-by").write_text("process 1")
    with held(output):
        pass
    assert list(tmp_path.iterdir()) == []
