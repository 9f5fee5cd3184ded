"""Videos into rows: frames are read, faces found, followed and labelled, and words smoothed along each face."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clip_emotion.arrays import FloatArray
from clip_emotion.data.video import Damage, read_video
from clip_emotion.data.video_opening import Limits
from clip_emotion.data.video_sampling import Sampling
from clip_emotion.data.video_sources import VideoSource, as_video
from clip_emotion.errors import UsageError, VideoError
from clip_emotion.retrieval.labelling.labeller import BROKEN, ZeroShotLabeller
from clip_emotion.retrieval.labelling.stream import StreamConfig, map_ahead
from clip_emotion.retrieval.video.looking import Kept, Looked, Looker, Seen
from clip_emotion.retrieval.video.rows import SmoothedLabel, VideoRow
from clip_emotion.retrieval.video.smoothing import HALF_LIFE, Smoothing
from clip_emotion.retrieval.video.tracker import LOST, Detection, Tracker
from clip_emotion.types import Dimensions, FaceBox, ScoredLabel


@dataclass(frozen=True)
class VideoOptions:
    """How videos are labelled: which frames, how many words a row, the smoothing's half-life, and how they are read.

    ``lost`` is how many seconds a face may be away and come back as the same track.
    """

    sampling: Sampling = field(default_factory=Sampling)
    top: int = 5
    half_life: float = HALF_LIFE
    lost: float = LOST
    stream: StreamConfig = field(default_factory=StreamConfig)

    @property
    def limits(self) -> Limits:
        """How much a video may ask for."""
        return Limits(self.stream.max_pixels, self.stream.workers)

    def __post_init__(self) -> None:
        if self.top < 1:
            raise UsageError(f"top must be at least 1, not {self.top}.")
        if not 0 <= self.half_life < float("inf"):
            raise UsageError(f"--half-life is a number of seconds from 0 (no smoothing), not {self.half_life:g}.")
        if not 0 <= self.lost < float("inf"):
            raise UsageError(f"lost is a number of seconds from 0, not {self.lost:g}.")


@dataclass(frozen=True)
class Earlier:
    """What an earlier run left of a video that is gone on with.

    Frames from ``begin`` on are looked at again, so that tracks and smoothing stand as they stood; rows come from
    ``time`` on. ``known`` are the tracks of faces by frame number and box, ``tracks`` is how many there were.
    """

    begin: float
    time: float
    known: Mapping[int, Mapping[FaceBox, int]] = field(default_factory=dict)
    tracks: int = 0


@dataclass(frozen=True, slots=True)
class LabelledFrame:
    """One frame that was looked at: its rows, small pictures of its faces, and all of it, where these are kept.

    ``smoothed`` are the probabilities of all words [L] along each row's track, of which the row names the likeliest.
    ``time`` in seconds is None for a picture beside videos.
    """

    source: str
    time: float | None
    rows: tuple[VideoRow, ...]
    cuts: tuple[Image.Image | None, ...] = ()
    smoothed: tuple[FloatArray | None, ...] = ()
    image: Image.Image | None = None


def label_video(
    source: str | Path | VideoSource, labeller: ZeroShotLabeller, options: VideoOptions | None = None
) -> Iterator[VideoRow]:
    """Yield a row per face and frame of a video, ``camera:N`` or ``rtsp://`` stream, in the order of time.

    A frame without a face is a row without a track, a stretch that cannot be decoded a row with an error, and so is a
    video that cannot be opened. Memory does not depend on the video's length. Raises MissingExtraError without PyAV.
    """
    for frame in label_frames(as_video(source), labeller, options):
        yield from frame.rows


def label_frames(
    source: VideoSource,
    labeller: ZeroShotLabeller,
    options: VideoOptions | None = None,
    kept: Kept | None = None,
    earlier: Earlier | None = None,
) -> Generator[LabelledFrame, None, None]:
    """Yield the frames of a video with their rows, as ``label_video`` does, and what is ``kept`` of each."""
    options = options or VideoOptions()
    config, begin = options.stream, earlier.begin if earlier else 0.0
    following = _Following(source, labeller, options, earlier)
    looker = Looker(labeller.encoder.preprocess, config.faces, kept)
    # What is looked at now should be seen now; a file is read ahead, and looked at many faces at a time.
    size, ahead = (1, 1) if source.live else (config.batch_size, 2 * config.workers)
    frames = read_video(source, options.sampling, options.limits, begin)
    batch: list[Looked] = []
    try:
        for looked in map_ahead(looker, frames, config.workers, ahead):
            batch.append(looked)
            if len(batch) >= size or sum(len(one.seen) for one in batch) >= size:
                yield from following.frames(batch)
                batch = []
        yield from following.frames(batch)
    except VideoError as error:
        yield from following.frames(batch)
        row = VideoRow(source.name, model=labeller.encoder.fingerprint, error=str(error))
        yield LabelledFrame(source.name, following.time, (row,))


class _Following:
    """Labels what was seen, and knows who is who and what was said of each before."""

    def __init__(
        self, source: VideoSource, labeller: ZeroShotLabeller, options: VideoOptions, earlier: Earlier | None
    ) -> None:
        self.source, self.labeller, self.options, self.earlier = source, labeller, options, earlier
        self.tracker = Tracker(options.lost, next_number=(earlier.tracks if earlier else 0) + 1)
        self.smoothing = Smoothing(options.half_life)
        self.names = labeller.vocabulary.names(labeller.language)
        self.time = 0.0

    def frames(self, batch: Sequence[Looked]) -> Iterator[LabelledFrame]:
        """Yield the frames of a batch that were not written before."""
        pixels = [seen.pixels for looked in batch for seen in looked.seen]
        words = _words(self.labeller, pixels, self.options.top) if pixels else iter(())
        for looked in batch:
            frame, self.time = looked.frame, looked.frame.time
            rows = self._rows(looked, words)
            if self.earlier is None or frame.time >= self.earlier.time:
                cuts = tuple(seen.cut for seen in looked.seen)
                smoothed = tuple(self.smoothing.last(row.track) for row in rows)
                yield LabelledFrame(self.source.name, frame.time, rows, cuts, smoothed, looked.image)

    def _rows(self, looked: Looked, words: Iterator[_Said]) -> tuple[VideoRow, ...]:
        frame = looked.frame
        number = None if isinstance(frame, Damage) else frame.number
        row = VideoRow(self.source.name, number, frame.time, model=self.labeller.encoder.fingerprint)
        if number is None or not looked.seen:
            return (replace(row, note=looked.note, error=looked.error),)
        tracks = self._tracks(looked.seen, number, frame.time)
        return tuple(
            self._labelled(replace(row, track=track, box=seen.box, confidence=seen.confidence, note=seen.note), said)
            for seen, track, said in zip(looked.seen, tracks, words, strict=False)
        )

    def _tracks(self, seen: Sequence[Seen], number: int, time: float) -> list[int]:
        boxes = [one.box for one in seen]
        found = [Detection(box, one.appearance) for box, one in zip(boxes, seen, strict=True) if box is not None]
        if len(found) < len(seen):
            # The whole frame is one thing from the first to the last.
            return [1] * len(seen)
        known = self.earlier.known.get(number) if self.earlier is not None else None
        return self.tracker.step(found, time, known)

    def _labelled(self, row: VideoRow, said: _Said) -> VideoRow:
        if not said.labels or row.track is None or row.time is None:
            return replace(row, error=BROKEN)
        smoothed = self.smoothing.step(row.track, said.probabilities, row.time)
        best = np.argsort(-smoothed, kind="stable")[: self.options.top].tolist()
        labels = self.labeller.vocabulary.labels
        words = tuple(SmoothedLabel(labels[at].key, self.names[at], float(smoothed[at])) for at in best)
        return replace(row, labels=said.labels, smoothed=words, dimensions=said.dimensions)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the labeller says of one face: its best words, and the probability of each word [L]."""

    labels: tuple[ScoredLabel, ...]
    probabilities: FloatArray
    dimensions: Dimensions | None


def _words(labeller: ZeroShotLabeller, pixels: Sequence[Any], top: int) -> Iterator[_Said]:
    """Yield what the labeller says of each of N faces; one without finite numbers has no labels."""
    ranked = labeller.rank_features(labeller.embed(pixels), len(labeller.vocabulary))
    probabilities = np.empty_like(ranked.probabilities)
    np.put_along_axis(probabilities, ranked.positions, ranked.probabilities, axis=1)
    best = replace(
        ranked,
        positions=ranked.positions[:, :top],
        probabilities=ranked.probabilities[:, :top],
        similarities=ranked.similarities[:, :top],
    )
    yield from map(_Said, labeller.labels_of(best), probabilities, ranked.placed())
