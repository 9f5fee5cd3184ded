"""A pre-trained image–text pair opened up for training: differentiable features, named blocks, a description."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from PIL.Image import Image
from torch import Tensor, nn

RANDOM_PREFIX = "random:"
"""What stands before an architecture that is wanted with random weights."""

Spec = dict[str, Any]
"""What rebuilds a backbone with no network and no weights: JSON values only, its maker's name under ``kind``."""


class Backbone(nn.Module, ABC):
    """The two towers of an image–text model, before their embeddings are normalised.

    ``dim`` is the features' size and ``image_size`` the side of a picture in pixels. ``initial_logit_scale`` is what
    the model's own encoder multiplies cosines by, ``initial_text_logit_scale`` for texts against texts, where
    ``initial_text_threshold`` is the probability from which a text carries a label, if it is known;
    ``flip_average`` tells that it averages a picture's embedding with that of its mirror image. ``spec`` and
    ``tokenizer_files`` rebuild the backbone, weights aside.
    """

    name: str
    spec: Spec
    dim: int
    image_size: int
    languages: tuple[str, ...]
    initial_logit_scale: float
    initial_text_logit_scale: float
    initial_text_threshold: float | None = None
    flip_average: bool = False

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @abstractmethod
    def preprocess(self, image: Image) -> Tensor:
        """Make of an RGB picture what ``image_features`` takes, float [3, image_size, image_size]."""

    def normalise(self, pixels: Tensor) -> Tensor:
        """Make of a batch what ``image_features`` takes, on the backbone's device.

        ``pixels`` are RGB [N, 3, H, W], uint8 or float in [0, 1]; another size than the backbone's is resized.
        """
        moved = pixels.to(self.device)
        scaled = moved.float() / 255 if moved.dtype == torch.uint8 else moved.float()
        side = self.image_size
        if tuple(scaled.shape[-2:]) != (side, side):
            scaled = F.interpolate(scaled, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
        return self._standardise(scaled)

    def _standardise(self, pixels: Tensor) -> Tensor:
        return pixels

    @abstractmethod
    def image_features(self, pixels: Tensor) -> Tensor:
        """Embed pictures: [N, 3, H, W] as ``preprocess`` or ``normalise`` gives them → [N, D], not normalised."""

    @abstractmethod
    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Turn M texts into int64 token ids [M, T], on the CPU."""

    @abstractmethod
    def text_features(self, tokens: Tensor) -> Tensor:
        """Embed token ids [M, T] → [M, D], not normalised."""

    @abstractmethod
    def image_blocks(self) -> list[list[str]]:
        """Return the image tower's parameter names from input to output, at least two groups.

        The first group is the embedding of the input, the last the final norms and projections, and those between are
        the blocks. A group may be empty.
        """

    @abstractmethod
    def text_blocks(self) -> list[list[str]]:
        """Return the text tower's parameter names, grouped as ``image_blocks`` groups them."""

    @abstractmethod
    def tokenizer_files(self) -> dict[str, bytes]:
        """Return the tokenizer's files by name; empty where the tokenizer comes with an installed package."""


def in_groups(names: Iterable[str], embeddings: Sequence[str], blocks: Sequence[str]) -> list[list[str]]:
    """Sort parameter names into embeddings, then each block, then all the rest, by the modules they belong to."""
    modules = [tuple(embeddings), *((block,) for block in blocks)]
    groups: list[list[str]] = [[] for _ in range(len(modules) + 1)]
    for name in names:
        place = next((at for at, owners in enumerate(modules) if _owned(name, owners)), len(modules))
        groups[place].append(name)
    return groups


def _owned(name: str, owners: tuple[str, ...]) -> bool:
    return any(name == owner or name.startswith(f"{owner}.") for owner in owners)
