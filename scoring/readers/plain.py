"""Plain transcripts: ``이름: 말``, a line a message; a line without a name goes on with the message before it."""

from __future__ import annotations

import re

from scoring.readers.chat import ChatParser
from scoring.readers.kakaotalk.notices import is_heading
from scoring.readers.messages import Layout, Message

# A name is short, has no sentence's end in it, and its colon is neither a clock's (3:12) nor an address's (https://).
_LINE = re.compile(r"(?P<name>[^\s:：][^:：\t]{0,39}?)\s*(?::(?!//)|：)(?P<text>.*)$")
_SENTENCE = re.compile(r"[.!?。…]$|[.!?。] ")
_LONGEST_NAME_WORDS = 4


class PlainParser(ChatParser):
    """Reads ``이름: 말`` with an ordinary or a full-width colon."""

    def begin(self, number: int, line: str) -> Message | bool:
        """Return the message that begins here, or False for a line that goes on."""
        said = _split_line(line)
        if said is None:
            return False
        name, text = said
        return Message(number, name, text)


def _split_line(line: str) -> tuple[str, str] | None:
    match = _LINE.match(line.strip())
    if match is None:
        return None
    name, text = match["name"], match["text"]
    clock = name[-1].isdigit() and text[:1].isdigit()
    if clock or _SENTENCE.search(name) or len(name.split()) > _LONGEST_NAME_WORDS:
        return None
    return name, text.strip()


def _recognise(line: str, first: bool) -> bool:
    return not is_heading(line) and not line.lstrip().startswith(("{", "[{")) and _split_line(line) is not None


PLAIN = Layout("plain", recognise=_recognise, parser=PlainParser)
