"""The engines give the same rows and the same store; workers may be killed, and runs be interrupted."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from clip_emotion.cli.main import main
from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.finding import find_images
from clip_emotion.data.images import ImageSource
from clip_emotion.errors import ClipEmotionError, ModelError, UsageError
from clip_emotion.retrieval.engines.base import Engine, Filling
from clip_emotion.retrieval.engines.local import LocalEngine
from clip_emotion.retrieval.engines.worker import EmbedIntoParts, Job, Worker, content_keys, is_known
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.retrieval.store.embedding import EmbedCounts
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.parts import Parts
from clip_emotion.retrieval.store.records import StoreCard
from clip_emotion.retrieval.store.upkeep import verify
from clip_emotion.vocabulary import Vocabulary
from tests.support.fakes import FakeEncoder
from tests.support.pictures import noise, save, two_faces
from tests.support.ray_with_fake import Hold, model, over, told
from tests.support.stores import WHOLE, content_of, write_noise

SHA = "ab" * 32
EACH = StreamConfig(FaceOptions("each", finder="haar"), batch_size=2)
PLAIN = StreamConfig(WHOLE, batch_size=2)
Step = Callable[[int], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Good pictures, a bad one, a Korean name, a copy, and one with two faces."""
    place = write_noise(tmp_path / "p", 9)
    save(noise((50, 50), 99), place / "웃는 얼굴.png")
    shutil.copy(place / "03.png", place / "또 03.png")
    (place / "나쁜.jpg").write_bytes(b"no picture")
    two_faces(place)
    return place


def ray_engine(log: Path, config: StreamConfig = PLAIN, workers: int = 2, hold: Hold | None = None) -> Engine:
    from clip_emotion.retrieval.engines.ray_data import RayDataEngine

    return RayDataEngine(model(log, hold), config, workers)


def pictures(folder: Path) -> tuple[ImageSource, ...]:
    return find_images([str(folder), str(folder / "missing.png")]).sources


def fill(engine: Engine, store: Path, sources: Sequence[ImageSource], step: Step = lambda done: None) -> EmbedCounts:
    faces = EACH.faces if "each" in store.name else WHOLE
    with EmbeddingStore.open_for(store, StoreCard.of(FakeEncoder(), "fake", faces)) as opened:
        try:
            return engine.embed(sources, Filling(opened, advance=step))
        finally:
            assert verify(opened) == []


@pytest.mark.real_data
def test_rows_and_store_are_those_of_one_process(folder: Path, tmp_path: Path, ray_here: None) -> None:
    local, ray = LocalEngine(FakeEncoder(), EACH), ray_engine(tmp_path / "log", EACH)
    labeller = ZeroShotLabeller(FakeEncoder(), Vocabulary.from_list("red,green,blue"))
    sources = pictures(folder)
    rows = list(ray.label(sources, labeller, 2))
    assert rows == list(local.label(sources, labeller, 2))
    assert [row.error is None for row in rows if row.path.endswith(("나쁜.jpg", "missing.png"))] == [False, False]
    assert max(row.face.index or 0 for row in rows) == 1
    steps: list[int] = []
    counts = fill(ray_engine(tmp_path / "log", EACH, 1), tmp_path / "each_ray.db", sources, steps.append)
    wanted = fill(local, tmp_path / "each.db", sources)
    assert sorted(counts.errors) == sorted(wanted.errors)
    assert replace(counts, errors=[]) == replace(wanted, errors=[])
    assert (wanted.known, len(wanted.errors), sum(steps)) == (1, 2, len(sources))
    assert content_of(tmp_path / "each_ray.db") == content_of(tmp_path / "each.db")
    assert not (tmp_path / "each_ray.db.parts").exists()


@pytest.mark.real_data
def test_a_killed_worker_changes_nothing(tmp_path: Path, ray_here: None) -> None:
    sources, log, killed = pictures(write_noise(tmp_path / "p", 40))[:-1], tmp_path / "log", []

    def kill(done: int) -> None:
        if not killed:
            killed.append(told(log)[-1])
            os.kill(killed[0], signal.SIGKILL)

    engine = ray_engine(log, hold=Hold(16, 3))  # until the worker is there that replaces the killed one
    counts = fill(engine, tmp_path / "ray.db", sources, kill)
    assert (counts.embedded, counts.errors) == (40, [])
    assert killed
    assert len({*told(log)}) >= 3, "the killed worker was not started again"
    fill(LocalEngine(FakeEncoder(), PLAIN), tmp_path / "local.db", sources)
    assert content_of(tmp_path / "ray.db") == content_of(tmp_path / "local.db")


@pytest.mark.real_data
def test_an_interrupted_run_goes_on_with_what_the_parts_and_the_store_have(tmp_path: Path, ray_here: None) -> None:
    folder, store = write_noise(tmp_path / "p", 40), tmp_path / "ray.db"

    def interrupt(done: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fill(ray_engine(tmp_path / "first", hold=Hold(24, 99)), store, pictures(folder)[:-1], interrupt)
    card = StoreCard.of(FakeEncoder(), "fake", WHOLE)
    parts = Parts(f"{store}.parts", card)
    over(tmp_path / "first").touch()
    left = [parts.read(name) for name in parts.names()]
    assert None not in left
    there = len(content_of(store)) + sum(len(part.pictures) for part in left if part)
    assert 0 < there < 40
    (folder / "00.png").rename(folder / "moved.png")  # its content is known, whatever its name
    counts = fill(ray_engine(tmp_path / "second", workers=1), store, pictures(folder)[:-1])
    assert len(told(tmp_path / "second")) <= 40 - there
    assert (counts.known, counts.errors) == (1, [])
    assert sorted(Path(path).name for path, _, _ in content_of(store)) == sorted(path.name for path in folder.iterdir())


def left_part(store: Path, folder: Path) -> Path:
    """Leave a part beside a store, as an interrupted run does."""
    card = StoreCard.of(FakeEncoder(), "fake", WHOLE)
    parts = Parts(f"{store}.parts", card)
    known = content_keys([])
    EmbedIntoParts(parts, lambda: known)(FakeEncoder(), PLAIN, pictures(folder), 7)
    return Path(f"{store}.parts") / "0-000000000007.parquet"


def test_a_part_that_was_left_is_imported_without_workers(tmp_path: Path) -> None:
    folder, store = write_noise(tmp_path / "p", 5), tmp_path / "ray.db"
    part = left_part(store, folder)
    (part.parent / ".000000000008.0123").write_bytes(b"a draft of a killed worker")
    (folder / "04.png").write_bytes(b"changed meanwhile")
    engine = ray_engine(tmp_path / "log")
    counts = fill(engine, store, pictures(folder)[:4])
    assert (counts.unchanged, counts.embedded) == (4, 0)
    assert len(content_of(store)) == 4
    assert not part.parent.exists()


def test_a_damaged_part_is_no_part_and_one_of_another_store_is_refused(tmp_path: Path) -> None:
    folder, store = write_noise(tmp_path / "p", 5), tmp_path / "ray.db"
    part, card = left_part(store, folder), StoreCard.of(FakeEncoder(), "fake", WHOLE)
    other = Parts(str(part.parent), replace(card, fingerprint="another"))
    with pytest.raises(UsageError, match="parts of another model"):
        other.read(part.stem)
    part.write_bytes(part.read_bytes()[:-20])
    parts = Parts(str(part.parent), card)
    assert parts.read(part.stem) is None
    with pytest.raises(ClipEmotionError, match="that all machines see"):
        parts.read("missing")
    with pytest.raises(UsageError, match="cannot be opened"):
        Parts("nowhere://bucket", card).names()


def test_a_worker_returns_what_went_wrong(tmp_path: Path) -> None:
    told_by = model(tmp_path / "log")

    def fail(*_: object) -> bytes:
        raise RuntimeError("out of luck")

    assert str(Worker(Job(told_by, PLAIN, fail))([], 0)[1]) == "RuntimeError: out of luck"
    _, fault = Worker(Job(replace(told_by, fingerprint="another-1"), PLAIN, fail))([], 0)
    assert isinstance(fault, ModelError)
    assert "the same model on every machine" in str(fault)


def test_contents_are_known_by_all_their_bytes_and_boxes() -> None:
    zeros = "00" * 32
    keys = content_keys([(SHA, ""), (zeros, ""), (SHA, "[[1, 2, 3, 4]]")])
    assert all(is_known(one, keys) for one in ((SHA, ""), (zeros, ""), (SHA, "[[1, 2, 3, 4]]")))
    assert not is_known((SHA[:-2] + "00", ""), keys)
    assert not is_known((SHA, "[[1, 2, 3, 5]]"), keys)
    assert not is_known((SHA, ""), content_keys([]))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["embed", "--store", "s.db", "--engine", "ray"], "pip install 'clip-emotion[tune]'"),
        (["label", "--engine", "ray"], "pip install 'clip-emotion[tune]'"),
        (["embed", "--store", "s.db", "--parts", "parts"], "add --engine ray"),
        (["embed", "--store", "s.db", "--engine", "spark"], "'spark' is not one of"),
    ],
)
def test_what_cannot_be_is_told(
    command: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_noise(tmp_path / "p", 1)
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in ("clip_emotion.retrieval.engines.ray_data", "clip_emotion.ray_session"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert main([command[0], "p", *command[1:]]) in (1, 2)
    assert said in " ".join(capfd.readouterr().err.split())
    assert not (tmp_path / "s.db").exists()
