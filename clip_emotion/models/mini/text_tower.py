"""The mini's text tower: Unigram sub-words, a few convolutions for their neighbours, attention pooling."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clip_emotion.models.mini.config import TextTowerConfig
from clip_emotion.models.mini.sub_words import PAD, padded


class NeighbourBlock(nn.Module):
    """A pre-norm residual block over each sub-word and its neighbours: a convolution and a projection.

    The last layer starts at zero, so that the block starts as the identity and a lone word keeps its own meaning.
    """

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.kernel = kernel
        self.norm = nn.LayerNorm(width)
        self.neighbours = nn.Linear(kernel * width, width)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, words: Tensor, there: Tensor) -> Tensor:
        """[N, T, width] → the same; ``there`` [N, T, 1] is 0 on padding, which no word may feel."""
        reach = self.kernel // 2
        padded = F.pad(self.norm(words) * there, (0, 0, reach, reach))
        # As one matrix product over the gathered neighbours, which is quicker than conv1d on a CPU.
        windows = torch.cat([padded[:, at : at + words.shape[1]] for at in range(self.kernel)], dim=-1)
        change: Tensor = self.out(self.dropout(F.gelu(self.neighbours(windows))))
        return words + change


class TextTower(nn.Module):
    """Sub-word ids [N, T] (0 is padding) → L2-normalised embeddings [N, dim]."""

    def __init__(self, config: TextTowerConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary_size, config.token_width, padding_idx=PAD)
        self.widen = nn.Linear(config.token_width, config.width, bias=False)
        self.blocks = nn.ModuleList(
            NeighbourBlock(config.width, config.kernel, config.dropout) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.width)
        self.attention = nn.Linear(config.width, 1)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Sequential(
            nn.Linear(config.width, 2 * config.width), nn.GELU(), nn.Linear(2 * config.width, config.dim)
        )
        self.skip = nn.Linear(config.width, config.dim, bias=False)
        nn.init.normal_(self.tokens.weight, std=0.1)
        with torch.no_grad():
            self.tokens.weight[PAD].zero_()

    def forward(self, ids: Tensor) -> Tensor:
        """Embed padded sub-word ids [N, T] as [N, dim], each row of length 1."""
        return F.normalize(self.features(ids), dim=-1)

    def features(self, ids: Tensor) -> Tensor:
        """Embed padded sub-word ids [N, T] as [N, dim], of any length."""
        there = ids != PAD
        there[:, 0] = True  # a text without a known sub-word still needs one place to look at
        words = self.norm(self.read(ids, there))
        weights = self.attention(words).squeeze(-1).float().masked_fill(~there, -1e9).softmax(dim=1)
        pooled = torch.einsum("nt,ntw->nw", weights.to(words.dtype), words)
        embedding: Tensor = (self.head(self.dropout(pooled)) + self.skip(pooled)).float()
        return embedding

    def read(self, ids: Tensor, there: Tensor) -> Tensor:
        """Read padded sub-word ids [N, T] → vectors [N, T, width]; ``there`` [N, T] is False on padding."""
        words: Tensor = self.dropout(self.widen(self.tokens(ids)))
        for block in self.blocks:
            words = block(words, there.unsqueeze(-1))
        return words


def pad_ids(rows: list[list[int]], max_tokens: int) -> Tensor:
    """Pad lists of sub-word ids to the longest (at most ``max_tokens``) → int64 [N, T], T ≥ 1."""
    return torch.from_numpy(padded(rows, max_tokens))
