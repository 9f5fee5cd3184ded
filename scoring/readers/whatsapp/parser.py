"""WhatsApp: ``1/5/26, 3:12 PM - Name: text`` (Android) and ``[05.01.26, 15:12:33] Name: text`` (iOS).

Stamps are as the phone's country writes them. On iOS everything that is not a person's words begins with a
left-to-right mark; on Android a notice has no name.
"""

from __future__ import annotations

from datetime import datetime

from scoring.readers.chat import ChatParser
from scoring.readers.cleaning import MARK, clean
from scoring.readers.messages import LONGEST_NAME, Layout, Message, Source
from scoring.readers.whatsapp.stamps import Stamp, split_stamp
from scoring.readers.whatsapp.survey import EARLIEST, Survey, split_name, survey
from scoring.readers.whatsapp.words import is_notice, left_out, without_edit
from scoring.readers.written_dates import OrderEvidence


class WhatsAppParser(ChatParser):
    """Reads one export; without a survey the order of dates is told as soon as one line tells it."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._survey: Survey | None = survey(source) if source.lines else None
        self._evidence = OrderEvidence(EARLIEST, self._survey.order if self._survey else source.date_order)
        self._style: tuple[str, ...] | None = None

    def begin(self, number: int, line: str) -> Message | bool:
        """Return the message that begins here, True for a notice, False for a line that goes on."""
        found = split_stamp(line)
        if found is None or (self.speaking and self._is_pasted(number, found[0])):
            return False
        stamp, rest = found
        self._style = self._style or stamp.style
        said = split_name(rest)
        if said is None:
            return self.notice(None)
        name, text = " ".join(clean(said[0]).split()), said[1]
        if len(name) > LONGEST_NAME:
            return self.refuse(number, "it has a time but no name and message", clean(line))
        own = text.startswith(MARK) and left_out(clean(without_edit(text)).strip()) is None
        if not name or own or is_notice(name, clean(text)):
            return self.notice(None)
        moment = self._moment(stamp)
        if moment is None and self._evidence.given is not None:
            return self.refuse(number, "its date or time does not exist", clean(line))
        return Message(number, name, text, moment)

    def completed(self, message: Message) -> None:
        """Tell what a message's words stand for; marks are gone from here on."""
        said, mark, file = without_edit(message.text).rpartition(f"{MARK}<")
        text = clean(said).strip()
        if mark and not (text and left_out(f"<{file}")):
            text = clean(f"{said}<{file}").strip()
        elif not mark:
            text = clean(file).strip()
        if found := left_out(text):
            message.media, message.attached, text = found
            message.media = None if text else message.media
        message.text = text

    def _is_pasted(self, number: int, stamp: Stamp) -> bool:
        if self._survey is not None:
            return number in self._survey.pasted
        return self._style is not None and stamp.style != self._style

    def _moment(self, stamp: Stamp) -> datetime | None:
        order = self._evidence.order_of(stamp.date)
        day = stamp.date.read(order) if order else None
        return datetime.combine(day, stamp.clock) if day and stamp.clock else None


def _recognise(line: str, first: bool) -> bool:
    return split_stamp(line) is not None


WHATSAPP = Layout("whatsapp", _recognise, WhatsAppParser, has_marks=True)
