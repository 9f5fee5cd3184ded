"""The text sources of the mini as rows with target matrices, split into what trains and what is kept out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from datasets import Dataset
from torch import Tensor

from clip_emotion.errors import DataError
from clip_emotion.evaluation.measurement import Measurement
from clip_emotion.training.corpora_config import SourcesConfig
from clip_emotion.training.sources import RawSource


@dataclass(frozen=True)
class Corpus:
    """What a corpus of texts is: the setting that its sizes have, the vocabulary of its labels, its language.

    ``other_languages`` says whether the same comments are there in another language too.
    """

    name: str
    split: str
    vocabulary: str
    language: str
    other_languages: bool = False

    def measured(self, metric: str, value: float) -> Measurement:
        """Return a metric of the corpus's own rows, under the name that it is published by."""
        language = self.language if self.other_languages else ""
        return Measurement(metric, value, self.split, language, key=f"{self.name}_{metric}")


CORPORA = {
    corpus.name: corpus
    for corpus in (
        Corpus("kote", "kote", "kote44", "ko"),
        Corpus("goemotions_en", "goemotions", "goemotions28", "en", other_languages=True),
        Corpus("goemotions_ko", "goemotions", "goemotions28", "ko", other_languages=True),
        Corpus("nsmc", "nsmc", "sentiment3", "ko"),
        Corpus("emocontext", "emocontext", "emocontext4", "en"),
        Corpus("emorynlp", "emorynlp", "emorynlp7", "en"),
        Corpus("chatbot", "chatbot", "chatbot3", "ko"),
    )
}


@dataclass(frozen=True)
class TextRows:
    """Texts and their targets [N, labels], ones where a label holds."""

    texts: tuple[str, ...]
    targets: Tensor

    def part(self, rows: slice) -> TextRows:
        """Return some of the rows."""
        return TextRows(self.texts[rows], self.targets[rows])


@dataclass(frozen=True)
class Corpora:
    """Text rows to train, to tune and to validate: ``kote``, ``goemotions_en``, ``goemotions_ko`` and ``nsmc``."""

    training: dict[str, TextRows]
    tuning: dict[str, TextRows]
    validation: dict[str, TextRows]

    def for_tokenizer(self) -> list[str]:
        """Return the texts that the sub-words are learned from: all that trains, but one review in four."""
        strides = {"nsmc": 4}
        return [text for name, rows in self.training.items() for text in rows.texts[:: strides.get(name, 1)]]


def load_corpora(config: SourcesConfig) -> Corpora:
    """Read all text sources, preparing them below ``config.prepared`` the first time.

    Raises DataError when a source is missing, in no known layout, or holds too few comments to keep some out.
    """
    raw = config.raw()
    kote = load_kote(raw["kote"], config.kote_validation, config.kote_tuning)
    training, tuning, validation = ({"kote": rows} for rows in kote)
    for name, place in (("goemotions_train", training), ("goemotions_dev", validation)):
        rows = _table(raw[name])
        place["goemotions_en"], place["goemotions_ko"] = _labelled(rows, "text"), _labelled(rows, "text_ko")
    training["nsmc"] = _reviews(_table(raw["nsmc"]), config)
    return Corpora(training, tuning, validation)


def load_kote(source: RawSource, validation: int, tuning: int) -> tuple[TextRows, TextRows, TextRows]:
    """Read KOTE comments as rows that train, tune and validate; the last ones validate, those before them tune.

    Raises DataError when that leaves none to train on, and as ``RawSource.load`` does.
    """
    rows = load_labelled(source)
    cut = len(rows.texts) - validation
    if cut <= tuning:
        raise DataError(
            f"{source.path} holds {len(rows.texts)} comments, which leaves none to train on: "
            "lower kote_validation and kote_tuning."
        )
    return rows.part(slice(0, cut - tuning)), rows.part(slice(cut - tuning, cut)), rows.part(slice(cut, None))


def load_labelled(source: RawSource) -> TextRows:
    """Read all rows of a source's first split, with a target for each of its labels; raises as ``load`` does."""
    return _labelled(_table(source), "text")


def _table(source: RawSource) -> Dataset:
    return next(iter(source.load().values()))


def _labelled(rows: Dataset, column: str) -> TextRows:
    names = rows.features["labels"].feature.names
    targets = torch.zeros(len(rows), len(names))
    for row, labels in zip(targets, rows["labels"], strict=True):
        row[list(labels)] = 1
    return TextRows(tuple(rows[column]), targets)


def _reviews(rows: Dataset, config: SourcesConfig) -> TextRows:
    texts: Sequence[str] = rows["text"]
    ratings: Sequence[int] = rows["rating"]
    kept = [
        (text, float(rating >= config.nsmc_high))
        for text, rating in zip(texts, ratings, strict=True)
        if text and text.strip() and (rating <= config.nsmc_low or rating >= config.nsmc_high)
    ]
    positive = torch.tensor([value for _, value in kept])
    return TextRows(tuple(text for text, _ in kept), torch.stack([positive, 1 - positive], dim=1))
