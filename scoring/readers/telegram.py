"""Telegram Desktop's ``result.json``: one chat (Export chat history), or all of them (Export Telegram data).

A text is a string, or a list of strings and of objects with a ``text`` (links, bold words).
"""

from __future__ import annotations

from collections.abc import Mapping

from scoring.readers.json_documents import JsonDocument, read_json, string
from scoring.readers.json_text import DocumentText
from scoring.readers.messages import DocumentLayout, Reading

_MESSAGE = {"id", "type", "date", "text"}
_CHAT = {"id", "type", "messages"}
_MEDIA = {
    "sticker": "emoticon",
    "animation": "emoticon",
    "video_file": "video",
    "video_message": "video",
    "voice_message": "voice",
    "audio_file": "file",
}
_OTHERS = {
    "file": "file",
    "contact_information": "contact",
    "location_information": "map",
    "poll": "vote",
    "todo_list": "vote",
    "game_title": "file",
    "invoice_information": "money",
    "giveaway_information": "gift",
}
_CHAT_LISTS = ("chats", "left_chats")


def _recognise(document: DocumentText) -> bool:
    found = document.outline
    return found is not None and (found.message >= _MESSAGE or found.chat >= _CHAT)


def _read(text: str) -> Reading:
    return read_json(text, _walk)


def _walk(document: JsonDocument) -> None:
    cursor = document.cursor
    for key in cursor.members():
        if key == "messages" and cursor.peek() == "[":
            _chat(document, "")
        elif key in _CHAT_LISTS and cursor.peek() == "{":
            for inner in cursor.members():
                if inner == "list" and cursor.peek() == "[":
                    _chats(document)


def _chats(document: JsonDocument) -> None:
    cursor, taken = document.cursor, set()
    for number, _ in enumerate(cursor.elements(), start=1):
        name = ""
        for key in cursor.members():
            if key == "name":
                name = string(cursor.value())
            elif key == "messages" and cursor.peek() == "[":
                own = name or f"chat {number}"
                own = own if own not in taken else f"{own} ({number})"
                taken.add(own)
                _chat(document, own)


def _chat(document: JsonDocument, conversation: str) -> None:
    for line, entry in document.entries():
        if entry.get("type") != "message":
            document.reading.system_lines += 1
            continue
        text, media = _text(entry.get("text")), _media(entry)
        if not text and media is None:
            document.reading.system_lines += 1
            continue
        photo = entry.get("photo")
        row = {
            "speaker": string(entry.get("from")) or string(entry.get("from_id")),
            "text": text,
            "media": media,
            "time": entry.get("date") or entry.get("date_unixtime"),
        }
        document.say(line, row, photo if isinstance(photo, str) else None, conversation)


def _text(value: object) -> str:
    """Return a text of one or of many pieces."""
    pieces = value if isinstance(value, list) else [value]
    said = [piece.get("text") if isinstance(piece, Mapping) else piece for piece in pieces]
    return "".join(piece for piece in said if isinstance(piece, str)).strip()


def _media(entry: Mapping[str, object]) -> str | None:
    if entry.get("photo"):
        return "photo"
    kind = entry.get("media_type")
    if isinstance(kind, str):
        return _MEDIA.get(kind, "file")
    return next((media for key, media in _OTHERS.items() if entry.get(key)), None)


TELEGRAM = DocumentLayout("telegram", _recognise, _read)
