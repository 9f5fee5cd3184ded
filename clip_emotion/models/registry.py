"""One look-up from what the user wrote after ``--model`` to an encoder."""

from __future__ import annotations

from collections.abc import Callable

import torch

from clip_emotion.files import expanded
from clip_emotion.models.base import ImageTextEncoder, TrainedEncoder
from clip_emotion.resources import weights_dir
from clip_emotion.runtime import resolve_device
from clip_emotion.vocabulary import Vocabulary


def load_encoder(spec: str = "mini", device: str = "auto") -> ImageTextEncoder:
    """Load ``mini``, a folder that ``train`` or ``pull`` wrote, or an open_clip model (``name/tag``, a file, a Hub id).

    Raises UsageError for an unknown name and ModelError where weights are missing, broken or out of reach.
    """
    chosen = resolve_device(device)
    if spec in BUNDLED:
        return BUNDLED[spec](chosen)
    folder = expanded(spec)
    if (folder / "mini.yaml").is_file():
        from clip_emotion.models.mini.encoder import load_mini

        return load_mini(folder, chosen)
    if (folder / "classifier.yaml").is_file():
        from clip_emotion.models.classifiers.checkpoint import load_classifier

        return load_classifier(folder, chosen)
    if any((folder / name).is_file() for name in ("checkpoint.yaml", "checkpoint.pt")):
        from clip_emotion.models.emotion_clip.checkpoint import load_checkpoint_encoder

        return load_checkpoint_encoder(folder, chosen)
    from clip_emotion.models.openclip.encoder import load_open_clip

    return load_open_clip(spec, chosen)


def own_vocabulary(encoder: ImageTextEncoder) -> Vocabulary | None:
    """Return the words that an encoder was trained on, where it knows them."""
    return encoder.vocabulary if isinstance(encoder, TrainedEncoder) else None


def _bundled_mini(device: torch.device) -> ImageTextEncoder:
    from clip_emotion.models.mini.encoder import load_mini

    return load_mini(weights_dir() / "mini", device)


BUNDLED: dict[str, Callable[[torch.device], ImageTextEncoder]] = {"mini": _bundled_mini}
