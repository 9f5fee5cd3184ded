"""Augmentation of batches: what is asked for happens, nothing else, and the same generator repeats it."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from clip_emotion.training.mini.augment import augment, erase
from clip_emotion.training.mini.faces_config import AugmentConfig

STILL = AugmentConfig(rotation=0, zoom=(1, 1), stretch=0, shift=0, contrast=0, erase_probability=0)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def pictures(count: int = 32, side: int = 16) -> Tensor:
    return torch.randn(count, 1, side, side, generator=seeded(9))


def test_without_ranges_a_picture_stays_or_is_mirrored() -> None:
    before = pictures()
    after = augment(before, 16, STILL, seeded())
    mirrored = [torch.allclose(new, old.flip(2), atol=1e-4) for new, old in zip(after, before, strict=True)]
    stayed = [torch.allclose(new, old, atol=1e-4) for new, old in zip(after, before, strict=True)]
    assert all(one != other for one, other in zip(mirrored, stayed, strict=True))
    assert 8 < sum(mirrored) < 24


@pytest.mark.parametrize("side", [8, 16, 24])
def test_the_window_has_the_side_that_is_asked_for(side: int) -> None:
    after = augment(pictures(), side, AugmentConfig(), seeded())
    assert after.shape == (32, 1, side, side)
    assert after.isfinite().all()


def test_a_smaller_side_is_a_smaller_picture_of_the_whole() -> None:
    ramp = torch.linspace(-1, 1, 32).view(1, 1, 1, 32).expand(6, 1, 32, 32)
    small = augment(ramp, 8, STILL, seeded())
    wanted = F.interpolate(ramp, size=(8, 8), mode="bilinear", align_corners=False)
    assert all(
        torch.allclose(new, old, atol=1e-4) or torch.allclose(new, old.flip(2), atol=1e-4)
        for new, old in zip(small, wanted, strict=True)
    )


def test_the_generator_alone_decides() -> None:
    torch.manual_seed(1)
    first = augment(pictures(), 16, AugmentConfig(), seeded(4))
    torch.manual_seed(2)
    assert torch.equal(augment(pictures(), 16, AugmentConfig(), seeded(4)), first)
    assert not torch.equal(augment(pictures(), 16, AugmentConfig(), seeded(5)), first)


def test_contrast_scales_within_its_range() -> None:
    config = STILL.model_copy(update={"contrast": 0.3})
    ratios = augment(pictures(), 16, config, seeded()).std(dim=(1, 2, 3)) / pictures().std(dim=(1, 2, 3))
    assert 0.699 < float(ratios.min()) < 0.8
    assert 1.2 < float(ratios.max()) < 1.301


def test_zoom_shows_the_part_that_it_says() -> None:
    # On a ramp from -1 to 1 the outermost values tell how much of the width is seen.
    ramp = ((torch.arange(64) + 0.5) / 32 - 1).view(1, 1, 1, 64).expand(40, 1, 64, 64)
    config = STILL.model_copy(update={"zoom": (0.5, 0.75)})
    seen = augment(ramp, 64, config, seeded()).abs().amax(dim=(1, 2, 3))
    assert 0.48 < float(seen.min()) < 0.55
    assert 0.70 < float(seen.max()) < 0.76


def test_rotation_turns_about_the_middle() -> None:
    # A picture that depends on the distance from the middle alone does not change.
    axis = torch.linspace(-1, 1, 33)
    distance = (axis[:, None] ** 2 + axis**2).sqrt()
    rings = (6 * distance).cos().expand(12, 1, 33, 33)
    after = augment(rings, 33, STILL.model_copy(update={"rotation": 45.0}), seeded())
    inside = distance < 0.9  # beyond it the corners come in
    torch.testing.assert_close(after[..., inside], rings[..., inside], atol=0.03, rtol=0)


def test_rotation_turns_a_spot_by_at_most_its_range() -> None:
    spot = torch.zeros(60, 1, 41, 41)
    spot[:, :, 20, 35] = 1
    after = augment(spot, 41, STILL.model_copy(update={"rotation": 30.0}), seeded())
    place = after.flatten(1).argmax(dim=1)
    angles = torch.rad2deg(torch.atan2((place // 41 - 20).float(), (place % 41 - 20).abs().float())).abs()
    assert 24 < float(angles.max()) < 33
    assert float(angles.min()) < 6


def test_shift_moves_a_spot_by_at_most_its_range() -> None:
    spot = torch.zeros(40, 1, 41, 41)
    spot[:, :, 20, 20] = 1
    after = augment(spot, 41, STILL.model_copy(update={"shift": 0.2}), seeded())
    place = after.flatten(1).argmax(dim=1)
    offsets = torch.stack([place // 41 - 20, place % 41 - 20], dim=1).abs()
    assert 2 <= int(offsets.max()) <= 5  # 0.2 of half the side is 4.1 pixels


def test_erasing_fills_one_rectangle_of_the_size_that_is_asked_for() -> None:
    zeros = torch.zeros(50, 1, 20, 20)
    erased = erase(zeros, AugmentConfig(erase_probability=1, erase_side=(0.25, 0.5)), seeded())
    for picture in erased[:, 0]:
        touched = picture != 0
        rows, columns = touched.any(dim=1), touched.any(dim=0)
        assert torch.equal(touched, rows[:, None] & columns)
        assert 4 <= int(rows.sum()) <= 11
        assert 4 <= int(columns.sum()) <= 11
    values = erased[erased != 0]
    assert abs(float(values.mean())) < 0.1
    assert abs(float(values.std()) - 1) < 0.1


@pytest.mark.parametrize(("probability", "low", "high"), [(0.0, 0, 0), (0.5, 70, 130), (1.0, 200, 200)])
def test_erasing_happens_as_often_as_asked(probability: float, low: int, high: int) -> None:
    config = AugmentConfig(erase_probability=probability, erase_side=(0.3, 0.3))
    erased = erase(torch.zeros(200, 1, 10, 10), config, seeded())
    assert low <= int((erased != 0).any(dim=3).any(dim=2).sum()) <= high
