"""Fine-tuning KoBERT on KOTE: 44 emotions of Korean comments, several of which may hold at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn

from clip_emotion.arrays import BoolArray, FloatingArray
from clip_emotion.data.samplers import shuffled_rows
from clip_emotion.evaluation.measurement import Measurement, Measurements
from clip_emotion.evaluation.metrics import multilabel_metrics
from clip_emotion.models.kobert.emotion import (
    KobertEmotionConfig,
    KobertEmotionModel,
    KobertEmotionNetwork,
    pad_batch,
    predict_ids,
    token_ids,
)
from clip_emotion.models.kobert.loading import Kobert
from clip_emotion.text import fold
from clip_emotion.training.corpora import TextRows, load_kote, load_labelled
from clip_emotion.training.kobert.config import KobertKoteConfig, KoteConfig, LrScaleConfig
from clip_emotion.training.loop.objective import RunResult
from clip_emotion.vocabulary import Vocabulary

VOCABULARY = "kote44"
THRESHOLDS = np.arange(2, 91) / 100
HEAVIEST = 20.0
"""The most that a label's positive rows count; the least is its inverse."""


@dataclass(frozen=True)
class KoteSplits:
    """KOTE comments to train, to tune the threshold and to validate."""

    training: TextRows
    tuning: TextRows
    validation: TextRows


@dataclass
class KobertKoteObjective:
    """What ``fit`` trains: KoBERT with its head, on batches that follow from seed and step alone."""

    config: KobertKoteConfig
    kobert: Kobert
    splits: KoteSplits
    model: KobertEmotionNetwork = field(init=False)
    vocabulary: Vocabulary = field(init=False)

    def __post_init__(self) -> None:
        self.vocabulary = Vocabulary.load(VOCABULARY)
        # A model in training mode comes from fit; the head's first weights follow from the seed.
        torch.manual_seed(self.config.seed)
        self.model = KobertEmotionNetwork(self.kobert.model, len(self.vocabulary), self.config.head)
        self.backbone = self.kobert.fingerprint
        self._lr_scales = parameter_lr_scales(self.model, self.config.lr_scale)
        self._positive_weight = positive_weights(self.splits.training.targets, self.config.loss.positive_power)
        self._ids = {name: self._tokens(rows.texts) for name, rows in vars(self.splits).items()}

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        return token_ids(self.kobert.tokenizer, texts, self.config.head.max_tokens)

    def lr_scale(self, name: str) -> float:
        """Return the factor on the learning rate of the parameter with this name."""
        return self._lr_scales[name]

    def loss(self, step: int, progress: float) -> Tensor:
        """Return the mean binary cross-entropy over the step's comments and all labels."""
        device = self.model.head.weight.device
        rows = shuffled_rows(len(self._ids["training"]), self.config.batch, step, self.config.seed)
        tokens = pad_batch(self.kobert.tokenizer, [self._ids["training"][row] for row in rows], device)
        targets = self.splits.training.targets[rows]
        smoothed = targets * (1 - self.config.loss.smoothing) + self.config.loss.smoothing / 2
        return nn.functional.binary_cross_entropy_with_logits(
            self.model(tokens).float(), smoothed.to(device), pos_weight=self._positive_weight.to(device)
        )

    def validate(self, model: KobertEmotionNetwork) -> Measurements:
        """Tune the threshold on the tuning rows, and return it with the metrics of the validation rows."""
        truths = {name: rows.targets.numpy() > 0 for name, rows in vars(self.splits).items()}
        tuned = predict_ids(model, self.kobert.tokenizer, self._ids["tuning"])
        threshold = best_threshold(tuned, truths["tuning"])
        probabilities = predict_ids(model, self.kobert.tokenizer, self._ids["validation"])
        found = {**kote_metrics(probabilities, truths["validation"], threshold), "threshold": threshold}
        return Measurements(Measurement(name, value) for name, value in found.items())

    def finished(self, result: RunResult[KobertEmotionNetwork]) -> KobertEmotionModel:
        """Return the trained model with its labels, threshold, metrics and settings."""
        settings = {**self.config.model_dump(mode="json"), "seconds": round(result.seconds), "kobert": self.backbone}
        description = KobertEmotionConfig(
            vocabulary=VOCABULARY,
            labels=self.vocabulary.keys,
            head=self.config.head,
            threshold=result.metrics["threshold"],
            metrics={name: value for name, value in result.metrics.items() if name != "threshold"},
            trained_with=settings,
        )
        return KobertEmotionModel(description, result.model, self.kobert.tokenizer)


def load_splits(config: KoteConfig) -> KoteSplits:
    """Read KOTE's rows; raises DataError where a table is missing, in no known layout or too short to keep rows out."""
    first, *more = config.raw()
    training, tuning, validation = load_kote(first, config.kote_validation, config.kote_tuning)
    kept_out = {fold(text) for text in (*tuning.texts, *validation.texts)}
    parts = [training, *map(load_labelled, more)]
    texts = [text for part in parts for text in part.texts]
    kept = [row for row, text in enumerate(texts) if fold(text) not in kept_out]
    rows = TextRows(tuple(texts[row] for row in kept), torch.cat([part.targets for part in parts])[kept])
    return KoteSplits(rows, tuning, validation)


def parameter_lr_scales(network: KobertEmotionNetwork, config: LrScaleConfig) -> dict[str, float]:
    """Return each parameter's factor on the learning rate, by its name."""
    bert: Any = network.bert
    layers = [bert.embeddings, *bert.encoder.layer]
    factors = {
        id(parameter): config.layer_decay ** (len(layers) - 1 - depth)
        for depth, layer in enumerate(layers)
        for parameter in layer.parameters()
    }
    factors |= {id(parameter): config.head for parameter in network.head.parameters()}
    # What is neither layer nor head is the pooler, which goes with the last layer.
    return {name: factors.get(id(parameter), 1.0) for name, parameter in network.named_parameters()}


def positive_weights(targets: Tensor, power: float) -> Tensor:
    """Return how much each label's positive rows count [labels]; 1 for a label that no row has."""
    positives = targets.sum(dim=0)
    ratio = (len(targets) - positives) / positives.clamp_min(1)
    weights = torch.where(positives > 0, ratio**power, 1.0)
    return weights.clamp(1 / HEAVIEST, HEAVIEST)


def best_threshold(probabilities: FloatingArray, truth: BoolArray) -> float:
    """Return the threshold from 0.02 to 0.90 with the best macro-F1 over the labels that some row has."""
    there = truth.any(axis=0)
    scores = [_macro_f1(probabilities[:, there] >= threshold, truth[:, there]) for threshold in THRESHOLDS]
    return float(THRESHOLDS[int(np.argmax(scores))])


def _macro_f1(answers: BoolArray, truth: BoolArray) -> float:
    hits = (answers & truth).sum(axis=0)
    return float((2 * hits / (answers.sum(axis=0) + truth.sum(axis=0))).mean())


def kote_metrics(probabilities: FloatingArray, truth: BoolArray, threshold: float) -> dict[str, float]:
    """Return how well probabilities [N, labels] agree with the truth [N, labels].

    ``macro_f1`` (over the labels that some row has) and ``micro_f1`` at the threshold; ``hit1`` and ``hit5``, the share
    of rows with a true label at the top or among the best five; ``log_loss``, the mean binary cross-entropy in nats.
    """
    whole = multilabel_metrics(probabilities, truth, [str(at) for at in range(truth.shape[1])], threshold=threshold)
    likelihood = np.where(truth, probabilities, 1 - probabilities.astype(np.float64))
    return {
        "macro_f1": whole.macro_f1,
        "micro_f1": float(f1_score(truth, probabilities >= threshold, average="micro", zero_division=0)),
        "hit1": whole.accuracy,
        "hit5": whole.top5,
        "log_loss": float(-np.log(likelihood.clip(1e-7)).mean()),
    }
