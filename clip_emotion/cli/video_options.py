"""The options that hold for videos alone: which frames are looked at, and what is made of them beside rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from clip_emotion.data.video_sampling import Sampling
    from clip_emotion.data.video_sources import VideoSource

Fps = Annotated[float | None, typer.Option("--fps", help="Frames a second of a video [default: 5].")]
Every = Annotated[int | None, typer.Option("--every", min=1, help="Instead: each so-manieth frame of a video.")]
From = Annotated[str | None, typer.Option("--from", metavar="TIME", help="Begin a video at 90, 1:30 or 1:02:03.5.")]
To = Annotated[
    str | None, typer.Option("--to", metavar="TIME", help="End it there; a file here is --out by its older name.")
]
HalfLife = Annotated[
    float,
    typer.Option(
        "--half-life", min=0, help="Words of a face's past count half after so many seconds; 0: each frame alone."
    ),
]
Annotate = Annotated[
    Path | None,
    typer.Option("--annotate", help="Also write the video with boxes and words: .mp4, .mkv, .mov or .webm."),
]
Show = Annotated[bool, typer.Option("--show", help="Show frames, boxes and words in a window meanwhile.")]


@dataclass(frozen=True)
class VideoArguments:
    """How videos are looked at, as the command line says it."""

    fps: Fps = None
    every: Every = None
    begin: From = None
    until: To = None
    half_life: HalfLife = 0.5
    annotate: Annotate = None
    show: Show = False

    def sampling(self) -> Sampling:
        """Return which frames are looked at; raises UsageError for what cannot be."""
        from clip_emotion.data.video_sampling import Sampling, is_time, seconds_of

        start = seconds_of(self.begin) if self.begin is not None else 0.0
        end = seconds_of(self.until) if self.until is not None and is_time(self.until) else None
        return Sampling(self.fps, self.every, start, end)

    def named_file(self, out: Path | None) -> Path | None:
        """Return --out, or the file that --to, which is its older spelling, names instead of a time.

        Raises UsageError where both name a file, and for a text that begins like a time and is none.
        """
        from clip_emotion.data.video_sampling import is_time, seconds_of

        if self.until is None or is_time(self.until):
            return out
        if self.until[:1].isdigit() and not Path(self.until).suffix:
            seconds_of(self.until)
        if out is not None:
            raise UsageError(f"--out names {out}, and --to '{self.until}' is no time: give 90, 1:30 or 1:02:03.5.")
        return Path(self.until)

    def check(self, videos: list[VideoSource], *, resume: bool) -> None:
        """Raise UsageError for what does not go together; ``videos`` are those that are named."""
        given = {
            "--fps": self.fps, "--every": self.every, "--from": self.begin, "--annotate": self.annotate,
            "--show": self.show or None,
        }  # fmt: skip
        named = [name for name, value in given.items() if value is not None]
        if named and not videos:
            raise UsageError(f"{named[0]} is for videos, and none is named: name one, camera:0 or rtsp://HOST/PATH.")
        if self.annotate is not None and len(videos) > 1:
            raise UsageError(f"--annotate writes one video, and {len(videos)} are named: name one.")
        if resume and self.annotate is not None:
            raise UsageError("--annotate draws a whole video: leave --resume out, or leave --annotate out.")
        if resume and any(video.live for video in videos):
            raise UsageError("--resume goes on with files: what a camera saw before is gone, so give another --out.")
        if sum(video.live for video in videos) > 1:
            raise UsageError("One camera or stream at a time: it never ends, and the next would not begin.")
