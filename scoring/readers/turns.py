"""Messages as written become turns: placeholders become media, names of pictures become pictures."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from scoring.conversation import Fault, Turn
from scoring.readers.kakaotalk.placeholders import media_kind, without_placeholder
from scoring.readers.messages import LONGEST_TEXT, Message, fault

_SUFFIXES = {
    "photo": ("jpg", "jpeg", "png", "webp", "gif", "bmp", "heic"),
    "video": ("mp4", "mov", "avi", "3gp", "mkv", "webm"),
    "voice": ("m4a", "aac", "mp3", "ogg", "wav", "opus", "amr", "caf"),
}
_KINDS = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes}
_ATTACHED = re.compile(rf"[^\s/\\]{{1,200}}\.({'|'.join(_KINDS)})", re.IGNORECASE)
_ATTACHED_PICTURE = re.compile(rf"\.(?:{'|'.join(_SUFFIXES['photo'])})$", re.IGNORECASE)
_HASH = re.compile(r"[0-9a-f]{16,}\.\w+", re.IGNORECASE)


class TurnBuilder:
    """Makes turns of messages, numbered from 1 in the order in which they come, a number series a conversation.

    ``folder`` is where the input lies; pictures outside it are refused (None: there are no pictures).
    ``has_placeholders``: KakaoTalk's words for media stand in the messages. ``faults`` are about unusable pictures
    and texts that were cut.
    """

    def __init__(self, folder: Path | None, *, has_placeholders: bool = False, by_conversation: bool = True) -> None:
        self.faults: list[Fault] = []
        self._folder = folder.resolve() if folder else None
        self._has_placeholders = has_placeholders
        self._by_conversation = by_conversation
        self._counts: dict[str, int] = {}

    def turns(self, messages: Iterable[Message]) -> list[Turn]:
        """Return each message's turn; of a message that is several pictures, a turn a picture."""
        turns: list[Turn] = []
        for message in messages:
            series = message.conversation if self._by_conversation else ""
            count = self._counts.get(series, 0)
            self._bound(message)
            for part in self._parts(message) if self._has_placeholders else (message,):
                count += 1
                image = self._image(part) if part.image else self._beside(part.attached)
                media = None if image and part.attached else part.media
                turns.append(Turn(count, part.speaker, part.text, part.time, image, part.emotions, media))
            self._counts[series] = count
        return turns

    def _bound(self, message: Message) -> None:
        """Cut a text that is longer than any message, which would take gigabytes to judge."""
        if len(message.text) > LONGEST_TEXT:
            reason = f"its text is longer than {LONGEST_TEXT:,} characters, and what follows them is left out"
            self.faults.append(fault(message.line, reason, message.text[:LONGEST_TEXT]))
            message.text = message.text[:LONGEST_TEXT]

    def _parts(self, message: Message) -> Sequence[Message]:
        """Return KakaoTalk's message without its placeholder, or as one message for each file that it names."""
        text = message.text
        if kind := media_kind(text):
            message.text, message.media = "", kind
            return (message,)
        names = text.split("\n") if text and _ATTACHED.match(text) else []
        kinds = [self._attached(name) for name in names]
        if not names or None in kinds:
            message.text = without_placeholder(text)
            return (message,)
        parts = []
        for name, attached in zip(names, kinds, strict=True):
            beside = attached == "photo" and find_beside(self._folder, name) is not None
            parts.append(replace(message, text="", image=name if beside else None, media=None if beside else attached))
        return parts

    def _attached(self, name: str) -> str | None:
        """Return the kind of file that a message names: a hash is an export's own, any other must lie there."""
        match = _ATTACHED.fullmatch(name)
        if match and (_HASH.fullmatch(name) or find_beside(self._folder, name)):
            return _KINDS[match[1].lower()]
        return None

    def _beside(self, name: str | None) -> Path | None:
        """Return the picture that came with a message, where the export has it."""
        if not name or not _ATTACHED_PICTURE.search(name):
            return None
        return find_beside(self._folder, name) or find_beside(self._folder, re.split(r"[/\\]", name)[-1])

    def _image(self, message: Message) -> Path | None:
        name = message.image or ""
        image = find_beside(self._folder, name)
        if image is None:
            reason = "its picture is not a file in the input's folder"
            if self._folder is None:
                reason = "its picture cannot be found, for the input has no folder"
            self.faults.append(fault(message.line, reason, name))
        return image


def file_kind(name: str) -> str:
    """Return the kind of media that a file's name ends in, ``file`` for any other."""
    return _KINDS.get(name.rsplit(".", 1)[-1].lower(), "file")


def find_beside(folder: Path | None, name: str) -> Path | None:
    """Return the file that a name means within a (resolved) folder, or None: symlinks that lead out count as absent."""
    if folder is None:
        return None
    for form in dict.fromkeys((name, name.replace("\\", "/"), unicodedata.normalize("NFD", name))):
        try:
            path = (folder / form).resolve()
            if path.is_relative_to(folder) and path.is_file():
                return path
        except (OSError, ValueError, RuntimeError):
            # A name with NUL or of any length, or a ring of links: no file of this folder.
            continue
    return None
