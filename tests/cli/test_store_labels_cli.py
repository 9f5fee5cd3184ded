"""``label --store`` and ``evaluate --store`` with the bundled model: as without a store, and no picture is encoded."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clip_emotion.models.mini.encoder import MiniEncoder
from tests.support.commands import Run
from tests.support.pictures import noise, save, two_faces

WORDS = ("--labels", "설렘,당황,비장함,지루함")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    two_faces(tmp_path / "pictures" / "happy")
    for number in range(3):
        save(noise((48, 48), number), tmp_path / "pictures" / "sad" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return Path("pictures")


def no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(self: MiniEncoder, pixels: object) -> None:
        raise AssertionError("a picture was encoded")

    monkeypatch.setattr(MiniEncoder, "encode_images", encode)


def nearly(row: object) -> object:
    """Round a row's numbers to what half precision keeps."""
    if isinstance(row, float):
        return pytest.approx(row, abs=1e-3)
    if isinstance(row, dict):
        return {key: nearly(value) for key, value in row.items()}
    return [nearly(value) for value in row] if isinstance(row, list) else row


def test_rows_formats_and_sheet_are_those_without_a_store(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("embed", folder, "--store", "faces.db", "--face", "each")[0] == 0
    _, direct, _ = run("label", folder, *WORDS, "--face", "each", "--format", "jsonl")
    _, table, _ = run("label", folder, *WORDS, "--face", "each")
    no_encoder(monkeypatch)
    code, lines, err = run("label", "--store", "faces.db", *WORDS, "--format", "jsonl", "--report", "sheet")
    assert code == 0
    assert "5 rows of faces.db" in err
    rows = [json.loads(line) for line in lines.splitlines()]
    assert rows == [nearly(json.loads(line)) for line in direct.splitlines()]
    assert run("label", "--store", "faces.db", *WORDS)[1].split("%")[0] == table.split("%")[0]
    assert Path("sheet/index.html").read_text("utf-8").count("data:image/webp") == 5
    assert run("label", "--store", "faces.db", *WORDS, "--out", "rows.parquet")[0] == 0
    assert pq.read_table("rows.parquet").to_pylist() == [{**row, "error": None} for row in rows]
    assert run("label", "--store", "faces.db", *WORDS, "--out", "rows.csv")[0] == 0
    assert len(Path("rows.csv").read_text("utf-8").splitlines()) == 6


def test_from_another_folder_rows_name_places(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("embed", folder, "--store", "faces.db", "--face", "none")[0] == 0
    monkeypatch.chdir(folder)
    lines = run("label", "--store", "../faces.db", *WORDS, "--format", "jsonl")[1].splitlines()
    assert all(
        Path(json.loads(line)["path"]).is_absolute() and Path(json.loads(line)["path"]).exists() for line in lines
    )


def test_evaluate_from_a_store(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("embed", folder, "--store", "faces.db")[0] == 0
    command = ("evaluate", "--data", folder, "--vocab", "basic7", "--format", "json")
    direct = json.loads(run(*command)[1])
    no_encoder(monkeypatch)
    code, out, _ = run(*command, "--store", "faces.db")
    assert code == 0
    assert (json.loads(out)["n"], json.loads(out)["accuracy"]) == (4, direct["accuracy"])


BESIDE = [["pictures"], ["--face", "each"], ["--resume", "--out", "r.jsonl"], ["--min-face", "0.1"]]


@pytest.mark.parametrize("extra", BESIDE)
def test_what_does_not_go_with_a_store_is_told(run: Run, extra: list[str]) -> None:
    code, out, err = run("label", *extra, "--store", "faces.db", *WORDS)
    assert (code, out) == (2, "")
    assert "--store do not go together" in err
    assert run("evaluate", "--data", "pictures", "--store", "faces.db", "--boxes", "b.csv", "--vocab", "basic7")[0] == 2


def test_texts_are_not_evaluated_from_a_store(run: Run, folder: Path) -> None:
    assert run("embed", folder, "--store", "faces.db")[0] == 0
    Path("texts.csv").write_text("text,label\nso glad,happy\nso sad,sad\n", encoding="utf-8")
    code, _, err = run("evaluate", "--data", "texts.csv", "--vocab", "basic7", "--store", "faces.db")
    assert code == 2
    assert "A store holds pictures: leave --store out for texts." in err
