"""Opens a video by PyAV, and nothing else than that video: no address inside a file is ever followed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_emotion.data.image_limits import MAX_PIXELS
from clip_emotion.data.video_sources import CAMERAS, VideoSource
from clip_emotion.errors import MissingExtraError, VideoError

FORMATS = (
    "mov", "mp4", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "flv", "asf", "ogg", "mxf", "ivf",
    "h264", "hevc", "av1", "obu", "yuv4mpegpipe", "dv",
)  # fmt: skip
"""Containers that hold their pictures themselves; playlists and lists of files, which name others, are none of them."""
STREAM_PROTOCOLS = "rtsp,rtsps,rtp,srtp,tcp,udp,tls,crypto"
OPENING, READING = 10.0, 20.0
"""So many seconds a stream may take to answer, and to send its next packet."""
ATTACHED = "attached_pic"


@dataclass(frozen=True)
class Limits:
    """How much a video may ask for: pixels a frame, and threads that decode."""

    max_pixels: int = MAX_PIXELS
    threads: int = 2


@contextmanager
def opened(source: VideoSource, limits: Limits) -> Iterator[tuple[Any, Any]]:
    """Open a source for the block and hand out its container and its stream of pictures, as PyAV has them.

    Raises VideoError with one sentence where it cannot be opened, and MissingExtraError without PyAV.
    """
    av = load_av()
    try:
        container = OPENERS[source.kind](av, source)
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(_why(av, source, error)) from error
    with container:
        yield container, _pictures(av, container, limits)


def load_av() -> Any:
    """Return PyAV; raises MissingExtraError where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError("Reading videos", "PyAV", "video") from error
    return av


def _open_file(av: Any, source: VideoSource) -> Any:
    path = Path(source.place)
    if path.exists() and not path.is_file():
        raise VideoError("This is a folder or a device, not a video file.")
    if path.is_file() and path.stat().st_size == 0:
        raise VideoError("The file is empty.")
    # "file:" lets no name be taken for an address, and the lists let no content name one.
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(FORMATS)}
    return av.open(f"file:{path.absolute()}", options=options, metadata_errors="replace")


def _open_camera(av: Any, source: VideoSource) -> Any:
    if sys.platform not in CAMERAS:
        raise VideoError("Cameras are read on Linux and macOS: give the camera's rtsp:// address, or a file.")
    return av.open(source.place, format=CAMERAS[sys.platform][0], metadata_errors="replace")


def _open_stream(av: Any, source: VideoSource) -> Any:
    options = {"rtsp_transport": "tcp", "protocol_whitelist": STREAM_PROTOCOLS, "format_whitelist": "rtsp"}
    # Through "rtsp" the door takes no other address, whatever the text after it says.
    return av.open(source.place, options=options, timeout=(OPENING, READING), metadata_errors="replace")


OPENERS = {"file": _open_file, "camera": _open_camera, "stream": _open_stream}


def _pictures(av: Any, container: Any, limits: Limits) -> Any:
    """Return the stream of moving pictures; a cover on a piece of music is none."""
    streams = [one for one in container.streams.video if ATTACHED not in str(one.disposition.name or "")]
    if not streams:
        raise VideoError("The file holds no moving pictures.")
    stream = streams[0]
    if stream.codec_context is None:
        raise VideoError("The video's codec is not known here: convert it to H.264, as with ffmpeg -i IN OUT.mp4.")
    size = stream.width, stream.height
    if size[0] * size[1] > limits.max_pixels:
        raise VideoError(too_large(*size, limits))
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = limits.threads
    return stream


def too_large(width: int, height: int, limits: Limits) -> str:
    """Say that frames are too large."""
    return f"Frames of {width} × {height} have more than {limits.max_pixels:,} pixels: raise --max-pixels."


def _why(av: Any, source: VideoSource, error: Exception) -> str:
    """Say in one sentence why a source cannot be opened."""
    reason = getattr(error, "strerror", None) or type(error).__name__
    if source.kind == "camera":
        return f"{source.name} cannot be opened ({reason}): see that {source.place} is there and may be read."
    if source.kind == "stream":
        return f"{source.name} cannot be opened ({reason}): see that the address is right and the camera is on."
    if isinstance(error, FileNotFoundError):
        return "The file does not exist."
    if isinstance(error, av.error.InvalidDataError | av.error.ArgumentError | av.error.EOFError):
        if _lacks_index(Path(source.place)):
            return "The video's index, which an MP4 has at its end, is missing: the file is cut off; copy it anew."
        return "This is no video that can be read, or it is damaged from the start (MP4, MOV, MKV, WebM, AVI, TS …)."
    return f"The video cannot be opened ({reason})."


def _lacks_index(path: Path) -> bool:
    """Tell whether a file is an MP4 or MOV without a whole ``moov`` box, which lists its frames."""
    found: list[bytes] = []
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            at = 0
            while at + 8 <= size and len(found) < 1000:
                file.seek(at)
                head = file.read(16)
                length = int.from_bytes(head[:4], "big")
                length = int.from_bytes(head[8:16], "big") if length == 1 else length or size - at
                if length < 8 or (head[4:8] == b"moov" and at + length > size):
                    break
                found.append(head[4:8])
                at += length
    except OSError:
        return False
    return found[:1] == [b"ftyp"] and b"moov" not in found
