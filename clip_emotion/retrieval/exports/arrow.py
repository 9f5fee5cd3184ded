"""Faces as rows of a Hugging Face data set: streamed into an Arrow file, so that memory does not grow with images."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_emotion.data.content_keys import pixel_key
from clip_emotion.errors import ImageError
from clip_emotion.retrieval.exports.cells import cells_of
from clip_emotion.retrieval.exports.records import FaceLabels, LabelledImage
from clip_emotion.retrieval.exports.run import ExportRun

if TYPE_CHECKING:
    from datasets import Dataset

BATCH_ROWS = 256
BATCH_BYTES = 64 * 2**20
TEXT = ("word", "name", "label_by", "predicted", "path", "source", "sha", "model", "vocabulary")


def built(run: ExportRun, scratch: Path) -> Dataset:
    """Return the data set of an export's faces, whose rows lie in a file below ``scratch`` and have to stay there.

    ``image``, ``label`` (a class), ``path``, ``source`` and ``sha`` are the columns of a prepared set, which
    ``evaluate`` and ``train`` read.
    """
    import pyarrow as pa
    from datasets import Dataset, DatasetInfo

    faces = run.rows()
    first = next(faces, None)
    rows = iter(()) if first is None else chain([first], faces)
    embedded = first is not None and first[1].vector is not None
    places: dict[str, int] = {}
    schema = _features([], embedded).arrow_schema.remove_metadata()
    target = scratch / "rows.arrow"
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_stream(sink, schema) as file:
        for batch in _batches(_cells(run, rows, places, embedded)):
            file.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))
    return Dataset.from_file(str(target), info=DatasetInfo(features=_features([*places], embedded)))


def _features(names: list[str], embedded: bool) -> Any:
    from datasets import ClassLabel, Features, Image, Sequence, Value

    numbers = {"probability": Value("float64"), "judges": Value("int32"), "face_index": Value("int32")}
    kinds = {"face_box": "int32", "words": "string", "probabilities": "float64"}
    lists = {name: Sequence(Value(kind)) for name, kind in kinds.items()}
    vector = {"embedding": Sequence(Value("float32"))} if embedded else {}
    texts = {name: Value("string") for name in TEXT}
    return Features({"image": Image(), "label": ClassLabel(names=names), **texts, **numbers, **lists, **vector})


def _cells(
    run: ExportRun, rows: Iterator[tuple[LabelledImage, FaceLabels]], places: dict[str, int], embedded: bool
) -> Iterator[dict[str, Any]]:
    whole = run.options.part == "whole"
    for image, face in rows:
        try:
            content = image.file.read_bytes() if whole else run.media.cut(image, face)
            key, _ = pixel_key(content)
        except ImageError as error:
            run.fail(image, str(error))
            continue
        cells = cells_of(image, face, run.words)
        word, name = cells["label"], cells["source_file"]
        vector = {"embedding": None if face.vector is None else face.vector.tolist()} if embedded else {}
        yield {
            **{name: cells[name] for name in ("name", "label_by", "judges", "predicted", "probability", "face_index")},
            "image": {"bytes": content, "path": name},
            "label": places.setdefault(word, len(places)),
            "word": word,
            "path": name,
            "source": run.options.origin.title or "clip-emotion export",
            "sha": key,
            "model": image.model,
            "vocabulary": image.vocabulary,
            "face_box": face.region.to_dict()["box"],
            "words": [one.label for one in face.words],
            "probabilities": [one.probability for one in face.words],
            **vector,
        }


def _batches(cells: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    waiting: list[dict[str, Any]] = []
    size = 0
    for row in cells:
        waiting.append(row)
        size += len(row["image"]["bytes"])
        if len(waiting) == BATCH_ROWS or size >= BATCH_BYTES:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting
