"""The inputs of ``clip-emotion score``, read and checked before any model is loaded."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clip_emotion.cli.common import say
from clip_emotion.errors import ClipEmotionError, DataError, UsageError
from clip_emotion.text import nfc

if TYPE_CHECKING:
    from scoring.conversation import Conversation
    from scoring.output.anonymise import Anonymiser
    from scoring.readers import ReadOptions
    from scoring.readers.dates import DateRange

STDIN = "-"
SHOWN_PARTS = 5


@dataclass(frozen=True)
class InputRequirements:
    """What is read of the inputs and what they must hold.

    ``speakers`` are those whose turns must be in them, ``given`` says that they must give emotions, ``days`` which days
    are read, ``join`` that all inputs are parts of one chat, ``anonymise`` that no name is shown.
    """

    options: ReadOptions
    days: DateRange
    speakers: tuple[str, ...] = ()
    given: bool = False
    join: bool = False
    anonymise: bool = False

    def check(self, conversation: Conversation, anonymiser: Anonymiser | None = None) -> tuple[str, ...]:
        """Return the speakers that are asked for, by their own names.

        Raises UsageError or DataError, with a sentence for the user, where a conversation lacks what is asked.
        """
        from scoring.speakers import known_speakers

        if not conversation.turns:
            raise DataError(f"{conversation.name} holds no turns: is it a chat export?")
        if self.given and not any(turn.emotions for turn in conversation.turns):
            raise DataError(
                f"{conversation.name} holds no emotions: --emotions given takes them from a table or JSON Lines with "
                "the column emotions; --emotions text judges the words."
            )
        speakers = conversation.speakers
        if anonymiser is None:
            return tuple(known_speakers(conversation.name, speakers, self.speakers))
        wanted = [name if name in speakers else anonymiser.named(name) for name in self.speakers]
        shown = known_speakers(
            conversation.name,
            [anonymiser.speaker(name) for name in speakers],
            [anonymiser.speaker(name) if name in speakers else name for name in wanted],
        )
        return tuple(map(anonymiser.named, shown))


@dataclass(frozen=True)
class Input:
    """A conversation that can be scored, or why it (or a whole input) cannot; ``name`` is what results call it.

    ``speakers`` are those whose turns are reported (none: all), ``anonymiser`` masks what is shown of it.
    """

    name: str
    found: Conversation | ClipEmotionError
    speakers: tuple[str, ...] = ()
    anonymiser: Anonymiser | None = None


def find_inputs(given: Sequence[str]) -> list[str]:
    """Return the files that the arguments name, folders and globs spelt out; raises UsageError where there are none."""
    found: list[str] = []
    for name in given:
        path = Path(name)
        if name != STDIN and path.is_dir():
            from scoring.readers.containers import SUFFIXES

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
    read = list(_read_all(inputs, requirements))
    if requirements.join:
        read = _joined(read, requirements)
    else:
        _offer_to_join(read)
    checked = [_checked(one, requirements) for one in read]
    raise_lone([one.found for one in checked])
    return checked


def raise_lone(found: Sequence[object]) -> None:
    """Raise the first error where all are errors: one alone, or misuse of every conversation in the same way."""
    errors = [one for one in found if isinstance(one, ClipEmotionError)]
    if len(errors) == len(found) and (len(errors) == 1 or all(isinstance(one, UsageError) for one in errors)):
        raise errors[0]


def _read_all(inputs: Sequence[str], requirements: InputRequirements) -> Iterator[Input]:
    """Yield each conversation of the inputs under the name that results call it, or why an input cannot be read."""
    taken: set[str] = set()
    # A folder's name may tell who somebody is: where names are replaced, files of one name are numbered instead.
    plain_names = {path: nfc(Path(path).name) for path in inputs}
    names = plain_names if requirements.anonymise else shortest_names(inputs)
    for path in inputs:
        try:
            conversations = _read(path, requirements.options)
        except ClipEmotionError as error:
            yield Input(names[path], error)
            continue
        anonymiser = _anonymiser(conversations) if requirements.anonymise else None
        for number, conversation in enumerate(conversations, start=1):
            own = conversation.name
            if anonymiser:
                # What a chat in a file is called is the other person, a number or a group: none is shown.
                own = f"{plain_names[path]}:{number}" if len(conversations) > 1 else plain_names[path]
            name = _free_name(names[path], plain_names[path], own, taken)
            shown = anonymiser.mask(name) if anonymiser else name
            yield Input(shown, replace(conversation, name=shown), anonymiser=anonymiser)


def _anonymiser(conversations: Iterable[Conversation]) -> Anonymiser:
    from scoring.output.anonymise import Anonymiser

    anonymiser = Anonymiser()
    anonymiser.add(speaker for conversation in conversations for speaker in conversation.speakers)
    return anonymiser


def _joined(read: Sequence[Input], requirements: InputRequirements) -> list[Input]:
    """Return all conversations as one, and the inputs that could not be read behind it."""
    from scoring.conversation import Conversation
    from scoring.readers.joining import join_conversations

    parts = [one for one in read if isinstance(one.found, Conversation)]
    if len(parts) < 2:
        return list(read)
    whole = join_conversations([one.found for one in parts if isinstance(one.found, Conversation)])
    anonymiser = _anonymiser([whole]) if requirements.anonymise else None
    return [Input(whole.name, whole, anonymiser=anonymiser), *(one for one in read if one not in parts)]


def _offer_to_join(read: Sequence[Input]) -> None:
    """Say where conversations look like parts of one chat, which would be ranked as rivals."""
    from scoring.conversation import Conversation
    from scoring.readers.joining import parts_of_one_chat

    parts = parts_of_one_chat([one.found for one in read if isinstance(one.found, Conversation)])
    if parts:
        names = ", ".join(part.name for part in parts[:SHOWN_PARTS]) + (" …" if len(parts) > SHOWN_PARTS else "")
        say(f"Note: {names} look like parts of one chat: --join scores them as one conversation.")


def _checked(read: Input, requirements: InputRequirements) -> Input:
    """Return a conversation's days and speakers that are asked for, or what it lacks; tells of its unread lines."""
    from scoring.output.wording import fault_sentence

    if isinstance(read.found, ClipEmotionError):
        return read
    if read.found.faults:
        say(fault_sentence(read.name, read.found.faults))
    try:
        found = requirements.days.select(read.found)
        return replace(read, found=found, speakers=requirements.check(found, read.anonymiser))
    except (DataError, UsageError) as error:
        return replace(read, found=error)


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
