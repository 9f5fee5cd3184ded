"""A contact sheet: self-contained HTML pages of thumbnails with their words and bars."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clip_emotion.data.faces.parts import CROPPED, NO_FACE, SKIPPED, SMALL
from clip_emotion.data.image_limits import MAX_PIXELS
from clip_emotion.data.images import ImageSource
from clip_emotion.errors import UsageError
from clip_emotion.files import write_atomic
from clip_emotion.html import environment
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.retrieval.labelling.image_faults import korean_fault
from clip_emotion.retrieval.labelling.plane import place_on_plane
from clip_emotion.retrieval.labelling.rows import is_faceless
from clip_emotion.retrieval.labelling.thumbnails import PLANE, thumbnail
from clip_emotion.types import Prediction, ScoredLabel
from clip_emotion.vocabulary import Vocabulary

PAGE_SIZE = 200
"""Cards on a page, which with its thumbnails stays below 2 MB."""
KOREAN_NOTES = {
    SMALL: "작은 사진이라 얼굴만 잘라 낸 것으로 봤어요",
    CROPPED: "이미 얼굴만 잘라 낸 사진이라 전체를 봤어요",
    NO_FACE: "얼굴을 찾지 못해 사진 전체를 봤어요",
    SKIPPED: "얼굴을 찾지 못해 단어를 붙이지 않았어요",
}
OWN = "own"
"""The name of a vocabulary of words that stand in the command itself."""
NEAR = 2
"""So many pages on each side of a page are linked, beside the first and the last."""
PAGE_NAME = re.compile(r"page-([2-9]|[1-9][0-9]+)\.html")
"""The names of a sheet's further pages, and of nothing else."""


@dataclass(frozen=True)
class SheetConfig:
    """What a sheet says above its images, in which language it opens, and how large it grows.

    ``korean_title`` and ``korean_subtitle`` stand for title and subtitle where Korean is chosen. ``glosses`` maps a
    label's key to its name in the other language, which stands for the name where that is chosen; ``korean_notes`` maps
    a remark on a face to its Korean. With ``faces`` a card shows its face and what is around it, not the whole image;
    with ``similarities`` words show these instead of their probabilities.
    """

    title: str = "clip-emotion"
    subtitle: str = ""
    korean_title: str = ""
    korean_subtitle: str = ""
    language: str = "en"
    glosses: Mapping[str, str] = field(default_factory=dict)
    korean_notes: Mapping[str, str] = field(default_factory=lambda: KOREAN_NOTES)
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
                shown=sorted({(word["name"], word["en"], word["ko"]) for card in cards for word in card["words"][:1]}),
                plane=_plane(predictions, sources, config, names) if number == 1 else None,
                page=number,
                pages=len(names),
                links=_links(number, names),
            )
            write_atomic(folder / names[number - 1], content)
        _remove_stale(folder, names)
    except OSError as error:
        raise UsageError(f"Cannot write the report to {folder}: {error.strerror or error}.") from error
    return folder / names[0]


def sheet_subtitles(vocabulary: Vocabulary, encoder: ImageTextEncoder) -> tuple[str, str]:
    """Return in English and Korean whose words these are, and which model looked."""
    own = vocabulary.name == OWN
    english = "Words of your own" if own else f"Words of the vocabulary {vocabulary.name}"
    korean = "직접 고른 단어" if own else f"단어 목록 {vocabulary.name}"
    version = encoder.fingerprint[:17]
    return (
        f"{english}, judged by the model {encoder.name} (version {version})",
        f"{korean} · 모델 {encoder.name} (버전 {version})",
    )


def _plane(
    predictions: Sequence[Prediction], sources: Mapping[str, ImageSource], config: SheetConfig, names: Sequence[str]
) -> dict[str, Any] | None:
    """Return the plane of valence and arousal with some faces as pictures, or None where no row has them."""
    plane = place_on_plane(predictions)
    if plane is None:
        return None

    def picture(at: int) -> str:
        source, face = sources.get(predictions[at].path), predictions[at].face
        return "" if source is None else thumbnail(source, face, config.max_pixels, cut=True, qualities=PLANE)

    def card(at: int) -> str:
        page, number = divmod(at, config.page_size)
        return f"{names[page] if page else ''}#card-{number + 1}"

    with ThreadPoolExecutor(config.workers) as pool:
        images = list(pool.map(picture, plane.shown))
    shown = [
        {"x": plane.x[at], "y": plane.y[at], "image": image, "card": card(at), "path": predictions[at].path,
         "word": best.name if (best := predictions[at].best) else ""}
        for at, image in zip(plane.shown, images, strict=True) if image
    ]  # fmt: skip
    return {"plane": plane, "shown": shown}


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
    def small(prediction: Prediction) -> str:
        source = sources.get(prediction.path)
        return "" if source is None else thumbnail(source, prediction.face, config.max_pixels, cut=config.faces)

    with ThreadPoolExecutor(config.workers) as pool:
        for prediction, image in zip(predictions, pool.map(small, predictions), strict=True):
            yield {
                "path": prediction.path,
                "faceless": is_faceless(prediction),
                "word": prediction.best.name if prediction.best else "",
                "share": f"{_measure(prediction.best, config):.6f}" if prediction.best else "0",
                "face": prediction.face.index if prediction.face.box else None,
                "note": prediction.face.note,
                "korean_note": config.korean_notes.get(prediction.face.note or "", prediction.face.note),
                "error": prediction.error,
                "korean_error": korean_fault(prediction.error) if prediction.error else None,
                "thumbnail": image,
                "words": [_word(label, config) for label in prediction.labels],
                "place": prediction.dimensions,
            }


def _measure(label: ScoredLabel, config: SheetConfig) -> float:
    return label.similarity if config.similarities else label.probability


def _word(label: ScoredLabel, config: SheetConfig) -> dict[str, str]:
    value, gloss = _measure(label, config), config.glosses.get(label.key, "")
    share = f"{value:.3f}" if config.similarities else f"{value:.0%}" if value >= 0.0995 else f"{value:.1%}"
    width = f"{100 * min(max(value, 0), 1):.1f}"
    names = {"en": label.name, "ko": label.name, "en" if config.language == "ko" else "ko": gloss or label.name}
    return {"name": label.name, **names, "share": share, "width": width}
