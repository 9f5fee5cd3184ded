"""What is computed once and kept in a file, because it takes minutes and a run that goes on needs it again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import Tensor

from clip_emotion.files import write_atomic

logger = logging.getLogger(__name__)


def computed_once(path: Path, name: str, compute: Callable[[], Tensor]) -> Tensor:
    """Return the tensor that a file keeps under a name; it is computed and written where no whole file is there."""
    kept = _kept(path, name)
    if kept is not None:
        return kept
    logger.info("Computing %s, once, in %s …", name, path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, to_safetensors({name: compute()}))
    return load_file(path)[name]


def _kept(path: Path, name: str) -> Tensor | None:
    try:
        return load_file(path).get(name)
    except (FileNotFoundError, SafetensorError):
        # What a full disk or a broken copy cut off is computed again.
        return None
