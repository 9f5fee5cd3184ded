"""The words stage: what it is taught, what it holds, and what an English word gets from its neighbours."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from clip_emotion.data.lexicon import Concept, load_lexicon
from clip_emotion.errors import UsageError
from clip_emotion.models.mini.encoder import load_mini
from clip_emotion.models.mini.files import PARTS
from clip_emotion.text import fold
from clip_emotion.training.mini import words
from clip_emotion.training.mini.bridge import TEACHERS, Unseen, WordTeacher, bridged_words, still_words
from clip_emotion.training.mini.words import ValenceConfig, concept_matrix, leaning_words, load_texts
from clip_emotion.training.mini.words_config import BridgeConfig, MiniWordsConfig, StillConfig
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
    return torch.nn.functional.normalize(torch.stack(rows), dim=1)


ENGLISH = WordTeacher("en", TEACHERS[0].shape, lambda: ["jolly", "jovial", "grumpiest", "table"], embedded)
KOREAN = WordTeacher("ko", TEACHERS[1].shape, lambda: ["기쁘다"], embedded)


@pytest.fixture
def teachers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "TEACHERS", (ENGLISH, KOREAN))


def concept(name: str, *words: str, **changes: object) -> Concept:
    values = {"concept": name, "basic": None, "definition": {"ko": "뜻", "en": "meaning"}}
    return Concept.model_validate({**values, "words": {"ko": ["말"], "en": list(words)}, **changes})


def taught(*candidates: str) -> list[str]:
    return [word for word in candidates if not is_kept_out(word)]


def test_a_word_takes_the_concept_of_the_words_near_it(tmp_path: Path) -> None:
    happy, cross = taught("joy", "joyful", "joyous", "jokes"), taught("grump", "grouch", "grr", "groan")
    concepts = [concept("joy", *happy), concept("anger", *cross)]
    config = BridgeConfig(often=1, phrases=0, near=0.99, sure=0.5)
    comments = ["Such a jolly, grumpy day"]
    found, likely = bridged_words(config, ENGLISH, concepts, comments, Unseen(["jovial"]), tmp_path)
    assert set(found) == {"jolly", "grumpy", "grumpiest"}
    assert torch.allclose(likely.sum(dim=1), torch.ones(len(found)), atol=1e-5)
    assert [int(row.argmax()) for row in likely] == [0 if word == "jolly" else 1 for word in found]


def test_a_text_of_which_the_teacher_knows_nothing_is_not_bridged(tmp_path: Path) -> None:
    def embed(texts: Sequence[str], cache: Path) -> Tensor:
        known = torch.tensor([[0.0 if "grumpy" in text else 1.0] for text in texts])
        return embedded(texts, cache) * known

    concepts = [concept("joy", *taught("joy", "joyous")), concept("anger", *taught("grump", "grouch"))]
    config = BridgeConfig(often=1, phrases=0, near=-1, sure=0)
    teacher = replace(ENGLISH, embed=embed)
    found, _ = bridged_words(config, teacher, concepts, ["a grumpy lady"], Unseen([]), tmp_path)
    assert "lady" in found
    assert "grumpy" not in found


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Gloomy", True),
        ("so gloomy today", True),
        ("gloom", False),
        ("너무 우울해서", True),
        ("깜짝놀람 놀랍다", True),
        ("깜짝 놀라서", True),
        ("신나요", True),
        ("가뜬한", True),
        ("신발", False),
        ("엥", True),
        ("엥겔", False),
        ("기쁨", False),
    ],
)
def test_unseen_words_are_held_within_others_unless_of_one_letter(text: str, held: bool) -> None:
    assert Unseen(["gloomy", "우울", "엥", "깜짝 놀람", "신남", "가뜬하다"]).holds(text) is held


def test_what_only_measures_is_never_taught(tmp_path: Path) -> None:
    (tmp_path / "rated.tsv").write_text("word\tvalence\n가뜬하다\t2.3\n기쁨\t2.9\n", encoding="utf-8")
    config = MiniWordsConfig.model_validate(words_config(tmp_path) | {"unseen": ["rated.tsv"]})
    unseen = words.unseen_words(config, load_lexicon())
    assert all(map(unseen.holds, ["가뜬한", "furious", "so terrified", "우울한", "겁먹다", "쫄림", "hangry"]))
    assert not any(map(unseen.holds, ["angry", "기쁨", "행복하다"]))


def test_the_commonest_words_that_nothing_teaches_are_held() -> None:
    comments = ["Table chair table", "table chair and gloomy", "gloomy gloomy jolly jolly jolly"]
    unseen, config = Unseen(["gloomy"]), StillConfig(often=2, most=2)
    assert still_words(config, ENGLISH, comments, {"jolly"}, unseen) == ["table", "chair"]
    assert still_words(StillConfig(often=3, most=9), ENGLISH, comments, {"jolly"}, unseen) == ["table"]
    assert still_words(StillConfig(), ENGLISH, comments, set(), unseen) == []


def test_words_that_nothing_teaches_and_names_are_among_what_is_held(teachers: None, tmp_path: Path) -> None:
    write_texts(tmp_path)
    plain = MiniWordsConfig.model_validate(words_config(tmp_path) | {"bridge": {}})
    before = load_texts(plain)
    after = load_texts(plain.model_copy(update={"still": StillConfig(often=1, most=3)}))
    held = set(after.kept) - set(before.kept)
    assert held
    assert held.isdisjoint([*after.lexicon.words, *after.valence.words])
    assert {"기쁨", "happy"} <= set(after.kept[: after.names])
    assert after.names == before.names < len(before.kept)


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
    leaning = leaning_words(reviews, poles, ValenceConfig(often=20, lean=0.2), Unseen(["최고"]))
    found = dict(zip(leaning.words, leaning.targets["sentiment"].tolist(), strict=True))
    assert set(found) == {"감동", "지루", "최악"}
    assert found["감동"] == pytest.approx([31 / 32, 1 / 32])
    assert found["지루"] == pytest.approx([1 / 32, 31 / 32])


def words_config(folder: Path) -> dict[str, object]:
    bridge = {"often": 1, "phrases": 10, "near": -1, "sure": 0}
    return {
        "kind": "mini_words",
        "base": str(folder / "base"),
        "out": str(folder / "out"),
        "sources": {
            "folder": str(folder),
            "prepared": str(folder / "prepared"),
            "kote_validation": 3,
            "kote_tuning": 2,
        },
        "batch": {"lexicon": 24, "bridge": 4, "valence": 4, "kept": 8, "names": 3},
        "bridge": {"en": bridge, "ko": bridge},
        "valence": {"often": 1, "lean": 0.0},
        "fit": {"steps": 2, "learning_rate": 0.01, "precision": "fp32", "evaluate_every": 2},
    }


def test_the_stage_changes_the_words_and_nothing_else(teachers: None, tmp_path: Path) -> None:
    tiny_mini(text_thresholds={"own": {"a": 0.3}}).save(write_texts(tmp_path) / "base")
    config = words_config(tmp_path)
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
    described = yaml.safe_load((tmp_path / "out" / PARTS[0]).read_text("utf-8"))
    assert (described["text_threshold"], described["text_thresholds"]) == (tiny_mini().text_threshold, {})


def test_the_result_is_the_weighted_mean_with_other_towers(teachers: None, tmp_path: Path) -> None:
    tiny_mini().save(write_texts(tmp_path) / "base")
    path = tmp_path / "words.yaml"
    path.write_text(yaml.safe_dump(words_config(tmp_path)), encoding="utf-8")
    train(path, [f"out={tmp_path / 'whole'}"], lambda progress: None)
    others = [f"mean_with=[{tmp_path / 'base'}]", "mean_weights=[0.75, 0.25]"]
    train(path, [f"out={tmp_path / 'mean'}", *others], lambda progress: None)
    start, mean, whole = (load_file(tmp_path / name / PARTS[1]) for name in ("base", "mean", "whole"))
    assert any(not torch.equal(start[name].float(), whole[name].float()) for name in start)
    for name, weights in mean.items():
        expected = 0.25 * start[name].float() + 0.75 * whole[name].float()
        assert torch.allclose(weights.float(), expected, atol=2e-3), name


def test_a_mean_with_a_tower_of_other_sizes_or_too_few_weights_is_refused(teachers: None, tmp_path: Path) -> None:
    tiny_mini().save(write_texts(tmp_path) / "base")
    path = tmp_path / "words.yaml"
    path.write_text(yaml.safe_dump(words_config(tmp_path)), encoding="utf-8")
    bundled = Path(__file__).parents[2] / "clip_emotion" / "weights" / "mini"
    with pytest.raises(UsageError, match="mini holds no text tower of these sizes and sub-words"):
        train(path, [f"mean_with=[{bundled}]"], lambda progress: None)
    with pytest.raises(UsageError, match=r"mean_weights has 1 weight\(s\) for 2 tower\(s\)"):
        train(path, [f"mean_with=[{bundled}]", "mean_weights=[1]"], lambda progress: None)
