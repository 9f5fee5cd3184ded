"""An index of any kind is of the store as it is: brought up to date, made anew where it is damaged, never believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clip_emotion.cli.main import main
from clip_emotion.retrieval.store import index as indexing
from clip_emotion.retrieval.store import index_choice
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.index import SUFFIX, FaceIndex, open_index
from clip_emotion.retrieval.store.index_choice import APPROXIMATE, EXACT, STREAMED, choose_index
from clip_emotion.retrieval.store.records import VECTOR, Picture, Place, StoreCard, StoredFile, StoredRegion
from clip_emotion.retrieval.store.search import Query, search
from clip_emotion.retrieval.store.upkeep import prune, recall_of
from clip_emotion.types import FaceRegion
from tests.support.fakes import FakeEncoder
from tests.support.stores import WHOLE

ROWS, DIM = 400, 32
KINDS = (EXACT, APPROXIMATE)
NONE = np.zeros(DIM, dtype=np.float32)


@pytest.fixture
def vectors() -> NDArray[np.float32]:
    values = np.random.default_rng(5).standard_normal((ROWS, DIM)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def picture(place: Path, number: int, vector: NDArray[np.float32]) -> Picture:
    file = place / f"{number}.png"
    region = StoredRegion(FaceRegion(0, part="face"), None, vector.astype(VECTOR).tobytes())
    return Picture(StoredFile(str(file), Place(str(file)), 1, 1, f"{number:064x}"), [region])


@pytest.fixture
def store(tmp_path: Path, vectors: NDArray[np.float32]) -> Path:
    path = tmp_path / "faces.db"
    with EmbeddingStore.open_for(path, StoreCard.of(FakeEncoder(), "fake", WHOLE)) as opened:
        opened.write([picture(tmp_path / "p", number, vector) for number, vector in enumerate(vectors[:-10])])
    return path


def names(store: Path, query: Query, top: int, kind: str, floor: float | None = None) -> list[str]:
    with EmbeddingStore.open(store) as opened:
        return [Path(hit.path).stem for hit in search(opened, query, top, floor, kind)]


def opened_index(store: Path, kind: str) -> FaceIndex:
    with EmbeddingStore.open(store) as opened, opened.reading() as connection:
        return open_index(opened, connection, kind)


def refuse(*_: object) -> FaceIndex:
    raise AssertionError("the index was made anew")


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_finds_what_the_store_finds(
    store: Path, vectors: NDArray[np.float32], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "LISTS_SEEN", 1)  # every list: an inverted file is then exact
    for query in (Query(vectors[3], NONE), Query(vectors[4], 0.5 * vectors[9])):
        assert names(store, query, 20, kind) == names(store, query, 20, STREAMED)
        assert names(store, query, 20, kind, 0.2) == names(store, query, 20, STREAMED, 0.2)
    monkeypatch.setattr(indexing, "_built", refuse)
    assert names(store, Query(vectors[3], NONE), 1, kind) == ["3"]


@pytest.mark.parametrize("kind", KINDS)
def test_removed_and_added_faces(
    store: Path, vectors: NDArray[np.float32], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "LISTS_SEEN", 1)
    (tmp_path / "p").mkdir()
    for number in range(1, ROWS - 10):  # number 0 and the new ones are gone from the disk
        (tmp_path / "p" / f"{number}.png").touch()
    assert names(store, Query(vectors[0], NONE), 1, kind) == ["0"]
    monkeypatch.setattr(indexing, "_built", refuse)
    with EmbeddingStore.open(store) as opened:
        assert prune(opened).contents == 1
        opened.write([picture(tmp_path / "p", ROWS + at, vector) for at, vector in enumerate(vectors[-10:])])
    assert names(store, Query(vectors[0], NONE), 1, kind) != ["0"]
    assert names(store, Query(vectors[-1], NONE), 1, kind) == [str(ROWS + 9)]
    assert opened_index(store, kind).index.ntotal == ROWS - 10 - 1 + 10


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)


def relabel(name: str, value: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        content = path.read_bytes()
        start = len(indexing.MAGIC) + 4
        length = int.from_bytes(content[start - 4 : start], "little")
        head = json.dumps({**json.loads(content[start : start + length]), name: value}).encode()
        path.write_bytes(content[: start - 4] + len(head).to_bytes(4, "little") + head + content[start + length :])

    return change


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "another file": lambda path: path.write_bytes(b"no index" * 100),
    "truncated": cut,
    "one bit": flip,
    "another encoder": relabel("fingerprint", "another"),
    "another dimension": relabel("dim", DIM // 2),
    "an unknown key": relabel("what", 1),
    "fewer faces": relabel("faces", 7),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_bad_file_is_as_good_as_none(
    store: Path, vectors: NDArray[np.float32], damage: Callable[[Path], object]
) -> None:
    assert names(store, Query(vectors[3], NONE), 1, EXACT) == ["3"]
    damage(store.with_name(store.name + SUFFIX))
    assert names(store, Query(vectors[3], NONE), 1, EXACT) == ["3"]
    assert opened_index(store, EXACT).index.ntotal == ROWS - 10


def test_what_is_told_comes_from_the_store(store: Path, vectors: NDArray[np.float32]) -> None:
    """An index that claims to be of this state, and is not, can name wrong faces; it cannot make up a similarity."""
    found = opened_index(store, EXACT)
    found.keys = found.keys.copy()
    found.keys["content"] = np.roll(found.keys["content"], 1)
    with EmbeddingStore.open(store) as opened:
        indexing._write(store.with_name(store.name + SUFFIX), found)
        hits = search(opened, Query(vectors[3], NONE), 5, None, EXACT)
    for hit in hits:
        assert hit.similarity == pytest.approx(float(vectors[int(Path(hit.path).stem)] @ vectors[3]), abs=2e-3)


def test_recall_is_measured(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddingStore.open(store) as opened:
        exact = recall_of(opened, EXACT)
        assert (exact.k, exact.queries) == (10, 200)
        assert exact.share >= 0.995
        monkeypatch.setattr(indexing, "LISTS_SEEN", 100)  # one list alone
        assert 0.02 < recall_of(opened, APPROXIMATE).share < 0.9


def test_the_command_line_tells_of_index_and_recall(
    store: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["store", "info", str(store), "--recall", "--format", "json"]) == 0
    captured = capfd.readouterr()
    assert "recall_at_10" not in json.loads(captured.out)
    assert "There is no index to measure: a search reads the store itself, and is exact." in captured.err
    monkeypatch.setattr(index_choice, "STREAMED_FILES", 100)
    assert main(["store", "info", str(store), "--recall", "--format", "json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["index"] == EXACT
    assert json.loads(out)["recall_at_10"] >= 0.995
    assert "over 200 faces" in err


def test_the_choice_gives_its_reason() -> None:
    kinds = [choose_index(files).kind for files in (250_000, 250_001, 1_000_000, 1_000_001)]
    assert kinds == [STREAMED, EXACT, EXACT, APPROXIMATE]
    assert "250,000 files" in choose_index(250_000).reason
