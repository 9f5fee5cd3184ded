"""Plain transcripts: ``이름: 말``, a line a message; a line without a name goes on with the message before it."""

from __future__ import annotations

import re
import unicodedata

from scoring.readers.chat import ChatParser
from scoring.readers.kakaotalk.notices import is_heading
from scoring.readers.messages import Layout, Message

# A name is short, has no sentence's end in it, and its colon is neither a clock's (3:12) nor an address's (https://).
_LINE = re.compile(r"(?P<name>[^\s:：][^:：\t]{0,39}?)\s*(?::(?!//)|：)(?P<text>.*)$")
_SENTENCE = re.compile(r"[.!?。…]$|[.!?。] ")
_LONGEST_NAME_WORDS = 4
# Signs of keys in JSON, YAML, HTML and code, never of a person.
_NO_NAME = re.compile(r'["{}<>=|\\`]')
_LEAST_SHARE = 0.9
"""The share of a text's lines that have to begin with a name before the text counts as plain."""
_FEW_LINES = 10
"""In a text of fewer lines nobody need speak twice."""


class PlainParser(ChatParser):
    """Reads ``이름: 말`` with an ordinary or a full-width colon."""

    def begin(self, number: int, line: str) -> Message | bool:
        """Return the message that begins here, or False for a line that goes on."""
        said = _split_line(line)
        if said is None:
            return False
        name, text = said
        return Message(number, name, text)


class PlainEvidence:
    """Counts what speaks for a text being plain: lines that begin with a name, and names that come again.

    An indented line counts with the line before it. ``begins_with_a_name``: so does the first of the lines.
    """

    def __init__(self) -> None:
        self._lines = 0
        self._explained = 0
        self._speakers: set[str] = set()
        self._said = 0
        self.begins_with_a_name = False

    def add(self, line: str) -> None:
        """Take a line that is not blank."""
        self._lines += 1
        said = None if is_heading(line) else _split_line(line)
        if said is not None:
            self._said += 1
            self._speakers.add(said[0])
        if self._lines == 1:
            self.begins_with_a_name = said is not None
        self._explained += said is not None or (line[0].isspace() and self._said > 0)

    @property
    def holds(self) -> bool:
        """Whether the lines so far are those of a plain transcript."""
        return self._said > 0 and self.why_not is None

    @property
    def why_not(self) -> str | None:
        """What speaks against plain text, or None where nothing does or no line begins with a name."""
        if not self._said:
            return None
        if self._explained < _LEAST_SHARE * self._lines:
            return f"only {self._explained} of its first {self._lines} lines begin with a name and a colon"
        if self._said >= _FEW_LINES and 2 * len(self._speakers) > self._said:
            return f"{len(self._speakers)} names stand before a colon in {self._said} lines, as in a list"
        return None


def _split_line(line: str) -> tuple[str, str] | None:
    match = _LINE.match(line.strip())
    if match is None:
        return None
    name, text = match["name"], match["text"]
    clock = name[-1].isdigit() and text[:1].isdigit()
    if clock or _SENTENCE.search(name) or len(name.split()) > _LONGEST_NAME_WORDS or not _may_be_a_name(name):
        return None
    return name, text.strip()


def _may_be_a_name(name: str) -> bool:
    """Tell whether a text has a letter or an emoji in it, and no sign that only keys of data have."""
    return _NO_NAME.search(name) is None and any(unicodedata.category(sign) in _NAME_SIGNS for sign in name)


_NAME_SIGNS = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "So"})


def _recognise(line: str, first: bool) -> bool:
    return _split_line(line) is not None


PLAIN = Layout("plain", recognise=_recognise, parser=lambda source: PlainParser())
