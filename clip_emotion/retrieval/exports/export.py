"""The one door: labelled images in, a folder in some tool's layout out, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_emotion.data.replacing import OUT, FolderKind, claim, replacing
from clip_emotion.errors import DataError, UsageError
from clip_emotion.retrieval.exports import coco, dataset, fiftyone, imagefolder, label_studio, parquet
from clip_emotion.retrieval.exports.options import ExportOptions
from clip_emotion.retrieval.exports.records import LabelledImage
from clip_emotion.retrieval.exports.run import ExportRun, Tally

LISTED = ".export.json"
"""The hidden file that names what an export wrote: only that is ever replaced."""


@dataclass(frozen=True)
class Format:
    """One form of export: what it is called among people, what writes it, and whether its rows need a word."""

    made: str
    write: Callable[[ExportRun], None]
    needs_words: bool = True


FORMATS: dict[str, Format] = {
    "label-studio": Format("set of Label Studio tasks", label_studio.write, needs_words=False),
    "fiftyone": Format("FiftyOne data set", fiftyone.write, needs_words=False),
    "coco": Format("COCO data set", coco.write, needs_words=False),
    "imagefolder": Format("folder of images in classes", imagefolder.write),
    "parquet": Format("Parquet data set", parquet.write),
    "dataset": Format("Hugging Face data set", dataset.write),
}


USUAL = ExportOptions()


@dataclass(frozen=True)
class Exported:
    """What came of an export: where it lies, and what was seen on the way."""

    out: Path
    tally: Tally


def export(images: Iterable[LabelledImage], format: str, out: Path, options: ExportOptions = USUAL) -> Exported:
    """Write labelled images as a folder of a format, whole or not at all.

    Images that cannot be used are left out and named in ``tally.errors``. Raises UsageError for an unknown format and
    a folder that may not be written, DataError where nothing is left to export or the place is full.
    """
    form = format_named(format)
    kind = kind_of(format)
    try:
        with replacing(out, kind, options.output, options.inputs) as work:
            folder = work / OUT
            folder.mkdir()
            run = ExportRun(images, folder, out.absolute(), options)
            form.write(run)
            _refuse_nothing(run.tally, form, options)
            list_files(folder, {"format": format, "images": run.tally.images})
    except OSError as error:
        raise DataError(f"Cannot write {out} ({error.strerror or error}): make room, then run again.") from error
    return Exported(out, run.tally)


def claim_export(format: str, out: Path, options: ExportOptions) -> None:
    """See that an export may be written, before any work begins; raises UsageError else."""
    claim(out, kind_of(format), options.output, options.inputs)


def format_named(name: str) -> Format:
    """Return a format by its name; raises UsageError that lists the known ones."""
    if name not in FORMATS:
        raise UsageError(f"Unknown format '{name}': choose one of {', '.join(FORMATS)}.")
    return FORMATS[name]


def kind_of(format: str) -> FolderKind:
    """Return the kind of folder that a format makes."""
    return FolderKind(format_named(format).made, listed_files)


def list_files(folder: Path, note: Mapping[str, Any]) -> None:
    """Write a folder's list of its files, with a note on it: once all of them are there."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    text = json.dumps({**note, "files": [*names, LISTED]}, ensure_ascii=False)
    (folder / LISTED).write_text(text + "\n", "utf-8")


def listed_files(folder: Path) -> set[str]:
    """Return the names that an export lists as its own; none where the list is gone or damaged."""
    try:
        return {*map(str, json.loads((folder / LISTED).read_text("utf-8"))["files"])}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _refuse_nothing(tally: Tally, form: Format, options: ExportOptions) -> None:
    if form.needs_words and not tally.counts and tally.images:
        raise DataError(f"No face has a word, which a {form.made} needs: label the images first, or name words.")
    if not tally.images:
        if tally.left_out:
            raise DataError("Nothing is left to export: for no face did most people say one word (see --judgements).")
        raise DataError(f"Nothing is left to export{f': {tally.errors[0]}' if tally.errors else '.'}")
