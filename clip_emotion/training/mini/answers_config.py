"""Configuration of the sentence teacher, whose answers on English sentences the message tower learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from clip_emotion.config import Config
from clip_emotion.training.loop.config import FitConfig
from clip_emotion.training.mini.chats_config import ChatSourcesConfig


class SentenceTeacherConfig(Config):
    """Configuration of a teacher that is fine-tuned on the English comments of GoEmotions.

    It starts from the encoder of the extra ``teacher``; ``out`` receives its answers on the comments and chats that
    train, and no weights.
    """

    kind: Literal["sentence_teacher"]
    """The kind of training."""
    seed: int = 0
    """Seed of the head's weights and of the batches."""
    sources: ChatSourcesConfig
    """The text and chat sets."""
    out: Path = Path("runs/sentence_teacher")
    """The run's folder."""
    batch: int = Field(32, ge=1)
    """Comments a step."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout before the head."""
    head_lr_scale: float = Field(10.0, gt=0)
    """Factor on the learning rate of the head, which starts anew."""
    fit: FitConfig
    """The training loop."""
