"""Small pictures for pages: framed faces, or faces cut out, as WebP in base64."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

from PIL import Image, ImageDraw

from clip_emotion.data.images import ImageSource, read_source
from clip_emotion.errors import ImageError
from clip_emotion.types import FaceBox, FaceRegion

THUMBNAIL = 320
"""The longer side of a thumbnail in pixels: sharp at phone width, 3 to 6 kB each."""
THUMBNAIL_BYTES = 6000
QUALITIES = ((THUMBNAIL, 64), (THUMBNAIL, 40), (240, 30), (128, 20))
PLANE = ((96, 50),)
"""What a picture on the plane of valence and arousal is: some 2 kB."""
FACE_COLOUR = (168, 72, 0)
SURROUNDINGS = 0.35
"""How much of a face's side a card shows around it."""


def thumbnail(
    source: ImageSource,
    face: FaceRegion,
    max_pixels: int,
    *,
    cut: bool,
    qualities: Sequence[tuple[int, int]] = QUALITIES,
) -> str:
    """Return a small WebP in base64, an empty text where the image cannot be read.

    The face is framed, or ``cut`` out with what is around it. ``qualities`` are sides and WebP qualities, the next
    where the one before takes more than ``THUMBNAIL_BYTES``.
    """
    try:
        image = read_source(source, max_pixels=max_pixels)
    except ImageError:
        return ""
    box = face.box
    if box is not None and cut:
        image, box = around(image, box), None
    content = b""
    for side, quality in qualities:
        content = webp(_framed(image, box, side), quality)
        if len(content) <= THUMBNAIL_BYTES:
            break
    return base64.b64encode(content).decode("ascii")


def webp(image: Image.Image, quality: int) -> bytes:
    """Return an image as a WebP for a page."""
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=quality, method=2)
    return stream.getvalue()


def small(image: Image.Image, side: int) -> Image.Image:
    """Return an image no longer than so many pixels."""
    made = image.copy()
    made.thumbnail((side, side), Image.Resampling.BICUBIC)
    return made


def _framed(image: Image.Image, box: FaceBox | None, side: int) -> Image.Image:
    """Return an image made small, with a frame around a face in it."""
    made = small(image, side)
    if box is not None:
        scale = made.width / image.width, made.height / image.height
        corners = (box.x, box.y, box.x + box.width, box.y + box.height)
        frame = [corner * scale[axis % 2] for axis, corner in enumerate(corners)]
        width = max(2, side // 120)
        # A dark line within a light one is seen on any picture.
        ImageDraw.Draw(made).rectangle(frame, outline="white", width=2 * width)
        ImageDraw.Draw(made).rectangle(frame, outline=FACE_COLOUR, width=width)
    return made


def around(image: Image.Image, box: FaceBox) -> Image.Image:
    """Cut a face out of an image with what is around it."""
    margin = round(SURROUNDINGS * max(box.width, box.height))
    right, bottom = box.x + box.width + margin, box.y + box.height + margin
    return image.crop(
        (max(0, box.x - margin), max(0, box.y - margin), min(image.width, right), min(image.height, bottom))
    )
