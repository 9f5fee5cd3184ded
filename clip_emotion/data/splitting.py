"""Cutting a prepared set into training, validation and test splits that share no content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from datasets import ClassLabel, Dataset, DatasetDict, concatenate_datasets
from numpy.typing import NDArray
from pydantic import Field, field_validator

from clip_emotion.config import Config
from clip_emotion.data.cards import SPLITS
from clip_emotion.data.cleaning import Contents
from clip_emotion.data.content_keys import content_key
from clip_emotion.data.prepared import PREPARED, PreparedRecord, fingerprint, load_prepared, write_record
from clip_emotion.data.replacing import OUT, claim, replacing
from clip_emotion.errors import DataError, UsageError
from clip_emotion.outputs import NEW, WriteOptions


class SplitOptions(Config):
    """How rows are cut: two ratios make train and validation, three also test; a ratio of 0 leaves its split out.

    ``stratify`` gives every class its share of each split, ``seed`` draws the rows, and ``split`` cuts one split of
    the source only (None: all of its rows together).
    """

    ratios: tuple[float, ...] = Field(default=(8, 1, 1), min_length=2, max_length=len(SPLITS))
    stratify: bool = True
    seed: int = Field(default=0, ge=0)
    split: str | None = None

    @field_validator("ratios")
    @classmethod
    def _shares(cls, ratios: tuple[float, ...]) -> tuple[float, ...]:
        if not all(np.isfinite(ratio) and ratio >= 0 for ratio in ratios) or sum(ratio > 0 for ratio in ratios) < 2:
            raise ValueError("give at least two ratios above 0")
        return ratios


def parse_ratios(text: str) -> tuple[float, ...]:
    """Read ``8:1:1`` or ``0.9:0.1`` as numbers; raises UsageError for anything else."""
    try:
        ratios = tuple(float(part) for part in text.split(":"))
        return SplitOptions(ratios=ratios).ratios
    except ValueError as error:
        raise UsageError(
            f"Ratios '{text}' are not two or three numbers such as 8:1:1 (train:validation:test)."
        ) from error


def assign(keys: Sequence[str], strata: Sequence[int], ratios: Sequence[float], seed: int = 0) -> NDArray[np.int64]:
    """Return, for each row, the part that it belongs to, [N] int64 below ``len(ratios)``.

    Rows of equal key stay together. Within each stratum the groups are shuffled and laid end to end, and a group
    belongs to the part in which its middle lies: a part's rows differ from its exact share by no more than the largest
    group has, thus by one row where all keys differ. The answer depends on keys, strata and seed, never on the order
    of the rows.
    """
    names, group_of, sizes = np.unique(np.asarray(keys, dtype=np.str_), return_inverse=True, return_counts=True)
    stratum_of = np.full(len(names), np.iinfo(np.int64).max, dtype=np.int64)
    np.minimum.at(stratum_of, group_of, np.asarray(strata, dtype=np.int64))
    bounds = np.cumsum(np.asarray(ratios, dtype=np.float64))[:-1] / sum(ratios)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    parts = np.zeros(len(names), dtype=np.int64)
    for stratum in np.unique(stratum_of):
        groups = shuffled[stratum_of[shuffled] == stratum]
        ends = np.cumsum(sizes[groups])
        middles = (ends - sizes[groups] / 2) / ends[-1]
        parts[groups] = np.searchsorted(bounds, middles, side="right")
    return parts[group_of]


def split_prepared(
    prepared: DatasetDict,
    to: Path,
    options: SplitOptions | None = None,
    record: PreparedRecord | None = None,
    output: WriteOptions = NEW,
    inputs: Sequence[Path] = (),
) -> DatasetDict:
    """Cut a prepared set's rows anew and write them to a new folder as a prepared set, whole or not at all.

    Rows of equal content, told by ``sha`` or by the text, are never in two splits.
    ``inputs`` are where the set lies, which no output may replace.
    Raises UsageError when the folder may not be written, for a split that is not there, rows that cannot be
    stratified, and too few rows for a split.
    """
    claim(to, PREPARED, output, inputs)
    options = options or SplitOptions()
    pool = _pool(prepared, options.split)
    keys = list(pool["sha"]) if "sha" in pool.features else [content_key(text.encode()) for text in _texts(pool)]
    labels = _strata(pool) if options.stratify else [0] * pool.num_rows
    parts = assign(keys, labels, options.ratios, options.seed)
    rows = {name: np.flatnonzero(parts == at) for at, name in enumerate(SPLITS[: len(options.ratios)])}
    for (name, own), ratio in zip(rows.items(), options.ratios, strict=True):
        if ratio > 0 and not len(own):
            raise UsageError(f"{pool.num_rows} rows are too few for a {name} split: choose other --ratios.")
    cut = DatasetDict({name: pool.select(own) for name, own in rows.items() if len(own)})
    with replacing(to, PREPARED, output, inputs) as work:
        cut.save_to_disk(str(work / OUT))
        if record is not None:
            write_record(work / OUT, _record(record, cut, options))
    return load_prepared(to)


def _pool(prepared: DatasetDict, split: str | None) -> Dataset:
    if split is None:
        return concatenate_datasets(list(prepared.values()))
    if split not in prepared:
        raise UsageError(f"There is no split '{split}': there are {', '.join(prepared)}.")
    return prepared[split]


def _texts(data: Dataset) -> list[str]:
    column = next((name for name in ("text", "path") if name in data.features), None)
    if column is None:
        raise DataError(f"Rows need a column sha, text or path to be told apart: there are {', '.join(data.features)}.")
    return list(data[column])


def _strata(data: Dataset) -> list[int]:
    if not isinstance(data.features.get("label"), ClassLabel):
        raise UsageError("Only rows with one label each can be stratified: add --no-stratify.")
    return list(data["label"])


def _record(record: PreparedRecord, cut: DatasetDict, options: SplitOptions) -> PreparedRecord:
    contents = {}
    for name, data in cut.items():
        keys = data["sha"] if "sha" in data.features else map(content_key, (text.encode() for text in _texts(data)))
        labels = data["label"] if "label" in data.features else [""] * data.num_rows
        contents[str(name)] = Contents(list(keys), list(map(str, labels)), [False] * data.num_rows)
    shares = ":".join(f"{ratio:g}" for ratio in options.ratios)
    # Another name than the card's: its published counts are those of other splits.
    return record.model_copy(
        update={
            "name": f"{record.name} split {shares}",
            "title": f"{record.title}; split {shares} with seed {options.seed}",
            "rows": {name: data.num_rows for name, data in cut.items()},
            "skipped": [row for row in record.skipped if options.split in (None, row.split)],
            "fingerprint": fingerprint(contents),
        }
    )
