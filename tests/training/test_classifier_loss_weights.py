"""Weights of single classes, as a user names them."""

from __future__ import annotations

import pytest
import torch

from clip_emotion.errors import UsageError
from clip_emotion.training.classifier.loss import times_named

CLASSES = ("angry", "disgust", "fear")


def test_named_weights_multiply_what_is_there() -> None:
    assert times_named(None, {}, CLASSES) is None
    named = times_named(None, {"disgust": 3.0}, CLASSES)
    assert named is not None
    assert named.tolist() == [1.0, 3.0, 1.0]
    both = times_named(torch.tensor([0.5, 2.0, 1.0]), {"fear": 4.0, "disgust": 0.5}, CLASSES)
    assert both is not None
    assert both.tolist() == [0.5, 1.0, 4.0]


def test_a_weight_for_no_class_is_refused() -> None:
    with pytest.raises(UsageError, match=r"weights: 'joy' is no class here; they are angry, disgust, fear\."):
        times_named(None, {"joy": 2.0}, CLASSES)
