"""Smiles drawn on neutral faces: where pixels go, what targets become, and mouths that are found once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from clip_emotion.training.mini import smiles
from clip_emotion.training.mini.faces_config import SmileConfig
from clip_emotion.training.mini.smiles import find_mouths, move_corners, smile
from tests.support.pictures import GRACE_HOPPER

NEUTRAL, HAPPY = 1, 0


def brightest(image: torch.Tensor) -> tuple[int, int]:
    at = int(image.argmax())
    return at % image.shape[-1], at // image.shape[-1]


def dots(*places: tuple[int, int]) -> torch.Tensor:
    image = torch.zeros(1, 1, 48, 48)
    for column, row in places:
        image[0, 0, row, column] = 255
    return torch.nn.functional.avg_pool2d(image, 3, 1, 1) * 9


def mouth(left: tuple[float, float] = (16.0, 36.0), right: tuple[float, float] = (32.0, 36.0)) -> torch.Tensor:
    return torch.tensor([[left, right]])


def test_corners_move_apart_and_up_by_widths_of_the_mouth() -> None:
    half = torch.tensor([0.125]), torch.tensor([0.25])
    moved = move_corners(dots((16, 36)), mouth(), *half, spread=0.35)
    column, row = brightest(moved[0, 0])
    assert abs(column - (16 - 2)) <= 1
    assert abs(row - (36 - 4)) <= 1
    column, row = brightest(move_corners(dots((32, 36)), mouth(), *half, spread=0.35)[0, 0])
    assert abs(column - (32 + 2)) <= 1
    assert abs(row - (36 - 4)) <= 1


def test_up_is_up_of_a_tilted_mouth() -> None:
    # A mouth that runs down the picture belongs to a face turned by a right angle: its up is the picture's right.
    upright = mouth((24.0, 16.0), (24.0, 32.0))
    column, row = brightest(move_corners(dots((24, 16)), upright, torch.zeros(1), torch.tensor([0.25]), 0.35)[0, 0])
    assert column >= 27
    assert abs(row - 16) <= 1


def test_what_is_far_from_the_mouth_or_not_moved_stays() -> None:
    image = torch.rand(1, 1, 48, 48) * 255
    still = move_corners(image, mouth(), torch.zeros(1), torch.zeros(1), 0.35)
    assert torch.allclose(still, image, atol=0.05)
    moved = move_corners(image, mouth(), torch.tensor([0.2]), torch.tensor([0.2]), 0.35)
    assert torch.allclose(moved[:, :, :8], image[:, :, :8], atol=0.5)
    assert (moved[:, :, 28:44] - image[:, :, 28:44]).abs().max() > 10


def test_a_smile_moves_its_share_of_the_target_and_a_falling_mouth_moves_none() -> None:
    images, targets = torch.rand(400, 1, 48, 48) * 255, torch.tensor([[0.1, 0.9]]).repeat(400, 1)
    mouths = mouth().repeat(400, 1, 1)
    mouths[::2] = float("nan")
    config = SmileConfig(share=0.3, belief=0.5, fall_share=0.2)
    changed, given = smile(images, targets, mouths, config, torch.Generator().manual_seed(0), (NEUTRAL, HAPPY))
    smiling = given[:, HAPPY] > 0.5
    assert torch.allclose(given[smiling], torch.tensor([0.55, 0.45]))
    assert torch.equal(given[~smiling], targets[~smiling])
    moved = (changed != images).flatten(1).any(dim=1)
    assert not moved[::2].any()
    assert 40 <= int(smiling.sum()) <= 80
    assert 25 <= int((moved & ~smiling).sum()) <= 55
    again = smile(images, targets, mouths, config, torch.Generator().manual_seed(0), (NEUTRAL, HAPPY))
    assert torch.equal(again[0], changed)


def test_mouths_are_found_once_and_only_of_chosen_faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Image.open(GRACE_HOPPER) as portrait:
        face = portrait.convert("L").crop((140, 40, 380, 280)).resize((48, 48))
    images = torch.tensor(list(face.tobytes()), dtype=torch.uint8).view(1, 1, 48, 48).repeat(2, 1, 1, 1)
    chosen = torch.tensor([False, True])
    found = find_mouths(images, chosen, tmp_path)
    assert found[0].isnan().all()
    (left, top), (right, bottom) = found[1].tolist()
    assert left < 24 < right
    assert 24 < top < 48
    assert 24 < bottom < 48
    monkeypatch.setattr(smiles, "make_finder", lambda **options: pytest.fail("mouths are looked for again"))
    assert torch.equal(find_mouths(images, chosen, tmp_path)[1], found[1])


def test_a_blank_picture_has_no_mouth(tmp_path: Path) -> None:
    blank = torch.full((1, 1, 48, 48), 128, dtype=torch.uint8)
    assert find_mouths(blank, torch.tensor([True]), tmp_path).isnan().all()
