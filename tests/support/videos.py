"""Videos that tests make: pictures that move over a ground, with the truth of who is where and when."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from clip_emotion.data.faces.finder import Face, FinderOptions, largest_first
from clip_emotion.types import FaceBox

av: Any = pytest.importorskip("av")
"""PyAV, without which every test of videos is left out."""
CODECS: dict[str, tuple[str, str, dict[str, str]]] = {
    "h264": ("libx264", "mp4", {"preset": "ultrafast"}),
    "hevc": ("libx265", "mp4", {"preset": "ultrafast", "x265-params": "log-level=error:pools=none"}),
    "vp9": ("libvpx-vp9", "webm", {"deadline": "realtime", "cpu-used": "8"}),
    "av1": ("libsvtav1", "mkv", {"preset": "12"}),
    "mpeg4": ("mpeg4", "avi", {}),
}
"""Encoder, container and settings by the name of a codec."""
CODEC = "h264"


@dataclass(frozen=True)
class Encoding:
    """How a made video is written; ``times`` in seconds stand for even ones, ``turn`` in degrees for how it is shown.

    ``options`` are those of the container.
    """

    codec: str = CODEC
    fps: int = 25
    gop: int = 25
    times: Sequence[float] | None = None
    turn: int = 0
    options: dict[str, str] = field(default_factory=dict)


def write_video(path: Path, images: Iterable[Image.Image], encoding: Encoding | None = None) -> Path:
    """Write pictures of one size as a video."""
    encoding = encoding or Encoding()
    name, _, settings = CODECS[encoding.codec]
    base = Fraction(1, 1000) if encoding.times is not None else Fraction(1, encoding.fps)
    with av.open(str(path), "w", options=encoding.options) as container:
        stream: Any = container.add_stream(name, rate=encoding.fps, options=settings)
        for number, image in enumerate(images):
            if number == 0:
                stream.width, stream.height, stream.pix_fmt = *image.size, "yuv420p"
                stream.gop_size, stream.codec_context.time_base = encoding.gop, base
                if encoding.turn:
                    stream.set_display_rotation(encoding.turn)
            frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            frame.time_base = base
            frame.pts = number if encoding.times is None else round(encoding.times[number] * 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@dataclass(frozen=True)
class Flash:
    """A made video with sound: black and silent, but for a white picture and a tone together at a time for a while."""

    at: float = 2.6
    seconds: float = 3.2
    lasts: float = 0.4
    fps: int = 10
    sound: str = "aac"
    rate: int = 48_000
    first: float = 0.0
    """The time that the container gives to its start, in seconds."""

    def write(self, path: Path) -> Path:
        """Write it; its name's suffix says the container."""
        step = self.rate // self.fps
        with av.open(str(path), "w", options={"output_ts_offset": f"{self.first:g}"}) as container:
            pictures = container.add_stream("libvpx-vp9" if path.suffix == ".webm" else "mpeg4", rate=self.fps)
            pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
            sound = container.add_stream(self.sound, rate=self.rate, layout="mono")
            for number in range(round(self.seconds * self.fps)):
                on = self.at <= number / self.fps < self.at + self.lasts
                raw = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 255 * on, np.uint8), format="rgb24")
                raw.pts, raw.time_base = number, Fraction(1, self.fps)
                container.mux(pictures.encode(raw))
                tone = 9000 * on * np.sin(2 * np.pi * 1000 * np.arange(number * step, (number + 1) * step) / self.rate)
                heard = av.AudioFrame.from_ndarray(tone.astype(np.int16)[None], format="s16", layout="mono")
                heard.sample_rate, heard.pts, heard.time_base = self.rate, number * step, Fraction(1, self.rate)
                container.mux(sound.encode(heard))
            container.mux(pictures.encode())
            container.mux(sound.encode())
        return path


def flash_of(path: Path) -> tuple[float, float]:
    """Return when the picture of such a video turns white and when its sound begins to be heard, in seconds."""
    with av.open(str(path)) as container:
        seen = next(
            raw.time for raw in container.decode(video=0) if np.asarray(raw.to_ndarray(format="gray")).mean() > 128
        )
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono")
        for packet in container.demux(audio=0):
            with suppress(av.error.InvalidDataError):
                for raw in packet.decode():
                    (heard,) = resampler.resample(raw)
                    loud = np.flatnonzero(np.abs(heard.to_ndarray()[0].astype(int)) > 3000)
                    if len(loud):
                        return float(seen), float(raw.time) + float(loud[0]) / raw.sample_rate
    raise AssertionError("nothing is heard")


def sound_packets(path: Path) -> list[tuple[float, bytes]]:
    """Return the times and contents of a video's packets of sound."""
    with av.open(str(path)) as container:
        return [(float(one.pts * one.time_base), bytes(one)) for one in container.demux(audio=0) if one.size]


@dataclass(frozen=True)
class Place:
    """Where an actor is at an instant: the middle, the side, the turn in degrees, all in pixels of the frame."""

    x: float
    y: float
    side: float
    turn: float = 0.0

    def overlap(self, box: Sequence[float]) -> float:
        """The share of a box (x, y, width, height) and the actor's square in their union."""
        half = self.side / 2
        wide = min(self.x + half, box[0] + box[2]) - max(self.x - half, box[0])
        high = min(self.y + half, box[1] + box[3]) - max(self.y - half, box[1])
        shared = max(0.0, wide) * max(0.0, high)
        return shared / (self.side**2 + box[2] * box[3] - shared)


@dataclass(frozen=True)
class Actor:
    """Someone in a made video: which picture at a time, and where; None while not there. Later ones stand in front."""

    picture: Callable[[float], Image.Image]
    place: Callable[[float], Place | None]
    round: bool = True


@dataclass(frozen=True)
class Scene:
    """A made video: its actors, in their order from the back, its frames' size, their number, and their rate."""

    actors: Sequence[Actor]
    size: tuple[int, int] = (640, 360)
    frames: int = 100
    fps: int = 25
    ground: tuple[int, int, int] = (70, 80, 90)

    def images(self) -> Iterator[Image.Image]:
        """Draw the frames one after the other."""
        for number in range(self.frames):
            image = Image.new("RGB", self.size, self.ground)
            for actor in self.actors:
                place = actor.place(number / self.fps)
                if place is not None:
                    _paste(image, actor.picture(number / self.fps), place, round_=actor.round)
            yield image

    def places(self, time: float) -> list[Place | None]:
        """Say where each actor is at a time."""
        return [actor.place(time) for actor in self.actors]

    def hidden(self, at: int, time: float) -> bool:
        """Whether an actor's middle is behind another one who stands in front."""
        place = self.actors[at].place(time)
        fronts = [front for actor in self.actors[at + 1 :] if (front := actor.place(time)) is not None]
        return place is None or any(
            math.hypot(place.x - front.x, place.y - front.y) < 0.5 * (front.side + 0.7 * place.side) for front in fronts
        )


def _paste(image: Image.Image, picture: Image.Image, place: Place, *, round_: bool) -> None:
    side = max(2, round(place.side))
    small = picture.resize((side, side), Image.Resampling.BICUBIC)
    mask = Image.new("L", (side, side), 0 if round_ else 255)
    if round_:
        ImageDraw.Draw(mask).ellipse((side * 0.1, side * 0.02, side * 0.9, side * 0.98), fill=255)
    if place.turn:
        small, mask = (one.rotate(place.turn, Image.Resampling.BICUBIC) for one in (small, mask))
    image.paste(small, (round(place.x - side / 2), round(place.y - side / 2)), mask)


class SquareFinder:
    """A face finder that takes bright squares that are hardly hidden for faces, in place of a network."""

    def __init__(self, options: FinderOptions) -> None:
        self.options = options

    def find(self, image: Image.Image) -> list[Face]:
        pixels = np.asarray(image).astype(int)
        bright, blue = pixels.max(axis=2) > 70, pixels[:, :, 2] > pixels[:, :, 0] + 30
        boxes = []
        for mask in (bright & blue, bright & ~blue):
            _, _, parts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
            boxes += [FaceBox(*(int(value) for value in part[:4])) for part in parts[1:] if part[4] >= 440]
        return largest_first([Face(box, 0.9) for box in boxes])


def square(colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (16, 16), colour)


RED, GREEN = (130, 120, 120), (120, 130, 120)
"""Colours so near that they may be one person's, on both sides of what divides ``red`` from ``green``."""


def two_people(seconds: float = 4.0) -> Scene:
    """Two squares that cross: one is ``red``, but ``green`` from the first second to the third, the other ``blue``."""
    first = Actor(
        lambda time: square(GREEN if 1 <= time < 3 else RED),
        lambda time: Place(20 + 120 * time / seconds, 40, 22),
        round=False,
    )
    second = Actor(
        lambda time: square((105, 105, 180)), lambda time: Place(140 - 120 * time / seconds, 46, 22), round=False
    )
    return Scene([first, second], (160, 90), round(25 * seconds), ground=(12, 12, 12))
