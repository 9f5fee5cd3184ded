"""FiftyOne's own importer at work on a folder, with a database in memory in place of mongod; prints what it found."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def database_in_memory() -> None:
    """Have FiftyOne, which asks for mongod, talk to mongomock: one store for all clients."""
    import mongomock
    import pymongo
    from mongomock.store import ServerStore

    store = ServerStore()

    def begin(self: Any, *arguments: Any, **settings: Any) -> None:
        super(client, self).__init__(*arguments, **{**settings, "_store": store})

    client: Any = type("Client", (mongomock.MongoClient,), {"_closed": False, "__init__": begin})
    mongomock.MongoClient = pymongo.MongoClient = client
    os.environ |= {
        "FIFTYONE_DATABASE_URI": "mongodb://localhost:27017",
        "FIFTYONE_DATABASE_VALIDATION": "false",
        "FIFTYONE_DO_NOT_TRACK": "true",
        "FIFTYONE_SHOW_PROGRESS_BARS": "false",
    }


def imported(folder: str) -> dict[str, Any]:
    """Return what ``Dataset.from_dir`` makes of a folder."""
    import fiftyone as fo

    data = fo.Dataset.from_dir(folder, dataset_type=fo.types.FiftyOneDataset, name="again")
    samples = [_told(sample) for sample in data]
    copied = fo.Dataset("copied")
    copied.add_samples([fo.Sample(filepath=sample.filepath, predictions=sample.predictions) for sample in data])
    return {"classes": data.default_classes, "schema": [*data.get_field_schema()], "samples": samples, "n": len(copied)}


def _told(sample: Any) -> dict[str, Any]:
    faces = sample.faces.detections if sample.faces else []
    return {
        "exists": Path(sample.filepath).is_file(),
        "size": [sample.metadata.width, sample.metadata.height],
        "predicted": sample.predictions and [sample.predictions.label, sample.predictions.confidence],
        "words": sample.predictions and list(sample.predictions.words),
        "confirmed": sample.ground_truth and sample.ground_truth.label,
        "faces": [[face.label, list(face.bounding_box)] for face in faces],
        "embedding": None if sample.embedding is None else [float(number) for number in sample.embedding],
    }


if __name__ == "__main__":
    database_in_memory()
    print("FOUND", json.dumps(imported(sys.argv[1])))
