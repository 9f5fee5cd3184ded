"""Exports, each opened by the tool that it is for where that is installed, and checked against its layout always."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import os
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from PIL import Image

from clip_emotion.errors import DataError, UsageError
from clip_emotion.outputs import WriteOptions
from clip_emotion.retrieval.evaluation.labelled import open_labelled
from clip_emotion.retrieval.evaluation.selection import RowSelection
from clip_emotion.retrieval.exports.export import FORMATS, export
from clip_emotion.retrieval.exports.options import ExportOptions, Origin, TaskUrls
from clip_emotion.retrieval.exports.records import FaceLabels, Judgement, KnownWords, LabelledImage, majority
from clip_emotion.types import FaceBox
from tests.support.labelled_images import BOXES, no_face, some_images, two_faces
from tests.support.pictures import save

ROOT = Path(__file__).resolve().parents[2]
FIFTYONE, MONGOMOCK = map(importlib.util.find_spec, ("fiftyone", "mongomock"))
LICENSED = ExportOptions(origin=Origin("Faces of ours", ("our own camera",), "cc-by-4.0"))


@pytest.fixture
def images(tmp_path: Path) -> list[LabelledImage]:
    return some_images(tmp_path / "pictures")


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_leaves_out_what_is_gone_and_replaces_nothing_unasked(
    format: str, images: list[LabelledImage], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = export(iter(images), format, out)
    assert (done.tally.images, done.tally.faces) == (2, 3)
    assert [error.split(":")[0] for error in done.tally.errors] == ["gone.png"]
    with pytest.raises(UsageError, match="already"):
        export(images, format, out)
    again = ExportOptions(output=WriteOptions(overwrite=True))
    before = {path.name for path in out.rglob("*")}
    export(images, format, out, again)
    assert {path.name for path in out.rglob("*")} == before
    (out / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"mine\.txt"):
        export(images, format, out, again)
    with pytest.raises(DataError, match="Nothing is left"):
        export([], format, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_unknown_choices_name_the_known_ones(images: list[LabelledImage], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose one of label-studio, fiftyone"):
        export(images, "voc", tmp_path / "out")
    for wrong in ({"media": "move"}, {"part": "eyes"}, {"only": "some"}, {"table": "xlsx"}, {"split": "../up"}):
        with pytest.raises(UsageError):
            ExportOptions(**wrong)
    with pytest.raises(UsageError, match="local-files, upload, inline"):
        TaskUrls("ftp")


# Label Studio ---------------------------------------------------------------------------------------------------------


def tasks_of(out: Path) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = json.loads((out / "tasks.json").read_text("utf-8"))
    return tasks


def test_label_studio_tasks_have_versions_percents_and_ids(images: list[LabelledImage], tmp_path: Path) -> None:
    done = export(images, "label-studio", tmp_path / "out")
    assert f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={tmp_path}" in done.tally.notes[0]
    first, second = tasks_of(tmp_path / "out")
    assert first["data"]["image"].startswith("/data/local-files/?d=out/images/")
    (prediction,) = first["predictions"]
    assert prediction["model_version"] == "mini:abc"
    assert prediction["score"] == pytest.approx(0.8)
    rectangle, choice, *_ = prediction["result"]
    assert (rectangle["id"], rectangle["from_name"], rectangle["original_width"]) == ("face0", "face", 100)
    place = {name: rectangle["value"][name] for name in ("x", "y", "width", "height")}
    assert place == {"x": 10, "y": 12.5, "width": 40, "height": 50}
    assert (choice["id"], choice["value"]["choices"]) == ("face0", ["화남/분노"])
    (whole,) = second["predictions"][0]["result"]
    assert (whole["from_name"], whole["value"]) == ("image_emotion", {"choices": ["joy"]})
    config = ElementTree.parse(tmp_path / "out" / "labelling_config.xml").getroot()
    emotion = next(tag for tag in config.findall("Choices") if tag.get("name") == "emotion")
    choices = {tag.get("alias") or tag.get("value"): tag.get("value") for tag in emotion}
    # The words of the vocabulary that the rows name are there besides those of the rows.
    assert choices["joy"] == "기쁨"
    assert choices["화남/분노"] == "분노"
    assert {"angry", "neutral"} < choices.keys()


@pytest.mark.parametrize(
    ("urls", "media", "begins"),
    [
        (TaskUrls("upload"), "copy", "/data/upload/%EB%91%98_faces.jpg"),
        (TaskUrls("upload", prefix="https://example.org/a/"), "copy", "https://example.org/a/%EB%91%98_faces.jpg"),
        (TaskUrls("inline"), "copy", "data:image/jpeg;base64,/9j/"),
        (TaskUrls(), "refer", "/data/local-files/?d=%EB%91%98%20faces.jpg"),
        (TaskUrls(), "link", "/data/local-files/?d=out/images/%EB%91%98_faces.jpg"),
    ],
)
def test_label_studio_finds_images_in_each_way(
    urls: TaskUrls, media: str, begins: str, images: list[LabelledImage], tmp_path: Path
) -> None:
    export(images, "label-studio", tmp_path / "out", ExportOptions(media=media, urls=urls))
    assert tasks_of(tmp_path / "out")[0]["data"]["image"].startswith(begins)


def test_label_studio_refuses_a_root_beside_the_images(images: list[LabelledImage], tmp_path: Path) -> None:
    options = ExportOptions(media="refer", urls=TaskUrls(root=tmp_path / "elsewhere"))
    with pytest.raises(UsageError, match="--document-root"):
        export(images, "label-studio", tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


def test_label_studios_sdk_takes_config_tasks_and_predictions(images: list[LabelledImage], tmp_path: Path) -> None:
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    objects = pytest.importorskip("label_studio_sdk.label_interface.objects")
    out = tmp_path / "out"
    export(images, "label-studio", out)
    labelling = interface.LabelInterface((out / "labelling_config.xml").read_text("utf-8"))
    labelling.validate()
    for task in tasks_of(out):
        assert objects.TaskValue(**task).predictions
        assert labelling.validate_task({"data": task["data"]})
        assert labelling.validate_prediction(task["predictions"][0], return_errors=True) == []
        task["predictions"][0]["result"][-1]["value"]["choices"] = ["no such word"]
        assert labelling.validate_prediction(task["predictions"][0], return_errors=True)


# FiftyOne -------------------------------------------------------------------------------------------------------------


def test_fiftyone_documents_have_every_field_that_they_describe(images: list[LabelledImage], tmp_path: Path) -> None:
    export(images, "fiftyone", tmp_path / "out")
    metadata = json.loads((tmp_path / "out" / "metadata.json").read_text("utf-8"))
    samples = json.loads((tmp_path / "out" / "samples.json").read_text("utf-8"))["samples"]
    described = {field["db_field"] for field in metadata["sample_fields"]}
    # The importer sets these three itself.
    assert {name for sample in samples for name in sample} == described - {
        "_dataset_id", "created_at", "last_modified_at",
    }  # fmt: skip
    assert metadata["media_type"] == "image"
    assert [Path(sample["filepath"]).parts[0] for sample in samples] == ["data", "data"]
    assert all((tmp_path / "out" / sample["filepath"]).is_file() for sample in samples)
    boxes = [face["bounding_box"] for face in samples[0]["faces"]["detections"]]
    assert boxes == [[0.1, 0.125, 0.4, 0.5], [0.6, 0.125, 0.3, 0.375]]
    assert (samples[0]["predictions"]["label"], samples[0]["ground_truth"]["label"]) == ("화남/분노", "joy")
    packed = base64.b64decode(samples[1]["embedding"]["$binary"]["base64"])
    vector = np.load(io.BytesIO(zlib.decompress(packed)))
    np.testing.assert_allclose(vector, [0.6, 0.8], rtol=1e-6)


def test_fiftyone_takes_embeddings_without_words(tmp_path: Path) -> None:
    image = no_face(tmp_path)
    wordless = replace(image, faces=(replace(image.faces[0], words=()),), vocabulary="")
    export([wordless], "fiftyone", tmp_path / "out")
    (sample,) = json.loads((tmp_path / "out" / "samples.json").read_text("utf-8"))["samples"]
    assert sample["predictions"] is None
    assert sample["embedding"] is not None
    with pytest.raises(DataError, match="No face has a word"):
        export([wordless], "dataset", tmp_path / "other")


@pytest.mark.real_data
@pytest.mark.skipif(FIFTYONE is None or MONGOMOCK is None, reason="FiftyOne is no dependency of this project")
def test_fiftyones_own_importer_opens_it(images: list[LabelledImage], tmp_path: Path) -> None:
    export(images, "fiftyone", tmp_path / "out")
    # Its own versions of other packages lie beside it.
    own = [str(Path(FIFTYONE.origin).parents[1])] if FIFTYONE and FIFTYONE.origin else []
    places = os.pathsep.join([str(ROOT), *own, *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.fiftyone_with_fake", str(tmp_path / "out")],
        capture_output=True, encoding="utf-8", timeout=300, cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "PYTHONPATH": places},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.split("FOUND ", 1)[1])
    first, second = found["samples"]
    assert first["exists"]
    assert (first["size"], first["predicted"], first["confirmed"]) == ([100, 80], ["화남/분노", 0.7], "joy")
    assert first["faces"] == [["joy", [0.1, 0.125, 0.4, 0.5]], ["joy", [0.6, 0.125, 0.3, 0.375]]]
    np.testing.assert_allclose(second["embedding"], [0.6, 0.8], rtol=1e-6)


# COCO -----------------------------------------------------------------------------------------------------------------


def test_coco_holds_boxes_categories_and_what_was_said(images: list[LabelledImage], tmp_path: Path) -> None:
    export(images, "coco", tmp_path / "out", LICENSED)
    content = json.loads((tmp_path / "out" / "annotations.json").read_text("utf-8"))
    assert content["licenses"][0]["name"] == "cc-by-4.0"
    names = {one["id"]: one["name"] for one in content["categories"]}
    found = [(names[one["category_id"]], one["bbox"], one["area"]) for one in content["annotations"]]
    assert found == [("joy", [10, 10, 40, 40], 1600), ("joy", [60, 10, 30, 30], 900), ("joy", [0, 0, 48, 48], 2304)]
    assert content["annotations"][0]["predicted"] == "화남/분노"
    assert all((tmp_path / "out" / one["file_name"]).is_file() for one in content["images"])


def test_pycocotools_opens_it(images: list[LabelledImage], tmp_path: Path) -> None:
    tools = pytest.importorskip("pycocotools.coco")
    export(images, "coco", tmp_path / "out")
    coco = tools.COCO(str(tmp_path / "out" / "annotations.json"))
    (joy,) = coco.getCatIds(catNms=["joy"])
    assert len(coco.getAnnIds(catIds=[joy])) == 3
    assert coco.loadImgs(1)[0]["width"] == 100
    results = [{**one, "score": 1.0} for one in coco.loadAnns(coco.getAnnIds())]
    assert len(coco.loadRes(results).getAnnIds()) == 3


# Image folders and data sets ------------------------------------------------------------------------------------------


@pytest.fixture
def datasets() -> Any:
    return pytest.importorskip("datasets")


@pytest.mark.parametrize("table", ["csv", "parquet"])
def test_load_dataset_opens_an_image_folder(
    table: str, datasets: Any, images: list[LabelledImage], tmp_path: Path
) -> None:
    export(images, "imagefolder", tmp_path / "out", ExportOptions(table=table))
    loaded = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache")
    )
    rows = {(row["source_file"], row["face_index"]): row for row in loaded}
    row = rows[("둘 faces.jpg", 0)]
    assert (row["label"], row["name"], row["label_by"], row["predicted"]) == ("joy", "기쁨", "people", "화남/분노")
    assert row["judges"] == 3
    # The square around the box, a little wider.
    assert row["image"].size == (42, 42)
    assert "kim" not in (tmp_path / "out" / "README.md").read_text("utf-8")
    assert sorted(image["image"].size for image in loaded)[-1] == (48, 48)


def test_whole_images_have_one_row_each(images: list[LabelledImage], tmp_path: Path) -> None:
    export(images, "imagefolder", tmp_path / "out", ExportOptions(part="whole"))
    lines = (tmp_path / "out" / "metadata.csv").read_text("utf-8").splitlines()
    assert len(lines) == 3
    with Image.open(tmp_path / "out" / "joy" / "둘_faces.jpg") as image:
        assert image.size == (100, 80)


def test_evaluate_reads_an_image_folder_and_a_data_set(images: list[LabelledImage], tmp_path: Path) -> None:
    export(images, "imagefolder", tmp_path / "folder")
    export(images, "dataset", tmp_path / "set")
    for place in (tmp_path / "folder", tmp_path / "folder" / "metadata.csv", tmp_path / "set"):
        with open_labelled(str(place), RowSelection()) as rows:
            assert [row.label for row in rows.images] == ["joy"] * 3
            assert all(row.read() for row in rows.images)


def test_a_data_set_and_parquet_are_opened_by_hugging_face(
    datasets: Any, images: list[LabelledImage], tmp_path: Path
) -> None:
    options = replace(LICENSED, split="test")
    export(images, "dataset", tmp_path / "set", options)
    export(images, "parquet", tmp_path / "parquet", options)
    saved = datasets.load_from_disk(str(tmp_path / "set"))["test"]
    read = datasets.load_dataset(str(tmp_path / "parquet"), split="test", cache_dir=str(tmp_path / "cache"))
    for data in (saved, read):
        assert data.features["label"].names == ["joy"]
        assert data["word"] == ["joy"] * 3 or list(data["word"]) == ["joy"] * 3
        assert [image.size for image in data["image"]] == [(42, 42), (31, 31), (48, 48)]
        assert data[0]["words"] == ["화남/분노", "joy"]
        assert data[0]["face_box"] == [10, 10, 40, 40]


def test_embeddings_travel_in_a_data_set(datasets: Any, tmp_path: Path) -> None:
    export([no_face(tmp_path), two_faces(tmp_path)], "dataset", tmp_path / "set")
    saved = datasets.load_from_disk(str(tmp_path / "set"))["train"]
    assert saved[0]["embedding"] == pytest.approx([0.6, 0.8])
    assert saved[1]["embedding"] is None


def test_a_data_card_names_what_a_user_of_the_set_must_know(images: list[LabelledImage], tmp_path: Path) -> None:
    export(images, "parquet", tmp_path / "out", LICENSED)
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    _, head, body = text.split("---\n", 2)
    values = yaml.safe_load(head)
    assert values["license"] == "cc-by-4.0"
    assert values["language"] == ["ko"]
    assert values["configs"][0]["data_files"] == [{"split": "train", "path": "data/train-*"}]
    for said in ("# Faces of ours", "our own camera", "`mini:abc`", "| vocabulary | basic7 |", "| joy | 기쁨 | 3 |",
                 "Cohen's kappa", "## Limits"):  # fmt: skip
        assert said in body
    own = replace(LICENSED, origin=Origin("a\n---\nb | c", licence="Our terms", sources=("x\n# y",)))
    export(images, "imagefolder", tmp_path / "own", own)
    text = (tmp_path / "own" / "README.md").read_text("utf-8")
    values = yaml.safe_load(text.split("---\n", 2)[1])
    assert (values["license"], values["license_name"], values["pretty_name"]) == ("other", "Our terms", "a --- b | c")
    assert "\n# y" not in text


# Faces and files ------------------------------------------------------------------------------------------------------


def test_only_confirmed_faces_go_out_where_asked(images: list[LabelledImage], tmp_path: Path) -> None:
    done = export(images, "imagefolder", tmp_path / "out", ExportOptions(only="confirmed"))
    assert (done.tally.faces, done.tally.left_out) == (1, 2)
    divided = two_faces(tmp_path, Judgement("joy", "kim"), Judgement("화남/분노", "lee"))
    with pytest.raises(DataError, match="Nothing is left"):
        export([divided], "imagefolder", tmp_path / "divided", ExportOptions(only="confirmed"))


def test_the_word_that_stands_is_peoples_majority() -> None:
    said = [Judgement("a", "x"), Judgement("b", "y"), Judgement("a", "z")]
    assert FaceLabels(judgements=tuple(said)).word == "a"
    assert FaceLabels(judgements=tuple(said)).by == "x; z"
    assert FaceLabels(judgements=tuple(said[:2])).word is None
    assert majority([]) is None
    known = KnownWords([("joy", "기쁨")])
    assert [known.key(word) for word in ("기쁨", " JOY ", "새말")] == ["joy", "joy", "새말"]


@pytest.mark.parametrize("media", ["copy", "link"])
def test_files_keep_to_the_folder_whatever_their_names(media: str, tmp_path: Path) -> None:
    names = ["a/x.png", "b/x.png", "c/X.png", "d/..hidden.png", "e/=cmd|' calc.png", "f/" + "긴" * 80 + ".png"]
    found = [no_face(tmp_path / "in", name) for name in names]
    found = [replace(image, path=f"../../{name}") for image, name in zip(found, names, strict=True)]
    export(found, "coco", tmp_path / "out", ExportOptions(media=media))
    files = list((tmp_path / "out").rglob("*.png"))
    assert len(files) == len({path.name.casefold() for path in files}) == len(names)
    assert {path.parent for path in files} == {tmp_path / "out" / "images"}
    assert all(path.is_symlink() == (media == "link") for path in files)


def test_what_is_no_picture_is_never_copied(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_text("root:x:0:0")
    wrong = LabelledImage("secret.png", secret, (FaceLabels(words=no_face(tmp_path).faces[0].words),))
    done = export([wrong, no_face(tmp_path)], "coco", tmp_path / "out")
    assert len(done.tally.errors) == 1
    assert [path.name for path in (tmp_path / "out" / "images").iterdir()] == ["whole.png"]


def test_a_sideways_picture_is_measured_as_it_is_seen(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    image = two_faces(tmp_path)
    save(Image.open(image.file), tmp_path / "turned.jpg", exif=exif)
    export([replace(image, file=tmp_path / "turned.jpg")], "coco", tmp_path / "out")
    content = json.loads((tmp_path / "out" / "annotations.json").read_text("utf-8"))
    assert (content["images"][0]["width"], content["images"][0]["height"]) == (80, 100)
    assert content["annotations"][0]["bbox"] == [BOXES[0].x, BOXES[0].y, BOXES[0].width, BOXES[0].height]


def test_a_face_outside_of_its_picture_is_told(tmp_path: Path) -> None:
    image = two_faces(tmp_path)
    outside = replace(image.faces[1], region=replace(image.faces[1].region, box=FaceBox(101, 0, 9, 9)))
    broken = replace(image, faces=(image.faces[0], outside))
    for format in ("imagefolder", "parquet"):
        done = export([broken], format, tmp_path / format)
        assert [error.split(": ", 1)[1] for error in done.tally.errors] == [
            "The face lies outside of the picture of 100 × 80 pixels."
        ]


def test_a_table_guards_formulas(tmp_path: Path) -> None:
    image = no_face(tmp_path, "=1+1.png")
    export([image], "imagefolder", tmp_path / "out")
    assert ",'=1+1.png," in (tmp_path / "out" / "metadata.csv").read_text("utf-8")
