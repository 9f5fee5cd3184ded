"""Speakers by name: who is meant, and a score with their turns alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clip_emotion.errors import UsageError
from clip_emotion.text import fold, nearest
from scoring.result import ConversationScore

SHOWN_SPEAKERS = 20


def only_speakers(score: ConversationScore, names: Sequence[str]) -> ConversationScore:
    """Return the score with these speakers and their turns alone; the conversation's own numbers stay as they are.

    A name is found whatever its case and spacing. Raises UsageError that lists the speakers where one is unknown.
    """
    chosen = known_speakers(score.name, tuple(score.speakers), names)
    parts = {speaker: part for speaker, part in score.speakers.items() if speaker in chosen}
    return replace(score, speakers=parts, turns=tuple(turn for turn in score.turns if turn.turn.speaker in parts))


def known_speakers(conversation: str, speakers: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the speakers of a conversation that ``names`` mean, whatever their case and spacing.

    Raises UsageError that lists the speakers where one is unknown.
    """
    known = {fold(speaker): speaker for speaker in speakers}
    for name in names:
        if fold(name) not in known:
            near = nearest(name, known.values())
            hint = f" Perhaps '{near}'?" if near else ""
            listed = ", ".join(list(known.values())[:SHOWN_SPEAKERS]) + ("…" if len(known) > SHOWN_SPEAKERS else "")
            raise UsageError(f"{conversation} has no speaker '{name}'.{hint} It has: {listed}.")
    return [known[fold(name)] for name in names]
