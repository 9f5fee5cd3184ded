"""Configuration of the mini's first stage, the text tower."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from clip_emotion.config import Config
from clip_emotion.models.mini.config import TextTowerConfig
from clip_emotion.training.corpora_config import SourcesConfig
from clip_emotion.training.loop.config import FitConfig


class BatchConfig(Config):
    """How many texts of each kind a step sees; of the GoEmotions ones ``pairs`` come with their translation."""

    goemotions: int = Field(80, ge=1)
    """GoEmotions comments a step."""
    pairs: int = Field(32, ge=2)
    """Those of them that come with their translation."""
    kote: int = Field(32, ge=1)
    """KOTE comments a step."""
    nsmc: int = Field(48, ge=1)
    """Reviews a step."""
    lexicon: int = Field(64, ge=1)
    """Lexicon words a step."""
    korean_share: float = Field(0.5, ge=0, le=1)
    """Probability that a step's GoEmotions comments are Korean."""


class LossWeights(Config):
    """The weight of each part of the loss."""

    goemotions: float = 1.0
    """Weight of GoEmotions comments."""
    kote: float = 1.0
    """Weight of KOTE comments."""
    families: float = 0.3
    """Weight of the comments' basic emotions."""
    lexicon: float = 0.5
    """Weight of lexicon words."""
    nsmc: float = 0.3
    """Weight of reviews."""
    pairs: float = 0.3
    """Weight of translation pairs."""


class NoiseConfig(Config):
    """What is done to the texts and inside the tower to keep it from learning comments by heart.

    A sub-word is dropped from a comment with probability ``word_dropout``. A sub-word is cut in two with probability
    ``cut_comments`` or, in label words and the lexicon, ``cut_words``, so that unseen words mean what their parts do
    (sub-word regularisation, 1804.10959).
    """

    dropout: float = Field(0.25, ge=0, lt=1)
    """Dropout in the tower."""
    word_dropout: float = Field(0.15, ge=0, lt=1)
    """Probability that a comment's sub-word is dropped."""
    cut_comments: float = Field(0.1, ge=0, lt=1)
    """Probability that a comment's sub-word is cut in two."""
    cut_words: float = Field(0.25, ge=0, lt=1)
    """Probability that a label's or lexicon word's sub-word is cut in two."""


class DeepenConfig(Config):
    """The second run of the text stage, with the tower's blocks.

    What is kept is the average of the weights before and after it, the latter with the share ``blend``: as in WiSE-FT
    (2109.01903) it does better than either, on comments and on new words.
    """

    blend: float = Field(0.5, ge=0, le=1)
    """Share of the deepened weights in the result."""
    noise: NoiseConfig = Field(default_factory=NoiseConfig)
    """Noise of the second run."""
    fit: FitConfig
    """The training loop of the second run."""


class MiniTextConfig(Config):
    """Configuration of the text stage.

    ``fit`` trains the words alone (a tower without its blocks), which is quick; ``deepen`` then adds the blocks, which
    start as the identity, and trains everything at a lower rate. A label is called by its own name with probability
    ``own_names``, else by any of its words.
    """

    kind: Literal["mini_text"]
    """The kind of training."""
    seed: int = 0
    """Seed of weights and draws."""
    sources: SourcesConfig
    """The text sets."""
    out: Path = Path("runs/mini_text")
    """The run's folder."""
    tower: TextTowerConfig = Field(default_factory=TextTowerConfig)
    """Sizes of the text tower."""
    batch: BatchConfig = Field(default_factory=BatchConfig)
    """Texts a step, by kind."""
    weights: LossWeights = Field(default_factory=LossWeights)
    """Weights of the parts of the loss."""
    own_names: float = Field(0.8, ge=0, le=1)
    """Probability that a label is called by its own name."""
    noise: NoiseConfig = Field(default_factory=NoiseConfig)
    """Noise of the first run."""
    fit: FitConfig
    """The training loop of the first run."""
    deepen: DeepenConfig | None = None
    """The second run, with the tower's blocks; null without."""

    def stage(self, deep: bool) -> MiniTextConfig:
        """Return the settings of one of the two runs: without the blocks, or with them and ``deepen``'s noise."""
        noise = self.deepen.noise if deep and self.deepen else self.noise
        change = {"dropout": noise.dropout} | ({} if deep else {"layers": 0})
        return self.model_copy(update={"noise": noise, "tower": self.tower.model_copy(update=change)})
