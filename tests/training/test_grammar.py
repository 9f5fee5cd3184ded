"""Messages by rule: they mean what their family says, vary, and are none that validates."""

from __future__ import annotations

import json
import os
import random
import re
import unicodedata
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clip_emotion.data.tables import read_column
from clip_emotion.errors import DataError, UsageError
from clip_emotion.resources import datasets_dir
from clip_emotion.text import fold
from clip_emotion.training.mini.forms import other_form
from clip_emotion.training.mini.grammar import Grammar, deny
from clip_emotion.training.mini.slips import by_ear, joined, slipped
from clip_emotion.vocabulary import Vocabulary

DATA = Path(os.environ.get("CLIP_EMOTION_REAL_DATA") or Path(__file__).parents[3] / "shared" / "data")
KOTE = Vocabulary.load("kote44")
TINY = {
    "meanings": {"warm": {"행복": 0.5, "기쁨": 0.5}, "cold": {"짜증": 1.0}},
    "predicates": {"liked": [["좋", "좋아", "좋다"]]},
    "slots": {"who": ["너", "우리"]},
    "families": [
        {"meaning": "warm", "ko": ["{who} {liked}"]},
        {"meaning": "cold", "ko": ["{who} {liked-}"], "en": ["[no|nope]"]},
    ],
}


def tiny(folder: Path, **changes: object) -> Grammar:
    path = folder / "messages.yaml"
    path.write_text(yaml.safe_dump({**TINY, **changes}, allow_unicode=True), encoding="utf-8")
    return Grammar.load(KOTE, slips=0, path=path)


def test_the_shipped_grammar_gives_distributions_and_many_messages() -> None:
    grammar = Grammar.load(KOTE)
    texts, meant = grammar.draw(3000, random.Random(0))
    assert torch.allclose(meant.sum(dim=1), torch.ones(3000))
    assert len(set(texts)) > 2000
    assert not [text for text in texts if not text.strip() or set("{}[]|") & set(text)]
    again, _ = grammar.draw(3000, random.Random(0))
    assert again == texts


def test_a_denied_predicate_is_denied_and_an_affirmed_one_is_not(tmp_path: Path) -> None:
    texts, meant = tiny(tmp_path).draw(400, random.Random(1))
    denied = re.compile("안 |않")
    for text, row in zip(texts, meant, strict=True):
        if text in ("no", "nope"):
            continue
        assert bool(denied.search(text)) == bool(row[KOTE.index("짜증")] == 1), text
        assert text.split()[0] in ("너", "우리")


def test_a_forbidden_message_is_never_drawn(tmp_path: Path) -> None:
    tiny(tmp_path)
    path = tmp_path / "messages.yaml"
    grammar = Grammar.load(KOTE, slips=0, forbidden=["우리 좋아", "NO"], path=path)
    texts, _ = grammar.draw(400, random.Random(2))
    assert "우리 좋다" in texts
    assert not {"우리 좋아", "no"} & set(texts)
    families = [{"meaning": "cold", "en": ["no"]}]
    tiny(tmp_path, families=families)
    with pytest.raises(DataError, match="nothing but forbidden"):
        Grammar.load(KOTE, slips=0, forbidden=["no"], path=path).draw(1, random.Random(0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"families": [{"meaning": "warm", "ko": ["{nobody}"]}]}, "neither a slot nor a predicate"),
        ({"families": [{"meaning": "warm", "ko": ["{who-}"]}]}, "neither a slot nor a predicate"),
        ({"families": [{"meaning": "odd", "ko": ["너"]}]}, "not among the meanings"),
        ({"families": [{"meaning": "warm"}]}, "no template"),
        ({"meanings": {"warm": {"행복": 0.4}, "cold": {"짜증": 1}}}, "do not sum to 1"),
    ],
)
def test_a_faulty_grammar_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tiny(tmp_path, **changes)


def test_a_label_that_the_vocabulary_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'joy' is no label of kote44"):
        tiny(tmp_path, meanings={"warm": {"joy": 1.0}, "cold": {"짜증": 1.0}})


def test_no_neutral_check_comes_out_of_the_templates() -> None:
    checks = {fold(text) for text in read_column(datasets_dir() / "checks" / "neutral_messages.tsv", "text")}
    texts, _ = Grammar.load(KOTE, slips=0).draw(30_000, random.Random(3))
    assert not checks & set(map(fold, texts))


@pytest.mark.real_data
@pytest.mark.skipif(not (DATA / "warmth_pairs_dev.jsonl").is_file(), reason=f"no real data in {DATA}")
def test_no_message_that_validates_comes_out() -> None:
    lines = (DATA / "warmth_pairs_dev.jsonl").read_text("utf-8").splitlines()
    pairs = {fold(json.loads(line)[side]) for line in lines for side in ("colder", "warmer")}
    texts, _ = Grammar.load(KOTE, forbidden=sorted(pairs)).draw(100_000, random.Random(4))
    assert not pairs & set(map(fold, texts))


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("좋아", "조아"),
        ("보고 싶어", "보고 시퍼"),
        ("싫어해", "시러해"),
        ("많이", "마니"),
        ("사랑해", "사랑해"),
        ("앉아", "안자"),
    ],
)
def test_by_ear_moves_finals_where_they_are_heard(written: str, heard: str) -> None:
    assert by_ear(written, random.Random(0)) == heard


def test_joined_leaves_out_spaces_and_nothing_else() -> None:
    for seed in range(20):
        assert joined("나 너 안 좋아", random.Random(seed)).replace(" ", "") == "나너안좋아"


@given(st.sampled_from(["나 너 좋아", "I don't love you", "ㅋㅋ", "ok.", "♥", "왜 그래?"]), st.integers(0, 500))
def test_a_slipped_message_is_composed_and_never_empty(text: str, seed: int) -> None:
    slip = slipped(text, random.Random(seed))
    assert slip.strip()
    assert slip == unicodedata.normalize("NFC", slip) == slipped(text, random.Random(seed))


def test_another_form_keeps_the_stem_and_leaves_unknown_words() -> None:
    forms = {other_form("당당한", random.Random(seed)) for seed in range(200)}
    assert {"당당", "당당함", "당당하다"} <= forms
    assert all(form.startswith("당당") for form in forms)
    assert {other_form("자랑스러운", random.Random(seed)) for seed in range(50)} > {"자랑스러움", "자랑스럽다"}
    for word in ("화난", "한", "angry", "북", "착한"):
        assert other_form(word, random.Random(1)) == word


@pytest.mark.parametrize(
    ("stem", "form", "split", "denied"),
    [
        ("좋", "좋아", True, "안 좋아"),
        ("좋아하", "좋아해", False, "안 좋아해"),
        ("사랑하", "사랑해", True, "사랑 안 해"),
        ("사랑하", "사랑한다", True, "사랑 안 한다"),
        ("잘하", "잘해", True, "안 잘해"),
        ("마음에 들", "마음에 들어", False, "마음에 안 들어"),
        ("기분 좋", "기분 좋다", True, "기분 안 좋다"),
        ("보고 싶", "보고 싶어", False, "안 보고 싶어"),
    ],
)
def test_a_denial_stands_where_korean_puts_it(stem: str, form: str, split: bool, denied: str) -> None:
    assert deny(stem, form, split) == denied
