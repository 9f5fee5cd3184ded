"""Images on their way to the encoder: decoded, cropped and preprocessed by workers, in order, in batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from PIL import Image
from torch import Tensor

from clip_emotion.data.faces.haar import MARGIN, FaceDetector, crop_face, is_face_crop
from clip_emotion.data.images import MAX_PIXELS, ImageSource, read_source
from clip_emotion.errors import ImageError, UsageError
from clip_emotion.types import FaceBox

FACE_MODES = ("auto", "none", "each")
SMALL = "small picture, taken as a face crop"
CROPPED = "already a face crop, whole picture used"
NO_FACE = "no face found, whole picture used"
LONGEST_SHAPE = 10
"""An image longer than this many times its width is cut to its middle: resizing it would need boundless memory."""


@dataclass(frozen=True)
class StreamConfig:
    """How images are read: faces to use, batch and worker counts, and the pixel limit.

    ``face``: ``auto`` takes the largest face, ``each`` every face, ``none`` the whole image.
    """

    face: str = "auto"
    batch_size: int = 32
    workers: int = 2
    max_pixels: int = MAX_PIXELS
    margin: float = MARGIN

    def __post_init__(self) -> None:
        if self.face not in FACE_MODES:
            raise UsageError(f"Unknown face mode '{self.face}': choose one of {', '.join(FACE_MODES)}.")
        for name in ("batch_size", "workers", "max_pixels"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}.")


@dataclass(frozen=True, slots=True)
class Region:
    """The part of one image that is labelled: its preprocessed pixels [3, H, W], or the error that prevented them."""

    name: str
    pixels: Tensor | None
    index: int | None = None
    box: FaceBox | None = None
    note: str = ""
    error: str | None = None


Preprocess = Callable[[Image.Image], Tensor]


def stream_batches(
    sources: Iterable[ImageSource], preprocess: Preprocess, config: StreamConfig | None = None
) -> Iterator[list[Region]]:
    """Yield the images' regions in input order, in batches that hold at most ``batch_size`` pixel tensors each.

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
    reader = RegionReader(preprocess, config)
    images = iter(sources)
    pool = ThreadPoolExecutor(config.workers, thread_name_prefix="image")
    # One batch is with the encoder while the next is prepared.
    waiting: deque[Future[list[Region]]] = deque()
    try:
        for source in islice(images, 2 * config.batch_size):
            waiting.append(pool.submit(reader, source))
        while waiting:
            regions = waiting.popleft().result()
            for source in islice(images, 1):
                waiting.append(pool.submit(reader, source))
            yield from regions
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class RegionReader:
    """Turns one image into its regions; safe to call from many threads, and never raises for a bad image."""

    def __init__(self, preprocess: Preprocess, config: StreamConfig) -> None:
        self.preprocess = preprocess
        self.config = config
        self.detector = FaceDetector()

    def __call__(self, source: ImageSource) -> list[Region]:
        """Return at least one region; an unusable image gives one with an error."""
        try:
            image = read_source(source, max_pixels=self.config.max_pixels)
            return [self._region(source.name, image, index, box, note) for index, box, note in self._parts(image)]
        except ImageError as error:
            return [Region(source.name, None, error=str(error))]

    def _parts(self, image: Image.Image) -> list[tuple[int | None, FaceBox | None, str]]:
        """Choose the parts to label: (face index or None, box or None, note)."""
        if self.config.face == "none":
            return [(None, None, "")]
        if is_face_crop(image):
            return [(None, None, SMALL)]
        boxes = self.detector.detect(image)
        if not boxes:
            return [(None, None, NO_FACE)]
        if self.config.face == "auto":
            return [(0, boxes[0], CROPPED if is_face_crop(image, boxes[0]) else "")]
        if len(boxes) == 1 and is_face_crop(image, boxes[0]):
            return [(0, boxes[0], CROPPED)]
        return [(index, box, "") for index, box in enumerate(boxes)]

    def _region(self, name: str, image: Image.Image, index: int | None, box: FaceBox | None, note: str) -> Region:
        part = image if box is None or note else crop_face(image, box, self.config.margin)
        try:
            return Region(name, self.preprocess(_middle(part)), index, box, note)
        except (OSError, ValueError, RuntimeError, MemoryError) as error:
            raise ImageError(f"The picture cannot be prepared for the model ({error}).") from error


def _middle(image: Image.Image) -> Image.Image:
    """Cut a strip of extreme shape to its middle; any other image is returned as it is."""
    shorter, longer = sorted(image.size)
    if longer <= LONGEST_SHAPE * shorter:
        return image
    width, height = (min(side, LONGEST_SHAPE * shorter) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
