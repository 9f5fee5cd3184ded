"""Pictures through an encoder, whether it takes torch tensors or NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clip_emotion.arrays import Float32Array
from clip_emotion.errors import ModelError
from clip_emotion.models.base import ImageEncoder


def embed_pixels(encoder: ImageEncoder, pixels: Sequence[Any]) -> Float32Array:
    """Embed N preprocessed pictures [3, H, W] → float32 [N, D]; raises ModelError when memory runs out."""
    if isinstance(pixels[0], np.ndarray):
        return np.asarray(encoder.encode_images(np.stack(pixels)), dtype=np.float32)
    import torch

    try:
        return np.asarray(encoder.encode_images(torch.stack(list(pixels))), dtype=np.float32)
    except torch.cuda.OutOfMemoryError as error:
        raise ModelError(f"A batch of {len(pixels)} pictures is too large: use a smaller --batch-size.") from error
