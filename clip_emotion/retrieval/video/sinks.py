"""What takes labelled frames beside the rows' file: a report, an annotated video, a window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import groupby
from typing import Protocol

from clip_emotion.retrieval.video.labelling import LabelledFrame
from clip_emotion.retrieval.video.rows import VideoRow

REPORT = "video report"
"""What the folder of a report is marked as."""


class Closed(Exception):
    """The person who looked on has closed the window: it is enough."""


class FrameSink(AbstractContextManager["FrameSink"], Protocol):
    """Takes frames one after the other; what it makes of them is done when its block ends well."""

    def take(self, frame: LabelledFrame) -> None:
        """Take the next frame; raises ``Closed`` where no more is wanted."""
        ...


def earlier_frames(rows: Iterable[VideoRow]) -> Iterator[LabelledFrame]:
    """Yield the frames that the rows of an earlier run are of, without pictures."""
    for (source, time), same in groupby(rows, key=lambda row: (row.source, row.time)):
        yield LabelledFrame(source, time, tuple(same))
