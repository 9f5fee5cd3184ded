"""Which frames of a video are looked at: so many a second, or every so-manieth, between two times."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from clip_emotion.errors import UsageError

FPS = 5.0
"""So many frames a second are looked at where nothing is said."""
NEAR = 1e-6
"""Times that are so near are the same: they come as sums of fractions."""
CLOCK = re.compile(r"(?:(?:(\d+):)?([0-5]?\d):)?(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Sampling:
    """Which frames are looked at, between ``start`` and ``end`` in seconds (None: to the end).

    With ``every`` each so-manieth frame, else ``fps`` a second of the video's own time: of each stretch of 1/fps
    seconds the first frame. A video with fewer frames a second gives them all.
    """

    fps: float | None = None
    every: int | None = None
    start: float = 0.0
    end: float | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and self.every is not None:
            raise UsageError("Give either --fps, frames a second, or --every, each so-manieth frame.")
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise UsageError(f"--fps is a number of frames a second, above 0 and up to 1000, not {self.fps:g}.")
        if self.every is not None and self.every < 1:
            raise UsageError(f"--every must be at least 1, not {self.every}.")
        if self.start < 0 or (self.end is not None and self.end <= self.start):
            raise UsageError(f"--to has to be later than --from, and --from not below 0 ({self.start:g}, {self.end}).")

    def written(self) -> str:
        """Return it as one word for a row's settings; rows up to another end belong together."""
        rate = f"every:{self.every}" if self.every is not None else f"fps:{self.fps or FPS:g}"
        return rate + (f"/from:{self.start:g}" if self.start else "")


class Picker:
    """Says of each frame whether it is looked at; ``begin`` in seconds is a later frame from which on it is asked."""

    def __init__(self, sampling: Sampling, begin: float = 0.0) -> None:
        self.sampling = sampling
        self.begin = max(begin, sampling.start)
        self._fps = sampling.fps or FPS
        self._slot = -1
        self._left = 0

    def too_early(self, time: float) -> bool:
        """Tell whether a frame lies before what is looked at."""
        return time < self.begin - NEAR

    def too_late(self, time: float) -> bool:
        """Tell whether a frame lies behind what is looked at."""
        return self.sampling.end is not None and time > self.sampling.end + NEAR

    def takes(self, time: float) -> bool:
        """Tell whether the next frame in order is looked at."""
        if self.sampling.every is not None:
            self._left -= 1
            if self._left >= 0:
                return False
            self._left = self.sampling.every - 1
            return True
        slot = math.floor((time - self.sampling.start) * self._fps + NEAR * self._fps)
        if slot <= self._slot:
            return False
        self._slot = slot
        return True


def is_time(text: str) -> bool:
    """Tell whether a text is a time as ``seconds_of`` reads it."""
    return CLOCK.fullmatch(text.strip()) is not None


def seconds_of(text: str) -> float:
    """Return the seconds that ``90``, ``1:30`` or ``1:02:03.5`` stands for; raises UsageError for anything else."""
    match = CLOCK.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"'{text}' is no time: give seconds (90) or a clock (1:30, 1:02:03.5).")
    hours, minutes, seconds = match.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds)


def clock(seconds: float, digits: int = 1) -> str:
    """Return a time as people read it: ``1:02:03.5``."""
    tenths = round(max(seconds, 0) * 10**digits)
    whole, rest = divmod(tenths, 10**digits)
    hours, minutes = divmod(whole // 60, 60)
    fraction = f".{rest:0{digits}d}" if digits else ""
    return f"{f'{hours}:{minutes:02d}' if hours else minutes}:{whole % 60:02d}{fraction}"
