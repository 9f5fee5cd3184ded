"""Pictures that tests make on the fly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image

GRACE_HOPPER = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
COLOURS = {"red": (250, 5, 5), "green": (5, 250, 5), "blue": (5, 5, 250)}


def plain(colour: str, size: tuple[int, int] = (48, 48)) -> Image.Image:
    return Image.new("RGB", size, COLOURS[colour])


def save(image: Image.Image, path: Path, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def two_faces(folder: Path) -> Path:
    """A picture with the same portrait twice, the second one smaller."""
    portrait = Image.open(GRACE_HOPPER).convert("RGB")
    sheet = Image.new("RGB", (900, 620), (200, 200, 200))
    sheet.paste(portrait, (0, 10))
    sheet.paste(portrait.resize((256, 300)), (600, 150))
    return save(sheet, folder / "two.png")


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)
