"""Kill ``embed`` at random instants and see what is left: ``python benchmarks/store_kills.py [--kills 200]``.

Runs of the bundled mini over small pictures are killed (SIGKILL) at random instants, every third time two runs that
fill one store at once. After each kill the store must be sound; when it holds every picture, its rows must be those of
an unbroken run, and a new store is begun.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import random
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from clip_emotion.arrays import Float32Array
from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.finding import find_images
from clip_emotion.errors import UsageError
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.registry import load_encoder
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.retrieval.store.embedding import Embedding
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.reading import face_blocks
from clip_emotion.retrieval.store.records import StoreCard
from clip_emotion.retrieval.store.upkeep import store_info, verify

PICTURES, BATCH = 60, 2
WHOLE = FaceOptions("none")


def embed(store: Path, folder: Path, encoder: ImageTextEncoder) -> None:
    """Bring the folder's pictures into the store."""
    with EmbeddingStore.open_for(store, StoreCard.of(encoder, "mini", WHOLE)) as opened:
        Embedding(opened, encoder, StreamConfig(WHOLE, BATCH)).run(find_images([str(folder)]).sources)


def rows_of(store: Path) -> dict[str, Float32Array]:
    """Return each picture's vector; raises AssertionError where the store is not sound."""
    with EmbeddingStore.open(store) as opened:
        faults = verify(opened)
        assert not faults, faults
        assert store_info(opened).unused == 0
        blocks = list(face_blocks(opened))
    return {path: vector for block in blocks for path, vector in zip(block.paths, block.vectors, strict=True)}


def are_same(rows: dict[str, Float32Array], others: dict[str, Float32Array]) -> bool:
    """Tell whether two stores hold the same, but for the last bits, which depend on the batch of a picture."""
    return rows.keys() == others.keys() and all(np.allclose(rows[path], others[path], atol=1e-3) for path in rows)


def kill_one_round(store: Path, folder: Path, encoder: ImageTextEncoder, writers: int, longest: float) -> int:
    """Start runs, kill those that still run after a random while, in seconds, and return how many these were."""
    fork = multiprocessing.get_context("fork")
    runs = [fork.Process(target=embed, args=(store, folder, encoder)) for _ in range(writers)]
    for run in runs:
        run.start()
    time.sleep(random.uniform(0, longest))
    killed = sum(run.is_alive() for run in runs)
    for run in runs:
        run.kill()
        run.join()
    return killed


def main() -> None:
    """Kill, check, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    wanted = parser.parse_args().kills
    torch.set_num_threads(1)  # a forked process has none of the other threads
    encoder, kills, filled, started = load_encoder("mini", "cpu"), 0, 0, time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        folder, store = Path(place) / "pictures", Path(place) / "faces.db"
        folder.mkdir()
        for number in range(PICTURES):
            values = np.random.default_rng(number).integers(0, 256, (48, 48, 3), dtype=np.uint8)
            Image.fromarray(values).save(folder / f"{number:02}.png")
        # In a process of its own, so that no thread of the library lives when others are forked.
        whole = multiprocessing.get_context("fork").Process(target=embed, args=(store, folder, encoder))
        begun = time.perf_counter()
        whole.start()
        whole.join()
        longest, unbroken = time.perf_counter() - begun, rows_of(store)
        rows: dict[str, Float32Array] = {}
        while kills < wanted:
            if len(rows) == PICTURES or not kills:
                assert not rows or are_same(rows, unbroken), "the rows are not those of an unbroken run"
                filled += bool(rows)
                for part in store.parent.glob(f"{store.name}*"):
                    part.unlink()
                rows = {}
            kills += kill_one_round(store, folder, encoder, 1 if kills % 3 else 2, longest)
            with contextlib.suppress(UsageError):  # there is no store yet, or nothing in it
                rows = rows_of(store)
    print(
        f"{kills} kills in {time.perf_counter() - started:.0f} s: sound each time; {filled} stores filled, as unbroken."
    )


if __name__ == "__main__":
    main()
