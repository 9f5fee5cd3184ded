"""A search finds what an exhaustive comparison finds, whatever the blocks in which a store is read."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.errors import DataError, UsageError
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.store import search as searching
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.reading import vector_blocks
from clip_emotion.retrieval.store.records import VECTOR, Picture, Place, StoreCard, StoredFile, StoredRegion
from clip_emotion.retrieval.store.search import Query, Wanted, search
from clip_emotion.types import FaceRegion
from tests.support.fakes import FakeEncoder
from tests.support.pictures import noise, plain, save
from tests.support.stores import WHOLE, embed

ROWS = 60


@pytest.fixture
def vectors() -> NDArray[np.float32]:
    random = np.random.default_rng(3)
    values = random.standard_normal((ROWS, FakeEncoder.dim)).astype(np.float32)
    values[7], values[40] = values[3], values[3]  # equal scores keep the order of the store
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.fixture
def store(tmp_path: Path, vectors: NDArray[np.float32]) -> Path:
    """A store of random vectors, with a picture in between that has none."""
    path = tmp_path / "faces.db"
    pictures = [
        Picture(
            StoredFile(f"/p/{row}.png", Place(f"/p/{row}.png"), 1, 1, str(row)),
            [StoredRegion(FaceRegion(0, part="face"), None, vector.astype(VECTOR).tobytes())],
        )
        for row, vector in enumerate(vectors)
    ]
    bad = Picture(StoredFile("/p/bad.png", Place("/p/bad.png"), 1, 1, "bad"), [], "damaged")
    with EmbeddingStore.open_for(path, StoreCard.of(FakeEncoder(), "fake", WHOLE)) as opened:
        opened.write([*pictures[:5], bad, *pictures[5:]])
    return path


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("top", [1, 10, 99])
def test_exact_whatever_the_blocks(
    store: Path, vectors: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch, size: int, top: int
) -> None:
    monkeypatch.setattr(searching, "vector_blocks", partial(vector_blocks, size=size))
    query = Query(vectors[3], 0.5 * vectors[9])
    with EmbeddingStore.open(store) as opened:
        hits = search(opened, query, top, 0.1)
    similarities = vectors @ query.wanted
    scores = similarities - vectors @ query.unwanted
    wanted = [row for row in np.argsort(-scores.round(3), kind="stable") if similarities[row] >= 0.1][:top]
    assert {hit.path for hit in hits} == {f"/p/{row}.png" for row in wanted}
    np.testing.assert_allclose([hit.score for hit in hits], scores[wanted], atol=2e-3)
    equal = [hit.path for hit in hits if hit.path in ("/p/3.png", "/p/7.png", "/p/40.png")]
    assert equal == ["/p/3.png", "/p/7.png", "/p/40.png"][: len(equal)]


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    for colour in ("red", "green", "blue"):
        save(plain(colour), tmp_path / "p" / f"{colour}.png")
    mixed = plain("red", (48, 48))
    mixed.paste(plain("green", (24, 48)))
    save(mixed, tmp_path / "p" / "mixed.png")
    embed(tmp_path / "colours.db", tmp_path / "p")
    return tmp_path / "colours.db"


def names(store: Path, encoder: FakeEncoder, **wanted: object) -> list[str]:
    with EmbeddingStore.open(store) as opened:
        return [Path(hit.path).stem for hit in search(opened, Query.of(Wanted(**wanted), opened, encoder), 2)]


def test_words_find_faces_and_are_no_more_than_labels(colours: Path) -> None:
    encoder = FakeEncoder()
    assert names(colours, encoder, texts=["red"]) == ["red", "mixed"]
    assert names(colours, encoder, texts=["red"], unlike=["green"]) == ["red", "blue"]
    with EmbeddingStore.open(colours) as opened:
        hit = search(opened, Query.of(Wanted(["red"]), opened, encoder), 1)[0]
    row = ZeroShotLabeller(encoder, _vocabulary("red"))([hit.file], config=None, face="none")[0]
    assert hit.similarity == pytest.approx(row.labels[0].similarity, abs=1e-3)


def _vocabulary(word: str) -> object:
    from clip_emotion.vocabulary import Vocabulary

    return Vocabulary.from_words([word])


def test_a_picture_finds_its_like_and_is_encoded_only_where_the_store_lacks_it(colours: Path, tmp_path: Path) -> None:
    encoder = FakeEncoder()
    assert names(colours, encoder, like=[str(tmp_path / "p" / "green.png")]) == ["green", "mixed"]
    assert encoder.image_calls == 0
    other = save(plain("green", (50, 50)), tmp_path / "other.png")
    assert names(colours, encoder, like=[str(other)]) == ["green", "mixed"]
    assert encoder.image_calls == 1
    assert names(colours, encoder, texts=["blue"], like=[str(other)])[0] in ("green", "blue")


def test_what_cannot_be_searched_is_told(colours: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    encoder = FakeEncoder()
    with pytest.raises(UsageError, match="Say what to search for"):
        Wanted()
    with pytest.raises(UsageError, match="no such picture"):
        names(colours, encoder, like=["missing.png"])
    with pytest.raises(DataError, match="Not a picture"):
        names(colours, encoder, like=[str(tmp_path / "bad.png")])
    encoder.fingerprint = "other-1"
    with pytest.raises(UsageError, match="use --model fake"):
        names(colours, encoder, texts=["red"])


def test_a_face_is_looked_for_as_in_the_store(tmp_path: Path) -> None:
    save(noise((80, 80)), tmp_path / "p" / "1.png")
    embed(tmp_path / "faces.db", tmp_path / "p", faces=FaceOptions("require", finder="haar"))
    other = save(noise((80, 80), 1), tmp_path / "other.png")
    with pytest.raises(DataError, match="no face is found in it"):
        names(tmp_path / "faces.db", FakeEncoder(), like=[str(other)])
    assert names(tmp_path / "faces.db", FakeEncoder(), texts=["red"]) == []
