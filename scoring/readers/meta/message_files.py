"""Instagram's and Facebook's ``message_1.json``, ``message_2.json`` …: newest first, and their text mis-encoded.

Each byte of the UTF-8 text stands as a letter of its own (안 as ``\\u00ec\\u0095\\u0088``); here it is put together.
Reactions stand beside the message they belong to, and as messages of their own (``Reacted ❤️ to your message``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from scoring.readers.documents import oldest_first
from scoring.readers.json_documents import JsonDocument, read_messages, string
from scoring.readers.json_text import DocumentText
from scoring.readers.messages import DocumentLayout, Reading

_MESSAGE = {"sender_name", "timestamp_ms"}
_MEDIA = {
    "photos": "photo",
    "videos": "video",
    "audio_files": "voice",
    "files": "file",
    "gifs": "emoticon",
    "sticker": "emoticon",
    "share": "file",
    "call_duration": "call",
}
_REACTION = re.compile(
    r"This poll is no longer available\.|.{1,80} poll has multiple updates\."
    r"|Reacted .{1,20} to (?:your|a|their|her|his|.{1,60}'s) (?:message|photo|video|story)\.?"
    r"|.{1,80} reacted .{1,20} to your message\.?|Liked a message\.?"
    r"|(?:.{0,80} )?메시지를 좋아(?:합니다|했습니다|해요)\.?"
    r"|.{0,80}메시지에 .{0,20}(?:반응을 (?:보냈|보였|남겼)|공감(?:을 남겼|했))(?:습니다|어요)\.?"
)
_ATTACHED = re.compile(
    r".{1,80} sent (?:an attachment|a photo|\d+ photos|a video|a voice message|a live location|a GIF)\.?"
    r"|.{0,80}(?:첨부 파일|사진|동영상|사진 \d+장|음성 메시지)[을를] (?:보냈|전송했)(?:습니다|어요)\.?"
    r"|.{1,80} (?:unsent a message|shared a (?:story|post|reel|link))\.?"
)
_DEEDS = "|".join(
    (
        *("named the group", "added", "removed", "(?:left|joined|created) the group", "changed the (?:theme|group)"),
        *("set the (?:nickname|quick reaction|emoji)", "started (?:a|an) (?:audio|video) (?:chat|call)"),
        *("started a (?:call|chat)", "missed (?:a|your) (?:audio|video)? ?(?:call|chat)"),
    )
)
_GROUP = re.compile(
    rf".{{1,80}} (?:{_DEEDS})\b.{{0,120}}"
    r"|.{1,80}(?:그룹 이름을|님을 그룹에|그룹에서 나갔|테마를|영상 채팅을).{0,120}(?:습니다|어요)\.?"
)


def _recognise(document: DocumentText) -> bool:
    found = document.outline
    return found is not None and (found.message >= _MESSAGE or (not found.message and "participants" in found.keys))


def _read(text: str) -> Reading:
    return oldest_first(read_messages(text, _entry))


def _entry(document: JsonDocument, line: int, entry: Mapping[str, object]) -> None:
    speaker, text, media = string(mended(entry.get("sender_name"))), string(mended(entry.get("content"))), _media(entry)
    # Who did something is named first: by the name of whom the entry is, or as the owner of the file.
    deed = text.startswith(("You ", "회원님", speaker.split(" ")[0] or "\n")) and _GROUP.fullmatch(text)
    if deed or _REACTION.fullmatch(text) or entry.get("type") in ("Subscribe", "Unsubscribe"):
        document.reading.system_lines += 1
        return
    if entry.get("is_unsent") is True:
        text, media = "", "deleted"
    elif text and _ATTACHED.fullmatch(text):
        text, media = "", media or "file"
    if not text and media is None:
        document.reading.system_lines += 1
        return
    row = {"speaker": speaker, "text": text, "media": media, "time": entry.get("timestamp_ms")}
    document.say(line, row, _photo(entry.get("photos")))


def mended(value: object) -> object:
    """Return a text whose letters are the bytes of UTF-8 as the text that was meant; anything else as it is."""
    if not isinstance(value, str) or value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        # Some versions write it as it is.
        return value


def _media(entry: Mapping[str, object]) -> str | None:
    return next((media for key, media in _MEDIA.items() if entry.get(key)), None)


def _photo(photos: object) -> str | None:
    """Return where the first photo lies, seen from the folder of the messages."""
    first = photos[0] if isinstance(photos, list) and photos else None
    uri = first.get("uri") if isinstance(first, Mapping) else None
    return "/".join(uri.split("/")[-2:]) if isinstance(uri, str) else None


META = DocumentLayout("meta", _recognise, _read)
