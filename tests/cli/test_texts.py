"""What the command line says to people: the help of every verb, tables and errors, as kept texts."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image
from typer.main import get_command

from clip_emotion.cli.main import app, main
from clip_emotion.models import registry
from tests.support.fakes import FakeEncoder
from tests.support.minis import write_images
from tests.support.pictures import plain, save
from tests.support.snapshots import FOLDER, Snapshots

WIDTH = "100"
TIMES = re.compile(r"[\d.]+(?= s,)|[\d.]+(?= a second)")


def verbs(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every verb of the command line and every family of verbs, the command itself first."""
    command = command or get_command(app)
    yield path
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from verbs(below, (*path, name))


VERBS = list(verbs())
ERRORS: dict[str, list[str]] = {
    "no_verb": ["no-such-verb"],
    "no_option": ["label", "--no-such-option"],
    "no_choice": ["label", "a.png", "--face", "some"],
    "label_nothing": ["label"],
    "label_missing": ["label", "missing.png", "--labels", "red"],
    "label_no_folder": ["label", "없는폴더", "--labels", "기쁨/슬픔/설렘"],
    "label_no_words": ["label", "red.png", "--labels", " ,，"],
    "label_no_vocabulary": ["label", "red.png", "--vocab", ""],
    "search_no_words": ["search", " ", "--store", "faces.db"],
    "search_not": ["search", "red", "--not", " ", "--store", "faces.db"],
    "label_vocabulary": ["label", "red.png", "--vocab", "nothing"],
    "label_format": ["label", "red.png", "--labels", "red", "--out", "rows.docx"],
    "label_store": ["label", "red.png", "--store", "faces.db", "--labels", "red"],
    "embed_store": ["embed", "red.png", "--store", "red.png"],
    "adapt_missing": ["adapt", "--examples", "missing.csv", "--out", "own"],
    "adapter_missing": ["label", "red.png", "--adapter", "own"],
    "export_format": ["export", "voc", "rows.jsonl", "--out", "out"],
    "export_nothing": ["export", "coco", "--out", "out"],
    "export_push": ["export", "parquet", "rows.jsonl", "--out", "out", "--push", "me/faces"],
    "import_missing": ["import", "back.json", "--out", "people"],
    "search_nothing": ["search", "--store", "faces.db"],
    "cluster_groups": ["cluster", "--store", "faces.db", "--groups", "some"],
    "store_missing": ["store", "info", "faces.db"],
    "evaluate_words": ["evaluate", "--data", "raw/fer2013.zip"],
    "evaluate_missing": ["evaluate", "--data", "missing.zip", "--vocab", "basic7"],
    "score_missing": ["score", "missing.txt"],
    "score_recency": ["score", "chat.txt", "--recency", "quadratic"],
    "train_missing": ["train", "missing.yaml"],
    "train_kind": ["train", "kind.yaml"],
    "train_keys": ["train", "keys.yaml"],
    "tune_base": ["tune", "tune.yaml"],
    "data_unknown": ["data", "stats", "nothing"],
    "data_merge": ["data", "merge", "raw/fer2013.zip", "--to", "merged", "--vocab", "nothing"],
}
TABLES: dict[str, list[str]] = {
    "label": ["label", "red.png", "blue.png", "--labels", "red,green,blue", "--face", "none"],
    "label_csv": ["label", "red.png", "--labels", "red,설렘", "--face", "none", "--format", "csv"],
    "evaluate_families": ["evaluate", "--data", "moods", "--vocab", "kote44", "--families", "--face", "none"],
    "data_list": ["data", "list"],
    "data_stats": ["data", "stats", "raw/fer2013.zip"],
    "data_check": ["data", "check", "raw/muxspace96.zip", "--card", "muxspace"],
    "version": ["--version"],
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and a working folder with a picture or two, seen by an encoder that knows colours."""
    for name, value in (("COLUMNS", WIDTH), ("TERM", "dumb"), ("NO_COLOR", "1"), ("CLIP_EMOTION_CACHE", "cache")):
        monkeypatch.setenv(name, value)
    # As in an installed command: the name in "Usage: …" is that of the running program.
    monkeypatch.setattr(sys, "argv", ["clip-emotion"])
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    monkeypatch.setattr(registry, "load_encoder", lambda spec="mini", device="auto": FakeEncoder())
    monkeypatch.chdir(tmp_path)
    for colour in ("red", "blue"):
        save(plain(colour), tmp_path / f"{colour}.png")
    (tmp_path / "chat.txt").write_text("하린: 안녕\n", "utf-8")
    (tmp_path / "kind.yaml").write_text("kind: mini_sound\n")
    (tmp_path / "keys.yaml").write_text("kind: emotion_clip\nspeed: 3\nfit: {steps: 0}\n")
    search = "base: missing.yaml\nout: search\ntrials: 2\nmetric: accuracy\n"
    (tmp_path / "tune.yaml").write_text(search + "space: {batch: {kind: int, low: 1, high: 2}}\n")
    return tmp_path


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command and return its exit code and all that it says."""
    code = main(arguments)
    out, err = capsys.readouterr()
    parts = [f"$ clip-emotion {' '.join(arguments)}", *(part.rstrip("\n") for part in (out, err) if part)]
    return TIMES.sub("…", "\n".join([*parts, f"exit code {code}"]))


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: " ".join(verb) or "clip-emotion")
def test_help(verb: tuple[str, ...], snapshots: Snapshots, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb, "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    snapshots.check("/".join(("help", *(verb or ("clip-emotion",)))), out)


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str, snapshots: Snapshots, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(ERRORS[name], capsys)
    assert "Traceback" not in text
    assert "Value error" not in text  # pydantic's own words
    assert not text.endswith("exit code 0")
    snapshots.check(f"errors/{name}", text)


def write_moods(folder: Path) -> None:
    """Pictures of two classes, each of many colours, so that their best words differ."""
    for at, mood in enumerate(("angry", "happy")):
        for number in range(8):
            colour = (30 * number, 255 - 30 * number, 90 * at + 10 * number)
            save(Image.new("RGB", (20, 20), colour), folder / mood / f"{number}.png")


@pytest.mark.parametrize("name", TABLES)
def test_tables(
    name: str, here: Path, snapshots: Snapshots, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "evaluate_families":
        # The terminal that has least room: nothing of a table of words may be lost in it.
        monkeypatch.setenv("COLUMNS", "80")
        write_moods(here / "moods")
    if name.startswith("data_"):
        write_images(here / "raw", a_class=2)
    assert main(TABLES[name]) == 0
    snapshots.check(f"tables/{name}", capsys.readouterr().out)


def test_no_text_is_kept_that_nobody_says() -> None:
    kept = {path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.txt")}
    helps = {"/".join(("help", *(verb or ("clip-emotion",)))) for verb in VERBS}
    assert kept == helps | {f"errors/{name}" for name in ERRORS} | {f"tables/{name}" for name in TABLES}


def test_another_text_is_seen(tmp_path: Path) -> None:
    kept = Snapshots(update=True, folder=tmp_path)
    kept.check("said", "Done.  \n")
    Snapshots(update=False, folder=tmp_path).check("said", "Done.\n")
    with pytest.raises(AssertionError, match="--update-snapshots"):
        Snapshots(update=False, folder=tmp_path).check("said", "Done!\n")
