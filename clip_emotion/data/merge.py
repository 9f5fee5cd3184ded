"""Several picture sets become one: labels in one vocabulary, each picture once, and the source of every row kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from datasets import Dataset
from datasets import Image as ImageFeature
from pydantic import Field, field_validator

from clip_emotion.config import Config
from clip_emotion.data.cleaning import TRAIN
from clip_emotion.data.content_keys import is_blank
from clip_emotion.data.held_out import is_held_out
from clip_emotion.data.merge_account import Merge, merged_card, merged_record
from clip_emotion.data.merge_card import MergedCard
from clip_emotion.data.merge_rules import TEST, SourceSplit, decide
from clip_emotion.data.merge_sources import (
    NEEDED,
    OpenedSource,
    Progress,
    check_left_out,
    check_names,
    label_places,
    name_source,
    open_named,
    source_place,
)
from clip_emotion.data.prepared import MERGED, PREPARED, write_record
from clip_emotion.data.recipes.base import Reading, Row
from clip_emotion.data.recipes.images import image_features
from clip_emotion.data.replacing import OUT, replacing
from clip_emotion.data.row_writer import write_rows
from clip_emotion.errors import DataError, ImageError, UsageError
from clip_emotion.outputs import NEW, WriteOptions
from clip_emotion.vocabulary import Vocabulary

BATCH = 256


class MergeOptions(Config):
    """How sets are merged: the vocabulary of the result, shares held out for testing, and labels to leave out.

    ``hold_out`` gives, for a source, the N of "one training picture in N goes to the test split", decided by content
    alone. ``leave_out`` names labels of the sources whose rows are dropped, such as one that the vocabulary lacks.
    """

    vocabulary: str = "basic8"
    hold_out: dict[str, int] = Field(default_factory=dict)
    leave_out: list[str] = Field(default_factory=list)

    @field_validator("hold_out")
    @classmethod
    def _whole_shares(cls, shares: dict[str, int]) -> dict[str, int]:
        for name, one_in in shares.items():
            if one_in < 2:
                raise ValueError(f"one in {one_in} of '{name}' cannot be held out, give 2 or more")
        return shares


def merge(
    sources: Sequence[str],
    to: Path,
    options: MergeOptions | None = None,
    progress: Progress | None = None,
    output: WriteOptions = NEW,
) -> MergedCard:
    """Merge picture sets into one prepared set with a ``source`` column, whole or not at all, and return its card.

    A source is ``NAME=PATH`` (raw files, read by the card NAME, or a prepared folder) or the name or folder of a
    prepared set. A picture, told by its pixels, stands in one split only: a published test split wins over validation,
    and both win over what is held out, which wins over training. Training and held-out rows are cleaned as ``prepare``
    does; published evaluation rows stay, unless a source named earlier has the picture in the same split.
    Raises UsageError for unknown names, for labels outside the vocabulary and for a folder that may not be written,
    DataError for unusable sources.
    """
    options = options or MergeOptions()
    vocabulary = Vocabulary.load(options.vocabulary)
    named = [name_source(text) for text in sources]
    check_names([source.name for source in named], options.hold_out)
    with replacing(to, PREPARED, output, map(source_place, named)) as work:
        opened = [open_named(source, work / f"source{number}", progress) for number, source in enumerate(named)]
        check_left_out(options.leave_out, opened)
        places = {source.name: label_places(source, vocabulary, options.leave_out) for source in opened}
        splits = [part for source in opened for part in _source_splits(source, places[source.name], options, progress)]
        decide(splits)
        features = image_features(vocabulary)
        writer = write_rows(Reading("merged", features, _rows(splits), vocabulary), work / "rows", progress)
        writer.load().save_to_disk(str(work / OUT))
        card = merged_card(Merge(opened, splits, places, vocabulary, options.hold_out), writer.contents)
        write_record(work / OUT, merged_record(card, opened, splits))
        text = yaml.safe_dump(card.model_dump(), allow_unicode=True, sort_keys=False, width=120)
        (work / OUT / MERGED).write_text(text, encoding="utf-8")
    return card


def _source_splits(
    source: OpenedSource, places: Mapping[str, int | None], options: MergeOptions, progress: Progress | None
) -> list[SourceSplit]:
    one_in = options.hold_out.get(source.name)
    if one_in and TRAIN not in source.prepared:
        raise UsageError(
            f"'{source.name}' has no training split to hold a share out of: it has {', '.join(source.prepared)}."
        )
    splits = []
    for split, data in source.prepared.items():
        raw = data.cast_column("image", ImageFeature(decode=False))
        own = SourceSplit(source.name, split, raw, published=split != TRAIN)
        held = SourceSplit(source.name, TEST, raw, published=False)
        names = data.features["label"].names
        columns = zip(
            data["sha"], data["label"], _blanks(raw, progress) if split == TRAIN else _no_blanks(raw), strict=True
        )
        for row, (sha, label, blank) in enumerate(columns):
            part = held if split == TRAIN and one_in and is_held_out(sha, one_in) else own
            place = places[names[label]]
            if place is None:
                part.left_out += 1
                continue
            part.rows.append(row)
            part.contents.add(sha, str(place), blank)
        splits += [own, held] if split == TRAIN and one_in else [own]
    return splits


def _blanks(data: Dataset, progress: Progress | None) -> Iterator[bool]:
    for batch in data.select_columns(["image"]).iter(BATCH):
        for image in batch["image"]:
            yield _blank(image["bytes"])
        if progress:
            progress(len(batch["image"]))


def _no_blanks(data: Dataset) -> Iterator[bool]:
    return (False for _ in range(data.num_rows))


def _blank(content: bytes | None) -> bool:
    try:
        return is_blank(content or b"")
    except ImageError as error:
        raise DataError(f"A prepared picture cannot be read ({error}): prepare its set again.") from error


def _rows(splits: Iterable[SourceSplit]) -> Iterator[Row]:
    for part in splits:
        kept = list(part.kept())
        columns = part.data.select_columns(list(NEEDED)).select([row for row, _ in kept])
        labels = iter(label for _, label in kept)
        for batch in columns.iter(BATCH):
            images = zip(batch["image"], batch["path"], batch["sha"], strict=True)
            for (image, path, sha), label in zip(images, labels):  # noqa: B905 - the labels go on in the next batch
                cells: dict[str, Any] = {"image": image, "label": int(label), "path": path, "source": part.source}
                yield Row(part.split, {**cells, "sha": sha}, sha, label)
