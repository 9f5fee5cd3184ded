"""What an export may choose: which faces, how images travel, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clip_emotion.data.image_limits import MAX_PIXELS
from clip_emotion.data.path_names import path_fault
from clip_emotion.errors import UsageError
from clip_emotion.outputs import NEW, WriteOptions

MEDIA = ("copy", "link", "refer")
PARTS = ("faces", "whole")
CHOICES = ("all", "confirmed")
TABLES = ("csv", "parquet")
URLS = ("local-files", "upload", "inline")


def _known(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"Unknown {what} '{value}': choose one of {', '.join(known)}.")


@dataclass(frozen=True)
class Origin:
    """What a data card says besides what the rows tell: a title, where images come from, and under which licence."""

    title: str = ""
    sources: tuple[str, ...] = ()
    licence: str = ""
    about: str = ""


@dataclass(frozen=True)
class TaskUrls:
    """How Label Studio finds an image.

    ``local-files`` names it below ``root``, the folder that LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT names (None: the
    folder above all images); ``upload`` by the name under which it is uploaded, behind ``prefix``; ``inline`` puts
    it into the task.
    """

    kind: str = "local-files"
    root: Path | None = None
    prefix: str = "/data/upload/"

    def __post_init__(self) -> None:
        _known("kind of image URL", self.kind, URLS)


@dataclass(frozen=True)
class ExportOptions:
    """How images are exported.

    ``media``: files are copied, linked or named where they lie. ``part``: faces cut out, or whole images. ``only``:
    all faces, or those of which most people said one word. ``table`` is the form of an image folder's table, ``words``
    are names by key that people may choose besides those of the rows, ``split`` names a data set's one split.
    ``inputs`` are files that no output may replace; ``progress`` is told of each image.
    """

    media: str = "copy"
    part: str = "faces"
    only: str = "all"
    table: str = "csv"
    split: str = "train"
    words: Mapping[str, str] = field(default_factory=dict)
    origin: Origin = Origin()
    urls: TaskUrls = TaskUrls()
    output: WriteOptions = NEW
    inputs: tuple[Path, ...] = ()
    max_pixels: int = MAX_PIXELS
    progress: Callable[[int], None] = lambda _: None

    def __post_init__(self) -> None:
        _known("way for images", self.media, MEDIA)
        _known("part of an image", self.part, PARTS)
        _known("choice of faces", self.only, CHOICES)
        _known("form of a table", self.table, TABLES)
        fault = path_fault(self.split)
        if fault:
            raise UsageError(f"'{self.split}' can be no split's name, since {fault}: name another one.")
