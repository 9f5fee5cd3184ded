"""A page of videos: for each face its words over time, pictures where they change, and shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any

import numpy as np

from clip_emotion.data.video_sampling import clock
from clip_emotion.errors import UsageError
from clip_emotion.files import write_atomic
from clip_emotion.html import environment
from clip_emotion.outputs import mark_folder
from clip_emotion.retrieval.labelling.contact_sheet import sheet_subtitles
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.video.labelling import LabelledFrame
from clip_emotion.retrieval.video.plots import COLOURS, Shown, track_plots
from clip_emotion.retrieval.video.rows import VideoRow
from clip_emotion.retrieval.video.sinks import REPORT
from clip_emotion.retrieval.video.timeline import Timeline, TrackLine

SHOWN_TRACKS = 12
"""So many faces of a video have a timeline; of the others it is told how many there were."""
SHOWN_STRETCHES = 8
SHOWN_WORDS = 6
PICTURES = 200
"""So many pictures beside videos are listed."""


class VideoReport:
    """Gathers what is said of videos, and writes the page when the block ends well."""

    def __init__(self, folder: Path, labeller: ZeroShotLabeller, say: Callable[[str], object]) -> None:
        self.folder, self.labeller, self.say = folder, labeller, say
        self.timelines: dict[str, Timeline] = {}
        self.pictures: list[VideoRow] = []
        self.more_pictures = 0

    def __enter__(self) -> VideoReport:
        """Begin with nothing."""
        return self

    def take(self, frame: LabelledFrame) -> None:
        """Take the next frame's rows, or a picture's."""
        if all(row.frame is None and row.time is None and row.error is None for row in frame.rows):
            if len(self.pictures) < PICTURES:
                self.pictures.extend(frame.rows)
            else:
                self.more_pictures += 1
            return
        if frame.source not in self.timelines:
            words = [label.key for label in self.labeller.vocabulary.labels]
            self.timelines[frame.source] = Timeline(frame.source, words)
        self.timelines[frame.source].take(frame.rows, frame.cuts, frame.smoothed)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the page, if nothing failed."""
        if kind is None:
            self.say(f"Video report: {self.write()}")

    def write(self) -> Path:
        """Write ``index.html`` and return its path; raises UsageError when the folder cannot be written."""
        vocabulary = self.labeller.vocabulary
        keys = [label.key for label in vocabulary.labels]
        names = dict(zip(keys, vocabulary.names(self.labeller.language), strict=True))
        files = [PurePath(name).name for name in self.timelines]
        template = environment("clip_emotion.retrieval.video").get_template("video_report.html.j2")
        content = template.render(
            language=self.labeller.language,
            title=", ".join(files[:3]) + (" …" if files[3:] else ""),
            subtitles=sheet_subtitles(vocabulary, self.labeller.encoder),
            videos=[_video(timeline, names) for timeline in self.timelines.values()],
            pictures=[(row.source, row.best) for row in self.pictures],
            more_pictures=self.more_pictures,
        )
        try:
            write_atomic(self.folder / "index.html", content)
            mark_folder(self.folder, REPORT)
        except OSError as error:
            raise UsageError(f"Cannot write the report to {self.folder}: {error.strerror or error}.") from error
        return self.folder / "index.html"


def _video(timeline: Timeline, names: dict[str, str]) -> dict[str, Any]:
    lines = timeline.longest(SHOWN_TRACKS)
    colours = _colours(lines, timeline.words)
    return {
        "source": timeline.source,
        "length": clock(timeline.end),
        "frames": timeline.frames,
        "faceless": timeline.faceless,
        "errors": timeline.errors,
        "others": len(timeline.tracks) - len(lines) + timeline.dropped,
        "tracks": [_track(line, colours, names, timeline) for line in lines],
    }


def _colours(lines: Sequence[TrackLine], words: Sequence[str]) -> dict[str, str]:
    """Return a colour for each word, another one than those of the words with which it is stacked."""
    stacks = [_shown(line, words) for line in lines]
    order = [word for word, _ in Counter(word for stack in stacks for word in stack).most_common()]
    order += [word for line in lines for word in line.likeliest]
    colours: dict[str, str] = {}
    for word in dict.fromkeys(order):
        beside = {
            colours.get(other)
            for line, stack in zip(lines, stacks, strict=True)
            if word in stack or word in line.likeliest
            for other in stack
        }
        first = len(colours) % len(COLOURS)
        turned = (*COLOURS[first:], *COLOURS[:first])
        colours[word] = next((colour for colour in turned if colour not in beside), turned[0])
    return colours


def _shown(line: TrackLine, words: Sequence[str]) -> list[str]:
    """Return the words with the highest mean probability along a track, that of the most first."""
    mean = np.mean(line.points, axis=0)
    return [words[at] for at in np.argsort(-mean, kind="stable")[:SHOWN_WORDS].tolist()]


def _track(line: TrackLine, colours: dict[str, str], names: dict[str, str], timeline: Timeline) -> dict[str, Any]:
    shown = Shown(timeline.words, _shown(line, timeline.words), colours, names, timeline.end)
    return {
        "number": line.number,
        "start": clock(line.start),
        "end": clock(line.end),
        "frames": line.frames,
        "plots": track_plots(line, shown),
        "shares": [
            (names[word], f"{share:.0%}", f"{100 * share:.1f}", colours[word])
            for word, share in line.shares()[:SHOWN_WORDS]
        ],
        "stretches": [
            {
                "word": names[one.word],
                "colour": colours[one.word],
                "from": clock(one.start),
                "to": clock(one.end),
                "share": f"{one.probability:.0%}",
                "image": one.picture,
            }
            for one in line.shown_stretches(SHOWN_STRETCHES)
        ],
    }
