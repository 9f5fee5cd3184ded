"""The models of ``clip-emotion score``: the scorer that they make, and what to know of it beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clip_emotion.cli.common import say

if TYPE_CHECKING:
    from scoring.affection.scorer import AffectionScorer
    from scoring.config import ScoreConfig
    from scoring.loading import ScorerOptions

MINI = "mini"


def is_small(choice: ScorerOptions) -> bool:
    """Tell whether a turn is judged by the bundled mini, in about a millisecond."""
    return choice.model == MINI and choice.kobert is None


def load_scorer(choice: ScorerOptions, config: ScoreConfig) -> AffectionScorer:
    """Load the scorer, and tell its notices."""
    from scoring.loading import load_scorer as load

    scorer = load(choice, config)
    for notice in scorer.notices:
        say(f"Note: {notice}")
    return scorer
