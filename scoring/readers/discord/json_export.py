"""DiscordChatExporter's JSON: a channel with its messages, the time of each in ISO 8601."""

from __future__ import annotations

from collections.abc import Mapping

from scoring.readers.json_documents import JsonDocument, read_messages, string
from scoring.readers.json_text import DocumentText
from scoring.readers.messages import DocumentLayout, Reading
from scoring.readers.turns import file_kind

_MESSAGE = {"author", "timestamp", "content"}
_SAID = {"Default", "Reply", "0", "19", "ThreadStarterMessage", "ChatInputCommand"}


def _recognise(document: DocumentText) -> bool:
    found = document.outline
    if found is None:
        return False
    return found.message >= _MESSAGE or (not found.message and found.keys >= {"guild", "channel"})


def _read(text: str) -> Reading:
    return read_messages(text, _entry)


def _entry(document: JsonDocument, line: int, entry: Mapping[str, object]) -> None:
    text, author = string(entry.get("content")), entry.get("author")
    names = author if isinstance(author, Mapping) else {}
    media, attached = _attached(entry)
    kind = entry.get("type")
    if (isinstance(kind, str) and kind not in _SAID) or not (text or media):
        document.reading.system_lines += 1
        return
    row = {
        "speaker": string(names.get("nickname")) or string(names.get("name")),
        "text": text,
        "media": media,
        "time": entry.get("timestamp"),
    }
    document.say(line, row, attached)


def _attached(entry: Mapping[str, object]) -> tuple[str | None, str | None]:
    """Return what came with a message, and where the first picture lies."""
    if entry.get("stickers"):
        return "emoticon", None
    attachments = entry.get("attachments")
    first = attachments[0] if isinstance(attachments, list) and attachments else None
    if isinstance(first, Mapping):
        kind = file_kind((string(first.get("fileName")) or string(first.get("url"))).split("?")[0])
        return kind, string(first.get("url")) if kind == "photo" else None
    return ("file" if entry.get("embeds") else None), None


DISCORD = DocumentLayout("discord", _recognise, _read)
