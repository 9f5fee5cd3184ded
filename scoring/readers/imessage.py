"""imessage-exporter's text: the time on a line of its own, the sender on the next, then the words, then a blank line.

Replies stand twice, indented under the message they answer and in their own place; the former are passed over. So are
tapbacks, effects and what tells that a message was a reply.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from scoring.readers.chat import ChatParser
from scoring.readers.messages import LONGEST_NAME, Layout, Message, Source
from scoring.readers.times import MONTH, read_time
from scoring.readers.turns import file_kind

_MOMENT = rf"{MONTH} {{1,2}}\d{{1,2}}, \d{{4}} {{1,2}}\d{{1,2}}:\d{{2}}:\d{{2}} [AP]M"
_STAMP = re.compile(rf"(?P<moment>{_MOMENT})(?: \((?:Read|Delivered) .{{1,120}}\))?")
_INDENTED = re.compile(rf"\s+{_STAMP.pattern}")
_STAMPED = re.compile(rf"(?P<moment>{_MOMENT}) (?P<text>\S.*)")
_TAPBACKS = ("Tapbacks:", "Reactions:")
_EFFECTS = (
    *("Confetti", "Echo", "Fireworks", "Balloons", "Heart", "Lasers", "Shooting Star", "Sparkles", "Spotlight"),
    *("Slam", "Loud", "Gentle", "Invisible Ink"),
)
_TRAILERS = {
    "This message responded to an earlier message.",
    *(f"Sent with {effect}" for effect in _EFFECTS),
}
_EDITED = re.compile(r"Edited .{1,80} later: ?(?P<text>.*)")
_DELETED = re.compile(r"(?:You|They|.{1,80}) (?:deleted|unsent) (?:a message|this message part|a message part)[.!]?")
_ATTACHMENT = re.compile(r"(?:/|~/|\.{0,2}/|attachments/|[A-Z]:\\)\S.{0,400}\.\w{2,5}|Attachment missing!")


class IMessageParser(ChatParser):
    """Reads one chat of one file."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._moment: datetime | None = None
        # Whether the lines up to a blank one are a reply's or tapbacks, which stand elsewhere or are nobody's words.
        self._passing = False
        self._said_by = 0

    def feed(self, number: int, line: str) -> Sequence[Message]:
        """Take a line; returns the message that it ends, if any."""
        if not line.strip():
            self._passing = False
        return super().feed(number, line)

    def begin(self, number: int, line: str) -> Message | bool:
        """Return the message that begins with this line's sender, True for what is no message, False for words."""
        if self._moment is not None:
            moment, self._moment = self._moment, None
            name = " ".join(line.split())[:LONGEST_NAME]
            self._said_by = number
            return Message(number, name, "", moment)
        if match := _STAMP.fullmatch(line.rstrip()):
            self._passing = False
            self.notice()
            self._moment = read_time(" ".join(match["moment"].split()))
            return self._moment is not None or self.refuse(number, "its date or time does not exist", line)
        if self._passing:
            return self._pass()
        if _INDENTED.fullmatch(line.rstrip()) or line.strip() in _TAPBACKS:
            self._passing = True
            return self._pass()
        if line.strip() in _TRAILERS:
            return self._pass()
        if self._said_by != number - 1 and _STAMPED.fullmatch(line):
            return self.notice()
        return False

    def completed(self, message: Message) -> None:
        """Take the newest form of an edited message, and tell what was attached."""
        lines = message.text.split("\n")
        if match := _STAMPED.fullmatch(lines[0]):
            lines[0] = match["text"]
        edits = [edited["text"] for line in lines if (edited := _EDITED.fullmatch(line))]
        if edits:
            lines = [edits[-1]]
        files = [line for line in lines if _ATTACHMENT.fullmatch(line)]
        message.text = "\n".join(line for line in lines if line not in files).strip()
        if _DELETED.fullmatch(message.text):
            message.text, message.media = "", "deleted"
        elif files:
            message.attached = files[0]
            message.media = None if message.text else file_kind(files[0])

    def _pass(self) -> bool:
        self.system_lines += 1
        return True


def _recognise(line: str, first: bool) -> bool:
    return _STAMP.fullmatch(line.rstrip()) is not None


IMESSAGE = Layout("imessage-exporter", _recognise, IMessageParser)
