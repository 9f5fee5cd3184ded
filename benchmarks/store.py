"""How fast a store answers: ``python benchmarks/store.py [--faces 100000] [--repeats 3] [--pictures FOLDER]``.

A store is filled with random unit vectors; then a new vocabulary of 44 words is put to all of them, as
``clip-emotion label --store FILE --vocab kote44 --out rows.jsonl`` does after its start-up: words encoded, vectors
read, words ranked, rows written. The parts are measured one by one too, each with what it needs before it. Seconds are
those of the clock, the best of the repeats; beside them the processor's, which a busy machine does not stretch. Last, a
search; benchmarks/search.py has more of it.

With ``--pictures`` it only tells how far rows from a store are from those of labelling a folder's pictures themselves.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.finding import find_images
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.registry import load_encoder
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.labelling.row_files import Target, open_target
from clip_emotion.retrieval.labelling.rows import RunCard
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.retrieval.store.embedding import Embedding
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.labelling import label_store
from clip_emotion.retrieval.store.reading import face_blocks
from clip_emotion.retrieval.store.records import VECTOR, Picture, Place, StoreCard, StoredFile, StoredRegion
from clip_emotion.retrieval.store.search import Query, Wanted, search
from clip_emotion.types import FaceBox, FaceRegion
from clip_emotion.vocabulary import Vocabulary

BATCH = 4096
AIM = 1.5
"""Seconds for 100,000 faces and 44 words."""


def fill(path: Path, encoder: ImageTextEncoder, faces: int, dim: int) -> None:
    """Write a store of so many random unit vectors, a face each."""
    random = np.random.default_rng(0)
    with EmbeddingStore.open_for(path, StoreCard.of(encoder, "mini", FaceOptions())) as store:
        for start in range(0, faces, BATCH):
            vectors = random.standard_normal((min(BATCH, faces - start), dim))
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            store.write([_picture(start + at, vector.astype(VECTOR)) for at, vector in enumerate(vectors)])


def _picture(number: int, vector: np.ndarray[tuple[int], np.dtype[np.floating]]) -> Picture:
    name = f"/photographs/{number // 1000:04}/{number:08}.jpg"
    file = StoredFile(name, Place(name), 100_000 + number, number, f"{number:064x}")
    box = FaceBox(number % 512, number % 384, 100 + number % 64, 120 + number % 64)
    region = StoredRegion(FaceRegion(0, box, 0.9 + number % 97 / 1000, "face"), bytes(40), vector.tobytes())
    return Picture(file, [region])


def measure(store: Path, encoder: ImageTextEncoder, repeats: int) -> dict[str, tuple[float, float]]:
    """Return for each part the least seconds of the clock, and those of the processor in that run."""
    words = replace(Vocabulary.load("kote44"), name="new words")

    def read() -> None:
        with EmbeddingStore.open(store) as opened:
            for _ in face_blocks(opened):
                pass

    def rank() -> None:
        labeller = ZeroShotLabeller(encoder, words)
        with EmbeddingStore.open(store) as opened:
            for _ in label_store(opened, labeller, 5):
                pass

    def write() -> None:
        labeller = ZeroShotLabeller(encoder, words)
        card = RunCard(encoder.fingerprint, words.name, 5)
        target = Target(store.with_name("rows.jsonl"), "jsonl")
        with EmbeddingStore.open(store) as opened, open_target(target, card) as (writer, _):
            for block in label_store(opened, labeller, 5):
                writer.write_lines(block.json_lines(card))

    def find() -> None:
        with EmbeddingStore.open(store) as opened:
            search(opened, Query.of(Wanted(["비장한 얼굴"]), opened, encoder), 50)

    parts: dict[str, Callable[[], None]] = {
        "read": read,
        "words encoded, read and ranked": rank,
        "the whole: and written as JSON lines": write,
        "search for one text": find,
    }
    return {name: min(_seconds(part) for _ in range(repeats)) for name, part in parts.items()}


def compare_rows(folder: Path, store: Path, encoder: ImageTextEncoder) -> None:
    """Print how many rows name the same five words in the same order, and how far probabilities are apart at most."""
    sources = find_images([str(folder)]).sources
    with EmbeddingStore.open_for(store, StoreCard.of(encoder, "mini", FaceOptions())) as opened:
        Embedding(opened, encoder, StreamConfig()).run(sources)
        labeller = ZeroShotLabeller(encoder, Vocabulary.load("kote44"))
        stored = [row for block in label_store(opened, labeller, 5) for row in block.predictions()]
    direct = list(labeller.stream(sources, 5))
    pairs = [(one.labels, two.labels) for one, two in zip(direct, stored, strict=True)]
    same = sum([a.key for a in one] == [b.key for b in two] for one, two in pairs)
    apart = max(abs(a.probability - b.probability) for one, two in pairs for a, b in zip(one, two, strict=True))
    print(f"{same} of {len(pairs)} rows with the same five words in the same order; probabilities {apart:.6f} apart")


def _seconds(run: Callable[[], object]) -> tuple[float, float]:
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - clock, time.process_time() - processor


def main() -> None:
    """Fill a store, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    encoder = load_encoder("mini", "cpu")
    dim = encoder.encode_texts(["a"]).shape[1]
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "faces.db"
        if options.pictures:
            compare_rows(options.pictures, store, encoder)
            return
        fill(store, encoder, options.faces, dim)
        print(
            f"{options.faces:,} faces of {dim} numbers, 44 words; the store takes {store.stat().st_size / 1e6:.0f} MB"
        )
        for name, (clock, processor) in measure(store, encoder, options.repeats).items():
            print(f"{name:<38} {clock:7.3f} s   ({processor:.3f} s of the processor)")
    print(f"aim for 100,000 faces: {AIM} s")


if __name__ == "__main__":
    main()
