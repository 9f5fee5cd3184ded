"""The frames of a rehearsal in their order, each with its time where one is known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from clip_emotion.web.labelling import Upload

_CLOCK = re.compile(r"(?:(?:(\d{1,2}):)?(\d{1,2}):)?(\d{1,5}(?:\.\d{1,3})?)")
LONGEST = 24 * 3600.0


@dataclass(frozen=True)
class Frame:
    """A picture of a rehearsal and its second; None where only the order is known."""

    upload: Upload
    time: float | None = None


def frames_of(uploads: Sequence[Upload], times: str = "", every: str = "", *, by_name: bool = False) -> list[Frame]:
    """Return pictures in their order, with times as they are listed or so many seconds apart.

    Raises ValueError where a time cannot be read, where there are not as many as pictures, or where they go back.
    """
    ordered = sorted(uploads, key=lambda one: _natural(one.name)) if by_name else [*uploads]
    listed = [part for part in re.split(r"[\s,;]+", times.strip()) if part]
    if listed:
        seconds = [seconds_of(part) for part in listed]
        if len(seconds) != len(ordered) or any(one > two for one, two in pairwise(seconds)):
            raise ValueError(f"{len(seconds)} times for {len(ordered)} pictures, each later than the one before")
        return [Frame(one, time) for one, time in zip(ordered, seconds, strict=True)]
    if every.strip():
        step = seconds_of(every.strip())
        return [Frame(one, place * step) for place, one in enumerate(ordered)]
    return [Frame(one) for one in ordered]


def seconds_of(text: str) -> float:
    """Return the seconds that ``90``, ``1:30`` or ``1:02:03.5`` stands for; raises ValueError for anything else."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is no time")
    hours, minutes, seconds = match.groups()
    found = 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds)
    if found > LONGEST:
        raise ValueError(f"'{text}' is more than a day")
    return found


def clock(seconds: float) -> str:
    """Return a time as people read it: ``2:05`` or ``1:02:05``."""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def _natural(name: str) -> list[tuple[int, str]]:
    """Return what sorts ``2.jpg`` before ``10.jpg``."""
    return [(int(part), "") if part.isascii() and part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
