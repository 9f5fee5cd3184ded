"""A classifier behind the contract of encoders: it knows its own classes and no other word."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL.Image import Image
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as V

from clip_emotion.errors import UsageError
from clip_emotion.models.classifiers.network import Classifier
from clip_emotion.models.classifiers.sphere import RADIUS, axes, on_sphere
from clip_emotion.vocabulary import Vocabulary


class ClassifierEncoder:
    """A trained classifier as an encoder; ``logit_scale`` is the sphere's radius by the fitted temperature.

    The logits of an image and its mirror image are averaged. Words stand for a class by any of its aliases.
    """

    def __init__(self, model: Classifier, name: str, vocabulary: Vocabulary, temperature: float, print_: str) -> None:
        self.model = model.eval()
        self.name, self.fingerprint = name, print_
        self.vocabulary: Vocabulary | None = vocabulary
        self.languages: tuple[str, ...] = tuple(dict.fromkeys(lang for one in vocabulary.labels for lang in one.names))
        self.logit_scale = self.text_logit_scale = RADIUS / temperature
        self.preprocess: Callable[[Image], Tensor] = self._preprocess

    def _preprocess(self, image: Image) -> Tensor:
        side = self.model.config.image_size
        square = V.center_crop(V.resize(image, [side], InterpolationMode.BICUBIC), [side, side])
        pixels: Tensor = V.to_dtype(V.pil_to_tensor(square.convert("RGB")), torch.float32, scale=True)
        return pixels

    @torch.inference_mode()
    def encode_images(self, pixels: Tensor) -> Tensor:
        """Embed pictures: RGB in [0, 1], [N, 3, S, S] → [N, C + 1], L2-normalised, on the CPU."""
        moved = pixels.to(self.model.device)
        return on_sphere((self.model(moved) + self.model(moved.flip(3))) / 2).cpu()

    def encode_texts(self, texts: list[str]) -> Tensor:
        """Raise UsageError: a classifier reads no texts."""
        raise UsageError(f"{self.name} is a classifier and reads no texts: use it for its classes, {self._classes()}.")

    def encode_labels(self, vocabulary: Vocabulary) -> Tensor:
        """Return the embedding of the class that each label stands for [L, C + 1].

        Raises UsageError for a label that is no class.
        """
        own = self.vocabulary or vocabulary
        found = [next(filter(None, map(own.match, label.aliases())), None) for label in vocabulary.labels]
        unknown = [label.key for label, one in zip(vocabulary.labels, found, strict=True) if one is None]
        if unknown:
            raise UsageError(
                f"{self.name} is a classifier and does not know {', '.join(unknown[:5])}: its classes are "
                f"{self._classes()}. An image–text model, such as mini, takes any words."
            )
        places = [own.index(label.key) for label in found if label is not None]
        return axes(torch.tensor(places), len(own))

    def _classes(self) -> str:
        return ", ".join(self.vocabulary.keys if self.vocabulary else ())
