"""The mini's text tower: a compact bilingual transformer over Unigram sub-words."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from tokenizers import Tokenizer
from torch import Tensor, nn

from clip_emotion.config import Config

PAD = 0


class TextTowerConfig(Config):
    """Sizes of the text tower; ``token_width`` is the factorised embedding's inner width (ALBERT, 1909.11942)."""

    vocabulary_size: int = Field(16_000, ge=8)
    token_width: int = Field(128, ge=4)
    width: int = Field(192, ge=4)
    layers: int = Field(3, ge=0)
    heads: int = Field(4, ge=1)
    max_tokens: int = Field(64, ge=4)
    dropout: float = Field(0.1, ge=0, lt=1)
    dim: int = Field(256, ge=2)


class TextTower(nn.Module):
    """Sub-word ids [N, T] (0 is padding) → L2-normalised embeddings [N, dim].

    The token embeddings also reach the attention pooling past the transformer, so that a lone rare word keeps its own
    meaning where context says nothing.
    """

    def __init__(self, config: TextTowerConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary_size, config.token_width, padding_idx=PAD)
        self.widen = nn.Linear(config.token_width, config.width, bias=False)
        self.positions = nn.Parameter(torch.zeros(config.max_tokens, config.width))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.width, config.heads, 4 * config.width, config.dropout, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.width)
        self.attention = nn.Linear(config.width, 1)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Sequential(
            nn.Linear(config.width, 2 * config.width), nn.GELU(), nn.Linear(2 * config.width, config.dim)
        )
        self.skip = nn.Linear(config.width, config.dim, bias=False)
        nn.init.normal_(self.tokens.weight, std=0.1)
        nn.init.normal_(self.positions, std=0.01)
        with torch.no_grad():
            self.tokens.weight[PAD].zero_()

    def forward(self, ids: Tensor) -> Tensor:
        """Embed padded sub-word ids [N, T] as [N, dim], each row of length 1."""
        empty = ids == PAD
        empty[:, 0] = False  # a text without a known sub-word still needs one place to look at
        words = self.dropout(self.widen(self.tokens(ids)))
        hidden = words + self.positions[: ids.shape[1]]
        for block in self.blocks:
            hidden = block(hidden, src_key_padding_mask=empty)
        hidden = self.norm(hidden + words)
        weights = self.attention(hidden).squeeze(-1).float().masked_fill(empty, -1e9).softmax(dim=1)
        pooled = torch.einsum("nt,ntw->nw", weights.to(hidden.dtype), hidden)
        return F.normalize((self.head(self.dropout(pooled)) + self.skip(pooled)).float(), dim=-1)


def pad_ids(rows: list[list[int]], max_tokens: int) -> Tensor:
    """Pad lists of sub-word ids to the longest (at most ``max_tokens``) → int64 [N, T], T ≥ 1."""
    width = max(1, min(max_tokens, max(map(len, rows), default=1)))
    padded = torch.full((len(rows), width), PAD, dtype=torch.long)
    for row, ids in zip(padded, rows, strict=True):
        kept = ids[:width]
        row[: len(kept)] = torch.tensor(kept, dtype=torch.long)
    return padded


def tokenize(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Return each text's sub-word ids, without padding."""
    return [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
