"""How fast a search is, by each kind of index: ``python benchmarks/search.py [--faces 250000] [--dim 512]``.

A store is filled with random unit vectors around some thousand centres, as faces lie around feelings. Measured are a
search that reads the store, the making of each index, a search by the index that lies beside the store (reading it,
asking it, and reading the answers' rows), and the search proper in an index that is in memory; and each index's recall.
Seconds are the clock's, the best of the repeats; beside them the processor's, which a busy machine does not stretch.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
from store import BATCH, _picture, _seconds

from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.models.base import ImageTextEncoder
from clip_emotion.models.registry import load_encoder
from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
from clip_emotion.retrieval.store.index import index_path, open_index
from clip_emotion.retrieval.store.index_choice import APPROXIMATE, EXACT, STREAMED, choose_index
from clip_emotion.retrieval.store.records import VECTOR, StoreCard
from clip_emotion.retrieval.store.search import Query, search
from clip_emotion.retrieval.store.upkeep import recall_of

AIM, TOP, CENTRES, SPREAD = 0.150, 50, 2000, 0.7


def fill(path: Path, encoder: ImageTextEncoder, faces: int, dim: int) -> Query:
    """Write a store of so many unit vectors, and return a search near one of them."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((CENTRES, dim)) / np.sqrt(dim)
    vectors = centres[:1]
    with EmbeddingStore.open_for(path, StoreCard.of(encoder, "mini", FaceOptions())) as store:
        for start in range(0, faces, BATCH):
            count = min(BATCH, faces - start)
            noise = SPREAD * random.standard_normal((count, dim)) / np.sqrt(dim)
            vectors = centres[random.integers(CENTRES, size=count)] + noise
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            store.write([_picture(start + at, vector.astype(VECTOR)) for at, vector in enumerate(vectors)])
    return Query(vectors[0].astype(np.float32), np.zeros(dim, dtype=np.float32))


def report(name: str, part: Callable[[], object], repeats: int) -> None:
    """Print the least seconds of the clock that a part takes, and those of the processor in that run."""
    clock, processor = min(_seconds(part) for _ in range(repeats))
    print(f"{name:<44} {clock:7.3f} s   ({processor:.3f} s of the processor)", flush=True)


def measure_index(path: Path, query: Query, kind: str, repeats: int) -> None:
    """Print what an index of a kind takes, and its recall."""
    with EmbeddingStore.open(path) as store:
        index_path(store).unlink(missing_ok=True)

        def make() -> None:
            with store.reading() as connection:
                open_index(store, connection, kind)

        report(f"{kind}: made", make, 1)
        report("  a search by the index beside the store", lambda: search(store, query, TOP, None, kind), repeats)
        with store.reading() as connection:
            index = open_index(store, connection, kind)
        report("  the search proper", lambda: index.nearest(query.wanted[None], TOP), repeats)
        print(f"  {index_path(store).stat().st_size / 1e6:.0f} MB; recall@10 {recall_of(store, kind).share:.4f}")


def main() -> None:
    """Fill a store, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=250_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="Of FAISS; 0 takes every core.")
    options = parser.parse_args()
    if options.threads:
        faiss.omp_set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faces.db"
        query = fill(path, load_encoder("mini", "cpu"), options.faces, options.dim)
        print(f"{options.faces:,} faces of {options.dim} numbers, {path.stat().st_size / 1e6:.0f} MB")
        with EmbeddingStore.open(path) as store:
            report(STREAMED, lambda: search(store, query, TOP), options.repeats)
        for kind in (EXACT, APPROXIMATE):
            measure_index(path, query, kind, options.repeats)
    print(f"chosen: {choose_index(options.faces).kind}; aim for the search proper: {AIM} s")


if __name__ == "__main__":
    main()
