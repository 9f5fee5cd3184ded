"""Configuration of the words stage, in which the mini's text tower learns the words that people type."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from clip_emotion.config import Config
from clip_emotion.training.corpora_config import SourcesConfig
from clip_emotion.training.loop.config import FitConfig
from clip_emotion.training.mean_shares import mean_shares


class BridgeConfig(Config):
    """Which words and phrases of a language its teacher places among the lexicon's concepts.

    Words that occur ``often`` in the comments and the teacher's own; ``phrases`` runs of two to ``longest`` words of
    comments. Kept are those that come at least ``near`` to a word of the lexicon (cosine) and of whose concept the
    classifier, a logistic regression, is at least ``sure``.
    """

    often: int = Field(2, ge=1)
    """Comments in which a word must stand."""
    phrases: int = Field(60_000, ge=0)
    """Runs of words that are drawn from comments."""
    longest: int = Field(4, ge=2)
    """Words of the longest run."""
    near: float = Field(0.5, ge=-1, le=1)
    """Least cosine to a word of the lexicon."""
    sure: float = Field(0.3, ge=0, le=1)
    """Least probability of the likeliest concept."""
    inverse_penalty: float = Field(20.0, gt=0)
    """C of the logistic regression: the greater, the surer it is."""
    seed: int = 0
    """Seed of the runs."""


class BridgesConfig(Config):
    """The bridge of each language; null for none."""

    en: BridgeConfig | None = None
    """English words, which all-MiniLM-L6-v2 places."""
    ko: BridgeConfig | None = None
    """Korean words, which Kiwi's morphemes place."""


class WordsBatch(Config):
    """How many texts of each kind a step sees."""

    lexicon: int = Field(160, ge=1)
    """Lexicon words a step."""
    bridge: int = Field(128, ge=0)
    """Bridged words and phrases of both languages a step."""
    valence: int = Field(64, ge=0)
    """Words of reviews a step."""
    kept: int = Field(96, ge=1)
    """Names, comments and words that are held, a step."""
    names: int = Field(0, ge=0)
    """Names that are held besides, a step."""


class WordsWeights(Config):
    """The weight of each part of the loss; ``kept`` holds names, comments and words where they were."""

    lexicon: float = 1.0
    """Weight of lexicon words."""
    bridge: float = 1.0
    """Weight of bridged words."""
    valence: float = 0.3
    """Weight of words of reviews."""
    kept: float = 10.0
    """Weight of holding names, comments and words."""


class StillConfig(Config):
    """Which words of the comments are held where the tower had them, as nothing teaches them: the commonest.

    Else a word that is never shown goes wherever the words that share its sub-words are drawn.
    """

    often: int = Field(3, ge=1)
    """Times that a word must stand in the comments."""
    most: int = Field(0, ge=0)
    """Words of each language."""


class ValenceConfig(Config):
    """Which words of reviews say whether they are good or bad: in ``often`` reviews, ``lean`` away from one half."""

    often: int = Field(20, ge=1)
    """Reviews in which a word must stand."""
    lean: float = Field(0.15, ge=0, le=0.5)
    """How far a word's share of good reviews must lie from one half."""


class MiniWordsConfig(Config):
    """Configuration of the words stage.

    ``base`` holds the finished text tower that it starts from. A word changes its ending with probability ``forms``; a
    sub-word is cut in two with probability ``cut``.
    """

    kind: Literal["mini_words"]
    """The kind of training."""
    seed: int = 0
    """Seed of draws."""
    base: Path
    """The folder of the finished text tower."""
    out: Path = Path("runs/mini_words")
    """The run's folder."""
    sources: SourcesConfig
    """The text sets."""
    batch: WordsBatch = Field(default_factory=WordsBatch)
    """Texts a step, by kind."""
    weights: WordsWeights = Field(default_factory=WordsWeights)
    """Weights of the parts of the loss."""
    bridge: BridgesConfig = Field(default_factory=BridgesConfig)
    """Which words the teachers place."""
    unseen: tuple[Path, ...] = ()
    """Tables below the sources' folder whose column ``word`` holds words that no bridge and no review teaches."""
    valence: ValenceConfig = Field(default_factory=ValenceConfig)
    """Which words of reviews lean."""
    still: StillConfig = Field(default_factory=StillConfig)
    """Which words that nothing teaches are held."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout in the tower."""
    forms: float = Field(0.3, ge=0, le=1)
    """Probability that a word changes its ending."""
    cut: float = Field(0.2, ge=0, lt=1)
    """Probability that a sub-word is cut in two."""
    own_names: float = Field(0.8, ge=0, le=1)
    """Probability that a label is called by its own name."""
    mean_with: tuple[Path, ...] = ()
    """Folders of finished text towers of this size; the result is the mean of their weights and this run's."""
    mean_weights: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """Weights of this run's tower and of theirs in that mean, in this order; none for equal ones."""
    fit: FitConfig
    """The training loop."""

    @model_validator(mode="after")
    def _one_weight_a_tower(self) -> MiniWordsConfig:
        self.shares()
        return self

    def shares(self) -> tuple[float, ...]:
        """Return the share of this run's tower in the result, then those of ``mean_with``; their sum is 1."""
        return mean_shares(self.mean_weights, 1 + len(self.mean_with))
