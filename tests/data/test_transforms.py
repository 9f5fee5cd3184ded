"""Training transforms: each change is torchvision's own, drawn from the generator alone, within its range."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as V

from clip_emotion.config import validate
from clip_emotion.data.transform_config import TransformConfig
from clip_emotion.data.transforms import Changes, apply_changes, draw_changes
from clip_emotion.errors import UsageError

COUNT, SIDE = 12, 32
STILL = TransformConfig(rotate=0, translate=0, scale=(1, 1), flip=0, brightness=0, contrast=0, erase=0, padding="zeros")


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def images(count: int = COUNT, side: int = SIDE) -> Tensor:
    """Smooth random colour pictures, so that a hundredth of a pixel does not matter."""
    return V.resize(torch.rand(count, 3, 6, 6, generator=seeded(5)), [side, side], antialias=True)


def changed(config: TransformConfig, pixels: Tensor, size: int = SIDE) -> tuple[Tensor, Changes]:
    changes = draw_changes(config, len(pixels), seeded(1))
    return apply_changes(pixels, changes, size, config), changes


def one_by_one(pixels: Tensor, changes: Changes, config: TransformConfig) -> Tensor:
    """The same changes picture by picture through torchvision's own functions."""
    done = []
    for at, image in enumerate(pixels):
        shift = (changes.shift[at] * SIDE).tolist()
        moved = V.affine(
            image, float(changes.angle[at]), shift, float(changes.scale[at]), [0.0, 0.0], InterpolationMode.BILINEAR
        )
        moved = V.horizontal_flip(moved) if changes.flip[at] else moved
        moved = V.adjust_brightness(moved, float(changes.brightness[at]))
        moved = V.adjust_contrast(moved, float(changes.contrast[at]))
        moved = V.adjust_saturation(moved, float(changes.saturation[at]))
        moved = V.rgb_to_grayscale(moved, 3) if changes.grayscale[at] else moved
        left, top, width, height = (changes.erase[at] * SIDE).round().int().tolist()
        done.append(V.erase(moved, top, left, height, width, changes.colour[at][:, None, None]))
    return torch.stack(done)


@pytest.mark.parametrize(
    "options",
    [
        {"rotate": 40.0},
        {"translate": 0.3},
        {"scale": (0.6, 1.6)},
        {"flip": 0.5},
        {"brightness": 0.5},
        {"contrast": 0.5},
        {"saturation": 0.9},
        {"grayscale": 0.5},
        {"erase": 0.7},
        {"rotate": 25.0, "translate": 0.2, "scale": (0.8, 1.2), "flip": 0.5, "brightness": 0.3, "contrast": 0.4},
        {"rotate": 25.0, "flip": 0.5, "contrast": 0.4, "saturation": 0.5, "grayscale": 0.2, "erase": 0.5},
    ],
    ids=lambda options: "+".join(options),
)
def test_a_batch_is_changed_as_torchvision_changes_each_picture(options: dict[str, object]) -> None:
    config, before = TransformConfig(**{**STILL.model_dump(), **options}), images()
    after, changes = changed(config, before)
    torch.testing.assert_close(after, one_by_one(before, changes, config), atol=2e-3, rtol=0)
    assert not torch.allclose(after, before, atol=0.01)


def test_a_crop_shows_the_part_that_torchvision_cuts_out() -> None:
    before = images(6)
    config = STILL.model_copy(update={"crop": (0.25, 0.25), "padding": "border"})
    changes = draw_changes(config, 6, seeded(3))
    whole = (changes.crop * SIDE).round()
    changes = Changes(**{**vars(changes), "crop": whole / SIDE})
    after = apply_changes(before, changes, 16, config)
    for image, cropped, (left, top, width, height) in zip(before, after, whole.int().tolist(), strict=True):
        assert (width, height) == (16, 16)
        torch.testing.assert_close(cropped, V.crop(image, top, left, height, width), atol=1e-4, rtol=0)


def test_crops_keep_to_their_area_and_aspect() -> None:
    config = STILL.model_copy(update={"crop": (0.3, 0.8), "aspect": (0.75, 1.25)})
    left, top, width, height = draw_changes(config, 2000, seeded()).crop.T
    assert float(left.min()) >= 0
    assert float((left + width).max()) <= 1 + 1e-6
    assert float((top + height).max()) <= 1 + 1e-6
    area, aspect = width * height, width / height
    assert 0.27 < float(area.min()) < 0.33
    assert 0.75 < float(area.max()) <= 0.8 + 1e-6
    assert 0.7499 < float(aspect.min()) < 0.8
    assert 1.2 < float(aspect.max()) < 1.2501


def test_without_changes_a_picture_is_only_resized() -> None:
    config = TransformConfig(**{**STILL.model_dump(), "padding": "border"})
    torch.testing.assert_close(changed(config, images())[0], images(), atol=1e-5, rtol=0)
    larger = changed(config, images(), 48)[0]
    wanted = V.resize(images(), [48, 48], antialias=False)
    torch.testing.assert_close(larger, wanted, atol=1e-4, rtol=0)


def test_bytes_and_floats_are_changed_alike() -> None:
    raw = (images() * 255).round().to(torch.uint8)
    config = TransformConfig()
    torch.testing.assert_close(changed(config, raw)[0], changed(config, raw / 255)[0])


def test_the_generator_alone_decides_and_all_stays_in_range() -> None:
    config = TransformConfig(saturation=0.5, grayscale=0.2, crop=(0.5, 1.0))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, _ = changed(config, images())
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(changed(config, images())[0], first)
    assert not torch.equal(apply_changes(images(), draw_changes(config, COUNT, seeded(9)), SIDE, config), first)
    assert 0 <= float(first.min()) <= float(first.max()) <= 1


def test_a_part_of_the_changes_changes_a_part_of_the_pictures() -> None:
    config, before = TransformConfig(), images()
    whole, changes = changed(config, before)
    torch.testing.assert_close(apply_changes(before[4:9], changes.part(range(4, 9)), SIDE, config), whole[4:9])


def test_parameters_fill_their_ranges() -> None:
    config = TransformConfig(rotate=30, translate=0.1, scale=(0.5, 2.0), brightness=0.4, flip=0.3, erase=0.6)
    changes = draw_changes(config, 4000, seeded())
    for values, low, high in (
        (changes.angle, -30, 30),
        (changes.shift, -0.1, 0.1),
        (changes.scale, 0.5, 2.0),
        (changes.brightness, 0.6, 1.4),
    ):
        assert low <= float(values.min()) < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < float(values.max()) <= high
    assert float(changes.flip.float().mean()) == pytest.approx(0.3, abs=0.03)
    assert float((changes.erase[:, 2] > 0).float().mean()) == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize(
    "values", [{"crop": [0.5, 1.5]}, {"scale": [0, 1]}, {"aspect": [2, 1]}, {"flip": 2}, {"blur": 1}]
)
def test_wrong_ranges_are_told(values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"train\.yaml has 1 fault"):
        validate(TransformConfig, values, "train.yaml")
