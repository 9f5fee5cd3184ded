"""Files of video rows: written row by row, and read again to go on from the time that a stopped run had reached."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
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
    """What an earlier run left: the offset up to which its file stays, and how many of the rows up to there failed.

    ``finished`` are the sources that need not be looked at again, as places, ``unfinished`` is the one that it was at,
    with what is needed to go on with it. The rows themselves stay in the file.
    """

    size: int = 0
    failed: int = 0
    finished: Set[str] = frozenset()
    unfinished: str | None = None
    earlier: Earlier | None = None
    read: Callable[[int], Iterator[VideoRow]] | None = None

    def rows(self) -> Iterator[VideoRow]:
        """Yield the rows that stay, one after the other from the file."""
        return iter(()) if self.read is None else self.read(self.size)


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
    """Look through an earlier run's file; its rows stay, less those of the last frame, some of which may be missing.

    Memory does not depend on how many rows there are. Raises UsageError when the file is not such an output, or is one
    of another model, vocabulary or other settings.
    """
    head = row_format.head(card)
    with path.open("rb") as file:
        start = file.read(len(head) + 1)
        if head.startswith(start):
            return Done()
        file.seek(0)
        past = _Past(options, len(head))
        try:
            for end, line in row_format.decode(file):
                refuse_other_run(path, line, card)
                past.take(from_line(line), end)
            if not start.startswith(head):
                raise ValueError("another header")
        except (ValueError, KeyError, TypeError, StopIteration, csv.Error) as error:
            raise UsageError(f"{path} holds no rows of videos that can be continued: give another --out.") from error
    return past.done(partial(_rows_of, path, row_format))


def _rows_of(path: Path, row_format: RowFormat, size: int) -> Iterator[VideoRow]:
    """Yield the rows of a file up to an offset."""
    with path.open("rb") as file:
        for end, line in row_format.decode(file):
            if end > size:
                return
            yield from_line(line)


@dataclass
class _Past:
    """What of the rows that went by is needed to go on: sums, and the faces of the last seconds.

    ``begun`` says how the file stood before the rows of the last frame.
    """

    options: VideoOptions
    end: int
    failed: int = 0
    tracks: int = 0
    places: set[str] = field(default_factory=set)
    frame: VideoRow | None = None
    begun: tuple[int, int, int] = (0, 0, 0)
    source: str | None = None
    recent: deque[VideoRow] = field(default_factory=deque)

    def take(self, row: VideoRow, end: int) -> None:
        """Take the next row, which ends at an offset."""
        if row.source != self.source:
            self.source, self.frame, self.tracks = row.source, None, 0
            self.places.add(place_of(row.source))
            self.recent.clear()
        if row.frame is not None:
            if self.frame is None or row.frame != self.frame.frame:
                self.frame, self.begun = row, (self.end, self.failed, self.tracks)
            self.recent.append(replace(row, labels=(), smoothed=()))
            while (self.recent[0].time or 0.0) < self._back(row):
                self.recent.popleft()
        self.tracks = max(self.tracks, row.track or 0)
        self.failed += row.error is not None
        self.end = end

    def _back(self, row: VideoRow) -> float:
        """Return from which time on faces are looked at again, to go on with a frame."""
        return (row.time or 0.0) - max(self.options.lost, REMEMBERED * self.options.half_life)

    def done(self, read: Callable[[int], Iterator[VideoRow]]) -> Done:
        """Return what stays of the file."""
        if self.frame is None or self.source is None:
            # The last source was a picture, which has one row, or a video of which nothing could be read.
            return Done(self.end, self.failed, self.places, read=read)
        size, failed, tracks = self.begun
        place = place_of(self.source)
        return Done(size, failed, self.places - {place}, place, self._earlier(self.frame.time or 0.0, tracks), read)

    def _earlier(self, time: float, tracks: int) -> Earlier:
        """Return from where the video is looked at again, and what was known of its faces there."""
        begin = min((row.time for row in self.recent if row.time is not None), default=time)
        known: dict[int, dict[FaceBox, int]] = {}
        for row in self.recent:
            if row.box is not None and row.track is not None and row.frame is not None and (row.time or 0.0) < time:
                known.setdefault(row.frame, {})[row.box] = row.track
        return Earlier(begin, time, known, tracks)
