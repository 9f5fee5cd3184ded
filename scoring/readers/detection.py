"""Which layout a text is in, or why it is in none."""

from __future__ import annotations

from collections.abc import Iterable

from clip_emotion.errors import DataError
from scoring.readers.layouts import LAYOUTS
from scoring.readers.messages import Layout
from scoring.readers.other_apps import app_of_json, app_of_line, app_of_page
from scoring.readers.plain import PLAIN, PlainEvidence

ACCEPTED = "a KakaoTalk export, lines of 이름: 말, JSON Lines or a table with the columns speaker and text"
_SAMPLE = 500
"""Lines with something on them by which a text's layout is told."""
_HEAD = 20_000
"""Characters at the beginning of JSON or a web page in which its program is looked for."""


class Detector:
    """Tells a text's layout from its lines, given one by one; ``name`` is what errors call the text.

    ``head`` is the text's beginning where it is known, in which the program that wrote JSON or a page is looked for.

    JSON is read as JSON alone. Plain text is what no other layout and no known program writes, and what
    ``PlainEvidence`` takes for a chat.
    """

    def __init__(self, name: str, head: str = "") -> None:
        self._name = name
        self._head = head
        self._seen = 0
        self._plain = PlainEvidence()

    def feed(self, line: str) -> Layout | None:
        """Return the layout that a line is unmistakably in, plain text excluded, or None where it tells nothing.

        Raises DataError, with the program's name, for a line that another program writes.
        """
        if not line.strip():
            return None
        first, self._seen = self._seen == 0, self._seen + 1
        if first:
            _refuse_document(line.strip(), self._head or line, self._name)
        for layout in LAYOUTS.values():
            if layout is not PLAIN and layout.recognise(line, first):
                return layout
        if app := app_of_line(line):
            raise DataError(_foreign(self._name, app))
        self._plain.add(line)
        return None

    @property
    def is_plain(self) -> bool:
        """Whether the lines so far are plain text's."""
        return self._plain.holds

    def conclude(self) -> Layout:
        """Return plain text for lines that no other layout claimed; raises DataError where they are none."""
        if self.is_plain:
            return PLAIN
        why = self._plain.why_not
        if why is None:
            raise DataError(f"No speaker was recognised in {self._name}: give {ACCEPTED}.")
        raise DataError(f"{self._name} is not read as a chat, for {why}: give {ACCEPTED}; --layout plain forces it.")


def detect_layout(lines: Iterable[str], name: str) -> Layout:
    """Return the layout of a text's (cleaned) lines; raises DataError, with what the text is instead, for none."""
    sample = [line for line, _ in zip((line for line in lines if line.strip()), range(_SAMPLE), strict=False)]
    detector = Detector(name, "\n".join(sample)[:_HEAD])
    for line in sample:
        if found := detector.feed(line):
            return found
    return detector.conclude()


def _refuse_document(first: str, head: str, name: str) -> None:
    """Raise DataError where a text's first line is that of a JSON document or a web page."""
    if first in ("{", "[", "[]", "{}") or first.startswith(("[{", '["', "[[")):
        if app := app_of_json(head):
            raise DataError(_foreign(name, app))
        raise DataError(
            f"{name} is a JSON document, not JSON Lines: write one object with speaker and text a line, for instance "
            "with jq -c '.[]'."
        )
    if first.lower().startswith(("<!doctype html", "<html")):
        app = app_of_page(head)
        raise DataError(_foreign(name, app) if app else f"{name} is a web page, not a transcript: give {ACCEPTED}.")


def _foreign(name: str, app: str) -> str:
    return f"{name} looks like an export of {app}, which is not read yet: give {ACCEPTED}."
