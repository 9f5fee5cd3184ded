"""Pseudo-examples: faces without a label that stand in for words without an example."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip_emotion.arrays import FloatArray, IntArray
from clip_emotion.retrieval.adapting.tip_adapter import FewShot

LEAST = 4
"""Pseudo-examples a word at least, since a single face says little."""
SURE = 0.5
"""The share of a word's faces, the surest of them, that pseudo-examples are drawn from."""


@dataclass(frozen=True)
class Unlabelled:
    """Faces without a label: embeddings [N, D] of unit length, and the words' zero-shot logits [N, L]."""

    vectors: NDArray[np.float32]
    zero_shot: FloatArray


def with_pseudo_examples(examples: FewShot, faces: Unlabelled, seed: int = 0) -> tuple[FewShot, int]:
    """Return examples with pseudo-examples for the words that have none, and how many they are.

    Without them the examples of one word would draw all faces to it. For each word they are drawn from the surer half
    of the faces that it names, as many as other words have examples. After Huang, Chu and Wei, "Unsupervised prompt
    learning for vision-language models" (2022), who take the surest.
    """
    draw = np.random.default_rng(seed)
    known = {vector.tobytes() for vector in examples.vectors}
    fresh = np.array([vector.tobytes() not in known for vector in faces.vectors], dtype=np.bool_)
    sureness = faces.zero_shot - np.logaddexp.reduce(faces.zero_shot, axis=1, keepdims=True)
    best = faces.zero_shot.argmax(axis=1)
    count = max(LEAST, round(examples.per_word))
    chosen: list[IntArray] = []
    for word in sorted({*range(faces.zero_shot.shape[1])} - {*examples.words.tolist()}):
        own = np.flatnonzero(fresh & (best == word))
        own = own[np.argsort(-sureness[own, word], kind="stable")][: max(count, int(len(own) * SURE))]
        chosen.append(draw.permutation(own)[:count])
    rows = np.concatenate(chosen) if chosen else np.empty(0, dtype=np.intp)
    added = FewShot(
        np.concatenate([examples.vectors, faces.vectors[rows]]),
        np.concatenate([examples.words, best[rows].astype(np.int64)]),
        np.concatenate([examples.zero_shot, faces.zero_shot[rows]]),
    )
    return added, len(rows)
