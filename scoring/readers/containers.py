"""The transcripts in a file: its own bytes, or those in a .zip or an e-mail; nothing is unpacked to disk."""

from __future__ import annotations

import io
import re
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path, PurePosixPath

from clip_emotion.archive_faults import ARCHIVE_FAULTS
from clip_emotion.errors import DataError
from clip_emotion.text import nfc

SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl", ".json", ".xml", ".zip", ".eml")
"""What the names of transcripts, and of what holds some, end in."""
LARGEST = 200_000_000
"""Bytes of transcripts that are read of one input: some three million messages."""
_MOST_MEMBERS = 20_000
_MOST_TRANSCRIPTS = 200
_ZIP_MARK = b"PK\x03\x04"
_MAIL_HEADERS = re.compile(
    rb"\A(?:[A-Za-z][A-Za-z-]{1,40}:[^\n]*\n(?:[ \t][^\n]*\n)*)*(?:MIME-Version|Content-Type):", re.IGNORECASE
)
_HEAD = 20_000
# WhatsApp on iOS, Instagram and Facebook, Telegram: beside these lie files that people sent, and the account's own.
_CHAT_NAMES = tuple(map(re.compile, (r"_chat\.txt", r"message_\d{1,4}\.json", r"result\.json")))
_PART = re.compile(r"(?P<chat>.*/)?message_\d{1,4}\.json")


@dataclass(frozen=True)
class Member:
    """The bytes of one transcript, and what it is called."""

    name: str
    raw: bytes


def chat_folder(member: str) -> str | None:
    """Return the folder of a chat that its program cuts into ``message_1.json``, ``message_2.json`` …, or None."""
    match = _PART.fullmatch(member)
    return (match["chat"] or "").rstrip("/") if match else None


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes; raises DataError where there is no such file, or it cannot be read or is too large."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise DataError(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error
    return bounded(raw, str(path))


def bounded(raw: bytes, name: str) -> bytes:
    """Return the bytes as they are; raises DataError where there are more than one input may have."""
    if len(raw) > LARGEST:
        raise DataError(f"{name} is larger than {LARGEST // 1_000_000} MB: split it into parts.")
    return raw


def members(raw: bytes, name: str) -> list[Member]:
    """Return the transcripts in an input's bytes: those of a .zip or of an e-mail, or the bytes themselves.

    Raises DataError where an archive is damaged, locked, holds no transcript, or is larger than it may be.
    """
    if raw.startswith(_ZIP_MARK):
        return _zipped(raw, name)
    if name.lower().endswith(".eml") or _MAIL_HEADERS.match(raw[:_HEAD]):
        return [Member(name, _mailed(raw, name))]
    return [Member(name, raw)]


def _zipped(raw: bytes, name: str) -> list[Member]:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            found = _transcripts(archive, name)
            room = LARGEST
            read: list[Member] = []
            for info in found:
                with archive.open(info) as file:
                    content = file.read(room + 1)
                room -= len(bounded(content, f"What {name} holds") if len(content) <= room else _too_large(name))
                read.append(Member(_member_name(info), content))
    except NotImplementedError as error:
        raise DataError(f"{name} is packed in a way that is not read: unpack it first.") from error
    except RuntimeError as error:
        raise DataError(f"{name} is locked with a password: unpack it first.") from error
    except ARCHIVE_FAULTS as error:
        raise DataError(f"{name} is a damaged archive: export the chat again.") from error
    names = name if len(read) == 1 else None
    return [
        Member(names or f"{name}/{member.name}", inner)
        for member in read
        for inner in [_mailed(member.raw, member.name) if member.name.lower().endswith(".eml") else member.raw]
    ]


def _too_large(name: str) -> bytes:
    raise DataError(f"{name} holds more than {LARGEST // 1_000_000} MB of transcripts: unpack and split it.")


def _transcripts(archive: zipfile.ZipFile, name: str) -> list[zipfile.ZipInfo]:
    entries = archive.infolist()
    if len(entries) > _MOST_MEMBERS:
        raise DataError(f"{name} holds more than {_MOST_MEMBERS:,} files: give the chat's own export.")
    wanted = tuple(suffix for suffix in SUFFIXES if suffix != ".zip")
    found = _chosen([entry for entry in entries if _is_transcript(entry, wanted)])
    if not found:
        raise DataError(f"{name} holds no transcript: a transcript's name ends in {', '.join(wanted)}.")
    if len(found) > _MOST_TRANSCRIPTS:
        raise DataError(f"{name} holds more than {_MOST_TRANSCRIPTS} transcripts: unpack it and give its folders.")
    return sorted(found, key=_member_name)


def _chosen(entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """Return the chats of an export that says by their names which they are; its others are no chats."""
    for chats in _CHAT_NAMES:
        found = [entry for entry in entries if chats.fullmatch(PurePosixPath(_member_name(entry)).name)]
        if found:
            return found
    return entries


def _is_transcript(entry: zipfile.ZipInfo, suffixes: tuple[str, ...]) -> bool:
    path = PurePosixPath(_member_name(entry))
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return not entry.is_dir() and not hidden and path.name.lower().endswith(suffixes)


def _member_name(entry: zipfile.ZipInfo) -> str:
    """Return a member's path with its parts that mean something; old Windows writes it in CP949."""
    name = entry.filename
    if not entry.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("cp949")
    return nfc("/".join(part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")))


def _mailed(raw: bytes, name: str) -> bytes:
    """Return the transcript in an e-mail: its attachment, or else its text."""
    try:
        parts = [part for part in message_from_bytes(raw, policy=policy.default).walk() if not part.is_multipart()]
        attached = [part for part in parts if str(part.get_filename() or "").lower().endswith((".txt", ".csv"))]
        plain = [part for part in parts if part.get_content_type() == "text/plain"]
        content = [_content(part) for part in (*attached, *plain)]
    except (ValueError, LookupError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise DataError(f"{name} is a damaged e-mail: save the attached transcript and give that.") from error
    for found in content:
        if found.strip():
            return found
    raise DataError(f"{name} is an e-mail without a transcript in it.")


def _content(part: object) -> bytes:
    assert isinstance(part, EmailMessage)
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return b""
    charset = part.get_content_charset("utf-8")
    try:
        return content.decode(charset).encode("utf-8")
    except (UnicodeError, LookupError):
        # The transcript's own reading knows UTF-8, UTF-16 and CP949, and tells of damage.
        return content
