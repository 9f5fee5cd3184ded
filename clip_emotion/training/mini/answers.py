"""A sentence encoder fine-tuned on GoEmotions, and what it answers on English sentences."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from clip_emotion.errors import ModelError
from clip_emotion.evaluation.measurement import Measurements
from clip_emotion.text_batches import length_batches
from clip_emotion.training.corpora import CORPORA, TextRows
from clip_emotion.training.loop.run_folder import ANSWERS
from clip_emotion.training.losses import soft_cross_entropy
from clip_emotion.training.mini.answers_config import SentenceTeacherConfig
from clip_emotion.training.mini.teacher import Sentences, digest_of, mean_of_words

TAUGHT = "goemotions_en"
"""The corpus whose labels the teacher learns."""
POOL = 32
"""Texts of so many batches are sorted by length together."""
READ_AT_ONCE = 128


class SentenceClassifier(nn.Module):
    """An encoder of sentences with a linear head over the mean of its last layer."""

    def __init__(self, encoder: nn.Module, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.encoder, self.dropout, self.head = encoder, nn.Dropout(dropout), nn.Linear(width, classes)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the logits [N, C] of sub-words [N, T]; the mask [N, T] is 1 where one is."""
        words = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        logits: Tensor = self.head(self.dropout(mean_of_words(words, mask)))
        return logits.float()


class SentenceTeacherObjective:
    """Comments against the mean of their labels; batches are of like length and follow from seed and step alone."""

    def __init__(
        self, config: SentenceTeacherConfig, sentences: Sentences, training: TextRows, check: TextRows
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.check = config, check
        self.model = SentenceClassifier(sentences.model, sentences.width, training.targets.shape[1], config.dropout)
        self.sentences = sentences
        self.ids, self.check_ids = sentences.ids(training.texts), sentences.ids(check.texts)
        self.targets = training.targets / training.targets.sum(dim=1, keepdim=True).clamp_min(1)
        self._epoch: tuple[int, list[list[int]]] = (-1, [])

    def lr_scale(self, name: str) -> float:
        """Return the factor on the learning rate of the parameter with this name."""
        return self.config.head_lr_scale if name.startswith("head") else 1.0

    def loss(self, step: int, progress: float) -> Tensor:
        """Return the cross-entropy of the step's comments."""
        batches = self._batches(step // self.steps_an_epoch)
        rows = batches[step % self.steps_an_epoch]
        logits = self.model(*self.sentences.padded([self.ids[row] for row in rows]))
        return soft_cross_entropy(logits, self.targets[rows])

    @property
    def steps_an_epoch(self) -> int:
        """How many batches all comments make."""
        return -(-len(self.ids) // self.config.batch)

    def _batches(self, epoch: int) -> list[list[int]]:
        if self._epoch[0] != epoch:
            rng, size = random.Random(f"{self.config.seed}:{epoch}"), self.config.batch
            order = rng.sample(range(len(self.ids)), len(self.ids))
            pools = [order[start : start + size * POOL] for start in range(0, len(order), size * POOL)]
            batches = [
                [pool[at] for at in batch]
                for pool in pools
                for batch in length_batches([len(self.ids[row]) for row in pool], size)
            ]
            rng.shuffle(batches)
            self._epoch = (epoch, batches)
        return self._epoch[1]

    @torch.inference_mode()
    def validate(self, model: SentenceClassifier) -> Measurements:
        """Return how often the best label of a kept-out comment is one that it has."""
        best = self.read(model, self.check_ids).argmax(dim=1, keepdim=True)
        hits = self.check.targets.gather(1, best) > 0
        return Measurements([CORPORA[TAUGHT].measured("hit1", float(hits.float().mean()))])

    @torch.inference_mode()
    def read(self, model: SentenceClassifier, ids: Sequence[list[int]]) -> Tensor:
        """Return the logits [N, C] of sub-words of N texts."""
        logits = torch.empty(len(ids), self.targets.shape[1])
        for rows in length_batches([len(one) for one in ids], READ_AT_ONCE):
            with torch.autocast("cpu", torch.bfloat16):
                logits[rows] = model(*self.sentences.padded([ids[row] for row in rows]))
        return logits


def check_answers(folder: Path) -> dict[str, Tensor]:
    """Return all answers of a finished teacher; raises ModelError where the folder has none."""
    try:
        return load_file(folder / ANSWERS)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{folder} holds no answers of a teacher: train one with configs/train/mini_12_teacher.yaml (English) or "
            "mini_15_teacher.yaml (Korean)."
        ) from error


def load_answers(folder: Path, texts: Sequence[str], labels: int) -> Tensor:
    """Return the teacher's distributions [N, labels] on exactly these texts.

    Raises ModelError where it has none on them, or learned other labels.
    """
    answers = check_answers(folder)
    digest = digest_of(texts)
    if digest not in answers:
        raise ModelError(f"{folder} holds answers on other texts: train the teacher again, with the same sources.")
    found = answers[digest]
    if found.shape[1] != labels:
        raise ModelError(f"{folder} answers in {found.shape[1]} labels, not {labels}: set 'taught' to what it learned.")
    return found.float().softmax(dim=1)
