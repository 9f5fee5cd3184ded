"""The words stage: what it is taught, what it holds, and what an English word gets from its neighbours."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import yaml
from tokenizers import Tokenizer
from torch import Tensor

from clip_emotion.data.lexicon import Concept
from clip_emotion.models.mini.encoder import load_mini
from clip_emotion.models.mini.files import PARTS
from clip_emotion.text import fold
from clip_emotion.training.mini import bridge
from clip_emotion.training.mini.bridge import bridged_words
from clip_emotion.training.mini.words import ValenceConfig, concept_matrix, leaning_words
from clip_emotion.training.mini.words_config import BridgeConfig
from clip_emotion.training.prompts import is_kept_out
from clip_emotion.training.registry import train
from clip_emotion.vocabulary import Vocabulary
from tests.support.minis import tiny_mini, write_texts

CPU = torch.device("cpu")


def embedded(texts: Sequence[str], cache: Path) -> Tensor:
    """Unit vectors by the texts' first letters, so that a word lies near those that begin like it."""
    rows = []
    for text in texts:
        generator = torch.Generator().manual_seed(int(hashlib.sha256(fold(text)[:2].encode()).hexdigest()[:8], 16))
        rows.append(torch.randn(16, generator=generator))
    return torch.nn.functional.normalize(torch.stack(rows), dim=1).half()


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "teacher_embeddings", embedded)
    monkeypatch.setattr(bridge, "teacher_words", lambda: ["jolly", "jovial", "grumpiest", "table"])


def concept(name: str, *words: str, **changes: object) -> Concept:
    values = {"concept": name, "basic": None, "definition": {"ko": "뜻", "en": "meaning"}}
    return Concept.model_validate({**values, "words": {"ko": ["말"], "en": list(words)}, **changes})


def taught(*candidates: str) -> list[str]:
    return [word for word in candidates if not is_kept_out(word)]


def test_a_word_takes_the_concept_of_the_words_near_it(teacher: None, tmp_path: Path) -> None:
    happy, cross = taught("joy", "joyful", "joyous", "jokes"), taught("grump", "grouch", "grr", "groan")
    concepts = [concept("joy", *happy), concept("anger", *cross)]
    config = BridgeConfig(often=1, phrases=0, near=0.99, sure=0.5)
    words, likely = bridged_words(config, concepts, ["Such a jolly, grumpy day"], ["jovial"], tmp_path)
    assert set(words) == {"jolly", "grumpy", "grumpiest"}
    assert torch.allclose(likely.sum(dim=1), torch.ones(len(words)), atol=1e-5)
    assert [int(row.argmax()) for row in likely] == [0 if word == "jolly" else 1 for word in words]


def test_concepts_share_a_weight_of_one_and_the_first_entry_tells() -> None:
    basic = Vocabulary.load("basic8")
    concepts = [concept("a", "x", faces=["sad", "angry"]), concept("b", "y", basic="happy"), concept("a", "z")]
    matrix = concept_matrix(concepts, basic, "basic")
    assert matrix.shape == (2, 8)
    assert matrix[0, basic.index("sad")] == matrix[0, basic.index("angry")] == 0.5
    assert matrix[1, basic.index("happy")] == 1
    assert matrix.sum() == 2


def test_words_of_reviews_lean_to_the_side_on_which_they_stand() -> None:
    reviews = ["감동 최고 영화"] * 30 + ["지루 최악 영화"] * 30
    poles = torch.tensor([[1.0, 0.0]] * 30 + [[0.0, 1.0]] * 30)
    leaning = leaning_words(reviews, poles, ValenceConfig(often=20, lean=0.2), ["최고"])
    found = dict(zip(leaning.words, leaning.targets["sentiment"].tolist(), strict=True))
    assert set(found) == {"감동", "지루", "최악"}
    assert found["감동"] == pytest.approx([31 / 32, 1 / 32])
    assert found["지루"] == pytest.approx([1 / 32, 31 / 32])


def test_the_stage_changes_the_words_and_nothing_else(teacher: None, tmp_path: Path) -> None:
    tiny_mini().save(write_texts(tmp_path) / "base")
    config = {
        "kind": "mini_words",
        "base": str(tmp_path / "base"),
        "out": str(tmp_path / "out"),
        "sources": {
            "folder": str(tmp_path),
            "prepared": str(tmp_path / "prepared"),
            "kote_validation": 3,
            "kote_tuning": 2,
        },
        "batch": {"lexicon": 24, "bridge": 4, "valence": 4, "kept": 8},
        "bridge": {"often": 1, "phrases": 10, "near": -1, "sure": 0},
        "valence": {"often": 1, "lean": 0.0},
        "fit": {"steps": 2, "learning_rate": 0.01, "precision": "fp32", "evaluate_every": 2},
    }
    path = tmp_path / "words.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    outcome = train(path, [], lambda progress: None)
    assert set(outcome.metrics) == {"new_words_ko", "new_words_en", "kept_cosine"}
    assert (tmp_path / "out" / PARTS[1]).read_bytes() != (tmp_path / "base" / PARTS[1]).read_bytes()
    # Written again, the tokenizer's scores may differ in their last digit: what it reads is the same.
    after, before = (Tokenizer.from_file(str(tmp_path / name / PARTS[3])) for name in ("out", "base"))
    assert after.get_vocab() == before.get_vocab()
    assert after.encode("기쁨 this is a test").ids == before.encode("기쁨 this is a test").ids
    assert load_mini(tmp_path / "base", CPU).encode_texts(["기쁨"]).shape == (1, 6)
