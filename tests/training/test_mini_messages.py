"""The messages stage: it adds a tower that reads order beside words and faces that stay as they were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from clip_emotion.errors import DataError, UsageError
from clip_emotion.models.mini.config import ReadingConfig
from clip_emotion.models.mini.encoder import MiniEncoder, load_mini
from clip_emotion.models.mini.files import PARTS
from clip_emotion.models.mini.message_tower import MessageTower
from clip_emotion.models.mini.storage import save_tower
from clip_emotion.training.corpora import load_corpora
from clip_emotion.training.mini import messages, messages_stage
from clip_emotion.training.mini.messages_config import MiniMessagesConfig
from clip_emotion.training.mini.thresholds import proportional_thresholds
from clip_emotion.training.registry import check, plan, train
from clip_emotion.vocabulary import Vocabulary
from tests.support.minis import SENTENCES, tiny_mini
from tests.training.test_mini_chats import settings, write_chats

CPU = torch.device("cpu")
SHIPPED = Path(__file__).parents[2] / "configs" / "train" / "mini_10_messages.yaml"


def write_config(folder: Path, **changes: object) -> Path:
    values = settings(folder)
    sources = dict(values["sources"], forbid=["pairs.jsonl"])  # type: ignore[call-overload]
    values.update(
        kind="mini_messages",
        chats=values["base"],
        sources=sources,
        reading={"layers": 1, "heads": 2, "feed_forward": 16},
        rules={"batch": 8},
        teacher=0.0,
        **changes,
    )
    path = folder / "messages.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_mini().save(write_chats(tmp_path) / "mini")
    (tmp_path / "pairs.jsonl").write_text(json.dumps({"colder": "꺼져", "warmer": "사랑해"}) + "\n", "utf-8")
    return tmp_path


def test_the_stage_adds_a_tower_that_reads_order(folder: Path) -> None:
    save_tower(load_mini(folder / "mini", CPU).image_tower, folder / "mini" / PARTS[2], eight_bits=True)
    path = write_config(folder)
    assert {path.name for path in check([plan(path)])} >= {"chatbot.tsv.gz", "kote.tsv.gz"}
    outcome = train(path, [], lambda progress: None)
    assert set(outcome.metrics) == {"kote_hit1", "emocontext_hit1", "chatbot_hit1"}
    for part in PARTS[1:]:
        assert (folder / "out" / part).read_bytes() == (folder / "mini" / part).read_bytes()
    after = load_mini(folder / "out", CPU)
    assert isinstance(after.chat_tower, MessageTower)
    assert after.config.chat_logit_scale == after.message_logit_scale
    texts = list(SENTENCES)
    assert not torch.allclose(after.encode_messages(texts), after.encode_texts(texts), atol=1e-3)
    assert_fitted(after, path)


def assert_fitted(mini: MiniEncoder, path: Path) -> None:
    """See that a mini says of each of KOTE's labels what its comments that neither train nor validate give."""
    corpora = load_corpora(MiniMessagesConfig.model_validate(yaml.safe_load(path.read_text("utf-8"))).sources)
    tuning, labels = corpora.tuning["kote"], Vocabulary.load("kote44")
    words = torch.stack([mini.encode_texts(prompts).mean(dim=0) for prompts in labels.prompts("ko")])
    similarities = mini.encode_messages(list(tuning.texts)) @ torch.nn.functional.normalize(words, dim=1).T
    probabilities = (mini.message_logit_scale * similarities).softmax(dim=1)
    carried = torch.cat([corpora.training["kote"].targets, tuning.targets]).mean(dim=0)
    wanted = proportional_thresholds(probabilities, tuning.targets > 0, carried)
    found = mini.text_thresholds["kote44"]
    assert list(found) == list(labels.keys)
    # The weights that were saved are in half precision, and thresholds have four digits.
    assert list(found.values()) == pytest.approx(wanted.tolist(), rel=0.02)
    assert wanted.max() > 1.05 * wanted.min()


def test_a_teacher_draws_sentences_towards_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def embedded(texts: tuple[str, ...], cache: Path) -> torch.Tensor:
        asked.append(len(texts))
        return torch.nn.functional.normalize(torch.ones(len(texts), messages.TEACHER_DIM), dim=1).half()

    monkeypatch.setattr(messages_stage, "teacher_embeddings", embedded)
    losses: list[float] = []
    fit = {"steps": 30, "learning_rate": 0.05, "precision": "fp32", "ema": 0.5, "log_every": 1}
    tasks = [{"corpus": "emocontext", "batch": 16, "weight": 0.001}]
    path = write_config(folder, fit=fit, tasks=tasks)
    overrides = ["teacher=1", "rules.weight=0", "anchor_weight=0"]
    train(path, overrides, lambda progress: losses.append(progress.loss))
    assert len(asked) == 1
    assert asked[0] > 10
    first = next(loss for loss in losses if loss == loss)
    assert losses[-1] < 0.7 * first  # smoothed over fifty steps


def test_a_file_that_forbids_nothing_is_refused(folder: Path) -> None:
    (folder / "pairs.jsonl").write_text('{"colder": "x"}\n', "utf-8")
    with pytest.raises(DataError, match="does not hold colder and warmer"):
        train(write_config(folder), [], lambda progress: None)


@pytest.mark.parametrize("weights", [(), (5, 3, 2)])
def test_the_mean_of_towers_is_that_of_their_weights(tmp_path: Path, weights: tuple[float, ...]) -> None:
    reading = {"layers": 1, "heads": 2, "feed_forward": 8}
    folders, towers = [], []
    for seed in range(3):
        mini = tiny_mini(seed, chat_logit_scale=5.0, reading=reading)
        torch.manual_seed(seed)
        tower = MessageTower(mini.config.text, ReadingConfig.model_validate(reading))
        folders.append(tmp_path / str(seed))
        replace(mini, chat_tower=tower).save(folders[-1])
        found = load_mini(folders[-1], CPU).chat_tower
        assert isinstance(found, MessageTower)
        towers.append(found)
    states = [tower.state_dict() for tower in towers]
    shares = torch.tensor(weights or (1.0, 1.0, 1.0)) / sum(weights or (1.0, 1.0, 1.0))
    wanted = {
        name: torch.tensordot(shares, torch.stack([state[name] for state in states]), dims=1) for name in states[0]
    }
    file = {**yaml.safe_load(SHIPPED.read_text("utf-8")), "mean_with": folders[1:], "mean_weights": weights}
    given = MiniMessagesConfig.model_validate(file)
    mean = messages_stage._mean_tower(towers[0], given.mean_with, given.shares()).state_dict()
    for name, tensor in wanted.items():
        assert torch.allclose(mean[name], tensor, atol=1e-5), name
    tiny_mini().save(tmp_path / "plain")
    with pytest.raises(UsageError, match=r"mean_with: .*plain holds no message tower of these sizes"):
        messages_stage._mean_tower(towers[0], [tmp_path / "plain"], (0.5, 0.5))


def test_a_mean_without_a_weight_for_each_tower_is_refused(folder: Path) -> None:
    path = write_config(folder, mean_with=[str(folder / "mini")], mean_weights=[1.0])
    with pytest.raises(UsageError, match=r"mean_weights has 1 weight\(s\) for 2 tower\(s\)"):
        check([plan(path)])
