"""The one contract that every captioner fulfils."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from PIL.Image import Image
from torch import Tensor


class Captioner(Protocol):
    """Says a sentence of each image.

    ``model`` names the model with a hash of its weights and of how it answers; with the prompt and an image's content
    it is the key of a caption. ``prompt`` is what was asked, in words that a person can read.
    """

    model: str
    prompt: str
    batch: int
    preprocess: Callable[[Image], Any]
    """RGB image → float tensor [3, H, W], the same size for every image."""

    def caption(self, pixels: Tensor) -> list[str]:
        """Return a caption of each image [N, 3, H, W], as ``preprocess`` gives them."""
        ...
