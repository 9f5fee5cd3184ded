"""What is written beside a merged set: its sources, their licences, and how many rows went where."""

from __future__ import annotations

from pathlib import Path

from clip_emotion.config import Config, load_config
from clip_emotion.data.cleaning import Dropped
from clip_emotion.data.prepared import MERGED, SkippedRow, find_prepared


class MergedSource(Config):
    """One source of a merged set: where it came from, under which licence, and how its labels were read.

    ``skipped`` are the rows that could not be used, and ``dropped_before`` is what cleaning took out, when the source
    itself was prepared.
    """

    name: str
    title: str
    licence: str
    citation: str
    location: str
    fingerprint: str
    rows: dict[str, int]
    skipped: list[SkippedRow]
    dropped_before: Dropped | None
    held_out_one_in: int | None
    labels: dict[str, str]


class MergedCard(Config):
    """What stands in ``card.yaml`` beside a merged set.

    ``counts`` are rows per source, split and label; ``dropped`` are rows per source, split and reason: blank,
    in_evaluation (the picture stands in a split that comes first), conflicting (equal pictures under several labels),
    repeated, left_out. ``card.json`` beside it holds the sums of these.
    """

    name: str
    title: str
    kind: str
    licence: str
    vocabulary: str
    fingerprint: str
    rows: dict[str, int]
    sources: list[MergedSource]
    counts: dict[str, dict[str, dict[str, int]]]
    dropped: dict[str, dict[str, dict[str, int]]]


def load_merged_card(name_or_path: str | Path) -> MergedCard | None:
    """Return the card of a merged set, or None for a prepared set that is not merged; raises as ``find_prepared``."""
    path = find_prepared(name_or_path) / MERGED
    return load_config(MergedCard, path) if path.is_file() else None
