"""A contact sheet: self-contained HTML pages of thumbnails with their words and bars."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from clip_emotion.data.faces.parts import NO_FACE, SKIPPED
from clip_emotion.data.image_limits import MAX_PIXELS
from clip_emotion.data.images import ImageSource, read_source
from clip_emotion.errors import ImageError, UsageError
from clip_emotion.files import write_atomic
from clip_emotion.html import environment
from clip_emotion.retrieval.labelling.rows import is_faceless
from clip_emotion.types import FaceBox, FaceRegion, Prediction, ScoredLabel

PAGE_SIZE = 200
"""Cards on a page, which with its thumbnails stays below 2 MB."""
THUMBNAIL = 320
"""The longer side of a thumbnail in pixels: sharp at phone width, 3 to 6 kB each."""
THUMBNAIL_BYTES = 6000
QUALITIES = ((THUMBNAIL, 64), (THUMBNAIL, 40), (240, 30), (128, 20))
"""Sides and WebP qualities of a thumbnail, the next where the one before takes more than ``THUMBNAIL_BYTES``."""
KOREAN_NOTES = {NO_FACE: "얼굴을 찾지 못해 사진 전체를 봤어요", SKIPPED: "얼굴을 찾지 못해 단어를 붙이지 않았어요"}
NEAR = 2
"""So many pages on each side of a page are linked, beside the first and the last."""
PAGE_NAME = re.compile(r"page-([2-9]|[1-9][0-9]+)\.html")
"""The names of a sheet's further pages, and of nothing else."""
FACE_COLOUR = (168, 72, 0)
SURROUNDINGS = 0.35
"""How much of a face's side a card shows around it."""


@dataclass(frozen=True)
class SheetConfig:
    """What a sheet says above its images, in which language it opens, and how large it grows.

    ``korean_title`` and ``korean_subtitle`` stand for title and subtitle where Korean is chosen. ``glosses`` maps a
    label's key to its name in the other language. With ``faces`` a card shows its face and what is around it, not the
    whole image; with ``similarities`` words show these instead of their probabilities.
    """

    title: str = "clip-emotion"
    subtitle: str = ""
    korean_title: str = ""
    korean_subtitle: str = ""
    language: str = "en"
    glosses: Mapping[str, str] = field(default_factory=dict)
    faces: bool = False
    similarities: bool = False
    page_size: int = PAGE_SIZE
    workers: int = 2
    max_pixels: int = MAX_PIXELS


def write_contact_sheet(
    folder: Path, predictions: Sequence[Prediction], sources: Mapping[str, ImageSource], config: SheetConfig
) -> Path:
    """Write ``index.html`` and, past the page size, ``page-2.html`` … into a folder, and return the first page's path.

    Pages that an earlier, longer sheet left in the folder are removed. ``sources`` finds a prediction's image by its
    path. Raises UsageError when the folder cannot be written.
    """
    chunks = [predictions[start : start + config.page_size] for start in range(0, len(predictions), config.page_size)]
    names = ["index.html", *(f"page-{number}.html" for number in range(2, len(chunks) + 1))]
    template = environment("clip_emotion.retrieval.labelling").get_template("contact_sheet.html.j2")
    try:
        for number, chunk in enumerate(chunks or [[]], start=1):
            content = template.render(
                sheet=config,
                language=config.language,
                titles=(config.title, config.korean_title or config.title),
                subtitles=(config.subtitle, config.korean_subtitle or config.subtitle),
                cards=(cards := list(_cards(chunk, sources, config))),
                shown=sorted({card["word"] for card in cards if card["word"]}),
                page=number,
                pages=len(names),
                links=_links(number, names),
            )
            write_atomic(folder / names[number - 1], content)
        _remove_stale(folder, names)
    except OSError as error:
        raise UsageError(f"Cannot write the report to {folder}: {error.strerror or error}.") from error
    return folder / names[0]


def _links(page: int, names: Sequence[str]) -> list[tuple[int, str]]:
    """Return the pages that a page links, with their names: the first, the last and those near; 0 stands for a gap."""
    near = {1, len(names), *range(max(1, page - NEAR), min(len(names), page + NEAR) + 1)}
    links: list[tuple[int, str]] = []
    for number in sorted(near):
        if links and number - links[-1][0] > 1:
            links.append((0, ""))
        links.append((number, names[number - 1]))
    return links


def _remove_stale(folder: Path, names: Sequence[str]) -> None:
    for path in list(folder.iterdir()):
        if PAGE_NAME.fullmatch(path.name) and path.name not in names and path.is_file():
            path.unlink()


def _cards(
    predictions: Sequence[Prediction], sources: Mapping[str, ImageSource], config: SheetConfig
) -> Iterator[dict[str, Any]]:
    def thumbnail(prediction: Prediction) -> str:
        source = sources.get(prediction.path)
        return "" if source is None else _thumbnail(source, prediction.face, config)

    with ThreadPoolExecutor(config.workers) as pool:
        for prediction, image in zip(predictions, pool.map(thumbnail, predictions), strict=True):
            yield {
                "path": prediction.path,
                "faceless": is_faceless(prediction),
                "word": prediction.best.name if prediction.best else "",
                "share": f"{_measure(prediction.best, config):.6f}" if prediction.best else "0",
                "face": prediction.face.index if prediction.face.box else None,
                "note": prediction.face.note,
                "korean_note": KOREAN_NOTES.get(prediction.face.note or "", prediction.face.note),
                "error": prediction.error,
                "thumbnail": image,
                "words": [_word(label, config) for label in prediction.labels],
            }


def _measure(label: ScoredLabel, config: SheetConfig) -> float:
    return label.similarity if config.similarities else label.probability


def _word(label: ScoredLabel, config: SheetConfig) -> dict[str, str]:
    value, gloss = _measure(label, config), config.glosses.get(label.key, "")
    share = f"{value:.3f}" if config.similarities else f"{value:.0%}" if value >= 0.0995 else f"{value:.1%}"
    width = f"{100 * min(max(value, 0), 1):.1f}"
    return {"name": label.name, "gloss": gloss if gloss != label.name else "", "share": share, "width": width}


def _thumbnail(source: ImageSource, face: FaceRegion, config: SheetConfig) -> str:
    """Return a small WebP in base64, an empty text where the image cannot be read.

    The face is framed, or with ``faces`` cut out with what is around it.
    """
    try:
        image = read_source(source, max_pixels=config.max_pixels)
    except ImageError:
        return ""
    box = face.box
    if box is not None and config.faces:
        image, box = _around(image, box), None
    content = b""
    for side, quality in QUALITIES:
        stream = io.BytesIO()
        _small(image, box, side).save(stream, "WEBP", quality=quality, method=2)
        content = stream.getvalue()
        if len(content) <= THUMBNAIL_BYTES:
            break
    return base64.b64encode(content).decode("ascii")


def _small(image: Image.Image, box: FaceBox | None, side: int) -> Image.Image:
    """Return an image made small, with a frame around a face in it."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    if box is not None:
        scale = small.width / image.width, small.height / image.height
        corners = (box.x, box.y, box.x + box.width, box.y + box.height)
        frame = [corner * scale[axis % 2] for axis, corner in enumerate(corners)]
        width = max(2, side // 120)
        # A dark line within a light one is seen on any picture.
        ImageDraw.Draw(small).rectangle(frame, outline="white", width=2 * width)
        ImageDraw.Draw(small).rectangle(frame, outline=FACE_COLOUR, width=width)
    return small


def _around(image: Image.Image, box: FaceBox) -> Image.Image:
    """Cut a face out of an image with what is around it."""
    margin = round(SURROUNDINGS * max(box.width, box.height))
    right, bottom = box.x + box.width + margin, box.y + box.height + margin
    return image.crop(
        (max(0, box.x - margin), max(0, box.y - margin), min(image.width, right), min(image.height, bottom))
    )
