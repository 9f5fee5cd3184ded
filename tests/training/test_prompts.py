"""The words of training: what must stay unseen is never drawn."""

from __future__ import annotations

import random
from functools import cache

import pytest

from clip_emotion.data.lexicon import Concept, load_lexicon
from clip_emotion.label import LANGUAGES, Label
from clip_emotion.text import fold, has_hangul
from clip_emotion.training.mini.image import face_prompts
from clip_emotion.training.mini.lexicon import concept_targets, family_matrix, lexicon_entries, new_words
from clip_emotion.training.prompts import PromptBank, in_template, is_kept_out
from clip_emotion.vocabulary import Vocabulary

BASIC, UNSEEN = Vocabulary.load("basic8"), Vocabulary.load("kote36")
lexicon = cache(load_lexicon)
BANKS = {"kote44": "kote", "goemotions28": "goemotions", "basic8": "basic"}


@cache
def words_for_faces() -> PromptBank:
    return face_prompts(BASIC, UNSEEN)


def concept(name: str, ko: tuple[str, ...], en: tuple[str, ...], **labels: object) -> Concept:
    values = {"concept": name, "basic": None, "definition": {"ko": name, "en": name}, "words": {"ko": ko, "en": en}}
    return Concept.model_validate({**values, **labels})


def all_words(bank: PromptBank) -> set[str]:
    return {word for words in bank.words for group in words.values() for word in group}


def own_words(vocabulary: Vocabulary) -> set[str]:
    return {
        word
        for label in vocabulary.labels
        for word in (*label.names.values(), *(w for words in label.synonyms.values() for w in words))
    }


def test_no_word_of_an_unseen_label_stands_for_a_face() -> None:
    unseen = {fold(word) for word in own_words(UNSEEN)} | {fold(key) for key in UNSEEN.keys}
    assert not {fold(word) for word in all_words(words_for_faces())} & unseen


def test_no_word_of_a_concept_of_an_unseen_label_stands_for_a_face() -> None:
    keys = set(UNSEEN.keys)
    of_unseen = {w for c in lexicon() if keys & set(c.kote) for words in c.words.values() for w in words}
    assert not (all_words(words_for_faces()) - own_words(BASIC)) & of_unseen


def test_no_synonym_that_checks_ask_for_is_ever_trained_on() -> None:
    asked = {fold(name) for label in Vocabulary.load("synonyms7").labels for name in label.names.values()}
    banks = [PromptBank.of(Vocabulary.load(name), lexicon(), field) for name, field in BANKS.items()]
    for bank in [words_for_faces(), *banks]:
        assert not {fold(word) for word in all_words(bank)} & asked
    assert not {fold(text) for text, _ in lexicon_entries(lexicon(), kept_out=False)} & asked


@pytest.mark.parametrize(("name", "field"), BANKS.items())
def test_kept_out_words_are_never_drawn(name: str, field: str) -> None:
    """But a label's own names and synonyms are prompts that everybody uses: they are trained on in any case."""
    vocabulary = Vocabulary.load(name)
    bank = PromptBank.of(vocabulary, lexicon(), field)
    kept_out = {word for word, _ in lexicon_entries(lexicon(), kept_out=True)}
    assert len(kept_out) > 100
    assert not all_words(bank) & kept_out - own_words(vocabulary)
    assert all(group for words in bank.words for group in words.values())


def test_every_word_is_either_trained_on_or_kept_out() -> None:
    trained, kept = (lexicon_entries(lexicon(), kept_out=choice) for choice in (False, True))
    words = [(w, c) for c in lexicon() for group in c.words.values() for w in group]
    definitions = [(text, c) for c in lexicon() for text in c.definition.values()]
    assert {text for text, _ in trained}.isdisjoint(word for word, _ in kept)
    assert len(trained) + len(kept) == len(words) + len(definitions)
    assert 0.07 < len(kept) / len(words) < 0.13
    assert all(is_kept_out(word) for word, _ in kept)


def test_new_words_stand_in_no_bank() -> None:
    vocabularies = {name: Vocabulary.load(name) for name in BANKS}
    checks = {word for word, _ in new_words(lexicon(), vocabularies.values())}
    assert len(checks) > 100
    assert checks < {word for word, _ in lexicon_entries(lexicon(), kept_out=True)}
    for name, field in BANKS.items():
        assert not all_words(PromptBank.of(vocabularies[name], lexicon(), field)) & checks


def test_a_bank_gathers_names_synonyms_and_concepts() -> None:
    label = Label("joy", {"ko": "기쁨", "en": "joy"}, {"en": ("joyful",)})
    vocabulary = Vocabulary("two", (label, Label("rage", {"en": "rage"})))
    free = [word for word in ("merry", "jolly", "happy", "sunny") if not is_kept_out(word)][:2]
    concepts = [
        concept("c", ("즐거운",), tuple(free), kote=("joy",)),
        concept("d", ("싫은",), ("bad",), kote=("other",)),
    ]
    bank = PromptBank.of(vocabulary, concepts, "kote")
    assert bank.words[0]["en"] == ("joy", "joyful", *free)
    assert bank.words[0]["ko"][0] == "기쁨"
    assert bank.words[1] == {"ko": ("rage",), "en": ("rage",)}
    assert bank.without({"joyful", "joy"}).words[0]["en"] == ("joy", *free)


@pytest.mark.parametrize("language", LANGUAGES)
def test_draws_speak_one_language_and_follow_the_generator(language: str) -> None:
    bank = PromptBank.of(BASIC, lexicon(), "basic")
    drawn = [bank.draw(language, random.Random(seed)) for seed in range(30)]
    assert drawn == [bank.draw(language, random.Random(seed)) for seed in range(30)]
    for prompts in drawn:
        for prompt, words in zip(prompts, bank.words, strict=True):
            assert any(word in prompt for word in words[language])
            if language == "ko":
                assert has_hangul(prompt) or prompt in words[language]


def test_own_names_are_drawn_as_often_as_asked() -> None:
    bank = PromptBank.of(BASIC, lexicon(), "basic")
    names = BASIC.names("en")
    always = [bank.draw("en", random.Random(seed), own_name=1.0) for seed in range(20)]
    assert all(name in prompt for prompts in always for name, prompt in zip(names, prompts, strict=True))
    never = [bank.draw("en", random.Random(seed), own_name=0.0)[3] for seed in range(50)]
    assert len(set(never)) > 25


def test_templates_follow_the_words_own_language() -> None:
    rng = random.Random(0)
    for word, language in (("기쁨", "ko"), ("joy", "en")):
        made = {in_template(word, BASIC, rng) for _ in range(200)}
        assert made == {word} | {template.format(word) for template in BASIC.templates[language]}


def test_concepts_and_families_become_targets() -> None:
    concepts = [concept("c", ("가",), ("a",), basic="happy"), concept("d", ("나",), ("b",))]
    targets = concept_targets(concepts, BASIC, "basic")
    assert targets[0].nonzero().flatten().tolist() == [BASIC.index("happy")]
    assert targets[1].sum() == 0
    matrix = family_matrix(Vocabulary.load("kote44"), BASIC)
    assert set(matrix.sum(dim=1).round(decimals=5).tolist()) <= {0.0, 1.0}
    for row, label in zip(matrix, Vocabulary.load("kote44").labels, strict=True):
        assert {BASIC.keys[at] for at in row.nonzero().flatten().tolist()} == set(label.families)
