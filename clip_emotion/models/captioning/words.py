"""The captioner ``words``: an image–text model's nearest words, put into a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from clip_emotion.arrays import Float32Array
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.captioning.config import WordsCaptionerConfig
from clip_emotion.models.label_embeddings import label_embeddings
from clip_emotion.vocabulary import Vocabulary


class WordsCaptioner:
    """Names the words nearest to an image; it knows what the model sees and no more than that."""

    def __init__(self, config: WordsCaptionerConfig, encoder: ImageTextEncoder) -> None:
        vocabulary = Vocabulary.load(config.vocabulary)
        self.encoder, self.template, self.batch = encoder, config.template, config.batch
        self.top = min(config.top, len(vocabulary))
        self.words = vocabulary.names(config.language)
        self.labels = label_embeddings(encoder, vocabulary, config.language)
        self.model = f"{encoder.name}-{encoder.fingerprint[:16]}"
        self.prompt = f"{config.template} | {self.top} of {vocabulary.name} | {config.language}"
        self.preprocess: Callable[[Image], Any] = encoder.preprocess

    def caption(self, pixels: Tensor) -> list[str]:
        """Return a caption of each image [N, 3, H, W], as ``preprocess`` gives them."""
        # In half precision the cosines are still taken in full.
        return self.of_embeddings(torch.as_tensor(self.encoder.encode_images(pixels)).float().numpy())

    def of_embeddings(self, embeddings: Float32Array) -> list[str]:
        """Return a caption for each of an image encoder's own embeddings [N, D]."""
        best = np.argsort(-(embeddings @ self.labels.T), axis=1, kind="stable")[:, : self.top]
        return [self.template.format(", ".join(self.words[at] for at in row)) for row in best]
