"""What is answered where so many wait already that more would only pile up."""

from __future__ import annotations

from clip_emotion.errors import ClipEmotionError

RETRY_SECONDS = 3


class Busy(ClipEmotionError):
    """So many wait that more are refused; ``wait`` is when to try again, in seconds."""

    wait = RETRY_SECONDS

    def __init__(self) -> None:
        super().__init__(f"Many are waiting: try again in {RETRY_SECONDS} seconds.")
