"""Parts of one chat, exported in several files: told by names and dates, and joined into one conversation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from clip_emotion.errors import UsageError
from scoring.conversation import Conversation, Turn

# chat-1.txt, chat_2.txt, chat (3).txt, chat2.txt
_NUMBERED = re.compile(r"[\s_-]*\(?\d{1,4}\)?(?=(?:\.\w{1,5})?$)")


def parts_of_one_chat(conversations: Sequence[Conversation]) -> list[Conversation]:
    """Return the conversations that look like parts of one chat, in order of time; none where there are none.

    They have the same speakers (two at least), or two in common and names that differ in a number; and each ends
    before the next begins.
    """
    dated = sorted((one for one in conversations if _span(one)), key=lambda one: _span(one) or ())
    parts: list[Conversation] = []
    for one, other in pairwise(dated):
        if _follows(one, other):
            parts += [one, other] if not parts or parts[-1] is not one else [other]
        elif parts:
            break
    return parts


def join_conversations(conversations: Sequence[Conversation]) -> Conversation:
    """Return the parts of a chat as one conversation, in order of time where all have times, else as given.

    Turns count from 1 anew; what two parts both hold (an export that begins before the last one ends) counts once.
    Raises UsageError for a part that has no speaker in common with another.
    """
    _check_speakers(conversations)
    return joined(conversations)


def joined(conversations: Sequence[Conversation]) -> Conversation:
    """Return conversations that are known to be parts of one chat as one, as ``join_conversations`` does."""
    ordered = list(conversations)
    if all(map(_span, conversations)):
        ordered.sort(key=lambda one: _span(one) or ())
    turns: list[Turn] = []
    for part in ordered:
        turns += _new_turns(turns, part)
    first = conversations[0]
    return Conversation(
        name=f"{first.name} + {len(conversations) - 1} more",
        turns=tuple(replace(turn, index=number) for number, turn in enumerate(turns, start=1)),
        layout=first.layout,
        system_lines=sum(one.system_lines for one in conversations),
        faults=tuple(
            replace(fault, reason=f"{one.name}: {fault.reason}") for one in conversations for fault in one.faults
        ),
    )


def _new_turns(turns: Sequence[Turn], part: Conversation) -> list[Turn]:
    """Return a part's turns without those, up to the end of what came before, that are there already."""
    ends = [turn.time for turn in turns if turn.time is not None]
    if not ends:
        return list(part.turns)
    end = max(ends)
    there = Counter(_what(turn) for turn in turns)
    new = []
    for turn in part.turns:
        if turn.time is not None and turn.time <= end and there[_what(turn)]:
            there[_what(turn)] -= 1
        else:
            new.append(turn)
    return new


def _what(turn: Turn) -> tuple[object, ...]:
    return turn.speaker, turn.time, turn.text, turn.media


def _span(conversation: Conversation) -> tuple[datetime, datetime] | None:
    times = [turn.time for turn in conversation.turns if turn.time is not None]
    return (min(times), max(times)) if times else None


def _follows(one: Conversation, other: Conversation) -> bool:
    before, after = _span(one), _span(other)
    if before is None or after is None or before[1] > after[0]:
        return False
    common = set(one.speakers) & set(other.speakers)
    same = set(one.speakers) == set(other.speakers)
    return len(common) > 1 and (same or _NUMBERED.sub("", one.name) == _NUMBERED.sub("", other.name))


def _check_speakers(conversations: Sequence[Conversation]) -> None:
    for one in conversations:
        others = [other for other in conversations if other is not one]
        if others and not any(set(one.speakers) & set(other.speakers) for other in others):
            raise UsageError(
                f"{one.name} has no speaker in common with the others, so it is no part of their chat: leave it out, "
                "or leave out --join."
            )
