"""Ray Data against one process: ``python benchmarks/ray_engine.py [--pictures 600] [--workers 1 2 4] [--repeats 1]``.

Small pictures are embedded for rows by the bundled mini: by the local engine, and by so many workers of Ray in one
session. The first run of each engine is as a user's is, with its start; the second share of each line is what the
workers do once they are there, measured from the first row to the last. A ratio is the local engine's seconds by the
others'. Rows are compared, rounding apart.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.finding import find_images
from clip_emotion.models.registry import load_encoder
from clip_emotion.ray_session import joined_or_here
from clip_emotion.retrieval.engines.base import Engine
from clip_emotion.retrieval.engines.local import LocalEngine
from clip_emotion.retrieval.engines.ray_data import RayDataEngine
from clip_emotion.retrieval.engines.worker import Model
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.retrieval.labelling.stream import StreamConfig
from clip_emotion.types import Prediction
from clip_emotion.vocabulary import Vocabulary

CONFIG = StreamConfig(FaceOptions("none"))


def write_pictures(folder: Path, count: int) -> None:
    """Write so many pictures of noise with 48 pixels a side."""
    for number in range(count):
        values = np.random.default_rng(number).integers(0, 256, (48, 48, 3), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{number:06}.png")


def run(engine: Engine, folder: Path, labeller: ZeroShotLabeller) -> tuple[list[Prediction], float, float]:
    """Return the rows, the seconds of the whole run, and those from the first row to the last, for all pictures."""
    started = first = time.perf_counter()
    rows: list[Prediction] = []
    for row in engine.label(find_images([str(folder)]).sources, labeller, 5):
        if not rows:
            first = time.perf_counter()
        rows.append(row)
    ended = time.perf_counter()
    return rows, ended - started, ended - first


def are_same(rows: list[Prediction], others: list[Prediction]) -> bool:
    """Tell whether two runs gave the same rows, rounding apart."""
    near = all(
        abs(a.probability - b.probability) < 1e-4
        for one, two in zip(rows, others, strict=True)
        for a, b in zip(one.labels, two.labels, strict=True)
    )
    return near and [row.path for row in rows] == [row.path for row in others]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=600)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    encoder = load_encoder("mini", "cpu")
    labeller = ZeroShotLabeller(encoder, Vocabulary.load("kote44"))
    model = Model("mini", "cpu", encoder.fingerprint)
    engines: dict[str, Engine] = {"local": LocalEngine(encoder, CONFIG)}
    engines |= {f"ray, {count} workers": RayDataEngine(model, CONFIG, count) for count in options.workers}
    with tempfile.TemporaryDirectory() as place, joined_or_here(max(options.workers), gpus=False):
        folder = Path(place)
        write_pictures(folder, options.pictures)
        found = {
            name: [run(engine, folder, labeller) for _ in range(options.repeats)] for name, engine in engines.items()
        }
    local = min(whole for _, whole, _ in found["local"])
    for name, runs in found.items():
        whole, working = min(one[1] for one in runs), min(one[2] for one in runs)
        same = all(are_same(found["local"][0][0], rows) for rows, _, _ in runs)
        print(
            f"{name:<16} {whole:7.1f} s in all, {working:7.1f} s from the first row to the last; "
            f"{local / whole:5.2f} x local; the same rows: {'yes' if same else 'NO'}"
        )


if __name__ == "__main__":
    main()
