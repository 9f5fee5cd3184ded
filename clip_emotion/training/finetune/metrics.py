"""Metrics of classes from logits, and embeddings of many images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from torch import Tensor
from torch.nn import functional as F

from clip_emotion.data.batches import DecodedImages
from clip_emotion.models.emotion_clip.model import EmotionClip


def class_metrics(logits: Tensor, truth: Tensor) -> dict[str, float]:
    """Return accuracy, macro recall, macro F1 and the cross-entropy of logits [N, C] against classes [N].

    Only the classes that the rows have stand for choice, as an evaluation of a set goes by the set's own classes.
    """
    there, targets = torch.unique(truth, return_inverse=True)
    chosen = logits[:, there]
    answers = chosen.argmax(dim=1).cpu().numpy()
    expected = targets.cpu().numpy()
    _, recall, f1, _ = precision_recall_fscore_support(expected, answers, average="macro", zero_division=0)
    return {
        "accuracy": float(accuracy_score(expected, answers)),
        "macro_recall": float(recall),
        "macro_f1": float(f1),
        "cross_entropy": float(F.cross_entropy(chosen.float(), targets)),
    }


@torch.inference_mode()
def embed_images(
    model: EmotionClip, images: DecodedImages, batch: int, seen: Callable[[int], object] = lambda count: None
) -> Tensor:
    """Embed all images [N, D], averaged with their mirror images where the backbone's own encoder does so."""
    parts = []
    for start in range(0, len(images), batch):
        rows = list(range(start, min(start + batch, len(images))))
        pixels = model.backbone.normalise(images.take(rows))
        parts.append(model.embed_images(pixels, flip_average=model.backbone.flip_average))
        seen(len(rows))
    return torch.cat(parts)
