"""Bytes spoilt at random, by seeds that are fixed."""

from __future__ import annotations

import random

PICTURE_KINDS: dict[str, dict[str, object]] = {
    "PNG": {},
    "JPEG": {"progressive": True},
    "WEBP": {},
    "GIF": {},
    "BMP": {},
    "TIFF": {"compression": "tiff_lzw"},
    "PPM": {},
    "JPEG2000": {},
    "ICO": {},
    "AVIF": {},
}
"""The formats of pictures with the options under which Pillow writes them."""


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Flip, cut, repeat or overwrite some bytes, the header among them."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data)) if rng.random() < 0.5 else rng.randrange(min(64, len(data)))
        change = rng.randrange(4)
        if change == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif change == 1:
            data[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0"])
        elif change == 2 and len(data) > 16:
            del data[at : at + rng.randint(1, len(data) // 4)]
        else:
            data[at:at] = data[at : at + rng.randint(1, 40)]
        if not data:
            return b"x"
    return bytes(data)
