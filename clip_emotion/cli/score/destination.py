"""Where the scores of a call go: settled, and seen to replace nothing unasked, before any work begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from clip_emotion.cli.common import SHEETS, say, table_in_file
from clip_emotion.cli.score.inputs import STDIN
from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from scoring.readers.dates import DateRange

REPORT = "score report"
"""What the mark in a report's folder says."""
_FILE_FORMATS = ("json", "jsonl", "csv")


@dataclass(frozen=True)
class ScoreOutput:
    """Where the scores go and in which form.

    ``path`` is a file or None for stdout, ``report`` the page's folder. ``summary`` asks for a row a conversation and
    speaker, ``probabilities`` for the columns ``p_…`` of CSV, ``period`` for scores by day, week or month.
    """

    format: str
    path: Path | None
    report: Path | None
    summary: bool = False
    probabilities: bool = False
    period: str | None = None

    @property
    def is_csv(self) -> bool:
        """Whether the content is CSV, in turns or in short."""
        return self.format == "csv" or self.summary

    def check(self, *, live: bool) -> None:
        """Raise UsageError for combinations that cannot be."""
        if live and self.format == "json":
            raise UsageError("--follow writes turn by turn: choose --format jsonl, csv or table.")
        if live and (self.path is not None or self.report is not None):
            raise UsageError("--follow writes to the screen as turns come: leave out --out and --report.")
        if live and (self.summary or self.period):
            raise UsageError("--follow writes turn by turn: leave out --summary and --by.")
        is_table = self.format == "table" and not self.summary
        if self.path is not None and (is_table or self.path.suffix.lower() in SHEETS):
            raise table_in_file(self.path, _FILE_FORMATS)
        if self.probabilities and (self.format != "csv" or self.summary):
            raise UsageError("--probabilities adds columns to --format csv; JSON always has them.")

    def claim(self, inputs: Sequence[str], *, overwrite: bool) -> None:
        """See that the outputs can be written and replace nothing; raises UsageError otherwise."""
        from clip_emotion.outputs import WriteOptions, claim_file, claim_folder

        options, read = WriteOptions(overwrite=overwrite), [Path(name) for name in inputs if name != STDIN]
        if self.path is not None:
            claim_file(self.path, options, inputs=read)
        if self.report is not None:
            claim_folder(self.report, REPORT, options, inputs=read)


def settle_format(chosen: str | None, path: Path | None, *, summary: bool) -> str:
    """Return the format that is asked for or that a file's name says; raises UsageError where both ways are given."""
    if summary:
        if chosen is not None:
            raise UsageError("Give either --format, for turns, or --summary, for scores in short.")
        return "table"
    suffix = path.suffix.lower().lstrip(".") if path else ""
    return chosen or (suffix if suffix in _FILE_FORMATS else "table")


def settle_days(first: str | None, last: str | None, out: Path | None) -> tuple[DateRange, Path | None]:
    """Return the days that --from and --to name, and the output file.

    ``--to FILE`` was the output until --to became the last day: what is no date is still taken for one, with a notice.
    """
    from scoring.readers.dates import EXAMPLE, DateRange, parse_date

    start = None if first is None else parse_date(first)
    if first is not None and start is None:
        raise UsageError(f"--from '{first}' is no date: give one such as {EXAMPLE}.")
    end: date | None = None if last is None else parse_date(last)
    if last is not None and end is None:
        if out is not None or not Path(last).suffix:
            raise UsageError(f"--to '{last}' is no date: give one such as {EXAMPLE}.")
        say(f"Note: --to is the last day now; for a file write --out {last}.")
        out = Path(last)
    return DateRange(start, end), None if out == Path(STDIN) else out
