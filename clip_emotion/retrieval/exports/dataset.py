"""A Hugging Face data set as ``save_to_disk`` lays it out, with a data card: ``load_from_disk`` opens it.

It has the form of a set that ``data prepare`` makes, so that ``evaluate``, ``train`` and ``data merge`` take it too.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from clip_emotion.retrieval.exports.arrow import built
from clip_emotion.retrieval.exports.data_card import README, data_card
from clip_emotion.retrieval.exports.run import ExportRun


def write(run: ExportRun) -> None:
    """Write the one split and the data card."""
    from datasets import DatasetDict

    with tempfile.TemporaryDirectory(dir=run.folder.parent) as scratch:
        data = built(run, Path(scratch))
        if len(data):
            DatasetDict({run.options.split: data}).save_to_disk(str(run.folder))
    (run.folder / README).write_text(data_card(run, {}), "utf-8")
