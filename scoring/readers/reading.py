"""Whole inputs: a file or a stream becomes the conversations in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from clip_emotion.errors import DataError
from clip_emotion.text import nfc
from scoring.conversation import Conversation, Fault, Turn
from scoring.readers.anonymise import Anonymiser
from scoring.readers.cleaning import checked, clean, decode, read_bytes
from scoring.readers.detection import detect_layout
from scoring.readers.layouts import AUTO, LAYOUTS, check_layout
from scoring.readers.messages import Layout, Message
from scoring.readers.turns import TurnBuilder

FORMS = "a KakaoTalk export, lines of 이름: 말, JSON Lines or a table with the columns speaker and text"


@dataclass(frozen=True)
class ReadOptions:
    """How inputs are read: the layout's name, or ``auto``; with pseudonyms for names, or as written."""

    layout: str = AUTO
    anonymise: bool = False


def read_conversations(path: Path, options: ReadOptions | None = None) -> tuple[Conversation, ...]:
    """Read a file's conversations: one, or where a table or JSON Lines name conversations, one for each name.

    Turns count from 1 in each. System lines and faults are the whole file's and stand with its first conversation.
    Raises DataError when the file cannot be read or holds no turn, UsageError for an unknown layout.
    """
    options = options or ReadOptions()
    check_layout(options.layout)
    transcript = Transcript(nfc(path.name), decode(read_bytes(path), str(path)), path.parent)
    return _read(transcript, options)


def read_stream(stream: TextIO, name: str, options: ReadOptions | None = None) -> tuple[Conversation, ...]:
    """Read a stream's conversations as ``read_conversations`` does a file's; it has no folder, so no pictures.

    A stream over bytes (standard input) is decoded like a file, whatever encoding it was opened with.
    """
    options = options or ReadOptions()
    check_layout(options.layout)
    binary = getattr(stream, "buffer", None)
    try:
        text = checked(stream.read(), name) if binary is None else decode(binary.read(), name)
    except (OSError, ValueError) as error:
        raise DataError(f"Cannot read {name}: {error}.") from error
    return _read(Transcript(name, text, None), options)


@dataclass(frozen=True)
class Transcript:
    """A text, what it is called, and the folder it lies in, if it does."""

    name: str
    text: str
    folder: Path | None


def _read(transcript: Transcript, options: ReadOptions) -> tuple[Conversation, ...]:
    lines = clean(transcript.text).split("\n")
    if not any(line.strip() for line in lines):
        raise DataError(f"{transcript.name} is empty: give {FORMS}.")
    layout = detect_layout(lines) if options.layout == AUTO else LAYOUTS[options.layout]
    if layout is None:
        raise DataError(f"No speaker was recognised in {transcript.name}: give {FORMS}.")
    conversations = _conversations(transcript, layout, lines)
    return _anonymised(conversations) if options.anonymise else conversations


def _conversations(transcript: Transcript, layout: Layout, lines: Iterable[str]) -> tuple[Conversation, ...]:
    parser = layout.parser()
    builder = TurnBuilder(transcript.folder, has_placeholders=layout.has_placeholders)
    turns: dict[str, list[Turn]] = {}

    def collect(messages: Sequence[Message]) -> None:
        for message in messages:
            turns.setdefault(message.conversation, []).extend(builder.turns((message,)))

    for number, line in enumerate(lines, start=1):
        collect(parser.feed(number, line))
    collect(parser.finish())
    faults = sorted((*parser.faults, *builder.faults), key=lambda fault: fault.line)
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
        f"Give {FORMS}, or name its layout."
    )


def _anonymised(conversations: Sequence[Conversation]) -> tuple[Conversation, ...]:
    anonymiser = Anonymiser()
    anonymiser.add(turn.speaker for conversation in conversations for turn in conversation.turns)
    return tuple(
        Conversation(
            anonymiser.mask(conversation.name),
            tuple(map(anonymiser.turn, conversation.turns)),
            conversation.layout,
            conversation.system_lines,
            tuple(map(anonymiser.fault, conversation.faults)),
        )
        for conversation in conversations
    )
