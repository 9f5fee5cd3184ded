"""Cross-attention: the image's tokens look at the text's, and the text's at the image's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clip_emotion.models.fusion.config import HeadConfig
from clip_emotion.models.fusion.heads.base import Sizes, Tokens, check_attention


class CrossAttention(nn.Module):
    """Attention of each feature's tokens over the other's, added to them; both means together are classified."""

    def __init__(self, config: HeadConfig, sizes: Sizes) -> None:
        super().__init__()
        check_attention(config)
        self.image, self.text = Tokens(sizes.image, config), Tokens(sizes.text, config)
        settings = {"dropout": config.dropout, "batch_first": True}
        self.to_text = nn.MultiheadAttention(config.width, config.attention_heads, **settings)
        self.to_image = nn.MultiheadAttention(config.width, config.attention_heads, **settings)
        self.last = nn.Sequential(
            nn.LayerNorm(2 * config.width), nn.Dropout(config.dropout), nn.Linear(2 * config.width, sizes.classes)
        )

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Return the logits [N, C] of an image feature [N, I] and a text feature [N, T]."""
        seen, said = self.image(image), self.text(text)
        with_text = seen + self.to_text(seen, said, said, need_weights=False)[0]
        with_image = said + self.to_image(said, seen, seen, need_weights=False)[0]
        logits: Tensor = self.last(torch.cat((with_text.mean(dim=1), with_image.mean(dim=1)), dim=1))
        return logits
