"""What a user means by a video: a file, known by its content, a camera (``camera:0``) or a stream (``rtsp://…``)."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from clip_emotion.data.finding import VIDEO_SUFFIXES, display_name
from clip_emotion.data.images import HEIC_BRANDS, SUFFIXES, ImageSource
from clip_emotion.errors import UsageError

CAMERA = re.compile(r"camera:(\d+)", re.IGNORECASE)
STREAM = re.compile(r"rtsps?://", re.IGNORECASE)
START = 400
"""So many bytes of a file tell what it is."""
PICTURE_BRANDS = (b"avif", b"avis", *HEIC_BRANDS, b"jp2 ")
"""What a file of pictures has where a video of the same container names its kind."""
PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\x00", b"MM\x00*", b"\x00\x00\x00\x0cjP")
SIGNATURES: tuple[tuple[int, bytes], ...] = (
    (0, b"\x1a\x45\xdf\xa3"),  # Matroska and WebM
    (0, b"FLV\x01"),
    (0, b"\x00\x00\x01\xba"),  # MPEG programme stream
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # ASF
    (0, b"DKIF"),
    (8, b"AVI "),
)
CAMERAS: dict[str, tuple[str, str]] = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}:none")}
"""By system: what FFmpeg calls the way to its cameras, and a camera's name there."""


@dataclass(frozen=True, slots=True)
class VideoSource:
    """One video: the name that rows show, where it lies, and whether it is a file, a camera or a stream."""

    name: str
    place: str
    kind: Literal["file", "camera", "stream"] = "file"

    @property
    def live(self) -> bool:
        """Whether it goes on while it is looked at, and cannot be read a second time."""
        return self.kind != "file"


def as_video(source: str | Path | VideoSource) -> VideoSource:
    """Return the source that a path, ``camera:N`` or an ``rtsp://`` address stands for."""
    if isinstance(source, VideoSource):
        return source
    return _live(str(source)) or VideoSource(display_name(str(source)), str(source))


def split_live(paths: Sequence[str]) -> tuple[list[str], list[VideoSource]]:
    """Take cameras and streams out of arguments; a file of such a name stays a file.

    Raises UsageError where the same one is named twice.
    """
    rest: list[str] = []
    live: list[VideoSource] = []
    for path in paths:
        source = _live(path)
        if source is None or (source.kind == "camera" and Path(path).exists()):
            rest.append(path)
        elif source in live:
            raise UsageError(f"{source.name} is named twice.")
        else:
            live.append(source)
    return rest, live


def split_videos(sources: Sequence[ImageSource]) -> tuple[list[ImageSource], list[VideoSource]]:
    """Divide the files that were found into pictures and videos, each in their order."""
    pictures: list[ImageSource] = []
    videos: list[VideoSource] = []
    for source in sources:
        if isinstance(source.content, Path) and is_video(source.content):
            videos.append(VideoSource(source.name, str(source.content)))
        else:
            pictures.append(source)
    return pictures, videos


def is_video(path: Path) -> bool:
    """Tell whether a file is a video by its content, or by its suffix where the content says nothing else.

    A file with a picture's suffix is not looked into.
    """
    suffix = path.suffix.lower()
    if suffix in SUFFIXES or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(START)
    except OSError:
        return suffix in VIDEO_SUFFIXES
    return _has_signature(start) or (suffix in VIDEO_SUFFIXES and not _is_picture(start))


def _has_signature(start: bytes) -> bool:
    if start[4:8] == b"ftyp":
        return start[8:12] not in PICTURE_BRANDS and not start[8:12].startswith(b"M4A")
    transport = len(start) > 376 and {start[0], start[188], start[376]} == {0x47}
    return transport or any(start[at : at + len(sign)] == sign for at, sign in SIGNATURES)


def _is_picture(start: bytes) -> bool:
    return start.startswith(PICTURES) or start[8:12] == b"WEBP" or start[4:12] in {b"ftyp" + b for b in PICTURE_BRANDS}


def _live(path: str) -> VideoSource | None:
    camera = CAMERA.fullmatch(path)
    if camera:
        _, place = CAMERAS.get(sys.platform, CAMERAS["linux"])
        return VideoSource(f"camera:{int(camera.group(1))}", place.format(int(camera.group(1))), "camera")
    return VideoSource(_without_password(path), path, "stream") if STREAM.match(path) else None


def _without_password(address: str) -> str:
    """Return an address as rows and messages may show it: who may see them need not know how to get in."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise UsageError(f"This is no address of a stream ({error}): give rtsp://HOST/PATH.") from error
    host = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))
