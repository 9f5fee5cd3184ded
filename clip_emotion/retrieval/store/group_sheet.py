"""A page of groups: a section a group with its words, its size and the faces nearest to its middle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from clip_emotion.data.image_limits import MAX_PIXELS
from clip_emotion.data.images import ImageSource
from clip_emotion.errors import UsageError
from clip_emotion.files import write_atomic
from clip_emotion.html import environment
from clip_emotion.retrieval.labelling.thumbnails import thumbnail
from clip_emotion.retrieval.store.clustering import Member

SMALL = ((160, 55), (128, 40), (96, 30))


@dataclass(frozen=True)
class Group:
    """A group on the page: its words, its number of faces, its share of all faces, and some of them."""

    names: Sequence[str]
    size: int
    share: float
    examples: Sequence[Member]


@dataclass(frozen=True)
class GroupSheet:
    """What the page says above its groups, in English and Korean, and in which language it opens."""

    titles: tuple[str, str]
    subtitles: tuple[str, str]
    language: str
    workers: int = 2
    max_pixels: int = MAX_PIXELS


def write_group_sheet(folder: Path, groups: Sequence[Group], sheet: GroupSheet) -> Path:
    """Write ``index.html`` into a folder and return its path; raises UsageError when it cannot be written."""
    template = environment("clip_emotion.retrieval.store").get_template("groups.html.j2")
    with ThreadPoolExecutor(sheet.workers) as pool:
        sections = list(_sections(groups, sheet, pool))
    content = template.render(
        language=sheet.language, titles=sheet.titles, subtitles=sheet.subtitles, groups=sections
    )  # fmt: skip
    page = folder / "index.html"
    try:
        write_atomic(page, content)
    except OSError as error:
        raise UsageError(f"Cannot write the report to {folder}: {error.strerror or error}.") from error
    return page


def _sections(groups: Sequence[Group], sheet: GroupSheet, pool: ThreadPoolExecutor) -> Iterator[Mapping[str, Any]]:
    def small(member: Member) -> str:
        source = ImageSource(member.path, member.file)
        return thumbnail(source, member.face, sheet.max_pixels, cut=True, qualities=SMALL)

    for group in groups:
        faces = [
            {"path": member.path, "name": PurePath(member.path).name, "similarity": f"{member.similarity:.2f}",
             "image": image}
            for member, image in zip(group.examples, pool.map(small, group.examples), strict=True)
        ]  # fmt: skip
        counted = (
            f"{group.size:,} {'face' if group.size == 1 else 'faces'}, {group.share:.0%}; the most typical of them",
            f"얼굴 {group.size:,}개, {group.share:.0%}. 가장 전형적인 얼굴들이에요",
        )
        yield {"names": group.names, "counted": counted, "width": f"{100 * group.share:.1f}", "faces": faces}
