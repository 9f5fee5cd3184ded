"""Heads of a fusion: from an image feature and a text feature to logits, one a file."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from clip_emotion.models.fusion.config import HeadConfig
from clip_emotion.models.fusion.heads.attention_gate import AttentionGate
from clip_emotion.models.fusion.heads.base import Sizes
from clip_emotion.models.fusion.heads.cross_attention import CrossAttention
from clip_emotion.models.fusion.heads.gated_late import GatedLate
from clip_emotion.models.fusion.heads.mlp import Mlp
from clip_emotion.models.fusion.heads.self_attention import SelfAttention

HEADS: dict[str, Callable[[HeadConfig, Sizes], nn.Module]] = {
    "mlp": Mlp,
    "attention_gate": AttentionGate,
    "self_attention": SelfAttention,
    "cross_attention": CrossAttention,
    "gated_late": GatedLate,
}
"""Each head by its name; all take an image feature [N, I] and a text feature [N, T] and return logits [N, C]."""
