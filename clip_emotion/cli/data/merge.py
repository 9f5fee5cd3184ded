"""``clip-emotion data merge``: several picture sets as one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli.common import progress_bar, say
from clip_emotion.cli.data.source import in_words, tell_skipped
from clip_emotion.cli.options import OVERWRITE, out_folder
from clip_emotion.errors import UsageError
from clip_emotion.outputs import WriteOptions

if TYPE_CHECKING:
    from clip_emotion.data.merge_card import MergedCard


def merge(
    sources: list[str] = typer.Argument(
        metavar="SOURCE…", help="NAME=PATH for raw files or a prepared folder, or a prepared set's name or folder."
    ),
    to: Path = out_folder("the merged set"),
    vocab: str = typer.Option("basic8", help="The classes of the result: basic8, basic7, or a vocabulary of your own."),
    hold_out: list[str] = typer.Option(
        [], "--hold-out", metavar="NAME=N", help="Put one training picture in N of a source into the test split."
    ),
    leave_out: list[str] = typer.Option(
        [],
        "--leave-out",
        metavar="LABEL",
        help="Drop the rows of a label of the sources, such as one that the vocabulary lacks.",
    ),
    overwrite: bool = OVERWRITE,
) -> None:
    """Merge picture sets: one vocabulary, no picture twice across sources and splits, the source kept per row.

    Example: clip-emotion data merge fer2013=fer2013.zip muxspace=muxspace96.zip --hold-out muxspace=5 --out merged
    """
    from clip_emotion.config import validate
    from clip_emotion.data.merge import MergeOptions
    from clip_emotion.data.merge import merge as merge_sets

    settings = {"vocabulary": vocab, "hold_out": dict(map(_share, hold_out)), "leave_out": leave_out}
    options = validate(MergeOptions, settings, "The command line")
    with progress_bar("Merging") as advance:
        card = merge_sets(sources, to, options, advance, WriteOptions(overwrite))
    _tell(card, to)
    print(to)


def _share(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if not name or not number.isdecimal():
        raise UsageError(f"--hold-out {text} is not of the form NAME=N, such as muxspace=5 for a fifth of muxspace.")
    return name, int(number)


def _tell(card: MergedCard, to: Path) -> None:
    from clip_emotion.data.prepared import MERGED

    rows = ", ".join(f"{split} {count:,}" for split, count in card.rows.items())
    say(f"Merged {len(card.sources)} set(s): {rows}.")
    for source, splits in card.counts.items():
        kept = ", ".join(f"{split} {sum(counts.values()):,}" for split, counts in splits.items())
        say(f"  {source}: {kept}.{_dropped(card.dropped[source])}")
    for part in card.sources:
        tell_skipped(part.skipped, f"all are in {to / MERGED}", part.name)
    say(f"Licences: {card.licence}. The whole account is in {to / MERGED}.")


def _dropped(splits: dict[str, dict[str, int]]) -> str:
    parts = []
    for split, reasons in splits.items():
        parts += [f"{sum(reasons.values()):,} of {split} ({in_words(reasons.items())})"] if reasons else []
    return f" Dropped {'; '.join(parts)}." if parts else ""
