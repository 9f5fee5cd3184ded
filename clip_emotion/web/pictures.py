"""Kept pictures: coded anew without anything but their pixels, under random names, in no folder that is served."""

from __future__ import annotations

import base64
import io
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from starlette.responses import FileResponse, Response

from clip_emotion.data.images import ImageSource
from clip_emotion.retrieval.labelling.thumbnails import thumbnail
from clip_emotion.types import FaceRegion
from clip_emotion.web.database.tables import Picture
from clip_emotion.web.settings import Settings

QUALITY = 90
SUFFIX = ".jpg"


@dataclass(frozen=True)
class Kept:
    """A picture coded anew as JPEG, its thumbnail as WebP, and the size that it had when it was labelled."""

    content: bytes
    thumbnail: bytes
    width: int
    height: int


class Pictures:
    """The folder of kept pictures."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.pictures
        self.side = settings.stored_side
        self.max_pixels = settings.max_pixels

    def coded(self, image: Image.Image) -> Kept:
        """Code an upright RGB picture anew: no EXIF, no place, no more than the longest side that is kept."""
        small = image
        if max(image.size) > self.side:
            small = image.copy()
            small.thumbnail((self.side, self.side), Image.Resampling.BICUBIC)
        stream = io.BytesIO()
        small.save(stream, "JPEG", quality=QUALITY)
        return Kept(stream.getvalue(), self.thumbnail_of(small), *image.size)

    def thumbnail_of(self, image: Image.Image) -> bytes:
        """Return a small WebP of an upright RGB picture."""
        return base64.b64decode(thumbnail(ImageSource("", image), FaceRegion(), self.max_pixels, cut=False))

    def store(self, kept: Kept) -> str:
        """Write a picture under a random name, its owner's alone, and return the name.

        Write the file before its row: a file without a row is swept, a row without a file is a fault.
        """
        name = secrets.token_hex(16) + SUFFIX
        handle = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(kept.content)
        return name

    def row(self, kept: Kept, owner_id: str, name: str = "", position: int = 0) -> Picture:
        """Store a picture and return its row, which belongs into ``result.pictures``."""
        return Picture(
            owner_id=owner_id, file=self.store(kept), name=name[:200], position=position, width=kept.width,
            height=kept.height, size=len(kept.content), thumbnail=kept.thumbnail,
        )  # fmt: skip

    def path(self, picture: Picture) -> Path:
        """Return where a picture's file lies."""
        return self.folder / picture.file

    def send(self, picture: Picture) -> Response:
        """Return the answer that sends a picture; its owner was checked before."""
        return FileResponse(
            self.path(picture), media_type="image/jpeg", filename=f"picture-{picture.id}{SUFFIX}",
            headers={"cache-control": "private, no-cache"},
        )  # fmt: skip

    def remove(self, files: Iterable[str]) -> None:
        """Remove files, after their rows are gone."""
        for name in files:
            (self.folder / name).unlink(missing_ok=True)
