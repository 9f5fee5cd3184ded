"""An adapter's folder: what is written is read again, and what is damaged or another's is told in a sentence."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.outputs import mark_of
from clip_emotion.retrieval.adapting.adapter import Adapter, CacheModel
from clip_emotion.retrieval.adapting.folder import CACHE, DESCRIPTION, MADE, WORDS, load_adapter, save_adapter
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.vocabulary import Vocabulary
from tests.support.fakes import FakeEncoder

VOCABULARY = Vocabulary.from_words(["red", "green", "깜놀", "비장함"])


def adapter(temperature: float = 1.25, *, cached: bool = True) -> Adapter:
    keys = np.eye(FakeEncoder.dim, dtype=np.float32)[:3]
    cache = CacheModel(keys, np.array([0, 1, 2]), 2.5, 5.5) if cached else None
    return Adapter(VOCABULARY, "ko", "fake", FakeEncoder.fingerprint, temperature, cache, {"red": 2, "깜놀": 1})


@pytest.mark.parametrize("cached", [True, False])
def test_what_is_written_is_read_again(tmp_path: Path, cached: bool) -> None:
    save_adapter(adapter(cached=cached), tmp_path / "a")
    found, own = load_adapter(tmp_path / "a"), adapter(cached=cached)
    assert (found.vocabulary, found.language, found.encoder, found.fingerprint, found.examples, found.temperature) == (
        own.vocabulary, own.language, own.encoder, own.fingerprint, own.examples, own.temperature,
    )  # fmt: skip
    assert found.digest == own.digest
    assert mark_of(tmp_path / "a") == MADE
    assert (tmp_path / "a" / CACHE).exists() is cached


def test_what_is_written_over_leaves_no_keys_behind(tmp_path: Path) -> None:
    save_adapter(adapter(), tmp_path / "a")
    save_adapter(adapter(cached=False), tmp_path / "a")
    assert not (tmp_path / "a" / CACHE).exists()
    assert load_adapter(tmp_path / "a").cache is None


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    save_adapter(adapter(), tmp_path / "a")
    (tmp_path / "a" / CACHE).write_bytes(pickle.dumps({"keys": 1}))
    with pytest.raises(ModelError, match="is damaged"):
        load_adapter(tmp_path / "a")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (CACHE, b""),
        (CACHE, save({"keys": np.zeros((3, 8), np.float32), "words": np.array([0, 1, 99])})),
        (WORDS, b"name: own\nlabels: [red, green]\n"),
        (WORDS, b"labels: 7\n"),
        (DESCRIPTION, b"format: 2\n"),
        (DESCRIPTION, b"\xff\xfe"),
    ],
)
def test_a_damaged_folder_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    save_adapter(adapter(), tmp_path / "a")
    (tmp_path / "a" / name).write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        load_adapter(tmp_path / "a")


def test_words_beyond_the_vocabulary_are_refused_whatever_the_digest_says(tmp_path: Path) -> None:
    cache = CacheModel(np.eye(8, dtype=np.float32)[:1], np.array([99]), 1.0, 1.0)
    save_adapter(Adapter(VOCABULARY, "ko", "fake", "fake-1", 1.0, cache), tmp_path / "a")
    with pytest.raises(ModelError, match="damaged"):
        load_adapter(tmp_path / "a")


def test_what_is_no_adapter_is_told(tmp_path: Path) -> None:
    for folder, what in ((tmp_path, "lacks adapter.yaml"), (tmp_path / "none", "does not exist")):
        with pytest.raises(UsageError, match=what):
            load_adapter(folder)


def test_another_encoder_is_refused_in_one_sentence() -> None:
    other = FakeEncoder()
    other.fingerprint = "other-0123456789abcdef"
    with pytest.raises(UsageError, match=r"made for fake \(fake-0123456789ab\), not for fake \(other-0123456789a\)"):
        ZeroShotLabeller.adapted(other, adapter())
