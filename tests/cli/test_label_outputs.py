"""``label`` and what a user has: nothing is replaced unasked, and everything is proved before work begins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clip_emotion import outputs
from clip_emotion.models import registry
from tests.support.commands import Run, runner
from tests.support.fakes import FakeEncoder
from tests.support.pictures import plain, save

WORDS = ("--labels", "red,green,blue")


@pytest.fixture
def encoders() -> list[FakeEncoder]:
    return []


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    capfd: pytest.CaptureFixture[str],
    encoders: list[FakeEncoder],
) -> Run:
    def load(spec: str = "mini", device: str = "auto") -> FakeEncoder:
        encoders.append(FakeEncoder())
        return encoders[-1]

    monkeypatch.setattr(registry, "load_encoder", load)
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path_factory.mktemp("cache")))
    return runner(capfd, "label", after=tuple(WORDS))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, colour in (("1.png", "red"), ("2.jpg", "green"), ("deep/3.webp", "blue")):
        save(plain(colour), tmp_path / "pictures" / name)
    return tmp_path / "pictures"


@pytest.mark.parametrize("force", [(), ("--overwrite",), ("--resume",)])
def test_no_picture_is_ever_replaced_by_rows(run: Run, folder: Path, force: tuple[str, ...]) -> None:
    picture = folder / "1.png"
    before = picture.read_bytes()
    code, _, err = run(picture, folder / "2.jpg", "--out", picture, "--format", "jsonl", *force)
    assert code == 2
    assert "is an input" in err
    # The value of --out was forgotten: the shell's glob gave the first picture to it.
    code, _, err = run("--out", folder / "1.png", folder / "2.jpg", "--format", "jsonl")
    assert code == 2
    assert "is there already" in err
    assert picture.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("결과.xlsx", ".xlsx is not written: give --out 결과.csv, which Excel opens as it is."),
        (
            "page.html",
            "--report FOLDER makes the page; for the rows give --out a name that ends in .jsonl, .csv or",
        ),
        (
            "pictures",
            "pictures is a folder, and a file is wanted: give --out pictures/rows.csv, which Excel",
        ),
    ],
)
def test_a_file_that_cannot_be_written_is_told_with_one_that_can(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, encoders: list[FakeEncoder], name: str, told: str
) -> None:
    monkeypatch.chdir(folder.parent)
    code, _, err = run(folder, "--out", name)
    assert (code, encoders) == (2, [])
    assert told in err


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_rows_are_replaced_only_when_asked(run: Run, folder: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"rows.{suffix}"
    assert run(folder, "--to", target)[0] == 0
    before = target.read_bytes()
    code, _, err = run(folder / "1.png", "--out", target)
    assert code == 2
    assert "--overwrite" in err
    assert "--resume" in err
    assert target.read_bytes() == before
    assert run(folder / "1.png", "--out", target, "--overwrite")[0] == 0
    assert target.read_bytes() != before
    assert run(folder, "--out", target, "--overwrite", "--resume")[0] == 2


def test_an_interrupted_parquet_run_is_not_begun_anew_unasked(run: Run, folder: Path, tmp_path: Path) -> None:
    partial = tmp_path / "rows.parquet.partial.jsonl"
    partial.write_text("rows of hours\n", "utf-8")
    code, _, err = run(folder, "--out", tmp_path / "rows.parquet")
    assert code == 2
    assert "--resume" in err
    assert partial.read_text("utf-8") == "rows of hours\n"


def test_a_report_replaces_its_own_sheet_when_asked_and_nothing_else(run: Run, folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet"
    assert run(folder, "--report", sheet)[0] == 0
    code, _, err = run(folder, "--report", sheet)
    assert code == 2
    assert "holds a contact sheet already" in err
    assert run(folder, "--report", sheet, "--overwrite")[0] == 0
    mine = tmp_path / "site"
    mine.mkdir()
    (mine / "index.html").write_text("mine", "utf-8")
    code, _, err = run(folder, "--report", mine, "--overwrite")
    assert code == 2
    assert "did not make" in err
    assert (mine / "index.html").read_text("utf-8") == "mine"


@pytest.mark.parametrize("option", ["--out", "--report"])
def test_places_are_proved_before_work_begins(
    run: Run, folder: Path, tmp_path: Path, option: str, encoders: list[FakeEncoder]
) -> None:
    (tmp_path / "file").write_text("a file is no folder", "utf-8")
    code, out, err = run(folder, option, tmp_path / "file" / "deep" / "rows.jsonl")
    assert code == 2
    assert "Cannot write" in err
    assert out == ""
    assert not encoders


def test_resume_knows_a_picture_by_any_spelling_of_its_path(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "rows.jsonl"
    monkeypatch.chdir(folder)
    assert run(".", "--out", target)[0] == 0
    (tmp_path / "link").symlink_to(folder)
    for spelling in ("../pictures", folder, "../pictures/deep/..", "../link", tmp_path / "link"):
        code, _, err = run(spelling, "--out", target, "--resume")
        assert code == 0
        assert "0 pictures" in err
    assert len(target.read_text("utf-8").splitlines()) == 3


def test_resume_from_another_folder_is_told_instead_of_labelling_all_again(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "rows.jsonl"
    monkeypatch.chdir(folder)
    assert run(".", "--out", target)[0] == 0
    before = target.read_bytes()
    monkeypatch.chdir(tmp_path)
    code, _, err = run("pictures", "--out", target, "--resume")
    assert code == 2
    assert "from the folder where it began" in err
    assert target.read_bytes() == before


def test_a_resumed_report_shows_pictures_of_both_runs(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "rows.jsonl"
    monkeypatch.chdir(tmp_path)
    assert run("pictures/1.png", "--out", target)[0] == 0
    assert run(folder, "--out", target, "--resume", "--report", tmp_path / "sheet")[0] == 0
    assert (tmp_path / "sheet" / "index.html").read_text("utf-8").count("data:image/webp") == 3


def test_two_writers_do_not_share_a_file(run: Run, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "rows.jsonl"
    with outputs.held(target):
        code, _, err = run(folder, "--out", target)
    assert code == 2
    assert f"is being written by process {os.getpid()}" in err
    assert not target.exists()
    assert run(folder, "--out", target)[0] == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_full_disk_is_told_with_what_to_do(run: Run, folder: Path, form: str) -> None:
    code, _, err = run(folder, "--out", "/dev/full", "--format", form)
    assert code == 1
    assert "make room, then continue with --resume" in err
    assert "OSError" not in err


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs the null device")
def test_a_stream_is_written_through(run: Run, folder: Path) -> None:
    assert run(folder, "--out", "/dev/null", "--format", "jsonl")[0] == 0
    code, _, err = run(folder, "--out", "/dev/null", "--format", "parquet")
    assert code == 2
    assert "needs a file" in err
