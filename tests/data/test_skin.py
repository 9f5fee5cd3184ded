"""Masks of skin: the published thresholds by hand, grey pictures, and a classifier that masks what it reads."""

from __future__ import annotations

import colorsys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image

from clip_emotion.models.classifiers.checkpoint import load_classifier
from clip_emotion.skin import keep_skin, skin_pixels
from tests.support.classifiers import saved


def colours() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)


def test_the_thresholds_are_the_published_ones() -> None:
    pixels = colours()
    red, green, blue = pixels.reshape(-1, 3).astype(float).T
    # ITU-R BT.601, as OpenCV computes it.
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    cr, cb = (red - luma) * 0.713 + 128, (blue - luma) * 0.564 + 128
    inside = (cr >= 133) & (cr <= 173) & (cb >= 77) & (cb <= 127)
    clear = np.min([abs(cr - 133), abs(cr - 173), abs(cb - 77), abs(cb - 127)], axis=0) > 1
    found = skin_pixels(Image.fromarray(pixels), "ycrcb").ravel()
    assert (found == inside)[clear].all()
    assert found.any()
    hue, saturation, _ = np.array([colorsys.rgb_to_hsv(*pixel / 255) for pixel in pixels.reshape(-1, 3)]).T
    inside = (hue * 360 <= 50) & (saturation >= 0.23) & (saturation <= 0.68)
    clear = np.min([abs(hue * 360 - 50) / 360, abs(saturation - 0.23), abs(saturation - 0.68)], axis=0) > 0.01
    clear &= abs(hue - 1) > 0.01
    found = skin_pixels(Image.fromarray(pixels), "hsv").ravel()
    assert (found == inside)[clear].all()
    assert found.any()


@pytest.mark.parametrize("mask", ["hsv", "ycrcb"])
def test_what_is_no_skin_is_black_and_grey_pictures_stay(mask: Literal["hsv", "ycrcb"]) -> None:
    image = Image.fromarray(colours())
    kept, skin = np.asarray(keep_skin(image, mask)), skin_pixels(image, mask)
    assert (kept[skin] == np.asarray(image)[skin]).all()
    assert not kept[~skin].any()
    grey = image.convert("L").convert("RGB")
    assert keep_skin(grey, mask) is grey
    assert keep_skin(image, "none") is image


def test_a_classifier_reads_what_its_mask_leaves(tmp_path: Path) -> None:
    saved(tmp_path / "masked", skin_mask="ycrcb")
    masked = load_classifier(tmp_path / "masked", torch.device("cpu"))
    saved(tmp_path / "plain")
    plain = load_classifier(tmp_path / "plain", torch.device("cpu"))
    image = Image.fromarray(colours())
    assert torch.equal(masked.preprocess(image), plain.preprocess(keep_skin(image, "ycrcb")))
    assert not torch.equal(masked.preprocess(image), plain.preprocess(image))
    assert masked.fingerprint != plain.fingerprint
