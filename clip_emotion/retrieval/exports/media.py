"""Image files of an export: copied, linked, cut out or named where they lie, under names that are safe anywhere."""

from __future__ import annotations

import io
import shutil
from pathlib import Path, PurePath

from PIL import Image

from clip_emotion.data.faces.crop import crop_box
from clip_emotion.data.images import SUFFIXES, open_image
from clip_emotion.data.path_names import file_name
from clip_emotion.errors import ImageError
from clip_emotion.retrieval.exports.options import ExportOptions
from clip_emotion.retrieval.exports.records import FaceLabels, LabelledImage
from clip_emotion.text import fold

IMAGES = "images"
MOST_BYTES = 120
"""Bytes of an image's own name that are kept."""


class Media:
    """Puts images below a folder; names are plain, and no two are alike to any file system."""

    def __init__(self, folder: Path, options: ExportOptions) -> None:
        self.folder = folder
        self.options = options
        self._taken: set[str] = set()
        self._opened: tuple[Path, Image.Image] | None = None

    def place(self, image: LabelledImage, below: str = IMAGES) -> str:
        """Copy or link an image's file and return its name relative to the folder, or its absolute path to refer to."""
        if self.options.media == "refer":
            return str(image.file.absolute())
        suffix = image.file.suffix.lower()
        target = self._new(image.path, suffix if suffix in SUFFIXES else ".png", below)
        if self.options.media == "link":
            target.symlink_to(image.file.absolute())
        else:
            shutil.copyfile(image.file, target)
        return target.relative_to(self.folder).as_posix()

    def place_whole(self, image: LabelledImage, face: FaceLabels, below: str) -> str:
        """Place the whole image that a face is in; return its name."""
        return self.place(image, below)

    def place_face(self, image: LabelledImage, face: FaceLabels, below: str = IMAGES) -> str:
        """Write a face cut out as PNG, or place the whole image where no face was found in it; return its name."""
        if face.region.box is None:
            return self.place(image, below)
        stem = PurePath(image.path).stem
        content = self.cut(image, face)
        target = self._new(f"{stem}-{face.region.index or 0}.png", ".png", below)
        target.write_bytes(content)
        return target.relative_to(self.folder).as_posix()

    def cut(self, image: LabelledImage, face: FaceLabels) -> bytes:
        """Return a face cut out as PNG, or the image's own bytes where no face was found in it."""
        if face.region.box is None:
            return image.file.read_bytes()
        # The faces of one image come one after the other: it is decoded once.
        if self._opened is None or self._opened[0] != image.file:
            self._opened = (image.file, open_image(image.file, max_pixels=self.options.max_pixels))
        width, height = self._opened[1].size
        box = face.region.box
        if box.x >= width or box.y >= height or box.x + box.width <= 0 or box.y + box.height <= 0:
            raise ImageError(f"The face lies outside of the picture of {width} × {height} pixels.")
        stream = io.BytesIO()
        # More effort makes photographs hardly smaller, and takes four times as long.
        crop_box(self._opened[1], box).save(stream, "PNG", compress_level=1)
        return stream.getvalue()

    def _new(self, path: str, suffix: str, below: str) -> Path:
        stem = file_name(PurePath(path).stem.encode()[:MOST_BYTES].decode("utf-8", "ignore"))
        name, number = f"{stem}{suffix}", 1
        while fold(f"{below}/{name}") in self._taken:
            number += 1
            name = f"{stem}-{number}{suffix}"
        self._taken.add(fold(f"{below}/{name}"))
        target = self.folder / below / name
        target.parent.mkdir(parents=True, exist_ok=True)
        return target
