"""Distillation from the base of a run: on words of many emotions, and in what is said of images over them."""

from __future__ import annotations

import copy
import random

import torch
from torch import Tensor

from clip_emotion.models.emotion_clip.model import EmotionClip
from clip_emotion.training.finetune.config import FinetuneConfig
from clip_emotion.training.finetune.text import anchor_words, embed_all
from clip_emotion.training.losses import soft_cross_entropy
from clip_emotion.training.parallel.process_group import ALONE, ProcessGroup


class Distillation:
    """The base of a run, and the words that it is asked about: none that is to stay unseen."""

    def __init__(self, config: FinetuneConfig, model: EmotionClip, processes: ProcessGroup = ALONE) -> None:
        self.config, self.processes = config.distillation, processes
        self.words = anchor_words(config.unseen)
        self.embeddings = embed_all(model.eval(), self.words)
        self.base = copy.deepcopy(model).requires_grad_(False).eval() if config.distillation.images else None

    def loss(self, model: EmotionClip, pixels: Tensor, images: Tensor, rng: random.Random) -> Tensor:
        """Return how far the model has moved from its base.

        ``pixels`` [N, 3, H, W] are the step's images, in a process group this process's share of them, and ``images``
        [N, D] the model's embeddings of all of them.
        """
        total = images.new_zeros(())
        if self.config.words and not model.text_frozen:
            total = total + self.config.words * self._words(model, rng)
        if self.base is not None:
            total = total + self.config.images * self._images(self.base, pixels, images)
        return total

    def _words(self, model: EmotionClip, rng: random.Random) -> Tensor:
        rows = rng.sample(range(len(self.words)), min(self.config.batch, len(self.words)))
        now = model.embed_texts([self.words[row] for row in rows])
        return (1 - (now * self.embeddings[rows]).sum(dim=1)).mean()

    def _images(self, base: EmotionClip, pixels: Tensor, images: Tensor) -> Tensor:
        with torch.no_grad():
            before = self.processes.gather(base.embed_images(pixels))
        with torch.autocast(images.device.type, enabled=False):
            scale = base.logit_scale
            wanted = (scale * before @ self.embeddings.T).softmax(dim=1)
            return soft_cross_entropy(scale * images @ self.embeddings.T, wanted)
