"""Exports kept in the user's cache, one for each fingerprint, so that a model is exported once."""

from __future__ import annotations

import re
from pathlib import Path

from clip_emotion.config import load_config
from clip_emotion.errors import ClipEmotionError, ModelError
from clip_emotion.files import draft_of, publish
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.mini.config import MiniConfig
from clip_emotion.models.mini.files import PARTS, fingerprint_mini, mini_parts
from clip_emotion.models.onnx.card import CARD, FORMAT, is_export, read_card
from clip_emotion.resources import cache_dir

UNFIT = re.compile(r"[^0-9A-Za-z_-]")


def place_of(fingerprint: str) -> Path:
    """Return the folder in the cache for the export of an encoder of this fingerprint."""
    return cache_dir() / "onnx" / f"{UNFIT.sub('_', fingerprint)}-{FORMAT}"


def kept_export(fingerprint: str) -> Path | None:
    """Return the folder of an encoder's export where the cache has a whole one."""
    folder = place_of(fingerprint)
    try:
        return folder if is_export(folder) and read_card(folder).base_fingerprint == fingerprint else None
    except ClipEmotionError:
        return None


def keep_export(encoder: ImageTextEncoder, model: str) -> Path:
    """Export an encoder into the cache and return the folder; raises ModelError where the cache cannot be written."""
    from clip_emotion.models.onnx.export import export_encoder

    folder = place_of(encoder.fingerprint)
    try:
        with draft_of(folder) as draft:
            card = export_encoder(encoder, model, draft)
            publish(draft, folder, [*card.files, CARD])
    except OSError as error:
        raise ModelError(
            f"The export cannot be kept in {folder.parent} ({error.strerror or error}): set CLIP_EMOTION_CACHE to a "
            "folder that can be written."
        ) from error
    return folder


def mini_fingerprint(folder: Path) -> str:
    """Return the fingerprint of a mini's folder without loading it; raises ModelError where a part is missing."""
    mini_parts(folder)
    return fingerprint_mini(folder, load_config(MiniConfig, folder / PARTS[0]))
