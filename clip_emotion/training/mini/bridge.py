"""Concepts for English words that no lexicon holds, as a sentence encoder places them among those that it does."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from clip_emotion.data.lexicon import Concept
from clip_emotion.text import fold
from clip_emotion.training.mini.teacher import teacher_embeddings, teacher_words
from clip_emotion.training.mini.words_config import BridgeConfig
from clip_emotion.training.prompts import is_kept_out

WORD = re.compile(r"[a-z][a-z'-]{2,}")


def bridged_words(
    config: BridgeConfig, concepts: Sequence[Concept], comments: Sequence[str], unseen: Iterable[str], cache: Path
) -> tuple[list[str], Tensor]:
    """Return English words [N] and how likely each names each concept, [N, concepts] with rows that sum to 1.

    ``concepts`` may name one several times, with other words. Nothing of ``unseen`` or of the lexicon is returned.
    """
    names = list(dict.fromkeys(entry.concept for entry in concepts))
    known = [(word, names.index(entry.concept)) for entry in concepts for word in entry.words["en"]]
    taught = [(word, concept) for word, concept in known if not is_kept_out(word)]
    told = teacher_embeddings([word for word, _ in taught], cache).float()
    judge = LogisticRegression(C=20, max_iter=100).fit(told.numpy(), [concept for _, concept in taught])
    never = {fold(word) for word in unseen} | {fold(word) for word, _ in known}
    candidates = [text for text in _candidates(config, comments) if fold(text) not in never]
    embedded = teacher_embeddings(candidates, cache).float()
    likely = torch.zeros(len(candidates), len(names))
    likely[:, judge.classes_] = torch.from_numpy(judge.predict_proba(embedded.numpy())).float()
    nearest = torch.cat([(part @ told.T).amax(dim=1) for part in embedded.split(2048)])
    kept = np.flatnonzero(((nearest >= config.near) & (likely.amax(dim=1) >= config.sure)).numpy())
    return [candidates[at] for at in kept], likely[kept]


def _candidates(config: BridgeConfig, comments: Sequence[str]) -> list[str]:
    rng = random.Random(config.seed)
    split = [WORD.findall(text.lower()) for text in comments]
    counts = Counter(word for words in split for word in words)
    found = dict.fromkeys(word for word in teacher_words() if WORD.fullmatch(word))
    found.update(dict.fromkeys(word for word, count in counts.items() if count >= config.often))
    runs = [words for words in split if len(words) >= 2]
    for _ in range(config.phrases if runs else 0):
        words = rng.choice(runs)
        start, length = rng.randrange(len(words) - 1), rng.randint(2, 4)
        found[" ".join(words[start : start + length])] = None
    return list(found)
