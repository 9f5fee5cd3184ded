"""Names the emotion in a face with any words you like, and scores how a conversation feels."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from clip_emotion.version import __version__

if TYPE_CHECKING:
    from clip_emotion.models.registry import load_encoder
    from clip_emotion.retrieval.evaluation.evaluate import evaluate
    from clip_emotion.retrieval.labelling.index import VocabularyIndex
    from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
    from clip_emotion.retrieval.labelling.predictions import Predictions
    from clip_emotion.vocabulary import Vocabulary

__all__ = [
    "Predictions",
    "Vocabulary",
    "VocabularyIndex",
    "ZeroShotLabeller",
    "__version__",
    "evaluate",
    "load_encoder",
]

_HOMES = {
    "Predictions": "clip_emotion.retrieval.labelling.predictions",
    "Vocabulary": "clip_emotion.vocabulary",
    "VocabularyIndex": "clip_emotion.retrieval.labelling.index",
    "ZeroShotLabeller": "clip_emotion.retrieval.labelling.labeller",
    "evaluate": "clip_emotion.retrieval.evaluation.evaluate",
    "load_encoder": "clip_emotion.models.registry",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import clip_emotion`` stays instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'clip_emotion' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Name what stands here, whether or not it was used yet."""
    return sorted({*globals(), *__all__})
