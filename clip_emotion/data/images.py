"""Pictures from anywhere: finding the files that a user means, and opening each as plain RGB or saying why not."""

from __future__ import annotations

import codecs
import glob
import io
import os
import struct
import unicodedata
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from clip_emotion.errors import ImageError, UsageError
from clip_emotion.text import nfc

MAX_PIXELS = 100_000_000
# Raster formats only: Pillow would hand PostScript to an outside interpreter.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", "ICO", "AVIF")
# HEIC cannot be read, but a phone's folder is full of it: better a row that says so than a picture left out in silence.
SUFFIXES = frozenset(
    f".{name}"
    for names in ("jpg jpeg jpe jfif png webp gif bmp dib", "tif tiff ppm pgm pbm jp2 ico avif heic heif")
    for name in names.split(" ")
)
_EMPTY = "The file is empty."
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


def allow_pixels(max_pixels: int) -> None:
    """Make ``max_pixels`` the limit that decides, instead of Pillow's own; this is a setting of the whole process."""
    Image.MAX_IMAGE_PIXELS = max_pixels
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def open_image(source: Path | bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open a picture as upright 8-bit RGB; of an animation, the first frame; transparency lies on white.

    The size is checked from the header, before anything is decoded.
    Raises ImageError with one sentence when the source is missing, empty, not a picture, damaged or too large.
    """
    try:
        with _stream(source) as stream, Image.open(stream, formats=_formats()) as image:
            _check_size(image, max_pixels)
            image.load()
            return to_rgb(_upright(image))
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"The picture has more than the limit of {max_pixels:,} pixels: raise --max-pixels."
        ) from error
    except UnidentifiedImageError as error:
        raise ImageError(f"Not a picture in a format that can be read{_advice(source)}.") from error
    except _DAMAGE as error:
        raise ImageError(f"The picture is damaged or truncated and cannot be decoded ({_reason(error)}).") from error


def read_source(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open what a source holds as upright 8-bit RGB, as ``open_image`` does; raises ImageError where it cannot be."""
    if source.content is None:
        raise ImageError(source.error or "There is no picture.")
    if not isinstance(source.content, Image.Image):
        return open_image(source.content, max_pixels=max_pixels)
    _check_size(source.content, max_pixels)
    try:
        return to_rgb(_upright(source.content))
    except _DAMAGE as error:
        raise ImageError(f"The picture cannot be converted to RGB ({_reason(error)}).") from error


def _stream(source: Path | bytes) -> BinaryIO:
    """Open the content for reading; raises ImageError when it is missing, empty or not a file."""
    if isinstance(source, bytes):
        if not source:
            raise ImageError(_EMPTY)
        return io.BytesIO(source)
    try:
        if source.exists() and not source.is_file():
            raise ImageError("This is a folder or a device, not a picture file.")
        if not source.stat().st_size:
            raise ImageError(_EMPTY)
        return source.open("rb")
    except OSError as error:
        raise ImageError(f"The file cannot be read ({error.strerror or error}).") from error


@lru_cache(maxsize=1)
def _formats() -> list[str]:
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            f"The picture has {width} × {height} pixels, more than the limit of {max_pixels:,}: raise --max-pixels."
        )


def _advice(source: Path | bytes) -> str:
    heic = isinstance(source, Path) and source.suffix.lower() in (".heic", ".heif")
    return ": convert HEIC to JPEG or PNG first" if heic else f" ({', '.join(FORMATS[:8])} and a few more)"


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF rotation; where the EXIF block itself is damaged, the picture stays as it is stored."""
    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGE:
        return image


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any Pillow mode to 8-bit RGB: deep greys are scaled, not clipped, and transparency lies on white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_to_8_bit(np.asarray(image), image.mode)).convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
    return image.convert("RGB")


def _to_8_bit(values: NDArray[Any], mode: str) -> NDArray[np.uint8]:
    """Scale deep grey values to 0–255: 16-bit ones by their full range, others by the range that they show."""
    finite = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    peak = float(finite.max(initial=0.0))
    if mode.startswith("I;16") or (mode == "I" and 255 < peak <= 65535):
        finite = finite / 257
    elif mode == "F" and 0 < peak <= 1:
        finite = finite * 255
    elif peak > 255:
        finite = finite * (255 / peak)
    scaled: NDArray[np.uint8] = finite.round().clip(0, 255).astype(np.uint8)
    return scaled


def find_images(paths: Sequence[str], stdin: BinaryIO | None = None) -> list[ImageSource]:
    """List the pictures that the arguments mean: files, folders (recursive, sorted), globs, ``-`` for a list on stdin.

    A file is listed once, however often it is named. A path that does not exist is listed with its error.
    Raises UsageError for no path at all, and for a folder that holds no pictures.
    """
    if not paths:
        raise UsageError("Name at least one picture, folder or glob, or - for a list on standard input.")
    seen: set[str] = set()
    names: set[str] = set()
    sources: list[ImageSource] = []
    for source in _candidates(paths, stdin):
        # Not resolved: two links to one picture are two pictures to the user who named them.
        place = os.path.abspath(source.content) if isinstance(source.content, Path) else source.name  # noqa: PTH100
        if place in seen:
            continue
        seen.add(place)
        # Two files can differ in nothing but their names' Unicode form; the second then shows its name as stored.
        name = source.name if source.name not in names else str(source.content)
        names.add(name)
        sources.append(ImageSource(name, source.content, source.error))
    return sources


def _candidates(paths: Sequence[str], stdin: BinaryIO | None) -> Iterator[ImageSource]:
    for path in paths:
        if path == "-":
            for line in _listed(stdin):
                yield from _expand(line)
        elif glob.has_magic(path) and resolve_path(path) is None:
            matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - the pattern may be absolute
            if not matches:
                yield ImageSource(display_name(path), None, "No file matches this pattern.")
            for match in matches:
                yield from _expand(match)
        else:
            yield from _expand(path)


def _listed(stdin: BinaryIO | None) -> Iterable[str]:
    """Yield the paths on standard input, one a line, or NUL-separated as ``find -print0`` writes them."""
    content = stdin.read() if stdin is not None else b""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # what PowerShell's > writes
        content = content.decode("utf-16", "replace").encode()
    content = content.removeprefix(codecs.BOM_UTF8)
    lines = content.split(b"\0") if b"\0" in content else content.splitlines()
    paths = [_listed_path(line) for line in lines if line.strip()]
    if not paths:
        raise UsageError("Standard input holds no paths: give one a line, as find . -name '*.jpg' does.")
    return paths


def _listed_path(line: bytes) -> str:
    """Decode a path: UTF-8, else the raw name of a file that is there, else CP949, which Korean Windows writes."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        if os.path.lexists(line):
            return os.fsdecode(line)
    return line.decode("cp949", "replace")


def _expand(path: str) -> Iterator[ImageSource]:
    """Yield the file, or every picture below the folder, or a source with the reason why there is neither."""
    real = resolve_path(path)
    if real is None:
        yield ImageSource(display_name(path), None, "The file does not exist.")
    elif real.is_dir():
        found = list(_walk(real))
        if not found:
            raise UsageError(f"Folder {display_name(path)} holds no pictures ({', '.join(sorted(SUFFIXES)[:8])} …).")
        yield from found
    else:
        yield ImageSource(display_name(str(real)), real)


def _walk(folder: Path) -> Iterator[ImageSource]:
    """Yield the pictures below a folder in sorted order; hidden files and folders are passed over."""
    locked: list[OSError] = []
    for parent, folders, files in os.walk(folder, onerror=locked.append):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=nfc)
        for name in sorted(files, key=nfc):
            path = Path(parent, name)
            if not name.startswith(".") and path.suffix.lower() in SUFFIXES:
                yield ImageSource(display_name(str(path)), path)
    for error in locked:
        yield ImageSource(display_name(str(error.filename)), None, f"The folder cannot be read ({error.strerror}).")


def display_name(path: str) -> str:
    """Return a path as people and UTF-8 files can read it: NFC, with undecodable bytes written out."""
    return nfc(path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))


def resolve_path(path: str) -> Path | None:
    """Find the file or folder that a path means, whichever Unicode form its name is stored in, or None."""
    for form in (path, nfc(path), unicodedata.normalize("NFD", path)):
        if os.path.lexists(form):
            return Path(form)
    parent, name = os.path.split(path)
    if not name or not parent or parent == path:
        return _twin(Path(), name) if name and not parent else None
    folder = resolve_path(parent)
    return _twin(folder, name) if folder is not None and folder.is_dir() else None


def _twin(folder: Path, name: str) -> Path | None:
    """Find an entry whose name equals ``name`` in composed form."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return None
    return next((entry for entry in entries if nfc(entry.name) == nfc(name)), None)
