"""The sound of a video file, one packet after the other with its time; no more of it in memory than is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from clip_emotion.data.video import FAULTS, WORTH_SEEKING
from clip_emotion.data.video_opening import Limits, load_av, opened
from clip_emotion.data.video_sampling import NEAR, Sampling
from clip_emotion.data.video_sources import VideoSource

EARLIER = 1.0
"""So many seconds before a cut the sound is looked for, as seeking is not exact."""


@dataclass(frozen=True, slots=True)
class Sound:
    """One packet of sound with its time in seconds from the video's start, on the clock of its frames."""

    time: float
    packet: Any


@contextmanager
def opened_sound(source: VideoSource, sampling: Sampling, limits: Limits) -> Iterator[SoundReading | None]:
    """Open the sound of a file for the block, None where it has none.

    Of several tracks it is the one that players choose. Raises VideoError where the video cannot be opened.
    """
    with opened(source, limits) as (container, pictures):
        stream = container.streams.best("audio", pictures)
        yield None if stream is None else SoundReading(container, stream, sampling)


class SoundReading:
    """Reads what lies between two times of an opened file's sound.

    ``damaged`` is the time in seconds at which it was found damaged first, None where it was not.
    """

    def __init__(self, container: Any, stream: Any, sampling: Sampling) -> None:
        self.av = load_av()
        self.container, self.stream, self.sampling = container, stream, sampling
        self.zero = (container.start_time or 0) / 1e6
        self.damaged: float | None = None
        self.last: float | None = None

    @property
    def codec(self) -> str:
        """The name of the sound's codec, where it is known here."""
        return str(self.stream.codec_context.name) if self.stream.codec_context is not None else "its codec"

    @property
    def layout(self) -> str:
        """The channels that it is heard by where it is re-encoded."""
        context = self.stream.codec_context
        return "mono" if context is not None and context.channels == 1 else "stereo"

    def fault(self, time: float | None = None) -> None:
        """Note that the sound is damaged at a time, or behind what was read."""
        at = max(time if time is not None else self.last or 0.0, self.sampling.start)
        self.damaged = at if self.damaged is None else self.damaged

    def packets(self) -> Iterator[Sound]:
        """Yield the packets that begin between the two times, in order; those that cannot be used are left out."""
        start, end = self.sampling.start, self.sampling.end
        for sound in self._from_near(start):
            if end is not None and sound.time > end + NEAR:
                return
            if start and sound.time < start - NEAR:
                continue
            if sound.packet.is_corrupt or (self.last is not None and sound.time <= self.last):
                self.fault(sound.time)
                continue
            self.last = sound.time
            yield sound

    def _from_near(self, start: float) -> Iterator[Sound]:
        """Yield the packets from a time before the start on, or from the first on."""
        if start >= WORTH_SEEKING and self._seek(start - EARLIER):
            first = next(self._demuxed(), None)
            if first is not None and first.time <= start:
                yield first
            else:
                self._seek(0.0)
        yield from self._demuxed()

    def _seek(self, time: float) -> bool:
        with suppress(self.av.error.FFmpegError):
            self.container.seek(int((time + self.zero) / self.stream.time_base), stream=self.stream)
            return True
        return False

    def _demuxed(self) -> Iterator[Sound]:
        """Yield the packets that have a time, past faults of the file."""
        faults = 0
        while faults < FAULTS:
            try:
                for packet in self.container.demux(self.stream):
                    stamp = packet.pts if packet.pts is not None else packet.dts
                    if packet.size and stamp is not None:
                        faults = 0
                        yield Sound(round(float(stamp * packet.time_base) - self.zero, 6), packet)
                return
            except self.av.error.EOFError:
                return
            except (self.av.error.FFmpegError, OSError):
                faults += 1
                self.fault()
