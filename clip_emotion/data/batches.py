"""Batches of labelled pictures as a pure function of seed and step, made ahead by threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Generic, Literal, TypeVar

import datasets
import numpy as np
import torch
from datasets import Dataset
from PIL import Image
from torch import Generator, Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as V

from clip_emotion.data.images import open_image
from clip_emotion.data.samplers import BatchSampler
from clip_emotion.data.transform_config import TransformConfig
from clip_emotion.data.transforms import apply_changes, draw_changes
from clip_emotion.errors import DataError, ImageError
from clip_emotion.skin import SkinMask, keep_skin

CACHE_BYTES = 2 * 2**30
"""Decoded pictures that take more than this are decoded again for every batch."""
CHUNK = 512
T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """Pictures float [N, 3, H, W] in [0, 1], their classes int64 [N], and their sources int64 [N] if they have any.

    ``rows`` int64 [N], on the CPU, are their places in the split.
    """

    pixels: Tensor
    labels: Tensor
    sources: Tensor | None
    rows: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        sources = None if self.sources is None else self.sources.to(device)
        return Batch(self.pixels.to(device, non_blocking=True), self.labels.to(device), sources, self.rows)


@dataclass(frozen=True)
class Decoding:
    """How pictures are decoded: kept in memory or not, and what of them a mask of skin makes black."""

    cache: Literal["memory", "none"] = "memory"
    skin_mask: SkinMask = "none"


PLAIN = Decoding()


class DecodedImages:
    """The pictures of a prepared split as tensors; small ones are decoded once and kept.

    Pictures become squares of ``size`` pixels: the shorter side is resized (bicubic) and the middle is cut out, as CLIP
    does. Where all are squares of one smaller size they are kept as they are and enlarged when they are taken. A mask
    of skin is laid on before.
    Raises DataError that names a picture that cannot be decoded.
    """

    def __init__(
        self,
        rows: Dataset,
        size: int,
        decoding: Decoding = PLAIN,
    ) -> None:
        self._skin_mask: SkinMask = decoding.skin_mask
        self.size, self._rows = size, rows.select_columns(["image"]).cast_column("image", datasets.Image(decode=False))
        self._kept = self._decode_all() if decoding.cache == "memory" else None

    def __len__(self) -> int:
        return len(self._rows)

    def raw(self, rows: Sequence[int]) -> Tensor:
        """Return pictures as they are kept: uint8 [N, 3, S, S], where S is ``size`` or their own smaller side."""
        if self._kept is not None:
            return self._kept[torch.as_tensor(rows)]
        cells = self._rows[list(rows)]["image"]
        return torch.stack(
            [self._square(self._open(cell, row), self.size) for cell, row in zip(cells, rows, strict=True)]
        )

    def take(self, rows: Sequence[int]) -> Tensor:
        """Return pictures unchanged, as validation sees them: float [N, 3, size, size] in [0, 1]."""
        return enlarge(self.raw(rows), self.size)

    def _decode_all(self) -> Tensor | None:
        if not len(self):
            return torch.empty(0, 3, self.size, self.size, dtype=torch.uint8)
        width, height = self._open(self._rows[0]["image"], 0).size
        sides = [width, self.size] if width == height < self.size else [self.size]
        tensors = (self._decode_as(side) for side in sides if len(self) * 3 * side * side <= CACHE_BYTES)
        return next((tensor for tensor in tensors if tensor is not None), None)

    def _decode_as(self, side: int) -> Tensor | None:
        """Decode all pictures to one side, or return None where a smaller side than ``size`` is not every picture's."""
        kept = torch.empty(len(self), 3, side, side, dtype=torch.uint8)
        for start in range(0, len(self), CHUNK):
            for row, cell in enumerate(self._rows[start : start + CHUNK]["image"], start):
                image = self._open(cell, row)
                if side != self.size and image.size != (side, side):
                    return None
                kept[row] = self._square(image, side)
        return kept

    def _open(self, cell: dict[str, object], row: int) -> Image.Image:
        content = cell["bytes"]
        try:
            image = open_image(content if isinstance(content, bytes) else Path(str(cell["path"])))
            return keep_skin(image, self._skin_mask)
        except ImageError as error:
            raise DataError(f"Picture {row} ({cell['path'] or 'unnamed'}) cannot be used: {error}") from error

    @staticmethod
    def _square(image: Image.Image, side: int) -> Tensor:
        if image.size != (side, side):
            image = V.center_crop(V.resize(image, [side], InterpolationMode.BICUBIC), [side, side])
        return torch.from_numpy(np.array(image, dtype=np.uint8)).permute(2, 0, 1)


def enlarge(pixels: Tensor, size: int) -> Tensor:
    """Return uint8 pictures [N, 3, S, S] as float [N, 3, size, size] in [0, 1], bicubic."""
    if pixels.shape[-1] != size:
        pixels = V.resize(pixels, [size, size], InterpolationMode.BICUBIC, antialias=True)
    floats: Tensor = V.to_dtype(pixels, torch.float32, scale=True)
    return floats


def row_labels(rows: Dataset) -> Tensor:
    """Return the classes of a prepared split, int64 [N]."""
    return torch.tensor(list(rows["label"]), dtype=torch.int64)


def row_sources(rows: Dataset) -> tuple[Tensor, tuple[str, ...]] | None:
    """Return the number of each row's source int64 [N] and the sources' names, or None for a split without them."""
    if "source" not in rows.column_names:
        return None
    names, numbers = np.unique(np.asarray(list(rows["source"]), dtype=str), return_inverse=True)
    return torch.from_numpy(numbers.astype(np.int64)), tuple(map(str, names))


class ImageBatches:
    """The training batches of a prepared split; ``transform`` None leaves the pictures as they are.

    A batch follows from (seed, step) alone. In several processes each picture is changed as a single process would
    change it. With a ``device`` pictures are moved there before they are changed. ``decoding`` may be the rows' images
    themselves, where they are decoded already.
    """

    def __init__(
        self,
        rows: Dataset,
        sampler: BatchSampler,
        size: int,
        transform: TransformConfig | None = None,
        *,
        seed: int = 0,
        decoding: Decoding | DecodedImages = PLAIN,
        device: torch.device | None = None,
    ) -> None:
        self.sampler, self.size, self.transform, self.seed = sampler, size, transform, seed
        self.device = device or torch.device("cpu")
        self.images = decoding if isinstance(decoding, DecodedImages) else DecodedImages(rows, size, decoding)
        self.labels, found = row_labels(rows), row_sources(rows)
        self.sources: Tensor | None = found[0] if found else None
        self.source_names: tuple[str, ...] = found[1] if found else ()

    def get(self, step: int) -> Batch:
        """Return the batch of a step; safe to call from several threads."""
        rows = self.sampler.batch(step)
        at = torch.as_tensor(rows)
        sources = None if self.sources is None else self.sources[at].to(self.device)
        return Batch(self._pixels(rows, step), self.labels[at].to(self.device), sources, at)

    def _pixels(self, rows: list[int], step: int) -> Tensor:
        raw = self.images.raw(rows).to(self.device)
        if self.transform is None:
            return enlarge(raw, self.size)
        generator = Generator().manual_seed(self.seed * 1_000_003 + step)
        changes = draw_changes(self.transform, self.sampler.batch_size, generator).part(self.sampler.mine)
        return apply_changes(raw, changes.to(self.device), self.size, self.transform)


class Prefetcher(Generic[T]):
    """Calls ``get`` for the next steps in threads, so that a batch is ready when it is asked for.

    Answers are the same as from ``get`` itself, in whatever order steps are asked for; an error of ``get`` is raised
    by the step that it belongs to. Close it, or use it as a context, to end its threads.
    """

    def __init__(self, get: Callable[[int], T], ahead: int = 2, workers: int = 1) -> None:
        self._get, self._ahead = get, ahead
        self._pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="prefetch")
        self._waiting: dict[int, Future[T]] = {}
        self._lock = threading.Lock()

    def get(self, step: int) -> T:
        """Return what ``get`` returns for a step, and start on the steps after it."""
        with self._lock:
            wanted = range(step, step + self._ahead + 1)
            for other in [known for known in self._waiting if known not in wanted]:
                self._waiting.pop(other).cancel()
            for coming in wanted:
                if coming not in self._waiting:
                    self._waiting[coming] = self._pool.submit(self._get, coming)
            future = self._waiting.pop(step)
        return future.result()

    def close(self) -> None:
        """Drop what waits and end the threads."""
        with self._lock:
            self._waiting.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Prefetcher[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
