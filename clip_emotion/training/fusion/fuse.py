"""A fusion from its configuration to what it is worth: stages, heads and seeds, and the one that is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from clip_emotion.arrays import FloatingArray
from clip_emotion.data.batches import row_labels
from clip_emotion.errors import UsageError
from clip_emotion.evaluation.calibration import fit_temperature
from clip_emotion.evaluation.fusion import INPUTS, CaptionQuality, FusionRow, caption_quality
from clip_emotion.files import expanded
from clip_emotion.models import registry
from clip_emotion.models.base import ClassEncoder, ImageTextEncoder
from clip_emotion.models.captioning.cache import CaptionFile
from clip_emotion.models.captioning.making import make_captioner
from clip_emotion.models.classifiers.sphere import RADIUS
from clip_emotion.models.emotion_clip.trained_vocabulary import all_aliases
from clip_emotion.models.fusion.encoder import FusionEncoder, Parts
from clip_emotion.models.fusion.features import make_image_feature
from clip_emotion.models.fusion.heads.base import Sizes
from clip_emotion.models.fusion.model import FusionModel, joined
from clip_emotion.outputs import held
from clip_emotion.training.finetune.data import load_images
from clip_emotion.training.fusion.config import FuseConfig, HeadTrainingConfig
from clip_emotion.training.fusion.objective import FusionObjective, FusionRows, fused_logits
from clip_emotion.training.fusion.stages import Progress, captions_of, image_features, text_features
from clip_emotion.training.loop.fit import fit
from clip_emotion.vocabulary import Vocabulary

Watch = Callable[[str, int], AbstractContextManager[Progress]]
"""Takes what is done and how many images it is done to."""
SHOWN = 12
"""So many captions are shown in the report."""


@dataclass(frozen=True)
class Fused:
    """What came of a fusion: a row for each head, the captions' quality, and the model of the row that was kept.

    The row is kept that answers best, with both features and on average over the seeds, on the images that were kept
    for tuning; its first seed is the model. ``tuned`` is that accuracy of every row, ``examples`` are names of images
    with their captions and classes.
    """

    vocabulary: Vocabulary
    split: str
    counts: Mapping[str, int]
    rows: tuple[FusionRow, ...]
    tuned: Mapping[str, float]
    kept: str
    quality: CaptionQuality
    examples: tuple[tuple[str, str, str], ...]
    encoder: FusionEncoder
    data: Mapping[str, str] = field(default_factory=dict)


def open_parts(config: FuseConfig) -> Parts:
    """Load the frozen models of a fusion, each once; raises UsageError or ModelError where one cannot be had."""
    load: Callable[[str, str], ImageTextEncoder] = cache(registry.load_encoder)
    text = load(config.text.model, config.device)
    if isinstance(text, ClassEncoder):
        raise UsageError(f"text.model is {config.text.model}, which reads no texts: name an image–text model.")
    captioner = make_captioner(config.captions, load, config.device)
    return Parts(make_image_feature(config.image, load, config.device), captioner, text)


def fuse(config: FuseConfig, watch: Watch, tell: Callable[[str], None]) -> Fused:
    """Make the stages that are not there yet, train every row with every seed, and measure all.

    Raises UsageError, DataError or ModelError where settings, data or weights are amiss.
    """
    vocabulary, trainings = Vocabulary.load(config.vocabulary), config.trainings()
    parts = open_parts(config)
    splits = load_images(config.data, vocabulary, config.seeds[0])
    stages = _Stages(config, parts, watch)
    with held(expanded(config.caption_file)):
        training, tuning = stages.rows(splits.training), stages.rows(splits.tuning)
        split, validated = next(iter(splits.validation.items()))
        validation = stages.rows(validated)
    sizes = Sizes(stages.widths[0], stages.widths[1], len(vocabulary))
    bench = _Bench(config, sizes, training, splits.targets, tuning, validation, vocabulary)
    rows, models, tuned = [], {}, {}
    for name, one in trainings.items():
        row, models[name], tuned[name] = bench.row(name, one)
        rows.append(row)
        tell(
            f"{name}: image {row.mean('image', 'accuracy'):.4f}, text {row.mean('text', 'accuracy'):.4f}, both "
            f"{row.mean('both', 'accuracy'):.4f} ({row.seconds:.1f} s a head)"
        )
    kept = max(tuned, key=lambda name: tuned[name])
    quality = caption_quality(stages.captions, validation.labels.numpy(), all_aliases(vocabulary))
    return Fused(
        vocabulary,
        split,
        {"training": len(training.labels), "tuning": len(tuning.labels), split: len(validation.labels)},
        tuple(rows),
        tuned,
        kept,
        quality,
        _examples(validated, stages.captions, vocabulary),
        _fusion(config, vocabulary, parts, models[kept], tuning),
        splits.fingerprints,
    )


class _Stages:
    """The stages of one split after the other; ``captions`` are those of the last, ``widths`` of both features."""

    def __init__(self, config: FuseConfig, parts: Parts, watch: Watch) -> None:
        self.config, self.parts, self.watch = config, parts, watch
        self.cache = expanded(config.cache)
        self.file = CaptionFile(expanded(config.caption_file))
        self.captions: list[str] = []
        self.widths = (0, 0)

    def rows(self, rows: Dataset) -> FusionRows:
        """Return the joined features of a split."""
        parts, config = self.parts, self.config
        with self.watch("image features", len(rows)) as progress:
            image = image_features(parts.image, rows, config.image.batch, self.cache, progress)
        with self.watch("captions", len(rows)) as progress:
            self.captions = captions_of(parts.captioner, rows, self.file, self.cache, progress)
        text = text_features(parts.text, self.captions, config.text.batch)
        self.widths = (image.shape[1], text.shape[1])
        return FusionRows(joined(image, text), row_labels(rows), list(rows["source"]))


@dataclass(frozen=True)
class _Bench:
    """What heads are trained and measured on."""

    config: FuseConfig
    sizes: Sizes
    training: FusionRows
    targets: Tensor
    tuning: FusionRows
    validation: FusionRows
    vocabulary: Vocabulary

    def row(self, name: str, training: HeadTrainingConfig) -> tuple[FusionRow, FusionModel, float]:
        """Train a row's head on both features and on each, with every seed.

        Returns what was measured, the first seed's model on both, and the mean accuracy on the tuning images.
        """
        found: dict[str, list[FloatingArray]] = {inputs: [] for inputs in INPUTS}
        models: list[FusionModel] = []
        began, tuned = time.monotonic(), []
        for inputs in INPUTS:
            for seed in self.config.seeds:
                head = training.head.model_copy(update={"inputs": inputs})
                model = self._trained(training.model_copy(update={"head": head, "seed": seed}))
                found[inputs].append(fused_logits(model, self.validation.features).softmax(dim=1).numpy())
                if inputs == "both":
                    models.append(model)
                    answers = fused_logits(model, self.tuning.features).argmax(dim=1)
                    tuned.append(float((answers == self.tuning.labels).float().mean()))
        row = FusionRow.of(
            name,
            found,
            self.validation.labels.numpy(),
            self.vocabulary.keys,
            seconds=(time.monotonic() - began) / (len(INPUTS) * len(self.config.seeds)),
            weights=sum(weights.numel() for weights in models[0].parameters()),
        )
        return row, models[0], float(np.mean(tuned))

    def _trained(self, training: HeadTrainingConfig) -> FusionModel:
        objective = FusionObjective(training, self.sizes, self.training, self.targets, self.tuning)
        loop = training.fit.model_copy(update={"seed": training.seed})
        # A head takes seconds, and is not gone on with.
        with TemporaryDirectory(prefix="clip-emotion-fuse-") as place:
            return fit(objective, loop, Path(place), lambda progress: None).model


def _fusion(
    config: FuseConfig, vocabulary: Vocabulary, parts: Parts, model: FusionModel, tuning: FusionRows
) -> FusionEncoder:
    """Return the kept model as an encoder, with a temperature fitted on the tuning images."""
    logits = fused_logits(model, tuning.features)
    temperature = RADIUS * fit_temperature((logits / RADIUS).numpy(), tuning.labels.numpy())
    return FusionEncoder(config.out.name, vocabulary, parts, model, temperature)


def _examples(rows: Dataset, captions: list[str], vocabulary: Vocabulary) -> tuple[tuple[str, str, str], ...]:
    """Return images with their captions and classes, spread over the split."""
    places = torch.linspace(0, len(rows) - 1, min(SHOWN, len(rows))).long().tolist()
    names, labels = rows.select(places)["path"], rows.select(places)["label"]
    return tuple(
        (name, captions[place], vocabulary.keys[label])
        for name, place, label in zip(names, places, labels, strict=True)
    )
