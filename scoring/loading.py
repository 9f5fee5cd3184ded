"""The front door: a scorer loaded with its models, and files scored by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clip_emotion.errors import UsageError
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.vocabulary import Vocabulary
from scoring.affection.scorer import AffectionScorer
from scoring.affection.weights import affection_weights
from scoring.config import ScoreConfig
from scoring.embedders import embedder_loader, load_embedder
from scoring.emotions.base import NO_HEAD
from scoring.emotions.loading import EmotionOptions, load_emotion
from scoring.readers import ReadOptions, read_conversations
from scoring.result import ConversationScore


@dataclass(frozen=True)
class ScorerOptions:
    """By what turns are judged, in which words, and where the models run.

    ``emotions`` is ``auto``, ``text``, ``kobert``, ``image`` or ``given``. ``vocabulary`` is a vocabulary, its name or
    its file, or None for the configuration's. ``model`` encodes texts and images, ``kobert`` is the folder of a KoBERT
    with its head. ``lang`` is the language of the label words, ``cache`` a folder for encoded vocabularies;
    ``encoder`` is one that is loaded already, instead of ``model``.
    """

    emotions: str = "auto"
    vocabulary: Vocabulary | str | None = None
    model: str = "mini"
    kobert: Path | None = None
    lang: str = "auto"
    device: str = "auto"
    cache: Path | None = None
    encoder: ImageTextEncoder | None = None

    @property
    def shown_language(self) -> str:
        """The language of the labels' shown names: Korean unless English was asked for."""
        return "en" if self.lang == "en" else "ko"


def check_options(options: ScorerOptions, config: ScoreConfig) -> None:
    """Raise UsageError for what cannot be loaded, as far as that is known without loading a model."""
    if options.emotions == "kobert" and options.kobert is None:
        raise UsageError(NO_HEAD)
    embedder_loader(config.weights.embedder)


def load_scorer(options: ScorerOptions | None = None, config: ScoreConfig | None = None) -> AffectionScorer:
    """Load the models that judge turns and weigh labels, and return the scorer that uses them.

    Raises UsageError for unknown names, MissingExtraError for a package that is not installed, and ModelError for
    weights that cannot be had.
    """
    options, config = options or ScorerOptions(), config or ScoreConfig()
    check_options(options, config)
    words = options.vocabulary
    emotion = load_emotion(
        options.emotions,
        EmotionOptions(
            words if isinstance(words, Vocabulary) else Vocabulary.load(words or config.vocabulary),
            model=options.model,
            lang=options.lang,
            device=options.device,
            fusion=config.fusion,
            kobert=options.kobert,
            cache=options.cache,
            encoder=options.encoder,
        ),
    )
    embedder = load_embedder(config.weights.embedder, options.device)
    weights = affection_weights(emotion.vocabulary, embedder, config.weights, options.lang)
    return AffectionScorer(emotion, weights, config, options.shown_language)


def score_file(
    path: str | Path,
    scorer: AffectionScorer | None = None,
    options: ReadOptions | None = None,
    progress: Callable[[int], None] = lambda turns: None,
) -> list[ConversationScore]:
    """Score each conversation that a file holds: one of a chat export, one or more of a table.

    Without ``scorer`` the default one is loaded, which takes a second or two: load it once for several files. Raises
    DataError for a file that cannot be read as a conversation.
    """
    conversations = read_conversations(Path(path), options or ReadOptions())
    scorer = scorer or load_scorer()
    return [scorer.score(conversation, progress) for conversation in conversations]
