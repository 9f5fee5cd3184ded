"""``cluster`` through the real command line, with the bundled model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import Run
from tests.support.pages import read_page
from tests.support.pictures import GRACE_HOPPER, noise, save

CLUSTER = ("cluster", "--store", "faces.db")


@pytest.fixture
def filled(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of a face in three sizes and of noise, and one file that is no picture."""
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    portrait = Image.open(GRACE_HOPPER).convert("RGB").crop((130, 20, 380, 270))
    for side in (50, 56, 60):
        save(portrait.resize((side, side)), tmp_path / "p" / f"face{side}.png")
    for number in range(4):
        save(noise((48, 48), number), tmp_path / "p" / f"noise{number}.png")
    (tmp_path / "p" / "broken.png").write_bytes(b"no picture")
    assert run("embed", "p", "--store", "faces.db", "--face", "none")[0] == 1
    return tmp_path


def test_rows_say_the_group_its_name_and_how_near(run: Run, filled: Path) -> None:
    code, out, err = run(*CLUSTER, "--labels", "기쁨,슬픔,놀람,분노", "--format", "jsonl")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    groups = {row["path"]: row["group"] for row in rows}
    assert len(groups) == 7
    # The larger group, of noise, is the first.
    assert {path for path, group in groups.items() if group == 1} == {f"p/noise{number}.png" for number in range(4)}
    assert {group for path, group in groups.items() if "face" in path} == {2}
    assert "7 faces in 2 groups" in err
    assert "highest mean silhouette (2: " in err
    names = {row["group"]: row["names"] for row in rows}
    assert all(row["name"] == names[row["group"]][0] and len(row["names"]) == 3 for row in rows)
    assert names[1][0] != names[2][0]
    assert all(0.5 < row["similarity"] <= 1.001 for row in rows)
    assert {"vocabulary", "model", "face"} < set(rows[0])
    # A seed makes it again, into a file too, and a file that is there stays.
    assert run(*CLUSTER, "--labels", "기쁨,슬픔,놀람,분노", "--out", "rows.jsonl")[0] == 0
    assert Path("rows.jsonl").read_text("utf-8") == out
    assert run(*CLUSTER, "--labels", "기쁨,슬픔", "--out", "rows.jsonl")[0] == 2
    assert not list(filled.glob(".rows*"))


def test_a_table_and_a_sheet_show_the_groups(run: Run, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    code, out, _ = run(*CLUSTER, "--groups", 3, "--lang", "en", "--vocab", "basic7", "--report", "sheet")
    assert code == 0
    assert "p/face" in out
    assert [line.split("│")[1].strip() for line in out.splitlines() if "%" in line] == ["1", "2", "3"]
    page = read_page(Path("sheet/index.html"))
    assert page.title == "faces.db · 7 faces in 3 groups"
    assert page.headings[2:] == ["Group 1", "그룹 1", "Group 2", "그룹 2", "Group 3", "그룹 3"]
    source = Path("sheet/index.html").read_text("utf-8")
    assert source.count("<figure><img") == 7
    assert source.count("<section") == 3
    assert len(source) < 200_000
    code, _, err = run(*CLUSTER, "--groups", 2, "--report", "sheet")
    assert code == 2
    assert "--overwrite" in err


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (("--groups", "1"), "--groups takes auto or a number from 2 on"),
        (("--groups", "9"), "too few for 9 groups"),
        (("--format", "table", "--out", "rows.jsonl"), "choose --format jsonl"),
        (("--out", "rows.csv"), "choose --format jsonl"),
        (("--labels", "a,b", "--vocab", "basic7"), "not both"),
    ],
)
def test_misuse_is_told(run: Run, filled: Path, extra: tuple[str, ...], told: str) -> None:
    code, out, err = run(*CLUSTER, *extra)
    assert (code, out) == (2, "")
    assert told in err
    assert not Path("rows.jsonl").exists()
