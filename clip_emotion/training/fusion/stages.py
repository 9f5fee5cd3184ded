"""The stages before a head: image features and captions of a split's images, kept so that none is made twice."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import datasets
import numpy as np
import torch
from datasets import Dataset
from PIL import Image
from torch import Tensor

from clip_emotion.arrays import Float32Array
from clip_emotion.data.images import open_image
from clip_emotion.errors import DataError, ImageError
from clip_emotion.files import write_atomic
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.captioning.base import Captioner
from clip_emotion.models.captioning.cache import Captioned, CaptionFile
from clip_emotion.models.captioning.words import WordsCaptioner
from clip_emotion.models.embedding import embed_pixels
from clip_emotion.models.fusion.features import ImageFeature

BLOCK = 2048
"""So many images' features are kept in one file: a run that was cut off lacks one block at most."""
THREADS = 2
Progress = Callable[[int], object]
Item = TypeVar("Item")


def in_parts(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of at most ``size``."""
    left = iter(items)
    while part := list(islice(left, size)):
        yield part


def image_features(feature: ImageFeature, rows: Dataset, batch: int, cache: Path, progress: Progress) -> Tensor:
    """Return the features [N, D] of a split's images, those that ``cache`` holds by fingerprint and content from there.

    Raises DataError for an image that cannot be read.
    """
    every, parts = list(rows["sha"]), []
    for block in in_parts(range(len(rows)), BLOCK):
        contents = "\n".join(every[block[0] : block[-1] + 1])
        key = hashlib.sha256(f"{feature.fingerprint}\n{contents}".encode()).hexdigest()[:24]
        path = cache / feature.fingerprint[:24] / f"{key}.npy"
        found = _kept(path, len(block))
        if found is None:
            found = _embedded(feature, rows.select(block), batch)
            write_atomic(path, _npy(found))
        progress(len(block))
        parts.append(found)
    return torch.from_numpy(np.concatenate(parts))


def _kept(path: Path, count: int) -> Float32Array | None:
    """Return a block's features, None where there are none or they are damaged."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.dtype == np.float32 and found.ndim == 2 and len(found) == count else None


def _npy(values: Float32Array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def _embedded(feature: ImageFeature, rows: Dataset, batch: int) -> Float32Array:
    images = _images(rows)
    with ThreadPoolExecutor(THREADS) as pool:
        return np.concatenate(
            [embed_pixels(feature, list(pool.map(feature.preprocess, some))) for some in in_parts(images, batch)]
        )


def _images(rows: Dataset) -> Iterator[Image.Image]:
    encoded = rows.select_columns(["image", "path"]).cast_column("image", datasets.Image(decode=False))
    for row in encoded:
        content = row["image"]["bytes"]
        try:
            yield open_image(content if isinstance(content, bytes) else Path(str(row["image"]["path"])))
        except ImageError as error:
            raise DataError(f"The image {row['path']} cannot be used: {error}") from error


def captions_of(captioner: Captioner, rows: Dataset, file: CaptionFile, cache: Path, progress: Progress) -> list[str]:
    """Return the captions of a split's images; those that the file lacks are made and appended as they come."""
    contents, names = list(rows["sha"]), list(rows["path"])
    missing = file.missing(contents, captioner.model, captioner.prompt)
    progress(len(rows) - len(missing))
    for places, captions in _captioned(captioner, rows, missing, cache):
        file.append(
            Captioned(contents[place], captioner.model, captioner.prompt, caption, names[place])
            for place, caption in zip(places, captions, strict=True)
        )
        progress(len(places))
    found = [file.get(content, captioner.model, captioner.prompt) for content in contents]
    return [caption or "" for caption in found]


def _captioned(
    captioner: Captioner, rows: Dataset, places: Sequence[int], cache: Path
) -> Iterator[tuple[Sequence[int], list[str]]]:
    if not places:
        return
    if isinstance(captioner, WordsCaptioner):
        # Its encoder's embeddings are all it reads, and they may be the image feature too.
        embeddings = image_features(captioner.encoder, rows, captioner.batch, cache, lambda count: None).numpy()
        for some in in_parts(places, BLOCK):
            yield some, captioner.of_embeddings(embeddings[some])
        return
    images = _images(rows.select(places))
    with ThreadPoolExecutor(THREADS) as pool:
        for some in in_parts(places, captioner.batch):
            pixels = pool.map(captioner.preprocess, [next(images) for _ in some])
            yield some, captioner.caption(torch.stack([torch.as_tensor(one) for one in pixels]))


def text_features(encoder: ImageTextEncoder, captions: Sequence[str], batch: int) -> Tensor:
    """Return the text features [N, D] of captions, each different one of which is embedded once."""
    different = list(dict.fromkeys(captions))
    parts = [torch.as_tensor(encoder.encode_texts(some)).float() for some in in_parts(different, batch)]
    places = {caption: place for place, caption in enumerate(different)}
    return torch.cat(parts)[[places[caption] for caption in captions]]
