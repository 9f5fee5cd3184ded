"""AffectNet, RAF-DB and Kaggle's facial expressions in each published layout, on files that the tests make."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clip_emotion.cli.main import main
from clip_emotion.data.cards import load_card
from clip_emotion.data.prepare import prepare
from clip_emotion.data.prepared import load_record
from clip_emotion.data.recipes.annotations import code_in_array
from clip_emotion.errors import DataError, ImageError
from tests.support.raw_files import labels_of, png, write, zipped


def npy(value: object, **options: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array(value, **options), allow_pickle=True)
    return buffer.getvalue()


AFFECTNET_ORDER = ["neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt"]


def affectnet() -> dict[str, bytes]:
    files = {}
    for code in range(8):
        files[f"train_set/images/{code}.jpg"] = png(code + 1)
        files[f"train_set/annotations/{code}_exp.npy"] = npy(str(code))
        files[f"train_set/annotations/{code}_val.npy"] = npy(0.5)
    return {**files, "val_set/images/9.jpg": png(50), "val_set/annotations/9_exp.npy": npy(7)}


@pytest.mark.parametrize("as_zip", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("wrapper", ["", "AffectNet/"])
def test_affectnet_as_its_authors_send_it(tmp_path, as_zip, wrapper):
    files = {wrapper + name: content for name, content in affectnet().items()}
    source = zipped(tmp_path / "a.zip", files) if as_zip else write(tmp_path / "a", files)
    prepared = prepare("affectnet", source, tmp_path / "out")
    assert labels_of(prepared) == AFFECTNET_ORDER
    assert labels_of(prepared, "validation") == ["contempt"]
    assert prepared["train"][3]["path"] == f"{wrapper}train_set/images/3.jpg"
    assert load_record(tmp_path / "out").layout == "exp_npy"


@pytest.mark.parametrize(
    "folders",
    [
        AFFECTNET_ORDER,
        ["Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger", "Contempt"],
        [str(code) for code in range(8)],
    ],
)
def test_affectnet_in_class_folders(tmp_path, folders):
    files = {f"Train/{folder}/image_{at}.jpg": png(at + 1) for at, folder in enumerate(folders)}
    files[f"valid/{folders[7]}/image_99.jpg"] = png(99)
    prepared = prepare("affectnet", write(tmp_path / "a", files), tmp_path / "out")
    rows = zip(prepared["train"]["path"], labels_of(prepared), strict=True)
    assert {path.split("/")[1]: label for path, label in rows} == dict(zip(folders, AFFECTNET_ORDER, strict=True))
    assert labels_of(prepared, "validation") == ["contempt"]


class Harmful:
    """What pickle would run on being read."""

    def __reduce__(self):
        return exec, ("raise SystemExit('ran')",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy("8"), "'8' is none of"),
        (npy([1, 2]), "not an array of one"),
        (b"no array", "not a .npy file"),
        (npy("3")[:-2], "not a .npy file"),
        (npy(Harmful(), dtype=object), "not a .npy file"),
        (b"", "empty file"),
        (None, "annotations/1_exp.npy"),
    ],
    ids=["code", "two codes", "text", "truncated", "pickle", "empty", "missing"],
)
def test_affectnet_annotations_that_are_wrong_cost_their_row(tmp_path, content, words):
    files = {name: data for name, data in affectnet().items() if name != "train_set/annotations/1_exp.npy"}
    if content is not None:
        files["train_set/annotations/1_exp.npy"] = content
    prepared = prepare("affectnet", write(tmp_path / "a", files), tmp_path / "out")
    assert prepared["train"].num_rows == 7
    (skipped,) = load_record(tmp_path / "out").skipped
    assert words in skipped.reason


@pytest.mark.parametrize("value", ["3", b"3", 3, 3.0, [3], [["3"]]], ids=repr)
def test_a_code_in_any_type(value):
    assert code_in_array(npy(value)) == "3"


@given(st.binary(max_size=300), st.integers(0, 130))
@example(b"PK\x03\x04", 0)
def test_damaged_arrays_are_image_errors(noise, at):
    whole = npy("3")
    for content in (noise, whole[:at] + noise + whole[at:], b"\x93NUMPY\x01\x00" + noise):
        try:
            assert isinstance(code_in_array(content), str)
        except ImageError:
            continue


RAF_ORDER = ["surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"]


def raf_original(lines: str | None = None) -> dict[str, bytes]:
    files = {f"basic/Image/aligned/train_{n:05}_aligned.jpg": png(n) for n in range(1, 8)}
    files |= {f"basic/Image/original/train_{n:05}.jpg": png(100 + n) for n in range(1, 8)}
    files["basic/Image/aligned/test_0001_aligned.jpg"] = png(50)
    listed = "".join(f"train_{n:05}.jpg {n}\n" for n in range(1, 8)) + "test_0001.jpg 4\n"
    return {**files, "basic/EmoLabel/list_patition_label.txt": (lines or listed).encode()}


def test_rafdb_as_its_authors_send_it(tmp_path):
    prepared = prepare("rafdb", write(tmp_path / "raf", raf_original()), tmp_path / "out")
    assert labels_of(prepared) == RAF_ORDER
    assert labels_of(prepared, "test") == ["happy"]
    row = prepared["train"][1]
    assert row["path"] == "basic/Image/aligned/train_00002_aligned.jpg"
    assert np.asarray(row["image"]).flat[0] == 2, "the aligned picture, not the original"


@pytest.mark.parametrize("line", ["train_00001.jpg 8", "train_00001.jpg", "train_00001.jpg,1", "a b c", "x 0"])
def test_rafdb_list_that_is_wrong_is_one_sentence(tmp_path, line, capsys):
    source = write(tmp_path / "raf", raf_original(f"test_0001.jpg 4\n{line}\n"))
    assert main(["data", "prepare", "rafdb", "--from", str(source), "--to", str(tmp_path / "out")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "list_patition_label.txt, line 2" in err
    assert len(err.strip().splitlines()) == 1


def test_rafdb_picture_that_is_not_there_costs_its_row(tmp_path):
    source = write(tmp_path / "raf", raf_original("train_00001.jpg 1\ntrain_09999.jpg 2\n"))
    assert prepare("rafdb", source, tmp_path / "out")["train"].num_rows == 1
    assert "train_09999_aligned.jpg" in load_record(tmp_path / "out").skipped[0].reason


def raf_kaggle(train_table: str | None = None) -> dict[str, bytes]:
    files = {f"DATASET/train/{n}/train_{n:05}_aligned.jpg": png(n) for n in range(1, 8)}
    files["DATASET/test/4/test_0001_aligned.jpg"] = png(50)
    train = train_table or "image,label\n" + "".join(f"train_{n:05}_aligned.jpg,{n}\n" for n in range(1, 8))
    return {**files, "train_labels.csv": train.encode(), "test_labels.csv": b"image,label\ntest_0001_aligned.jpg,4\n"}


@pytest.mark.parametrize("with_tables", [True, False])
def test_rafdb_of_kaggle(tmp_path, with_tables):
    files = {name: data for name, data in raf_kaggle().items() if with_tables or not name.endswith(".csv")}
    prepared = prepare("rafdb", zipped(tmp_path / "raf.zip", files), tmp_path / "out")
    assert labels_of(prepared) == RAF_ORDER
    assert labels_of(prepared, "test") == ["happy"]
    assert load_record(tmp_path / "out").layout == ("image_folder_csv" if with_tables else "image_folder")


def test_rafdb_table_that_contradicts_the_folders_is_one_sentence(tmp_path):
    wrong = raf_kaggle("image,label\ntrain_00001_aligned.jpg,1\ntrain_00002_aligned.jpg,5\n")
    with pytest.raises(DataError, match=r"gives train_00002_aligned\.jpg the label '5'.*folder '2'"):
        prepare("rafdb", write(tmp_path / "raf", wrong), tmp_path / "out")
    short = raf_kaggle("image,label\ntrain_00001_aligned.jpg\n")
    with pytest.raises(DataError, match=r"train_labels\.csv, line 2: too few cells"):
        prepare("rafdb", write(tmp_path / "short", short), tmp_path / "out")


def test_rafdb_counts_as_published():
    card = load_card("rafdb")
    assert (card.expected("train"), card.expected("test")) == (12271, 3068)


@pytest.mark.parametrize("wrapper", ["{}/", "{0}/{0}/"])
def test_kaggles_facial_expression_dataset(tmp_path, wrapper):
    classes = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    files = {f"{wrapper.format('train')}{name}/Training_{n}.jpg": png(n + 1) for n, name in enumerate(classes)}
    files[f"{wrapper.format('test')}sad/PublicTest_1.jpg"] = png(51)
    files[f"{wrapper.format('test')}fear/PrivateTest_1.jpg"] = png(52)
    files[f"{wrapper.format('test')}fear/im1.png"] = png(53)
    prepared = prepare("facial_expression", write(tmp_path / "a", files), tmp_path / "out")
    assert labels_of(prepared) == classes
    assert labels_of(prepared, "validation") == ["sad"]
    assert labels_of(prepared, "test") == ["fear", "fear"]
