"""Image features: the embedding of an encoder, or what the last layer of a network reads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL.Image import Image
from torch import Tensor

from clip_emotion.errors import UsageError
from clip_emotion.files import expanded
from clip_emotion.models.base import ImageTextEncoder, LoadEncoder
from clip_emotion.models.classifiers.checkpoint import DESCRIPTION, load_classifier
from clip_emotion.models.classifiers.encoder import squared
from clip_emotion.models.classifiers.network import Classifier
from clip_emotion.models.fingerprint import fingerprint
from clip_emotion.models.fusion.config import (
    ClassifierFeatureConfig,
    EncoderFeatureConfig,
    ImageFeatureConfig,
    TimmFeatureConfig,
)
from clip_emotion.runtime import resolve_device


class ImageFeature(Protocol):
    """Puts images into a space; ``fingerprint`` is the key of what is kept of them."""

    fingerprint: str
    preprocess: Callable[[Image], Any]
    """RGB image → float tensor or array [3, H, W], the same size for every image."""

    def encode_images(self, pixels: Any) -> Any:
        """Return the features [N, D] of images [N, 3, H, W], as ``preprocess`` gives them."""
        ...


class NetworkFeature:
    """What the last layer of a network reads, averaged with that of the mirror image, at the network's own size."""

    def __init__(self, model: Classifier) -> None:
        self.model = model.eval()
        # Where weights came from, dropout and the last layer change no feature.
        settings = model.config.model_dump(mode="json", exclude={"pretrained", "weights", "dropout"})
        self.fingerprint = f"feature-{fingerprint(settings, self.tensors())[:16]}"
        self.preprocess: Callable[[Image], Any] = partial(squared, model.config)

    def tensors(self) -> dict[str, Tensor]:
        """Return the weights that the feature depends on, all but the last layer's."""
        unused = self.model.head_names()
        return {name: value for name, value in self.model.state_dict().items() if name not in unused}

    @torch.inference_mode()
    def encode_images(self, pixels: Tensor) -> Tensor:
        """Return the features [N, D] of images in [0, 1], [N, 3, S, S], on the CPU."""
        moved = pixels.to(self.model.device)
        return ((self.model.penultimate(moved) + self.model.penultimate(moved.flip(3))) / 2).cpu()


def make_image_feature(config: ImageFeatureConfig, load_encoder: LoadEncoder, device: str = "auto") -> ImageFeature:
    """Make the image feature that a configuration asks for; raises UsageError or ModelError where it cannot be had."""
    made: ImageFeature = MAKERS[config.kind](config, load_encoder, device)
    return made


def _encoder(config: EncoderFeatureConfig, load_encoder: LoadEncoder, device: str) -> ImageTextEncoder:
    return load_encoder(config.model, device)


def _classifier(config: ClassifierFeatureConfig, load_encoder: LoadEncoder, device: str) -> NetworkFeature:
    folder = expanded(config.model)
    if not (folder / DESCRIPTION).is_file():
        raise UsageError(f"{config.model} is no trained classifier: name the folder that clip-emotion train wrote.")
    return NetworkFeature(load_classifier(Path(folder), resolve_device(device)).model)


def _timm(config: TimmFeatureConfig, load_encoder: LoadEncoder, device: str) -> NetworkFeature:
    # The last layer is never used, and no class is known here.
    return NetworkFeature(Classifier(config.network, 1).to(resolve_device(device)))


MAKERS: dict[str, Callable[[Any, LoadEncoder, str], ImageFeature]] = {
    "encoder": _encoder,
    "classifier": _classifier,
    "timm": _timm,
}
"""Each kind of image feature with what makes it."""
