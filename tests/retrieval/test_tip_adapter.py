"""Tip-Adapter against its equations written out, and what cross-validation within the examples chooses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from clip_emotion.retrieval.adapting.adapter import Adapter, CacheModel
from clip_emotion.retrieval.adapting.pseudo import Unlabelled, with_pseudo_examples
from clip_emotion.retrieval.adapting.tip_adapter import (
    FewShot,
    FitOptions,
    cache_of,
    fit_few_shot,
    tuned_keys,
)
from clip_emotion.vocabulary import Vocabulary

WORDS, DIM, SCALE = 4, 16, 10.0


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def world(shots: int, seed: int = 0, *, known: bool) -> tuple[FewShot, FewShot]:
    """Faces about a centre a word, as examples and as others; words that are known lie at the centres."""
    random = np.random.default_rng(seed)
    centres = unit(random.normal(size=(WORDS, DIM)))
    prototypes = centres if known else unit(random.normal(size=(WORDS, DIM)))

    def faces(count: int) -> FewShot:
        words = np.repeat(np.arange(WORDS), count)
        vectors = unit(centres[words] + 0.13 * random.normal(size=(len(words), DIM)))
        return FewShot(vectors, words, (SCALE * vectors @ prototypes.T).astype(np.float64))

    return faces(shots), faces(100)


def accuracy(faces: FewShot, cache: CacheModel | None) -> float:
    logits = faces.zero_shot if cache is None else faces.zero_shot + cache.logits(faces.vectors, WORDS)
    return float((logits.argmax(axis=1) == faces.words).mean())


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 99), st.floats(0.1, 20), st.floats(0.5, 12))
def test_logits_are_those_of_the_equation(seed: int, alpha: float, beta: float) -> None:
    random = np.random.default_rng(seed)
    keys, faces = unit(random.normal(size=(7, DIM))), unit(random.normal(size=(5, DIM)))
    words = random.integers(0, WORDS, 7)
    found = CacheModel(keys, words, alpha, beta).logits(faces, WORDS)
    for row, face in enumerate(faces):
        for word in range(WORDS):
            total = 0.0
            for key, own in zip(keys, words, strict=True):
                if own == word:
                    cosine = sum(float(a) * float(b) for a, b in zip(face, key, strict=True))
                    total += math.exp(-beta * (1 - cosine))
            assert found[row, word] == pytest.approx(alpha * total, rel=1e-4)


def test_an_adapters_logits_are_words_and_cache_over_the_temperature() -> None:
    examples, faces = world(2, known=True)
    cache = CacheModel(examples.vectors, examples.words, 2.0, 3.0)
    vocabulary = Vocabulary.from_words(["a", "b", "c", "d"])
    adapter = Adapter(vocabulary, "en", "fake", "fake-1", 1.6, cache)
    wanted = (faces.zero_shot + cache.logits(faces.vectors, WORDS)) / 1.6
    assert adapter.logits(faces.vectors, faces.zero_shot) == pytest.approx(wanted)
    alone = Adapter(vocabulary, "en", "fake", "fake-1", 1.6)
    assert alone.logits(faces.vectors, faces.zero_shot) == pytest.approx(faces.zero_shot / 1.6)


def test_very_many_faces_are_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    examples, faces = world(3, known=True)
    cache = CacheModel(examples.vectors, examples.words, 2.0, 3.0)
    whole = cache.logits(faces.vectors, WORDS)
    monkeypatch.setattr("clip_emotion.retrieval.adapting.adapter.BLOCK", 50)
    assert cache.logits(faces.vectors, WORDS) == pytest.approx(whole, rel=1e-6)


def test_fine_tuning_begins_at_the_examples_and_lowers_the_loss() -> None:
    examples, _ = world(4, known=False)

    def loss(keys: np.ndarray) -> float:
        logits = examples.zero_shot + CacheModel(keys, examples.words, 2.0, 5.5).logits(examples.vectors, WORDS)
        return float(torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(examples.words)))

    assert (tuned_keys(examples, 2.0, 5.5, FitOptions(epochs=1, rate=0.0)) == examples.vectors).all()
    assert loss(tuned_keys(examples, 2.0, 5.5, FitOptions())) < loss(examples.vectors)


@pytest.mark.parametrize("shots", [4, 16])
def test_words_that_mean_nothing_are_learned(shots: int) -> None:
    examples, faces = world(shots, known=False)
    fitted = fit_few_shot(examples)
    assert fitted.crossed
    assert fitted.after < fitted.before
    assert accuracy(faces, fitted.cache) > accuracy(faces, None) + 0.4


@pytest.mark.parametrize("shots", [1, 4, 16])
def test_words_that_are_known_lose_nothing(shots: int) -> None:
    for seed in range(3):
        examples, faces = world(shots, seed, known=True)
        assert accuracy(faces, fit_few_shot(examples).cache) >= accuracy(faces, None) - 0.02


def test_one_example_a_word_helps_words_that_mean_nothing() -> None:
    examples, faces = world(1, known=False)
    fitted = fit_few_shot(examples)
    assert (fitted.crossed, fitted.tuned, fitted.temperature) == (False, False, 1.0)
    assert accuracy(faces, fitted.cache) > accuracy(faces, None) + 0.2


def test_one_example_alone_draws_its_like_and_not_the_others() -> None:
    examples, faces = world(4, known=True)
    examples.zero_shot[:, 0] = 0.0
    faces.zero_shot[:, 0] = 0.0
    one = examples.only(np.arange(len(examples.words)) == 0)
    cache = fit_few_shot(one).cache
    assert cache is not None
    before, after = (
        (logits.argmax(axis=1) == faces.words)
        for logits in (faces.zero_shot, faces.zero_shot + cache.logits(faces.vectors, WORDS))
    )
    assert after[faces.words == 0].mean() > 0.3 > before[faces.words == 0].mean()
    assert after[faces.words != 0].mean() > before[faces.words != 0].mean() - 0.1


def only_word(faces: FewShot, word: int, count: int) -> FewShot:
    """Leave the first examples of one word, which means nothing, and none of the others."""
    return faces.only(np.isin(np.arange(len(faces.words)), np.flatnonzero(faces.words == word)[:count]))


@pytest.mark.parametrize("shots", [2, 4])
def test_faces_without_a_label_stand_in_for_words_without_an_example(shots: int) -> None:
    pool, faces = world(40, known=True)
    for each in (pool, faces):
        each.zero_shot[:, 2] = 0.0
    examples = only_word(pool, 2, shots)
    few, pseudo = with_pseudo_examples(examples, Unlabelled(pool.vectors, pool.zero_shot))
    assert (pseudo, np.bincount(few.words).tolist()) == (12, [4, 4, shots, 4])
    added = {vector.tobytes() for vector in few.vectors[shots:]}
    assert not added & {vector.tobytes() for vector in examples.vectors}
    assert accuracy(faces, fit_few_shot(few).cache) > accuracy(faces, None) + 0.1
    again, _ = with_pseudo_examples(examples, Unlabelled(pool.vectors, pool.zero_shot))
    assert (again.vectors == few.vectors).all()


def test_pseudo_examples_are_of_the_surer_half() -> None:
    pool, _ = world(40, known=True)
    few, _ = with_pseudo_examples(only_word(pool, 2, 4), Unlabelled(pool.vectors, pool.zero_shot))
    for word in (0, 1, 3):
        sure = softmax(pool.zero_shot, axis=1)[pool.zero_shot.argmax(axis=1) == word, word]
        chosen = softmax(few.zero_shot[few.words == word], axis=1)[:, word]
        assert chosen.min() >= np.median(sure) - 1e-6


def test_words_that_all_have_examples_and_faces_that_there_are_none_of_change_nothing() -> None:
    examples, faces = world(2, known=True)
    assert with_pseudo_examples(examples, Unlabelled(faces.vectors, faces.zero_shot))[1] == 0
    none = Unlabelled(faces.vectors[:0], faces.zero_shot[:0])
    assert with_pseudo_examples(only_word(examples, 1, 1), none)[1] == 0


def test_the_seed_settles_everything() -> None:
    examples, _ = world(5, known=False)
    one, two = (fit_few_shot(examples, FitOptions(seed=3)) for _ in range(2))
    assert one.cache is not None
    assert two.cache is not None
    assert (one.cache.keys == two.cache.keys).all()
    assert (one.cache.alpha, one.cache.beta, one.temperature) == (two.cache.alpha, two.cache.beta, two.temperature)


def test_alpha_falls_with_the_examples_a_word() -> None:
    few, many = (cache_of(world(shots, known=False)[0], 10.0, 3.0, None) for shots in (2, 8))
    assert (few.alpha, many.alpha) == (5.0, 1.25)
