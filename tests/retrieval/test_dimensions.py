"""Valence and arousal: the expectation under rated words, its bounds, and the vocabulary that ships."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clip_emotion.errors import UsageError
from clip_emotion.label import Label
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.registry import load_encoder
from clip_emotion.retrieval.labelling.dimensions import RATED, RatedWords
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.vocabulary import Vocabulary
from tests.support.fakes import FakeEncoder
from tests.support.pictures import plain

COLOURS = Vocabulary(
    "rated colours",
    tuple(
        Label(key, {"en": key}, valence=valence, arousal=arousal)
        for key, valence, arousal in (("red", 0.8, 0.5), ("green", 0.0, -0.5), ("blue", -1.0, 0.25))
    ),
    {"en": ("{}",)},
)


@cache
def rated(name: str) -> RatedWords:
    encoder: ImageTextEncoder = load_encoder("mini", "cpu") if name == "mini" else FakeEncoder()
    return RatedWords(encoder)


def expectation(row: list[float], words: list[list[float]], scale: float, ratings: list[float]) -> float:
    """The equation of the docstring, one number at a time."""
    weights = [math.exp(scale * sum(a * b for a, b in zip(row, word, strict=True))) for word in words]
    return sum(weight * value for weight, value in zip(weights, ratings, strict=True)) / sum(weights)


def test_dimensions_are_the_expectation_of_the_ratings() -> None:
    words = RatedWords(FakeEncoder(), COLOURS)
    random = np.random.default_rng(0)
    rows = random.standard_normal((5, FakeEncoder.dim)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    got = words.dimensions(rows)
    axes = torch.eye(FakeEncoder.dim)[:3].tolist()
    for row, (valence, arousal) in zip(rows.tolist(), got.tolist(), strict=True):
        assert valence == pytest.approx(expectation(row, axes, 10, [0.8, 0.0, -1.0]), abs=1e-6)
        assert arousal == pytest.approx(expectation(row, axes, 10, [0.5, -0.5, 0.25]), abs=1e-6)


def test_a_picture_gets_them_beside_any_words_and_is_encoded_once() -> None:
    encoder = FakeEncoder()
    labeller = ZeroShotLabeller(encoder, Vocabulary.from_words(["설렘", "당황"]), rated=RatedWords(encoder, COLOURS))
    texts = encoder.text_calls
    rows = labeller([plain("red"), b"no picture", plain("blue")])
    assert (encoder.image_calls, encoder.text_calls) == (1, texts)
    assert [row.dimensions is None for row in rows] == [False, True, False]
    # Far from the other colours, a colour has nearly its own ratings.
    assert [round(row.dimensions.valence, 1) for row in rows if row.dimensions] == [0.8, -1.0]
    assert rows[0].to_dict()["arousal"] == pytest.approx(0.5, abs=0.01)
    assert [row.dimensions for row in ZeroShotLabeller(encoder, COLOURS)([plain("red")])] == [None]
    table = rows.to_pandas()
    assert list(table.columns[-2:]) == ["valence", "arousal"]


@pytest.mark.parametrize("name", ["mini", "fake"])
@given(data=st.data())
def test_they_stay_within_their_bounds(name: str, data: st.DataObject) -> None:
    words = rated(name)
    dim = words.index.embeddings.shape[1]
    numbers = st.floats(-1, 1, width=32)
    rows = data.draw(arrays(np.float32, (3, dim), elements=numbers, fill=numbers))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-6)
    got = words.dimensions(rows)
    assert got.shape == (3, 2)
    assert (np.abs(got) <= 1).all()
    assert (got >= words.ratings.min(axis=0)).all()
    assert (got <= words.ratings.max(axis=0)).all()


def test_they_do_not_hang_on_the_language_of_the_users_words() -> None:
    assert rated("mini").language == "ko"
    english = FakeEncoder()
    english.languages = ("en",)
    assert RatedWords(english).language == "en"


def test_the_rated_vocabulary_is_what_its_file_says() -> None:
    vocabulary = Vocabulary.load(RATED)
    ratings = [(label.valence, label.arousal) for label in vocabulary.labels]
    assert all(one is not None and -1 <= one <= 1 for pair in ratings for one in pair)
    valence = [pair[0] for pair in ratings if pair[0] is not None]
    assert valence == sorted(valence)
    assert 232 / 5 < len(vocabulary) < 232 / 4
    named = {label.key: label for label in vocabulary.labels}
    # As published: 놀라다 2.10 and 2.89, 환희 2.92 and 2.83.
    assert (named["놀라다"].valence, named["놀라다"].arousal) == (0.05, 0.445)
    assert (named["환희"].valence, named["환희"].arousal) == (0.46, 0.415)
    assert Vocabulary.load(RATED).to_yaml().count("valence: ") == len(vocabulary)


def test_words_without_ratings_are_refused() -> None:
    with pytest.raises(UsageError, match="no valence and arousal for 'angry'"):
        RatedWords(FakeEncoder(), Vocabulary.load("basic7"))
