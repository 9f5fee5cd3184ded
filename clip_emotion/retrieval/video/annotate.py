"""A video written anew with boxes and words in it: every frame, the boxes moving between those that were looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image

from clip_emotion.data.video import Frame, read_video
from clip_emotion.data.video_opening import Limits, load_av
from clip_emotion.data.video_sampling import Sampling
from clip_emotion.data.video_sources import VideoSource
from clip_emotion.errors import DataError, UsageError, VideoError
from clip_emotion.files import open_up
from clip_emotion.retrieval.video.drawing import Drawn, draw, faces_of
from clip_emotion.retrieval.video.labelling import LabelledFrame
from clip_emotion.retrieval.video.rows import VideoRow
from clip_emotion.retrieval.video.sound import SoundTrack

CODECS: dict[str, tuple[str, str, dict[str, str]]] = {
    ".mp4": ("libx264", "mp4", {"crf": "20", "preset": "veryfast"}),
    ".mov": ("libx264", "mov", {"crf": "20", "preset": "veryfast"}),
    ".mkv": ("libx264", "matroska", {"crf": "20", "preset": "veryfast"}),
    ".webm": ("libvpx-vp9", "webm", {"deadline": "realtime", "cpu-used": "6", "crf": "30", "b": "0"}),
}
"""Encoder, container and settings by a file's suffix."""
CLOCK = Fraction(1, 90_000)
"""The unit of a written video's times: any rate, and uneven ones, are multiples of it."""
HELD = 0.5
"""So many seconds a face's box stays where the face was last seen."""


def codec_of(path: Path) -> tuple[str, str, dict[str, str]]:
    """Return how a file of this name is written; raises UsageError for other suffixes."""
    if path.suffix.lower() not in CODECS:
        raise UsageError(f"--annotate writes {', '.join(CODECS)}: give {path.stem}.mp4 instead of {path.name}.")
    return CODECS[path.suffix.lower()]


class Annotator:
    """Writes a video with boxes and words while its frames are labelled; the file is there when the block ends well.

    A file is read a second time, so that every frame of it is written, and once more for its sound; of a camera or
    stream the frames that were looked at are written, without sound.
    """

    def __init__(
        self,
        source: VideoSource,
        path: Path,
        sampling: Sampling,
        say: Callable[[str], object],
        limits: Limits | None = None,
    ) -> None:
        self.source, self.path, self.say, self.limits = source, path, say, limits
        self.sampling = Sampling(every=1, start=sampling.start, end=sampling.end)
        self.draft = path.with_name(f".{path.name}.draft")
        self.frames: Iterator[Frame] = iter(())
        self.waiting: Frame | None = None
        self.before: LabelledFrame | None = None
        self.container: Any = None
        self.stream: Any = None
        self.sound = None if source.live else SoundTrack(source, path, self.sampling, limits)
        self.last = -1

    def __enter__(self) -> Annotator:
        """Begin to read, and to write beside the place."""
        av = load_av()
        _, container, _ = codec_of(self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.container = av.open(str(self.draft), "w", format=container)
        except (OSError, av.error.FFmpegError) as error:
            raise UsageError(f"Cannot write {self.path}: {getattr(error, 'strerror', None) or error}.") from error
        if not self.source.live:
            self.frames = self._read()
        return self

    def _read(self) -> Iterator[Frame]:
        """Yield the file's frames; a file that cannot be opened has none, as its row tells."""
        with suppress(VideoError):
            for one in read_video(self.source, self.sampling, self.limits):
                if isinstance(one, Frame):
                    yield one

    def take(self, frame: LabelledFrame) -> None:
        """Write the frames up to this one, which was labelled."""
        if frame.source != self.source.name or frame.time is None:
            return
        if self.source.live and frame.image is not None:
            self._write(draw(frame.image, faces_of(frame.rows)), frame.time)
        elif not self.source.live:
            self._write_until(frame)
        self.before = frame

    def _write_until(self, labelled: LabelledFrame | None) -> None:
        """Write the frames before a labelled one, or all that are left."""
        while True:
            frame = self.waiting or next(self.frames, None)
            self.waiting = frame
            if frame is None or (labelled is not None and frame.time >= (labelled.time or 0.0)):
                return
            self._write(draw(frame.image(), _between(self.before, labelled, frame.time)), frame.time)
            self.waiting = None

    def _write(self, image: Image.Image, time: float) -> None:
        # The encoders want even sides.
        width, height = image.width - image.width % 2, image.height - image.height % 2
        with self._told():
            if self.stream is None:
                name, _, settings = codec_of(self.path)
                self.stream = self.container.add_stream(name, rate=30, options=settings)
                self.stream.width, self.stream.height, self.stream.pix_fmt = width, height, "yuv420p"
                self.stream.codec_context.time_base = CLOCK
                if self.sound is not None:
                    self.sound.begin(self.container)
            if self.sound is not None:
                self.sound.write_until(time)
            if image.size != (self.stream.width, self.stream.height):
                image = image.resize((self.stream.width, self.stream.height), Image.Resampling.BILINEAR)
            frame = load_av().VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            frame.pts = self.last = max(self.last + 1, round((time - self.sampling.start) / CLOCK))
            frame.time_base = CLOCK
            self.container.mux(self.stream.encode(frame))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what a container says while it is written into one sentence."""
        try:
            yield
        except (OSError, load_av().error.FFmpegError) as error:
            raise DataError(f"Cannot write {self.path} ({getattr(error, 'strerror', None) or error}).") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and put the file in its place; after an error nothing is there."""
        with ExitStack() as stack:
            stack.callback(self.draft.unlink, missing_ok=True)
            stack.callback(self.container.close)
            if self.sound is not None:
                stack.callback(self.sound.close)
            if kind is not None:
                return
            self._write_until(None)
            if self.stream is None:
                self.say(f"{self.path} was not written: no frame could be read.")
                return
            self._finish()
            open_up(self.draft)
            self.draft.replace(self.path)
        self.say(f"Annotated video: {self.path}")
        if self.sound is not None and self.sound.told:
            self.say(self.sound.told)

    def _finish(self) -> None:
        with self._told():
            self.container.mux(self.stream.encode())
            if self.sound is not None:
                self.sound.finish()
            self.container.close()


def _between(before: LabelledFrame | None, after: LabelledFrame | None, time: float) -> list[Drawn]:
    """Return the faces at a time between two labelled frames: boxes on their way, words as they were before it."""
    if before is None or before.time is None:
        return []
    coming = {} if after is None else {row.track: row for row in after.rows if row.track is not None}
    passed, step = time - before.time, (after.time or 0.0) - before.time if after is not None else 0.0
    share = passed / step if step > 0 else 0.0
    faces = []
    for row in before.rows:
        if row.track is None:
            continue
        then = coming.get(row.track)
        if then is not None or passed <= HELD:
            faces.append(Drawn(row.track, _corners(row, then, share), row.smoothed))
    return faces


def _corners(row: VideoRow, then: VideoRow | None, share: float) -> tuple[float, float, float, float] | None:
    if row.box is None:
        return None
    start = np.array([row.box.x, row.box.y, row.box.width, row.box.height], dtype=float)
    if then is not None and then.box is not None:
        end = np.array([then.box.x, then.box.y, then.box.width, then.box.height], dtype=float)
        start = (1 - share) * start + share * end
    left, top, width, height = start.tolist()
    return left, top, left + width, top + height
