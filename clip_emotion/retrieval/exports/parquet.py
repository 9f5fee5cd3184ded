"""Parquet with the images in it and a data card, as the Hugging Face Hub keeps data sets.

``load_dataset(FOLDER)`` opens it, and so does whatever else reads Parquet: the word stands as a class and as text.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from clip_emotion.retrieval.exports.arrow import built
from clip_emotion.retrieval.exports.data_card import README, data_card
from clip_emotion.retrieval.exports.run import ExportRun

DATA = "data"


def write(run: ExportRun) -> None:
    """Write the one split and the data card."""
    split = run.options.split
    name = f"{DATA}/{split}-00000-of-00001.parquet"
    (run.folder / DATA).mkdir()
    with tempfile.TemporaryDirectory(dir=run.folder.parent) as scratch:
        data = built(run, Path(scratch))
        if len(data):
            data.to_parquet(str(run.folder / name))
    configs = [{"config_name": "default", "data_files": [{"split": split, "path": f"{DATA}/{split}-*"}]}]
    (run.folder / README).write_text(data_card(run, {"configs": configs}), "utf-8")
