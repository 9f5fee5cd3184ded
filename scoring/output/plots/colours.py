"""Which emotion dominates a turn, as the colour of its dot."""

from __future__ import annotations

from collections import Counter

from scoring.result import ConversationScore

# Mostly Okabe and Ito's colours (2008), which colour-blind readers tell apart: a dot's side shows in its colour, too.
DOT_COLOURS = {
    "warm": ("#e69f00", "#d55e00", "#cc79a7", "#dcc600", "#8b1a1a"),
    "cold": ("#0072b2", "#56b4e9", "#009e73", "#1f2f7a"),
    "neither": ("#3d3d3d", "#8a7968"),
}
NEITHER = 0.2
"""A label whose weight is no larger is drawn as neither warm nor cold."""


def label_weights(score: ConversationScore) -> dict[str, float]:
    """Return the labels' weights w, as the turns' contributions p · w and probabilities p tell them."""
    weights: dict[str, float] = {}
    for one in score.turns:
        for label, share in one.emotions.items():
            if share > 0 and label not in weights:
                weights[label] = one.contributions.get(label, 0.0) / share
        if len(weights) == len(one.emotions) > 0:
            break
    return weights


def dominant_colours(score: ConversationScore, most: int = 8) -> dict[str, tuple[str, int]]:
    """Return the labels that most often dominate a turn clearly, each with its colour and its number of turns."""
    named = (one.dominant for one in score.turns if one.score is not None and one.clear)
    counts = Counter(label for label in named if label)
    weights = label_weights(score)
    left = {side: list(colours) for side, colours in DOT_COLOURS.items()}
    chosen: dict[str, tuple[str, int]] = {}
    for label, count in counts.most_common():
        weight = weights.get(label, 0.0)
        free = left["neither" if abs(weight) <= NEITHER else "warm" if weight > 0 else "cold"]
        if free and len(chosen) < most:
            chosen[label] = (free.pop(0), count)
    return chosen
