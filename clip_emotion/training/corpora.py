"""The text sources of the mini as rows with target matrices, split into what trains and what is kept out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from datasets import Dataset
from pydantic import Field
from torch import Tensor

from clip_emotion.config import Config
from clip_emotion.training.sources import prepared_once


class SourcesConfig(Config):
    """Where the raw text sets lie; KOTE's last rows are kept out: ``kote_tuning`` for scales, the very last to validate.

    Reviews with a rating of at most ``nsmc_low`` are negative, of at least ``nsmc_high`` positive, others unused.
    """

    folder: Path
    prepared: Path = Path("runs/prepared")
    kote: str = "kote.tsv.gz"
    goemotions_train: str = "goemotions_train.tsv.gz"
    goemotions_dev: str = "goemotions_dev.tsv.gz"
    nsmc: str = "nsmc.tsv.gz"
    kote_validation: int = Field(1000, ge=1)
    kote_tuning: int = Field(300, ge=1)
    nsmc_low: int = 4
    nsmc_high: int = 9


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
    """Text rows by corpus (``kote``, ``goemotions_en``, ``goemotions_ko``, ``nsmc``): to train, to tune, to validate."""

    training: dict[str, TextRows]
    tuning: dict[str, TextRows]
    validation: dict[str, TextRows]

    def for_tokenizer(self) -> list[str]:
        """Return every text that is trained on."""
        return [text for rows in self.training.values() for text in rows.texts]


def load_corpora(config: SourcesConfig) -> Corpora:
    """Read all text sources, preparing them below ``config.prepared`` the first time."""
    kote = _labelled(_table(config, "kote", config.kote, "kote"), "text")
    cut = len(kote.texts) - config.kote_validation
    training = {"kote": kote.part(slice(0, cut - config.kote_tuning))}
    tuning = {"kote": kote.part(slice(cut - config.kote_tuning, cut))}
    validation = {"kote": kote.part(slice(cut, None))}
    for file, place in ((config.goemotions_train, training), (config.goemotions_dev, validation)):
        rows = _table(config, "goemotions", file, file.split(".", 1)[0])
        place["goemotions_en"], place["goemotions_ko"] = _labelled(rows, "text"), _labelled(rows, "text_ko")
    training["nsmc"] = _reviews(_table(config, "nsmc", config.nsmc, "nsmc"), config)
    return Corpora(training, tuning, validation)


def _table(config: SourcesConfig, card: str, file: str, folder: str) -> Dataset:
    splits = prepared_once(card, config.folder / file, config.prepared / folder)
    return next(iter(splits.values()))


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
