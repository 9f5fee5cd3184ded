"""The models of ``clip-emotion score``: what judges the turns and what weighs the labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clip_emotion.cli.common import say
from clip_emotion.cli.options import Language
from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clip_emotion.vocabulary import Vocabulary
    from scoring.affection.scorer import AffectionScorer
    from scoring.config import ScoreConfig
    from scoring.conversation import Turn
    from scoring.emotions.base import TurnEmotion

MINI = "mini"
CHUNK = 512


class Watched:
    """A turn's emotion, asked for in pieces of many turns, that tells ``advance`` how many are done."""

    def __init__(self, inner: TurnEmotion) -> None:
        self.inner = inner
        self.advance: Callable[[int], None] = lambda steps: None
        self.reasons: dict[int, str] = {}
        self._mirror()

    def emotions(self, turns: Sequence[Turn]) -> NDArray[np.float64]:
        """Return the inner one's probabilities, [T, L], and keep its reasons."""
        import numpy as np

        self.reasons = {}
        starts = range(0, max(len(turns), 1), CHUNK)
        return np.concatenate([self._piece(turns[start : start + CHUNK]) for start in starts])

    def _piece(self, turns: Sequence[Turn]) -> NDArray[np.float64]:
        from scoring.emotions.base import reasons_of

        probabilities = self.inner.emotions(turns)
        self.reasons.update(reasons_of(self.inner))
        self._mirror()
        self.advance(len(turns))
        return probabilities

    def _mirror(self) -> None:
        # A maker may learn while it works, such as that there are pictures after all.
        self.name, self.vocabulary, self.notices = self.inner.name, self.inner.vocabulary, self.inner.notices


@dataclass(frozen=True)
class ModelChoice:
    """By what turns are judged: the maker, the words (None for the configuration's), its models and where they run."""

    emotions: str
    words: Vocabulary | None
    model: str
    kobert: Path | None
    lang: str
    device: str

    @property
    def is_small(self) -> bool:
        """Whether a turn is judged by the bundled mini, in about a millisecond."""
        return self.model == MINI and self.kobert is None

    @property
    def shown_language(self) -> str:
        """The language of the shown names: Korean unless English was asked for."""
        return "en" if self.lang == Language.en.value else "ko"

    def check(self, config: ScoreConfig) -> None:
        """Raise UsageError for what cannot be, as far as that is known without loading a model."""
        from scoring.embedders import embedder_loader
        from scoring.emotions.base import NO_HEAD

        if self.emotions == "kobert" and self.kobert is None:
            raise UsageError(NO_HEAD)
        embedder_loader(config.weights.embedder)


def load_scorer(choice: ModelChoice, config: ScoreConfig) -> tuple[AffectionScorer, Watched]:
    """Load the models of a choice, and tell their notices; the watched emotion is the one that the scorer asks."""
    from clip_emotion.resources import cache_dir
    from clip_emotion.vocabulary import Vocabulary
    from scoring.affection.scorer import AffectionScorer
    from scoring.affection.weights import affection_weights
    from scoring.embedders import load_embedder
    from scoring.emotions.makers import EmotionOptions, load_emotion

    options = EmotionOptions(
        vocabulary=choice.words or Vocabulary.load(config.vocabulary),
        model=choice.model,
        lang=choice.lang,
        device=choice.device,
        fusion=config.fusion,
        kobert=choice.kobert,
        cache=cache_dir() / "vocabularies",
    )
    emotion = Watched(load_emotion(choice.emotions, options))
    for notice in emotion.notices:
        say(f"Note: {notice}")
    embedder = load_embedder(config.weights.embedder, choice.device)
    weights = affection_weights(emotion.vocabulary, embedder, config.weights, choice.lang)
    return AffectionScorer(emotion, weights, config, choice.shown_language), emotion
