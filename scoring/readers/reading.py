"""Whole inputs: a file or a stream becomes the conversations in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from clip_emotion.errors import DataError
from clip_emotion.text import nfc
from scoring.conversation import Conversation, Fault, Turn
from scoring.readers.cleaning import checked, clean, decode
from scoring.readers.containers import LARGEST, Member, bounded, chat_folder, members, read_bytes
from scoring.readers.detection import ACCEPTED, check_explained, detect_document, detect_layout
from scoring.readers.joining import joined
from scoring.readers.layouts import AUTO, LAYOUTS, check_layout
from scoring.readers.messages import DocumentLayout, Message, Parser, Source, fault
from scoring.readers.turns import TurnBuilder
from scoring.readers.written_dates import check_order


@dataclass(frozen=True)
class ReadOptions:
    """How inputs are read: in the layout of a name, or in the one that is recognised (``auto``).

    ``date_order`` (``dmy``, ``mdy``, ``ymd``) is the order of dates in numbers alone; None: the one that they tell.
    """

    layout: str = AUTO
    date_order: str | None = None

    def check(self, *, live: bool = False) -> None:
        """Raise UsageError for an unknown layout or order of dates, or one of documents where lines come ``live``."""
        check_layout(self.layout, live=live)
        check_order(self.date_order)


def read_conversations(path: Path, options: ReadOptions | None = None) -> tuple[Conversation, ...]:
    """Read a file's conversations: one, or one for each transcript in a .zip and each name in a table or JSON Lines.

    Turns count from 1 in each. System lines and faults are the whole file's and stand with its first conversation.
    Raises DataError when the file cannot be read or holds no turn, UsageError for an unknown layout.
    """
    options = options or ReadOptions()
    options.check()
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
    options.check()
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
    conversations = _parts_joined(conversations)
    reason = "a file in the archive could not be read as a conversation"
    unread = tuple(fault(1, reason, f"{member.name}: {error}") for member, error in errors)
    first = conversations[0]
    return (replace(first, faults=(*first.faults, *unread)), *conversations[1:])


def _parts_joined(conversations: Sequence[Conversation]) -> list[Conversation]:
    """Return the conversations of an archive, of which those that one folder holds in parts are one."""
    chats: dict[str, list[Conversation]] = {}
    for conversation in conversations:
        folder = chat_folder(conversation.name)
        chats.setdefault(conversation.name if folder is None else folder, []).append(conversation)
    return [parts[0] if len(parts) == 1 else replace(joined(parts), name=name) for name, parts in chats.items()]


@dataclass(frozen=True)
class Transcript:
    """A text, what it is called, and the folder it lies in, if it does."""

    name: str
    text: str
    folder: Path | None


def _read(transcript: Transcript, options: ReadOptions) -> tuple[Conversation, ...]:
    text = transcript.text
    if not text.strip("\ufeff \t\r\n"):
        raise DataError(f"{transcript.name} is empty: give {ACCEPTED}.")
    chosen = LAYOUTS.get(options.layout) or detect_document(text)
    if isinstance(chosen, DocumentLayout):
        reading, builder = chosen.read(text), TurnBuilder(transcript.folder)
        turns = _gathered(reading.messages, builder)
        faults = (*reading.faults, *builder.faults)
        _refuse_none(transcript.name, options.layout, chosen.name, turns, faults)
        return _conversations(transcript, chosen.name, turns, faults, reading.system_lines)
    lines = clean(text).split("\n")
    layout = chosen or detect_layout(lines, transcript.name)
    if layout.has_marks:
        lines = clean(text, marks=True).split("\n")
    parser = layout.parser(Source(lines, options.date_order, transcript.name))
    builder = TurnBuilder(transcript.folder, has_placeholders=layout.has_placeholders)
    turns = _gathered(_messages(parser, lines), builder)
    if chosen is None and turns and not layout.is_table:
        check_explained(lines, layout, len(parser.faults), transcript.name)
    if layout.is_table and not turns and sum(bool(line.strip()) for line in lines) == 1 and not parser.faults:
        raise DataError(
            f"{transcript.name} is a table with a header and no rows: give it a row for each message, or export the "
            "conversation again."
        )
    faults = (*parser.faults, *builder.faults)
    _refuse_none(transcript.name, options.layout, layout.name, turns, faults)
    return _conversations(transcript, layout.name, turns, faults, parser.system_lines)


def _messages(parser: Parser, lines: Sequence[str]) -> Iterator[Message]:
    for number, line in enumerate(lines, start=1):
        yield from parser.feed(number, line)
    yield from parser.finish()


def _gathered(messages: Iterable[Message], builder: TurnBuilder) -> dict[str, list[Turn]]:
    """Return the turns of each conversation."""
    turns: dict[str, list[Turn]] = {}
    for message in messages:
        turns.setdefault(message.conversation, []).extend(builder.turns((message,)))
    return turns


def _conversations(
    transcript: Transcript, layout: str, turns: Mapping[str, list[Turn]], faults: Iterable[Fault], system_lines: int
) -> tuple[Conversation, ...]:
    found = tuple(sorted(faults, key=lambda entry: entry.line))
    conversations = [
        Conversation(f"{transcript.name}:{key}" if key else transcript.name, tuple(said), layout)
        for key, said in turns.items()
    ]
    conversations[0] = replace(conversations[0], system_lines=system_lines, faults=found)
    return tuple(conversations)


def _refuse_none(name: str, asked: str, layout: str, turns: Mapping[str, list[Turn]], faults: Sequence[Fault]) -> None:
    """Raise DataError where no turn was read; ``asked`` is the layout that the user named, or ``auto``."""
    if turns:
        return
    first = min(faults, key=lambda entry: entry.line, default=None)
    why = "" if first is None else f"; line {first.line}: {first.reason}"
    if asked != AUTO:
        raise DataError(
            f"No turn could be read from {name} as {layout}{why}. "
            "Leave --layout out, so that its layout is recognised, or name another one."
        )
    if first is None:
        raise DataError(f"{name} holds no message, only lines of the export itself: export the conversation again.")
    raise DataError(f"No turn could be read from {name} as {layout}{why}. Give {ACCEPTED}, or name its layout.")
