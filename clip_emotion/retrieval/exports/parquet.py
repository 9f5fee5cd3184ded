"""Parquet with the images in it and a data card, as the Hugging Face Hub keeps data sets.

``load_dataset(FOLDER)`` opens it, and so does whatever else reads Parquet: the word stands as a class and as text.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from clip_emotion.retrieval.exports.arrow import built
from clip_emotion.retrieval.exports.data_card import README, data_card
from clip_emotion.retrieval.exports.run import ExportRun

DATA = "data"


def write(run: ExportRun) -> None:
    """Write the one split and the data card."""
    split = run.options.split
    (run.folder / DATA).mkdir()
    with tempfile.TemporaryDirectory(dir=run.folder.parent) as scratch:
        data = built(run, Path(scratch))
        if len(data):
            data.to_parquet(str(run.folder / _file(split)))
    (run.folder / README).write_text(data_card(run, {"configs": _configs([split])}), "utf-8")


@contextmanager
def as_parquet(folder: Path) -> Iterator[Path]:
    """Hand out an exported data set's folder in this form: itself, or made anew of a saved one for the block."""
    if (folder / DATA).is_dir():
        yield folder
        return
    from datasets import DatasetDict

    saved = DatasetDict.load_from_disk(str(folder))
    configs = _configs([str(split) for split in saved])
    with tempfile.TemporaryDirectory() as scratch:
        for split, data in saved.items():
            data.to_parquet(str(Path(scratch) / _file(str(split))))
        card = (folder / README).read_text("utf-8")
        head = yaml.safe_dump({"configs": configs}, allow_unicode=True, sort_keys=False)
        (Path(scratch) / README).write_text(card.replace("---\n", "---\n" + head, 1), "utf-8")
        yield Path(scratch)


def _file(split: str) -> str:
    return f"{DATA}/{split}-00000-of-00001.parquet"


def _configs(splits: Sequence[str]) -> list[dict[str, Any]]:
    files = [{"split": split, "path": f"{DATA}/{split}-*"} for split in splits]
    return [{"config_name": "default", "data_files": files}]
