"""Smiles and neutral faces of the London set as ``clip-emotion label`` names them, by what people said of themselves.

``python benchmarks/london.py --data london_dev.zip``; benchmarks/mini.py prints the same.
"""

from __future__ import annotations

import argparse
import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from clip_emotion.data.images import ImageSource
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller

BANDS = (25, 30, 40)
"""Where one band of ages ends and the next begins."""
NOT_SAID = "NA"
Row = dict[str, str]


def main() -> None:
    """Print the table for one archive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="mini")
    options = parser.parse_args()
    by_group(options.data, options.model)


def by_group(archive: Path, model: str) -> None:
    """Print, for each sex, age and ethnicity, how many smiles are called happy and how many neutral faces neutral."""
    labeller = ZeroShotLabeller.load(model, "basic7", "en")
    with zipfile.ZipFile(archive) as source:
        people = list(csv.DictReader(io.TextIOWrapper(source.open("people.csv"), encoding="utf-8")))
        sources = [ImageSource(row["path"], source.read(row["path"])) for row in people]
    right = [
        prediction.best is not None and prediction.best.key == row["label"]
        for row, prediction in zip(people, labeller.stream(sources, 1), strict=True)
    ]
    print("\n| London, `label --vocab basic7` | smiles called happy | neutral called neutral |\n|---|---|---|")
    for title, rows in grouped(people):
        parts = [[right[at] for at in rows if people[at]["label"] == label] for label in ("happy", "neutral")]
        cells = " | ".join(f"{sum(part)} of {len(part)}" for part in parts)
        print(f"| {title} | {cells} |", flush=True)


def grouped(people: list[Row]) -> Iterator[tuple[str, list[int]]]:
    """Yield each group's name and the places of its rows: all, then by sex, age and ethnicity."""
    yield "all", list(range(len(people)))
    for column, title in (("face_gender", "sex"), ("age_band", "age"), ("face_eth", "ethnicity")):
        values = [age_band(row["face_age"]) if column == "age_band" else row[column] for row in people]
        for value in sorted(set(values)):
            yield f"{title}: {'not said' if value == NOT_SAID else value}", places(values, value)


def places(values: Iterable[str], wanted: str) -> list[int]:
    """Return where a value stands."""
    return [at for at, value in enumerate(values) if value == wanted]


def age_band(age: str) -> str:
    """Return the band that an age in years falls into."""
    if age == NOT_SAID:
        return "not said"
    for low, high in zip((0, *BANDS), BANDS, strict=False):
        if float(age) < high:
            return f"{low}–{high - 1}" if low else f"below {high}"
    return f"{BANDS[-1]} and more"


if __name__ == "__main__":
    main()
