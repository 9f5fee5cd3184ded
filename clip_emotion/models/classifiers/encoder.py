"""A classifier behind the contract of encoders: it knows its own classes and no other word."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from PIL.Image import Image
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as V

from clip_emotion.models.classifiers.classes import FixedClasses
from clip_emotion.models.classifiers.config import ClassifierConfig
from clip_emotion.models.classifiers.network import Classifier
from clip_emotion.models.classifiers.sphere import RADIUS, on_sphere
from clip_emotion.skin import keep_skin
from clip_emotion.vocabulary import Vocabulary


def squared(config: ClassifierConfig, image: Image) -> Tensor:
    """Return an image as a classifier sees it: masked where it wants, the middle square, RGB in [0, 1], [3, S, S]."""
    side, kept = config.image_size, keep_skin(image, config.skin_mask)
    square = V.center_crop(V.resize(kept, [config.resized], InterpolationMode.BICUBIC), [side, side])
    pixels: Tensor = V.to_dtype(V.pil_to_tensor(square.convert("RGB")), torch.float32, scale=True)
    return pixels


class ClassifierEncoder(FixedClasses):
    """A trained classifier as an encoder; ``logit_scale`` is the sphere's radius by the fitted temperature.

    The logits of an image and its mirror image are averaged. Words stand for a class by any of its aliases.
    """

    def __init__(self, model: Classifier, name: str, vocabulary: Vocabulary, temperature: float, print_: str) -> None:
        super().__init__(name, "a classifier", vocabulary, RADIUS / temperature)
        self.model = model.eval()
        self.fingerprint = print_
        self.preprocess: Callable[[Image], Tensor] = partial(squared, model.config)

    @torch.inference_mode()
    def encode_images(self, pixels: Tensor) -> Tensor:
        """Embed pictures: RGB in [0, 1], [N, 3, S, S] → [N, C + 1], L2-normalised, on the CPU."""
        moved = pixels.to(self.model.device)
        return on_sphere((self.model(moved) + self.model(moved.flip(3))) / 2).cpu()
