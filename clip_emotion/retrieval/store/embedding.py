"""Pictures into a store: unchanged files are skipped, moved ones recognised, the others embedded batch by batch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clip_emotion.data.faces.parts import FACELESS
from clip_emotion.data.images import ImageSource
from clip_emotion.errors import UsageError
from clip_emotion.files import sha256_of
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.embedding import embed_pixels
from clip_emotion.retrieval.labelling.labeller import BROKEN
from clip_emotion.retrieval.labelling.stream import Region, StreamConfig, map_ahead, stream_batches
from clip_emotion.retrieval.store.embedding_store import Found
from clip_emotion.retrieval.store.records import Picture, Place, StoredFile, StoredRegion, given_boxes

MOVING = "The file or the store changed meanwhile: run again."


@dataclass
class EmbedCounts:
    """What became of the pictures.

    ``known`` are those whose content lay in the store already, under another path; ``failed_before`` are those among
    the unchanged and the known that could not be used; ``errors`` has a sentence for each that failed now.
    """

    pictures: int = 0
    unchanged: int = 0
    failed_before: int = 0
    embedded: int = 0
    faces: int = 0
    known: int = 0
    faceless: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, picture: Picture) -> None:
        """Count a picture that was written; one without regions was known."""
        if picture.regions is None:
            self.known += 1
            return
        broken = any(one.face.part != "none" and one.vector is None for one in picture.regions)
        error = picture.error or (BROKEN if broken else None)
        if error:
            self.errors.append(f"{picture.file.name}: {error}")
        else:
            self.embedded += 1
        self.faces += sum(region.vector is not None for region in picture.regions)
        self.faceless += sum(region.face.note in FACELESS for region in picture.regions)


class Shelf(Protocol):
    """Where embedded pictures go: a store, or what a worker gathers for one."""

    def found(self, place: str, size: int, mtime_ns: int) -> Found | None:
        """Return what became of a file of this size and time, or None where it is not there."""
        ...

    def knows(self, content: tuple[str, str], *, failed: bool = True) -> bool:
        """Tell whether a content is there; with ``failed`` False, only one that could be used."""
        ...

    def write(self, pictures: Sequence[Picture]) -> list[Picture]:
        """Take pictures, and return those that were taken."""
        ...


@dataclass
class Embedding:
    """One run that brings pictures into a store; ``advance`` is told the number of pictures done.

    With ``retry`` files that failed before are tried again.
    """

    store: Shelf
    encoder: ImageTextEncoder
    config: StreamConfig
    retry: bool = False
    advance: Callable[[int], object] = lambda steps: None
    counts: EmbedCounts = field(default_factory=EmbedCounts)
    _waiting: deque[Picture] = field(default_factory=deque)
    _encoded: dict[str, Picture] = field(default_factory=dict)
    _under_way: set[tuple[str, str]] = field(default_factory=set)

    def run(self, sources: Iterable[ImageSource]) -> EmbedCounts:
        """Bring pictures into the store, in their order, a transaction a batch.

        ``sources`` are files, no two of one name, as ``find_images`` gives them.
        """
        for batch in stream_batches(self._to_encode(sources), self.encoder.preprocess, self.config):
            self._take(batch)
            self._write()
        self._settle(None)
        self._write()
        return self.counts

    def _to_encode(self, sources: Iterable[ImageSource]) -> Iterator[ImageSource]:
        """Yield the pictures that the encoder has to see, and let the others wait for their turn to be written."""
        ahead = 2 * self.config.batch_size
        for source, file in map_ahead(self._identify, self._changed(sources), self.config.workers, ahead):
            if isinstance(file, str):
                self._fail(source.name, file)
                continue
            picture = Picture(file)
            self._waiting.append(picture)
            if file.content in self._under_way or self.store.knows(file.content, failed=not self.retry):
                picture.complete = True
                if len(self._waiting) >= 2 * ahead:
                    self._write_known()
                continue
            self._under_way.add(file.content)
            self._encoded[source.name] = picture
            yield source

    def _changed(self, sources: Iterable[ImageSource]) -> Iterator[tuple[ImageSource, Place, os.stat_result]]:
        for one in changed_files(sources, self.store, self.counts, retry=self.retry):
            if isinstance(one, int):
                self.advance(one)
            else:
                yield one

    def _identify(self, one: tuple[ImageSource, Place, os.stat_result]) -> tuple[ImageSource, StoredFile | str]:
        """Return a file's row with the hash of its content, or the reason why there is none; in a worker's thread."""
        source, place, stat = one
        try:
            digest = sha256_of(place.path)
        except OSError as error:
            return source, f"The file cannot be read ({error.strerror or error})."
        boxes = given_boxes(source.name, self.config.faces)
        return source, StoredFile(source.name, place, stat.st_size, stat.st_mtime_ns, digest, boxes)

    def _take(self, batch: Sequence[Region]) -> None:
        """Embed a batch and hand each picture its regions."""
        pixels = [region.pixels for region in batch if region.pixels is not None]
        vectors = iter(embed_pixels(self.encoder, pixels) if pixels else ())
        for region in batch:
            vector: NDArray[np.float32] | None = next(vectors) if region.pixels is not None else None
            picture = self._encoded[region.name]
            picture.error = region.error
            regions = picture.regions if picture.regions is not None else []
            picture.regions = regions if region.error else [*regions, StoredRegion.of(region, vector)]
            self._settle(region.name)
        if self.config.faces.mode != "each":
            self._settle(None)

    def _settle(self, but: str | None) -> None:
        """Say of all pictures that have regions, one aside, that there come no more."""
        for name in [name for name, picture in self._encoded.items() if picture.regions is not None and name != but]:
            self._encoded.pop(name).complete = True

    def _write(self) -> None:
        """Write the pictures that are whole, in their order, up to the first that is not."""
        whole: list[Picture] = []
        while self._waiting and self._waiting[0].complete:
            whole.append(self._waiting.popleft())
        self._write_all(whole)

    def _write_known(self) -> None:
        """Write the pictures whose content the store has, ahead of those that the encoder is still to see.

        Else very many moved files behind a new one would have to be held.
        """
        known = [one for one in self._waiting if one.complete and one.file.content not in self._under_way]
        taken = set(map(id, known))
        self._waiting = deque(one for one in self._waiting if id(one) not in taken)
        self._write_all(known)

    def _write_all(self, whole: list[Picture]) -> None:
        write_pictures(self.store, whole, self.counts)
        for picture in whole:
            self._under_way.discard(picture.file.content)
        self.advance(len(whole))

    def _fail(self, name: str, error: str) -> None:
        self.counts.errors.append(f"{name}: {error}")
        self.advance(1)


def changed_files(
    sources: Iterable[ImageSource], store: Shelf, counts: EmbedCounts, *, retry: bool
) -> Iterator[tuple[ImageSource, Place, os.stat_result] | int]:
    """Yield the files that a store does not have as they are now, and 1 for each other one, which is counted."""
    for source in sources:
        counts.pictures += 1
        try:
            place, stat = _look(source)
        except OSError as error:
            reason = source.error or f"The file cannot be read ({error.strerror or error})."
            counts.errors.append(f"{source.name}: {reason}")
            yield 1
            continue
        found = store.found(place.text, stat.st_size, stat.st_mtime_ns)
        if found is None or (found.failed and retry):
            yield source, place, stat
        else:
            counts.unchanged += 1
            counts.failed_before += found.failed
            yield 1


def _look(source: ImageSource) -> tuple[Place, os.stat_result]:
    if source.content is None:
        raise OSError(source.error)
    if not isinstance(source.content, Path):
        raise UsageError("A store holds files: name pictures by their paths.")
    return Place.of(source.content), source.content.stat()


def write_pictures(store: Shelf, pictures: Sequence[Picture], counts: EmbedCounts) -> None:
    """Write the pictures whose files were left alone, in one transaction, and count what became of all."""
    settled = [picture for picture in pictures if _is_as_it_was(picture.file)]
    written = store.write(settled) if settled else []
    for picture in pictures:
        if picture in written:
            counts.add(picture)
            counts.failed_before += picture.regions is None and not store.knows(picture.file.content, failed=False)
        else:
            counts.errors.append(f"{picture.file.name}: {MOVING}")


def _is_as_it_was(file: StoredFile) -> bool:
    """Tell whether a file was left alone since it was hashed, so that hash and embedding speak of one content."""
    try:
        stat = file.place.path.stat()
    except OSError:
        return False
    return (stat.st_size, stat.st_mtime_ns) == (file.size, file.mtime_ns)
