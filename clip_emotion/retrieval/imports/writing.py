"""What becomes of corrections: examples for ``adapt``, images in classes for ``train`` and ``evaluate``, agreement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clip_emotion.csv_text import csv_text
from clip_emotion.data.replacing import OUT, FolderKind, replacing
from clip_emotion.errors import DataError
from clip_emotion.retrieval.exports import imagefolder
from clip_emotion.retrieval.exports.cells import BOX
from clip_emotion.retrieval.exports.export import list_files, listed_files
from clip_emotion.retrieval.exports.options import ExportOptions
from clip_emotion.retrieval.exports.records import FaceLabels, LabelledImage
from clip_emotion.retrieval.exports.run import ExportRun
from clip_emotion.retrieval.imports.comparing import Comparison
from clip_emotion.retrieval.imports.table import COLUMNS

KIND = FolderKind("set of people's words", listed_files)
EXAMPLES, JUDGEMENTS, AGREEMENT, FACES = "examples.csv", "judgements.csv", "agreement.json", "faces"


@dataclass(frozen=True)
class Written:
    """How many faces have a word that most people said, and the images that could not be used."""

    faces: int
    errors: tuple[str, ...]


def write_corrections(
    images: Sequence[LabelledImage], compared: Comparison, out: Path, options: ExportOptions
) -> Written:
    """Write a folder of ``examples.csv``, ``judgements.csv``, ``agreement.json`` and ``faces/``, or nothing.

    Raises UsageError for a folder that may not be written, DataError where no face has a word that most people said.
    """
    options = replace(options, only="confirmed", media="copy", part="faces", table="csv")
    try:
        with replacing(out, KIND, options.output, options.inputs) as work:
            folder = work / OUT
            (folder / FACES).mkdir(parents=True)
            run = ExportRun(images, folder / FACES, out / FACES, options)
            placed = imagefolder.write_rows(run)
            if not placed:
                why = f": {run.tally.errors[0]}" if run.tally.errors else "."
                raise DataError(f"No face has a word that most people said{why}")
            examples = ((_example(image, face, name), face.word, face.by) for name, image, face in placed)
            _write(folder / EXAMPLES, csv_text(("path", "label", "by"), examples))
            _write(folder / JUDGEMENTS, csv_text(COLUMNS, _judgements(images)))
            _write(folder / AGREEMENT, json.dumps(compared.to_dict(), ensure_ascii=False, indent=2) + "\n")
            list_files(folder, {})
    except OSError as error:
        raise DataError(f"Cannot write {out} ({error.strerror or error}): make room, then run again.") from error
    return Written(len(placed), tuple(run.tally.errors))


def _example(image: LabelledImage, face: FaceLabels, placed: str) -> str:
    """Return the path by which ``adapt`` finds a face: the image where its largest face is meant, else the cut face.

    The image itself is found in a store, too, by its content.
    """
    is_largest = face.region.index == 0 or face.region.box is None
    return str(image.file.absolute()) if is_largest else f"{FACES}/{placed}"


def _judgements(images: Sequence[LabelledImage]) -> list[list[Any]]:
    rows = []
    for image in images:
        for face in image.faces:
            box = face.region.to_dict()["box"] or [None] * len(BOX)
            for one in face.judgements:
                said = [one.word, one.by, one.when, face.predicted]
                rows.append([str(image.file.absolute()), face.region.index, *box, *said])
    return rows


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8", newline="")
