"""The mini's tower for messages: the text tower, and above its convolutions a small transformer that reads order."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clip_emotion.models.mini.config import ReadingConfig, TextTowerConfig
from clip_emotion.models.mini.text_tower import TextTower


class AttentionBlock(nn.Module):
    """A pre-norm transformer block (2002.04745): self-attention, then a feed-forward layer, both residual.

    Both last layers start at zero, so that the block starts as the identity and a tower that is given one reads on as
    before.
    """

    def __init__(self, width: int, config: ReadingConfig, dropout: float) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.norm_feed = nn.LayerNorm(width)
        self.feed = nn.Linear(width, config.feed_forward)
        self.fed = nn.Linear(config.feed_forward, width)
        self.dropout = nn.Dropout(dropout)
        for layer in (self.attended, self.fed):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, words: Tensor, there: Tensor) -> Tensor:
        """[N, T, width] → the same; ``there`` [N, T] is False on padding, which no word attends to."""
        count, length, width = words.shape
        joint = self.queries_keys_values(self.norm_attention(words))
        query, key, value = joint.view(count, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=there[:, None, None, :])
        words = words + self.dropout(self.attended(attended.transpose(1, 2).reshape(count, length, width)))
        change: Tensor = self.dropout(self.fed(F.gelu(self.feed(self.norm_feed(words)))))
        return words + change


class MessageTower(TextTower):
    """Sub-word ids [N, T] (0 is padding) → L2-normalised embeddings [N, dim], in the text tower's space.

    Its first parts have the text tower's names and sizes, from whose weights they may start.
    """

    def __init__(self, config: TextTowerConfig, reading: ReadingConfig) -> None:
        super().__init__(config)
        self.positions = nn.Parameter(torch.zeros(config.max_tokens, config.width))
        self.reading = nn.ModuleList(
            AttentionBlock(config.width, reading, config.dropout) for _ in range(reading.layers)
        )

    def read(self, ids: Tensor, there: Tensor) -> Tensor:
        """Read padded sub-word ids [N, T] in their order → one vector for each, [N, T, width]."""
        words = super().read(ids, there)
        ordered = words + self.positions[: ids.shape[1]]
        for block in self.reading:
            ordered = block(ordered, there)
        return ordered
