"""What the verbs share: people's console on stderr, a progress bar, atomic files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from clip_emotion import files
from clip_emotion.errors import UsageError

stderr = Console(stderr=True, highlight=False)
"""The console for people; stdout is left to data."""


def say(sentence: str) -> None:
    """Tell people one plain sentence on stderr, neither wrapped nor read as markup."""
    stderr.print(sentence, soft_wrap=True, markup=False)


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
