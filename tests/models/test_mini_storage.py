"""Towers in eight bits: half the size, nearly the same weights, and the same errors where a file is broken."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from clip_emotion.errors import ModelError
from clip_emotion.models.mini.image_tower import ImageTower
from clip_emotion.models.mini.storage import SCALE, in_eight_bits, load_tower, save_tower, whole
from tests.support.minis import tiny_image


@given(st.integers(0, 2**31), st.floats(1e-6, 1e4))
def test_eight_bits_are_off_by_half_a_level_at_most(seed: int, size: float) -> None:
    matrix = torch.randn(5, 7, generator=torch.Generator().manual_seed(seed)) * size
    matrix[2] = 0
    levels, scale = in_eight_bits(matrix)
    assert levels.dtype == torch.int8
    assert scale.isfinite().all()
    off = (levels.float() * scale[:, None] - matrix).abs().amax(dim=1)
    assert (off <= matrix.abs().amax(dim=1) / 127 * 0.501).all()
    assert (levels[2] == 0).all()


def test_a_tower_in_eight_bits_embeds_nearly_alike_at_half_the_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tower = ImageTower(tiny_image(stem=16, widths=[24, 32])).eval()
    for name, eight_bits in (("half", False), ("eight", True)):
        save_tower(tower, tmp_path / name, eight_bits=eight_bits)
    matrices = sum(t.numel() for t in tower.state_dict().values() if t.ndim > 1)
    half, eight = ((tmp_path / name).stat().st_size for name in ("half", "eight"))
    assert half - eight > 0.8 * matrices
    again = ImageTower(tower.config).eval()
    load_tower(again, tmp_path / "eight")
    pictures = torch.randn(6, 1, 16, 16)
    with torch.inference_mode():
        assert ((tower(pictures) * again(pictures)).sum(dim=1) > 0.999).all()


def test_norms_and_filters_of_few_weights_stay_in_half_precision(tmp_path: Path) -> None:
    tower = ImageTower(tiny_image())
    save_tower(tower, tmp_path / "eight", eight_bits=True)
    tensors = load_file(tmp_path / "eight")
    assert tensors["trunk.3.conv1.weight"].dtype == torch.int8
    assert tensors["trunk.0.weight"].dtype == tensors["trunk.1.running_mean"].dtype == torch.float16
    assert set(whole(tensors)) == set(tower.state_dict())


@pytest.mark.parametrize("fault", ["scale", "one scale", "no scale", "truncated", "missing"])
def test_a_broken_file_gets_one_sentence(tmp_path: Path, fault: str) -> None:
    tower, path = ImageTower(tiny_image()), tmp_path / "image.safetensors"
    save_tower(tower, path, eight_bits=True)
    if "scale" in fault:
        tensors = load_file(path)
        del tensors["trunk.3.conv1.weight" + SCALE]
        if fault != "no scale":
            tensors["trunk.3.conv1.weight" + SCALE] = torch.ones(1 if fault == "one scale" else 3)
        save_file(tensors, path)
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:-20])
    if fault == "missing":
        path.unlink()
    with pytest.raises(ModelError, match="The weights"):
        load_tower(tower, path)
