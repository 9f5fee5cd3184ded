"""Groups of a store's faces: silhouettes, assignments and words against independent references."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clip_emotion.errors import UsageError
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.store import clustering
from clip_emotion.retrieval.store.clustering import (
    choose_count,
    cluster_store,
    draw_sample,
    members,
    name_groups,
)
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.vocabulary import Vocabulary
from tests.support.fakes import FakeEncoder
from tests.support.stores import write_vectors

SIZES = (40, 25, 15)
Vectors = NDArray[np.floating[Any]]


def planted(sizes: tuple[int, ...] = SIZES, spread: float = 0.05) -> tuple[Vectors, NDArray[np.int64]]:
    """Faces around the axes red, green, blue …, shuffled, and the axis of each."""
    random = np.random.default_rng(3)
    truth = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    vectors = np.eye(FakeEncoder.dim)[truth] + spread * random.standard_normal((len(truth), FakeEncoder.dim))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), truth


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write_vectors(tmp_path / "faces.db", planted()[0])
    return tmp_path / "faces.db"


def silhouette(vectors: Vectors, groups: list[int]) -> float:
    """Rousseeuw's mean silhouette, one pair of faces at a time."""
    values = []
    for at, group in enumerate(groups):
        apart: dict[int, list[float]] = {}
        for other, its in enumerate(groups):
            if other != at:
                apart.setdefault(its, []).append(math.dist(vectors[at], vectors[other]))
        if group not in apart:
            values.append(0.0)
            continue
        own = sum(apart[group]) / len(apart[group])
        nearest = min(sum(some) / len(some) for its, some in apart.items() if its != group)
        values.append((nearest - own) / max(nearest, own))
    return sum(values) / len(values)


def test_planted_groups_are_found_and_counted(store: Path) -> None:
    truth = planted()[1]
    with EmbeddingStore.open(store) as opened:
        found = cluster_store(opened)
    assert found.count.groups == 3
    assert found.sizes.tolist() == [*SIZES]
    # The largest comes first, and here the axes are numbered by size.
    assert found.assigned.tolist() == truth.tolist()
    for group in range(3):
        assert found.means[group] == pytest.approx(planted()[0][truth == group].mean(axis=0), abs=1e-3)


def test_silhouettes_are_those_of_the_definition() -> None:
    vectors = planted((12, 9, 7), spread=0.3)[0].astype(np.float32)
    count = choose_count(vectors, seed=0)
    for number in (2, 3, 5):
        groups = clustering._nearest(vectors, clustering._fit(vectors, number, 0)).tolist()
        assert count.silhouettes[number] == pytest.approx(silhouette(vectors, groups), abs=1e-5)
    assert count.silhouettes[count.groups] == max(count.silhouettes.values())


def test_every_face_goes_to_the_nearest_centre_beyond_the_sample_too(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clustering, "SAMPLE", 30)
    centres: list[Vectors] = []
    fit = clustering._fit

    def kept(*arguments: Any) -> Vectors:
        assert len(arguments[0]) == 30
        centres.append(fit(*arguments))
        return centres[-1]  # type: ignore[return-value]

    monkeypatch.setattr(clustering, "_fit", kept)
    with EmbeddingStore.open(store) as opened:
        found = cluster_store(opened, groups=4, seed=5)
        rows = list(members(opened, found))
    nearest = [min(range(4), key=lambda at: math.dist(vector, centres[0][at])) for vector in planted()[0]]
    # The same parts, however they are numbered.
    assert len({*zip(nearest, found.assigned.tolist(), strict=True)}) == 4
    assert found.sizes.tolist() == sorted(found.sizes.tolist(), reverse=True)
    assert [row.group - 1 for row in rows] == found.assigned.tolist()
    for row, vector in zip(rows, planted()[0], strict=True):
        mean = found.means[row.group - 1]
        assert row.similarity == pytest.approx(float(vector @ mean / np.linalg.norm(mean)), abs=2e-3)


def test_a_sample_is_drawn_evenly_and_by_its_seed(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clip_emotion.retrieval.store.reading.BLOCK", 7)
    vectors = planted()[0]
    with EmbeddingStore.open(store) as opened:
        everything = draw_sample(opened, 1000, 0)
        assert everything == pytest.approx(vectors, abs=1e-3)
        some = draw_sample(opened, 20, 1)
        assert draw_sample(opened, 20, 1).tolist() == some.tolist()
        assert draw_sample(opened, 20, 2).tolist() != some.tolist()
    places = [int(np.flatnonzero((everything == row).all(axis=1))[0]) for row in some]
    assert places == sorted(places)
    assert len(set(places)) == 20


def test_words_that_are_near_to_every_face_name_no_group(tmp_path: Path) -> None:
    vectors, truth = planted()
    # All faces lie nearest to red, which says nothing of a group.
    vectors[:, 0] += 3
    write_vectors(tmp_path / "red.db", vectors)
    labeller = ZeroShotLabeller(FakeEncoder(), Vocabulary.from_words(["red", "green", "blue"]))
    with EmbeddingStore.open(tmp_path / "red.db") as opened:
        found = cluster_store(opened, groups=3)
        assert {row.best.name for row in _labelled(opened, labeller)} == {"red"}
    names = name_groups(found, labeller, top=2)
    assert [words[0] for words in names] == ["red", "green", "blue"]
    assert [len(words) for words in names] == [2, 2, 2]
    assert found.sizes.tolist() == np.bincount(truth).tolist()


def _labelled(store: EmbeddingStore, labeller: ZeroShotLabeller) -> Any:
    from clip_emotion.retrieval.store.labelling import label_store

    return [row for block in label_store(store, labeller, 1) for row in block.predictions()]


def test_too_few_faces_are_told(tmp_path: Path) -> None:
    write_vectors(tmp_path / "same.db", np.ones((5, FakeEncoder.dim)))
    with EmbeddingStore.open(tmp_path / "same.db") as opened:
        with pytest.raises(UsageError, match="holds 1 different faces, too few for 2 groups"):
            cluster_store(opened)
        with pytest.raises(UsageError, match="too few for 4 groups"):
            cluster_store(opened, groups=4)


def test_a_store_that_changed_is_told(store: Path, tmp_path: Path) -> None:
    with EmbeddingStore.open(store) as opened:
        found = cluster_store(opened, groups=2)
    write_vectors(tmp_path / "more.db", planted((50, 40))[0])
    with EmbeddingStore.open(tmp_path / "more.db") as other, pytest.raises(UsageError, match="changed meanwhile"):
        list(members(other, found))


def test_a_reading_within_a_reading_sees_the_same_state(store: Path) -> None:
    with EmbeddingStore.open(store) as opened, opened.reading() as connection:
        before = connection.execute("SELECT count(*) FROM files").fetchone()
        with EmbeddingStore.open(store) as writer:
            writer.connection.execute("DELETE FROM files WHERE id = 1")
        with opened.reading() as inner:
            assert inner.execute("SELECT count(*) FROM files").fetchone() == before
        assert connection.execute("SELECT count(*) FROM files").fetchone() == before
    with EmbeddingStore.open(store) as opened, opened.reading() as connection:
        assert connection.execute("SELECT count(*) FROM files").fetchone()[0] == before[0] - 1
