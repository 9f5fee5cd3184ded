"""What several models see of one image, side by side in one tensor, so that each sees what it would see alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from math import prod

import torch
from PIL import Image
from torch import Tensor

PROBE = (64, 64)


class SideBySide:
    """Preprocessings joined into one: ``preprocess`` gives [3, K, 1], with K the sum of their numbers of pixels."""

    def __init__(self, preprocess: Sequence[Callable[[Image.Image], object]]) -> None:
        self._each = tuple(preprocess)
        probe = Image.new("RGB", PROBE)
        self._shapes = [torch.as_tensor(one(probe)).shape for one in self._each]
        ends = accumulate((prod(shape[1:]) for shape in self._shapes), initial=0)
        self._places = [slice(*ends_of) for ends_of in pairwise(ends)]

    def preprocess(self, image: Image.Image) -> Tensor:
        """Return what each preprocessing makes of an image, one after the other."""
        return torch.cat([torch.as_tensor(one(image)).reshape(3, -1, 1) for one in self._each], dim=1)

    def split(self, pixels: Tensor) -> list[Tensor]:
        """Return the images of each, [N, 3, H, W] as its own preprocessing gives them, from [N, 3, K, 1]."""
        return [
            pixels[:, :, place].reshape(-1, *shape) for place, shape in zip(self._places, self._shapes, strict=True)
        ]
