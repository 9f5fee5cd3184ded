"""Configuration of KoBERT: where it comes from, and the head that is put on it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from clip_emotion.config import Config

HUB_NAME = "monologg/kobert"


Pooling = Literal["cls", "mean"]


class KobertHeadConfig(Config):
    """What is put on top of KoBERT, and how much of a text it reads.

    ``pooling`` makes one vector of a text: ``cls`` is BERT's own, the pre-trained pooler's output at [CLS];
    ``mean`` is the mean of the last layer's outputs over all tokens. ``max_tokens`` counts [CLS] and [SEP] as well.
    """

    pooling: Pooling = "cls"
    """What stands for a text: BERT's own vector of [CLS], or the mean over its tokens."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout before the head."""
    max_tokens: int = Field(128, ge=3)
    """Tokens that are read of a text."""
