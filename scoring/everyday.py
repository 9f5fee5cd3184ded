"""The everyday range: where the scores of ordinary messages lie, so that a score can be read against them."""

from __future__ import annotations

from functools import cache

from clip_emotion.config import Config, load_config
from clip_emotion.resources import datasets_dir
from scoring.config import EverydayRange
from scoring.result import ConversationScore


class MeasuredRange(EverydayRange):
    """An everyday range with what it belongs to: it says nothing of other words, models or weights."""

    vocabulary: str
    emotions_from: str
    weights_from: str
    messages: str
    """Which messages were scored, and how many."""


class MeasuredRanges(Config):
    """The ranges that were measured, as ``datasets/references/everyday.yaml`` holds them."""

    ranges: tuple[MeasuredRange, ...]


@cache
def measured_ranges() -> tuple[MeasuredRange, ...]:
    """Return the shipped ranges; ``benchmarks/everyday.py`` measures them again."""
    return load_config(MeasuredRanges, datasets_dir() / "references" / "everyday.yaml").ranges


def everyday_range(score: ConversationScore) -> EverydayRange | None:
    """Return the range that a score is read against: the configuration's own, else the one measured for such scores.

    None where none was measured with this vocabulary, these emotions and these weights.
    """
    if score.settings.everyday is not None:
        return score.settings.everyday
    made_of = (score.settings.vocabulary, score.emotions_from, score.weights_from)
    fitting = (one for one in measured_ranges() if (one.vocabulary, one.emotions_from, one.weights_from) == made_of)
    return next(fitting, None)
