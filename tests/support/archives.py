"""Archives with wrong bytes in them, by every way of packing that Python reads."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterator

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def damaged_zips(name: str, content: bytes, count: int) -> Iterator[bytes]:
    """Yield so many archives of one file by each method, each with a few bytes changed, some cut short."""
    for method in METHODS:
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", method) as archive:
            archive.writestr(name, content)
        drawn = random.Random(method)
        for _ in range(count):
            changed = bytearray(whole.getvalue())
            for _ in range(drawn.randint(1, 6)):
                # The mark at the beginning stays, by which an archive is known.
                changed[drawn.randrange(4, len(changed))] = drawn.randrange(256)
            yield bytes(changed[: drawn.randrange(5, len(changed))] if drawn.random() < 0.2 else changed)
