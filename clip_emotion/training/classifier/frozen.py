"""The features of a frozen network, computed once where no image ever changes: the rest trains in seconds."""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor

from clip_emotion.data.batches import DecodedImages
from clip_emotion.models.classifiers.network import Classifier
from clip_emotion.models.fingerprint import fingerprint
from clip_emotion.training.classifier.sharing import kept

BATCH = 256


def features_of(model: Classifier, images: DecodedImages, name: Hashable, *, mirrored: bool = False) -> Tensor:
    """Return what a frozen network sees of images, or of their mirror images, [N, D], on the model's device.

    ``name`` says which images they are, for runs that share them.
    """
    heads = model.head_names()
    frozen = {key: tensor for key, tensor in model.state_dict().items() if key not in heads}
    settings = {"model": model.config.model_dump(mode="json", exclude={"hidden", "dropout"})}
    key = ("features", fingerprint(settings, frozen), name, images.size, mirrored)
    return kept(key, lambda: _features(model.eval(), images, mirrored))


@torch.no_grad()
def _features(model: Classifier, images: DecodedImages, mirrored: bool) -> Tensor:
    parts = []
    for start in range(0, len(images), BATCH):
        pixels = images.take(range(start, min(start + BATCH, len(images)))).to(model.device)
        parts.append(model.penultimate(pixels.flip(3) if mirrored else pixels))
    return torch.cat(parts)


class FrozenImages:
    """Images as a frozen network sees them and their mirror images: answered for by the last layers alone."""

    def __init__(self, model: Classifier, images: DecodedImages, name: Hashable) -> None:
        self._seen = [features_of(model, images, name, mirrored=mirrored) for mirrored in (False, True)]

    @torch.inference_mode()
    def logits(self, model: Classifier) -> Tensor:
        """Return the logits of all images [N, C], averaged with their mirror images', on the CPU."""
        plain, mirrored = (model.classify(features) for features in self._seen)
        return ((plain + mirrored) / 2).cpu()
