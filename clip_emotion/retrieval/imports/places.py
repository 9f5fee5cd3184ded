"""Where the images of a file that came back lie: such a file is not trusted to name any other."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from clip_emotion.data.finding import resolve_path
from clip_emotion.errors import DataError
from clip_emotion.files import expanded

_UPLOADED = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of an uploaded file."""


def image_file(path: str, images: Path | None) -> Path:
    """Return the file that a path means: below ``images``, or as it is where that is None.

    Raises DataError where there is none, and where it lies outside of ``images``.
    """
    if images is None:
        found = resolve_path(path)
        if found is None:
            raise DataError("the image is not there: name the folder of the images with --images")
        return found
    folder = expanded(images)
    found = resolve_path(str(folder / path))
    if found is None:
        raise DataError(f"the image is not in {images}")
    if not found.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"the image lies outside of {images}, so it is not read")
    return found


def path_in_url(url: str, images: Path | None) -> str:
    """Return the path that Label Studio's URL of an image tells, relative to the folder of the images.

    Raises DataError for an image that is inside the task or on another machine.
    """
    parts = urlsplit(url)
    if parts.path.rstrip("/").endswith("/data/local-files"):
        return parse_qs(parts.query).get("d", [""])[0]
    if parts.scheme == "data" or not parts.path:
        raise DataError("the task holds no path of its image")
    name = unquote(parts.path).rsplit("/", 1)[-1]
    plain = _UPLOADED.sub("", name)
    there = images is not None and resolve_path(str(expanded(images) / name)) is not None
    return name if there else plain
