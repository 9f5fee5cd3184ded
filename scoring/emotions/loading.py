"""What judges a turn's emotion, loaded by name with its models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from clip_emotion.errors import UsageError
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.vocabulary import Vocabulary
from scoring.config import FusionConfig
from scoring.emotions.base import NO_HEAD, TurnEmotion
from scoring.emotions.given import GivenEmotion
from scoring.emotions.image import ImageEmotion
from scoring.emotions.kobert import KobertEmotion
from scoring.emotions.pooling import AutoEmotion
from scoring.emotions.text import TextEmotion


@dataclass(frozen=True)
class EmotionOptions:
    """What emotions are judged with: the words, the encoder of texts and images, KoBERT's folder, and the fusion.

    ``cache`` is a folder for encoded vocabularies, or None to encode them each time. ``encoder`` is one that is loaded
    already, instead of ``model``.
    """

    vocabulary: Vocabulary
    model: str = "mini"
    lang: str = "auto"
    device: str = "auto"
    fusion: FusionConfig = field(default_factory=FusionConfig)
    kobert: Path | None = None
    cache: Path | None = None
    encoder: ImageTextEncoder | None = None


def load_emotion(kind: str, options: EmotionOptions) -> TurnEmotion:
    """Load what judges turns, by name; raises UsageError for an unknown name and ModelError for lost weights."""
    if kind not in LOADERS:
        raise UsageError(f"Unknown source of emotions '{kind}': choose one of {', '.join(LOADERS)}.")
    return LOADERS[kind](options)


def _labeller(options: EmotionOptions) -> ZeroShotLabeller:
    from clip_emotion.models import registry

    encoder = options.encoder or registry.load_encoder(options.model, options.device)
    return ZeroShotLabeller(encoder, options.vocabulary, options.lang, cache=options.cache)


def _kobert(options: EmotionOptions) -> KobertEmotion:
    if options.kobert is None:
        raise UsageError(NO_HEAD)
    from clip_emotion.models.kobert.emotion import load_kobert_emotion
    from clip_emotion.runtime import resolve_device

    return KobertEmotion(load_kobert_emotion(options.kobert, resolve_device(options.device)), options.vocabulary)


def _auto(options: EmotionOptions) -> AutoEmotion:
    given = GivenEmotion(options.vocabulary)
    if options.kobert is not None:
        return AutoEmotion(given, _kobert(options), lambda: ImageEmotion(_labeller(options)), options.fusion)
    labeller = _labeller(options)
    return AutoEmotion(given, TextEmotion(labeller), lambda: ImageEmotion(labeller), options.fusion)


LOADERS: dict[str, Callable[[EmotionOptions], TurnEmotion]] = {
    "auto": _auto,
    "text": lambda options: TextEmotion(_labeller(options)),
    "kobert": _kobert,
    "image": lambda options: ImageEmotion(_labeller(options)),
    "given": lambda options: GivenEmotion(options.vocabulary),
}
