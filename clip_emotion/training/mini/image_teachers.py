"""Finished minis as teachers of an image tower: their mean answer on the training images softens the targets."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from clip_emotion.label import LANGUAGES
from clip_emotion.models.mini.encoder import MiniEncoder, load_mini
from clip_emotion.models.prototypes import prototypes
from clip_emotion.training.mini.faces import FaceRows
from clip_emotion.training.mini.image import embed_faces
from clip_emotion.training.once import computed_once
from clip_emotion.vocabulary import Vocabulary


def taught(rows: FaceRows, teachers: Sequence[Path], weight: float, basic: Vocabulary, cache: Path) -> FaceRows:
    """Mix the targets with the mean of the teachers' probabilities: ``(1 - w) · target + w · teachers``.

    Distillation (1503.02531) with the class names as its classes and the teachers' own temperatures. What a teacher
    says of these images in these words is kept below ``cache``. Raises ModelError where a teacher is no mini.
    """
    if not teachers:
        return rows
    asked = hashlib.sha256(rows.images.numpy().tobytes())
    asked.update(repr([basic.prompts(language) for language in LANGUAGES]).encode())
    answers = []
    for folder in teachers:
        encoder = load_mini(folder, torch.device("cpu"))
        path = cache / f"answers-{encoder.fingerprint}-{asked.hexdigest()[:16]}.safetensors"
        answers.append(computed_once(path, "answers", partial(answer, encoder, rows.images, basic)))
    return replace(rows, targets=(1 - weight) * rows.targets + weight * torch.stack(answers).mean(dim=0))


@torch.inference_mode()
def answer(encoder: MiniEncoder, images: Tensor, basic: Vocabulary) -> Tensor:
    """Return what a mini says of grey images uint8 [N, 1, 48, 48]: a distribution over the classes [N, C]."""
    embeddings = embed_faces(encoder.image_tower.eval(), images)
    named = [prototypes(map(encoder.encode_texts, basic.prompts(language))) for language in LANGUAGES]
    logits = torch.stack([encoder.logit_scale * embeddings @ prototype.T for prototype in named])
    return logits.softmax(dim=-1).mean(dim=0).clone()
