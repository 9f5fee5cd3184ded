"""The emotion lexicon as training sees it: the words that train, the words kept out, and what each stands for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from clip_emotion.data.lexicon import Concept
from clip_emotion.text import fold
from clip_emotion.training.prompts import is_kept_out
from clip_emotion.vocabulary import Vocabulary


def lexicon_entries(lexicon: Sequence[Concept], kept_out: bool) -> list[tuple[str, Concept]]:
    """List (word, concept) over both languages: the words that are trained on, or those kept out; definitions train."""
    entries = [
        (word, concept)
        for concept in lexicon
        for words in concept.words.values()
        for word in words
        if is_kept_out(word) == kept_out
    ]
    if not kept_out:
        entries += [(text, concept) for concept in lexicon for text in concept.definition.values()]
    return entries


def new_words(lexicon: Sequence[Concept], vocabularies: Iterable[Vocabulary]) -> list[tuple[str, Concept]]:
    """List the (word, concept) that no step ever shows: kept out of the lexicon, and no name of any label either."""
    taught = {fold(alias) for vocabulary in vocabularies for label in vocabulary.labels for alias in label.aliases()}
    kept_out = lexicon_entries(lexicon, kept_out=True)
    return [(word, concept) for word, concept in kept_out if concept.basic and fold(word) not in taught]


def concept_targets(concepts: Sequence[Concept], vocabulary: Vocabulary, attribute: str) -> Tensor:
    """Return [N, C] with ones where a concept stands for a label of the vocabulary."""
    targets = torch.zeros(len(concepts), len(vocabulary))
    for row, concept in zip(targets, concepts, strict=True):
        stands_for = getattr(concept, attribute)
        for key in (stands_for,) if isinstance(stands_for, str) else stands_for or ():
            row[vocabulary.index(key)] = 1
    return targets


def family_matrix(vocabulary: Vocabulary, basic: Vocabulary) -> Tensor:
    """Return [labels, basic emotions]: each label's families, sharing a weight of 1."""
    matrix = torch.zeros(len(vocabulary), len(basic))
    for row, label in zip(matrix, vocabulary.labels, strict=True):
        for family in label.families:
            row[basic.index(family)] = 1 / len(label.families)
    return matrix
