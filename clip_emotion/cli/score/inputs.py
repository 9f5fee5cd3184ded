"""The inputs of ``clip-emotion score``, read and checked before any model is loaded."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clip_emotion.cli.common import say
from clip_emotion.errors import ClipEmotionError, DataError, UsageError
from clip_emotion.text import nfc

if TYPE_CHECKING:
    from scoring.conversation import Conversation
    from scoring.readers import ReadOptions

STDIN = "-"
SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl")


@dataclass(frozen=True)
class InputRequirements:
    """What inputs must hold: how they are read, whose turns must be in them, whether they must give emotions."""

    options: ReadOptions
    speakers: tuple[str, ...] = ()
    given: bool = False

    def check(self, conversation: Conversation) -> None:
        """Raise UsageError or DataError, with a sentence for the user, where a conversation lacks what is asked."""
        from scoring.speakers import known_speakers

        if not conversation.turns:
            raise DataError(f"{conversation.name} holds no turns: is it a chat export?")
        known_speakers(conversation.name, conversation.speakers, self.speakers)
        if self.given and not any(turn.emotions for turn in conversation.turns):
            raise DataError(
                f"{conversation.name} holds no emotions: --emotions given takes them from a table or JSON Lines with "
                "the column emotions; --emotions text judges the words."
            )


@dataclass(frozen=True)
class Input:
    """A conversation that can be scored, or why it (or a whole input) cannot; ``name`` is what results call it."""

    name: str
    found: Conversation | ClipEmotionError


def find_inputs(given: Sequence[str]) -> list[str]:
    """Return the files that the arguments name, folders and globs spelt out; raises UsageError where there are none."""
    found: list[str] = []
    for name in given:
        path = Path(name)
        if name != STDIN and path.is_dir():
            inside = sorted(str(file) for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
            if not inside:
                raise UsageError(f"{path} holds no conversations: a file's name ends in {', '.join(SUFFIXES)}.")
            found += inside
        elif name != STDIN and not path.exists() and any(sign in name for sign in "*?["):
            matches = sorted(map(str, Path(path.anchor).glob(str(path.relative_to(path.anchor)))))
            found += matches or [name]
        else:
            found.append(name)
    if not found:
        raise UsageError("Give at least one conversation: clip-emotion score chat.txt, or - for standard input.")
    if found.count(STDIN) > 1:
        raise UsageError("Standard input can be read only once: give - once.")
    return list(dict.fromkeys(found))


def read_inputs(inputs: Sequence[str], requirements: InputRequirements) -> list[Input]:
    """Read all inputs and check their conversations; raises what ``raise_lone`` does."""
    readings = list(_readings(inputs, requirements))
    raise_lone([reading.found for reading in readings])
    return readings


def raise_lone(found: Sequence[object]) -> None:
    """Raise the first error where all are errors: one alone, or misuse of every conversation in the same way."""
    errors = [one for one in found if isinstance(one, ClipEmotionError)]
    if len(errors) == len(found) and (len(errors) == 1 or all(isinstance(one, UsageError) for one in errors)):
        raise errors[0]


def _readings(inputs: Sequence[str], requirements: InputRequirements) -> Iterator[Input]:
    from scoring.output.wording import fault_sentence

    taken: set[str] = set()
    # A folder's name may tell who somebody is: where names are replaced, files of one name are numbered instead.
    anonymise = requirements.options.anonymise
    names = {path: nfc(Path(path).name) for path in inputs} if anonymise else shortest_names(inputs)
    for path in inputs:
        try:
            conversations = _read(path, requirements.options)
        except ClipEmotionError as error:
            yield Input(names[path], error)
            continue
        for conversation in conversations:
            name = _free_name(names[path], nfc(Path(path).name), conversation.name, taken)
            named = replace(conversation, name=name)
            if named.faults:
                say(fault_sentence(name, named.faults))
            try:
                requirements.check(named)
            except (DataError, UsageError) as error:
                yield Input(name, error)
            else:
                yield Input(name, named)


def _read(path: str, options: ReadOptions) -> Sequence[Conversation]:
    from scoring.readers import read_conversations, read_stream

    found = read_stream(sys.stdin, "stdin", options) if path == STDIN else read_conversations(Path(path), options)
    if not found:
        raise DataError(f"{path} holds no turns: is it a chat export?")
    return found


def shortest_names(paths: Sequence[str]) -> dict[str, str]:
    """Return for each path its shortest end that is no other's: the file's name, or ``folder/chat.txt`` and so on."""
    parts = {path: Path(path).absolute().parts for path in paths if path != STDIN}
    different = set(parts.values())
    names = {STDIN: "stdin"}
    length = 0
    while any(path not in names for path in parts):
        length += 1
        sharing = Counter(own[-length:] for own in different)
        for path, own in parts.items():
            if path not in names and sharing[own[-length:]] == 1:
                names[path] = nfc(Path(*own[-length:]).as_posix())
    return names


def _free_name(shown: str, file: str, name: str, taken: set[str]) -> str:
    """Return a conversation's name with its file as it is shown, and a number where another has that name already."""
    name = shown + name[len(file) :] if name.startswith(file) else name
    candidates = [name, *(f"{name} ({number})" for number in range(2, 2 + len(taken)))]
    free = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(free)
    return free
