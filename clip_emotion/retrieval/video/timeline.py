"""What a video's faces looked like over time, gathered frame by frame in memory that does not grow with its length."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from clip_emotion.arrays import FloatArray
from clip_emotion.retrieval.labelling.thumbnails import webp
from clip_emotion.retrieval.video.rows import VideoRow

POINTS = 480
"""A track's curve has so many points at most; beyond, two and two become one."""
STRETCHES = 24
"""So many stretches of one word are kept of a track, the longest."""
TRACKS = 60
"""So many tracks are kept of a video, the longest; of the others their number and time."""
GAP = 2.0
"""A track that was away for more than so many seconds has a gap in its curve."""


@dataclass(slots=True)
class Stretch:
    """A time in which one word was the likeliest: its bounds in seconds, and the surest picture of the face in it."""

    word: str
    start: float
    end: float
    probability: float = 0.0
    time: float = 0.0
    picture: Image.Image | str | None = None

    def add(self, row: VideoRow, probability: float, cut: Image.Image | None) -> None:
        """Take another frame of the same word."""
        self.end = row.time or 0.0
        if cut is not None and (self.picture is None or probability > self.probability):
            self.probability, self.time, self.picture = probability, self.end, cut
        elif self.picture is None:
            self.probability, self.time = max(self.probability, probability), self.end

    def close(self) -> None:
        """Make the picture small: a WebP in base64."""
        if isinstance(self.picture, Image.Image):
            self.picture = base64.b64encode(webp(self.picture, 60)).decode("ascii")


@dataclass
class TrackLine:
    """One face over time: in how many frames each word was the likeliest, its curve, and its stretches."""

    number: int
    start: float
    end: float
    frames: int = 0
    likeliest: Counter[str] = field(default_factory=Counter)
    stretches: list[Stretch] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    points: list[FloatArray] = field(default_factory=list)
    width: int = 1
    _held: int = 0

    @property
    def seconds(self) -> float:
        """How long the face was followed."""
        return self.end - self.start

    def add(self, row: VideoRow, smoothed: FloatArray, cut: Image.Image | None) -> None:
        """Take the track's next row, with the smoothed probabilities of all words [L]."""
        best, time = row.best, row.time
        if best is None or time is None:
            return
        self.frames += 1
        self.end = time
        self.likeliest[best.label] += 1
        self._stretch(best.label, row, best.probability, cut)
        self._point(time, smoothed)

    def _stretch(self, word: str, row: VideoRow, probability: float, cut: Image.Image | None) -> None:
        last = self.stretches[-1] if self.stretches else None
        if last is None or last.word != word:
            if last is not None:
                last.close()
            if len(self.stretches) >= STRETCHES:
                self.stretches.remove(min(self.stretches, key=lambda one: one.end - one.start))
            last = Stretch(word, row.time or 0.0, row.time or 0.0)
            self.stretches.append(last)
        last.add(row, probability, cut)

    def _point(self, time: float, smoothed: FloatArray) -> None:
        """Add to the curve: a point is the mean of ``width`` frames."""
        if self._held == 0:
            self.times.append(time)
            self.points.append(smoothed)
        else:
            self.points[-1] = (self._held * self.points[-1] + smoothed) / (self._held + 1)
        self._held = (self._held + 1) % self.width
        if len(self.times) > POINTS and self._held == 0:
            # An odd one at the end waits for its other half.
            self._held = self.width * (len(self.points) % 2)
            pairs = [self.points[at : at + 2] for at in range(0, len(self.points), 2)]
            self.times, self.points = self.times[::2], [np.mean(pair, axis=0) for pair in pairs]
            self.width *= 2

    def curve(self) -> tuple[FloatArray, FloatArray]:
        """Return the times [N] and the probabilities [N, L] of all words; a gap is a point of NaN."""
        times, points = [], []
        usual = max(GAP, 3 * self.seconds / max(len(self.times), 1))
        for at, (time, point) in enumerate(zip(self.times, self.points, strict=True)):
            if at and time - self.times[at - 1] > usual:
                times.append(self.times[at - 1] + 1e-3)
                points.append(np.full_like(point, np.nan))
            times.append(time)
            points.append(point)
        return np.array(times), np.stack(points)

    def shares(self) -> list[tuple[str, float]]:
        """Return each word with the share of frames in which it was the likeliest, the largest first."""
        return [(word, count / max(self.frames, 1)) for word, count in self.likeliest.most_common()]

    def shown_stretches(self, most: int) -> list[Stretch]:
        """Return the longest stretches in the order of time."""
        longest = sorted(self.stretches, key=lambda one: one.start - one.end)[:most]
        for one in longest:
            one.close()
        return sorted(longest, key=lambda one: one.start)


@dataclass
class Timeline:
    """One video's tracks, and what else is to be told of it; ``words`` are the keys of the vocabulary's labels."""

    source: str
    words: Sequence[str]
    frames: int = 0
    faceless: int = 0
    end: float = 0.0
    errors: list[str] = field(default_factory=list)
    tracks: dict[int, TrackLine] = field(default_factory=dict)
    dropped: int = 0

    def take(
        self, rows: Sequence[VideoRow], cuts: Sequence[Image.Image | None], smoothed: Sequence[FloatArray | None]
    ) -> None:
        """Take the rows of the next frame, with small pictures of its faces and all words' probabilities if known."""
        for at, row in enumerate(rows):
            self.end = max(self.end, row.time or 0.0)
            if row.error is not None and len(self.errors) < TRACKS:
                self.errors.append(row.error)
            if row.track is None or not row.smoothed:
                continue
            if row.track not in self.tracks:
                self._make_room()
                self.tracks[row.track] = TrackLine(row.track, row.time or 0.0, row.time or 0.0)
            known = smoothed[at] if at < len(smoothed) else None
            points = self._named(row) if known is None else known
            self.tracks[row.track].add(row, points, cuts[at] if at < len(cuts) else None)
        if any(row.frame is not None for row in rows):
            self.frames += 1
            self.faceless += all(row.track is None for row in rows)

    def _named(self, row: VideoRow) -> FloatArray:
        """Return what a row of an earlier run tells of all words: those that it does not name count nothing."""
        told = {word.label: word.probability for word in row.smoothed}
        return np.array([told.get(word, 0.0) for word in self.words])

    def _make_room(self) -> None:
        if len(self.tracks) < 2 * TRACKS:
            return
        for line in sorted(self.tracks.values(), key=lambda one: one.seconds)[:TRACKS]:
            del self.tracks[line.number]
            self.dropped += 1

    def longest(self, most: int) -> list[TrackLine]:
        """Return the tracks that were followed longest, in the order of their numbers."""
        chosen = sorted(self.tracks.values(), key=lambda one: (-one.seconds, -one.frames, one.number))[:most]
        return sorted(chosen, key=lambda one: one.number)
