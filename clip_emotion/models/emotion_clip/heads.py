"""Deeper heads: residual blocks over a tower's features that start as the identity."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clip_emotion.models.emotion_clip.config import HeadConfig


class ResidualBlock(nn.Module):
    """x + W₂·dropout(gelu(W₁·norm(x))), with W₂ and its bias zero at first, so that the block starts as the identity.

    A pre-norm residual block as in Xiong et al. (2002.04745) that starts at zero as in Goyal et al. (1706.02677).
    """

    def __init__(self, dim: int, config: HeadConfig) -> None:
        super().__init__()
        hidden = max(1, round(config.width * dim))
        self.norm = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(hidden, dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, features: Tensor) -> Tensor:
        """[N, dim] → [N, dim]."""
        change: Tensor = self.out(self.dropout(F.gelu(self.widen(self.norm(features)))))
        return features + change


class ResidualHead(nn.Module):
    """``depth`` residual blocks over unnormalised features, then a projection where the embedding's size differs.

    At the start the blocks are the identity. The projection P is semi-orthogonal (Saxe et al., 1312.6120): to a larger
    size PᵀP = I keeps every cosine, to a smaller one PPᵀ = I, and cosines are kept on average only. It is the same P
    for every head of the same sizes, so that pictures and texts, which share a space before it, share one after it.
    """

    def __init__(self, dim: int, config: HeadConfig) -> None:
        super().__init__()
        self.dim = config.dim or dim
        self.blocks = nn.Sequential(*(ResidualBlock(dim, config) for _ in range(config.depth)))
        self.projection: nn.Module = nn.Identity() if self.dim == dim else _semi_orthogonal(dim, self.dim)

    def forward(self, features: Tensor) -> Tensor:
        """[N, D] → [N, dim], not normalised."""
        projected: Tensor = self.projection(self.blocks(features))
        return projected


def _semi_orthogonal(inputs: int, outputs: int) -> nn.Linear:
    projection = nn.Linear(inputs, outputs, bias=False)
    nn.init.orthogonal_(projection.weight, generator=torch.Generator().manual_seed(0))
    return projection
