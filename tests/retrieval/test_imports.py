"""People's words back from Label Studio and tables: whose they are, which face they mean, and what becomes of them."""

from __future__ import annotations

import csv
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from clip_emotion.errors import DataError, UsageError
from clip_emotion.retrieval.evaluation.labelled import open_labelled
from clip_emotion.retrieval.evaluation.selection import RowSelection
from clip_emotion.retrieval.exports.export import export
from clip_emotion.retrieval.exports.options import ExportOptions
from clip_emotion.retrieval.exports.records import FaceLabels, LabelledImage
from clip_emotion.retrieval.imports.comparing import compare
from clip_emotion.retrieval.imports.importing import Judged, judged_images
from clip_emotion.retrieval.imports.writing import write_corrections
from clip_emotion.types import FaceBox
from clip_emotion.vocabulary import Vocabulary
from tests.support.labelled_images import no_face, two_faces

BY = {"id": 7, "email": "kim@example.org"}


@pytest.fixture
def tasks(tmp_path: Path) -> list[dict[str, Any]]:
    """Tasks as exported, of a picture with two faces and one without."""
    export([two_faces(tmp_path), no_face(tmp_path)], "label-studio", tmp_path / "out")
    found: list[dict[str, Any]] = json.loads((tmp_path / "out" / "tasks.json").read_text("utf-8"))
    return found


def annotated(task: dict[str, Any], number: int, by: Any = BY, **words: str) -> dict[str, Any]:
    """A task as Label Studio exports it, with one person's annotation: other words by the ids of faces."""
    results = deepcopy(task["predictions"][0]["result"])
    for result in results:
        if result["type"] == "choices":
            result["value"]["choices"] = [words.get(result["id"], result["value"]["choices"][0])]
    annotation = {
        "id": number,
        "completed_by": by,
        "was_cancelled": False,
        "result": results,
        "updated_at": "2026-01-01",
    }
    return {"id": number, "data": task["data"], "annotations": [annotation], "predictions": []}


def written(folder: Path, content: Any, name: str = "back.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), "utf-8")
    return path


def said(judged: Judged) -> list[tuple[str, int | None, str | None, str | None, str]]:
    """Name, number, people's word, the model's, and people, of each judged face."""
    faces = [(image, face) for image in judged.images for face in image.faces if face.judgements]
    return [(Path(i.path).name, f.region.index, f.confirmed, f.predicted, f.by) for i, f in faces]


def test_label_studios_json_brings_words_back_to_their_faces(tasks: list[dict[str, Any]], tmp_path: Path) -> None:
    file = written(tmp_path, [annotated(tasks[0], 1, face0="joy"), annotated(tasks[1], 2, by=9)])
    assert said(judged_images(file)) == [
        ("둘 faces.jpg", 0, "joy", "화남/분노", "kim@example.org"),
        ("둘 faces.jpg", 1, "joy", "joy", "kim@example.org"),
        ("whole.png", None, "joy", "joy", "9"),
    ]


def test_json_min_says_the_same_where_it_can(tasks: list[dict[str, Any]], tmp_path: Path) -> None:
    full = [annotated(tasks[0], 1, face0="joy"), annotated(tasks[1], 2)]
    faces = [
        {**one["value"], "original_width": 100, "original_height": 80}
        for one in full[0]["annotations"][0]["result"]
        if one["type"] == "rectanglelabels"
    ]
    flat = {"annotator": "kim@example.org", "updated_at": "2026-01-01"}
    first = {**tasks[0]["data"], "id": 1, "face": faces, "emotion": ["joy", "joy"], **flat}
    second = {**tasks[1]["data"], "id": 2, "image_emotion": "joy", **flat}
    one_word = {**first, "emotion": "joy"}
    file = written(tmp_path, [first, second, one_word])
    judged = judged_images(file)
    assert said(judged) == said(judged_images(written(tmp_path, full, "full.json")))
    (error,) = judged.errors
    assert "1 words for 2 faces" in error
    assert "export from Label Studio as JSON" in error


def test_label_studios_own_converter_writes_what_is_read(tasks: list[dict[str, Any]], tmp_path: Path) -> None:
    converters = pytest.importorskip("label_studio_sdk.converter")
    full = [annotated(tasks[0], 1, face0="joy", face1="neutral"), annotated(tasks[1], 2, face0="angry")]
    file = written(tmp_path, full)
    config = (tmp_path / "out" / "labelling_config.xml").read_text("utf-8")
    converters.Converter(config=config, project_dir=str(tmp_path)).convert_to_json_min(
        str(file), str(tmp_path / "min"), is_dir=False
    )
    assert said(judged_images(tmp_path / "min" / "result.json")) == said(judged_images(file))


def test_moved_new_and_cancelled_regions(tasks: list[dict[str, Any]], tmp_path: Path) -> None:
    task = annotated(tasks[0], 1)
    results = task["annotations"][0]["result"]
    for result in results[:2]:
        result["value"]["x"] += 3
        result["id"] = "drawn anew"
    place = {"x": 80, "y": 70, "width": 20, "height": 30, "rotation": 0}
    shared = {"id": "new", "to_name": "image", "original_width": 100, "original_height": 80}
    results += [
        {**shared, "type": "rectanglelabels", "from_name": "face", "value": {**place, "rectanglelabels": ["face"]}},
        {**shared, "type": "choices", "from_name": "emotion", "value": {**place, "choices": ["neutral"]}},
    ]
    cancelled = annotated(tasks[1], 2)
    cancelled["annotations"][0]["was_cancelled"] = True
    judged = judged_images(written(tmp_path, [task, cancelled]))
    assert [(number, word) for _, number, word, _, _ in said(judged)] == [
        (0, "화남/분노"),
        (1, "joy"),
        (None, "neutral"),
    ]
    assert judged.images[0].faces[2].region.box == FaceBox(80, 56, 20, 24)


def test_rectangles_with_words_of_their_own_are_read(tmp_path: Path) -> None:
    image = no_face(tmp_path, "a.png")
    value = {"x": 0, "y": 0, "width": 50, "height": 50, "rectanglelabels": ["슬픔"]}
    result = {"id": "r", "type": "rectanglelabels", "from_name": "label", "value": value,
              "original_width": 48, "original_height": 48}  # fmt: skip
    task = {"id": 1, "data": {"image": "/data/upload/3/0a1b2c3d-a.png"}, "annotations": [{"result": [result]}]}
    judged = judged_images(written(tmp_path, [task]), images=image.file.parent)
    assert [(face.region.box, face.confirmed) for face in judged.images[0].faces] == [(FaceBox(0, 0, 24, 24), "슬픔")]


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "up/secret.png"])
def test_no_image_is_read_outside_of_the_folder(path: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    no_face(tmp_path, "secret.png")
    no_face(inside, "a.png")
    (inside / "up").symlink_to(tmp_path)
    tasks = [
        {"id": at, "data": {"image": f"/data/local-files/?d={name}"}, "annotations": [{"result": [
            {"id": "r", "type": "choices", "from_name": "emotion", "value": {"choices": ["슬픔"]}}]}]}
        for at, name in enumerate(("a.png", path))
    ]  # fmt: skip
    judged = judged_images(written(tmp_path, tasks), images=inside)
    assert [Path(image.path).name for image in judged.images] == ["a.png"]
    (error,) = judged.errors
    assert "outside of" in error


@pytest.mark.parametrize("content", ["{", "{}", "[1]", "[" * 100_000])
def test_what_is_no_export_is_one_sentence(content: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="export it from Label Studio"):
        judged_images(written(tmp_path, content))


@pytest.mark.parametrize(
    "task",
    [{}, {"data": 3, "annotations": []}, {"data": {}, "annotations": []}, {"data": {"image": "data:image/png;base64,x"},
     "annotations": []}, {"data": {"path": "a.png", "faces": [3]}, "annotations": []}],
)  # fmt: skip
def test_a_faulty_task_is_named_and_the_others_are_read(
    task: dict[str, Any], tasks: list[dict[str, Any]], tmp_path: Path
) -> None:
    no_face(tmp_path, "a.png")
    judged = judged_images(written(tmp_path, [{"id": 5, **task}, annotated(tasks[1], 2)]))
    assert len(judged.images) == 1
    assert judged.errors[0].startswith("back.json, task 5: ")


def test_a_table_is_laid_beside_rows_by_number_box_or_spelling(tmp_path: Path) -> None:
    picture, whole = two_faces(tmp_path), no_face(tmp_path)
    table = (
        "path,label,by,face_index,face_x,face_y,face_width,face_height\n"
        f"{picture.path},기쁨,kim,0,,,,\n{picture.path},angry,kim,,58,9,31,32\n{picture.path},joy,lee,0,,,,\n"
        f"{picture.path},joy,kim,,,,,\n{whole.path},'=joy,kim,,,,,\n{whole.path},joy,kim,,,,,\nnone.png,joy,kim,,,,,\n"
        f"{whole.path},,lee,,,,,\n{whole.path},joy,kim,x,,,,\n"
    )
    file = written(tmp_path, table, "back.csv")
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for image in (picture, whole) for row in label_rows(image)), "utf-8")
    judged = judged_images(file, rows, None, Vocabulary.load("basic7"))
    assert said(judged) == [
        ("둘 faces.jpg", 0, "joy", "화남/분노", "kim; lee"),
        ("둘 faces.jpg", 1, "angry", "joy", "kim"),
        ("whole.png", None, "joy", "joy", "kim"),
    ]
    assert [error.split(": ", 1)[0] for error in judged.errors] == [
        "back.csv, line 10", "back.csv, line 5", "back.csv, line 8",
    ]  # fmt: skip


def label_rows(image: LabelledImage) -> list[dict[str, Any]]:
    """The rows of an image as ``label`` writes them."""
    return [
        {"path": image.path, "face": face.region.to_dict(), "labels": [word.to_dict() for word in face.words],
         "model": image.model, "vocabulary": image.vocabulary, "settings": "", "error": None}
        for face in image.faces
    ]  # fmt: skip


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"neither a \.json"):
        judged_images(written(tmp_path, "x", "back.docx"))
    with pytest.raises(DataError, match="does not exist"):
        judged_images(tmp_path / "none.json")
    with pytest.raises(DataError, match="path and label"):
        judged_images(written(tmp_path, "a,b\n1,2\n", "back.csv"))


def test_what_comes_back_is_read_by_adapt_train_and_evaluate(tasks: list[dict[str, Any]], tmp_path: Path) -> None:
    two = [annotated(tasks[0], 1, face0="joy", face1="neutral"), annotated(tasks[1], 2)]
    two[0]["annotations"] += annotated(tasks[0], 1, by=9, face0="joy")["annotations"]
    judged = judged_images(written(tmp_path, two))
    compared = compare(judged.images)
    out = tmp_path / "people"
    done = write_corrections(judged.images, compared, out, ExportOptions(words=judged.words.names))
    assert (done.faces, compared.faces, compared.people, compared.divided) == (2, 3, 2, 1)
    with (out / "examples.csv").open(encoding="utf-8", newline="") as file:
        examples = list(csv.DictReader(file))
    assert [(Path(row["path"]).name, row["label"]) for row in examples] == [
        ("둘 faces.jpg", "joy"),
        ("whole.png", "joy"),
    ]
    for data in (out / "examples.csv", out / "faces" / "metadata.csv", out / "faces"):
        with open_labelled(str(data), RowSelection()) as rows:
            assert [(row.label, bool(row.read())) for row in rows.images] == [("joy", True)] * 2
    told = json.loads((out / "agreement.json").read_text("utf-8"))
    assert told["people_and_model"]["overall"]["rows"] == 2
    assert told["people_and_model"]["overall"]["agreed"] == 0.5
    (pair,) = told["between_people"]
    assert (pair["first"], pair["second"], pair["rows"], pair["agreed"]) == ("kim@example.org", "9", 2, 0.5)
    again = judged_images(out / "judgements.csv")
    assert {(word, by) for _, _, word, _, by in said(again) if word} == {("joy", "kim@example.org; 9"),
                                                                         ("joy", "kim@example.org")}  # fmt: skip
    with pytest.raises(UsageError, match="already"):
        write_corrections(judged.images, compared, out, ExportOptions())


def test_nothing_settled_is_told(tmp_path: Path) -> None:
    image = two_faces(tmp_path)
    with pytest.raises(DataError, match="No face has a word that most people said"):
        write_corrections([image], compare([image]), tmp_path / "out", ExportOptions())
    assert compare([]).to_dict()["people_and_model"] is None
    assert FaceLabels().by == ""
