"""``--dimensions`` through the real command line with the bundled model: every way out, with a store and without."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.commands import Run
from tests.support.pictures import noise, save, two_faces

WORDS = ("--labels", "설렘,당황,비장함", "--dimensions")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    two_faces(tmp_path / "pictures")
    save(noise((48, 48)), tmp_path / "pictures" / "noise.png")
    (tmp_path / "pictures" / "broken.png").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    return Path("pictures")


def test_every_format_has_them(run: Run, folder: Path) -> None:
    faces = ("--face", "each")
    code, lines, _ = run("label", folder, *WORDS, *faces, "--format", "jsonl")
    assert code == 1
    rows = [json.loads(line) for line in lines.splitlines()]
    assert [(row["valence"] is None, row["error"] is None) for row in rows] == [
        (True, False), (False, True), (False, True), (False, True),
    ]  # fmt: skip
    assert all(-1 <= row[name] <= 1 for row in rows[1:] for name in ("valence", "arousal"))
    assert "dimensions=" in rows[0]["settings"]
    run("label", folder, *WORDS, *faces, "--out", "rows.csv")
    with Path("rows.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = list(csv.DictReader(file))
    expected = [row["valence"] for row in rows]
    assert [float(row["valence"]) if row["valence"] else None for row in cells] == expected
    run("label", folder, *WORDS, *faces, "--out", "rows.parquet")
    assert pq.read_table("rows.parquet").column("valence").to_pylist() == expected
    table = run("label", folder, *WORDS, *faces)[1]
    assert [f"valence {row['valence']:+.3f}  arousal {row['arousal']:+.3f}" in table for row in rows[1:]] == [True] * 3
    # Without the option nothing of it is there.
    plain = run("label", folder, *WORDS[:2], *faces, "--format", "jsonl")[1]
    assert "valence" not in plain
    for line, row in zip(plain.splitlines(), rows, strict=True):
        assert json.loads(line)["labels"] == row["labels"]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_a_run_goes_on_with_them_and_not_without(run: Run, folder: Path, suffix: str) -> None:
    out = Path(f"rows.{suffix}")
    command = ("label", folder, *WORDS, "--out", out)
    run(*command)
    before = out.read_bytes() if suffix != "parquet" else pq.read_table(out).to_pylist()
    code, _, err = run("label", folder, *WORDS[:2], "--out", out, "--resume")
    assert code == 2
    assert "cannot be continued" in err
    assert run(*command, "--resume")[0] == 1
    assert (out.read_bytes() if suffix != "parquet" else pq.read_table(out).to_pylist()) == before


def test_from_a_store_they_are_the_same(run: Run, folder: Path) -> None:
    assert run("embed", folder, "--store", "faces.db", "--face", "each")[0] == 1
    direct = run("label", folder, *WORDS, "--face", "each", "--format", "jsonl")[1]
    stored = run("label", "--store", "faces.db", *WORDS, "--format", "jsonl")[1]
    for one, two in zip(map(json.loads, direct.splitlines()), map(json.loads, stored.splitlines()), strict=True):
        assert list(one) == list(two)
        assert two["valence"] == (None if one["valence"] is None else pytest.approx(one["valence"], abs=1e-3))
    # What is written at once and what is written row by row are the same numbers.
    run("label", "--store", "faces.db", *WORDS, "--out", "rows.csv")
    with Path("rows.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [row["arousal"] for row in csv.DictReader(file)]
    assert [float(cell) if cell else None for cell in cells] == [
        json.loads(line)["arousal"] for line in stored.splitlines()
    ]
