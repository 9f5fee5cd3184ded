"""Images on their way to the encoder: decoded, cropped and preprocessed by workers, in order, in batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from PIL import Image

from clip_emotion.data.faces.finder import Face
from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.faces.parts import FACELESS, Part, PartChooser
from clip_emotion.data.image_limits import MAX_PIXELS
from clip_emotion.data.images import ImageSource, read_source
from clip_emotion.errors import ImageError, UsageError
from clip_emotion.types import FaceRegion, LabelledPart

Item = TypeVar("Item")
Made = TypeVar("Made")
LONGEST_SHAPE = 10
"""An image longer than this many times its width is cut to its middle: resizing it would need boundless memory."""


@dataclass(frozen=True)
class StreamConfig:
    """How images are read: the parts to use, batch and worker counts, and the pixel limit."""

    faces: FaceOptions = field(default_factory=FaceOptions)
    batch_size: int = 32
    workers: int = 2
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        for name in ("batch_size", "workers", "max_pixels"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}.")


@dataclass(frozen=True, slots=True)
class Region:
    """The part of one image that is labelled, with its preprocessed pixels [3, H, W].

    There are none where an ``error`` prevented them, or where the image has no face and is not to be labelled without
    one, as ``note`` then says.
    """

    name: str
    pixels: Any
    index: int | None = None
    face: Face | None = None
    note: str = ""
    error: str | None = None

    @property
    def faceless(self) -> bool:
        """Whether a face was looked for and none found."""
        return self.note in FACELESS

    def described(self) -> FaceRegion:
        """Return what a row says of the region."""
        part: LabelledPart = "none" if self.pixels is None else "whole" if self.face is None or self.note else "face"
        box, confidence = (self.face.box, self.face.confidence) if self.face else (None, None)
        return FaceRegion(self.index, box, confidence, part, self.note)


Preprocess = Callable[[Image.Image], Any]
"""RGB picture → tensor or array [3, H, W], as the encoder takes it."""


def stream_batches(
    sources: Iterable[ImageSource], preprocess: Preprocess, config: StreamConfig | None = None
) -> Iterator[list[Region]]:
    """Yield the images' regions in input order, in batches that hold at most ``batch_size`` pictures' pixels each.

    Workers read ahead by a bounded number of images. An image that cannot be used becomes a region with an error.
    """
    config = config or StreamConfig()
    batch: list[Region] = []
    filled = 0
    for region in _read_ahead(sources, preprocess, config):
        batch.append(region)
        filled += region.pixels is not None
        if filled == config.batch_size or len(batch) >= 4 * config.batch_size:
            yield batch
            batch, filled = [], 0
    if batch:
        yield batch


def _read_ahead(sources: Iterable[ImageSource], preprocess: Preprocess, config: StreamConfig) -> Iterator[Region]:
    # One batch is with the encoder while the next is prepared.
    for regions in map_ahead(RegionReader(preprocess, config), sources, config.workers, 2 * config.batch_size):
        yield from regions


def map_ahead(work: Callable[[Item], Made], items: Iterable[Item], workers: int, ahead: int) -> Iterator[Made]:
    """Yield what worker threads make of items, in the items' order, at most ``ahead`` items before they are wanted."""
    left = iter(items)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="image")
    waiting: deque[Future[Made]] = deque()
    try:
        for item in islice(left, ahead):
            waiting.append(pool.submit(work, item))
        while waiting:
            made = waiting.popleft().result()
            for item in islice(left, 1):
                waiting.append(pool.submit(work, item))
            yield made
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class RegionReader:
    """Turns one image into its regions; safe to call from many threads, and never raises for a bad image."""

    def __init__(self, preprocess: Preprocess, config: StreamConfig) -> None:
        self.preprocess = preprocess
        self.config = config
        self.choose_parts = PartChooser(config.faces)

    def __call__(self, source: ImageSource) -> list[Region]:
        """Return at least one region; an unusable image gives one with an error."""
        try:
            image = read_source(source, max_pixels=self.config.max_pixels)
            return [self._region(source.name, part) for part in self.choose_parts(image, source.name)]
        except ImageError as error:
            return [Region(source.name, None, error=str(error))]

    def _region(self, name: str, part: Part) -> Region:
        try:
            pixels = None if part.image is None else self.preprocess(middle(part.image))
            return Region(name, pixels, part.index, part.face, part.note)
        except (OSError, ValueError, RuntimeError, MemoryError) as error:
            raise ImageError(f"The picture cannot be prepared for the model ({error}).") from error


def middle(image: Image.Image) -> Image.Image:
    """Cut a strip of extreme shape to its middle; any other image is returned as it is."""
    shorter, longer = sorted(image.size)
    if longer <= LONGEST_SHAPE * shorter:
        return image
    width, height = (min(side, LONGEST_SHAPE * shorter) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
