"""Chats scored for the web: one scorer a language, one chat at a time, the rest refused."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from clip_emotion.web.labelling import Busy

if TYPE_CHECKING:
    from scoring import AffectionScorer, ConversationScore

WAITING = 8
"""Chats that may wait to be scored."""


class Scoring:
    """Scores chats, one after the other; safe to call from many threads."""

    def __init__(self, model: str = "mini", device: str = "auto") -> None:
        self.model = model
        self.device = device
        self._scorers: dict[str, AffectionScorer] = {}
        self._one = threading.Lock()
        self._room = threading.Semaphore(WAITING)

    def score(self, content: bytes, name: str, language: str) -> list[ConversationScore]:
        """Score a chat export of any layout; ``name`` is its file's name, whose suffix may tell the layout.

        The content is on disk, in a folder of its own, while it is read, and nowhere afterwards. Raises DataError for
        what is no chat, Busy where too many wait.
        """
        from scoring import score_file

        if not self._room.acquire(blocking=False):
            raise Busy
        try:
            with self._one, tempfile.TemporaryDirectory(prefix="clip-emotion-") as folder:
                path = Path(folder) / (name or "chat.txt")
                path.write_bytes(content)
                return score_file(path, self._scorer(language))
        finally:
            self._room.release()

    def _scorer(self, language: str) -> AffectionScorer:
        from scoring import ScorerOptions, load_scorer

        if language not in self._scorers:
            options = ScorerOptions(model=self.model, device=self.device, lang=language)
            self._scorers[language] = load_scorer(options)
        return self._scorers[language]
