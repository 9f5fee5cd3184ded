"""The Python front doors: what they take, what they say of themselves, and what a person should know of the words."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import clip_emotion
from clip_emotion import Predictions, ZeroShotLabeller
from clip_emotion.errors import MissingExtraError, UsageError
from clip_emotion.label import FAMILIES
from clip_emotion.models.word_pieces import WordPieces
from clip_emotion.retrieval.labelling.notices import word_notices
from clip_emotion.retrieval.labelling.rows import RunCard, to_row
from clip_emotion.vocabulary import Vocabulary
from tests.support.fakes import FakeEncoder
from tests.support.pictures import plain, save

COLOURS = Vocabulary.from_words(["red", "green", "blue"])


@pytest.fixture
def labeller() -> ZeroShotLabeller:
    return ZeroShotLabeller(FakeEncoder(), COLOURS)


def test_the_package_names_what_it_offers() -> None:
    assert {"ZeroShotLabeller", "evaluate", "load_encoder", "Vocabulary"} <= set(dir(clip_emotion))
    assert all(getattr(clip_emotion, name) for name in clip_emotion.__all__)


def test_a_labeller_says_what_it_is(labeller: ZeroShotLabeller) -> None:
    assert repr(labeller) == "ZeroShotLabeller(fake, own: 3 words in en: red, green, blue)"


def test_stream_takes_what_calling_takes(labeller: ZeroShotLabeller, tmp_path: Path) -> None:
    path = save(plain("blue"), tmp_path / "a.png")
    found = list(labeller.stream([str(path), path, plain("red"), path.read_bytes()], top=1))
    assert [row.best.label for row in found if row.best] == ["blue", "blue", "red", "blue"]
    endless = iter(lambda: str(path), "")
    assert next(labeller.stream(endless)).best
    for single in (str(path), path, plain("red"), path.read_bytes()):
        with pytest.raises(UsageError, match="several images"):
            next(labeller.stream(single))


def test_one_text_alone_is_one_text(labeller: ZeroShotLabeller) -> None:
    assert labeller.label_texts("a red sky") == labeller.label_texts(["a red sky"])


def test_python_and_json_lines_name_alike(labeller: ZeroShotLabeller) -> None:
    (row,) = labeller(plain("red"))
    values = row.to_dict()
    line = to_row(row, RunCard(row.model, "own", 3))
    assert {name: line[name] for name in values} == values
    assert json.loads(json.dumps(values)) == values
    for name in values["face"]:
        assert hasattr(row.face, name)
    for name in values["labels"][0]:
        assert getattr(row.labels[0], name) == values["labels"][0][name]


def test_rows_become_a_table_named_as_json_lines(labeller: ZeroShotLabeller, tmp_path: Path) -> None:
    rows = labeller([plain("red"), tmp_path / "none.png", plain("blue")], top=2)
    table = rows.to_pandas()
    assert list(table["rank"]) == [1, 2, 0, 1, 2]
    assert list(table[table["rank"] == 1]["label"]) == ["red", "blue"]
    line = rows.to_dicts()[0]
    flat = {*line, *(f"face.{name}" for name in line["face"]), *line["labels"][0], "rank"} - {"face", "labels"}
    assert set(table.columns) == flat
    assert table["probability"][0] == rows[0].labels[0].probability
    assert "none.png" in table["path"][2]
    assert table["error"][2] == rows[1].error
    streamed = Predictions(labeller.stream([plain("red"), plain("blue")], top=2)).to_pandas()
    assert list(streamed["name"]) == list(table["name"].dropna())
    assert list(Predictions().to_pandas().columns) == list(table.columns)


def test_a_table_says_how_to_get_pandas(labeller: ZeroShotLabeller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"to_pandas needs pandas.*pip install 'clip-emotion\[pandas\]'"):
        labeller(plain("red")).to_pandas()


@pytest.mark.parametrize("words", [[1, 2], ["red", None], [["red"]]])
def test_words_are_texts(words: list[object]) -> None:
    with pytest.raises(UsageError, match="words are texts"):
        ZeroShotLabeller.load(vocabulary=words)


@pytest.mark.parametrize("text", ["설렘;당황;슬픔", "설렘；당황", "설렘\n당황\n슬픔", "설렘|당황", "설렘\t당황"])
def test_words_parted_by_other_signs_are_told(text: str) -> None:
    with pytest.raises(UsageError, match="part words with commas, '설렘,당황"):
        Vocabulary.from_list(text)


def test_one_word_alone_says_that_its_share_means_nothing() -> None:
    (alone,) = ZeroShotLabeller(FakeEncoder(), Vocabulary.from_list("설렘 당황 슬픔")).notices
    assert "100 %" in alone
    assert "'설렘,당황,슬픔'" in alone
    assert ZeroShotLabeller(FakeEncoder(), COLOURS).notices == ()


def test_unknown_vocabularies_and_families_are_told_with_what_was_meant(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean kote44"):
        Vocabulary.load("kote4")
    with pytest.raises(UsageError, match="Unknown vocabulary 'nothing': use one of"):
        Vocabulary.load("nothing")
    path = tmp_path / "own.yaml"
    path.write_text("labels:\n  - {en: elated, families: [hapy]}\n", "utf-8")
    with pytest.raises(UsageError, match="unknown family 'hapy', perhaps happy"):
        Vocabulary.load(path)
    assert Vocabulary.load("basic8").keys == FAMILIES


@pytest.mark.parametrize(
    ("words", "doubted"),
    [
        (["alegría", "tristeza", "miedo"], "alegría, tristeza, miedo"),
        (["嬉しい", "悲しみ", "설렘"], "嬉しい, 悲しみ"),
        (["xqzt", "happy", "sad", "angry"], "xqzt"),
        (["설렘", "비장함", "뿌듯함"], ""),
        (["awe", "serenity", "melancholy"], ""),
        (["bold", "calm", "shy", "proud"], ""),
    ],
)
def test_words_that_the_mini_cannot_read_are_doubted(words: list[str], doubted: str) -> None:
    notices = ZeroShotLabeller.load(vocabulary=words, lang="auto").notices
    assert (f"answers for {doubted} mean little" in " ".join(notices)) if doubted else notices == ()


def test_shipped_words_are_not_doubted() -> None:
    class Spelling(FakeEncoder):
        def word_pieces(self, words: list[str]) -> list[WordPieces]:
            return [WordPieces(len(word), 1) for word in words]

    assert word_notices(Spelling(), Vocabulary.load("kote44"), "en") == ()
    assert word_notices(Spelling(), Vocabulary.from_words(["qq", "ww"]), "en") != ()
