"""Tip-Adapter-F: a cache model of examples beside the words' prototypes, chosen by cross-validation within them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from torch.optim.adamw import adamw

from clip_emotion.arrays import BoolArray, FloatArray, FloatingArray, IntArray, IntegerArray
from clip_emotion.evaluation.calibration import smoothed_temperature
from clip_emotion.evaluation.folds import stratified_folds
from clip_emotion.retrieval.adapting.adapter import CacheModel

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Values of alpha that are tried, times the examples a word: a cache's logits grow with the number of its keys."""
BETAS = (1.0, 3.0, 5.5, 10.0)
RULE_STRENGTH, RULE_BETA = 10.0, 3.0
"""For too few examples to cross-validate: where the words name all of them wrongly, and less where they do not."""
FEWEST = 3
"""Examples a word from which cross-validation chooses better than the rule does."""


@dataclass(frozen=True)
class FitOptions:
    """How a cache model is fitted: seed, most folds, and epochs and learning rate of its fine-tuning."""

    seed: int = 0
    folds: int = 5
    epochs: int = 20
    rate: float = 1e-3


@dataclass(frozen=True)
class FewShot:
    """Examples [M, D] of unit length with the places of their words [M], and the words' zero-shot logits [M, L]."""

    vectors: NDArray[np.float32]
    words: NDArray[np.int64]
    zero_shot: FloatArray

    def only(self, rows: BoolArray) -> FewShot:
        """Return the examples where ``rows`` [M] is true."""
        return FewShot(self.vectors[rows], self.words[rows], self.zero_shot[rows])

    @property
    def per_word(self) -> float:
        """How many examples a word has, in the mean over the words that have any."""
        return len(self.words) / len(np.unique(self.words))


@dataclass(frozen=True)
class Fitted:
    """What came out: the cache model, or None where the examples add nothing to the words, and the temperature.

    ``crossed`` says whether the examples were enough for cross-validation, ``tuned`` whether the keys were fine-tuned.
    ``before`` and ``after`` are the held-out negative log-likelihoods in nats, of the words alone and of the whole.
    """

    cache: CacheModel | None
    temperature: float = 1.0
    crossed: bool = False
    tuned: bool = False
    before: float | None = None
    after: float | None = None


def fit_few_shot(examples: FewShot, options: FitOptions | None = None) -> Fitted:
    """Fit a cache model to examples: alpha, beta, the temperature and whether to fine-tune by cross-validation.

    That needs ``FEWEST`` examples a word, of two words at least; else ``fit_by_rule`` decides. What is not better than
    less by more than one standard error over the examples is not taken (Breiman et al., "Classification and regression
    trees", 1984).
    """
    options = options or FitOptions()
    if examples.per_word < FEWEST or np.sum(np.bincount(examples.words) >= 2) < 2:
        return fit_by_rule(examples)
    crossing = _Crossing(examples, options)
    alone = crossing.losses(examples.zero_shot)
    tried = {
        (strength, beta): crossing.held_out(strength, beta, tuned=False) for strength in STRENGTHS for beta in BETAS
    }
    losses = {key: crossing.losses(logits) for key, logits in tried.items()}
    best = min(losses, key=lambda key: float(losses[key].mean()))
    if not _clearly_lower(losses[best], alone):
        return Fitted(None, crossed=True, before=float(alone.mean()), after=float(alone.mean()))
    with_tuning = crossing.held_out(*best, tuned=True)
    tuned = _clearly_lower(crossing.losses(with_tuning), losses[best])
    kept = with_tuning if tuned else tried[best]
    return Fitted(
        cache_of(examples, *best, options if tuned else None),
        smoothed_temperature(kept, examples.words),
        crossed=True,
        tuned=tuned,
        before=float(alone.mean()),
        after=float(crossing.losses(kept).mean()),
    )


def fit_by_rule(examples: FewShot) -> Fitted:
    """Make a cache model of examples too few to learn from how to weigh them.

    Its strength falls with the square of the share of examples that the words alone name wrongly.
    """
    wrong = float(np.mean(examples.zero_shot.argmax(axis=1) != examples.words))
    if wrong == 0:
        return Fitted(None)
    return Fitted(cache_of(examples, RULE_STRENGTH * wrong**2, RULE_BETA, None))


def cache_of(examples: FewShot, strength: float, beta: float, tuning: FitOptions | None) -> CacheModel:
    """Return the cache model of examples; with ``tuning`` its keys are fine-tuned."""
    alpha = strength / examples.per_word
    keys = examples.vectors if tuning is None else tuned_keys(examples, alpha, beta, tuning)
    return CacheModel(np.ascontiguousarray(keys, dtype=np.float32), examples.words, alpha, beta)


def tuned_keys(examples: FewShot, alpha: float, beta: float, options: FitOptions) -> NDArray[np.float32]:
    """Fine-tune a cache model's keys, which begin as the examples, by cross-entropy on the examples themselves.

    Zhang et al., "Tip-Adapter" (2022), section 3.2: AdamW, with a rate that falls along a cosine; the values stay.
    """
    vectors, words = torch.from_numpy(examples.vectors), torch.from_numpy(examples.words)
    zero_shot = torch.from_numpy(examples.zero_shot).float()
    values = torch.nn.functional.one_hot(words, zero_shot.shape[1]).float()
    keys = vectors.clone().requires_grad_()
    mean, square, step = torch.zeros_like(keys), torch.zeros_like(keys), torch.zeros(())
    # The function and not the class, whose import takes longer than all the rest of adapting.
    update = partial(
        adamw, [keys], exp_avgs=[mean], exp_avg_sqs=[square], max_exp_avg_sqs=[], state_steps=[step], amsgrad=False,
        beta1=0.9, beta2=0.999, weight_decay=0.01, eps=1e-4, maximize=False, foreach=False,
    )  # fmt: skip
    for epoch in range(options.epochs):
        affinity = torch.exp(-beta * (1 - vectors @ keys.T))
        loss = torch.nn.functional.cross_entropy(zero_shot + alpha * affinity @ values, words)
        (slope,) = torch.autograd.grad(loss, keys)
        with torch.no_grad():
            update(grads=[slope], lr=options.rate * (1 + math.cos(math.pi * epoch / options.epochs)) / 2)
    tuned: NDArray[np.float32] = keys.detach().numpy()
    return tuned


class _Crossing:
    """Cross-validation within the examples: each is judged by a cache model that has never seen it."""

    def __init__(self, examples: FewShot, options: FitOptions) -> None:
        self.examples = examples
        self.options = options
        self.folds = stratified_folds(examples.words, options.folds, options.seed)

    def _parts(self) -> Iterator[tuple[BoolArray, FewShot]]:
        for fold in np.unique(self.folds):
            held = self.folds == fold
            yield held, self.examples.only(~held)

    def held_out(self, strength: float, beta: float, *, tuned: bool) -> FloatArray:
        """Return the logits [M, L] of all examples, each by what the other folds teach."""
        logits = self.examples.zero_shot.copy()
        for held, rest in self._parts():
            cache = cache_of(rest, strength, beta, self.options if tuned else None)
            logits[held] += cache.logits(self.examples.vectors[held], logits.shape[1])
        return logits

    def losses(self, logits: FloatingArray) -> FloatArray:
        """Return each example's negative log-likelihood [M] under the temperature that suits the logits best."""
        return _losses(logits / smoothed_temperature(logits, self.examples.words), self.examples.words)


def _losses(logits: FloatingArray, words: IntegerArray) -> FloatArray:
    rows: IntArray = np.arange(len(words))
    losses: FloatArray = -log_softmax(logits, axis=1)[rows, words]
    return losses


def _clearly_lower(losses: FloatArray, than: FloatArray) -> bool:
    """Tell whether losses are lower than others of the same rows by more than one standard error."""
    gain = than - losses
    return bool(gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)))
