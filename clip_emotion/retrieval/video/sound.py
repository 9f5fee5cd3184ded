"""The sound of a video on its way into the one that is drawn of it: copied, or re-encoded where that cannot be."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

from clip_emotion.data.video_opening import Limits, load_av
from clip_emotion.data.video_sampling import Sampling, clock
from clip_emotion.data.video_sound import Sound, SoundReading, opened_sound
from clip_emotion.data.video_sources import VideoSource
from clip_emotion.errors import VideoError

ENCODERS = {"mp4": "aac", "mov": "aac", "matroska": "aac", "webm": "libopus"}
"""What sound is re-encoded to, by the container."""
RATE = 48_000
"""Samples a second of what is re-encoded: AAC and Opus both have them."""
UNHEARD = {"mp4": "pcm_"}
"""How the names of codecs begin that a container may hold, but that few players play in it."""


class SoundTrack:
    """Writes a file's sound into a container, as far as the picture has come, so that neither waits for the other.

    Nothing that is wrong with the sound is raised; ``told`` says it in one sentence.
    """

    def __init__(self, source: VideoSource, path: Path, sampling: Sampling, limits: Limits | None) -> None:
        self.source, self.path, self.sampling, self.limits = source, path, sampling, limits or Limits()
        self.stack = ExitStack()
        self.reading: SoundReading | None = None
        self.waiting: Sound | None = None
        self.packets: Iterator[Sound] = iter(())
        self.put: Callable[[Any, list[Any]], None] = self._copy
        self.container: Any = None
        self.stream: Any = None
        self.left_out = ""

    def begin(self, container: Any) -> None:
        """Add the sound to a container of which nothing is written yet, if there is any between the two times."""
        with suppress(VideoError):
            self.reading = self.stack.enter_context(opened_sound(self.source, self.sampling, self.limits))
        if self.reading is None:
            return
        self.container, self.packets = container, self.reading.packets()
        self.waiting = next(self.packets, None)
        if self.waiting is not None and not self._added(self.reading):
            self.waiting, self.packets = None, iter(())
            held = f"{self.path.suffix} cannot hold {self.reading.codec}, nor can it be re-encoded"
            self.left_out = f"{self.path} has no sound: {held}."

    def _added(self, reading: SoundReading) -> bool:
        """Add a stream that is copied or, where the container does not take it, one that is re-encoded."""
        name = self.container.format.name
        ways: list[tuple[Callable[[Any, list[Any]], None], Callable[[Any], Any]]] = [
            (self._copy, lambda to: to.add_stream_from_template(reading.stream)),
            (self._encode, lambda to: to.add_stream(ENCODERS[name], rate=RATE, layout=reading.layout)),
        ]
        for put, add in ways[1:] if reading.codec.startswith(UNHEARD.get(name, "/")) else ways:
            if _takes(name, add):
                self.put, self.stream = put, add(self.container)
                return True
        return False

    def write_until(self, time: float | None) -> None:
        """Write the sound that begins by a time in seconds, None for all; raises OSError where the place is full."""
        while True:
            sound = self.waiting or next(self.packets, None)
            self.waiting = sound
            if sound is None or (time is not None and sound.time > time):
                return
            self._write(sound)
            self.waiting = None

    def _write(self, sound: Sound) -> None:
        """Write one packet; what cannot be decoded is told, and copied as it is or left out."""
        reading = self.reading
        if reading is None:
            return
        errors = load_av().error
        frames: list[Any] = []
        try:
            frames = sound.packet.decode()
        except (errors.FFmpegError, ValueError, MemoryError):
            reading.fault(sound.time)
        try:
            self.put(sound.packet, frames)
        except (errors.PatchWelcomeError, errors.InvalidDataError, ValueError):
            # That is the packet's fault; that a disk is full is not.
            reading.fault(sound.time)

    def _shift(self, base: Fraction) -> int:
        """Return by how much sound comes earlier in the drawn video, in units of ``base``."""
        zero = 0.0 if self.reading is None else self.reading.zero
        return round((zero + self.sampling.start) / base)

    def _copy(self, packet: Any, frames: list[Any]) -> None:
        stamp = packet.pts if packet.pts is not None else packet.dts
        packet.pts = packet.dts = stamp - self._shift(packet.time_base)
        packet.stream = self.stream
        self.container.mux(packet)

    def _encode(self, packet: Any, frames: list[Any]) -> None:
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= self._shift(frame.time_base)
                self.container.mux(self.stream.encode(frame))

    def finish(self) -> None:
        """Write all that is left; raises OSError where the place is full."""
        self.write_until(None)
        if self.stream is not None and self.put == self._encode:
            self.container.mux(self.stream.encode())

    def close(self) -> None:
        """Close the file that the sound comes from."""
        self.stack.close()

    @property
    def told(self) -> str:
        """What is to be said of the sound, empty where all is well."""
        if self.left_out or self.reading is None or self.reading.damaged is None:
            return self.left_out
        at = clock(self.reading.damaged, 2)
        return f"The sound of {self.source.name} is damaged from {at} on: {self.path} has what could be read of it."


def _takes(name: str, add: Callable[[Any], Any]) -> bool:
    """Tell whether a container of a format takes a stream: its header is written to memory."""
    av = load_av()
    try:
        with av.open(io.BytesIO(), "w", format=name) as trial:
            add(trial)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return False
    return True
