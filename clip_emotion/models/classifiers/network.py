"""A timm network as a classifier of faces: built by name, its stem fitted to small images."""

from __future__ import annotations

from typing import Any

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.files import expanded
from clip_emotion.models.classifiers.config import ClassifierConfig
from clip_emotion.models.faults import LOADING_FAULTS, short
from clip_emotion.text import nearest

FIRST_POOLS = ("maxpool", "features.pool0")
"""timm's names of the pooling that follows the first convolution, in ResNets and in DenseNets."""


class Classifier(nn.Module):
    """A network from RGB in [0, 1], [N, 3, S, S], to logits [N, C].

    Of images larger than ``image_size`` the middle counts. What is seen of an image without its classes are its
    features, which ``classify`` turns into logits.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ClassifierConfig, classes: int) -> None:
        super().__init__()
        self.config, self.classes = config, classes
        self.network = build(config, classes)
        for name in ("mean", "std"):
            values = torch.tensor(facts(self.network)[name], dtype=torch.float32)
            self.register_buffer(name, values.view(1, 3, 1, 1), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits [N, C] of RGB images in [0, 1], [N, 3, S, S]."""
        logits: Tensor = self.network(self._standard(pixels))
        return logits.float()

    def penultimate(self, pixels: Tensor) -> Tensor:
        """Return the features [N, D] of RGB images in [0, 1], [N, 3, S, S]: what the last layers read."""
        # timm's own methods are not among those of any module.
        network: Any = self.network
        features: Tensor = network.forward_head(network.forward_features(self._standard(pixels)), pre_logits=True)
        return features.float()

    def classify(self, features: Tensor) -> Tensor:
        """Return the logits [N, C] of features [N, D]; in training, units are dropped as in the whole network."""
        head = self.head
        logits: Tensor = head(F.dropout(features, self.config.dropout, head.training))
        return logits.float()

    @property
    def head(self) -> nn.Module:
        """The last layers; raises UsageError for a network that has several heads."""
        name = facts(self.network)["classifier"]
        if not isinstance(name, str):
            raise UsageError(f"{self.config.architecture} has several last layers: it cannot be frozen but for one.")
        return self.network.get_submodule(name)

    def _standard(self, pixels: Tensor) -> Tensor:
        side, size = pixels.shape[-1], self.config.image_size
        # As torchvision's center_crop.
        low = round((side - size) / 2) if side > size else 0
        middle = pixels[..., low : low + size, low : low + size]
        return ((middle - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def head_names(self) -> set[str]:
        """Return the names of the last layer's parameters."""
        heads = head_prefixes(self.network)
        return {f"network.{name}" for name, _ in self.network.named_parameters() if name.startswith(heads)}


def facts(network: nn.Module) -> dict[str, Any]:
    """Return what timm tells of a network: its normalisation, and the names of its first and last layers."""
    told: dict[str, Any] = vars(network)["default_cfg"]
    return told


def build(config: ClassifierConfig, classes: int) -> nn.Module:
    """Build a network by its name in timm.

    Raises UsageError for a name or an argument that timm does not know, ModelError where weights cannot be had.
    """
    if config.architecture not in timm.list_models():
        near = nearest(config.architecture, timm.list_models())
        hint = f"perhaps {near}" if near else "timm.list_models() lists them"
        raise UsageError(f"timm knows no network '{config.architecture}': {hint}.")
    try:
        network = _create(config, classes)
    except (TypeError, AssertionError, AttributeError) as error:
        raise UsageError(f"timm cannot build {config.architecture} like this: {short(error)}.") from error
    except LOADING_FAULTS as error:
        raise ModelError(
            f"The weights of {config.architecture} cannot be had ({short(error)}): set model.weights to a file of "
            "them, or model.pretrained to false."
        ) from error
    if config.small_faces:
        fit_stem(network, config.first_stride)
    if config.hidden:
        deepen_head(network, config)
    if config.weights is not None:
        load_weights(network, config)
    return network.to(memory_format=torch.channels_last)


def _create(config: ClassifierConfig, classes: int) -> nn.Module:
    options = {"num_classes": classes, "pretrained": config.pretrained, "drop_rate": config.dropout}
    if getattr(timm.models.get_pretrained_cfg(config.architecture), "fixed_input_size", False):
        options["img_size"] = config.image_size
    network: nn.Module = timm.create_model(config.architecture, **{**options, **config.arguments})
    return network


def fit_stem(network: nn.Module, stride: int) -> None:
    """Give the first convolution a stride of its own and take away the pooling that follows it, where there are any."""
    names = facts(network)["first_conv"]
    first = network.get_submodule(names if isinstance(names, str) else names[0])
    if not isinstance(first, nn.Conv2d) or first.kernel_size == first.stride:
        # Patches are what such a network sees; their size is an argument.
        return
    first.stride = (min(first.stride[0], stride), min(first.stride[1], stride))
    pools = [name for name, _ in network.named_modules() if name in FIRST_POOLS]
    for name in pools:
        network.set_submodule(name, nn.Identity())


def deepen_head(network: nn.Module, config: ClassifierConfig) -> None:
    """Put hidden layers before the last one; raises UsageError where that is no single linear layer."""
    name = facts(network)["classifier"]
    last = network.get_submodule(name) if isinstance(name, str) else None
    if not isinstance(last, nn.Linear):
        raise UsageError(f"{config.architecture} does not end in one linear layer: leave model.hidden empty.")
    layers: list[nn.Module] = []
    width = last.in_features
    for size in config.hidden:
        layers += [nn.Linear(width, size), nn.GELU(), nn.Dropout(config.dropout)]
        width = size
    network.set_submodule(name, nn.Sequential(*layers, nn.Linear(width, last.out_features)))


def head_prefixes(network: nn.Module) -> tuple[str, ...]:
    """Return what the names of the last layer's weights begin with."""
    named = facts(network)["classifier"]
    return tuple(f"{name}." for name in ([named] if isinstance(named, str) else named))


def load_weights(network: nn.Module, config: ClassifierConfig) -> None:
    """Load a file of weights but for the last layer, whose classes are others; raises ModelError where none fit."""
    path = expanded(config.weights or "")
    try:
        found = load_file(path)
    except LOADING_FAULTS as error:
        raise ModelError(f"The weights {path} cannot be read ({short(error)}): give a .safetensors file.") from error
    heads = head_prefixes(network)
    kept = {name: value for name, value in found.items() if not name.startswith(heads)}
    try:
        missing, unknown = network.load_state_dict(kept, strict=False)
    except RuntimeError as error:
        raise ModelError(f"The weights {path} do not fit {config.architecture}: {short(error)}.") from error
    lacking = [name for name in missing if not name.startswith(heads)]
    if lacking or unknown:
        raise ModelError(
            f"The weights {path} are of another network than {config.architecture}: "
            f"{', '.join([*lacking, *unknown][:3])} do not fit."
        )
