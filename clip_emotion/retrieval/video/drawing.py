"""Boxes and words drawn on a frame, with Hangul."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from clip_emotion.plotting import korean_font_file
from clip_emotion.retrieval.video.rows import SmoothedLabel, VideoRow

COLOURS = ("#d55e00", "#0072b2", "#009e73", "#b0568a", "#8a6a00", "#1f7a8c", "#7f4fc9", "#8b5a2b")
"""Colours of tracks, far apart for every eye (after Okabe and Ito's), and dark enough for white words."""
WORDS = 3


@dataclass(frozen=True, slots=True)
class Drawn:
    """One face to draw: its track, its box as left, top, right, bottom in pixels, and its words."""

    track: int
    corners: tuple[float, float, float, float] | None
    words: tuple[SmoothedLabel, ...]


def colour_of(track: int) -> str:
    """Return a track's colour."""
    return COLOURS[(track - 1) % len(COLOURS)]


def faces_of(rows: Sequence[VideoRow]) -> list[Drawn]:
    """Return the faces of a frame's rows as they are drawn."""
    boxes = [(row, row.box) for row in rows if row.track is not None]
    return [
        Drawn(
            row.track or 0,
            None if box is None else (box.x, box.y, box.x + box.width, box.y + box.height),
            row.smoothed,
        )
        for row, box in boxes
    ]


def draw(image: Image.Image, faces: Sequence[Drawn]) -> Image.Image:
    """Return an image with a box around each face and its likeliest words beside it; a whole image has no box."""
    image = image.copy()
    pen = ImageDraw.Draw(image)
    size = max(12, round(min(image.size) / 28))
    for face in faces:
        colour, corners = colour_of(face.track), face.corners
        if corners is not None:
            pen.rectangle(corners, outline=colour, width=max(2, size // 7))
        lines = [f"{word.name} {word.probability:.0%}" for word in face.words[:WORDS]]
        if lines:
            lines[0] = f"{face.track}  {lines[0]}"
            _label(pen, lines, corners or (0.0, float(image.height), 0.0, float(image.height)), (colour, size))
    return image


def _label(
    pen: ImageDraw.ImageDraw, lines: Sequence[str], corners: tuple[float, float, float, float], look: tuple[str, int]
) -> None:
    """Write lines above a box, or below it where there is no room above, within the image."""
    (colour, size), text = look, "\n".join(lines)
    font = _font(size)
    _, _, right, bottom = pen.multiline_textbbox((0, 0), text, font=font, spacing=size // 4)
    width, height, margin = right + size // 2, bottom + size // 2, size // 4
    image_width, image_height = pen.im.size
    x = min(max(0.0, corners[0]), max(0.0, image_width - width))
    y = corners[1] - height if corners[1] >= height else corners[3]
    y = min(max(0.0, y), max(0.0, image_height - height))
    pen.rectangle((x, y, x + width, y + height), fill=colour)
    pen.multiline_text((x + margin, y + margin), text, fill="white", font=font, spacing=size // 4)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(korean_font_file()), size)
