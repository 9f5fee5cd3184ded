"""The rows of videos for a screen: a line a face and frame under the name of each video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clip_emotion.cli.common import padded, printable

if TYPE_CHECKING:
    from clip_emotion.retrieval.video.rows import VideoRow

WORDS = 3
"""So many words stand in a line."""


class VideoTable:
    """Prints a line per row as it comes: time, face, and its likeliest words along the track."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
        self.source: str | None = None

    def write(self, row: VideoRow) -> None:
        """Print one row's line, under its source's name where that is another than before."""
        from clip_emotion.data.video_sampling import clock

        if row.source != self.source:
            self.console.print(printable(row.source), style="bold cyan")
            self.source = row.source
        time = padded("" if row.time is None else clock(row.time), 9)
        face = padded("" if row.track is None else f"face {row.track}", 9)
        if row.error is not None:
            self.console.print(f"  {time}  ✗ {row.error}", style="red")
        elif row.smoothed:
            words = "  ".join(f"{printable(word.name)} {word.probability:.0%}" for word in row.smoothed[:WORDS])
            self.console.print(f"  {time}  {face}  {words}")
        else:
            self.console.print(f"  {time}  {row.note}", style="dim")
