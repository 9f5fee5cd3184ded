"""Crops of faces, which parts of a picture are labelled, and faces that a person gives."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from clip_emotion.data.faces.boxes import boxes_of, read_boxes
from clip_emotion.data.faces.crop import EYE_DISTANCE, EYES_AT, crop_box, crop_upright, is_face_crop, upright
from clip_emotion.data.faces.finder import Face, Landmarks
from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.data.faces.parts import CROPPED, NO_FACE, SKIPPED, SMALL, PartChooser
from clip_emotion.data.images import open_image
from clip_emotion.errors import DataError, UsageError
from clip_emotion.types import FaceBox
from tests.support.pictures import GRACE_HOPPER, plain, two_faces

PORTRAIT = open_image(GRACE_HOPPER)
EMPTY = plain("red", (300, 200))


def points(centre: tuple[float, float], distance: float, turn: float) -> Landmarks:
    """Landmarks of a face whose eyes are so far apart and which is turned to the left by degrees."""
    across = np.array((math.cos(math.radians(turn)), -math.sin(math.radians(turn))))
    down = np.array((-across[1], across[0]))
    eyes = np.array(centre)
    places = [eyes - across * distance / 2, eyes + across * distance / 2, eyes + down * distance * 0.6]
    places += [eyes + down * distance + across * distance * side for side in (-0.4, 0.4)]
    return tuple((float(x), float(y)) for x, y in places)


@pytest.mark.parametrize("box", [FaceBox(0, 0, 40, 40), FaceBox(70, 10, 30, 50), FaceBox(20, 20, 10, 10)])
def test_box_crops_are_square_and_hold_the_face(box: FaceBox) -> None:
    crop = crop_box(plain("red", (100, 120)), box, margin=0.1)
    assert crop.width == crop.height == round(max(box.width, box.height) * 1.2)
    assert np.asarray(crop)[..., 0].min() == 250


def test_a_box_crop_never_leaves_the_picture() -> None:
    assert crop_box(plain("red", (100, 60)), FaceBox(10, 0, 60, 60), margin=0.5).size == (60, 60)


@pytest.mark.parametrize("turn", [0, 20, -45, 90])
@pytest.mark.parametrize("distance", [30, 90, 400])
def test_an_upright_crop_has_the_eyes_level_and_where_they_belong(turn: float, distance: float) -> None:
    centre = (distance * 2.5, distance * 2.2)
    landmarks = points(centre, distance, turn)
    image = Image.new("RGB", (round(distance * 5), round(distance * 5)))
    draw = ImageDraw.Draw(image)
    radius = distance / 12
    for (x, y), colour in zip(landmarks[:2], ((255, 0, 0), (0, 255, 0)), strict=True):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    crop = np.asarray(crop_upright(image, landmarks)).astype(float)
    side = crop.shape[0]
    assert crop.shape == (side, side, 3)
    assert side == pytest.approx(min(448, distance / EYE_DISTANCE), abs=1.5)
    for channel, across in ((0, -EYE_DISTANCE / 2), (1, EYE_DISTANCE / 2)):
        rows, columns = np.nonzero(crop[..., channel] > 128)
        assert (columns.mean() + 0.5) / side == pytest.approx(EYES_AT[0] + across, abs=0.012)
        assert (rows.mean() + 0.5) / side == pytest.approx(EYES_AT[1], abs=0.012)


def test_an_upright_crop_repeats_the_edge_beyond_the_picture() -> None:
    crop = crop_upright(plain("red", (60, 60)), points((5, 5), 30, 25))
    assert np.asarray(crop).reshape(-1, 3).tolist() == [[250, 5, 5]] * crop.width**2


def test_a_dropped_jaw_widens_the_crop() -> None:
    landmarks = np.array(points((100, 100), 40, 0))
    landmarks[3:, 1] += 30
    assert upright(tuple(map(tuple, landmarks)))[0] > 1.3 * upright(points((100, 100), 40, 0))[0]


def test_face_crops_are_known_by_size_or_by_a_face_that_fills_them() -> None:
    assert is_face_crop(plain("red", (48, 48)))
    assert not is_face_crop(plain("red", (200, 200)))
    filling, small = Face(FaceBox(10, 10, 170, 170)), Face(FaceBox(10, 10, 90, 90))
    assert is_face_crop(plain("red", (200, 200)), filling)
    assert not is_face_crop(plain("red", (200, 200)), small)
    assert not is_face_crop(plain("red", (400, 200)), filling)
    eyes = Face(FaceBox(0, 0, 1, 1), landmarks=points((100, 80), 65, 0))
    assert is_face_crop(plain("red", (200, 200)), eyes)
    assert not is_face_crop(plain("red", (300, 300)), eyes)


def test_auto_takes_the_largest_face_and_each_takes_all(tmp_path: Path) -> None:
    image = open_image(two_faces(tmp_path))
    (largest,) = PartChooser(FaceOptions())(image, "two.png")
    both = PartChooser(FaceOptions("each"))(image, "two.png")
    (first,) = PartChooser(FaceOptions("each", max_faces=1))(image, "two.png")
    assert [part.index for part in both] == [0, 1]
    assert largest.face == both[0].face == first.face
    assert largest.image is not None
    assert largest.image.width == largest.image.height < image.height
    assert PartChooser(FaceOptions("none"))(image, "two.png")[0].image is image


def test_a_picture_without_a_face_is_taken_whole_or_not_at_all() -> None:
    (whole,) = PartChooser(FaceOptions())(EMPTY, "a")
    assert (whole.image, whole.note) == (EMPTY, NO_FACE)
    for options in (FaceOptions("require"), FaceOptions(no_face="skip"), FaceOptions("each", no_face="skip")):
        (part,) = PartChooser(options)(EMPTY, "a")
        assert (part.image, part.face, part.note) == (None, None, SKIPPED)


def test_pictures_that_are_crops_already_stay_whole() -> None:
    small = plain("red")
    (part,) = PartChooser(FaceOptions("require"))(small, "a")
    assert (part.image, part.note) == (small, SMALL)
    (found,) = PartChooser(FaceOptions())(PORTRAIT, "a")
    assert found.face is not None
    assert found.face.landmarks is not None
    side, matrix = upright(found.face.landmarks)
    left, top = (round(float(value)) for value in matrix[:, 2])
    close = PORTRAIT.crop((left - 10, top - 10, left + round(side) + 10, top + round(side) + 10))
    (part,) = PartChooser(FaceOptions())(close, "a")
    assert (part.image, part.note) == (close, CROPPED)


def test_given_boxes_take_the_place_of_a_finder(tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text("path,x,y,width,height\nin/a.png,10,20,30,40\na.png,1,1,9,9\nin/a.png,50,20,60,60\nb.png,,,,\n")
    boxes = read_boxes(table)
    assert boxes["in/a.png"] == (FaceBox(10, 20, 30, 40), FaceBox(50, 20, 60, 60))
    assert boxes_of("elsewhere/a.png", boxes) == (FaceBox(1, 1, 9, 9),)
    parts = PartChooser(FaceOptions("each", boxes=boxes))(EMPTY, "in/a.png")
    assert [part.face and part.face.box.width for part in parts] == [60, 30]
    assert PartChooser(FaceOptions(boxes=boxes))(PORTRAIT, "b.png")[0].note == NO_FACE


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,x,y\na,1,2\n", "needs a header with the columns path, x, y, width, height"),
        ("path,x,y,width,height\na,1,2,3\n", "line 2: too few cells"),
        ("path,x,y,width,height\na,1,2,3,wide\n", "line 2: x, y, width and height are not four numbers"),
        ("path,x,y,width,height\na,1,2,0,5\n", "line 2: a box must have a width"),
        ("path,x,y,width,height\na,1,2,inf,5\n", "line 2: x, y, width and height are not four numbers"),
    ],
)
def test_a_faulty_table_of_boxes_is_one_sentence(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        read_boxes(tmp_path / "boxes.csv")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "all"}, "Unknown face mode 'all': choose one of auto, each, none, require"),
        ({"no_face": "drop"}, "choose one of whole, skip"),
        ({"min_face": 0}, "share of the picture's shorter side"),
        ({"max_faces": 0}, "at least 1"),
    ],
)
def test_options_that_cannot_be_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        FaceOptions(**values)  # type: ignore[arg-type]


def test_options_are_written_where_they_differ() -> None:
    assert FaceOptions().written() == "auto"
    assert FaceOptions("each", "yunet:file.onnx", 0.1, 3, "skip").written() == (
        "each/finder:yunet/min_face:0.1/max_faces:3/no_face:skip"
    )
    assert FaceOptions("none", "haar").written() == "none"
