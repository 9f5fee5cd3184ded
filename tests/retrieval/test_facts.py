"""What tables say of labelled rows: joined by path, from the data's own tables or another one."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from clip_emotion.data.row_filter import parse_filter
from clip_emotion.errors import UsageError
from clip_emotion.retrieval.evaluation.labelled import Labelled, open_labelled
from clip_emotion.retrieval.evaluation.selection import RowSelection
from tests.support.minis import face


def opened(data: Path, *facts: str, metadata: Path | None = None) -> Labelled:
    with open_labelled(str(data), RowSelection(facts=facts, metadata=metadata)) as rows:
        return rows


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name in ("happy/가.png", "happy/b.png", "sad/c.png"):
        path = tmp_path / "faces" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(face(len(name)))
    return tmp_path / "faces"


PEOPLE = "path,label,Age,sex\nhappy/가.png,happy,31,f\nsad\\c.png,sad,NA,m\n"


def test_a_table_beside_the_pictures_tells_of_them(folders: Path) -> None:
    (folders / "people.csv").write_text(PEOPLE, "utf-8-sig")
    facts = {row.name: row.facts for row in opened(folders, "age", "sex").images}
    assert facts == {
        "happy/b.png": {},
        "happy/가.png": {"age": "31", "sex": "f"},
        "sad/c.png": {"age": "NA", "sex": "m"},
    }
    assert all(not row.facts for row in opened(folders).images)


def test_a_table_in_an_archive_or_elsewhere_tells_too(folders: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for path in sorted(folders.rglob("*.png")):
            archive.write(path, path.relative_to(folders).as_posix())
        archive.writestr("people.csv", PEOPLE)
    assert [row.facts.get("sex") for row in opened(tmp_path / "faces.zip", "sex").images] == [None, "f", "m"]
    (tmp_path / "사람.csv").write_text(PEOPLE, "cp949")
    rows = opened(folders, "sex", metadata=tmp_path / "사람.csv").images
    assert [row.facts.get("sex") for row in rows] == [None, "f", "m"]


@pytest.mark.parametrize("own", [False, True])
def test_two_tables_that_each_name_a_picture_from_their_own_folder(folders: Path, tmp_path: Path, own: bool) -> None:
    (tmp_path / "faces.csv").write_text("path,label\nfaces/happy/가.png,happy\nfaces/happy/b.png,happy\n", "utf-8")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "people.csv").write_text(
        "path,age\n../faces/happy/가.png,31\n../faces/sad/c.png,7\n", "utf-8"
    )
    # The data may be the folder itself, or a link to it, instead of a table.
    (tmp_path / "link").symlink_to(folders)
    rows = opened(tmp_path / ("link" if own else "faces.csv"), "age", metadata=tmp_path / "other" / "people.csv").images
    found = {Path(row.name).name: row.facts for row in rows}
    assert found == {"가.png": {"age": "31"}, "b.png": {}} | ({"c.png": {"age": "7"}} if own else {})


def test_columns_of_the_datas_own_table(folders: Path, tmp_path: Path) -> None:
    (folders / "all.csv").write_text("path,label,mood\nhappy/b.png,happy,good\nsad/c.png,sad,bad\n", "utf-8")
    assert [row.facts for row in opened(folders / "all.csv", "mood").images] == [{"mood": "good"}, {"mood": "bad"}]
    (tmp_path / "texts.csv").write_text("text,label,mood\n좋아,happy,good\n", "utf-8")
    assert [row.facts for row in opened(tmp_path / "texts.csv", "mood").texts] == [{"mood": "good"}]


def test_a_column_that_is_nowhere_is_one_sentence(folders: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has the columns path and age"):
        opened(folders, "age")
    (tmp_path / "other.csv").write_text("path,age\nsomewhere/else.png,3\n", "utf-8")
    with pytest.raises(
        UsageError, match=r"paths name no picture.*other.csv has somewhere/else.png, the data happy/b.png"
    ):
        opened(folders, "age", metadata=tmp_path / "other.csv")
    (tmp_path / "texts.csv").write_text("text,label\n좋아,happy\n", "utf-8")
    with pytest.raises(UsageError, match="table has no column age"):
        opened(tmp_path / "texts.csv", "age")


def filtered(data: Path, text: str, metadata: Path | None = None) -> Labelled:
    with open_labelled(str(data), RowSelection().knowing((), metadata, parse_filter(text))) as rows:
        return rows


def test_a_filter_keeps_rows_by_what_tables_say(folders: Path, tmp_path: Path) -> None:
    (folders / "people.csv").write_text(PEOPLE, "utf-8-sig")
    found = filtered(folders, "age >= 20 and age < 40")
    assert ([row.name for row in found.images], found.filtered) == (["happy/가.png"], 2)
    assert [row.name for row in filtered(folders, "sex != 'f'").images] == ["sad/c.png"]
    (tmp_path / "사람.csv").write_text("경로,나이\nhappy/b.png,70\n", "cp949")
    assert [row.name for row in filtered(folders, "나이 > 60", tmp_path / "사람.csv").images] == ["happy/b.png"]
    (tmp_path / "texts.csv").write_text("text,label,mood\n좋아,happy,good\n싫어,sad,bad\n", "utf-8")
    assert [row.text for row in filtered(tmp_path / "texts.csv", "mood == 'bad'").texts] == ["싫어"]


def test_a_filter_that_cannot_be_answered_is_one_sentence(folders: Path, tmp_path: Path) -> None:
    (folders / "people.csv").write_text(PEOPLE, "utf-8")
    with pytest.raises(UsageError, match=r"path and height \(people.csv has path, label, Age, sex\)"):
        filtered(folders, "age > 3 and height > 150")
    with pytest.raises(UsageError, match=r"No rows are left of .* or --filter"):
        filtered(folders, "age > 90")
    (tmp_path / "texts.csv").write_text("text,label,mood\n좋아,happy,good\n", "utf-8")
    with pytest.raises(UsageError, match="no column age: it has text, label, mood"):
        filtered(tmp_path / "texts.csv", "age > 3")
