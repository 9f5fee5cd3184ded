"""Chats scored for the web: by the process's one model, one chat at a time, more refused than may wait."""

from __future__ import annotations

import os
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from clip_emotion.errors import DataError
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.web.busy import Busy
from clip_emotion.web.naming import word_names

if TYPE_CHECKING:
    from scoring import AffectionScorer, Conversation, ConversationScore, ReadOptions

WAITING = 8
"""Chats that may wait to be scored."""


class Scoring:
    """Scores chats, one after the other; safe to call from many threads."""

    def __init__(self, encoder: ImageTextEncoder, device: str = "auto", temporary: Path | None = None) -> None:
        self.encoder = encoder
        self.device = device
        self.temporary = temporary
        self._scorer: AffectionScorer | None = None
        self._one = threading.Lock()
        self._room = threading.Semaphore(WAITING)

    def score(
        self, content: bytes, name: str, language: str, reading: ReadOptions | None = None
    ) -> list[ConversationScore]:
        """Score a chat export of any layout, or of the one that ``reading`` names, its labels named in a language.

        ``name`` is a file's name, whose suffix may tell the layout. The content is on disk, in a folder of its own,
        while it is read, and nowhere afterwards; images that it names are not looked at, for their paths would be ones
        of this machine. Raises DataError for what is no chat, Busy where too many wait.
        """
        from scoring import read_conversations

        if not self._room.acquire(blocking=False):
            raise Busy
        try:
            with tempfile.TemporaryDirectory(dir=self.temporary) as folder:
                path = Path(folder) / name
                path.write_bytes(content)
                try:
                    read = [_without_images(one) for one in read_conversations(path, reading)]
                except DataError as error:  # it names the file by its path, which is nobody's business
                    raise DataError(str(error).replace(f"{folder}{os.sep}", "")) from error
            with self._one:
                scorer = self._scorer = self._scorer or self._load()
                return [named(scorer.score(one), language) for one in read]
        finally:
            self._room.release()

    def _load(self) -> AffectionScorer:
        from scoring import ScorerOptions, load_scorer

        return load_scorer(ScorerOptions(device=self.device, encoder=self.encoder))


def named(score: ConversationScore, language: str) -> ConversationScore:
    """Return a scored chat whose labels are named in a language; its numbers stay."""
    names = word_names(score.settings.vocabulary, language)
    labels = {key: names.get(key, name) for key, name in score.labels.items()}
    return replace(score, labels=labels, language=language)


def _without_images(conversation: Conversation) -> Conversation:
    return replace(conversation, turns=tuple(replace(turn, image=None) for turn in conversation.turns))
