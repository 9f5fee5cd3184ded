"""The frames of a clip of a rehearsal: read one after the other by the house's video reader, few in memory at once."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from clip_emotion.data.video import Damage, read_video, video_facts
from clip_emotion.data.video_opening import Limits
from clip_emotion.data.video_sampling import Sampling
from clip_emotion.data.video_sources import VideoSource
from clip_emotion.web.interview.frames import Frame
from clip_emotion.web.labelling import Upload
from clip_emotion.web.settings import Settings

MOST, PACE = 200, 1.0
"""Most frames of a clip, and frames a second of one that is short enough."""
MOST_SECONDS = 1200.0
"""What comes later in a clip is not looked at."""


def clips_are_read() -> bool:
    """Tell whether the machine can read clips."""
    return find_spec("av") is not None


@contextmanager
def frames_of_clip(name: str, content: BinaryIO, settings: Settings) -> Iterator[Iterator[Frame]]:
    """Hand out a clip's frames with their times, evenly over its length; the clip itself is gone after the block.

    Raises VideoError where it is no video, MissingExtraError without its reader.
    """
    with tempfile.TemporaryDirectory(dir=settings.temporary) as scratch:
        path = Path(scratch) / "clip"
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)
        source = VideoSource(name, str(path))
        seconds = min(video_facts(source).seconds or MOST_SECONDS, MOST_SECONDS)
        sampling = Sampling(fps=min(PACE, MOST / max(seconds, 1.0)), end=MOST_SECONDS)
        yield _frames(source, sampling, settings)


def _frames(source: VideoSource, sampling: Sampling, settings: Settings) -> Iterator[Frame]:
    for number, frame in enumerate(read_video(source, sampling, Limits(settings.max_pixels, threads=1)), 1):
        if isinstance(frame, Damage):
            continue
        content = _coded(frame.image(), settings.stored_side)
        yield Frame(Upload(f"{number:04}.jpg", partial(bytes, content)), round(frame.time, 3))
        if number >= MOST:
            return


def _coded(image: Image.Image, side: int) -> bytes:
    """Return a frame as JPEG, no larger than pictures are kept."""
    image.thumbnail((side, side), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95)
    return stream.getvalue()
