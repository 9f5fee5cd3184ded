"""What the plots of scores share: colours, names that the fonts can draw, and the scale."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
from matplotlib import font_manager, rc_context
from matplotlib.ft2font import FT2Font

from clip_emotion.arrays import FloatArray
from clip_emotion.plotting import figure_style, korean_font
from scoring.result import ConversationScore

INK, SOFT, REST = "#1b2733", "#5b6876", "#a3abb4"
WARM, COLD = "#d55e00", "#0072b2"
SPEAKER_MARKERS = ("o", "^", "s", "D")
LIMITS = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
LONGEST_NAME = 14
WIDE, NARROW = 11.0, 5.2
"""Widths of a plot in inches, for a wide screen and for a telephone's."""


KOREAN = {
    "turn": "말의 순서",
    "score": "점수",
    "running score": "그때까지의 점수",
    "whole": "전체",
    "dominant emotion": "두드러진 감정",
    "others, or unclear": "그 밖이거나 불분명",
    "score with its 95 % interval": "점수와 95 % 구간",
    "warm": "따뜻함",
    "cold": "차가움",
    " to ": "에서 ",
}
"""What the plots say, in Korean."""


def spoken(english: str, language: str) -> str:
    """Return words of a plot in the language of the labels: Korean where it is ``ko``, else English as they are."""
    return KOREAN[english] if language == "ko" else english


@cache
def _glyphs() -> frozenset[int]:
    """Return the code points that the figures' two fonts can draw."""
    paths = (font_manager.findfont(family) for family in (korean_font(), "DejaVu Sans"))
    return frozenset(code for path in paths for code in FT2Font(path).get_charmap())


def drawable(text: str, instead: str = "?", longest: int = LONGEST_NAME) -> str:
    """Return a name as the figures' fonts can draw it: one line, at most ``longest`` letters, without emoji.

    ``instead`` stands for a name of which nothing is left.
    """
    known = _glyphs()
    kept = "".join(letter if ord(letter) in known else " " for letter in unicodedata.normalize("NFC", text))
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in kept).split())
    if len(line) > longest:
        line = line[: longest - 1].rstrip() + "…"
    # matplotlib leaves names out of a legend that begin with an underscore.
    return f" {line}" if line.startswith("_") else line or instead


@contextmanager
def plot_style() -> Iterator[None]:
    """Draw with Hangul and with dollar signs as they are: a name is no formula."""
    with figure_style(), rc_context({"text.parse_math": False, "axes.edgecolor": SOFT, "font.size": 9.5}):
        yield


def main_speakers(score: ConversationScore) -> tuple[str, ...]:
    """Return the speakers drawn by name, those with the most scored turns, in the order of the record."""
    spoken = [name for name, summary in score.speakers.items() if summary.turns]
    most = sorted(spoken, key=lambda name: -score.speakers[name].turns)[: len(SPEAKER_MARKERS)]
    return tuple(name for name in spoken if name in most)


def widest(values: FloatArray) -> float:
    """Return the smallest of the scale's steps that holds all scores, a little widened."""
    highest = float(np.max(np.abs(values), initial=0.0)) * 1.04
    return next((limit for limit in LIMITS if highest <= limit), 1.0) * 1.02


def signed_tick(value: float, _: float | None = None) -> str:
    """Return a tick's number with its sign, as matplotlib's ``FuncFormatter`` asks for it."""
    return "0" if math.isclose(value, 0, abs_tol=1e-12) else f"{value:+.3g}"
