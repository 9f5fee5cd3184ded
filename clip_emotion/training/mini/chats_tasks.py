"""What the chat tower is trained on: each corpus as sub-words, targets, and the words of its classes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from clip_emotion.data.held_out import text_held_out
from clip_emotion.data.tables import read_column
from clip_emotion.errors import UsageError
from clip_emotion.evaluation.measurement import Measurements
from clip_emotion.label import LANGUAGES
from clip_emotion.models.mini.encoder import MiniEncoder
from clip_emotion.models.mini.sub_words import tokenize
from clip_emotion.text import fold
from clip_emotion.training.corpora import CORPORA, TextRows, load_corpora, load_labelled
from clip_emotion.training.mini.chats_config import ChatSourcesConfig, TaskConfig, TasksConfig
from clip_emotion.vocabulary import Vocabulary

CHECKED_AT_ONCE = 512
HELD_OUT = 5
"""One chat text in this many, by a hash of the text, is never trained on."""
Words = tuple[dict[str, Tensor], ...]
"""For each class and language the embeddings [k, D] of its words; the first is its own name."""
Rows = dict[str, TextRows]
"""Rows by corpus."""


@dataclass(frozen=True)
class Task:
    """A corpus ready to train on: sub-word ids, target distributions [N, C], and the classes' words."""

    name: str
    ids: list[list[int]]
    targets: Tensor
    words: Words
    batch: int
    weight: float


def load_tasks(
    config: TasksConfig, training: Rows, validation: Rows, encoder: MiniEncoder
) -> tuple[list[Task], list[Task]]:
    """Return the tasks to train on and those to validate with, of the rows that ``chat_rows`` read.

    Raises UsageError for a batch larger than its corpus.
    """
    tasks = [_task(task, training[task.corpus], encoder) for task in config.tasks]
    for task in tasks:
        if task.batch > len(task.ids):
            raise UsageError(f"{task.name}: batch is {task.batch}, but it has {len(task.ids)} texts: lower it.")
    checked = {task.corpus: task for task in config.tasks if not task.sentiment and task.corpus in validation}
    checks = [_task(task, validation[corpus], encoder) for corpus, task in checked.items()]
    return tasks, checks


def chat_rows(sources: ChatSourcesConfig) -> tuple[Rows, Rows]:
    """Return the rows of every corpus that train, and those that validate; raises DataError where one is missing."""
    comments = load_corpora(sources)
    training, validation = dict(comments.training), dict(comments.validation)
    excluded = {fold(text) for name in sources.exclude for text in read_column(sources.folder / name, "text")}
    for name, source in sources.chats().items():
        rows = load_labelled(source)
        fresh = [fold(text) not in excluded for text in rows.texts]
        # A television dialogue repeats itself too little for a hash to matter; its own dev file validates it.
        kept_out = [name != "emorynlp" and text_held_out(text, HELD_OUT) for text in rows.texts]
        training[name] = _chosen(rows, [new and not out for new, out in zip(fresh, kept_out, strict=True)])
        if any(kept_out):
            validation[name] = _chosen(rows, kept_out)
    return training, validation


def _chosen(rows: TextRows, mask: Sequence[bool]) -> TextRows:
    places = [at for at, chosen in enumerate(mask) if chosen]
    return TextRows(tuple(rows.texts[at] for at in places), rows.targets[places])


def _task(config: TaskConfig, rows: TextRows, encoder: MiniEncoder) -> Task:
    vocabulary, targets, name = Vocabulary.load(CORPORA[config.corpus].vocabulary), rows.targets, str(config.corpus)
    if config.corpus == "nsmc":
        # Ratings are positive or negative, never neutral.
        targets = torch.stack([targets[:, 0], torch.zeros(len(targets)), targets[:, 1]], dim=1)
    if config.sentiment:
        name, sentiment = f"{name}_sentiment", Vocabulary.load("sentiment3")
        targets, vocabulary = _as_sentiment(targets, vocabulary, sentiment, config.sentiment), sentiment
    for key in config.leave_out:
        # A class that is left out has no rows and no word in the task.
        targets = torch.where((targets[:, vocabulary.index(key)] > 0)[:, None], torch.zeros(()), targets)
    classes = [at for at, key in enumerate(vocabulary.keys) if key not in config.leave_out]
    targets = targets[:, classes]
    used = (targets.sum(dim=1) > 0).nonzero().flatten().tolist()
    targets = targets[used] / targets[used].sum(dim=1, keepdim=True)
    words = class_words(vocabulary.subset([vocabulary.keys[at] for at in classes]), encoder)
    ids = tokenize(encoder.tokenizer, [rows.texts[at] for at in used])
    return Task(name, ids, targets, words, config.batch, config.weight)


def _as_sentiment(targets: Tensor, vocabulary: Vocabulary, sentiment: Vocabulary, lists: dict[Any, Any]) -> Tensor:
    matrix = torch.zeros(len(vocabulary), len(sentiment))
    for pole, keys in lists.items():
        for key in keys:
            matrix[vocabulary.index(key), sentiment.index(pole)] = 1
    poles = (targets @ matrix > 0).float()
    mixed = (poles[:, sentiment.index("positive")] > 0) & (poles[:, sentiment.index("negative")] > 0)
    # Beside a feeling, a neutral label says that annotators did not agree: the feeling counts.
    neutral = sentiment.index("neutral")
    poles[:, neutral] *= poles.sum(dim=1) == poles[:, neutral]
    return torch.where(mixed[:, None], torch.zeros(()), poles)


def class_words(vocabulary: Vocabulary, encoder: MiniEncoder) -> Words:
    """Embed each class's name and synonyms, by language."""
    return tuple(
        {
            language: encoder.encode_texts([label.name(language), *label.synonyms.get(language, ())])
            for language in LANGUAGES
        }
        for label in vocabulary.labels
    )


def draw_words(words: Words, own_names: float, rng: random.Random) -> Tensor:
    """Return one word's embedding for each class, [C, D], all of one language; ``own_names`` as often its own name."""
    language = rng.choice(LANGUAGES)
    pools = [pool[language] for pool in words]
    return torch.stack([pool[0 if rng.random() < own_names else rng.randrange(len(pool))] for pool in pools])


def hit_rates(checks: Sequence[Task], embed: Callable[[list[list[int]]], Tensor]) -> Measurements:
    """Return how often the best of the classes' own names in Korean is right for each corpus's held-out rows.

    ``embed`` turns tokenised texts into unit vectors [N, D].
    """
    found = []
    for task in checks:
        names = torch.stack([pool["ko"][0] for pool in task.words])
        chunks = [task.ids[start : start + CHECKED_AT_ONCE] for start in range(0, len(task.ids), CHECKED_AT_ONCE)]
        best = torch.cat([(embed(chunk).float() @ names.T).argmax(dim=1) for chunk in chunks])
        hits = task.targets.gather(1, best.unsqueeze(1)) > 0
        found.append(CORPORA[task.name].measured("hit1", float(hits.float().mean())))
    return Measurements(found)
