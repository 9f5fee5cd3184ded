"""The lexicon: it covers every label, says nothing twice, and holds no word that must stay unseen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from clip_emotion.data.lexicon import Concept, load_lexicon
from clip_emotion.errors import DataError, UsageError
from clip_emotion.text import has_hangul, nfc
from clip_emotion.vocabulary import Vocabulary

# Wider than the words themselves, so that no inflection slips in; other words of a stem (terror, gloom) may stand.
STEMS = re.compile(
    r"furious|revolted|terrified|delighted|gloomy|gloomi|astonished|expressionless"
    r"|격분|구역질|겁\s?먹|신남|신나|신났|신난|우울|깜짝|무표정",
    re.IGNORECASE,
)
ENTRY = {
    "concept": "anger",
    "basic": "angry",
    "kote": ["화남/분노"],
    "goemotions": ["anger"],
    "definition": {"ko": "화난 감정.", "en": "A hot feeling."},
    "words": {"ko": ["화남"], "en": ["angry"]},
}


@pytest.fixture(scope="module")
def lexicon() -> tuple[Concept, ...]:
    return load_lexicon()


def write(path: Path, *entries: object) -> Path:
    file = path / "lexicon.yaml"
    file.write_text(yaml.safe_dump(list(entries), allow_unicode=True), encoding="utf-8")
    return file


@pytest.mark.parametrize(("vocabulary", "field"), [("kote44", "kote"), ("goemotions28", "goemotions")])
def test_every_label_stands_in_exactly_one_concept(lexicon: tuple[Concept, ...], vocabulary: str, field: str) -> None:
    named = [label for entry in lexicon for label in getattr(entry, field)]
    assert sorted(named) == sorted(Vocabulary.load(vocabulary).keys)


def test_every_basic_emotion_has_many_words(lexicon: tuple[Concept, ...]) -> None:
    for key in Vocabulary.load("basic8").keys:
        for language in ("ko", "en"):
            assert sum(len(entry.words[language]) for entry in lexicon if entry.basic == key) >= 100, (key, language)


def test_every_concept_has_words_and_definitions_in_both_languages(lexicon: tuple[Concept, ...]) -> None:
    for entry in lexicon:
        assert set(entry.definition) == set(entry.words) == {"ko", "en"}
        assert min(len(entry.words["ko"]), len(entry.words["en"])) >= 25, entry.concept
        assert has_hangul(entry.definition["ko"])
        assert not has_hangul(entry.definition["en"])
        assert all(not has_hangul(word) and word.isascii() for word in entry.words["en"]), entry.concept
        assert all(not re.search("[A-Za-z]", word) for word in entry.words["ko"]), entry.concept


def test_concepts_are_named_once_and_text_is_composed(lexicon: tuple[Concept, ...]) -> None:
    assert len({entry.concept for entry in lexicon}) == len(lexicon)
    assert all(text == nfc(text).strip() and text for entry in lexicon for text in entry.texts())


def test_no_word_belongs_to_two_families(lexicon: tuple[Concept, ...]) -> None:
    families: dict[str, set[str | None]] = {}
    for entry in lexicon:
        for words in entry.words.values():
            for word in words:
                families.setdefault(word.casefold().replace("-", " "), set()).add(entry.basic)
    assert [word for word, found in families.items() if len(found) > 1] == []


def test_no_word_agrees_with_a_basic_synonym_of_another_family(lexicon: tuple[Concept, ...]) -> None:
    owner = {alias: label.key for label in Vocabulary.load("basic8").labels for alias in label.aliases()}
    wrong = [
        (word, entry.concept, owner[word])
        for entry in lexicon
        for words in entry.words.values()
        for word in words
        if word in owner and owner[word] != entry.basic
    ]
    assert wrong == []


def test_no_form_of_a_held_out_word_stands_in_it(lexicon: tuple[Concept, ...]) -> None:
    assert [text for entry in lexicon for text in entry.texts() if STEMS.search(text)] == []


def test_words_that_faces_may_be_trained_with_hold_no_name_of_an_unseen_label(lexicon: tuple[Concept, ...]) -> None:
    unseen = Vocabulary.load("kote36")
    names = {part for key in unseen.keys for part in re.split(r"[/_()]", key) if len(part) > 1}
    opposites = re.compile("무관심|무감동")  # of 관심 and 감동, and plainly neutral
    found = [
        (word, name)
        for entry in lexicon
        if entry.basic and not set(entry.kote) & set(unseen.keys)
        for word in entry.words["ko"]
        for name in names
        if name in opposites.sub("", word)
    ]
    assert found == []


def test_the_stems_catch_every_held_out_word() -> None:
    for label in Vocabulary.load("synonyms7").labels:
        for name in label.names.values():
            assert STEMS.search(name), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"words": {"ko": ["화남"], "en": ["Furious look"]}}, "must stay unseen"),
        ({"definition": {"ko": "격분한 감정.", "en": "A hot feeling."}}, "must stay unseen"),
        ({"words": {"ko": ["화남", "화남"], "en": ["angry"]}}, "stands in anger already"),
        ({"words": {"ko": ["화남"]}}, "words.en is missing"),
        ({"kote": ["분노"]}, "'분노' is not in kote44"),
        ({"basic": "cross"}, "'cross' is not in basic8"),
    ],
)
def test_a_faulty_lexicon_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        load_lexicon(write(tmp_path, {**ENTRY, **change}))


def test_a_lexicon_of_one_concept_loads_frozen(tmp_path: Path) -> None:
    (entry,) = load_lexicon(write(tmp_path, ENTRY))
    assert (entry.concept, entry.basic, entry.words["ko"]) == ("anger", "angry", ("화남",))
    with pytest.raises(ValueError, match="frozen"):
        entry.concept = "rage"


@pytest.mark.parametrize("entry", [{**ENTRY, "colour": "red"}, {"concept": "anger"}, "anger"])
def test_an_entry_of_another_shape_is_misuse(tmp_path: Path, entry: object) -> None:
    with pytest.raises(UsageError, match=r"lexicon\.yaml has"):
        load_lexicon(write(tmp_path, entry))


def test_a_file_that_is_no_list_or_no_yaml_or_not_there_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "lexicon.yaml"
    with pytest.raises(DataError, match="Cannot read"):
        load_lexicon(file)
    file.write_text("concept: anger\n", encoding="utf-8")
    with pytest.raises(UsageError):
        load_lexicon(file)
    file.write_text("- [", encoding="utf-8")
    with pytest.raises(UsageError, match="not valid YAML"):
        load_lexicon(file)
