"""The plain head: both features side by side through two layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clip_emotion.models.fusion.config import HeadConfig
from clip_emotion.models.fusion.heads.base import Sizes, two_layers


class Mlp(nn.Module):
    """Two layers over the concatenated features."""

    def __init__(self, config: HeadConfig, sizes: Sizes) -> None:
        super().__init__()
        self.layers = two_layers(sizes.image + sizes.text, config, sizes.classes)

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Return the logits [N, C] of an image feature [N, I] and a text feature [N, T]."""
        logits: Tensor = self.layers(torch.cat((image, text), dim=1))
        return logits
