"""Configuration of fine-tuning: a model, the pictures, the words, the losses and the schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from clip_emotion.config import Config
from clip_emotion.data.transforms import TransformConfig
from clip_emotion.models.emotion_clip.model import EmotionClipConfig
from clip_emotion.training.loop.fit import FitConfig
from clip_emotion.training.losses import LossConfig
from clip_emotion.training.sources import RawSource
from clip_emotion.vocabulary import LANGUAGES, check_templates


class VotesConfig(Config):
    """Crowd votes (FER+) for the pictures of ``source``.

    They are mixed into the targets with a share ``weight`` where at least ``least`` of them name a class. ``relabel``
    gives a class its minimum of votes from which a picture is of this class, whatever its label says: a class that the
    source's own labels lack comes to pictures that way.
    """

    path: Path
    source: str = "fer2013"
    weight: float = Field(0.3, ge=0, le=1)
    least: int = Field(5, ge=1)
    relabel: dict[str, int] = Field(default_factory=dict)


class ImagesConfig(Config):
    """Where the labelled pictures lie, and which of them are never trained on.

    Either ``sources`` gives each card's name the raw data set in ``folder``, or ``merged`` the folder of a prepared or
    merged set. Of a source's training pictures, one in ``held_out[source]`` becomes the split ``heldout_SOURCE`` and
    one in ``validation[source]`` the split ``validation_SOURCE``, by a hash of their pixels; one in ``tuning`` of the
    rest is kept out to fit the temperature. ``limit`` trains on so few pictures, the same number of each class.
    ``validate_on`` names the splits that are looked at in validation, instead of all; the others are not trained on
    either.
    """

    folder: Path = Path()
    prepared: Path = Path("runs/prepared")
    sources: dict[str, Path] = Field(default_factory=dict)
    merged: Path | None = None
    votes: VotesConfig | None = None
    held_out: dict[str, int] = Field(default_factory=dict)
    validation: dict[str, int] = Field(default_factory=dict)
    tuning: int = Field(33, ge=2)
    limit: int | None = Field(None, ge=2)
    validate_on: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if bool(self.sources) == (self.merged is not None):
            raise ValueError("give either sources (a data set's name and its file) or merged (a prepared folder)")
        if any(share < 2 for shares in (self.held_out, self.validation) for share in shares.values()):
            raise ValueError("held_out and validation keep out one picture in so many: at least 2")
        return self

    def raw(self) -> dict[str, RawSource]:
        """Return the raw data sets by the names of their cards; none for a merged set."""
        return {
            card: RawSource(card, self.folder / path, self.prepared, drop_duplicates=True)
            for card, path in self.sources.items()
        }

    def raw_votes(self) -> RawSource | None:
        """Return the raw table of votes where one is named."""
        return RawSource("ferplus", self.folder / self.votes.path, self.prepared) if self.votes else None


class TemplatesConfig(Config):
    """Sentences that names are put into: the vocabulary's own, these instead, or the best of them on validation."""

    choose: bool = False
    ko: tuple[str, ...] = ()
    en: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        check_templates({"ko": list(self.ko), "en": list(self.en)})
        return self


class KeepConfig(Config):
    """How hard the model is held where its base was, so that it forgets no word that is not trained.

    ``words`` weighs 1 - cosine between where ``batch`` words of many emotions are now and where the base has them; it
    matters where the text side is trained. ``pictures`` weighs the cross-entropy between what the base and the model
    say of a picture over all those words (learning without forgetting, 1606.09282).
    """

    words: float = Field(0.0, ge=0)
    pictures: float = Field(0.0, ge=0)
    batch: int = Field(32, ge=1)


class FinetuneConfig(Config):
    """Configuration of a fine-tuning run.

    ``base`` is a backbone as ``open_backbone`` takes it and ``model`` what is put on it. ``unfreeze_at`` is the share
    of the run in which the heads alone are trained (LP-FT: Kumar et al., 2202.10054), ``layer_decay`` the factor on the
    learning rate from a block to the one before it. ``freeze`` keeps a whole side as it is. A class is called by its
    own name with probability ``own_names``, else by another of its words; no word of the ``unseen`` vocabularies is
    used. ``balanced`` batches hold as many pictures of each class, or with ``by_source`` of each class and source; a
    class too rare for its share of a batch shares that of the next larger one. ``validate_on_training`` adds figures on
    so many training pictures.
    """

    kind: Literal["emotion_clip"]
    seed: int = Field(0, ge=0)
    base: str = "mini"
    device: str = "auto"
    out: Path = Path("runs/finetune")
    model: EmotionClipConfig = Field(default_factory=EmotionClipConfig)
    freeze: Literal["none", "text", "image"] = "none"
    unfreeze_at: float = Field(0.0, ge=0, lt=1)
    layer_decay: float = Field(1.0, gt=0, le=1)
    data: ImagesConfig
    vocabulary: str = "basic8"
    unseen: tuple[str, ...] = ("kote36", "synonyms7")
    languages: tuple[str, ...] = LANGUAGES
    own_names: float = Field(0.5, ge=0, le=1)
    templates: TemplatesConfig = Field(default_factory=TemplatesConfig)
    batch: int = Field(96, ge=2)
    sampler: Literal["balanced", "shuffled"] = "balanced"
    by_source: bool = False
    transform: TransformConfig | None = Field(default_factory=TransformConfig)
    cache: Literal["memory", "none"] = "memory"
    workers: int = Field(1, ge=1)
    losses: LossConfig = Field(default_factory=LossConfig)
    keep: KeepConfig = Field(default_factory=KeepConfig)
    validate_on_training: int = Field(0, ge=0)
    fit: FitConfig

    @field_validator("languages")
    @classmethod
    def _known(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        if not languages or set(languages) - set(LANGUAGES):
            raise ValueError(f"languages are one or more of {', '.join(LANGUAGES)}")
        return languages
