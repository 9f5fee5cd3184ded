"""Files of video rows: written row by row, and read again to go on from the time that a stopped run had reached."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clip_emotion.errors import UsageError
from clip_emotion.retrieval.labelling.row_files import LineWriter, Target, kept_rows, place_of, refuse_other_run
from clip_emotion.retrieval.labelling.rows import RowFormat, RunCard
from clip_emotion.retrieval.video.labelling import Earlier, VideoOptions
from clip_emotion.retrieval.video.row_formats import FORMATS, video_schema
from clip_emotion.retrieval.video.rows import VideoRow, from_line, to_line
from clip_emotion.types import FaceBox

REMEMBERED = 10
"""After so many half-lives what was smoothed counts a thousandth."""


class VideoRowWriter(LineWriter):
    """Writes rows of videos."""

    def write(self, row: VideoRow) -> None:
        """Append one row; raises DataError when the place is full or gone."""
        self.put(self.row_format.encode(to_line(row, self.card), self.card))


@dataclass(frozen=True)
class Done:
    """The rows of an earlier run that stay, and the offset up to which its file is whole.

    ``unfinished`` is the source that it was at, as a place, with what is needed to go on with it.
    """

    rows: Sequence[VideoRow] = ()
    size: int = 0
    unfinished: str | None = None
    earlier: Earlier | None = None

    @property
    def finished(self) -> set[str]:
        """The sources that need not be looked at again, as places."""
        return {place_of(row.source) for row in self.rows} - {self.unfinished}


@contextmanager
def open_rows(target: Target, card: RunCard, options: VideoOptions) -> Iterator[tuple[VideoRowWriter, Done]]:
    """Open a file for the block's rows and hand out what an interrupted run left in it; raises as ``kept_rows``."""
    row_format = FORMATS[target.gathers_as]
    read = partial(read_done, row_format=row_format, card=card, options=options)
    with kept_rows(target, Done(), read, video_schema, card) as (stream, done):
        writer = VideoRowWriter(stream, row_format, card)
        if not done.size:
            writer.start()
        yield writer, done


def read_done(path: Path, row_format: RowFormat, card: RunCard, options: VideoOptions) -> Done:
    """Read the whole rows of an earlier run's file, less those of the last frame, some of which may be missing.

    Raises UsageError when the file is not such an output, or is one of another model, vocabulary or other settings.
    """
    content = path.read_bytes()
    head = row_format.head(card)
    if head.startswith(content):
        return Done()
    try:
        lines = list(row_format.decode(content))
        for _, line in lines:
            refuse_other_run(path, line, card)
        if not content.startswith(head):
            raise ValueError("another header")
        rows = [from_line(line) for _, line in lines]
    except (ValueError, KeyError, TypeError, StopIteration, csv.Error) as error:
        raise UsageError(f"{path} holds no rows of videos that can be continued: give another --out.") from error
    ends = [len(head), *(end for end, _ in lines)]
    frames = [at for at, row in enumerate(rows) if row.frame is not None]
    if not rows or not frames or rows[frames[-1]].source != rows[-1].source:
        # The last source was a picture, which has one row, or a video of which nothing could be read.
        return Done(rows, ends[-1])
    last = rows[frames[-1]]
    kept = next(at for at, row in enumerate(rows) if (row.source, row.frame) == (last.source, last.frame))
    own = [row for row in rows if row.source == last.source]
    return Done(rows[:kept], ends[kept], place_of(last.source), _earlier(own, last, options))


def _earlier(own: Sequence[VideoRow], last: VideoRow, options: VideoOptions) -> Earlier:
    """Return from where a video is looked at again, and what was known of its faces there."""
    time = last.time or 0.0
    back = time - max(options.lost, REMEMBERED * options.half_life)
    begin = min(row.time for row in own if row.frame is not None and row.time is not None and row.time >= back)
    known: dict[int, dict[FaceBox, int]] = {}
    for row in own:
        if row.frame is None or row.time is None or row.box is None or row.track is None:
            continue
        if begin <= row.time < time:
            known.setdefault(row.frame, {})[row.box] = row.track
    before = [row.track for row in own if row.track is not None and (row.time or 0.0) < time]
    return Earlier(begin, time, known, max(before, default=0))
