"""One export at work: images on their way out, those that cannot be used, and the words that were met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from clip_emotion.data.images import image_size
from clip_emotion.errors import ImageError
from clip_emotion.retrieval.exports.media import Media
from clip_emotion.retrieval.exports.options import ExportOptions
from clip_emotion.retrieval.exports.records import FaceLabels, KnownWords, LabelledImage


@dataclass
class Tally:
    """What was seen on the way: how many went out, what could not be used and why, and what a person should know.

    ``counts`` are faces by the word that stands; ``pairs`` are an image's path, people's word and the model's of each
    face that has both.
    """

    images: int = 0
    faces: int = 0
    left_out: int = 0
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    models: dict[str, None] = field(default_factory=dict)
    vocabularies: dict[str, None] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    people: dict[str, None] = field(default_factory=dict)
    pairs: list[tuple[str, str, str]] = field(default_factory=list)


class ExportRun:
    """What a format's writer is given: the images that go out, sized, and the folder that they go to.

    ``target`` is where the folder will lie in the end. ``words`` and ``tally`` are whole when all images are out.
    """

    def __init__(self, images: Iterable[LabelledImage], folder: Path, target: Path, options: ExportOptions) -> None:
        self.folder = folder
        self.target = target
        self.options = options
        self.media = Media(folder, options)
        self.words = KnownWords(options.words.items())
        self.tally = Tally()
        self._images = images

    def images(self) -> Iterator[LabelledImage]:
        """Yield the images that can be used, with the faces that were asked for and their sizes."""
        for image in self._images:
            self.options.progress(1)
            chosen = self._chosen(image)
            if chosen is None:
                continue
            try:
                size = chosen.size or image_size(chosen.file, max_pixels=self.options.max_pixels)
            except ImageError as error:
                self.fail(image, str(error))
                continue
            self._count(chosen)
            yield replace(chosen, size=size)

    def rows(self) -> Iterator[tuple[LabelledImage, FaceLabels]]:
        """Yield each face that has a word, beside its image; of whole images the largest such face alone."""
        most = 1 if self.options.part == "whole" else None
        for image in self.images():
            for face in [face for face in image.faces if face.word is not None][:most]:
                yield image, face

    def fail(self, image: LabelledImage, why: str) -> None:
        """Note that an image cannot be used."""
        self.tally.errors.append(f"{image.path}: {why}")

    def _chosen(self, image: LabelledImage) -> LabelledImage | None:
        if image.error is not None:
            self.fail(image, image.error)
            return None
        if self.options.only == "all":
            return image
        faces = tuple(face for face in image.faces if face.confirmed is not None)
        self.tally.left_out += len(image.faces) - len(faces)
        return replace(image, faces=faces) if faces else None

    def _count(self, image: LabelledImage) -> None:
        tally = self.tally
        tally.images += 1
        tally.faces += len(image.faces)
        self.words.add_faces(image.faces)
        if image.model:
            tally.models[image.model] = None
        if image.vocabulary:
            tally.vocabularies[image.vocabulary] = None
        for face in image.faces:
            if face.word is not None:
                tally.counts[face.word] += 1
            if face.confirmed is not None and face.predicted is not None:
                tally.pairs.append((image.path, face.confirmed, face.predicted))
            tally.people.update(dict.fromkeys(one.by for one in face.judgements if one.by))
