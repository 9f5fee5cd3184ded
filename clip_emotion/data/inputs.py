"""Pictures that a Python caller hands over: by path, as bytes or files, as images, arrays or tensors."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_emotion.data.finding import display_name, resolve_path
from clip_emotion.data.images import ImageSource
from clip_emotion.data.pixels import scale_to_8_bit, tiles
from clip_emotion.errors import UsageError

KINDS = "paths, bytes, open files, Pillow images, arrays or tensors"
ROUNDING = 1e-3
"""How far a float array may leave [0, 1]: resizing and lossy steps go a little beyond."""


def as_sources(images: object) -> list[ImageSource]:
    """Wrap what a caller of the Python API hands over: one picture or a sequence of them.

    A picture is a path, encoded bytes, a file open for reading bytes, a Pillow image, an array [H, W] or
    [H, W, 1 | 3 | 4], or a torch tensor [H, W] or [1 | 3 | 4, H, W]. Arrays and tensors hold uint8, uint16 up to 65535,
    or floats in [0, 1]; other values become a source with an error. Raises UsageError for anything else.
    """
    single = isinstance(images, (str, bytes, bytearray, memoryview, Image.Image)) or hasattr(images, "__fspath__")
    single = single or hasattr(images, "read")
    if isinstance(images, np.ndarray) or _is_tensor(images):
        single = getattr(images, "ndim", 0) <= 3
    items = [images] if single else images
    if not isinstance(items, Iterable):
        raise UsageError(f"Pictures are {KINDS}, not {type(images).__name__}.")
    return [_as_source(item, position) for position, item in enumerate(items)]


def _as_source(item: object, position: int) -> ImageSource:
    name = f"image[{position}]"
    if isinstance(item, (bytes, bytearray, memoryview)):
        return ImageSource(name, bytes(item))
    if isinstance(item, Image.Image):
        return ImageSource(display_name(getattr(item, "filename", "") or name), item)
    if isinstance(item, np.ndarray):
        return _from_array(item, name)
    if _is_tensor(item):
        return _from_array(_channels_last(item), name)
    if hasattr(item, "read"):
        return _from_file(item, name)
    if isinstance(item, str) or hasattr(item, "__fspath__"):
        real = resolve_path(str(item))
        return ImageSource(display_name(str(item)), real, None if real else "The file does not exist.")
    raise UsageError(f"Pictures are {KINDS}, not {type(item).__name__}.")


def _is_tensor(item: object) -> bool:
    # A caller with a tensor has imported torch; without one it need not be loaded.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(item, torch.Tensor)


def _channels_last(tensor: Any) -> NDArray[Any]:
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array.transpose(1, 2, 0) if array.ndim == 3 else array


def _from_file(file: Any, name: str) -> ImageSource:
    label = getattr(file, "name", None)
    try:
        content = file.read()
    except (OSError, ValueError) as error:
        return ImageSource(name, None, f"The file cannot be read ({error}).")
    if not isinstance(content, bytes):
        raise UsageError("A picture's file must be open for reading bytes: open it with mode 'rb'.")
    return ImageSource(display_name(label) if isinstance(label, str) else name, content)


def _from_array(array: NDArray[Any], name: str) -> ImageSource:
    values = array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array
    if values.ndim not in (2, 3) or 0 in values.shape or (values.ndim == 3 and values.shape[-1] not in (3, 4)):
        return ImageSource(name, None, f"An array of shape {array.shape} is no picture: give [H, W] or [H, W, 3].")
    fault = _fault(values)
    if fault:
        return ImageSource(name, None, fault)
    return ImageSource(name, Image.fromarray(_to_8_bit(values)))


def _fault(values: NDArray[Any]) -> str | None:
    """Return why an array's values are no picture's, with what is expected, or None where they are."""
    kind = values.dtype
    if kind == np.uint8:
        return None
    if kind == np.uint16:
        peak = int(values.max())
        if 0 < peak <= 255:
            return f"A uint16 array is expected to run up to 65535, and this one ends at {peak}: give it as uint8."
        return None
    if kind.kind != "f":
        return f"An array of {kind} is no picture: give uint8, uint16 or floats from 0 to 1."
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        return "A float array of a picture is expected to run from 0 to 1, and this one holds NaN or infinity."
    if low < -ROUNDING or high > 1 + ROUNDING:
        advice = ": divide it by 255" if low >= 0 and 1 < high <= 255 else ""
        return f"A float array is expected to run from 0 to 1, and this one runs from {low:g} to {high:g}{advice}."
    return None


def _to_8_bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    factor = 1 / 257 if values.dtype == np.uint16 else 255.0
    scaled = np.empty(values.shape, dtype=np.uint8)
    for left, top, right, bottom in tiles(values.shape[1], values.shape[0]):
        scaled[top:bottom, left:right] = scale_to_8_bit(values[top:bottom, left:right], factor)
    return scaled
