"""Raw folders, zips and tables: what is read, and what is refused."""

from __future__ import annotations

import gzip
import io
import unicodedata
import zipfile
from pathlib import Path

import pytest

from clip_emotion.data import sources
from clip_emotion.data.sources import open_source, open_table
from clip_emotion.data.tables import encoding_of, find_table
from clip_emotion.errors import DataError, ImageError
from tests.support.archives import damaged_zips


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_folder_lists_nfc_names_without_hidden_files(tmp_path):
    nfd = unicodedata.normalize("NFD", "화남")
    (tmp_path / nfd).mkdir()
    (tmp_path / nfd / "가.png").write_bytes(b"x")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "b.png").write_bytes(b"x")
    with open_source(tmp_path) as source:
        assert source.names() == ["화남/가.png"]
        assert source.read("화남/가.png") == b"x"


def test_folder_that_holds_one_zip_is_that_zip(tmp_path):
    make_zip(tmp_path / "a.zip", {"happy/a.png": b"x"})
    with open_source(tmp_path) as source:
        assert source.names() == ["happy/a.png"]


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "..\\evil.png", "C:/evil.png"])
def test_zip_with_a_path_that_leaves_it_is_refused(tmp_path, name):
    path = make_zip(tmp_path / "a.zip", {"happy/a.png": b"x", name: b"x"})
    with pytest.raises(DataError, match="unsafe path"), open_source(path):
        pass


def test_zip_bomb_is_refused_and_an_ordinary_member_is_not(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"happy/bomb.png": bytes(sources.RATIO_FROM + 1), "happy/a.png": b"x"})
    with open_source(path) as source:
        with pytest.raises(ImageError, match="inflates"):
            source.read("happy/bomb.png")
        assert source.read("happy/a.png") == b"x"


def test_member_over_the_limit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "IMAGE_LIMIT", 10)
    path = make_zip(tmp_path / "a.zip", {"a.png": b"x" * 11})
    with open_source(path) as source, pytest.raises(ImageError, match="limit"):
        source.read("a.png")


def test_gzip_that_grows_past_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "TABLE_LIMIT", 1000)
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(b"a" * 5000))
    with open_source(tmp_path) as source, pytest.raises(DataError, match="limit"):
        open_table(source, "a.tsv.gz").read()


def test_truncated_gzip_is_one_sentence(tmp_path):
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(b"text\tlabels\n" * 1000)[:-20])
    with open_source(tmp_path) as source, pytest.raises(DataError, match="damaged"):
        encoding_of(source, "a.tsv.gz")


def test_damaged_zip_and_missing_path(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK not really")
    with pytest.raises(DataError, match="not a readable"), open_source(tmp_path / "a.zip"):
        pass
    with pytest.raises(DataError, match="does not exist"), open_source(tmp_path / "none"):
        pass


def test_zip_with_a_name_in_no_encoding_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"가가/a.png": b"x"})
    path.write_bytes(path.read_bytes().replace("가가".encode(), b"\xff" * 6))
    with pytest.raises(DataError, match="not a readable"), open_source(path):
        pass


def test_zip_member_with_a_wrong_checksum_is_an_image_error(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"happy/a.png": b"A" * 100})
    raw = bytearray(path.read_bytes())
    raw[len("happy/a.png") + 30] ^= 0xFF
    path.write_bytes(bytes(raw))
    with open_source(path) as source, pytest.raises(ImageError, match="damaged"):
        source.read("happy/a.png")


def test_cp949_member_names_are_recovered(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("AAAA/a.png", b"x")
    raw = buffer.getvalue().replace(b"AAAA", "화남".encode("cp949"))
    (tmp_path / "a.zip").write_bytes(raw)
    with open_source(tmp_path / "a.zip") as source:
        assert source.names() == ["화남/a.png"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_in_any_encoding_and_delimiter(tmp_path, encoding, delimiter):
    lines = [["Path", "감정"], ["가.png", "화남"], ["short"]]
    (tmp_path / "t.csv").write_bytes("\n".join(delimiter.join(line) for line in lines).encode(encoding))
    with open_source(tmp_path / "t.csv") as source:
        table = find_table(source, "t.csv", {"path": ["path"], "label": ["label", "감정"]}, ("path", "label"))
        assert table is not None
        assert list(table.rows()) == [(2, {"path": "가.png", "label": "화남"}), (3, None)]


def test_table_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"path,label\n\xff\xfe\xff\xff")
    with open_source(tmp_path / "t.csv") as source, pytest.raises(DataError, match="neither UTF-8 nor CP949"):
        encoding_of(source, "t.csv")


def test_no_damage_to_a_zip_ends_in_anything_but_a_sentence(tmp_path):
    path, refused = tmp_path / "a.zip", 0
    for raw in damaged_zips("happy/a.png", b"pixels " * 400, 60):
        path.write_bytes(raw)
        try:
            with open_source(path) as source:
                for name in source.names():
                    source.read(name)
                    with source.open(name) as table:
                        table.read(1)
        except DataError:
            refused += 1
    assert refused > 120
