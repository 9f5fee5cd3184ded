"""Conversation scoring: how a chat feels, turn by turn and as a whole.

>>> import scoring
>>> (score,) = scoring.score_file("docs/examples/kakao_sample.txt")
>>> score.conversation.turns, list(score.speakers)
(50, ['하린', '도윤'])

``load_scorer`` and ``score_file`` are the front door; importing this package loads nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scoring.affection.scorer import AffectionScorer
    from scoring.config import ScoreConfig
    from scoring.conversation import Conversation, Turn
    from scoring.loading import ScorerOptions, load_scorer, score_file
    from scoring.output.anonymise import anonymised
    from scoring.output.report import write_report
    from scoring.readers import ReadOptions, read_conversations
    from scoring.result import ConversationScore

__all__ = [
    "AffectionScorer",
    "Conversation",
    "ConversationScore",
    "ReadOptions",
    "ScoreConfig",
    "ScorerOptions",
    "Turn",
    "anonymised",
    "load_scorer",
    "read_conversations",
    "score_file",
    "write_report",
]

_HOMES = {
    "AffectionScorer": "scoring.affection.scorer",
    "Conversation": "scoring.conversation",
    "ConversationScore": "scoring.result",
    "ReadOptions": "scoring.readers",
    "ScoreConfig": "scoring.config",
    "ScorerOptions": "scoring.loading",
    "Turn": "scoring.conversation",
    "anonymised": "scoring.output.anonymise",
    "load_scorer": "scoring.loading",
    "read_conversations": "scoring.readers",
    "score_file": "scoring.loading",
    "write_report": "scoring.output.report",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import scoring`` stays instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'scoring' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
