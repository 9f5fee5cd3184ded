"""One model for the whole process: pictures of many requests, decoded by workers, embedded together, ranked apart."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from PIL import Image

from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.images import ImageSource, open_image
from clip_emotion.errors import ImageError, UsageError
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.retrieval.labelling.cards import run_card
from clip_emotion.retrieval.labelling.labeller import EmbeddedRegion, ZeroShotLabeller
from clip_emotion.retrieval.labelling.rows import to_row
from clip_emotion.retrieval.labelling.stream import Region, RegionReader, StreamConfig
from clip_emotion.types import Prediction
from clip_emotion.vocabulary import Vocabulary, shipped_vocabularies
from clip_emotion.web.batching import Batcher
from clip_emotion.web.busy import Busy as Busy
from clip_emotion.web.settings import Settings

MOST_WORDS, LONGEST_WORD = 100, 60
MOST_FACES = 10
LABELLERS = 32
"""Vocabularies that are kept ready."""
Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Upload:
    """A picture that somebody sent: its file's name, and what reads its bytes when a worker has come to it."""

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Asked:
    """What is asked of pictures: words, their language, how many of them a row lists, and which faces."""

    vocabulary: Vocabulary
    language: str = "auto"
    top: int = 5
    faces: str = "each"


@dataclass(frozen=True)
class Labelled(Generic[Kept]):
    """A picture's rows, one a face, as ``label`` writes them, and what was kept of it; None where it is no picture."""

    name: str
    predictions: tuple[Prediction, ...]
    rows: tuple[dict[str, Any], ...]
    kept: Kept | None

    @property
    def error(self) -> str | None:
        """Why there is nothing to say of the picture."""
        return self.predictions[0].error


def chosen_words(name: str, own: str = "") -> Vocabulary:
    """Return a user's own words, parted by commas, or else a shipped vocabulary; never a file.

    Raises UsageError for too many or too long words and for an unknown name.
    """
    if own.strip():
        vocabulary = Vocabulary.from_list(own.replace("\n", ","))
        if len(vocabulary) > MOST_WORDS or any(len(key) > LONGEST_WORD for key in vocabulary.keys):
            raise UsageError(f"Give at most {MOST_WORDS} words of at most {LONGEST_WORD} letters, parted by commas.")
        return vocabulary
    if name not in shipped_vocabularies():
        raise UsageError(f"Unknown vocabulary '{name[:40]}': choose one of {', '.join(shipped_vocabularies())}.")
    return Vocabulary.load(name)


class Labelling:
    """Labels pictures for all requests of the process; safe to call from many threads."""

    def __init__(self, encoder: ImageTextEncoder, settings: Settings) -> None:
        self.encoder = encoder
        self.settings = settings
        self._batcher = Batcher(encoder, settings.batch_size, settings.batch_wait)
        self._pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="picture")
        self._readers = {mode: self._reader(mode) for mode in ("auto", "each", "none")}
        self._labellers: OrderedDict[tuple[Vocabulary | str, ...], ZeroShotLabeller] = OrderedDict()
        self._lock, self._words = threading.Condition(), threading.Lock()
        self._waiting = 0
        self.labelled = self.unreadable = 0
        """Pictures since the start, by what became of them."""

    @classmethod
    def load(cls, settings: Settings) -> Labelling:
        """Load the settings' model; raises UsageError or ModelError where it cannot be had."""
        from clip_emotion.models.registry import load_encoder

        return cls(load_encoder(settings.model, settings.device), settings)

    @property
    def waiting(self) -> int:
        """How many pictures are with the workers and the model, or wait for them."""
        return self._waiting

    @property
    def ready(self) -> bool:
        """Whether the model is there and takes pictures."""
        return self._batcher.alive

    @property
    def batch_sizes(self) -> Mapping[int, int]:
        """How many batches of each size went through the model."""
        return self._batcher.sizes.copy()

    def label(
        self,
        uploads: Sequence[Upload],
        asked: Asked,
        keep: Callable[[Image.Image], Kept] | None = None,
        patience: float = 0,
    ) -> list[Labelled[Kept]]:
        """Label pictures in order; ``keep`` makes of each upright RGB picture what is to be kept, in a worker.

        A bad picture's row holds its error. Raises Busy where too many wait, and still do after ``patience`` seconds,
        UsageError for words that do not fit.
        """
        labeller = self.labeller(asked.vocabulary, asked.language)
        reader = self._readers[asked.faces]
        self._reserve(len(uploads), patience)
        reading: list[Future[tuple[str, list[tuple[Region, Future[Any] | None]], Kept | None]]] = []
        try:
            reading += [self._pool.submit(self._read, upload, reader, keep) for upload in uploads]
            done = [self._labelled(*read.result(), labeller, asked) for read in reading]
            self._count(done)
            return done
        finally:
            for one in reading:  # where one failed, nobody waits for the others
                one.cancel()
            self._release(len(uploads))

    def labeller(self, vocabulary: Vocabulary, language: str = "auto") -> ZeroShotLabeller:
        """Return the labeller of a vocabulary, its words encoded once."""
        key = (vocabulary.name, *vocabulary.keys, language)
        with self._words:  # of its own: encoding a hundred words is not to hold up those who count
            found = self._labellers.pop(key, None) or ZeroShotLabeller(self.encoder, vocabulary, language)
            self._labellers[key] = found
            while len(self._labellers) > LABELLERS:
                self._labellers.popitem(last=False)
        return found

    def close(self) -> None:
        """Let go of the workers; what waits is given up."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._batcher.close()

    def _reader(self, mode: str) -> RegionReader:
        faces = FaceOptions(mode, max_faces=MOST_FACES if mode == "each" else None)
        return RegionReader(self.encoder.preprocess, StreamConfig(faces, max_pixels=self.settings.max_pixels))

    def _count(self, done: Sequence[Labelled[Any]]) -> None:
        unreadable = sum(one.error is not None for one in done)
        with self._lock:
            self.unreadable += unreadable
            self.labelled += len(done) - unreadable

    def _reserve(self, count: int, patience: float) -> None:
        with self._lock:
            if not self._lock.wait_for(lambda: self._waiting + count <= self.settings.queue, patience):
                raise Busy
            self._waiting += count

    def _release(self, count: int) -> None:
        with self._lock:
            self._waiting -= count
            self._lock.notify_all()

    def _read(
        self, upload: Upload, reader: RegionReader, keep: Callable[[Image.Image], Kept] | None
    ) -> tuple[str, list[tuple[Region, Future[Any] | None]], Kept | None]:
        try:
            image = open_image(upload.read(), max_pixels=self.settings.max_pixels)
        except ImageError as error:
            said = str(error).replace(": raise --max-pixels", ": make it smaller")
            return upload.name, [(Region(upload.name, None, error=said), None)], None
        regions = reader(ImageSource(upload.name, image))
        waiting = [(one, None if one.pixels is None else self._batcher.submit(one.pixels)) for one in regions]
        bare = [(replace(one, pixels=None if vector is None else ()), vector) for one, vector in waiting]
        return upload.name, bare, None if keep is None else keep(image)

    def _labelled(
        self,
        name: str,
        regions: list[tuple[Region, Future[Any] | None]],
        kept: Kept | None,
        labeller: ZeroShotLabeller,
        asked: Asked,
    ) -> Labelled[Kept]:
        embedded = [
            EmbeddedRegion(one.name, one.described(), None if vector is None else vector.result(), one.error)
            for one, vector in regions
        ]
        top = min(asked.top, len(labeller.vocabulary))
        predictions = tuple(labeller.label_regions(embedded, top))
        card = run_card(labeller, top, self._readers[asked.faces].config.faces.written())
        return Labelled(name, predictions, tuple(to_row(one, card) for one in predictions), kept)
