"""Gated late fusion: each feature is classified by itself, and a gate says how far to believe which."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clip_emotion.models.fusion.config import HeadConfig
from clip_emotion.models.fusion.heads.base import Sizes, two_layers


class GatedLate(nn.Module):
    """The features' own logits, mixed by a share in (0, 1) for each row (gated multimodal units, 1702.01992)."""

    def __init__(self, config: HeadConfig, sizes: Sizes) -> None:
        super().__init__()
        self.image = two_layers(sizes.image, config, sizes.classes)
        self.text = two_layers(sizes.text, config, sizes.classes)
        self.gate = nn.Linear(sizes.image + sizes.text, 1)

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Return the logits [N, C] of an image feature [N, I] and a text feature [N, T]."""
        share = self.gate(torch.cat((image, text), dim=1)).sigmoid()
        logits: Tensor = share * self.image(image) + (1 - share) * self.text(text)
        return logits
