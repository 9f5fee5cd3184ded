"""A teacher of Korean comments: linear models over their morphemes, their characters and what the morphemes mean.

Few comments with labels teach a linear model over sparse features more than they teach a small tower; what it answers
on many comments without labels teaches the tower (distillation, 1503.02531).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from torch import Tensor

from clip_emotion.text import fold
from clip_emotion.training.corpora import TextRows
from clip_emotion.training.mini.comments_config import CommentTeacherConfig
from clip_emotion.training.mini.morphemes import Morphemes

LEAST = 1e-4
"""A label is never told to be out of the question."""


class CommentReader:
    """TF-IDF of morphemes, alone and in pairs, of one to four characters, and the mean of the morphemes' vectors."""

    def __init__(self, morphemes: Morphemes, config: CommentTeacherConfig) -> None:
        self.morphemes, self.meaning = morphemes, config.meaning
        counted = {"min_df": config.often, "sublinear_tf": True}
        self.parts = TfidfVectorizer(analyzer=with_pairs, **counted)
        self.characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), **counted)

    def fit(self, texts: Sequence[str]) -> csr_matrix:
        """Learn which morphemes and characters there are, and return the features [N, F] of these texts."""
        parts = self.parts.fit_transform(self.morphemes.split(texts))
        return self._joined(parts, self.characters.fit_transform(texts), texts)

    def read(self, texts: Sequence[str]) -> csr_matrix:
        """Return the features [N, F] of texts."""
        parts = self.parts.transform(self.morphemes.split(texts))
        return self._joined(parts, self.characters.transform(texts), texts)

    def _joined(self, parts: csr_matrix, characters: csr_matrix, texts: Sequence[str]) -> csr_matrix:
        meant = csr_matrix(self.meaning * self.morphemes.embed(texts).numpy())
        return hstack([parts, characters, meant]).tocsr()


def with_pairs(parts: Sequence[str]) -> list[str]:
    """Return a text's morphemes and each two that follow each other."""
    return [*parts, *(f"{first} {second}" for first, second in pairwise(parts))]


class CommentTeacher:
    """One logistic regression a label over the features of comments, some of which may have several labels."""

    def __init__(self, config: CommentTeacherConfig, features: csr_matrix, targets: Tensor) -> None:
        there = (targets > 0).numpy()
        self.always = there.all(axis=0).astype(float)
        self.models = {
            label: LogisticRegression(C=config.inverse_penalty, solver="liblinear", max_iter=300).fit(features, truth)
            for label, truth in enumerate(there.T)
            if 0 < truth.sum() < len(truth)
        }

    def answers(self, features: csr_matrix) -> Tensor:
        """Return the labels' log-probabilities [N, C], which share a probability of one."""
        found = np.tile(self.always, (features.shape[0], 1))
        for label, model in self.models.items():
            found[:, label] = model.predict_proba(features)[:, 1]
        found = np.maximum(found, LEAST)
        return torch.from_numpy(np.log(found / found.sum(axis=1, keepdims=True))).float()


def taught_answers(
    config: CommentTeacherConfig,
    reader: CommentReader,
    taught: TextRows,
    asked: Sequence[Sequence[str]],
    report: Callable[[int, int], None],
) -> Iterator[Tensor]:
    """Yield the teacher's log-probabilities on its own comments, each from a model that never saw it; then on others.

    The answers on its own comments come out of ``folds`` models that were fitted without them (cross-fitting).
    ``report`` is told how many parts of the work are done, and of how many.
    """
    parts = config.folds + 1 + len(asked)
    report(0, parts)
    features = reader.fit(taught.texts)
    own = torch.zeros(taught.targets.shape)
    folds = GroupKFold(config.folds, shuffle=True, random_state=config.seed)
    # A comment that stands twice is in one fold, or the model would have seen it after all.
    same = [fold(text) for text in taught.texts]
    for done, (seen, new) in enumerate(folds.split(same, groups=same), start=1):
        own[new] = CommentTeacher(config, features[seen], taught.targets[seen]).answers(features[new])
        report(done, parts)
    yield own
    teacher = CommentTeacher(config, features, taught.targets)
    for done, texts in enumerate(asked, start=config.folds + 1):
        report(done, parts)
        yield teacher.answers(reader.read(texts))
    report(parts, parts)
