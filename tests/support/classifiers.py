"""Classifiers with random weights, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from clip_emotion.models.classifiers.checkpoint import ClassifierCard, save_classifier
from clip_emotion.models.classifiers.config import ClassifierConfig
from clip_emotion.models.classifiers.network import Classifier
from clip_emotion.models.emotion_clip.trained_vocabulary import TrainedVocabulary
from clip_emotion.vocabulary import Vocabulary

BASIC = Vocabulary.load("basic7")


def tiny(**changes: Any) -> ClassifierConfig:
    """Return the sizes of a network of few channels."""
    values = {"architecture": "resnet18", "image_size": 32, "arguments": {"channels": [4, 4, 8, 8]}}
    return ClassifierConfig.model_validate({**values, **changes})


def saved(folder: Path, seed: int = 0, **changes: Any) -> Classifier:
    """Save a classifier with random weights for the basic seven, of temperature 2, and return its network."""
    torch.manual_seed(seed)
    model = Classifier(tiny(**changes), len(BASIC)).eval()
    card = ClassifierCard(
        name="tiny",
        model=model.config,
        vocabulary=TrainedVocabulary.of(BASIC),
        aliases={label.key: tuple(label.aliases()) for label in BASIC.labels},
        temperature=2.0,
    )
    save_classifier(model, folder, card)
    return model
