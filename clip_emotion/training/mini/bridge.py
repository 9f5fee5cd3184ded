"""Concepts for words that no lexicon holds, as teachers of each language place them among those that it does."""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from clip_emotion.data.lexicon import Concept
from clip_emotion.text import fold, has_hangul
from clip_emotion.training.mini.morphemes import load_morphemes
from clip_emotion.training.mini.teacher import kept_embeddings, teacher_embeddings, teacher_words
from clip_emotion.training.mini.words_config import BridgeConfig, StillConfig
from clip_emotion.training.prompts import is_kept_out

AT_ONCE = 4096
FINAL_M = "\u11b7"
"""The final ㅁ that makes a noun of a verb: 놀라다, 놀람."""


@dataclass(frozen=True)
class WordTeacher:
    """What knows words of a language: those of its own, the shape of one, and where texts lie.

    ``embed(texts, cache)`` returns [N, D] of length 1, and 0 for a text of which it knows nothing.
    """

    language: Literal["en", "ko"]
    shape: re.Pattern[str]
    own: Callable[[], list[str]]
    embed: Callable[[Sequence[str], Path], Tensor]


def english_embeddings(texts: Sequence[str], cache: Path) -> Tensor:
    """Embed English words as they are and as what someone feels, [N, 768], each of length 1."""
    said = [teacher_embeddings(list(spoken), cache).float() for spoken in (texts, [f"I feel {text}" for text in texts])]
    return torch.cat(said, dim=1) / 2**0.5


def korean_embeddings(texts: Sequence[str], cache: Path) -> Tensor:
    """Embed Korean words by their morphemes [N, D], each of length 1, or 0 where none is known."""
    name = f"morphemes-{version('kiwipiepy_model')}"
    return kept_embeddings(name, texts, cache, lambda new: load_morphemes().embed(new)).float()


TEACHERS = (
    WordTeacher("en", re.compile(r"[a-z][a-z'-]{2,}"), teacher_words, english_embeddings),
    WordTeacher("ko", re.compile("[가-힣ㄱ-ㅎㅏ-ㅣ]{2,}"), lambda: load_morphemes().words(), korean_embeddings),
)


def bridged_words(
    config: BridgeConfig,
    teacher: WordTeacher,
    concepts: Sequence[Concept],
    comments: Sequence[str],
    unseen: Unseen,
    cache: Path,
) -> tuple[list[str], Tensor]:
    """Return words of a language [N] and how likely each names each concept, [N, concepts] with rows that sum to 1.

    ``concepts`` may name one several times, with other words. Nothing of the lexicon is returned, and nothing that
    ``unseen`` holds.
    """
    names = list(dict.fromkeys(entry.concept for entry in concepts))
    known = [(word, names.index(entry.concept)) for entry in concepts for word in entry.words[teacher.language]]
    taught = [(word, concept) for word, concept in known if not is_kept_out(word)]
    told, clear = _embedded(teacher, [word for word, _ in taught], cache)
    classes = [concept for (_, concept), there in zip(taught, clear, strict=True) if there]
    judge = LogisticRegression(C=config.inverse_penalty, max_iter=300).fit(told[clear].numpy(), classes)
    lexicon = {fold(word) for word, _ in known}
    found = _candidates(config, teacher, comments)
    candidates = [text for text in found if fold(text) not in lexicon and not unseen.holds(text)]
    embedded, there = _embedded(teacher, candidates, cache)
    likely, nearest = torch.zeros(len(candidates), len(names)), torch.zeros(len(candidates))
    for rows in torch.arange(len(candidates)).split(AT_ONCE):
        part = embedded[rows]
        likely[rows[:, None], torch.from_numpy(judge.classes_)] = torch.from_numpy(
            judge.predict_proba(part.numpy())
        ).float()
        nearest[rows] = (part @ told.T).amax(dim=1)
    kept = np.flatnonzero((there & (nearest >= config.near) & (likely.amax(dim=1) >= config.sure)).numpy())
    return [candidates[at] for at in kept], likely[kept]


def still_words(
    config: StillConfig, teacher: WordTeacher, comments: Sequence[str], taught: Set[str], unseen: Unseen
) -> list[str]:
    """Return the commonest words of comments that nothing teaches (``taught`` lists them folded), commonest first."""
    if not config.most:
        return []
    counts = Counter(chain.from_iterable(_split(teacher, comments)))
    common = (word for word, count in counts.most_common() if count >= config.often)
    return list(islice((word for word in common if fold(word) not in taught and not unseen.holds(word)), config.most))


class Unseen:
    """Words that must not be taught, so that they measure what the tower makes of words that it never saw.

    They are told by their stems, as far as letters show these, whatever their spaces: 신남 by 신나, in 신나요 too.
    """

    def __init__(self, words: Iterable[str]) -> None:
        words = list(words)
        self.words = frozenset(map(_letters, words))
        stems = {stem for word in words if len(stem := _stem(word)) > 1}
        self._within = re.compile("|".join(re.escape(_apart(stem)) for stem in sorted(stems))) if stems else None

    def holds(self, text: str) -> bool:
        """Tell whether a text is one of them, or holds the stem of one, of at least two letters."""
        letters = _letters(text)
        return letters in self.words or (self._within is not None and self._within.search(_apart(letters)) is not None)


def _letters(text: str) -> str:
    """Return a text without what tells its spellings apart; English words stay words."""
    folded = fold(text)
    return folded.replace(" ", "") if has_hangul(folded) else folded


def _stem(word: str) -> str:
    """Return a word without a Korean verb's or noun form's ending."""
    letters = _apart(_letters(word))
    for ending in map(_apart, ("다", "음", FINAL_M)):
        if has_hangul(word) and letters.endswith(ending):
            return unicodedata.normalize("NFC", letters.removesuffix(ending))
    return _letters(word)


def _apart(text: str) -> str:
    """Return a text with its Korean syllables taken apart, so that 신나 begins both 신남 and 신나요."""
    return unicodedata.normalize("NFD", text)


def _embedded(teacher: WordTeacher, texts: list[str], cache: Path) -> tuple[Tensor, Tensor]:
    """Return where the teacher places texts [N, D], and which of them it knows [N]."""
    embedded = teacher.embed(texts, cache)
    return embedded, embedded.norm(dim=1) > 0


def _split(teacher: WordTeacher, comments: Sequence[str]) -> list[list[str]]:
    """Return the words of each comment, lower-cased."""
    return [teacher.shape.findall(text.lower()) for text in comments]


def _candidates(config: BridgeConfig, teacher: WordTeacher, comments: Sequence[str]) -> list[str]:
    rng = random.Random(config.seed)
    split = _split(teacher, comments)
    counts = Counter(chain.from_iterable(split))
    found = dict.fromkeys(word for word in teacher.own() if teacher.shape.fullmatch(word))
    found.update(dict.fromkeys(word for word, count in counts.items() if count >= config.often))
    runs = [words for words in split if len(words) >= 2]
    for _ in range(config.phrases if runs else 0):
        words = rng.choice(runs)
        start, length = rng.randrange(len(words) - 1), rng.randint(2, config.longest)
        found[" ".join(words[start : start + length])] = None
    return list(found)
