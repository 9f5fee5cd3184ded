"""``clip-emotion data split`` and ``rename``: the same pictures in other splits, and under other names."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

from clip_emotion.cli.common import chosen_words, progress_bar, say
from clip_emotion.cli.data.source import CARD, LABELS, VOCAB, opened_set, place_of, tell_skipped, tell_skipped_of
from clip_emotion.cli.options import OVERWRITE, out_folder
from clip_emotion.outputs import WriteOptions

SOURCE = typer.Argument(metavar="SOURCE", help="A prepared data set's name or folder, or raw files.")


class RenameLayout(StrEnum):
    """How renamed pictures lie."""

    folders = "folders"
    flat = "flat"


def split(
    source: str = SOURCE,
    to: Path = out_folder("the split set"),
    ratios: str = typer.Option("8:1:1", help="train:validation:test, or train:validation; 0 leaves a split out."),
    stratify: bool = typer.Option(True, "--stratify/--no-stratify", help="Give every class its share of each split."),
    seed: int = typer.Option(0, min=0, help="Another number draws another split."),
    only: str | None = typer.Option(None, "--split", help="Cut this split of the source only (default: all rows)."),
    card: str | None = CARD,
    labels: str | None = LABELS,
    vocab: str | None = VOCAB,
    overwrite: bool = OVERWRITE,
) -> None:
    """Cut a data set into new splits; identical pictures never stand in two of them.

    Example: clip-emotion data split faces --ratios 8:1:1 --stratify --seed 0 --out faces_split
    """
    from clip_emotion.data.prepared import RECORD, load_record
    from clip_emotion.data.splitting import SplitOptions, parse_ratios, split_prepared

    options = SplitOptions(ratios=parse_ratios(ratios), stratify=stratify, seed=seed, split=only)
    with opened_set(source, card, chosen_words(labels, vocab)) as (prepared, record):
        cut = split_prepared(prepared, to, options, record, WriteOptions(overwrite), [place_of(source)])
    say("Split: " + ", ".join(f"{name} {data.num_rows:,}" for name, data in cut.items()) + ".")
    written = load_record(to)
    if written:
        tell_skipped(written.skipped, f"all are in {to / RECORD}")
    print(to)


def rename(
    source: str = SOURCE,
    to: Path = out_folder("the renamed pictures"),
    layout: RenameLayout = typer.Option(RenameLayout.folders, help="folders: split/class/name; flat: side by side."),
    card: str | None = CARD,
    labels: str | None = LABELS,
    vocab: str | None = VOCAB,
    overwrite: bool = OVERWRITE,
) -> None:
    """Copy pictures as emotion_number.ext (angry_0001.jpg), with a manifest of old path, new name, split, label, sha.

    Example: clip-emotion data rename fer2013 --out renamed
    """
    from clip_emotion.data.rename import MANIFEST
    from clip_emotion.data.rename import rename as rename_images

    words = chosen_words(labels, vocab)
    with opened_set(source, card, words) as (prepared, record), progress_bar("Copying") as advance:
        lines = rename_images(prepared, to, layout.value, advance, WriteOptions(overwrite), [place_of(source)])
    say(f"Copied {len(lines):,} pictures; {to / MANIFEST} tells which was which.")
    tell_skipped_of(source, record)
    print(to)
