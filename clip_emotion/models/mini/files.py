"""The files of a mini's folder: which there are, what identifies them, and the tokenizer."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tokenizers import Tokenizer

from clip_emotion.errors import ModelError
from clip_emotion.models.mini.config import MiniConfig

PARTS = ("mini.yaml", "text.safetensors", "image.safetensors", "tokenizer.json")
"""The files of a mini's folder."""
CHATS = "chats.safetensors"
"""The file of the tower for chat messages, which a mini may have besides."""


def mini_parts(folder: Path) -> list[Path]:
    """Return the paths of ``PARTS``; raises ModelError where one is missing."""
    parts = [folder / name for name in PARTS]
    missing = [part.name for part in parts if not part.is_file()]
    if missing:
        raise ModelError(
            f"The mini in {folder} lacks {', '.join(missing)}: reinstall clip-emotion or train it with "
            "clip-emotion train configs/train/mini_1_text.yaml configs/train/mini_2_image.yaml."
        )
    return parts


def fingerprint_mini(folder: Path, config: MiniConfig) -> str:
    """Return the fingerprint of a mini's folder, whose configuration says whether it has a tower for messages.

    Raises ModelError where a part is missing or cannot be read.
    """
    parts = [*mini_parts(folder), *([] if config.chat_logit_scale is None else [folder / CHATS])]
    try:
        return fingerprint_files(parts)
    except OSError as error:
        raise ModelError(f"The weights in {folder} cannot be read ({error}): fetch or train them again.") from error


def fingerprint_files(paths: list[Path]) -> str:
    """Return a SHA-256 over the files' bytes, in order, as ``mini-<16 hex digits>``."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return f"mini-{digest.hexdigest()[:16]}"


def load_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer.json; raises ModelError when it is not one."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise ModelError(f"The tokenizer {path} cannot be read: fetch or train it again.") from error
    return tokenizer
