"""Configuration of fine-tuning: a model, the images, the words, the losses and the schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from clip_emotion.config import Config
from clip_emotion.data.row_filter import parse_filter
from clip_emotion.data.transform_config import TransformConfig
from clip_emotion.errors import UsageError
from clip_emotion.label import LANGUAGES
from clip_emotion.models.emotion_clip.config import EmotionClipConfig
from clip_emotion.training.loop.config import FitConfig
from clip_emotion.training.loss_config import LossConfig
from clip_emotion.training.sources import RawSource
from clip_emotion.vocabulary_file import check_templates


class VotesConfig(Config):
    """Crowd votes (FER+) for the images of ``source``.

    They are mixed into the targets with a share ``weight`` where at least ``least`` of them name a class. ``relabel``
    gives a class its minimum of votes from which an image is of this class, whatever its label says: a class that the
    source's own labels lack comes to images that way.
    """

    path: Path
    """The table of votes (FER+)."""
    source: str = "fer2013"
    """The source whose images the votes are for."""
    weight: float = Field(0.3, ge=0, le=1)
    """Share of the votes in a target."""
    least: int = Field(5, ge=1)
    """Votes that must name a class for them to count."""
    relabel: dict[str, int] = Field(default_factory=dict)
    """For a class, its least votes from which an image is of that class."""


class ImagesConfig(Config):
    """Where the labelled images lie, and which of them are never trained on.

    Either ``sources`` gives each card's name the raw data set in ``folder``, or ``merged`` the folder of a prepared or
    merged set. Of a source's training images, one in ``held_out[source]`` becomes the split ``heldout_SOURCE`` and
    one in ``validation[source]`` the split ``validation_SOURCE``, by a hash of their pixels; one in ``tuning`` of the
    rest is kept out to fit the temperature. ``limit`` trains on so few pictures, the same number of each class.
    ``validate_on`` names the splits that are looked at in validation, instead of all; the others are not trained on
    either. ``filter`` trains on the rows of which it is true alone (``age>=20 and age<40``); every split that validates
    is then cut into them and the rest (``validation_rest``). Its columns are those of prepared sets (AI-Hub's age and
    gender) or of the table ``metadata`` in ``folder``, joined by path.
    """

    folder: Path = Path()
    """The folder of the raw data sets."""
    prepared: Path = Path("runs/prepared")
    """Where prepared data sets are kept."""
    sources: dict[str, Path] = Field(default_factory=dict)
    """Each card's name with its file in the folder."""
    merged: Path | None = None
    """A prepared or merged folder, in place of sources."""
    votes: VotesConfig | None = None
    """Crowd votes for one source; null without."""
    held_out: dict[str, int] = Field(default_factory=dict)
    """For a source, one training image in so many is kept for a last look."""
    validation: dict[str, int] = Field(default_factory=dict)
    """For a source, one training image in so many validates."""
    tuning: int = Field(33, ge=2)
    """One training image in so many fits the temperature."""
    limit: int | None = Field(None, ge=2)
    """Train on so few images, the same number of each class; null takes all."""
    validate_on: tuple[str, ...] = ()
    """The splits that validate; none named takes all."""
    filter: str | None = None
    """Train on the rows of which this is true, as age>=20 and age<40; null takes all."""
    metadata: Path | None = None
    """A table of path and further columns in the folder, for filter; null without."""

    @field_validator("filter")
    @classmethod
    def _can_be_read(cls, text: str | None) -> str | None:
        try:
            return parse_filter(text).text if text is not None else None
        except UsageError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if bool(self.sources) == (self.merged is not None):
            raise ValueError("give either sources (a data set's name and its file) or merged (a prepared folder)")
        if any(share < 2 for shares in (self.held_out, self.validation) for share in shares.values()):
            raise ValueError("held_out and validation keep out one image in so many: at least 2")
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
    """Choose each class's templates on validation."""
    ko: tuple[str, ...] = ()
    """Korean templates in place of the vocabulary's."""
    en: tuple[str, ...] = ()
    """English templates in place of the vocabulary's."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        check_templates({"ko": list(self.ko), "en": list(self.en)})
        return self


class DistillationConfig(Config):
    """How hard the model is held where its base was, so that it forgets no word that is not trained.

    ``words`` weighs 1 - cosine between where ``batch`` words of many emotions are now and where the base has them; it
    matters where the text side is trained. ``images`` weighs the cross-entropy between what the base and the model
    say of an image over all those words (learning without forgetting, 1606.09282).
    """

    words: float = Field(0.0, ge=0)
    """Weight of 1 - cosine between words now and at the base."""
    images: float = Field(0.0, ge=0)
    """Weight of the cross-entropy between what base and model say of an image."""
    batch: int = Field(32, ge=1)
    """Words a step."""


class FinetuneConfig(Config):
    """Configuration of a fine-tuning run.

    ``base`` is a backbone as ``open_backbone`` takes it, with ``model`` put on it, or the folder of a finished run with
    the same heads, from whose weights this one goes on. ``unfreeze_at`` is the share of the run in which the heads
    alone are trained (LP-FT: Kumar et al., 2202.10054), ``layer_decay`` the factor on the learning rate from a block to
    the one before it. ``freeze`` keeps a whole side as it is. A class is called by its own name with probability
    ``own_names``, else by another of its words; no word of the ``unseen`` vocabularies is used. ``balanced`` batches
    hold as many images of each class, or with ``by_source`` of each class and source; a class too rare for its share of
    a batch shares that of the next larger one. ``validate_on_training`` adds metrics on so many training images.
    """

    kind: Literal["emotion_clip"]
    """The kind of training."""
    seed: int = Field(0, ge=0)
    """Seed of weights, batches and draws."""
    base: str = "mini"
    """What is fine-tuned: mini, an open_clip name/tag, a checkpoint's folder, or random:ARCHITECTURE."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    out: Path = Path("runs/finetune")
    """The run's folder."""
    model: EmotionClipConfig = Field(default_factory=EmotionClipConfig)
    """What is put on the base, and what of it is trained."""
    freeze: Literal["none", "text", "image"] = "none"
    """The side that is kept as it is."""
    unfreeze_at: float = Field(0.0, ge=0, lt=1)
    """Share of the run in which the heads alone are trained."""
    layer_decay: float = Field(1.0, gt=0, le=1)
    """Factor on the learning rate from a block to the one before it."""
    data: ImagesConfig
    """The labelled images."""
    vocabulary: str = "basic8"
    """The vocabulary of the classes."""
    unseen: tuple[str, ...] = ("kote36", "synonyms7")
    """Vocabularies of which no word is trained on."""
    languages: tuple[str, ...] = LANGUAGES
    """Languages of the prompts."""
    own_names: float = Field(0.5, ge=0, le=1)
    """Probability that a class is called by its own name."""
    templates: TemplatesConfig = Field(default_factory=TemplatesConfig)
    """The sentences that names are put into."""
    batch: int = Field(96, ge=2)
    """Images a step."""
    sampler: Literal["balanced", "shuffled"] = "balanced"
    """Batches balanced over the classes, or shuffled."""
    by_source: bool = False
    """Balance over the sources of each class too."""
    transform: TransformConfig | None = Field(default_factory=TransformConfig)
    """Random changes of the training images; null leaves them."""
    cache: Literal["memory", "none"] = "memory"
    """Keep decoded images in memory, or decode them each time."""
    workers: int = Field(1, ge=1)
    """Threads that make batches ahead."""
    losses: LossConfig = Field(default_factory=LossConfig)
    """The parts of the loss."""
    distillation: DistillationConfig = Field(default_factory=DistillationConfig)
    """How hard the model is held where its base was."""
    validate_on_training: int = Field(0, ge=0)
    """Also measure so many training images."""
    fit: FitConfig
    """The training loop."""

    @field_validator("languages")
    @classmethod
    def _known(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        if not languages or set(languages) - set(LANGUAGES):
            raise ValueError(f"languages are one or more of {', '.join(LANGUAGES)}")
        return languages
