"""Pictures that a Python caller hands over in memory or by path, wrapped as sources."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_emotion.data.images import ImageSource, display_name, resolve_path
from clip_emotion.errors import UsageError


def as_sources(images: object) -> list[ImageSource]:
    """Wrap what a caller of the Python API hands over: one picture or a sequence of them.

    A picture is a path, encoded bytes, a Pillow image, or an array [H, W], [H, W, 1 | 3 | 4] of uint8, uint16 or of
    floats in [0, 1]. Raises UsageError for anything else.
    """
    single = isinstance(images, (str, bytes, Image.Image)) or hasattr(images, "__fspath__")
    single = single or (isinstance(images, np.ndarray) and images.ndim <= 3)
    items = [images] if single else images
    if not isinstance(items, Iterable):
        raise UsageError(f"Pictures are paths, bytes, Pillow images or arrays, not {type(images).__name__}.")
    return [_as_source(item, position) for position, item in enumerate(items)]


def _as_source(item: object, position: int) -> ImageSource:
    name = f"image[{position}]"
    if isinstance(item, bytes):
        return ImageSource(name, item)
    if isinstance(item, Image.Image):
        return ImageSource(display_name(getattr(item, "filename", "") or name), item)
    if isinstance(item, np.ndarray):
        return _from_array(item, name)
    if isinstance(item, (str, Path)):
        real = resolve_path(str(item))
        return ImageSource(display_name(str(item)), real, None if real else "The file does not exist.")
    raise UsageError(f"Pictures are paths, bytes, Pillow images or arrays, not {type(item).__name__}.")


def _from_array(array: NDArray[Any], name: str) -> ImageSource:
    values = array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array
    if values.ndim not in (2, 3) or 0 in values.shape or (values.ndim == 3 and values.shape[-1] not in (3, 4)):
        return ImageSource(name, None, f"An array of shape {array.shape} is no picture: give [H, W] or [H, W, 3].")
    if values.dtype.kind == "f":
        values = np.nan_to_num(values).clip(0, 1) * 255
    elif values.dtype == np.uint16:
        values = values / 257
    elif values.dtype != np.uint8:
        return ImageSource(name, None, f"An array of {array.dtype} is no picture: give uint8, uint16 or float.")
    return ImageSource(name, Image.fromarray(values.round().astype(np.uint8)))
