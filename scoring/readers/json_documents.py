"""What the readers of JSON documents share: entries one at a time, and one fault at most where the text is spoilt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from scoring.readers.cleaning import clean
from scoring.readers.documents import EXCERPT, take_row
from scoring.readers.json_text import LONGEST_VALUE, JsonCursor, JsonError
from scoring.readers.messages import Reading, fault


class JsonDocument:
    """A JSON text that is being read: where it is read (``cursor``) and what was found (``reading``)."""

    def __init__(self, text: str) -> None:
        self.cursor = JsonCursor(text)
        self.reading = Reading()
        self._counted, self._line = 0, 1

    def entries(self) -> Iterator[tuple[int, Mapping[str, object]]]:
        """Yield each object of the array that begins here, with its line; what is no object is a fault."""
        text = self.cursor.text
        for start in self.cursor.elements():
            line, length = self._line_of(start), self.cursor.skip()
            if length > LONGEST_VALUE:
                self.refuse(line, f"it is longer than {LONGEST_VALUE:,} characters", start)
                continue
            value = JsonCursor(text, start).value()
            if isinstance(value, dict):
                yield line, value
            else:
                self.refuse(line, "it is not a JSON object", start)

    def say(self, line: int, row: Mapping[str, object], attached: str | None = None, conversation: str = "") -> None:
        """Take a row as a message, as ``take_row`` does."""
        take_row(self.reading, line, row, attached, conversation)

    def refuse(self, line: int, reason: str, at: int) -> None:
        """Make a fault of the entry that begins at a place."""
        self.reading.faults.append(fault(line, reason, self.cursor.text[at : at + EXCERPT]))

    def cut(self, error: JsonError) -> None:
        """Make a fault of a text that is no JSON from a place on."""
        at = min(error.at, len(self.cursor.text))
        self.refuse(self._line_of(at), "it is no valid JSON, so that it and what follows are left out", at)

    def _line_of(self, at: int) -> int:
        if at < self._counted:
            return self._line
        self._line += self.cursor.text.count("\n", self._counted, at)
        self._counted = at
        return self._line


def read_json(text: str, walk: Callable[[JsonDocument], None]) -> Reading:
    """Read a document as ``walk`` does it; one that ends too early or is spoilt is read as far as it is sound."""
    document = JsonDocument(text)
    try:
        walk(document)
    except JsonError as error:
        document.cut(error)
    return document.reading


def read_messages(text: str, take: Callable[[JsonDocument, int, Mapping[str, object]], None]) -> Reading:
    """Read a document that is one chat: ``take`` gets each of its ``messages``, with its line."""

    def walk(document: JsonDocument) -> None:
        for key in document.cursor.members():
            if key == "messages" and document.cursor.peek() == "[":
                for line, entry in document.entries():
                    take(document, line, entry)

    return read_json(text, walk)


def string(value: object) -> str:
    """Return a text as it can be shown, or an empty one for anything else."""
    return clean(value).strip() if isinstance(value, str) else ""
