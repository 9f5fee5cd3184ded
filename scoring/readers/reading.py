"""Whole inputs: a file or a stream becomes the conversations in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from clip_emotion.errors import DataError
from clip_emotion.text import nfc
from scoring.conversation import Conversation, Fault, Turn
from scoring.readers.cleaning import checked, clean, decode
from scoring.readers.containers import LARGEST, Member, bounded, members, read_bytes
from scoring.readers.detection import ACCEPTED, detect_layout
from scoring.readers.layouts import AUTO, LAYOUTS, check_layout
from scoring.readers.messages import Layout, Message, fault
from scoring.readers.turns import TurnBuilder


@dataclass(frozen=True)
class ReadOptions:
    """How inputs are read: in the layout of a name, or in the one that is recognised (``auto``)."""

    layout: str = AUTO


def read_conversations(path: Path, options: ReadOptions | None = None) -> tuple[Conversation, ...]:
    """Read a file's conversations: one, or one for each transcript in a .zip and each name in a table or JSON Lines.

    Turns count from 1 in each. System lines and faults are the whole file's and stand with its first conversation.
    Raises DataError when the file cannot be read or holds no turn, UsageError for an unknown layout.
    """
    options = options or ReadOptions()
    check_layout(options.layout)
    raw = read_bytes(path)
    found = members(raw, nfc(path.name))
    if len(found) > 1:
        return _read_members(found, options)
    (member,) = found
    # Images lie beside a file, never beside what was in an archive.
    folder = path.parent if member.raw is raw else None
    return _read(Transcript(member.name, decode(member.raw, str(path)), folder), options)


def read_stream(stream: TextIO, name: str, options: ReadOptions | None = None) -> tuple[Conversation, ...]:
    """Read a stream's conversations as ``read_conversations`` does a file's; it has no folder, so no images.

    A stream over bytes (standard input) is decoded like a file, whatever encoding it was opened with.
    """
    options = options or ReadOptions()
    check_layout(options.layout)
    binary = getattr(stream, "buffer", None)
    try:
        if binary is None:
            return _read(Transcript(name, checked(stream.read(), name), None), options)
        found = members(bounded(binary.read(LARGEST + 1), name), name)
    except (OSError, ValueError) as error:
        raise DataError(f"Cannot read {name}: {error}.") from error
    return _read_members(found, options)


def _read_members(found: Sequence[Member], options: ReadOptions) -> tuple[Conversation, ...]:
    """Read all transcripts of one input; one that cannot be read is a fault, and an error where none can."""
    conversations: list[Conversation] = []
    errors: list[tuple[Member, DataError]] = []
    for member in found:
        try:
            conversations += _read(Transcript(member.name, decode(member.raw, member.name), None), options)
        except DataError as error:
            errors.append((member, error))
    if not conversations:
        raise errors[0][1]
    reason = "a file in the archive could not be read as a conversation"
    unread = tuple(fault(1, reason, f"{member.name}: {error}") for member, error in errors)
    first = conversations[0]
    return (replace(first, faults=(*first.faults, *unread)), *conversations[1:])


@dataclass(frozen=True)
class Transcript:
    """A text, what it is called, and the folder it lies in, if it does."""

    name: str
    text: str
    folder: Path | None


def _read(transcript: Transcript, options: ReadOptions) -> tuple[Conversation, ...]:
    lines = clean(transcript.text).split("\n")
    if not any(line.strip() for line in lines):
        raise DataError(f"{transcript.name} is empty: give {ACCEPTED}.")
    chosen = options.layout
    layout = detect_layout(lines, transcript.name) if chosen == AUTO else LAYOUTS[chosen]
    return _conversations(transcript, layout, lines)


def _conversations(transcript: Transcript, layout: Layout, lines: Sequence[str]) -> tuple[Conversation, ...]:
    parser = layout.parser(lines)
    builder = TurnBuilder(transcript.folder, has_placeholders=layout.has_placeholders)
    turns: dict[str, list[Turn]] = {}

    def collect(messages: Sequence[Message]) -> None:
        for message in messages:
            turns.setdefault(message.conversation, []).extend(builder.turns((message,)))

    for number, line in enumerate(lines, start=1):
        collect(parser.feed(number, line))
    collect(parser.finish())
    faults = sorted((*parser.faults, *builder.faults), key=lambda entry: entry.line)
    if not turns:
        raise DataError(_why_none(transcript.name, layout, faults))
    conversations = [
        Conversation(f"{transcript.name}:{key}" if key else transcript.name, tuple(said), layout.name)
        for key, said in turns.items()
    ]
    conversations[0] = replace(conversations[0], system_lines=parser.system_lines, faults=tuple(faults))
    return tuple(conversations)


def _why_none(name: str, layout: Layout, faults: Sequence[Fault]) -> str:
    if not faults:
        return f"{name} holds no message, only lines of the export itself: export the conversation again."
    worst = faults[0]
    return (
        f"No turn could be read from {name} as {layout.name}; line {worst.line}: {worst.reason}. "
        f"Give {ACCEPTED}, or name its layout."
    )
