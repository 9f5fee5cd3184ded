"""What one worker of many does with its share of the pictures; it knows nothing of who runs it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from clip_emotion.data.image_limits import allow_pixels
from clip_emotion.data.images import ImageSource
from clip_emotion.errors import ClipEmotionError, ModelError
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.registry import load_encoder
from clip_emotion.retrieval.engines.wire import to_bytes
from clip_emotion.retrieval.labelling.labeller import embed_regions
from clip_emotion.retrieval.labelling.stream import StreamConfig, stream_batches
from clip_emotion.retrieval.store.embedding import EmbedCounts, Embedding
from clip_emotion.retrieval.store.embedding_store import Found
from clip_emotion.retrieval.store.parts import Part, Parts
from clip_emotion.retrieval.store.records import Picture

KEY = np.dtype("S32")


@dataclass(frozen=True)
class Model:
    """An encoder that a worker loads for itself; it must be the one of this ``fingerprint``."""

    name: str
    device: str
    fingerprint: str
    load: Callable[[str, str], ImageTextEncoder] = load_encoder


class Task(Protocol):
    """What is done with a share of the pictures, the first of which is number ``first`` of all."""

    def __call__(
        self, encoder: ImageTextEncoder, config: StreamConfig, sources: Sequence[ImageSource], first: int
    ) -> bytes:
        """Return what the share became."""
        ...


@dataclass(frozen=True)
class Job:
    """What a worker is told before it begins."""

    model: Model
    config: StreamConfig
    task: Task
    threads: int = 1
    home: str = field(default_factory=os.getcwd)


class Worker:
    """Does one share of pictures after the other; what goes wrong is returned as a sentence, never raised.

    An error that is raised here would be taken for a machine's, and tried again.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.fault: ClipEmotionError | None = None
        with contextlib.suppress(OSError):
            # Ray gives each worker another working directory; a user's paths start from the user's.
            os.chdir(job.home)
        torch.set_num_threads(job.threads)
        allow_pixels(job.config.max_pixels)
        warnings.filterwarnings("ignore", module="PIL")
        try:
            self.encoder = _load(job.model)
        except Exception as error:  # noqa: BLE001 - told by the process that waits
            self.fault = _told(error)

    def __call__(self, sources: Sequence[ImageSource], first: int) -> tuple[bytes, ClipEmotionError | None]:
        """Return what a share became, or the error that prevented it."""
        if self.fault is not None:
            return b"", self.fault
        try:
            return self.job.task(self.encoder, self.job.config, sources, first), None
        except Exception as error:  # noqa: BLE001 - told by the process that waits
            return b"", _told(error)


def _load(model: Model) -> ImageTextEncoder:
    encoder = model.load(model.name, model.device)
    if encoder.fingerprint != model.fingerprint:
        raise ModelError(
            f"A worker's {encoder.name} has other weights ({encoder.fingerprint[:17]}) than this machine's "
            f"({model.fingerprint[:17]}): install the same release and the same model on every machine."
        )
    return encoder


def _told(error: Exception) -> ClipEmotionError:
    return error if isinstance(error, ClipEmotionError) else ClipEmotionError(f"{type(error).__name__}: {error}")


@dataclass(frozen=True)
class EmbedRegions:
    """Embeds pictures for rows: their regions with vectors, as bytes."""

    def __call__(
        self, encoder: ImageTextEncoder, config: StreamConfig, sources: Sequence[ImageSource], first: int
    ) -> bytes:
        """Return the regions of the pictures."""
        batches = stream_batches(sources, encoder.preprocess, config)
        return to_bytes(region for batch in batches for region in embed_regions(encoder, batch))


@dataclass(frozen=True)
class EmbedIntoParts:
    """Embeds pictures for a store: writes them as a part, and returns its name.

    Contents that the store has are hashed and not embedded again; ``known`` hands out their sorted keys. ``run`` keeps
    the parts of different runs apart, and earlier ones before later ones.
    """

    parts: Parts
    known: Callable[[], NDArray[np.bytes_]]
    run: str = "0"

    def __call__(
        self, encoder: ImageTextEncoder, config: StreamConfig, sources: Sequence[ImageSource], first: int
    ) -> bytes:
        """Write a part and return its name, by which the parts are in the order of the pictures."""
        shelf = GatheredPictures(self.known())
        counts = Embedding(shelf, encoder, config).run(sources)
        name = f"{self.run}-{first:012}"
        self.parts.write(name, Part(shelf.pictures, _failures(counts, shelf.pictures)))
        return name.encode()


def _failures(counts: EmbedCounts, pictures: Iterable[Picture]) -> list[str]:
    """Return the errors that are not those of pictures, which whoever writes these into the store will tell."""
    of_pictures = EmbedCounts()
    for picture in pictures:
        of_pictures.add(picture)
    return list((Counter(counts.errors) - Counter(of_pictures.errors)).elements())


class GatheredPictures:
    """Stands in for the store in a worker: knows what the store knows, and gathers what is to be written to it."""

    def __init__(self, known: NDArray[np.bytes_]) -> None:
        self._known = known
        self._here: set[tuple[str, str]] = set()
        self.pictures: list[Picture] = []

    def found(self, place: str, size: int, mtime_ns: int) -> Found | None:
        """Return None: files that the store has are not sent to workers."""
        return None

    def knows(self, content: tuple[str, str], *, failed: bool = True) -> bool:
        """Tell whether the store, or what is gathered here, has a content."""
        return content in self._here or is_known(content, self._known)

    def write(self, pictures: Sequence[Picture]) -> list[Picture]:
        """Gather pictures."""
        self._here.update(picture.file.content for picture in pictures)
        self.pictures += pictures
        return list(pictures)


def content_keys(contents: Iterable[tuple[str, str]]) -> NDArray[np.bytes_]:
    """Return the sorted keys of contents, 32 bytes each: every machine can hold those of a large store."""
    return np.sort(np.fromiter(map(_key, contents), dtype=KEY))


def is_known(content: tuple[str, str], keys: NDArray[np.bytes_]) -> bool:
    """Tell whether a content's key is among sorted ones."""
    key: Any = np.array(_key(content), dtype=KEY)
    at = int(np.searchsorted(keys, key))
    return at < len(keys) and bool(keys[at] == key)


def _key(content: tuple[str, str]) -> bytes:
    sha256, boxes = content
    return bytes.fromhex(sha256) if not boxes else hashlib.sha256(f"{sha256} {boxes}".encode()).digest()


def source_of(name: str, path: bytes | None, error: str | None) -> ImageSource:
    """Return the picture that a row names."""
    return ImageSource(name, None if path is None else Path(os.fsdecode(path)), error)
