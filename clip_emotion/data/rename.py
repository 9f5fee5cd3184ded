"""Pictures copied under names that say what they show: ``angry_0001.jpg``, with a manifest of where each came from."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path, PurePosixPath

from datasets import ClassLabel, DatasetDict
from datasets import Image as ImageFeature
from PIL import Image, UnidentifiedImageError

from clip_emotion.csv_text import csv_text
from clip_emotion.data.images import SUFFIXES
from clip_emotion.data.path_names import file_name
from clip_emotion.data.replacing import OUT, FolderKind, claim, replacing
from clip_emotion.errors import UsageError
from clip_emotion.outputs import NEW, WriteOptions

LAYOUTS = ("folders", "flat")
MANIFEST = "manifest.csv"
LEAST_DIGITS = 4
BATCH = 256


@dataclass(frozen=True, slots=True)
class Renamed:
    """One line of the manifest: the picture's path in its source, its new name, split, label and content hash."""

    old_path: str
    new_name: str
    split: str
    label: str
    sha: str


def rename(
    prepared: DatasetDict,
    to: Path,
    layout: str = "folders",
    progress: Callable[[int], None] | None = None,
    output: WriteOptions = NEW,
    inputs: Sequence[Path] = (),
) -> list[Renamed]:
    """Copy a set's pictures to a new folder as ``emotion_number.ext`` with a ``manifest.csv``, all of them or none.

    ``folders`` puts them into ``split/class/``, ``flat`` side by side. Numbers run on over the splits, so that names
    are unique either way; bytes stay as they are. ``inputs`` are where the set lies, which no output may replace.
    Raises UsageError when the folder may not be written, and for sets without pictures or class labels.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"Unknown layout '{layout}': choose one of {', '.join(LAYOUTS)}.")
    claim(to, RENAMED, output, inputs)
    _check(prepared)
    with replacing(to, RENAMED, output, inputs) as work:
        folder = work / OUT
        folder.mkdir()
        lines = []
        for line, content in _numbered(prepared, layout):
            path = folder / line.new_name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            lines.append(line)
            if progress:
                progress(1)
        (folder / MANIFEST).write_text(manifest(lines), encoding="utf-8", newline="")
    return lines


def _files_of(folder: Path) -> set[str]:
    with (folder / MANIFEST).open(encoding="utf-8-sig", newline="") as file:
        return {MANIFEST, *(row["new_name"] for row in csv.DictReader(file))}


RENAMED = FolderKind("set of renamed images", _files_of)


def manifest(lines: list[Renamed]) -> str:
    """Return the manifest as CSV with a header."""
    return csv_text([field.name for field in fields(Renamed)], map(astuple, lines))


def _check(prepared: DatasetDict) -> None:
    for data in prepared.values():
        if "image" not in data.features or not isinstance(data.features.get("label"), ClassLabel):
            raise UsageError("Only pictures with one label each can be renamed: this set has other rows.")


def _numbered(prepared: DatasetDict, layout: str) -> Iterator[tuple[Renamed, bytes]]:
    totals: Counter[str] = Counter()
    for data in prepared.values():
        names = list(map(file_name, data.features["label"].names))
        totals.update(names[place] for place in data["label"])
    digits = max(LEAST_DIGITS, *(len(str(total)) for total in totals.values()))
    counts: Counter[str] = Counter()
    for split, data in prepared.items():
        labels = data.features["label"].names
        for batch in data.cast_column("image", ImageFeature(decode=False)).iter(BATCH):
            paths = batch.get("path") or [image["path"] or "" for image in batch["image"]]
            shas = batch.get("sha") or [""] * len(paths)
            for image, place, path, sha in zip(batch["image"], batch["label"], paths, shas, strict=True):
                emotion = file_name(labels[place])
                counts[emotion] += 1
                file = f"{emotion}_{counts[emotion]:0{digits}}{_suffix(path, image['bytes'])}"
                name = f"{file_name(str(split))}/{emotion}/{file}" if layout == "folders" else file
                yield Renamed(path, name, str(split), labels[place], sha), image["bytes"]


def _suffix(path: str, content: bytes) -> str:
    """Return the suffix of the picture's old name, or of its format where the name has none (a row of a table)."""
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in SUFFIXES:
        return suffix
    try:
        with Image.open(io.BytesIO(content)) as image:
            return f".{(image.format or 'png').lower()}".replace(".jpeg", ".jpg")
    except (OSError, UnidentifiedImageError):
        return ".png"
