"""Labelled rows in an encoder's space: images read, cropped and embedded in batches, texts embedded in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count, islice

import numpy as np

from clip_emotion.arrays import Float32Array
from clip_emotion.data.content_keys import pixel_key
from clip_emotion.data.images import ImageSource
from clip_emotion.errors import DataError, ImageError
from clip_emotion.models.base import ImageEncoder, ImageTextEncoder, text_reader
from clip_emotion.models.embedding import embed_pixels
from clip_emotion.retrieval.evaluation.labelled import ImageRow
from clip_emotion.retrieval.labelling.stream import StreamConfig, stream_batches

TEXT_BATCH = 1024
"""Texts are small and encoders sort a call's texts by length: larger calls waste less on padding than image-sized."""
Progress = Callable[[int], object]


def no_progress(rows: int) -> None:
    """Take the number of rows done, and tell nobody."""


@dataclass(frozen=True)
class Encoded:
    """Embeddings [N, D] of the rows that could be read, their places among all rows, and the faults of the others.

    In ``faceless`` images no face was found; ``skipped`` of them were left out for that.
    """

    embeddings: Float32Array
    kept: list[int]
    errors: tuple[str, ...]
    faceless: int = 0
    skipped: int = 0


EmbedRows = Callable[[ImageTextEncoder, Sequence[ImageRow], StreamConfig, Progress], Encoded]
"""What finds the embeddings of labelled images."""


def encode_image_rows(
    encoder: ImageEncoder, rows: Sequence[ImageRow], stream: StreamConfig, progress: Progress = no_progress
) -> Encoded:
    """Read, crop and embed images in batches and keep those that can be read; raises DataError where none can."""
    embeddings: list[Float32Array] = []
    kept: list[int] = []
    errors: list[str] = []
    faceless = skipped = 0
    places = count()
    # Without ``each`` there is one region a picture, in the order of the rows.
    for batch in stream_batches(map(_source, rows), encoder.preprocess, stream):
        readable = []
        for place, region in zip(islice(places, len(batch)), batch, strict=True):
            faceless += region.faceless
            if region.pixels is not None:
                readable.append(region.pixels)
                kept.append(place)
            elif region.error is not None:
                errors.append(f"{region.name}: {region.error}")
            else:
                skipped += 1
        if readable:
            embeddings.append(embed_pixels(encoder, readable))
        progress(len(batch))
    if not kept:
        raise none_usable(len(rows), errors)
    return Encoded(np.concatenate(embeddings), kept, tuple(errors), faceless, skipped)


def none_usable(rows: int, errors: Sequence[str]) -> DataError:
    """Return the error that tells that none of so many images has an embedding, with the first reason."""
    why = f"could be read, the first is {errors[0]}" if errors else "has a face: leave out --face require."
    return DataError(f"None of the {rows} pictures {why}")


def _source(row: ImageRow) -> ImageSource:
    try:
        return ImageSource(row.where, row.read())
    except ImageError as error:
        return ImageSource(row.where, None, str(error))


def pixel_keys(rows: Iterable[ImageRow]) -> list[str | None]:
    """Return each image's key, the same for identical pixels whatever the file; None where it cannot be read."""
    keys: list[str | None] = []
    for row in rows:
        try:
            keys.append(row.sha or pixel_key(row.read())[0])
        except ImageError:
            keys.append(None)
    return keys


def encode_text_rows(
    encoder: ImageTextEncoder, texts: list[str], batch_size: int = TEXT_BATCH, progress: Progress = no_progress
) -> Float32Array:
    """Embed texts that are to be judged, in batches of at least ``TEXT_BATCH``: M strings → [M, D]."""
    size, (read, _) = max(batch_size, TEXT_BATCH), text_reader(encoder)
    parts = []
    for start in range(0, len(texts), size):
        parts.append(np.asarray(read(texts[start : start + size]), dtype=np.float32))
        progress(len(parts[-1]))
    return np.concatenate(parts)
