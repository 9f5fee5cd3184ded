"""Configuration of the messages stage, the mini's tower that reads order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from clip_emotion.config import Config
from clip_emotion.models.mini.config import ReadingConfig
from clip_emotion.training.loop.config import FitConfig
from clip_emotion.training.mean_shares import mean_shares
from clip_emotion.training.mini.chats_config import TasksConfig
from clip_emotion.training.mini.comments_config import KoreanCorpus
from clip_emotion.training.mini.text_config import NoiseConfig


class RulesConfig(Config):
    """How many messages by rule a step sees, what they weigh, and how many of them have slips."""

    batch: int = Field(160, ge=0)
    """Messages by rule a step."""
    weight: float = Field(1.0, ge=0)
    """Their weight in the loss."""
    slips: float = Field(0.35, ge=0, le=1)
    """The share of them with slips."""


class AnswersConfig(Config):
    """What the tower learns of a teacher's answers.

    ``weight`` is their share in the targets of the corpus that the teacher was ``taught``, and of its translation. Of
    each corpus in ``asked`` so many texts a step are told what the teacher says of them, in that corpus's words. With
    ``own``, the answers are the mean of the teacher's and of those of the tower that the run starts from: where the two
    err on different texts, it is better than either.
    """

    folder: Path | None = Path("runs/sentence_teacher")
    """The run of kind ``sentence_teacher`` or ``comment_teacher`` that gave them; null where ``own`` is 1."""
    own: float = Field(0.0, ge=0, le=1)
    """The share of the starting tower's own answers in them; 1 needs no teacher."""
    taught: Literal["goemotions_en", "goemotions_ko", "kote"] = "goemotions_en"
    """The corpus whose labels the teacher learned."""
    weight: float = Field(0.7, ge=0, le=1)
    """Their share in that corpus's targets."""
    asked: dict[Literal["emocontext", "emorynlp", KoreanCorpus], Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict
    )
    """Texts a step of corpora with other labels."""
    asked_weight: float = Field(0.5, gt=0)
    """Weight of these texts in the loss."""

    @model_validator(mode="after")
    def _somebody_answers(self) -> AnswersConfig:
        if (self.folder is None) != (self.own == 1):
            raise ValueError("folder is null where own is 1, and only there")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, whole: SerializerFunctionWrapHandler) -> dict[str, object]:
        # What a run was made with is compared when it goes on: without own, as releases wrote it that did not have it.
        return {name: value for name, value in whole(self).items() if name != "own" or value}


class MiniMessagesConfig(TasksConfig):
    """Configuration of the messages stage.

    ``base`` is the mini whose words messages are contrasted with, ``chats`` one whose chat tower is where the message
    tower starts from. ``teacher`` weighs how near a projection of an English sentence, or of its translation, must come
    to the teacher's embedding, ``anchor_weight`` how near lexicon words must stay to where the text tower has them.
    """

    kind: Literal["mini_messages"]
    """The kind of training."""
    seed: int = 0
    """Seed of weights and draws."""
    base: Path
    """The folder of the mini whose words messages are contrasted with."""
    chats: Path
    """The folder of the mini whose chat tower the message tower starts from."""
    out: Path = Path("runs/mini_messages")
    """The run's folder."""
    mean_with: tuple[Path, ...] = ()
    """Folders of finished runs of this kind; the result is the mean of their towers and this run's."""
    mean_weights: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """Weights of this run's tower and of theirs in that mean, in this order; none for equal ones."""
    reading: ReadingConfig = Field(default_factory=ReadingConfig)
    """Sizes of the blocks that read order."""
    rules: RulesConfig = Field(default_factory=RulesConfig)
    """Messages by rule."""
    teacher: float = Field(1.0, ge=0)
    """Weight of the teacher's sentences; 0 needs no teacher."""
    answers: tuple[AnswersConfig, ...] = ()
    """Teachers' answers, which are mixed in one after the other."""
    anchor_weight: float = Field(1.0, ge=0)
    """Weight of keeping lexicon words where the text tower has them."""
    anchor_batch: int = Field(48, ge=1)
    """Lexicon words a step."""
    own_names: float = Field(0.6, ge=0, le=1)
    """Probability that a class is called by its own name."""
    noise: NoiseConfig = Field(default_factory=NoiseConfig)
    """Noise of the texts."""
    fit: FitConfig
    """The training loop."""

    @model_validator(mode="after")
    def _one_weight_a_tower(self) -> MiniMessagesConfig:
        self.shares()
        return self

    def shares(self) -> tuple[float, ...]:
        """Return the share of this run's tower in the result, then those of ``mean_with``; their sum is 1."""
        return mean_shares(self.mean_weights, 1 + len(self.mean_with))
