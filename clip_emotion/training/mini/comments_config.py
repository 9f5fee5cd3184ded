"""Configuration of the comment teacher, whose answers on Korean comments the message tower learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from clip_emotion.config import Config
from clip_emotion.training.mini.chats_config import ChatSourcesConfig

KoreanCorpus = Literal["kote", "goemotions_ko", "nsmc", "chatbot"]


class CommentTeacherConfig(Config):
    """Configuration of a linear teacher of Korean comments.

    It reads the morphemes of the extra ``teacher``; ``out`` receives its answers, and no weights.
    """

    kind: Literal["comment_teacher"]
    """The kind of training."""
    seed: int = 0
    """Seed of the folds."""
    sources: ChatSourcesConfig
    """The text and chat sets."""
    out: Path = Path("runs/comment_teacher")
    """The run's folder."""
    taught: Literal["kote", "goemotions_ko"]
    """The corpus whose labels it learns."""
    asked: tuple[KoreanCorpus, ...] = ()
    """Other corpora of which it says what it thinks, in those labels."""
    folds: int = Field(5, ge=2)
    """Parts of its own comments; the answers on one come from a model of the others."""
    often: int = Field(2, ge=1)
    """Comments in which a feature must stand."""
    meaning: float = Field(1.5, ge=0)
    """Weight of the morphemes' vectors beside the counts."""
    inverse_penalty: float = Field(5.0, gt=0)
    """C of the logistic regressions."""

    @model_validator(mode="after")
    def _others_are_asked_once(self) -> CommentTeacherConfig:
        # Its own comments are answered by models that never saw them.
        if self.taught in self.asked or len(set(self.asked)) < len(self.asked):
            raise ValueError(f"asked names other corpora than {self.taught}, each once")
        return self
