"""What the data verbs share: the set that the user named, prepared or raw, and how a result is printed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clip_emotion.cli.common import progress_bar, say

if TYPE_CHECKING:
    from datasets import DatasetDict

    from clip_emotion.data.prepared import PreparedRecord, SkippedRow
    from clip_emotion.vocabulary import Vocabulary

SHOWN = 10


class TableFormat(StrEnum):
    """How a result is printed."""

    table = "table"
    json = "json"


LABELS = typer.Option(None, "--labels", help="Your own classes, as a comma list.")
VOCAB = typer.Option(None, "--vocab", help="The classes as a vocabulary: a shipped name, a .yaml or a .txt file.")
CARD = typer.Option(
    None, "--card", help="For raw files: the card to read them by (default: image_csv or image_folder, whichever fits)."
)


@contextmanager
def opened_set(
    name: str, card: str | None, vocabulary: Vocabulary | None
) -> Iterator[tuple[DatasetDict, PreparedRecord | None]]:
    """Load a prepared data set; raw files are first prepared into a folder that goes away with the block.

    Windows keeps what is still mapped into memory: its own clean-up of temporary files then has it.
    """
    from clip_emotion.data.cards import list_cards
    from clip_emotion.data.prepared import load_prepared, load_record
    from clip_emotion.data.saved import MARK

    path = Path(name)
    raw = card is not None or (path.exists() and not (path / MARK).is_file() and name not in list_cards())
    if not raw:
        yield load_prepared(name), load_record(name)
        return
    with tempfile.TemporaryDirectory(prefix="clip-emotion.", ignore_cleanup_errors=True) as scratch:
        target = Path(scratch) / "prepared"
        with progress_bar(f"Reading {name}") as advance:
            _prepare_raw(path, card, target, vocabulary, advance)
        yield load_prepared(target), load_record(target)


def place_of(name: str) -> Path:
    """Return where the set that the user named lies: a path, or the cache's folder of a prepared set."""
    from clip_emotion.data.cards import list_cards
    from clip_emotion.data.prepared import prepared_dir

    return prepared_dir(name) if name in list_cards() and not Path(name).exists() else Path(name)


def tell_skipped(skipped: Sequence[SkippedRow], all_of_them: str, source: str = "") -> None:
    """Name the rows that cannot be used on stderr; ``all_of_them`` says where to find those that are not shown."""
    if not skipped:
        return
    say(f"Skipped {len(skipped):,} row(s){source and f' of {source}'} that cannot be used:")
    for row in skipped[:SHOWN]:
        say(f"  {row.path}: {row.reason}")
    if len(skipped) > SHOWN:
        say(f"  and {len(skipped) - SHOWN:,} more; {all_of_them}.")


def tell_skipped_of(name: str, record: PreparedRecord | None) -> None:
    """Name the rows of the user's set that cannot be used, for verbs that write no record of them."""
    tell_skipped(record.skipped if record else (), f"clip-emotion data check {name} --format json names them all")


def tell_passed_over(record: PreparedRecord) -> None:
    """Say on stderr how many files of the source are no pictures."""
    from clip_emotion.data.finding import passed_over_notice

    notice = passed_over_notice(record.passed_over)
    if notice:
        say(notice)


def in_words(reasons: Iterable[tuple[str, int]]) -> str:
    """Return the reasons for which rows were dropped, each with its number of rows."""
    return ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in reasons if count)


def _prepare_raw(
    path: Path, card: str | None, target: Path, vocabulary: Vocabulary | None, advance: Callable[[int], None]
) -> None:
    from clip_emotion.data.prepare import PrepareOptions, guess_card
    from clip_emotion.data.prepare import prepare as prepare_files

    options = PrepareOptions(vocabulary=vocabulary)
    prepare_files(card or guess_card(path, vocabulary), path, target, options, advance)
