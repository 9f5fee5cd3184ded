"""The vocabulary index: what it holds, how it ranks, and when it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.retrieval.labelling.index import IndexCard, VocabularyIndex, prompts_digest
from clip_emotion.vocabulary import Vocabulary
from tests.support.fakes import FakeEncoder

WORDS = Vocabulary.from_words(["furious", "calm", "설렘", "당황"])


def unit_rows(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, FakeEncoder.dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_an_embedding_is_the_normalised_mean_of_the_prompts() -> None:
    encoder = FakeEncoder()
    index = VocabularyIndex.build(encoder, WORDS, "en")
    for row, prompts in zip(index.embeddings, WORDS.prompts("en"), strict=True):
        mean = torch.stack([encoder.encode_texts([prompt])[0] for prompt in prompts]).mean(dim=0).numpy()
        assert np.allclose(row, mean / np.linalg.norm(mean), atol=1e-6)


def test_all_words_are_encoded_in_one_call() -> None:
    encoder = FakeEncoder()
    VocabularyIndex.build(encoder, Vocabulary.from_words([f"word {i}" for i in range(1000)]), "en")
    assert encoder.text_calls == 1


def test_search_ranks_as_a_plain_product_does() -> None:
    index = VocabularyIndex.build(FakeEncoder(), WORDS, "ko")
    rows = unit_rows(7)
    product = rows @ index.embeddings.T
    similarities, positions = index.search(rows)
    assert np.array_equal(positions, np.argsort(-product, axis=1))
    assert np.allclose(similarities, -np.sort(-product, axis=1), atol=1e-6)
    assert np.array_equal(index.search(rows, 2)[1], positions[:, :2])
    assert index.search(rows, 99)[1].shape == (7, 4)


def test_save_and_load_give_the_same_index(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    index = VocabularyIndex.build(encoder, WORDS, "ko")
    index.save(tmp_path / "deep" / "words.safetensors")
    again = VocabularyIndex.load(tmp_path / "deep" / "words.safetensors", encoder)
    assert again.card == index.card
    assert np.array_equal(again.embeddings, index.embeddings)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["words.safetensors"]


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.safetensors"
    VocabularyIndex.build(FakeEncoder(), WORDS, "ko").save(path)
    other = FakeEncoder()
    other.fingerprint = "another"
    with pytest.raises(UsageError, match="another encoder"):
        VocabularyIndex.load(path, other)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x08\0\0\0\0\0\0\0{}      "])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "words.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        VocabularyIndex.load(path, FakeEncoder())
    with pytest.raises(ModelError):
        VocabularyIndex.load(tmp_path / "none", FakeEncoder())


def test_cache_spares_the_second_encoding_and_heals_itself(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    first = VocabularyIndex.cached(encoder, WORDS, "ko", tmp_path)
    second = VocabularyIndex.cached(encoder, WORDS, "ko", tmp_path)
    assert encoder.text_calls == 1
    assert np.array_equal(first.embeddings, second.embeddings)
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"broken")
    assert np.array_equal(VocabularyIndex.cached(encoder, WORDS, "ko", tmp_path).embeddings, first.embeddings)
    assert encoder.text_calls == 2
    templated = replace(WORDS, templates={"ko": ("{} 얼굴",), "en": ("{}",)})
    VocabularyIndex.cached(encoder, templated, "ko", tmp_path)
    assert encoder.text_calls == 3


def test_an_unwritable_cache_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert len(VocabularyIndex.cached(FakeEncoder(), WORDS, "ko", tmp_path / "file")) == 4


def test_the_digest_tells_words_order_and_templates_apart() -> None:
    variants = [
        WORDS,
        Vocabulary.from_words(["calm", "furious", "설렘", "당황"]),
        replace(WORDS, templates={"ko": ("{}",), "en": ("{}",)}),
    ]
    assert len({prompts_digest(vocabulary, "ko") for vocabulary in variants}) == 3
    assert IndexCard.of(FakeEncoder(), WORDS, "ko").prompts == prompts_digest(WORDS, "ko")


def test_wrong_shapes_are_refused() -> None:
    index = VocabularyIndex.build(FakeEncoder(), WORDS, "ko")
    with pytest.raises(UsageError, match="rows of 8"):
        index.search(np.zeros((2, 5), np.float32))
    with pytest.raises(UsageError, match="4 labels"):
        VocabularyIndex(np.zeros((3, 8), np.float32), index.card)


def test_words_without_a_finite_embedding_are_a_model_fault() -> None:
    class Broken(FakeEncoder):
        def encode_texts(self, texts: list[str]) -> torch.Tensor:
            return torch.full((len(texts), self.dim), torch.nan)

    with pytest.raises(ModelError, match="finite"):
        VocabularyIndex.build(Broken(), WORDS, "ko")
