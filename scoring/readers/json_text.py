"""JSON of any size, walked through without holding it as objects: only what is asked for is made one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

LONGEST_VALUE = 4_000_000
"""Characters of one entry beyond which it is not parsed: its objects would take many times their size in memory."""
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
# What a value that is passed over is made of: strings, which may hold brackets, and brackets.
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(rf"{_STRING}|[\[{{]|[\]}}]", re.DOTALL)
_SCALAR = re.compile(rf'{_STRING}|[^\s,\[\]{{}}"]+', re.DOTALL)


class JsonError(ValueError):
    """The text is no valid JSON from a place on; ``at`` is the place."""

    def __init__(self, at: int) -> None:
        super().__init__("it is not valid JSON")
        self.at = at


class JsonCursor:
    """A place in a JSON text, which moves forward alone."""

    def __init__(self, text: str, at: int = 0) -> None:
        self.text = text
        self.at = at

    def peek(self) -> str:
        """Return the next sign that is not space, or an empty text at the end."""
        space = _SPACE.match(self.text, self.at)
        self.at = space.end() if space else self.at
        return self.text[self.at : self.at + 1]

    def members(self) -> Iterator[str]:
        """Yield each key of the object that begins here, the cursor before its value; a value left there is skipped."""
        self._expect("{")
        while self.peek() != "}":
            key = self.value()
            if not isinstance(key, str):
                raise JsonError(self.at)
            self._expect(":")
            self.peek()
            start = self.at
            yield key
            if self.at == start:
                self.skip()
            if self.peek() != "}":
                self._expect(",")
        self.at += 1

    def elements(self) -> Iterator[int]:
        """Yield the place of each element of the array that begins here; an element left there is skipped."""
        self._expect("[")
        while self.peek() != "]":
            start = self.at
            yield start
            if self.at == start:
                self.skip()
            if self.peek() != "]":
                self._expect(",")
        self.at += 1

    def value(self) -> object:
        """Return the value that begins here, and move behind it."""
        self.peek()
        try:
            found, self.at = _DECODER.raw_decode(self.text, self.at)
        except (ValueError, RecursionError) as error:
            raise JsonError(self.at) from error
        return found

    def skip(self) -> int:
        """Move behind the value that begins here, and return how many characters it has."""
        first, start = self.peek(), self.at
        if first not in ("{", "["):
            scalar = _SCALAR.match(self.text, self.at)
            if scalar is None:
                raise JsonError(self.at)
            self.at = scalar.end()
            return self.at - start
        depth = 0
        for token in _TOKEN.finditer(self.text, self.at):
            sign = token[0]
            if sign in ("{", "["):
                depth += 1
            elif sign in ("}", "]"):
                depth -= 1
            if not depth:
                self.at = token.end()
                return self.at - start
        raise JsonError(len(self.text))

    def _expect(self, sign: str) -> None:
        if self.peek() != sign:
            raise JsonError(self.at)
        self.at += 1


@dataclass(frozen=True)
class Outline:
    """What a JSON document shows at a glance: its keys as far as its messages, and those of its first message.

    ``chat`` are the keys of the first of several chats, in a document that holds some rather than messages.
    """

    keys: frozenset[str]
    message: frozenset[str] = frozenset()
    chat: frozenset[str] = frozenset()


def outline(text: str) -> Outline | None:
    """Return the outline of a JSON object that has ``messages``, or ``chats`` with some; None for any other text."""
    cursor = JsonCursor(text)
    if cursor.peek() != "{":
        return None
    keys: set[str] = set()
    try:
        for key in cursor.members():
            keys.add(key)
            if key == "messages" and cursor.peek() == "[":
                return Outline(frozenset(keys), message=_first_keys(cursor))
            if key == "chats" and cursor.peek() == "{":
                for inner in cursor.members():
                    if inner == "list" and cursor.peek() == "[":
                        return Outline(frozenset(keys), chat=_first_keys(cursor))
    except JsonError:
        return None
    return None


@dataclass(frozen=True)
class DocumentText:
    """The text of a whole document, whose outline is looked for once, however many layouts ask for it."""

    text: str

    @cached_property
    def outline(self) -> Outline | None:
        """What ``outline`` gives."""
        return outline(self.text)


def _first_keys(cursor: JsonCursor) -> frozenset[str]:
    """Return the keys of the first element of the array that begins at the cursor."""
    for _ in cursor.elements():
        return frozenset(cursor.members()) if cursor.peek() == "{" else frozenset()
    return frozenset()
