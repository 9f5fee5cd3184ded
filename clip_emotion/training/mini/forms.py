"""Other forms of a Korean word: what people type for one feeling differs by its ending."""

from __future__ import annotations

import random

FAMILIES: tuple[tuple[str, ...], ...] = (
    ("하다", "한", "함", "하는", "하네", "해", "해요", "했어", "했다", "해서", "하게", ""),
    ("스럽다", "스러운", "스러움", "스러워", "스러워요", "스럽네", "스레"),
    ("롭다", "로운", "로움", "로워", "로워요", "롭네"),
    ("거리다", "거리는", "거림", "거려", "거린다", "대는", "대다", "댄다"),
    ("되다", "된", "됨", "돼", "되네", "됐어"),
)
"""Endings that may stand for each other behind one stem; the empty one leaves the bare stem."""

SHORTEST = 2
"""A bare stem has at least so many syllables, or else it may be any word."""


def other_form(word: str, rng: random.Random) -> str:
    """Return a word with another ending of its family, or the word itself where it has none that is known."""
    for endings in FAMILIES:
        for ending in endings:
            stem = word.removesuffix(ending) if ending else word
            if stem != word and len(stem.split(" ")[-1]) >= SHORTEST:
                return stem + rng.choice(endings)
    return word
