"""An MLP behind a gate: each number of the joined feature is weighed by what the whole feature says."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clip_emotion.models.fusion.config import HeadConfig
from clip_emotion.models.fusion.heads.base import Sizes, two_layers

NARROWING = 4
"""The gate looks through a layer this many times narrower than ``width``."""


class AttentionGate(nn.Module):
    """Squeeze and excitation (1709.01507) over the concatenated features, then two layers."""

    def __init__(self, config: HeadConfig, sizes: Sizes) -> None:
        super().__init__()
        joined, narrow = sizes.image + sizes.text, max(1, config.width // NARROWING)
        self.gate = nn.Sequential(nn.Linear(joined, narrow), nn.GELU(), nn.Linear(narrow, joined), nn.Sigmoid())
        self.layers = two_layers(joined, config, sizes.classes)

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Return the logits [N, C] of an image feature [N, I] and a text feature [N, T]."""
        joined = torch.cat((image, text), dim=1)
        logits: Tensor = self.layers(2 * self.gate(joined) * joined)
        return logits
