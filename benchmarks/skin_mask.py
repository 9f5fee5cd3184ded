"""How much of a face masks of skin colour keep, by what people of the London set said of themselves.

``python benchmarks/skin_mask.py --data DIR``, where DIR holds london_dev.zip. Counted are the pixels in the ellipse in
the middle of each face's box (0.4 of its width and 0.45 of its height to either side), both pictures of a person.
"""

from __future__ import annotations

import argparse
import csv
import io
import zipfile
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_emotion.data.faces.makers import make_finder
from clip_emotion.data.images import open_image
from clip_emotion.evaluation.bootstrap import Resampling, percentile_interval, row_draws
from clip_emotion.skin import skin_pixels
from clip_emotion.types import FaceBox

MASKS: tuple[Literal["hsv", "ycrcb"], ...] = ("hsv", "ycrcb")
AXES = (0.4, 0.45)
COLUMNS = {"ethnicity": "face_eth", "sex": "face_gender"}
DRAWS = Resampling(10_000, 0)
Values = NDArray[np.float64]


def main() -> None:
    """Print the table of one archive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    rates, people = measured(parser.parse_args().data / "london_dev.zip")
    print(f"| share of the face's pixels kept | people | {' | '.join(MASKS)} |\n|---|---|{'---|' * len(MASKS)}")
    for title, column in COLUMNS.items():
        groups = {value: [name for name in rates if people[name][column] == value] for value in values(people, column)}
        parts = {value: np.array([rates[name] for name in names]) for value, names in groups.items()}
        for value, part in parts.items():
            print(f"| {title}: {value} | {len(part)} | {' | '.join(_mean(part[:, at]) for at in range(len(MASKS)))} |")
        gaps = [_gap({value: part[:, at] for value, part in parts.items()}) for at in range(len(MASKS))]
        print(f"| {title}: largest gap | | {' | '.join(gaps)} |", flush=True)


def measured(archive: Path) -> tuple[dict[str, list[float]], dict[str, dict[str, str]]]:
    """Return each person's mean rate of every mask, and what they said of themselves."""
    finder = make_finder()
    found: defaultdict[str, list[list[float]]] = defaultdict(list)
    people: dict[str, dict[str, str]] = {}
    with zipfile.ZipFile(archive) as source:
        for row in csv.DictReader(io.TextIOWrapper(source.open("people.csv"), encoding="utf-8")):
            image = open_image(source.read(row["path"]))
            name = PurePosixPath(row["path"]).stem
            people[name] = row
            found[name].append([rate(image, finder.find(image)[0].box, mask) for mask in MASKS])
    return {name: np.mean(pairs, axis=0).tolist() for name, pairs in found.items()}, people


def rate(image: Image.Image, box: FaceBox, mask: Literal["hsv", "ycrcb"]) -> float:
    """Return the share of a face's pixels that a mask keeps."""
    down, across = np.mgrid[: image.height, : image.width] + 0.5
    x = (across - box.x - box.width / 2) / (AXES[0] * box.width)
    y = (down - box.y - box.height / 2) / (AXES[1] * box.height)
    return float(skin_pixels(image, mask)[x**2 + y**2 <= 1].mean())


def values(people: dict[str, dict[str, str]], column: str) -> list[str]:
    """Return what people said, sorted."""
    return sorted({row[column] for row in people.values()})


def _drawn(part: Values, seed: int = 0) -> Values:
    return np.asarray(part[row_draws(len(part), Resampling(DRAWS.resamples, seed))].mean(axis=1), dtype=np.float64)


def _mean(part: Values) -> str:
    low, high = percentile_interval(_drawn(part))
    return f"{part.mean():.3f} [{low:.3f}, {high:.3f}]"


def _gap(parts: dict[str, Values]) -> str:
    order = sorted(parts, key=lambda name: float(parts[name].mean()))
    worst, best = order[0], order[-1]
    low, high = percentile_interval(_drawn(parts[best], 1) - _drawn(parts[worst], 2))
    return f"{parts[best].mean() - parts[worst].mean():.3f} [{low:.3f}, {high:.3f}] ({best} − {worst})"


if __name__ == "__main__":
    main()
