"""Self-attention: the tokens of both features look at one another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clip_emotion.models.fusion.config import HeadConfig
from clip_emotion.models.fusion.heads.base import Sizes, Tokens, check_attention


class SelfAttention(nn.Module):
    """One transformer layer (1706.03762) over the tokens of both features, whose mean is classified."""

    def __init__(self, config: HeadConfig, sizes: Sizes) -> None:
        super().__init__()
        check_attention(config)
        self.image, self.text = Tokens(sizes.image, config), Tokens(sizes.text, config)
        self.layer = nn.TransformerEncoderLayer(
            config.width,
            config.attention_heads,
            2 * config.width,
            config.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.last = nn.Sequential(nn.LayerNorm(config.width), nn.Linear(config.width, sizes.classes))

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Return the logits [N, C] of an image feature [N, I] and a text feature [N, T]."""
        seen = self.layer(torch.cat((self.image(image), self.text(text)), dim=1))
        logits: Tensor = self.last(seen.mean(dim=1))
        return logits
