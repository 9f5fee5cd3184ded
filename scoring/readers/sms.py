"""SMS Backup & Restore for Android: XML with ``<sms>`` and ``<mms>``, a conversation for each contact.

The file names its owner nowhere: what was sent is by ``나`` where a contact is written in Hangul, else by ``Me``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.parsers import expat

from clip_emotion.errors import DataError
from clip_emotion.text import has_hangul
from scoring.readers.cleaning import clean
from scoring.readers.documents import in_order, take_row
from scoring.readers.json_text import DocumentText
from scoring.readers.messages import DocumentLayout, Reading, fault

_HEAD = 20_000
_ROOT = re.compile(r"\A\ufeff?\s*(?:<\?xml[^>]*\?>|<!--.*?-->|<\?xml-stylesheet[^>]*\?>|\s)*<smses[\s>]", re.DOTALL)
# The app writes an emoji as two halves, which are no characters by themselves.
_HALVES = re.compile(r"&#(5[56]\d{3});&#(5[67]\d{3});")
_NO_CHARACTER = re.compile(r"&#(?:[0-8]|1[124-9]|2\d|3[01]|5[5-7]\d{3}|6553[45]);")
_RECEIVED, _SENT = {"1"}, {"2", "4", "5", "6"}
_UNKNOWN = {"", "null", "(unknown)"}
_FROM = "137"
_OWN_TOKEN = "insert-address-token"
ME = {True: "나", False: "Me"}


def _recognise(document: DocumentText) -> bool:
    return _ROOT.match(document.text[:_HEAD]) is not None


def _read(text: str) -> Reading:
    collector = _Collector()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = lambda name, attributes: collector.start(name, attributes, parser.CurrentLineNumber)
    parser.EndElementHandler = collector.end
    try:
        parser.Parse(_NO_CHARACTER.sub("", _HALVES.sub(_joined, text)), True)
    except expat.ExpatError as error:
        reason = "it is no valid XML, so that it and what follows are left out"
        collector.reading.faults.append(fault(error.lineno, reason, str(error)))
    return collector.finished()


def _refuse_doctype(*_: object) -> None:
    raise DataError("The backup declares a document type, which none of the app's does: it is not read.")


def _joined(match: re.Match[str]) -> str:
    high, low = int(match[1]), int(match[2])
    if 0xD800 <= high < 0xDC00 <= low < 0xE000:
        return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    return ""


class _Collector:
    """Takes elements, and makes a row of each message."""

    def __init__(self) -> None:
        self.reading = Reading()
        self._rows: list[tuple[int, dict[str, object], str]] = []
        self._open: tuple[int, Mapping[str, str]] | None = None
        self._texts: list[str] = []
        self._media: str | None = None
        self._from = ""

    def start(self, name: str, attributes: Mapping[str, str], line: int) -> None:
        if name == "sms":
            self._take(line, attributes, attributes.get("type", ""), attributes.get("body", ""), None, "")
        elif name == "mms":
            self._open, self._texts, self._media, self._from = (line, attributes), [], None, ""
        elif name == "part" and self._open:
            self._part(attributes)
        elif name == "addr" and self._open and attributes.get("type") == _FROM:
            self._from = attributes.get("address", "")

    def end(self, name: str) -> None:
        if name == "mms" and self._open:
            line, attributes = self._open
            self._open = None
            text = "\n".join(self._texts)
            self._take(line, attributes, attributes.get("msg_box", ""), text, self._media, self._from)

    def _part(self, part: Mapping[str, str]) -> None:
        kind = part.get("ct", "").lower()
        if kind == "text/plain":
            self._texts.append(part.get("text", ""))
        elif kind.startswith(("image/", "video/", "audio/")):
            self._media = {"image": "photo", "video": "video", "audio": "voice"}[kind.split("/")[0]]
        elif kind != "application/smil":
            self._media = self._media or "file"

    def _take(
        self, line: int, attributes: Mapping[str, str], box: str, text: str, media: str | None, sender: str
    ) -> None:
        if box not in _RECEIVED | _SENT or (text in ("", "null") and media is None):
            # A draft, or a message of which nothing is there.
            self.reading.system_lines += 1
            return
        address = attributes.get("address", "")
        contact = attributes.get("contact_name", "")
        contact = address if contact.strip().lower() in _UNKNOWN else contact
        in_group = "~" in address and sender and sender != _OWN_TOKEN
        row: dict[str, object] = {
            "speaker": None if box in _SENT else sender if in_group else contact,
            "text": "" if text == "null" else text,
            "media": media,
            "time": attributes.get("date"),
        }
        self._rows.append((line, row, _key(contact)))

    def finished(self) -> Reading:
        """Return the messages of each contact, in the order of time."""
        me = ME[any(has_hangul(conversation) for _, _, conversation in self._rows)]
        for line, row, conversation in self._rows:
            take_row(self.reading, line, {**row, "speaker": row["speaker"] or me}, conversation=conversation)
        return in_order(self.reading)


def _key(contact: str) -> str:
    """Return what a contact is called, a number without the signs between its digits."""
    name = clean(contact).strip()
    return re.sub(r"[\s().-]", "", name) if re.fullmatch(r"[\d\s+().~-]+", name) else name


SMS = DocumentLayout("sms-backup", _recognise, _read)
