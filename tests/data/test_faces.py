"""Finding and cropping faces."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from clip_emotion.data.faces.haar import CASCADE, FaceDetector, crop_face, is_face_crop
from clip_emotion.data.images import open_image
from clip_emotion.errors import ModelError
from clip_emotion.types import FaceBox
from tests.support.pictures import GRACE_HOPPER, noise, plain, two_faces


def test_a_portrait_has_exactly_one_face_around_the_nose() -> None:
    (box,) = FaceDetector().detect(open_image(GRACE_HOPPER))
    assert box.x < 265 < box.x + box.width
    assert box.y < 215 < box.y + box.height
    assert 150 < box.width < 300


def test_boxes_of_a_large_picture_are_in_its_own_pixels() -> None:
    image = open_image(GRACE_HOPPER)
    (small,) = FaceDetector().detect(image)
    (large,) = FaceDetector().detect(image.resize((image.width * 4, image.height * 4)))
    for side in ("x", "y", "width", "height"):
        assert getattr(large, side) / 4 == pytest.approx(getattr(small, side), abs=25)


def test_faces_come_largest_first(tmp_path: Path) -> None:
    boxes = FaceDetector().detect(open_image(two_faces(tmp_path)))
    assert len(boxes) == 2
    assert boxes[0].width > 1.5 * boxes[1].width


@pytest.mark.parametrize("image", [plain("red", (300, 200)), noise((300, 300)), noise((80, 400))])
def test_pictures_without_a_face_have_none(image: Image.Image) -> None:
    assert FaceDetector().detect(image) == []


@pytest.mark.parametrize(
    "content", [None, "", "no cascade", "<?xml version='1.0'?><opencv_storage><a/></opencv_storage>"]
)
def test_a_missing_or_damaged_cascade_is_one_sentence(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cv2.data.haarcascades", str(tmp_path))
    if content is not None:
        (tmp_path / CASCADE).write_text(content)
    with pytest.raises(ModelError, match=r"missing or damaged: reinstall opencv-python-headless"):
        FaceDetector().detect(plain("red", (100, 100)))


def test_the_cascade_is_the_one_that_opencv_reads_itself() -> None:
    import cv2

    portrait = open_image(GRACE_HOPPER)
    (box,) = FaceDetector().detect(portrait)
    classifier = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / CASCADE))
    found = classifier.detectMultiScale(np.asarray(ImageOps.grayscale(portrait)), 1.1, 5, minSize=(31, 31))
    assert (box.x, box.y, box.width, box.height) in {tuple(map(int, one)) for one in found}


def test_one_detector_serves_many_threads() -> None:
    detector, image = FaceDetector(), open_image(GRACE_HOPPER)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(detector.detect, [image] * 8))
    assert all(boxes == found[0] for boxes in found)


@pytest.mark.parametrize("box", [FaceBox(0, 0, 40, 40), FaceBox(70, 10, 30, 50), FaceBox(20, 20, 10, 10)])
def test_crops_are_square_and_hold_the_face(box: FaceBox) -> None:
    crop = crop_face(plain("red", (100, 120)), box, margin=0.1)
    assert crop.width == crop.height == round(max(box.width, box.height) * 1.2)
    assert np.asarray(crop)[..., 0].min() == 250


def test_a_crop_never_leaves_the_picture() -> None:
    crop = crop_face(plain("red", (100, 60)), FaceBox(10, 0, 60, 60), margin=0.5)
    assert crop.size == (60, 60)


def test_face_crops_are_known_by_size_or_by_a_face_that_fills_them() -> None:
    assert is_face_crop(plain("red", (48, 48)))
    assert not is_face_crop(plain("red", (200, 200)))
    assert is_face_crop(plain("red", (200, 200)), FaceBox(10, 10, 170, 170))
    assert not is_face_crop(plain("red", (200, 200)), FaceBox(10, 10, 90, 90))
    assert not is_face_crop(plain("red", (400, 200)), FaceBox(10, 10, 170, 170))
