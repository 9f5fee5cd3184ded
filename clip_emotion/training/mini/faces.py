"""The images of the mini as tensors: FER-2013 with FER+ votes, and muxspace, less what is kept out."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import datasets
import numpy as np
import torch
from datasets import Dataset
from PIL import Image
from torch import Tensor

from clip_emotion.data.held_out import DIGITS, hash_share
from clip_emotion.data.samplers import repeated_rows
from clip_emotion.errors import DataError
from clip_emotion.training.mini.faces_config import FacesConfig
from clip_emotion.vocabulary import Vocabulary


@dataclass(frozen=True)
class FaceRows:
    """Grey images uint8 [N, 1, 48, 48], target distributions [N, C], and how often an epoch draws each row."""

    images: Tensor
    targets: Tensor
    repeats: Tensor
    _epochs: dict[tuple[int, int], Tensor] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def epoch_size(self) -> int:
        """The expected number of images that an epoch draws."""
        return round(float(self.repeats.sum()))

    def part(self, rows: Tensor) -> FaceRows:
        """Return some of the rows, by mask or by position."""
        return FaceRows(self.images[rows], self.targets[rows], self.repeats[rows])

    def joined(self, other: FaceRows) -> FaceRows:
        """Return these rows followed by the other's."""
        images = torch.cat((self.images, other.images))
        targets = torch.cat((self.targets, other.targets))
        return FaceRows(images, targets, torch.cat((self.repeats, other.repeats)))

    def batch(self, step: int, size: int, seed: int) -> Tensor:
        """Return the rows of one step: epochs are shuffled, and follow from (seed, step) alone."""
        epoch, at = divmod(step, max(1, self.epoch_size // size))
        return self._order(epoch, seed, size)[at * size : (at + 1) * size]

    def _order(self, epoch: int, seed: int, size: int) -> Tensor:
        if (epoch, seed) not in self._epochs:
            self._epochs.clear()
            order = repeated_rows(self.repeats, epoch, seed)
            # Fractional repeats make an epoch a little longer or shorter than expected: a shorter one begins again.
            need = max(1, self.epoch_size // size) * size
            self._epochs[(epoch, seed)] = order.repeat(-(-need // len(order)))[:need]
        return self._epochs[(epoch, seed)]


@dataclass(frozen=True)
class FaceSplits:
    """What trains, what fits the temperature, what validates, and muxspace's share that tunes (there may be none)."""

    training: FaceRows
    tuning: FaceRows
    validation: FaceRows
    photographs: FaceRows


def load_faces(config: FacesConfig, basic: Vocabulary) -> FaceSplits:
    """Read all image sources, preparing them below ``config.prepared`` the first time.

    Training images that also stand in validation, blank ones and ones with conflicting labels are dropped.
    Raises DataError when a source is missing, in no known layout, lacks a split, or leaves no image to tune on.
    """
    raw = config.raw()
    fer = raw["fer2013"].load()
    if not {"train", "validation"} <= set(fer):
        raise DataError(f"{raw['fer2013'].path} lacks the split train or validation: it has {', '.join(fer)}.")
    train, validation = (_rows(fer[name], basic) for name in ("train", "validation"))
    votes = count_votes(fer["train"]["path"], raw["votes"].load(), basic)
    softened = mix_votes(train.targets, votes, config.vote_weight, config.least_votes)
    repeats = torch.tensor([config.repeat.get(key, 1.0) for key in basic.keys])
    train = FaceRows(train.images, softened, repeats[train.targets.argmax(dim=1)])
    tuning = torch.from_numpy(hash_share(fer["train"]["sha"], config.tuning_share))
    if not tuning.any() or tuning.all():
        raise DataError(f"{int(tuning.sum())} of {len(train)} training images are for tuning: change tuning_share.")
    photographs, kept_out = _muxspace(config, basic)
    return FaceSplits(
        training=train.part(~tuning).joined(photographs),
        tuning=_rows(fer["train"], basic).part(tuning),
        validation=validation,
        photographs=kept_out,
    )


def _muxspace(config: FacesConfig, basic: Vocabulary) -> tuple[FaceRows, FaceRows]:
    prepared = config.raw()["muxspace"].load()["train"]
    rows = _rows(prepared, basic)
    usable = ~torch.from_numpy(hash_share(prepared["sha"], config.held_out_share))
    tuning = torch.zeros(len(rows), dtype=torch.bool)
    if config.muxspace_tuning_share:
        # Other digits of the hash than the held-out share's, so that the two choices are independent.
        tuning = usable & torch.from_numpy(hash_share(prepared["sha"], config.muxspace_tuning_share, DIGITS))
    training = rows.part(usable & ~tuning)
    counts = training.targets.sum(dim=0)
    repeats = (config.muxspace_cap / counts.clamp_min(1)).clamp(max=config.muxspace_repeat)
    repeated = FaceRows(training.images, training.targets, repeats[training.targets.argmax(dim=1)])
    return repeated, rows.part(tuning)


def _rows(split: Dataset, basic: Vocabulary, side: int = 48) -> FaceRows:
    raw = split.cast_column("image", datasets.Image(decode=False))
    images = torch.stack([_grey(cell["bytes"], side) for cell in raw["image"]])
    names = split.features["label"].names
    classes = torch.tensor([basic.index(names[label]) for label in split["label"]])
    targets = torch.nn.functional.one_hot(classes, len(basic)).float()
    return FaceRows(images, targets, torch.ones(len(classes)))


def _grey(data: bytes, side: int) -> Tensor:
    with Image.open(io.BytesIO(data)) as image:
        grey = image.convert("L")
        if grey.size != (side, side):
            grey = grey.resize((side, side), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(grey, dtype=np.uint8))[None]


def count_votes(paths: Sequence[str], votes: Mapping[str, Dataset], vocabulary: Vocabulary) -> Tensor:
    """Return how many voters named each class of the vocabulary for an image's file [N, C]: 0 for unknown files."""
    table = {_file(row["path"]): row for split in votes.values() for row in split}
    counts = torch.zeros(len(paths), len(vocabulary))
    for count, path in zip(counts, paths, strict=True):
        if row := table.get(_file(path)):
            count.copy_(torch.tensor([float(row[key]) for key in vocabulary.keys]))
    return counts


def mix_votes(targets: Tensor, counts: Tensor, weight: float, least: int) -> Tensor:
    """Mix target distributions [N, C] with those of the votes (FER+, 1608.01041), where at least ``least`` count."""
    totals = counts.sum(dim=1, keepdim=True)
    share = weight * (totals >= least)
    return (1 - share) * targets + share * counts / totals.clamp_min(1)


def _file(path: str) -> str:
    return path.rsplit("/", 1)[-1]
