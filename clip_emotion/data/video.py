"""The frames of a video, one after the other with their true times; no more of them in memory than are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from PIL import Image

from clip_emotion.data.video_opening import Limits, load_av, opened, too_large
from clip_emotion.data.video_sampling import NEAR, Picker, Sampling, clock
from clip_emotion.data.video_sources import VideoSource
from clip_emotion.errors import VideoError

TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
MENDED = 5.0
"""After damage so many seconds are passed over at most, up to the next frame that needs no other."""
CUT_OFF = 0.5
"""A video that ends so many seconds before its own length, and a twentieth of it, is cut off."""
WORTH_SEEKING = 2.0
"""Seconds before which all is decoded from the start."""
FAULTS = 50
"""After so many faults without a frame between them a video is given up."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its number from 0, reckoned from the time behind damage, and its time in seconds from the start."""

    number: int
    time: float
    raw: Any

    def image(self) -> Image.Image:
        """Return the frame as it is shown: RGB, turned upright, its pixels square."""
        frame = self.raw
        image = Image.fromarray(frame.to_ndarray(format="rgb24"))
        ratio = frame.sample_aspect_ratio if hasattr(frame, "sample_aspect_ratio") else None
        if ratio and ratio > 0 and ratio != 1:
            image = image.resize((max(1, round(image.width * ratio)), image.height), Image.Resampling.BILINEAR)
        turn = TURNS.get(round(frame.rotation / 90) * 90 % 360)
        return image if turn is None else image.transpose(turn)


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch without frames that can be used: where it begins, in seconds, and a sentence that says why."""

    time: float
    error: str


@dataclass(frozen=True)
class VideoFacts:
    """What a video says of itself: its length in seconds, None where it has none, and its frames a second."""

    seconds: float | None
    rate: float | None
    exact: bool = False
    """Whether the length is that of the pictures, not of all that goes with them."""


def read_video(
    source: VideoSource, sampling: Sampling | None = None, limits: Limits | None = None, begin: float = 0.0
) -> Iterator[Frame | Damage]:
    """Yield the frames that are looked at, in order, and a ``Damage`` for each stretch that cannot be read.

    ``begin`` is the time of such a frame from which on they are wanted. Memory does not depend on the length.
    Raises VideoError where the video cannot be opened at all.
    """
    limits = limits or Limits()
    picker = Picker(sampling or Sampling(), begin)
    with ExitStack() as stack:
        reading, number = _begun(source, limits, picker.begin, stack)
        told, before = False, None
        for entry in reading.entries(number):
            if picker.too_late(entry.time):
                break
            if picker.too_early(entry.time):
                # Damage that began earlier may reach into what is looked at.
                before = entry if isinstance(entry, Damage) else None
            elif isinstance(entry, Damage):
                told = True
                yield entry
            elif picker.takes(entry.time):
                if before is not None:
                    yield before
                told, before = True, None
                yield entry
        if not told:
            yield before or _nothing(picker, reading)


def _nothing(picker: Picker, reading: _Reading) -> Damage:
    """Say that no frame lies between the times that were asked for."""
    end = picker.sampling.end
    until = "on" if end is None else f"to {clock(end, 2)}"
    ended = "" if end is not None and reading.ended > end else f": the video ends at {clock(reading.ended, 2)}"
    return Damage(picker.begin, f"No frame lies from {clock(picker.begin, 2)} {until}{ended}.")


def video_facts(source: VideoSource) -> VideoFacts:
    """Return what a video says of itself; raises VideoError where it cannot be opened."""
    with opened(source, Limits()) as (container, stream):
        return _facts(container, stream)


def _facts(container: Any, stream: Any) -> VideoFacts:
    rate = float(stream.average_rate or stream.guessed_rate or 0) or None
    if stream.duration:
        return VideoFacts(float(stream.duration * stream.time_base), rate, exact=True)
    told = _told_length(stream.metadata.get("DURATION", ""))
    if told is not None:
        return VideoFacts(told, rate, exact=True)
    return VideoFacts(container.duration / 1e6 if container.duration else None, rate, len(container.streams) == 1)


def _told_length(text: str) -> float | None:
    """Return the length that Matroska notes beside a stream as 00:01:02.500000000, or None."""
    parts = text.strip().split(":")
    try:
        hours, minutes, seconds = (float(part) for part in parts)
    except ValueError:
        return None
    return 3600 * hours + 60 * minutes + seconds


def _begun(source: VideoSource, limits: Limits, begin: float, stack: ExitStack) -> tuple[_Reading, int]:
    """Open a video near a time, before it, with the number of the frame that comes next; else at its start."""
    if not source.live and begin >= WORTH_SEEKING:
        with ExitStack() as trial:
            reading = _Reading(*trial.enter_context(opened(source, limits)), limits, live=False)
            first = reading.seek(begin)
            number = None if first is None else _count_before(source, limits, first)
            if number is not None:
                stack.push(trial.pop_all())
                return reading, number
    return _Reading(*stack.enter_context(opened(source, limits)), limits, live=source.live), 0


def _count_before(source: VideoSource, limits: Limits, pts: int) -> int | None:
    """Return how many frames come before one: their packets are counted, not decoded; None where they have no times."""
    number = 0
    with opened(source, limits) as (container, stream):
        for packet in container.demux(stream):
            if not packet.size:
                break
            if packet.pts is None or packet.dts is None:
                return None
            if packet.dts > pts:
                break
            number += packet.pts < pts and not packet.is_discard
    return number


class _Reading:
    """Decodes one opened stream, and tells what of it could not be decoded."""

    def __init__(self, container: Any, stream: Any, limits: Limits, *, live: bool) -> None:
        self.av = load_av()
        self.container, self.stream, self.limits, self.live = container, stream, limits, live
        self.facts = _facts(container, stream)
        self.zero = (container.start_time or 0) / 1e6
        self.step = 1 / (self.facts.rate or 25)
        self.last: float | None = None
        self.lasts = self.step
        self.broken: float | None = None
        self.held: Any = None

    def seek(self, begin: float) -> int | None:
        """Go to the key frame before a time and return its pts, or None where that cannot be done."""
        base = self.stream.time_base
        try:
            self.container.seek(int((begin + self.zero) / base), stream=self.stream, backward=True, any_frame=False)
            raw = next(raw for raw in self._decoded() if raw is not None)
        except (self.av.error.FFmpegError, StopIteration):
            return None
        if raw.pts is None or not raw.key_frame or self._time(raw) > begin + NEAR:
            return None
        self.held = raw
        return int(raw.pts)

    def entries(self, number: int) -> Iterator[Frame | Damage]:
        """Yield every frame from here on, and a ``Damage`` where a stretch that could not be decoded ends."""
        for raw in self._all():
            if raw is None:
                self.broken = self.ended if self.broken is None else self.broken
                continue
            time = self._time(raw)
            if self.broken is not None:
                if not raw.key_frame and time < self.broken + MENDED:
                    continue
                number += max(0, round((time - self.broken) / self.step))
                yield self._damage(time)
            if raw.width * raw.height > self.limits.max_pixels:
                yield Damage(time, too_large(raw.width, raw.height, self.limits))
                return
            self.last, self.lasts = time, self._lasts(raw)
            yield Frame(number, time, raw)
            number += 1
        yield from self._end()

    def _all(self) -> Iterator[Any]:
        if self.held is not None:
            yield self.held
            self.held = None
        yield from self._decoded()

    def _decoded(self) -> Iterator[Any]:
        """Yield the frames as PyAV decodes them, and None for each fault."""
        faults = 0
        while faults < FAULTS:
            try:
                for packet in self.container.demux(self.stream):
                    try:
                        for raw in packet.decode():
                            faults = 0
                            yield None if raw.is_corrupt else raw
                    except self.av.error.EOFError:
                        return
                    except (self.av.error.FFmpegError, ValueError, MemoryError):
                        faults += 1
                        yield None
                        if faults >= FAULTS:
                            return
                return
            except self.av.error.EOFError:
                return
            except (self.av.error.FFmpegError, OSError) as error:
                if self.live:
                    raise VideoError(f"The stream ended ({getattr(error, 'strerror', None) or error}).") from error
                faults += 1
                yield None

    def _time(self, raw: Any) -> float:
        stamp = raw.pts if raw.pts is not None else raw.dts
        base = raw.time_base or self.stream.time_base
        return self.ended if stamp is None else round(float(stamp * base) - self.zero, 6)

    def _lasts(self, raw: Any) -> float:
        """Return for how long a frame is shown, which of uneven ones may be long."""
        return float(raw.duration * (raw.time_base or self.stream.time_base)) if raw.duration else self.step

    @property
    def ended(self) -> float:
        """The time at which what was decoded so far ends."""
        return 0.0 if self.last is None else round(self.last + self.lasts, 6)

    def _damage(self, until: float | None) -> Damage:
        start = self.broken or 0.0
        self.broken = None
        to = "its end" if until is None else clock(until, 2)
        return Damage(start, f"The video is damaged from {clock(start, 2)} to {to}: no frame of it can be decoded.")

    def _end(self) -> Iterator[Damage]:
        """Say what is missing at the end."""
        seconds, ended = self.facts.seconds, self.ended
        if not self.live and seconds and self.facts.exact and ended < seconds - max(CUT_OFF, seconds / 20):
            what = "ends" if self.broken is None else "cannot be read any further"
            yield Damage(ended, f"The video {what} at {clock(ended, 2)} of {clock(seconds, 2)}: the file is cut off.")
        elif self.broken is not None:
            yield self._damage(None)
        elif self.last is None:
            yield Damage(0.0, "The video holds no frame that can be decoded.")
