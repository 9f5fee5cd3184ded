"""Pictures from anywhere, opened as upright plain RGB within limits, or a sentence that says why not."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from clip_emotion.data.image_limits import MAX_PIXELS, check_bytes, check_scans, check_size, silence_bomb_warning
from clip_emotion.data.pixels import ORIENTATION, to_rgb, upright
from clip_emotion.errors import ImageError

# Raster formats only: Pillow would hand PostScript to an outside interpreter.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", "ICO", "AVIF", "HEIF")
# HEIC needs an extra, but a phone's folder is full of it: better a row that says so than a picture left out in silence.
SUFFIXES = frozenset(
    f".{name}"
    for names in ("jpg jpeg jpe jfif png webp gif bmp dib", "tif tiff ppm pgm pbm jp2 ico avif heic heif")
    for name in names.split(" ")
)
SIDEWAYS = (5, 6, 7, 8)
"""Values of EXIF's orientation under which width and height change places."""
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
# What Pillow's many plug-ins raise on damaged files; anything else is a fault of this program and should be seen.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class ImageSource:
    """One picture to look at: the name to show for it and its content, or the reason why there is none."""

    name: str
    content: Path | bytes | Image.Image | None
    error: str | None = None


def open_image(source: Path | bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open a picture as upright 8-bit RGB; of an animation, the first frame; transparency lies on white.

    Bytes, size and scans are checked from the header, before anything is decoded.
    Raises ImageError with one sentence when the source is missing, empty, not a picture, damaged or too large.
    """
    with _opened(source, max_pixels, "The picture is damaged or truncated and cannot be decoded") as (image, stream):
        check_scans(image, stream)
        image.load()
        return _plain(image)


def image_size(source: Path | bytes, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Return the width and height that ``open_image`` would give, from the header alone.

    Raises ImageError with one sentence when the source is missing, empty, not a picture or too large.
    """
    with _opened(source, max_pixels, "The picture's header is damaged") as (image, _):
        width, height = image.size
        return (height, width) if _orientation(image) in SIDEWAYS else (width, height)


@contextmanager
def _opened(source: Path | bytes, max_pixels: int, damaged: str) -> Iterator[tuple[Image.Image, BinaryIO]]:
    """Open a picture of a size that may be for the block, in which all that Pillow raises becomes one sentence.

    ``damaged`` is how that of a damaged picture begins.
    """
    silence_bomb_warning()
    try:
        with _stream(source) as stream, Image.open(stream, formats=_formats()) as image:
            check_size(image, max_pixels)
            yield image, stream
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"The picture has more than the limit of {max_pixels:,} pixels: raise --max-pixels."
        ) from error
    except UnidentifiedImageError as error:
        raise ImageError(f"Not a picture in a format that can be read{_advice(source)}.") from error
    except _DAMAGE as error:
        raise ImageError(f"{damaged} ({_reason(error)}).") from error


def read_source(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open what a source holds as upright 8-bit RGB, as ``open_image`` does; raises ImageError where it cannot be."""
    if source.content is None:
        raise ImageError(source.error or "There is no picture.")
    if not isinstance(source.content, Image.Image):
        return open_image(source.content, max_pixels=max_pixels)
    check_size(source.content, max_pixels)
    try:
        return upright(to_rgb(source.content), _orientation(source.content))
    except _DAMAGE as error:
        raise ImageError(f"The picture cannot be converted to RGB ({_reason(error)}).") from error


def _plain(image: Image.Image) -> Image.Image:
    """Return an opened file as upright RGB of its own, and let go of what was decoded."""
    orientation = _orientation(image)
    rgb = to_rgb(image)
    rgb = image.copy() if rgb is image else rgb
    image.close()
    rgb.info = {}
    return upright(rgb, orientation)


def _orientation(image: Image.Image) -> int:
    """Return how a picture is to be turned; where the EXIF block itself is damaged, it stays as it is stored."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except _DAMAGE:
        return 1


def _stream(source: Path | bytes) -> BinaryIO:
    """Open the content for reading; raises ImageError when it is missing, empty, too large or not a file."""
    if isinstance(source, bytes):
        check_bytes(len(source))
        return io.BytesIO(source)
    try:
        if source.exists() and not source.is_file():
            raise ImageError("This is a folder or a device, not a picture file.")
        check_bytes(source.stat().st_size)
        return source.open("rb")
    except OSError as error:
        raise ImageError(f"The file cannot be read ({error.strerror or error}).") from error


@lru_cache(maxsize=1)
def _formats() -> list[str]:
    Image.init()
    _register_heif()
    return [name for name in FORMATS if name in Image.OPEN]


def _register_heif() -> bool:
    """Let Pillow open HEIC where pillow-heif is installed, and tell whether it is."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener(thumbnails=False)
    return True


def _advice(source: Path | bytes) -> str:
    with _stream(source) as stream:
        start = stream.read(12)
    if start[4:8] == b"ftyp" and start[8:12] in HEIC_BRANDS and "HEIF" not in _formats():
        return ": HEIC needs pillow-heif, run pip install 'clip-emotion[heic]'"
    return f" ({', '.join(FORMATS[:8])} and a few more)"


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
