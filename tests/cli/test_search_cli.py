"""``search`` through the real command line, with the bundled model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import Run, runner
from tests.support.pages import read_page
from tests.support.pictures import GRACE_HOPPER, noise, save, two_faces


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner(capfd)


def test_words_and_faces_find_faces(run: Run, tmp_path: Path) -> None:
    two_faces(tmp_path / "p")
    save(noise((48, 48)), tmp_path / "p" / "noise.png")
    assert run("embed", "p", "--store", "faces.db", "--face", "each")[0] == 0
    code, out, err = run("search", "비장한 얼굴", "--store", "faces.db", "--top", 2, "--report", "sheet")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["1", "2"]
    assert "exact inner product" in err
    page = Path("sheet/index.html").read_text("utf-8")
    assert page.count("data:image/webp") == 2
    assert out.split()[1] in page
    assert "nan" not in page.split("<main")[-1].lower().split("<script")[0]
    code, out, _ = run("search", "--like", GRACE_HOPPER, "--store", "faces.db", "--format", "jsonl")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["rank"], row["path"], row["face"]["index"]) for row in rows] == [
        (1, "p/two.png", 0), (2, "p/two.png", 1), (3, "p/noise.png", None),
    ]  # fmt: skip
    assert rows[0]["similarity"] > 0.95
    assert (
        run("search", "행복", "--not", "미소", "--store", "faces.db", "--min-similarity", 1, "--out", "r.jsonl")[0] == 0
    )
    assert Path("r.jsonl").read_bytes() == b""
    assert run("search", "행복", "--store", "faces.db", "--out", "r.jsonl")[0] == 2


def test_valence_and_arousal_stand_with_what_is_found(run: Run, tmp_path: Path) -> None:
    two_faces(tmp_path / "p")
    assert run("embed", "p", "--store", "faces.db", "--face", "each")[0] == 0
    search = ("search", "행복", "--store", "faces.db", "--dimensions")
    rows = [json.loads(line) for line in run(*search, "--format", "jsonl", "--report", "sheet")[1].splitlines()]
    labelled = run("label", "--store", "faces.db", "--labels", "행복,슬픔", "--dimensions", "--format", "jsonl")[1]
    known = {json.dumps(row["face"]): row for row in map(json.loads, labelled.splitlines())}
    for row in rows:
        same = known[json.dumps(row["face"])]
        assert (row["valence"], row["arousal"]) == pytest.approx((same["valence"], same["arousal"]), abs=1e-6)
        assert f"{row['valence']:+.3f} {row['arousal']:+.3f}" in run(*search)[1]
    assert "정서가와 각성가" in read_page(Path("sheet/index.html")).headings


def test_misuse_is_told(run: Run) -> None:
    code, _, err = run("search", "--store", "faces.db")
    assert code == 2
    assert "Say what to search for" in err
    code, _, err = run("search", "행복", "--store", "faces.db")
    assert code == 2
    assert "There is no store" in err
    assert run("search", "행복", "--store", "faces.db", "--out", "r.txt", "--format", "table")[0] == 2
    code, _, err = run("search", "행복", "--store", "faces.db", "--out", "r.xlsx")
    assert (code, ".xlsx is not written: give --out r.jsonl." in err) == (2, True)
