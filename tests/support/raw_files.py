"""Raw data sets as small files: images, folders, zips."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import datasets
import numpy as np
from PIL import Image


def png(value: int, size: int = 6) -> bytes:
    """A picture of its own for every value; 0 is blank."""
    pixels = np.zeros((size, size), dtype=np.uint8)
    pixels.flat[0] = value
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def labels_of(prepared: datasets.DatasetDict, split: str = "train") -> list[str]:
    data = prepared[split]
    return [data.features["label"].int2str(place) for place in data["label"]]


def duplicates(tmp_path: Path) -> Path:
    return write(
        tmp_path / "raw",
        {
            "train/happy/blank.png": png(0),
            "train/happy/a.png": png(1),
            "train/happy/a_again.png": png(1),
            "train/happy/in_validation.png": png(2),
            "train/sad/conflict.png": png(3),
            "train/happy/conflict.png": png(3),
            "train/sad/own.png": png(4),
            "validation/sad/in_training.png": png(2),
            "validation/sad/twice.png": png(9),
            "validation/sad/twice_again.png": png(9),
        },
    )


FER_FOLDER = {
    "train/angry/Training_1.jpg": png(1),
    "train/happy/Training_2.jpg": png(2),
    "validation/sad/PublicTest_1.jpg": png(3),
    "test/fear/PrivateTest_1.jpg": png(4),
}
