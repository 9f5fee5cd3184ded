"""The chat stage: what it trains on, what it leaves alone, and what a mini with a chat tower does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clip_emotion.data.held_out import text_held_out
from clip_emotion.data.tables import read_column
from clip_emotion.errors import DataError, ModelError, UsageError
from clip_emotion.models.base import MessageEncoder
from clip_emotion.models.mini.encoder import MiniEncoder, load_mini
from clip_emotion.models.mini.files import CHATS, PARTS
from clip_emotion.models.mini.storage import save_tower
from clip_emotion.models.mini.sub_words import tokenize
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.training.mini.chats_config import MiniChatsConfig
from clip_emotion.training.mini.chats_tasks import HELD_OUT, Task, _as_sentiment, chat_rows, load_tasks
from clip_emotion.training.registry import check, plan, train
from clip_emotion.vocabulary import Vocabulary
from tests.support.minis import SENTENCES, table, tiny_mini, write_texts
from tests.support.runs import from_the_first_step

CPU = torch.device("cpu")
EMOTIONS = ("joyful", "mad", "neutral", "peaceful", "powerful", "sad", "scared")


def write_chats(folder: Path, count: int = 60) -> Path:
    write_texts(folder)
    lines = [f"{SENTENCES[at % len(SENTENCES)]} {at}" for at in range(count)]
    chats = [(at, "hi", "hello", line, ("happy", "sad", "angry", "others")[at % 4]) for at, line in enumerate(lines)]
    table(folder / "emocontext_train.tsv.gz", ("id", "turn1", "turn2", "turn3", "label"), chats)
    turns = [("d", at, "A", f"tv {line}", EMOTIONS[at % 7].title()) for at, line in enumerate(lines)]
    table(folder / "emorynlp_train.tsv.gz", ("dialogue", "turn", "speaker", "text", "emotion"), turns)
    table(folder / "seen.tsv.gz", ("text", "sentiment"), [(f"TV  {lines[0]}", "neutral"), (f"tv {lines[1]}", "x")])
    questions = [(f"질문 {line}", "네", at % 3) for at, line in enumerate(lines)]
    table(folder / "chatbot.tsv.gz", ("question", "answer", "label"), questions)
    return folder


def settings(folder: Path, **changes: object) -> dict[str, object]:
    poles = {"positive": ["joyful", "peaceful", "powerful"], "neutral": ["neutral"], "negative": ["mad", "sad"]}
    tasks: list[dict[str, object]] = [
        {"corpus": "kote", "batch": 3},
        {"corpus": "nsmc", "batch": 3},
        {"corpus": "emocontext", "batch": 8},
        {"corpus": "chatbot", "batch": 8, "leave_out": ["everyday"]},
        {"corpus": "emorynlp", "batch": 4, "sentiment": poles},
    ]
    return {
        "kind": "mini_chats",
        "base": str(folder / "mini"),
        "out": str(folder / "out"),
        "sources": {
            "folder": str(folder),
            "prepared": str(folder / "prepared"),
            "kote_validation": 3,
            "kote_tuning": 2,
            "exclude": ["seen.tsv.gz"],
        },
        "tasks": tasks,
        "fit": {
            "steps": 4,
            "learning_rate": 0.01,
            "precision": "fp32",
            "ema": 0.5,
            "evaluate_every": 2,
            "save_every": 2,
        },
        **changes,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    tiny_mini().save(write_chats(tmp_path) / "mini")
    return tmp_path


def tasks_of(folder: Path, **changes: object) -> tuple[list[Task], list[Task], MiniEncoder]:
    encoder = load_mini(folder / "mini", CPU)
    config = MiniChatsConfig.model_validate(settings(folder, **changes))
    training, checks = load_tasks(config, *chat_rows(config.sources), encoder)
    return training, checks, encoder


def test_a_fifth_of_the_chats_and_every_excluded_text_is_kept_out(folder: Path) -> None:
    training, checks, encoder = tasks_of(folder)
    by_name = {task.name: task for task in training}
    texts = read_column(folder / "emocontext_train.tsv.gz", "turn3")
    kept = [text for text in texts if not text_held_out(text, HELD_OUT)]
    assert 0 < len(kept) < len(texts)
    assert by_name["emocontext"].ids == tokenize(encoder.tokenizer, kept)
    out = {task.name: task for task in checks}["emocontext"]
    assert sorted(map(tuple, out.ids + by_name["emocontext"].ids)) == sorted(
        map(tuple, tokenize(encoder.tokenizer, texts))
    )
    turns = read_column(folder / "emorynlp_train.tsv.gz", "text")
    used = [text for at, text in enumerate(turns) if at > 1 and EMOTIONS[at % 7] != "scared"]
    assert by_name["emorynlp_sentiment"].ids == tokenize(encoder.tokenizer, used)


def test_a_class_that_is_left_out_has_neither_rows_nor_a_word(folder: Path) -> None:
    training, checks, _ = tasks_of(folder)
    chatbot = next(task for task in training if task.name == "chatbot")
    assert chatbot.targets.shape[1] == len(chatbot.words) == 2
    assert torch.equal(chatbot.targets.sum(dim=1), torch.ones(len(chatbot.ids)))
    nsmc = next(task for task in training if task.name == "nsmc")
    assert nsmc.targets[:, 1].sum() == 0
    assert {task.name for task in checks} == {"kote", "emocontext", "chatbot"}


def test_sentiment_drops_mixed_rows_and_neutral_gives_way() -> None:
    vocabulary, sentiment = Vocabulary.from_list("joy,calm,sad,odd"), Vocabulary.load("sentiment3")
    targets = torch.tensor([[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 1, 1.0]])
    lists = {"positive": ("joy",), "neutral": ("calm",), "negative": ("sad",)}
    poles = _as_sentiment(targets, vocabulary, sentiment, lists)
    assert poles.tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]]


def write_config(folder: Path, **changes: object) -> Path:
    import yaml

    path = folder / "chats.yaml"
    path.write_text(yaml.safe_dump(settings(folder, **changes), allow_unicode=True), encoding="utf-8")
    return path


def test_the_stage_adds_a_chat_tower_and_leaves_words_and_faces_alone(folder: Path) -> None:
    save_tower(load_mini(folder / "mini", torch.device("cpu")).image_tower, folder / "mini" / PARTS[2], eight_bits=True)
    path = write_config(folder)
    assert {path.name for path in check([plan(path)])} >= {"chatbot.tsv.gz", "kote.tsv.gz"}
    metrics = train(path, [], lambda progress: None).metrics
    assert set(metrics) == {"kote_hit1", "emocontext_hit1", "chatbot_hit1"}
    for part in PARTS[1:]:
        assert (folder / "out" / part).read_bytes() == (folder / "mini" / part).read_bytes()
    before, after = load_mini(folder / "mini", CPU), load_mini(folder / "out", CPU)
    assert isinstance(after, MessageEncoder)
    texts = list(SENTENCES)
    assert torch.equal(after.encode_texts(texts), before.encode_texts(texts))
    assert torch.equal(before.encode_messages(texts), before.encode_texts(texts))
    assert not torch.allclose(after.encode_messages(texts), before.encode_messages(texts), atol=1e-3)
    assert after.fingerprint != before.fingerprint
    (folder / "out" / CHATS).unlink()
    with pytest.raises(ModelError, match=CHATS):
        load_mini(folder / "out", CPU)


def test_training_learns_the_chats(folder: Path) -> None:
    fit = {"steps": 80, "learning_rate": 0.02, "precision": "fp32", "ema": 0.5, "log_every": 1}
    tasks = [{"corpus": "emocontext", "batch": 24}]
    losses: list[float] = []
    train(
        write_config(folder, fit=fit, tasks=tasks),
        [],
        from_the_first_step(lambda progress: losses.append(progress.loss)),
    )
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])


def test_messages_are_judged_by_the_chat_tower_with_its_own_scale(folder: Path) -> None:
    train(write_config(folder), [], lambda progress: None)
    encoder = load_mini(folder / "out", CPU)
    labeller = ZeroShotLabeller(encoder, Vocabulary.load("basic7"), "ko")
    texts = ["오늘 정말 좋아", "so sad"]
    cosines = encoder.encode_messages(texts).double() @ torch.from_numpy(labeller.index.embeddings).double().T
    expected = (encoder.config.chat_logit_scale * cosines).softmax(dim=1)
    torch.testing.assert_close(torch.from_numpy(labeller.message_probabilities(texts)), expected, atol=1e-5, rtol=0)


def test_what_is_missing_or_too_small_is_told(folder: Path) -> None:
    with pytest.raises(UsageError, match="batch is 500"):
        tasks_of(folder, tasks=[{"corpus": "emocontext", "batch": 500}])
    (folder / "chatbot.tsv.gz").unlink()
    with pytest.raises(DataError, match=r"chatbot\.tsv\.gz"):
        check([plan(write_config(folder))])
