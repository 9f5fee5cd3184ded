"""``embed`` and ``store`` through the real command line; killed runs leave a sound store and lose a batch at most."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.upkeep import store_info, verify
from tests.support.commands import Run, runner
from tests.support.label_with_fake import run_slowly
from tests.support.pictures import noise, save, two_faces
from tests.support.processes import start
from tests.support.stores import content_of, embed, write_noise

BATCH = 4


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(capfd)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    two_faces(tmp_path / "pictures")
    save(noise((48, 48)), tmp_path / "pictures" / "crop.png")
    return tmp_path / "pictures"


def test_from_pictures_to_parquet(run: Run, folder: Path, tmp_path: Path) -> None:
    store, rows = tmp_path / "faces.db", tmp_path / "faces.parquet"
    code, out, err = run("embed", folder, "--store", store, "--face", "each")
    assert (code, out) == (0, "")
    assert "2 embedded (3 embeddings), 0 unchanged, 0 moved or copied; 0 failed." in err
    code, out, _ = run("store", "info", store, "--format", "json")
    counts = json.loads(out)
    assert code == 0
    assert (counts["encoder"], counts["face"], counts["dim"]) == ("mini", "each", 256)
    assert (counts["files"], counts["embeddings"], counts["faces"]) == (2, 3, 2)
    assert "3 embeddings of 2 files" in run("store", "verify", store)[2]
    assert run("store", "export", store, "--out", rows)[0] == 0
    table = pq.read_table(rows)
    assert table["part"].to_pylist() == ["whole", "face", "face"]
    assert [len(points or ()) for points in table["landmarks"].to_pylist()] == [0, 10, 10]
    assert all(sum(x * x for x in vector) == pytest.approx(1, abs=1e-2) for vector in table["vector"].to_pylist())
    assert run("store", "export", store, "--out", rows)[0] == 2
    (folder / "crop.png").unlink()
    assert "Took out 1 file that is gone and what was kept of 1 picture that no file" in run("store", "prune", store)[2]
    assert "Nothing would be taken out: every file is still there." in run("store", "prune", store, "--dry-run")[2]
    assert "2 embeddings of 1 files" in run("store", "verify", store)[2]


def test_what_failed_is_told_each_time_and_left_out_of_parquet(run: Run, folder: Path, tmp_path: Path) -> None:
    store, rows = tmp_path / "faces.db", tmp_path / "faces.parquet"
    (folder / "broken.png").write_bytes(b"no picture")
    save(noise((300, 300)), folder / "crop.png")
    assert run("embed", folder, "--store", store, "--face", "require")[0] == 1
    (folder / "copy.png").write_bytes(b"no picture")
    code, _, err = run("embed", folder, "--store", store, "--face", "require")
    assert code == 1
    assert "2 of the unchanged, moved or copied failed before: --retry tries them again." in err
    assert "3 unchanged, 1 moved or copied; 0 failed now, 2 before." in err
    code, _, err = run("store", "export", store, "--out", rows)
    assert code == 0
    assert "faces.parquet: 1 row." in err
    assert "Left out, since they failed: 2;" in err
    assert "Left out, since they have no face: 1." in err
    assert np.stack(pq.read_table(rows)["vector"].to_numpy()).shape == (1, 256)


def test_misuse_is_told_in_a_sentence(run: Run, folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "faces.db"
    assert run("embed", folder, "--store", store, "--face", "none")[0] == 0
    code, _, err = run("embed", folder, "--store", store)
    assert code == 2
    assert "faces found with 'none', not with 'auto'" in err
    code, _, err = run("embed", folder, "--store", folder / "crop.png")
    assert code == 2
    assert "is an input" in err
    assert run("embed", folder / "missing.png", "--store", store, "--face", "none")[0] == 1
    store.write_bytes(store.read_bytes()[:20000])
    code, _, err = run("store", "info", store)
    assert code == 1
    assert "damaged or truncated" in err


@pytest.mark.real_data
def test_killed_runs_lose_a_batch_at_most_and_end_as_an_unbroken_one(tmp_path: Path) -> None:
    folder, store, log = write_noise(tmp_path / "pictures", 40), tmp_path / "faces.db", tmp_path / "log"
    log.touch()
    command = ["embed", str(folder), "--store", str(store), "--face", "none", "--batch-size", str(BATCH)]
    for after in (1, 9, 22):
        child = start(run_slowly, 0.02, command, log, folder=tmp_path)
        deadline = time.monotonic() + 60
        while log.stat().st_size < after and time.monotonic() < deadline:
            time.sleep(0.003 * after % 0.01)
        child.kill()
        before = log.stat().st_size
        kept = _kept(store)
        assert before - kept <= BATCH, child.err.read_text("utf-8")
        log.write_bytes(b"." * kept)
    assert start(run_slowly, 0.0, command, log, folder=tmp_path).wait(60) == 0
    assert log.stat().st_size == 40
    embed(tmp_path / "unbroken.db", folder)
    assert content_of(store) == content_of(tmp_path / "unbroken.db")


def _kept(store: Path) -> int:
    """Return how many pictures a sound store holds; none where a kill came before there was one."""
    if not store.exists() or store.stat().st_size == 0:
        return 0
    with EmbeddingStore.open(store) as opened:
        assert verify(opened) == []
        return store_info(opened).embeddings
