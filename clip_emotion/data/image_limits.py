"""What a single picture may cost: bytes, pixels and scans, checked before anything is decoded."""

from __future__ import annotations

import warnings
from typing import BinaryIO

from PIL import Image

from clip_emotion.errors import ImageError

MAX_PIXELS = 50_000_000
MAX_BYTES = 256 * 2**20
"""Most bytes of an encoded picture."""
MAX_SCANNED = 1_000_000_000
"""Most pixels that all scans of a JPEG may go over together; photographs have about ten scans."""
USUAL_SCANS, MOST_SCANS = 24, 1000
"""So many scans a JPEG of any size may have, and none more than so many."""
SHARE = {"WEBP": 0.5, "AVIF": 0.5, "JPEG2000": 0.3, "HEIF": 0.5}
"""The share of the limit for formats whose decoders hold several copies of the picture."""
CHUNK = 1 << 20
SCAN = b"\xff\xda"


def allow_pixels(max_pixels: int) -> None:
    """Make ``max_pixels`` the limit that decides, instead of Pillow's own; this is a setting of the whole process."""
    Image.MAX_IMAGE_PIXELS = max_pixels


def silence_bomb_warning() -> None:
    """Keep Pillow from warning of large pictures: the limits here say what to do, in the picture's own row."""
    kind = Image.DecompressionBombWarning
    if not any(action == "ignore" and known is kind for action, _, known, *_ in warnings.filters):
        warnings.simplefilter("ignore", kind)


def check_bytes(size: int) -> None:
    """Raise ImageError for a file that is empty or larger than any picture should be."""
    if not size:
        raise ImageError("The file is empty.")
    if size > MAX_BYTES:
        raise ImageError(f"The file has {size:,} bytes, more than the limit of {MAX_BYTES:,}: make it smaller.")


def check_size(image: Image.Image, max_pixels: int) -> None:
    """Raise ImageError for a picture of more pixels than the limit, which is lower for formats that cost more."""
    width, height = image.size
    limit = int(max_pixels * SHARE.get(image.format or "", 1))
    if width * height > limit:
        kind = f" for {image.format}" if limit != max_pixels else ""
        raise ImageError(
            f"The picture has {width} × {height} pixels, more than the limit of {limit:,}{kind}: raise --max-pixels."
        )


def check_scans(image: Image.Image, stream: BinaryIO) -> None:
    """Raise ImageError for a JPEG with so many scans that decoding it would take very long; the stream stays put."""
    if image.format not in ("JPEG", "MPO"):
        return
    place = stream.tell()
    stream.seek(0)
    # Within coded data a byte 0xFF is always followed by another marker or a zero, so that the pair tells a scan.
    scans, last = 0, b""
    while chunk := stream.read(CHUNK):
        scans += (last + chunk).count(SCAN)
        last = chunk[-1:] if chunk.endswith(SCAN[:1]) else b""
    stream.seek(place)
    most = min(MOST_SCANS, max(USUAL_SCANS, MAX_SCANNED // max(1, image.width * image.height)))
    if scans > most:
        raise ImageError(f"The JPEG has {scans} scans, more than the limit of {most} for its size: save it anew.")
