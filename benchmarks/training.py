"""What the training loop costs: pictures a second of ``fit`` against a bare loop, ``python benchmarks/training.py``.

Both train the mini's image tower with a classifier on the same 48-pixel pictures, batch size and threads. The bare
loop has its batches ready in memory and does nothing but forward, backward and step. Ours also draws balanced batches,
augments them in a thread that runs ahead, averages weights, schedules, clips, logs and saves. Runs alternate and the
best of each counts, so that a busy moment of the machine favours nobody; the median of the ratios is told beside it.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import time
from pathlib import Path

import datasets
import numpy as np
import torch
from datasets import ClassLabel, Dataset, Features
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from clip_emotion.data.batches import Batch, ImageBatches, Prefetcher, row_labels
from clip_emotion.data.samplers import BalancedBatchSampler
from clip_emotion.data.transform_config import TransformConfig
from clip_emotion.evaluation.measurement import Measurements
from clip_emotion.models.mini.config import ImageTowerConfig
from clip_emotion.models.mini.image_tower import ImageTower
from clip_emotion.training.loop.fit import FitConfig, Progress, fit
from clip_emotion.training.loop.optim import make_optimizer

CLASSES, IMAGES, SIDE = 7, 2000, 48
CHANGES = TransformConfig()


class Classifier(nn.Module):
    """The mini's image tower with a linear layer on it."""

    def __init__(self) -> None:
        super().__init__()
        config = ImageTowerConfig()
        self.tower, self.head = ImageTower(config), nn.Linear(config.dim, CLASSES)

    def forward(self, pixels: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [0, 1] → logits [N, classes]."""
        logits: Tensor = self.head(self.tower(4 * pixels.mean(dim=1, keepdim=True) - 2))
        return logits


class FaceObjective:
    """Cross-entropy on batches that are made ahead."""

    def __init__(self, batches: ImageBatches, ahead: Prefetcher[Batch]) -> None:
        torch.manual_seed(0)
        self.model, self.ahead, self.batch_size = Classifier(), ahead, batches.sampler.batch_size

    def loss(self, step: int, progress: float) -> Tensor:
        """Return the loss of the step's batch."""
        batch = self.ahead.get(step)
        return F.cross_entropy(self.model(batch.pixels), batch.labels)

    def validate(self, model: Classifier) -> Measurements:
        """Validation is no part of the comparison."""
        return Measurements()


def random_faces(seed: int = 0) -> Dataset:
    """Return pictures of noise, a tenth of them of the last class, as PNG."""
    rng = np.random.default_rng(seed)
    cells = []
    for pixels in rng.integers(0, 256, (IMAGES, SIDE, SIDE), dtype=np.uint8):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        cells.append({"bytes": buffer.getvalue(), "path": None})
    labels = rng.integers(0, CLASSES, IMAGES).tolist()
    names = [f"class {at}" for at in range(CLASSES)]
    features = Features({"image": datasets.Image(), "label": ClassLabel(names=names)})
    return Dataset.from_dict({"image": cells, "label": labels}, features=features)


def run_bare(ready: list[Batch], config: FitConfig) -> float:
    """Return pictures a second of forward, backward and step alone."""
    torch.manual_seed(0)
    model = Classifier().train()
    optimizer = make_optimizer(model, config)
    began = time.perf_counter()
    for step in range(config.steps):
        batch = ready[step % len(ready)]
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
            loss = F.cross_entropy(model(batch.pixels), batch.labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return config.steps * len(ready[0]) / (time.perf_counter() - began)


def run_fit(batches: ImageBatches, config: FitConfig) -> float:
    """Return pictures a second of the whole loop, its checkpoint included."""
    told: list[Progress] = []
    with tempfile.TemporaryDirectory() as folder, Prefetcher(batches.get) as ahead:
        objective = FaceObjective(batches, ahead)
        began = time.perf_counter()
        fit(objective, config, Path(folder), told.append)
        return config.steps * objective.batch_size / (time.perf_counter() - began)


def main() -> None:
    """Compare, and write one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=98)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = FitConfig(
        steps=options.steps, learning_rate=1e-3, clip_norm=1.0, precision=options.precision, log_every=10
    )
    rows = random_faces()
    batches = ImageBatches(rows, BalancedBatchSampler(row_labels(rows), options.batch), SIDE, CHANGES)
    ready = [batches.get(step) for step in range(8)]
    run_bare(ready, config.model_copy(update={"steps": 3}))
    pairs = [(run_bare(ready, config), run_fit(batches, config)) for _ in range(options.rounds)]
    bare, ours = (max(speeds) for speeds in zip(*pairs, strict=True))
    ratios = [second / first for first, second in pairs]
    result = {"bare": bare, "fit": ours, "ratio": ours / bare, "median_ratio": statistics.median(ratios)}
    print(json.dumps({name: round(value, 3) for name, value in result.items()}))


if __name__ == "__main__":
    main()
