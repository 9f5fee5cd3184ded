"""Small stand-ins for real collaborators: deterministic, and quick to build."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor


class FakeEncoder:
    """An ImageTextEncoder whose image embedding is the picture's mean colour and whose text embedding is a hash.

    The texts ``red``, ``green`` and ``blue`` (in any template) fall on the colour axes, so that ranks are known.
    """

    name = "fake"
    fingerprint = "fake-0123456789abcdef"
    languages = ("ko", "en")
    logit_scale = 10.0
    text_logit_scale = 10.0
    dim = 8

    def __init__(self) -> None:
        self.text_calls = 0
        self.image_calls = 0

    def preprocess(self, image: Image) -> Tensor:
        array = np.asarray(image.convert("RGB").resize((16, 16)), dtype=np.float32) / 255
        return torch.from_numpy(array).permute(2, 0, 1).contiguous()

    def encode_images(self, pixels: Tensor) -> Tensor:
        self.image_calls += 1
        embedding = torch.zeros(len(pixels), self.dim)
        embedding[:, :3] = pixels.mean(dim=(2, 3)) + 1e-4
        return torch.nn.functional.normalize(embedding, dim=1)

    def encode_texts(self, texts: list[str]) -> Tensor:
        self.text_calls += 1
        return torch.nn.functional.normalize(torch.stack([self._text(text) for text in texts]), dim=1)

    def _text(self, text: str) -> Tensor:
        for axis, colour in enumerate(("red", "green", "blue")):
            if colour in text:
                return torch.eye(self.dim)[axis]
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        return torch.randn(self.dim, generator=torch.Generator().manual_seed(seed))
