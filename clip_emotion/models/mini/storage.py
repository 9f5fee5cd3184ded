"""How a tower's weights lie in its file: in half precision, or matrices in eight bits with a scale a row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from clip_emotion.errors import ModelError
from clip_emotion.files import write_atomic

SCALE = ".scale"
"""Ends the name of what a tensor of eight bits is multiplied with."""
LEVELS = 127
FEW = 32
"""Rows of fewer weights stay in half precision: a depthwise filter's nine save next to nothing and lose the most."""


def save_tower(tower: nn.Module, path: Path, *, eight_bits: bool = False) -> None:
    """Write a tower's floating-point weights in half precision, atomically; its matrices in eight bits if told to."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in tower.state_dict().items():
        if eight_bits and tensor.is_floating_point() and tensor.ndim > 1 and tensor[0].numel() >= FEW:
            tensors[name], tensors[name + SCALE] = in_eight_bits(tensor.detach().cpu().float())
        else:
            tensors[name] = _half(tensor)
    write_atomic(path, to_safetensors({name: tensor.contiguous() for name, tensor in tensors.items()}))


def in_eight_bits(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Round a matrix or filter bank [N, …] to whole numbers from -127 to 127 and return them with each row's scale [N].

    ``w ≈ scale · q`` with ``scale = max|w| / 127`` over the row (symmetric, per channel: 2106.08295, section 3), and 1
    for a row of zeros.
    """
    largest = matrix.flatten(1).abs().amax(dim=1)
    scale = torch.where(largest > 0, largest / LEVELS, 1.0)
    rounded = (matrix / _as_rows(scale, matrix)).round().clamp(-LEVELS, LEVELS)
    return rounded.to(torch.int8), scale


def _as_rows(scale: Tensor, matrix: Tensor) -> Tensor:
    return scale.view(-1, *[1] * (matrix.ndim - 1))


def _half(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().to(torch.float16 if tensor.is_floating_point() else tensor.dtype)


def load_tower(tower: nn.Module, path: Path) -> None:
    """Fill a tower from a safetensors file; raises ModelError when it is missing, truncated or of other sizes."""
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"The weights {path} cannot be read ({error}): fetch or train them again.") from error
    try:
        tower.load_state_dict(whole(tensors))
    except RuntimeError as error:
        raise ModelError(f"The weights {path} do not fit the sizes in mini.yaml beside them.") from error


def whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what a file's tensors stand for: floating-point weights in single precision under a tower's names.

    Raises RuntimeError where a tensor of eight bits has no scale for each row.
    """
    weights: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith(SCALE):
            continue
        scale = tensors.get(name + SCALE)
        if tensor.dtype == torch.int8 and (scale is None or scale.shape != tensor.shape[:1]):
            raise RuntimeError(f"{name} has no scale a row")
        if scale is not None:
            weights[name] = tensor.float() * _as_rows(scale.float(), tensor)
        else:
            weights[name] = tensor.float() if tensor.is_floating_point() else tensor
    return weights
