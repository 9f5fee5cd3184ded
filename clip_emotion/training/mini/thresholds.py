"""How a mini judges texts: the scale of its logits, and the probability from which a text carries each label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from clip_emotion.evaluation.calibration import fit_temperature
from clip_emotion.models.mini.encoder import MiniEncoder
from clip_emotion.models.prototypes import prototypes
from clip_emotion.training.corpora import CORPORA, Corpora
from clip_emotion.vocabulary import Vocabulary

THRESHOLDS = [step / 1000 for step in range(5, 200)]
FACTORS = [step / 10 for step in range(10, 31)]
MOST = 0.9
"""No label is named of more of the comments than this share."""
SMALLEST, LARGEST = 1e-6, 0.9999
"""Thresholds are probabilities between 0 and 1, and written with four digits."""
CORPUS = "kote"


def calibrated(
    encoder: MiniEncoder, read: Callable[[list[str]], Tensor], corpora: Corpora
) -> tuple[float, dict[str, Any]]:
    """Fit the logit scale and the multi-label thresholds with which KOTE's comments are read best.

    All are fitted on its tuning comments; how often a label is carried is counted in those that train as well. Returns
    the scale and the settings ``text_threshold`` and ``text_thresholds`` of a mini.
    """
    comments, vocabulary = corpora.tuning[CORPUS], Vocabulary.load(CORPORA[CORPUS].vocabulary)
    labels = prototypes(map(encoder.encode_texts, vocabulary.prompts(CORPORA[CORPUS].language)))
    similarities = read(list(comments.texts)) @ labels.T
    # A comment with several labels counts once with each of them.
    pairs = comments.targets.nonzero()
    scale = 1 / fit_temperature(similarities[pairs[:, 0]].numpy(), pairs[:, 1].numpy())
    probabilities, truth = (scale * similarities).softmax(dim=1), comments.targets > 0
    scores = {threshold: _macro_f1(probabilities >= threshold, truth) for threshold in THRESHOLDS}
    carried = torch.cat([corpora.training[CORPUS].targets, comments.targets]).mean(dim=0)
    own = proportional_thresholds(probabilities, truth, carried)
    by_label = {key: float(f"{value:.4g}") for key, value in zip(vocabulary.keys, own.tolist(), strict=True)}
    common = max(scores, key=lambda threshold: scores[threshold])
    return scale, {"text_threshold": common, "text_thresholds": {vocabulary.name: by_label}}


def proportional_thresholds(probabilities: Tensor, truth: Tensor, carried: Tensor) -> Tensor:
    """Return each label's threshold [C], with which it is named in proportion to how often texts carry it.

    Of probabilities [N, C] the threshold of label ``c`` is the quantile above which lie ``factor · carried[c]`` of the
    texts; the one ``factor`` of all labels is the best by macro-F1 against ``truth`` [N, C] (PCut: Yang, "A study of
    thresholding strategies for text categorization", SIGIR 2001). A label that few of the texts carry has a threshold
    all the same, since their own labels are not counted for it.
    """
    candidates = [_named_of(probabilities, (factor * carried).clamp(max=MOST)) for factor in FACTORS]
    return max(candidates, key=lambda thresholds: _macro_f1(probabilities >= thresholds, truth))


def _named_of(probabilities: Tensor, shares: Tensor) -> Tensor:
    columns = zip(probabilities.unbind(dim=1), shares.tolist(), strict=True)
    thresholds = torch.stack([torch.quantile(column, 1 - share) for column, share in columns])
    return thresholds.clamp(SMALLEST, LARGEST)


def _macro_f1(predicted: Tensor, truth: Tensor) -> float:
    hits, both = (predicted & truth).sum(dim=0), predicted.sum(dim=0) + truth.sum(dim=0)
    return float((2 * hits / both.clamp_min(1)).mean())
