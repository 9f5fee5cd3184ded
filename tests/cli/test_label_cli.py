"""``clip-emotion label`` through the real command line, with the fake encoder."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import sys
import time
import unicodedata
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from clip_emotion.models import registry
from tests.support.commands import Run, runner
from tests.support.fakes import FakeEncoder
from tests.support.label_with_fake import run_slowly
from tests.support.pictures import plain, save, two_faces
from tests.support.processes import start


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> Run:
    monkeypatch.setattr(registry, "load_encoder", lambda spec="mini", device="auto": FakeEncoder())
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path_factory.mktemp("cache")))
    return runner(capfd, "label")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, colour in (("1.png", "red"), ("2.jpg", "green"), ("deep/3.webp", "blue")):
        save(plain(colour), tmp_path / "pictures" / name)
    return tmp_path / "pictures"


def rows_of(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def best(row: dict) -> str:
    return row["labels"][0]["name"]


def test_jsonl_to_stdout_and_people_to_stderr(run: Run, folder: Path) -> None:
    code, out, err = run(folder, "--labels", "red,green,blue", "--format", "jsonl", "--top", 2)
    rows = rows_of(out)
    assert code == 0
    assert [best(row) for row in rows] == ["red", "green", "blue"]
    assert [Path(str(row["path"])).name for row in rows] == ["1.png", "2.jpg", "3.webp"]
    assert all(len(row["labels"]) == 2 and row["error"] is None for row in rows)
    assert "3 pictures" in err
    assert "0 failed" in err


def test_bad_files_are_rows_and_exit_code_1(run: Run, folder: Path) -> None:
    (folder / "2.jpg").write_bytes(b"")
    code, out, err = run(folder, folder / "none.png", "--labels", "red,blue", "--format", "jsonl")
    rows = rows_of(out)
    assert code == 1
    assert [bool(row["error"]) for row in rows] == [False, True, False, True]
    assert "2 failed" in err
    assert "Traceback" not in err


def test_table_shows_both_languages_uncut(run: Run, folder: Path) -> None:
    code, out, _ = run(folder / "1.png", "--vocab", "basic7", "--top", 7)
    assert code == 0
    assert str(folder / "1.png") in out
    lines = [line for line in out.splitlines() if "%" in line]
    assert len(lines) == 7
    assert all(re.search("[가-힣]", line) and re.search("[a-z]", line) for line in lines)
    assert sum(float(re.findall(r"([\d.]+)%", line)[0]) for line in lines) == pytest.approx(100, abs=0.5)


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_out_chooses_the_format_by_its_suffix(run: Run, folder: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"new/rows.{suffix}"
    code, out, _ = run(folder, "--labels", "red,green,blue", "--out", target)
    assert (code, out) == (0, "")
    read = {
        "jsonl": lambda: [best(row) for row in rows_of(target.read_text("utf-8"))],
        "csv": lambda: [row["rank1_name"] for row in csv.DictReader(io.StringIO(target.read_text("utf-8-sig")))],
        "parquet": lambda: [best(row) for row in pq.read_table(target).to_pylist()],
    }
    assert read[suffix]() == ["red", "green", "blue"]


def test_a_row_per_face(run: Run, tmp_path: Path) -> None:
    path = two_faces(tmp_path)
    code, out, err = run(path, "--labels", "red,blue", "--face", "each", "--format", "jsonl")
    faces = [row["face"] for row in rows_of(out)]
    assert code == 0
    assert [face["index"] for face in faces] == [0, 1]
    assert all(len(face["box"]) == 4 for face in faces)
    assert "1 picture (2 rows)" in err


def test_a_list_on_stdin(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = io.TextIOWrapper(io.BytesIO(f"{folder / '1.png'}\n{folder / 'deep'}\n".encode()))
    monkeypatch.setattr(sys, "stdin", listed)
    code, out, _ = run("-", "--labels", "red,blue", "--format", "jsonl")
    assert code == 0
    assert [best(row) for row in rows_of(out)] == ["red", "blue"]


def test_decomposed_names_are_written_composed(run: Run, tmp_path: Path) -> None:
    save(plain("red"), tmp_path / unicodedata.normalize("NFD", "기쁨.png"))
    _, out, _ = run(tmp_path / "기쁨.png", "--labels", "red,blue", "--format", "jsonl")
    (row,) = rows_of(out)
    assert row["path"] == str(tmp_path / "기쁨.png")
    assert row["error"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--labels", "a,b", "--vocab", "basic7"], "not both"),
        (["--labels", ","], "no words"),
        (["--labels", "joy,Joy"], "twice"),
        (["--vocab", "nonsense"], "basic7"),
        (["--format", "parquet"], "--out"),
        (["--resume"], "--out"),
        (["--out", "rows.txt"], "--format"),
        (["--format", "table", "--out", "rows.csv"], "screen"),
        (["--top", "0"], "top"),
        (["--batch-size", "0"], "batch-size"),
        (["--face", "all"], "face"),
        (["--max-pixels", "0"], "max-pixels"),
    ],
)
def test_misuse_is_one_sentence_and_exit_code_2(run: Run, folder: Path, arguments: list[str], words: str) -> None:
    code, out, err = run(folder, *arguments)
    assert code == 2
    assert out == ""
    assert words in err
    assert "Traceback" not in err


def test_no_paths_or_an_empty_folder_is_misuse(run: Run, tmp_path: Path) -> None:
    assert run()[0] == 2
    code, _, err = run(tmp_path)
    assert code == 2
    assert "no pictures" in err


def test_the_pixel_limit_is_the_users(run: Run, folder: Path) -> None:
    code, out, _ = run(folder, "--labels", "red,blue", "--format", "jsonl", "--max-pixels", 100)
    assert code == 1
    assert all("limit of 100" in str(row["error"]) for row in rows_of(out))


def test_words_that_the_model_cannot_read_are_noted(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEncoder, "languages", ("en",))
    code, _, err = run(folder, "--labels", "설렘,비장함")
    assert code == 0
    assert "설렘" in err


def test_a_run_with_other_settings_does_not_resume(run: Run, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "rows.jsonl"
    assert run(folder, "--labels", "red,blue", "--out", target)[0] == 0
    before = target.read_bytes()
    for change in (["--labels", "red,green"], ["--labels", "red,blue", "--face", "none"]):
        code, _, err = run(folder, *change, "--out", target, "--resume")
        assert code == 2
        assert "cannot be continued" in err
    assert target.read_bytes() == before
    code, _, err = run(folder, "--labels", "red,blue", "--out", target, "--resume")
    assert code == 0
    assert "3 done before" in err
    assert target.read_bytes() == before


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_a_killed_run_resumes_with_nothing_lost_or_repeated(run: Run, tmp_path: Path, suffix: str) -> None:
    names = [f"{number:02}.png" for number in range(24)]
    for name in names:
        save(plain("red", (16, 16)), tmp_path / "pictures" / name)
    save(plain("red", (16, 16)), tmp_path / "pictures" / "bad.png").write_bytes(b"bad")
    target = tmp_path / f"rows.{suffix}"
    growing = tmp_path / "rows.parquet.partial.jsonl" if suffix == "parquet" else target
    arguments = ["label", str(tmp_path / "pictures"), "--labels", "red,설렘", "--out", str(target)]
    arguments += ["--batch-size", "2", "--resume"]
    killed = start(run_slowly, 0.3, arguments, folder=tmp_path)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (not growing.exists() or growing.read_bytes().count(b"\n") < 5):
        time.sleep(0.02)
    killed.kill()
    left = growing.read_bytes()
    assert 5 <= left.count(b"\n") < 25
    # A kill in the middle of a write leaves part of a row.
    growing.write_bytes(left[:-9])
    code, _, err = run(*arguments[1:])
    assert code == 1
    assert "1 failed" in err
    assert "done before" in err
    read = {
        "jsonl": lambda: [row["path"] for row in rows_of(target.read_text("utf-8"))],
        "csv": lambda: [row["path"] for row in csv.DictReader(io.StringIO(target.read_text("utf-8-sig")))],
        "parquet": lambda: pq.read_table(target)["path"].to_pylist(),
    }
    assert [Path(str(path)).name for path in read[suffix]()] == [*names, "bad.png"]


def test_the_contact_sheet_stands_alone_and_escapes(run: Run, tmp_path: Path) -> None:
    two_faces(tmp_path / "in")
    save(plain("red"), tmp_path / "in" / "<b>&.png")
    (tmp_path / "in" / "bad.png").write_bytes(b"bad")
    code, _, err = run(tmp_path / "in", "--labels", "red,<i>설렘</i>", "--report", tmp_path / "sheet")
    page = (tmp_path / "sheet" / "index.html").read_text("utf-8")
    assert code == 1
    assert str(tmp_path / "sheet" / "index.html") in err
    assert page.count("<article") == 3
    assert "&lt;b&gt;&amp;.png" in page
    assert "&lt;i&gt;설렘&lt;/i&gt;" in page
    assert "<i>설렘" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "width=device-width" in page
    pictures = [base64.b64decode(code) for code in re.findall(r"base64,([^\"]+)\"", page)]
    assert len(pictures) == 2
    sizes = [Image.open(io.BytesIO(picture)).size for picture in pictures]
    assert max(map(max, sizes)) <= 360


def test_large_contact_sheets_are_paged(tmp_path: Path) -> None:
    from clip_emotion.retrieval.labelling.contact_sheet import SheetConfig, write_contact_sheet
    from clip_emotion.types import Prediction

    rows = [Prediction(f"{number}.png", (), "f", error="gone") for number in range(5)]
    first = write_contact_sheet(tmp_path, rows, {}, SheetConfig(page_size=2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "page-2.html", "page-3.html"]
    assert 'href="page-3.html"' in first.read_text("utf-8")
    assert "4.png" in (tmp_path / "page-3.html").read_text("utf-8")


def test_a_shorter_sheet_removes_its_own_old_pages_only(tmp_path: Path) -> None:
    from clip_emotion.retrieval.labelling.contact_sheet import SheetConfig, write_contact_sheet
    from clip_emotion.types import Prediction

    rows = [Prediction(f"{number}.png", (), "f", error="gone") for number in range(12)]
    write_contact_sheet(tmp_path, rows, {}, SheetConfig(page_size=1))
    assert (tmp_path / "page-12.html").exists()
    others = ["page-1.html", "page-03.html", "page-3.html.bak", "my-page-3.html", "page-x.html", "notes.txt"]
    for name in others:
        (tmp_path / name).write_text("mine", "utf-8")
    (tmp_path / "page-13.html").mkdir()
    write_contact_sheet(tmp_path, rows[:2], {}, SheetConfig(page_size=1))
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted(["index.html", "page-2.html", "page-13.html", *others])
    assert all((tmp_path / name).read_text("utf-8") == "mine" for name in others)
