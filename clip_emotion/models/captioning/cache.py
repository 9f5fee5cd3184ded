"""Captions kept as JSON lines: a line an image, model and prompt, to be read, edited and gone on with."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clip_emotion.errors import DataError
from clip_emotion.text import read_text

Key = tuple[str, str, str]
"""Content, model and prompt."""
LONGEST = 1 << 16
"""No line is longer than so many bytes."""


@dataclass(frozen=True, slots=True)
class Captioned:
    """A caption of an image's content; ``name`` helps people to find the image and is no part of the key."""

    content: str
    model: str
    prompt: str
    caption: str
    name: str = ""

    @property
    def key(self) -> Key:
        """What the caption is looked up by."""
        return self.content, self.model, self.prompt

    def line(self) -> str:
        """Return the caption as a line of the file."""
        values = {"name": self.name, "caption": self.caption, "content": self.content}
        return json.dumps({**values, "model": self.model, "prompt": self.prompt}, ensure_ascii=False) + "\n"


class CaptionFile:
    """The file's captions by their keys; of several lines with one key the last counts, and an edited one as it stands.

    Whole lines are appended in one write. A last line that was cut off, as by a killed run, is forgotten; any other
    that is no caption raises DataError with its number.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._captions: dict[Key, str] = {}
        lines = read_text(path).split("\n") if path.is_file() else []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                found = _parsed(line)
            except (ValueError, TypeError, KeyError) as error:
                if number == len(lines):
                    continue
                raise DataError(
                    f"{path}, line {number}, is no caption: give it content, model, prompt and caption, or remove it."
                ) from error
            self._captions[found.key] = found.caption

    def __len__(self) -> int:
        return len(self._captions)

    def get(self, content: str, model: str, prompt: str) -> str | None:
        """Return the caption of a content by a model and a prompt, None where there is none yet."""
        return self._captions.get((content, model, prompt))

    def missing(self, contents: Sequence[str], model: str, prompt: str) -> list[int]:
        """Return the places of the contents that have no caption yet, the first of equal ones alone."""
        firsts = {content: place for place, content in reversed(list(enumerate(contents)))}
        return sorted(place for content, place in firsts.items() if (content, model, prompt) not in self._captions)

    def append(self, captions: Iterable[Captioned]) -> None:
        """Add captions at the end of the file, in one write; raises OSError where it cannot be written."""
        new = list(captions)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(handle, (_ended(handle) + "".join(one.line() for one in new)).encode())
        finally:
            os.close(handle)
        self._captions |= {one.key: one.caption for one in new}


def _ended(handle: int) -> str:
    """Return what must stand before a new line: a last line without an end is ended, or taken away where it was cut."""
    size = os.fstat(handle).st_size
    last = os.pread(handle, min(size, LONGEST), max(0, size - LONGEST)).rpartition(b"\n")[2]
    if not last:
        return ""
    try:
        _parsed(last.decode())
    except (ValueError, TypeError, KeyError):
        os.ftruncate(handle, size - len(last))
        return ""
    return "\n"


def _parsed(line: str) -> Captioned:
    values = json.loads(line)
    found = Captioned(
        values["content"], values["model"], values["prompt"], values["caption"], str(values.get("name", ""))
    )
    if not all(isinstance(part, str) for part in (*found.key, found.caption)):
        raise ValueError("not text")
    return found
