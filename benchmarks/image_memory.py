"""Peak memory of opening one large picture of each kind, over the memory before: python benchmarks/image_memory.py.

Linux only: the kernel's own high-water mark is reset before each picture.
"""

from __future__ import annotations

import argparse
import ctypes
import io
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clip_emotion.data.image_limits import MAX_PIXELS, SHARE
from clip_emotion.data.images import open_image
from clip_emotion.errors import ImageError

MIB = 2**20


def peak_of(open_one: Callable[[], object]) -> tuple[float, str]:
    """Return how far memory rose above its level before a call, in MiB, and how the call ended."""
    # What earlier pictures left with the allocator would hide what this one needs.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _status("VmRSS")
    outcome = "opened"
    try:
        open_one()
    except ImageError as error:
        outcome = str(error)
    return (_status("VmHWM") - before) / 1024, outcome


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{key}:")))


def kinds(pixels: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield the name of each kind of picture of so many pixels, and a function that encodes one."""
    wide, side = (pixels, 1), int(pixels**0.5)
    square, turned = (side, side), Image.Exif()
    turned[0x0112] = 6
    for mode in ("RGB", "RGBA", "L", "LA", "P", "I;16"):
        yield f"PNG {mode}", partial(_encoded, mode, square, "PNG", compress_level=1)
    yield "PNG I;16, one row", partial(_encoded, "I;16", wide, "PNG", compress_level=1)
    yield "PNG RGBA, turned", partial(_encoded, "RGBA", square, "PNG", compress_level=1, exif=turned)
    for mode in ("F", "I", "RGBA", "CMYK"):
        yield f"TIFF {mode}", partial(_encoded, mode, square, "TIFF", compression="tiff_deflate")
    yield "JPEG", partial(_encoded, "RGB", square, "JPEG", exif=turned)
    yield "JPEG progressive", partial(_encoded, "RGB", square, "JPEG", progressive=True, subsampling=0, exif=turned)
    yield "JPEG CMYK progressive", partial(_encoded, "CMYK", square, "JPEG", progressive=True)
    yield "GIF", partial(_encoded, "P", square, "GIF")
    yield "BMP", partial(_encoded, "RGB", square, "BMP")
    yield "PPM", partial(_encoded, "RGB", square, "PPM")
    for kind in ("WEBP", "JPEG2000", "AVIF"):
        at_limit = int((pixels * SHARE[kind]) ** 0.5)
        yield kind, partial(_encoded, "RGBA", (at_limit, at_limit), kind, **FAST[kind])
    if not find_spec("pillow_heif"):
        print("HEIF is left out: it needs pip install 'clip-emotion[heic]'.", file=sys.stderr)
        return
    at_limit = int((pixels * SHARE["HEIF"]) ** 0.5)
    for mode in ("RGB", "RGBA"):
        yield f"HEIF {mode}", partial(_heif, mode, (at_limit, at_limit))


FAST: dict[str, dict[str, Any]] = {
    "WEBP": {"method": 0, "quality": 1},
    "AVIF": {"speed": 10, "quality": 1},
    "JPEG2000": {},
}


def _encoded(mode: str, size: tuple[int, int], kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image = Image.new("I;16", size) if mode == "I;16" else Image.new(mode, size)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _heif(mode: str, size: tuple[int, int]) -> bytes:
    import pillow_heif

    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.new(mode, size)).save(buffer, quality=1)
    return buffer.getvalue()


def main() -> int:
    """Print a line a kind; the exit code is 1 where one of them costs more than the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pixels", type=int, default=MAX_PIXELS, help="pixels of each picture")
    parser.add_argument("--limit", type=float, default=600, help="most MiB over the base")
    options = parser.parse_args()
    open_image(_encoded("RGB", (8, 8), "PNG"))
    np.asarray(Image.new("RGB", (8, 8)))
    worst = 0.0
    for name, make in kinds(options.pixels):
        content = make()
        began = time.perf_counter()
        peak, outcome = peak_of(partial(open_image, content, max_pixels=options.pixels))
        worst = max(worst, peak)
        print(f"{name:24} {peak:7.0f} MiB  {time.perf_counter() - began:5.1f} s  {outcome[:70]}", flush=True)
    print(f"worst {worst:.0f} MiB of {options.limit:.0f}")
    return int(worst > options.limit)


if __name__ == "__main__":
    sys.exit(main())
