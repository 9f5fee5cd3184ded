"""The sentence teacher: what it learns, what it leaves behind, and what the message tower takes from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertModel

from clip_emotion.errors import ModelError
from clip_emotion.models.mini.encoder import load_mini
from clip_emotion.training.corpora import TextRows
from clip_emotion.training.mini import answers_stage
from clip_emotion.training.mini.answers import ANSWERS, SentenceTeacherObjective, load_answers
from clip_emotion.training.mini.answers_config import SentenceTeacherConfig
from clip_emotion.training.mini.chats_tasks import chat_rows
from clip_emotion.training.mini.messages_config import MiniMessagesConfig
from clip_emotion.training.mini.messages_stage import load_objective
from clip_emotion.training.mini.teacher import Sentences, digest_of
from clip_emotion.training.registry import check, plan, train
from tests.support.minis import tiny_mini
from tests.training.test_mini_chats import write_chats
from tests.training.test_mini_messages import write_config

WORDS = ("[PAD]", "[UNK]", "good", "bad", "day", "so", "very")


def tiny_sentences() -> Sentences:
    torch.manual_seed(0)
    tokenizer = Tokenizer(WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = BertModel(
        BertConfig(vocab_size=len(WORDS), hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **sizes)
    )
    return Sentences(model, 8, tokenizer)


def config(folder: Path, **changes: object) -> SentenceTeacherConfig:
    fit = {"steps": 4, "learning_rate": 0.01, "precision": "fp32", "evaluate_every": 2, "save_every": 2}
    # Those of the message tower's configuration: answers are on exactly the texts that train it.
    kept_out = {"kote_validation": 3, "kote_tuning": 2, "exclude": ["seen.tsv.gz"]}
    sources = {"folder": str(folder), "prepared": str(folder / "prepared"), **kept_out}
    values = {"kind": "sentence_teacher", "sources": sources, "out": str(folder / "teacher"), "batch": 4, "fit": fit}
    return SentenceTeacherConfig.model_validate({**values, **changes})


def objective(texts: list[str]) -> SentenceTeacherObjective:
    targets = torch.zeros(len(texts), 28)
    targets[:, 0], targets[::2, 1] = 1, 1
    rows = TextRows(tuple(texts), targets)
    return SentenceTeacherObjective(config(Path("none")), tiny_sentences(), rows, rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_mini().save(write_chats(tmp_path) / "mini")
    (tmp_path / "pairs.jsonl").write_text(json.dumps({"colder": "꺼져", "warmer": "사랑해"}) + "\n", "utf-8")
    return tmp_path


@pytest.fixture
def taught(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(answers_stage, "load_sentences", tiny_sentences)
    monkeypatch.setattr(answers_stage, "model_folder", lambda: folder)
    path = folder / "teacher.yaml"
    path.write_text(yaml.safe_dump(config(folder).model_dump(mode="json")), "utf-8")
    assert {raw.name for raw in check([plan(path)])} >= {"goemotions_train.tsv.gz", "emorynlp_train.tsv.gz"}
    outcome = train(path, [], lambda progress: None)
    assert 0 <= outcome.metrics["goemotions_en_hit1"] <= 1
    return folder / "teacher"


def test_every_comment_is_read_once_an_epoch_in_an_order_of_its_own() -> None:
    built = objective([" ".join(["good", "day"] * (1 + at % 5)) for at in range(22)])
    epochs = [[row for batch in built._batches(epoch) for row in batch] for epoch in range(2)]
    assert all(sorted(epoch) == list(range(22)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert built.steps_an_epoch == len(built._batches(0)) == 6
    assert all(len(batch) <= 4 for batch in built._batches(1))
    assert float(built.loss(7, 0.5).detach()) == float(objective([*map(str, built.check.texts)]).loss(7, 0.5).detach())


def test_padding_says_nothing() -> None:
    built = objective(["good", "good day so very bad", "bad"])
    model = built.model.eval()
    together = built.read(model, built.ids)
    alone = torch.cat([built.read(model, [one]) for one in built.ids])
    torch.testing.assert_close(together, alone, atol=2e-2, rtol=0)  # in bf16
    assert not torch.allclose(together[0], together[1], atol=5e-2)


def test_a_comment_with_two_labels_is_half_of_each() -> None:
    built = objective(["good day", "bad day"])
    assert built.targets[0, :2].tolist() == [0.5, 0.5]
    assert built.targets[1, :2].tolist() == [1.0, 0.0]
    assert built.lr_scale("head.weight") == 10
    assert built.lr_scale("encoder.embeddings.x") == 1


def test_the_stage_leaves_answers_on_what_trains_and_no_weights(taught: Path, folder: Path) -> None:
    training, _ = chat_rows(config(folder).sources)
    for name in answers_stage.ANSWERED:
        answers = load_answers(taught, training[name].texts, 28)
        assert answers.shape == (len(training[name].texts), 28)
        torch.testing.assert_close(answers.sum(dim=1), torch.ones(len(answers)))
    assert [path.name for path in taught.glob("*.safetensors")] == [ANSWERS]


def test_answers_on_other_texts_or_none_are_told(taught: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="answers on other texts: train the teacher again"):
        load_answers(taught, ["good day"], 28)
    with pytest.raises(ModelError, match="gone holds no answers of a teacher"):
        load_answers(tmp_path / "gone", ["good day"], 28)
    (taught / ANSWERS).write_bytes(b"x")
    with pytest.raises(ModelError, match="holds no answers"):
        load_answers(taught, ["good day"], 28)


def test_the_message_tower_learns_the_answers(taught: Path, folder: Path) -> None:
    path = write_config(folder, answers=[{"folder": str(taught), "weight": 0.25, "asked": {"emorynlp": 2}}])
    values = yaml.safe_load(path.read_text("utf-8"))
    values["tasks"] += [{"corpus": "goemotions_en", "batch": 3}, {"corpus": "goemotions_ko", "batch": 3}]
    path.write_text(yaml.safe_dump(values, allow_unicode=True), "utf-8")
    asked = MiniMessagesConfig.model_validate(values)
    mini = load_mini(folder / "mini", torch.device("cpu"))
    with_answers = load_objective(asked, mini, mini)
    without = load_objective(asked.model_copy(update={"answers": ()}), mini, mini)
    training, _ = chat_rows(asked.sources)
    said = load_answers(taught, training["goemotions_en"].texts, 28)
    by_name = {task.name: task for task in with_answers.tasks}
    for before in without.tasks:
        expected = before.targets
        if before.name.startswith("goemotions"):
            expected = 0.75 * before.targets + 0.25 * said
        torch.testing.assert_close(by_name[before.name].targets, expected)
    extra = by_name["emorynlp_in_goemotions_en"]
    torch.testing.assert_close(extra.targets, load_answers(taught, training["emorynlp"].texts, 28))
    assert (extra.batch, extra.weight, len(extra.words)) == (2, 0.5, 28)
    assert torch.isfinite(with_answers.loss(0, 0.0))


def test_a_teacher_that_is_not_there_is_told_before_training(folder: Path) -> None:
    path = write_config(folder, answers=[{"folder": str(folder / "gone")}])
    with pytest.raises(ModelError, match="gone holds no answers of a teacher"):
        check([plan(path)])


def test_one_command_checks_a_teacher_and_two_towers_that_learn_from_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers_stage, "model_folder", lambda: folder)
    teacher = folder / "teacher.yaml"
    teacher.write_text(yaml.safe_dump(config(folder).model_dump(mode="json")), "utf-8")
    tower = write_config(folder, answers=[{"folder": str(folder / "teacher")}])
    second = folder / "second.yaml"
    values = yaml.safe_load(tower.read_text("utf-8"))
    values.update(chats=values["out"], out=str(folder / "out_2"), mean_with=[values["out"]])
    second.write_text(yaml.safe_dump(values, allow_unicode=True), "utf-8")
    assert check([plan(teacher), plan(tower), plan(second)])
    with pytest.raises(ModelError, match="out"):  # nothing makes what the second goes on from
        check([plan(teacher), plan(second)])


def test_digests_tell_lists_of_texts_apart() -> None:
    assert len({digest_of(["a", "b"]), digest_of(["b", "a"]), digest_of(["ab"]), digest_of(["a"])}) == 4
