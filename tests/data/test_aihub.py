"""AI-Hub's 한국인 감정인식을 위한 복합 영상, on files made to its layout: names, encodings, votes, boxes and faults."""

from __future__ import annotations

import io
import json
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clip_emotion.data.prepare import prepare
from clip_emotion.data.prepared import load_record
from clip_emotion.errors import DataError
from tests.support.raw_files import labels_of, write, zipped

NAME = "0cb3{at:02}_{sex}_{age}_{emotion}_숙박 및 거주공간_20210126165538-010-{at:03}.jpg"


def photograph(value: int) -> bytes:
    """A grey picture with a square of one colour, where its face is, from (20, 10) to (50, 40)."""
    pixels = np.full((60, 80, 3), 128, dtype=np.uint8)
    pixels[10:40, 20:50] = (250, value, 10)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=98)
    return buffer.getvalue()


def record(at: int, uploader: str, said: tuple[str, ...] = (), **others: Any) -> dict[str, Any]:
    box = {"maxX": 50.4, "maxY": 40.2, "minX": 20.1, "minY": 10.3}
    marks = {
        f"annot_{letter}": {"boxes": box, "faceExp": word, "bg": "숙박 및 거주공간"}
        for letter, word in zip("ABC", said, strict=False)
    }
    facts = {"gender": "여", "age": 20, "isProf": "일반인", "bg_uploader": "숙박 및 거주공간"}
    name = NAME.format(at=at, sex="여", age=20, emotion=uploader)
    return {"filename": name, "faceExp_uploader": uploader, **facts, **marks, **others}


RECORDS = [
    record(1, "기쁨", ("기쁨", "기쁨", "당황")),
    record(2, "기쁨", ("중립", "중립", "중립"), age="30대", gender="남", isProf="전문인"),
    record(3, "상처", ("상처", "슬픔", "불안"), age=None),
    record(4, "불안"),
    record(5, "분노", ("기쁨", "슬픔", "불안")),
    record(6, "슬픔", ("슬픔", "슬픔", "분노")),
    record(7, "당황", ("당황", "당황", "설렘")),
]


def files(encoding: str = "utf-8", form: str = "NFC", *, missing: int = 6) -> dict[str, bytes]:
    listed = json.dumps(RECORDS, ensure_ascii=False).encode(encoding)
    valid = json.dumps([record(20, "중립", ("중립", "중립", "기쁨"))], ensure_ascii=False).encode(encoding)
    made = {
        "Training/[라벨]EMOIMG_기쁨_TRAIN/img_emotion_training_data(기쁨).json": listed,
        "Validation/[라벨]EMOIMG_중립_VALID/img_emotion_validation_data(중립).json": valid,
        "Validation/[원천]EMOIMG_중립_VALID/" + NAME.format(at=20, sex="여", age=20, emotion="중립"): photograph(200),
    }
    for at, one in enumerate(RECORDS, start=1):
        if at != missing:
            made[f"Training/[원천]EMOIMG_기쁨_TRAIN_01/{one['filename']}"] = photograph(10 * at)
    return {unicodedata.normalize(form, name): content for name, content in made.items()}


@pytest.mark.parametrize(("encoding", "form"), [("utf-8", "NFC"), ("utf-8-sig", "NFD"), ("cp949", "NFD")])
def test_folders_in_each_encoding_and_form(tmp_path: Path, encoding: str, form: str) -> None:
    prepared = prepare("aihub_emotion", write(tmp_path / "092.한국인", files(encoding, form)), tmp_path / "out")
    assert labels_of(prepared) == ["happy", "neutral", "hurt", "anxious", "embarrassed"]
    assert labels_of(prepared, "validation") == ["neutral"]
    rows = prepared["train"]
    assert rows["age"] == [20, 30, None, 20, 20]
    assert rows["gender"] == ["여", "남", "여", "여", "여"]
    assert rows["occupation"][1] == "전문인"
    assert set(rows["background"]) == {"숙박 및 거주공간"}
    # 기쁨, 당황, 분노, 불안, 상처, 슬픔, 중립; 설렘 is none of them.
    assert list(rows["votes"]) == [
        [2, 1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 3],
        [0, 0, 0, 1, 1, 1, 0],
        [0] * 7,
        [0, 2, 0, 0, 0, 0, 0],
    ]
    assert all(unicodedata.is_normalized("NFC", path) for path in rows["path"])
    skipped = {row.path.rsplit("-", 1)[1]: row.reason for row in load_record(tmp_path / "out").skipped}
    assert "no label that most give (기쁨, 슬픔, 불안; 분노)" in skipped["005.jpg"]
    assert "not there" in skipped["006.jpg"]


def test_pictures_are_cut_to_the_annotators_boxes(tmp_path: Path) -> None:
    rows = prepare("aihub_emotion", write(tmp_path / "a", files()), tmp_path / "out")["train"]
    face = np.array(rows[0]["image"])
    assert face.shape == (31, 31, 3)
    assert np.abs(face[3:-3, 3:-3].mean(axis=(0, 1)) - (250, 10, 10)).max() < 5
    # Nobody drew a box into the fourth.
    assert rows[3]["image"].size == (80, 60)


class WindowsName(zipfile.ZipInfo):
    """A member's name as Explorer in Korean stores it: CP949, without saying so."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode("cp949"), self.flag_bits


def test_a_zip_whose_names_windows_wrote(tmp_path: Path) -> None:
    target = tmp_path / "AI-Hub.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files("cp949").items():
            archive.writestr(WindowsName(name), content)
    assert labels_of(prepare("aihub_emotion", target, tmp_path / "out")) == [
        "happy", "neutral", "hurt", "anxious", "embarrassed",
    ]  # fmt: skip


def test_the_form_of_aihubs_page_is_read_too(tmp_path: Path) -> None:
    box = {"minX": 20, "minY": 10, "maxX": 50, "maxY": 40}
    one = record(1, "슬픔")
    one |= {f"faceBB_{letter}": {"boxes": {**box, "label": "분노"}} for letter in "AB"} | {"faceExp_C": "슬픔"}
    made = {"d/img_emotion_training_data.json": json.dumps([one]).encode(), f"d/{one['filename']}": photograph(9)}
    rows = prepare("aihub_emotion", zipped(tmp_path / "a.zip", made), tmp_path / "out")
    assert labels_of(rows) == ["angry"]
    assert rows["train"]["votes"][0] == [0, 0, 2, 0, 0, 1, 0]
    assert rows["train"][0]["image"].size == (31, 31)


@pytest.mark.parametrize(
    "boxes", [{"minX": 60, "minY": 10, "maxX": 500, "maxY": 40}, {"minX": 50, "minY": 10, "maxX": 20, "maxY": 40}]
)
def test_a_box_beyond_the_picture_costs_its_row(tmp_path: Path, boxes: dict[str, int]) -> None:
    wrong = record(1, "기쁨", annot_A={"boxes": boxes, "faceExp": "기쁨"})
    broken = [wrong, record(2, "기쁨"), {"filename": "x.jpg"}, 3, record(3, "설렘")]
    made = {"img_emotion_training_data.json": json.dumps(broken).encode()}
    made |= {NAME.format(at=at, sex="여", age=20, emotion="기쁨"): photograph(at) for at in (1, 2)}
    made[NAME.format(at=3, sex="여", age=20, emotion="설렘")] = photograph(3)
    assert labels_of(prepare("aihub_emotion", write(tmp_path / "a", made), tmp_path / "out")) == ["happy"]
    reasons = [row.reason for row in load_record(tmp_path / "out").skipped]
    assert len(reasons) == 4
    assert "is not in the (80, 60) picture" in reasons[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"[{", "no readable JSON"), (b'{"a": 1}', "no list"), (b"\xff\xff\xff", "neither UTF-8 nor CP949"),
     (b"[" * 100_000, "no readable JSON")],
)  # fmt: skip
def test_a_file_that_is_no_list_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    source = write(tmp_path / "a", {"img_emotion_training_data.json": content})
    with pytest.raises(DataError, match=words):
        prepare("aihub_emotion", source, tmp_path / "out")


def test_other_json_is_no_layout(tmp_path: Path) -> None:
    source = write(tmp_path / "a", {"other.json": b'[{"a": 1}]', "b.jpg": photograph(3)})
    with pytest.raises(DataError, match="none of the layouts"):
        prepare("aihub_emotion", source, tmp_path / "out")
