"""What the data verbs write, and what they never write over: nothing unasked, nothing of the user's, nor outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from datasets import load_from_disk

from clip_emotion.cli.main import main
from clip_emotion.data.cards import Card, load_card
from clip_emotion.data.merge import merge
from clip_emotion.data.path_names import file_name, path_fault
from clip_emotion.data.prepare import PrepareOptions, prepare
from clip_emotion.data.prepared import load_prepared, load_record
from clip_emotion.data.recipes.base import Row
from clip_emotion.data.rename import rename
from clip_emotion.data.row_writer import RowWriter
from clip_emotion.data.splitting import split_prepared
from clip_emotion.errors import DataError, UsageError
from clip_emotion.outputs import MARK, WriteOptions
from tests.support.raw_files import FER_FOLDER, png, write, zipped

OVERWRITE = PrepareOptions(output=WriteOptions(overwrite=True))
FACES = {"train/happy/a.png": png(1), "train/sad/b.png": png(2)}


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    prepare("image_folder", write(tmp_path / "raw", FACES), tmp_path / "set")
    return tmp_path / "set"


# -- names from data never become paths of their own


@pytest.mark.parametrize("as_zip", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(
    "split", ["{outside}/escape", "../../../escaped", "..", "a/b", "a\\b", "C:x", ".hidden", "x\x00"]
)
def test_a_split_that_is_a_path_costs_its_row_and_writes_nothing_outside(tmp_path, split, as_zip):
    split = split.format(outside=tmp_path)
    table = f"path,label,split\na.png,happy,train\nb.png,sad,{split}\n".encode()
    files = {"faces.csv": table, "a.png": png(1), "b.png": png(2)}
    source = zipped(tmp_path / "raw.zip", files) if as_zip else write(tmp_path / "raw", files)
    place = tmp_path / "deep" / "er"
    place.mkdir(parents=True)
    before = everything(tmp_path)
    prepare("image_csv", source, place / "out")
    assert {path for path in everything(tmp_path) - before if not path.startswith("deep/er/out")} == set()
    record = load_record(place / "out")
    assert record is not None
    assert record.rows == {"train": 1}
    assert ["can name no folder" in row.reason for row in record.skipped] == [True]


def test_no_writer_takes_a_split_that_is_a_path(tmp_path):
    from clip_emotion.data.recipes.images import image_features
    from clip_emotion.vocabulary import Vocabulary

    writer = RowWriter(tmp_path / "rows", image_features(Vocabulary.load("basic7")))
    with pytest.raises(DataError, match="names no folder"):
        writer.add(Row("../x", {}, "key", "0"))
    writer.close()


@pytest.mark.parametrize("split", ["../x", "", "a/b"])
def test_the_users_own_split_is_checked_too(tmp_path, split):
    with pytest.raises(UsageError, match="cannot name a split"):
        prepare("image_folder", write(tmp_path / "raw", FACES), tmp_path / "out", PrepareOptions(default_split=split))


@pytest.mark.parametrize("name", ["../../escape", "/escape", "a\\b", "..", "", "x" * 300])
def test_a_card_cannot_name_a_folder_elsewhere(tmp_path, name):
    text = json.dumps({**load_card("image_folder").model_dump(mode="json"), "name": name})
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="cannot name a folder"):
        load_card(str(tmp_path / "own.yaml"))


def test_a_saved_set_cannot_name_a_folder_elsewhere(prepared, tmp_path):
    (prepared / "dataset_dict.json").write_text(json.dumps({"splits": ["../raw"]}), encoding="utf-8")
    with pytest.raises(DataError, match="names no folder"):
        load_prepared(prepared)
    with pytest.raises(DataError, match="names no folder"):
        prepare("kote", prepared, tmp_path / "out")


def test_labels_become_file_names_of_one_part():
    for label in ("../../x", "/etc/passwd", "..", "", "a" * 900, "화남/분노", "\ud800", "con\n"):
        name = file_name(label)
        assert path_fault(name) is None, label


# -- nothing is written over unasked


def test_an_existing_set_is_replaced_only_where_the_call_says_so(prepared, tmp_path):
    more = write(tmp_path / "more", {**FACES, "train/happy/c.png": png(3)})
    with pytest.raises(UsageError, match="already: choose another folder, or add --overwrite"):
        prepare("image_folder", more, prepared)
    assert load_prepared(prepared)["train"].num_rows == 2
    prepare("image_folder", more, prepared, OVERWRITE)
    assert load_prepared(prepared)["train"].num_rows == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["more", "raw", "set"]


def test_a_set_of_the_first_release_has_no_mark_and_is_known_all_the_same(prepared, tmp_path):
    (prepared / MARK).unlink()
    with pytest.raises(UsageError, match="--overwrite"):
        prepare("image_folder", tmp_path / "raw", prepared)
    prepare("image_folder", tmp_path / "raw", prepared, OVERWRITE)
    assert (prepared / MARK).is_file()


@pytest.mark.parametrize("name", ["thesis.txt", "train/notes.md", ".private/key", "train/deep/x.arrow"])
def test_what_lies_beside_a_set_is_never_deleted(prepared, tmp_path, name):
    write(prepared, {name: b"mine"})
    with pytest.raises(UsageError, match=f"also holds {name}"):
        prepare("image_folder", tmp_path / "raw", prepared, OVERWRITE)
    assert (prepared / name).read_bytes() == b"mine"


@pytest.mark.parametrize("files", [{"thesis.txt": b"mine"}, {"dataset_dict.json": b'{"splits": []}', "mine.txt": b"x"}])
@pytest.mark.parametrize("options", [None, OVERWRITE], ids=["new", "overwrite"])
def test_a_foreign_folder_is_never_replaced(tmp_path, files, options):
    write(tmp_path / "out", files)
    with pytest.raises(UsageError, match="did not make: name a new folder"):
        prepare("fer2013", write(tmp_path / "raw", FER_FOLDER), tmp_path / "out", options)
    assert everything(tmp_path / "out") == set(files)


def test_a_foreign_saved_set_is_not_ours(prepared, tmp_path):
    load_from_disk(str(prepared)).save_to_disk(str(tmp_path / "theirs"))
    with pytest.raises(UsageError, match="did not make"):
        prepare("image_folder", tmp_path / "raw", tmp_path / "theirs", OVERWRITE)


def test_an_empty_folder_is_taken_and_a_file_is_not(tmp_path):
    source = write(tmp_path / "raw", FACES)
    (tmp_path / "empty").mkdir()
    assert prepare("image_folder", source, tmp_path / "empty")["train"].num_rows == 2
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="is a file"):
        prepare("image_folder", source, tmp_path / "file")
    with pytest.raises(UsageError, match="Cannot write"):
        prepare("image_folder", source, tmp_path / "file" / "out")


def test_a_failed_second_run_leaves_the_first_result(prepared, tmp_path):
    with pytest.raises(DataError):
        prepare("fer2013", write(tmp_path / "bad", {"happy/a.png": b""}), prepared, OVERWRITE)
    assert load_prepared(prepared)["train"].num_rows == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "raw", "set"]


# -- no output is an input


@pytest.mark.parametrize("options", [WriteOptions(), WriteOptions(overwrite=True)], ids=["new", "overwrite"])
def test_a_source_is_never_the_output(prepared, tmp_path, options):
    prepare("image_folder", write(tmp_path / "raw2", {"train/sad/d.png": png(7)}), tmp_path / "other")
    loaded, before = load_prepared(prepared), everything(prepared)
    (tmp_path / "link").symlink_to(prepared)
    for target in (prepared, tmp_path / "link", tmp_path / "other" / ".." / "set"):
        with pytest.raises(UsageError, match="is an input of this call"):
            merge([str(prepared), str(tmp_path / "other")], target, output=options)
        with pytest.raises(UsageError, match="is an input of this call"):
            split_prepared(loaded, target, output=options, inputs=[prepared])
        with pytest.raises(UsageError, match="is an input of this call"):
            rename(loaded, target, output=options, inputs=[prepared])
    assert everything(prepared) == before


def test_renamed_pictures_are_replaced_only_where_nothing_else_lies(prepared, tmp_path):
    loaded, overwrite = load_prepared(prepared), WriteOptions(overwrite=True)
    rename(loaded, tmp_path / "new")
    with pytest.raises(UsageError, match="--overwrite"):
        rename(loaded, tmp_path / "new")
    rename(loaded, tmp_path / "new", "flat", output=overwrite)
    assert not (tmp_path / "new" / "train").exists()
    write(tmp_path / "new", {"mine.jpg": b"x"})
    with pytest.raises(UsageError, match=r"also holds mine\.jpg"):
        rename(loaded, tmp_path / "new", output=overwrite)


def test_every_data_verb_has_the_same_option(prepared, tmp_path, capsys):
    raw, source = str(tmp_path / "raw"), str(prepared)
    (tmp_path / "plot.png").write_bytes(b"mine")
    verbs = [
        ["prepare", "image_folder", "--from", raw, "--out", str(tmp_path / "set2")],
        ["merge", source, "--out", str(tmp_path / "merged")],
        ["split", source, "--ratios", "1:1", "--no-stratify", "--out", str(tmp_path / "cut")],
        ["rename", source, "--out", str(tmp_path / "renamed")],
        ["stats", source, "--plot", str(tmp_path / "plot.png")],
    ]
    for verb in verbs[:-1]:
        assert main(["data", *verb]) == 0, verb
    for verb in verbs:
        capsys.readouterr()
        assert main(["data", *verb]) == 2, verb
        assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "plot.png").read_bytes() == b"mine"
    for verb in verbs:
        assert main(["data", *verb, "--overwrite"]) == 0, verb
    assert (tmp_path / "plot.png").read_bytes() != b"mine"
    assert main(["data", "stats", source, "--plot", "/dev/null"]) == 0


def test_a_card_is_a_record_with_a_name() -> None:
    assert Card.model_validate(load_card("fer2013").model_dump()).name == "fer2013"
