"""Messenger's download of encrypted chats (secure storage): a JSON file a chat, its text as it was written."""

from __future__ import annotations

from collections.abc import Mapping

from scoring.readers.documents import oldest_first
from scoring.readers.json_documents import JsonDocument, read_messages, string
from scoring.readers.json_text import DocumentText
from scoring.readers.messages import DocumentLayout, Reading

_MESSAGE = {"senderName", "timestamp", "type"}
_SYSTEM = {"placeholder", "admin", "system"}


def _recognise(document: DocumentText) -> bool:
    found = document.outline
    return found is not None and found.message >= _MESSAGE


def _read(text: str) -> Reading:
    return oldest_first(read_messages(text, _entry))


def _entry(document: JsonDocument, line: int, entry: Mapping[str, object]) -> None:
    text, kind = string(entry.get("text")), string(entry.get("type"))
    media = "photo" if entry.get("media") else None
    if entry.get("isUnsent") is True:
        text, media = "", "deleted"
    if kind in _SYSTEM or not (text or media):
        document.reading.system_lines += 1
        return
    row = {"speaker": entry.get("senderName"), "text": text, "media": media, "time": entry.get("timestamp")}
    document.say(line, row)


MESSENGER = DocumentLayout("messenger", _recognise, _read)
