"""Unicode forms, comparison keys and file encodings."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_emotion.errors import DataError
from clip_emotion.text import fold, has_hangul, nearest, nfc, read_text

hangul = st.text(st.characters(min_codepoint=ord("가"), max_codepoint=ord("힣")), min_size=1)


@given(hangul)
def test_decomposed_hangul_composes_to_itself(word: str) -> None:
    decomposed = unicodedata.normalize("NFD", word)
    assert nfc(decomposed) == word
    assert fold(decomposed) == fold(word)
    assert has_hangul(decomposed)


@given(st.text())
def test_nfc_is_idempotent(text: str) -> None:
    assert nfc(nfc(text)) == nfc(text)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Angry", "aNGRY"),
        ("안_내킴", "안 내킴"),
        ("self-loathing", "Self  loathing "),
        ("Ａｎｇｅｒ", "anger"),
        ("기쁨·슬픔", "기쁨 슬픔"),
    ],
)
def test_fold_joins_spellings_of_one_word(left: str, right: str) -> None:
    assert fold(left) == fold(right)


def test_fold_keeps_different_words_apart() -> None:
    assert len({fold(word) for word in ("기쁨", "기쁜", "joy", "joys", "화남/분노", "화남")}) == 6


@pytest.mark.parametrize(
    ("text", "expected"),
    [("설렘", True), ("so 좋아", True), ("ㅋㅋ", True), ("joy", False), ("", False), ("喜び", False)],
)
def test_has_hangul(text: str, expected: bool) -> None:
    assert has_hangul(text) is expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_read_text_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes("설렘, joy\n".encode(encoding))
    assert read_text(path) == "설렘, joy\n"


def test_read_text_composes_hangul(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(unicodedata.normalize("NFD", "설렘"), encoding="utf-8")
    assert read_text(path) == "설렘"


def test_read_text_refuses_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes("설렘".encode("utf-16"))
    with pytest.raises(DataError, match="save it as UTF-8"):
        read_text(path)


def test_read_text_of_a_missing_file_or_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.txt", tmp_path):
        with pytest.raises(DataError, match="Cannot read"):
            read_text(path)


WORDS = (
    "kote44",
    "goemotions28",
    "sentiment3",
    "basic7",
    "angry",
    "surprised",
    "table",
    "기쁨",
    "슬픔",
    "설렘",
    "감사",
)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("kote4", "kote44"),
        ("KOTE 44", "kote44"),
        ("emotions28", "goemotions28"),
        ("baisc7", "basic7"),
        ("angyr", "angry"),
        ("Surprized", "surprised"),
        ("기뿜", "기쁨"),
        ("슬프", "슬픔"),
        ("설레임", "설렘"),
        (unicodedata.normalize("NFD", "설램"), "설렘"),
    ],
)
def test_a_slip_is_guessed(typed: str, meant: str) -> None:
    assert nearest(typed, WORDS) == meant


@pytest.mark.parametrize(
    "typed", ["nothing", "cats", "banana", "words", "xyz", "ab", "", "사과", "책상", "고양이", "🙂"]
)
def test_nonsense_is_not_answered(typed: str) -> None:
    assert nearest(typed, WORDS) is None
