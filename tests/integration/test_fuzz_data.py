"""Hostile files of fixed seeds: damaged pictures, YAML and archives end in one sentence, never in another exception.

FUZZ_ROUNDS=5000 runs longer, by hand.
"""

from __future__ import annotations

import io
import os
import random
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from clip_emotion.config import load_config
from clip_emotion.data.cards import Card
from clip_emotion.data.images import open_image
from clip_emotion.data.prepare import prepare
from clip_emotion.data.prepared import load_record
from clip_emotion.errors import ClipEmotionError, DataError
from clip_emotion.resources import datasets_dir
from tests.support.damage import PICTURE_KINDS, damaged
from tests.support.pictures import noise
from tests.support.raw_files import png, write, zipped

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "40"))


@pytest.mark.parametrize("kind", PICTURE_KINDS)
def test_damaged_pictures(kind: str) -> None:
    buffer, rng = io.BytesIO(), random.Random(kind)
    noise((40, 30)).save(buffer, kind, **PICTURE_KINDS[kind])
    opened = 0
    for _ in range(ROUNDS):
        content = damaged(buffer.getvalue(), rng)
        opened += outcome(partial(open_image, content, max_pixels=1_000_000)) == "read"
    assert opened < ROUNDS, "some damage is always seen"


PIECES = ["a: ", "- ", "[", "]", "{", "}", "&x ", "*x", "<<: ", '"\\ud800"', "!!python/name:os.system ", "9" * 5000]
PIECES += ["\n", "name: x\n", "layouts: [image_csv]\n", "2024-13-45", "!!binary x", "? ", "| \n", "\t", ".inf", "é"]
PIECES += ["\x00", "- - "]
OUTSIDE = ["../out.png", "/tmp/out.png", "a/../../out.png", "C:\\out.png", "..\\out.png", "sad/\x00.png"]


def test_hostile_yaml(tmp_path: Path) -> None:
    rng, whole = random.Random(1), 0
    shipped = datasets_dir() / "image_csv.yaml"
    for number in range(ROUNDS * 4):
        if number % 2:
            content = "".join(rng.choice(PIECES) * rng.randint(1, 3) for _ in range(rng.randint(1, 40))).encode()
        else:
            content = damaged(shipped.read_bytes(), rng)
        path = tmp_path / "own.yaml"
        path.write_bytes(content)
        whole += outcome(partial(load_config, Card, path)) == "read"
    assert whole < ROUNDS * 4


def outcome(run: Callable[[], object]) -> str:
    """Run it and say how it ended; whatever is not one sentence for people goes through."""
    told = ""
    try:
        run()
    except ClipEmotionError as error:
        told = str(error)
    assert "\n" not in told
    return "refused" if told else "read"


def test_damaged_archives(tmp_path: Path) -> None:
    rng = random.Random(2)
    files = {f"train/{label}/{n}.png": png(n) for n, label in enumerate(("happy", "sad", "angry"), 1)}
    good = zipped(tmp_path / "good.zip", files).read_bytes()
    place, before = tmp_path / "work", {"good.zip", "work"}
    found = set()
    for number in range(max(8, ROUNDS // 4)):
        place.mkdir(exist_ok=True)
        (place / "bad.zip").write_bytes(damaged(good, rng))
        found.add(outcome(lambda number=number: prepare("image_folder", place / "bad.zip", place / f"out{number}")))
    assert "refused" in found
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", OUTSIDE)
def test_archives_with_paths_that_lead_out(tmp_path: Path, name: str) -> None:
    (tmp_path / "work").mkdir()
    with zipfile.ZipFile(tmp_path / "work" / "bad.zip", "w") as archive:
        archive.writestr("train/happy/a.png", png(1))
        archive.writestr(zipfile.ZipInfo(name), png(2))
    outcome(lambda: prepare("image_folder", tmp_path / "work" / "bad.zip", tmp_path / "work" / "out"))
    assert [path.name for path in tmp_path.iterdir()] == ["work"]
    assert not list(tmp_path.rglob("out.png"))


def test_damaged_parquet_pages(tmp_path: Path) -> None:
    rows = [f"문장 {number}" * 20 for number in range(400)]
    table = pyarrow.table({"text": rows, "labels": [[number % 44] for number in range(400)]})
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer, row_group_size=100)
    good, rng, seen = buffer.getvalue(), random.Random(3), set()
    for number in range(max(12, ROUNDS // 4)):
        data = bytearray(good)
        for _ in range(30):
            data[rng.randrange(4, len(good) - 2000)] = rng.randrange(256)
        source = write(tmp_path / f"raw{number}", {"train/0.parquet": bytes(data)})
        seen.add(outcome(lambda source=source, number=number: prepare("kote", source, tmp_path / f"out{number}")))
    assert "refused" in seen


def test_one_hostile_picture_costs_its_row_only(tmp_path: Path) -> None:
    rng, files = random.Random(4), {"happy/good.png": png(1)}
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "PNG")
    for number in range(20):
        files[f"sad/{number}.png"] = damaged(buffer.getvalue(), rng)
    prepare("image_folder", write(tmp_path / "raw", files), tmp_path / "out")
    record = load_record(tmp_path / "out")
    assert record is not None
    assert sum(record.rows.values()) + len(record.skipped) == 21


def test_nothing_here_hides_a_fault() -> None:
    with pytest.raises(ZeroDivisionError):
        outcome(lambda: 1 // 0)
    assert outcome(lambda: (_ for _ in ()).throw(DataError("x"))) == "refused"
