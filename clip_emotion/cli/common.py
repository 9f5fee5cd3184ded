"""What the verbs share: consoles, a progress bar, atomic files, and the words that the user chose."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from clip_emotion import files
from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from clip_emotion.vocabulary import Vocabulary

stderr = Console(stderr=True, highlight=False)
"""The console for people; stdout is left to data."""
SHOWN_ERRORS = 10
SHEETS, PAGES = (".xlsx", ".xls", ".ods", ".numbers"), (".html", ".htm", ".pdf")
"""How files of spreadsheets and pages end, which no verb writes as rows."""


def stdout() -> Console:
    """Return a console on stdout that shows every text as it is: names of files and classes may hold brackets."""
    return Console(markup=False, highlight=False, emoji=False)


def say(sentence: str) -> None:
    """Tell people one plain sentence on stderr, neither wrapped nor read as markup."""
    stderr.print(sentence, soft_wrap=True, markup=False)


def say_errors(errors: Sequence[str]) -> None:
    """Tell what could not be used, and why: the first few, and how many more there are."""
    for error in errors[:SHOWN_ERRORS]:
        say(error)
    if len(errors) > SHOWN_ERRORS:
        say(f"… and {len(errors) - SHOWN_ERRORS:,} more.")


class _Said(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


def say_log(name: str) -> None:
    """Tell people on stderr what a part of the library logs of its course."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    logger.handlers = [_Said()]


def chosen_words(labels: str | None, vocab: str | None) -> Vocabulary | None:
    """Return the vocabulary that --labels or --vocab names, or None without both; raises UsageError for both.

    An option that is empty is a UsageError too.
    """
    from clip_emotion.vocabulary import Vocabulary

    if labels is not None and vocab is not None:
        raise UsageError("Give either --labels or --vocab, not both.")
    for option, given, example in (("--labels", labels, "기쁨,슬픔,설렘"), ("--vocab", vocab, "basic7")):
        if given is not None and not given.strip(" \t\n,，、"):
            raise UsageError(f"{option} names no words: give some, for example {option} {example}.")
    if labels is not None:
        return Vocabulary.from_list(labels)
    return Vocabulary.load(vocab) if vocab is not None else None


def table_in_file(out: Path, formats: Sequence[str]) -> UsageError:
    """Return the error that tells what to write instead, where a file would hold what a screen shows.

    ``formats`` are those that the verb writes into files, as ``--format`` calls them.
    """
    endings = _either([f".{name}" for name in formats])
    easiest = "csv" if "csv" in formats else formats[0]
    excel = ", which Excel opens as it is" if easiest == "csv" else ""
    suffix = out.suffix.lower()
    if out.is_dir():
        return UsageError(f"{out} is a folder, and a file is wanted: give --out {out / f'rows.{easiest}'}{excel}.")
    if suffix in SHEETS:
        return UsageError(f"{suffix} is not written: give --out {out.with_suffix(f'.{easiest}')}{excel}.")
    if suffix in PAGES:
        return UsageError(f"--report FOLDER makes the page; for the rows give --out a name that ends in {endings}.")
    return UsageError(f"A table goes to the screen: for {out} choose --format {_either(formats)}.")


def check_lines_file(out: Path | None, chosen: str | None) -> None:
    """Raise UsageError where a verb that writes JSON lines is asked for a table in a file, or for another kind of file.

    ``chosen`` is the format that was asked for, if one was.
    """
    if out is None or chosen == "jsonl":
        return
    if chosen is not None or out.is_dir() or out.suffix.lower() in (*SHEETS, *PAGES, ".csv", ".tsv", ".parquet"):
        raise table_in_file(out, ("jsonl",))


def _either(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


@contextmanager
def progress_bar(description: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr while the block runs and hand out ``advance(steps)``; silent where stderr is no terminal.

    ``total`` is the number of steps, or None where it is not known beforehand.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        task = progress.add_task(description, total=total)

        def advance(steps: int = 1) -> None:
            progress.advance(task, steps)

        yield advance


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a whole file or nothing, as ``files.write_atomic`` does; raises UsageError where it cannot be written."""
    try:
        files.write_atomic(path, content)
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror or error}.") from error


def cells(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for each Hangul syllable."""
    from rich.cells import cell_len

    return cell_len(text)


def printable(text: str) -> str:
    """Write out control characters, which a terminal would obey."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text)


def padded(text: str, width: int) -> str:
    """Return the text with spaces up to a width in columns of a terminal; a wider text stays as it is."""
    return text + " " * (width - cells(text))
