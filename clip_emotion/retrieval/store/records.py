"""What a store holds: the encoder and the face settings of all its rows, and the rows of one picture."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_emotion.data.faces.boxes import boxes_of
from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.finding import display_name
from clip_emotion.files import expanded
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.registry import BUNDLED
from clip_emotion.retrieval.labelling.stream import Region
from clip_emotion.types import FaceBox, FaceRegion

VECTOR = np.dtype("<f2")
"""Vectors are kept in half precision: half the room, and probabilities stay the same to 1e-3."""
LANDMARK = np.dtype("<f4")
CHOSEN = ("mode", "finder", "min_face", "max_faces", "no_face")
"""The face settings that a store keeps, boxes aside."""


@dataclass(frozen=True)
class StoreCard:
    """What all rows of a store have in common; embeddings of another encoder or other faces do not belong in it.

    ``model`` is what to write after ``--model`` to load the encoder again, ``face`` the settings as rows show them, and
    ``face_options`` as they are chosen anew; ``given`` is a digest of the boxes that a person gave, empty without.
    """

    model: str
    encoder: str
    fingerprint: str
    face: str
    face_options: str
    given: str = ""

    @classmethod
    def of(cls, encoder: ImageTextEncoder, model: str, faces: FaceOptions) -> StoreCard:
        """Describe a store of an encoder's embeddings; a local ``model`` is kept by its absolute path."""
        if model not in BUNDLED and (local := expanded(model)).exists():
            model = str(local.absolute())
        chosen = {name: getattr(faces, name) for name in CHOSEN}
        given = "" if faces.boxes is None else _digest(faces.boxes)
        return cls(model, encoder.name, encoder.fingerprint, faces.written(), json.dumps(chosen), given)

    def written(self) -> dict[str, str]:
        """Return the card as the pairs of its table."""
        return asdict(self)

    @classmethod
    def read(cls, pairs: Mapping[str, str]) -> StoreCard:
        """Return the card that a table's pairs hold; raises KeyError where some are missing, ValueError for others."""
        card = cls(**{name: pairs[name] for name in cls.__dataclass_fields__})
        if {*json.loads(card.face_options)} != {*CHOSEN}:
            raise ValueError(card.face_options)
        return card

    def options(self) -> FaceOptions:
        """Return the face settings, without the boxes that a person gave."""
        return FaceOptions(**json.loads(self.face_options))


def _digest(boxes: Mapping[str, tuple[FaceBox, ...]]) -> str:
    listed = [[name, _corners(boxes[name])] for name in sorted(boxes)]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def given_boxes(name: str, faces: FaceOptions) -> str:
    """Return the boxes that a person gave for a picture, as text; empty where a finder looks for them."""
    return "" if faces.boxes is None else json.dumps(_corners(boxes_of(name, faces.boxes)))


def _corners(boxes: tuple[FaceBox, ...]) -> list[list[int]]:
    return [[box.x, box.y, box.width, box.height] for box in boxes]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies, in one spelling: absolute, its folders without links, composed and readable.

    ``raw`` are the bytes of its path where they are others than those of ``text``.
    """

    text: str
    raw: bytes | None = None

    @classmethod
    def of(cls, path: Path) -> Place:
        """Return the place of a file; a link in its own place stays."""
        folder, name = os.path.split(path)
        whole = os.path.join(_real_folder(folder, os.getcwd()), name)  # noqa: PTH109, PTH118
        text = display_name(whole)
        return cls(text, None if text == whole else os.fsencode(whole))

    @property
    def path(self) -> Path:
        """The path to open."""
        return Path(self.text if self.raw is None else os.fsdecode(self.raw))


@lru_cache(maxsize=1024)
def _real_folder(folder: str, working: str) -> str:
    return os.path.realpath(os.path.join(working, folder))  # noqa: PTH118


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A picture file: the name that the user wrote, its place, size, time and content.

    ``boxes`` are the faces that a person gave for it, as text.
    """

    name: str
    place: Place
    size: int
    mtime_ns: int
    sha256: str
    boxes: str = ""

    @property
    def content(self) -> tuple[str, str]:
        """What makes its embeddings: the same for every copy of the file."""
        return self.sha256, self.boxes


@dataclass(frozen=True, slots=True)
class StoredRegion:
    """One labelled part of a picture as a row of the table of faces."""

    face: FaceRegion
    landmarks: bytes | None
    vector: bytes | None

    @classmethod
    def of(cls, region: Region, vector: NDArray[np.float32] | None) -> StoredRegion:
        """Return the row of a region and its embedding [D]; one that is not finite is left out."""
        points = region.face.landmarks if region.face else None
        landmarks = None if points is None else np.asarray(points, dtype=LANDMARK).tobytes()
        if vector is None or not np.isfinite(vector).all():
            return cls(region.described(), landmarks, None)
        return cls(region.described(), landmarks, vector.astype(VECTOR).tobytes())

    def columns(self) -> tuple[Any, ...]:
        """Return the values in the order of the table's columns, after content and number."""
        box = self.face.box
        corners = (None,) * 4 if box is None else (box.x, box.y, box.width, box.height)
        face = self.face
        return (face.index, *corners, face.confidence, self.landmarks, face.part, face.note, self.vector)


@dataclass(slots=True, eq=False)
class Picture:
    """A file on its way into the store; ``regions`` is None where the store knows its content already."""

    file: StoredFile
    regions: list[StoredRegion] | None = None
    error: str | None = None
    complete: bool = False

    def vectors(self) -> Iterator[bytes]:
        """Yield its faces' vectors."""
        yield from (region.vector for region in self.regions or () if region.vector is not None)
