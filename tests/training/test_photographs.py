"""Changes that photographs have: each does what it says to a share of the pictures; the generator alone decides."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from clip_emotion.training.mini.faces_config import PhotographConfig
from clip_emotion.training.mini.photographs import compress, gaussian, photograph, refocus, relight, rescale

NONE = PhotographConfig(light_share=0, blur_share=0, sharpen_share=0, reduce_share=0, noise_share=0, jpeg_share=0)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def pictures(count: int = 40, side: int = 24) -> Tensor:
    return torch.randint(0, 256, (count, 1, side, side), generator=seeded(9)).float()


def only(**changes: object) -> PhotographConfig:
    return NONE.model_copy(update=changes)


def detail(rows: Tensor) -> Tensor:
    """How much neighbouring pixels differ, a number a picture."""
    return rows.diff(dim=3).abs().mean(dim=(1, 2, 3))


def test_without_shares_nothing_changes() -> None:
    torch.testing.assert_close(photograph(pictures(), NONE, seeded()), pictures())


def test_the_generator_alone_decides_and_grey_levels_stay_in_range() -> None:
    config = PhotographConfig()
    torch.manual_seed(1)
    first = photograph(pictures(), config, seeded(3))
    torch.manual_seed(2)
    assert torch.equal(photograph(pictures(), config, seeded(3)), first)
    assert not torch.equal(photograph(pictures(), config, seeded(4)), first)
    assert 0 <= float(first.min()) <= float(first.max()) <= 255


@pytest.mark.parametrize(
    ("change", "share"),
    [
        (relight, "light_share"),
        (refocus, "blur_share"),
        (refocus, "sharpen_share"),
        (rescale, "reduce_share"),
        (compress, "jpeg_share"),
    ],
)
def test_a_share_of_the_pictures_is_changed(change: object, share: str) -> None:
    assert callable(change)
    before = pictures(400, 12)
    after = change(before, only(**{share: 0.25}), seeded(1))
    changed = (after != before).flatten(1).any(dim=1).float().mean()
    assert float(changed) == pytest.approx(0.25, abs=0.08)


def test_a_gaussian_is_torchvisions() -> None:
    deviations = torch.tensor([0.4, 0.8, 1.2])
    for picture, deviation, wanted in zip(pictures(3), deviations, gaussian(pictures(3), deviations), strict=True):
        reference = gaussian_blur(picture[None], [7, 7], [float(deviation)] * 2)
        torch.testing.assert_close(wanted, reference[0], atol=1e-3, rtol=1e-4)


def test_blur_takes_detail_away_and_sharpening_adds_it() -> None:
    before = pictures(60)
    assert (detail(refocus(before, only(blur_share=1), seeded())) <= detail(before) + 1e-4).all()
    assert (detail(refocus(before, only(sharpen_share=1), seeded())) >= detail(before)).all()


def test_scaling_down_and_up_takes_detail_away() -> None:
    after = rescale(pictures(), only(reduce_share=1, reduce=0.5), seeded())
    assert after.shape == pictures().shape
    assert (detail(after) < detail(pictures())).all()


def test_light_falls_from_one_side_and_a_flat_picture_keeps_its_mean() -> None:
    flat = torch.full((30, 1, 16, 16), 128.0)
    lit = relight(flat, only(light_share=1, gamma=1, light=0.5), seeded())
    assert (lit.flatten(1).std(dim=1) > 0).all()
    torch.testing.assert_close(lit.mean(dim=(1, 2, 3)), flat.mean(dim=(1, 2, 3)), atol=0.1, rtol=0)
    bent = relight(flat, only(light_share=1, gamma=2, light=0), seeded())
    assert float(bent.min()) >= 255 * (128 / 255) ** 2 - 0.1
    assert float(bent.max()) <= 255 * (128 / 255) ** 0.5 + 0.1
