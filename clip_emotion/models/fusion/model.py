"""The part of a fusion that is trained: features joined, made comparable, and read by a head."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clip_emotion.models.fusion.config import HeadConfig
from clip_emotion.models.fusion.heads import HEADS
from clip_emotion.models.fusion.heads.base import Sizes

LEAST = 1e-6


class FusionModel(nn.Module):
    """From joined features [N, I + T], as ``joined`` makes them, to logits [N, C].

    The features are standardised by the mean and the deviation of the training rows. A feature that ``inputs`` leaves
    out is its mean in every row.
    """

    mean: Tensor
    deviation: Tensor
    shown: Tensor

    def __init__(self, config: HeadConfig, sizes: Sizes) -> None:
        super().__init__()
        self.config, self.sizes = config, sizes
        width = sizes.image + sizes.text
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        parts = {"image": sizes.image, "text": sizes.text}
        shown = [torch.full((size,), float(config.inputs in ("both", part))) for part, size in parts.items()]
        self.register_buffer("shown", torch.cat(shown), persistent=False)
        self.head = HEADS[config.kind](config, sizes)

    def standardise(self, features: Tensor) -> None:
        """Take mean and deviation from training rows [N, I + T]; a number that never changes stays as it is."""
        deviation, mean = torch.std_mean(features, dim=0, correction=0)
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(deviation > LEAST, deviation, 1.0))

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits [N, C] of joined features [N, I + T]."""
        shown = (features - self.mean) / self.deviation * self.shown
        image, text = shown.split((self.sizes.image, self.sizes.text), dim=1)
        logits: Tensor = self.head(image, text)
        return logits.float()


def joined(image: Tensor, text: Tensor) -> Tensor:
    """Return an image feature [N, I] and a text feature [N, T] side by side, each and both of unit length."""
    return F.normalize(torch.cat((F.normalize(image.float()), F.normalize(text.float())), dim=1))
