"""``data split`` and ``data rename``."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_emotion.cli.main import main
from clip_emotion.data.path_names import file_name
from clip_emotion.data.prepare import prepare
from clip_emotion.data.prepared import load_prepared, load_record
from clip_emotion.data.rename import rename
from clip_emotion.data.splitting import SplitOptions, assign, parse_ratios, split_prepared
from clip_emotion.errors import UsageError
from tests.support.raw_files import png, write, zipped

RATIOS = st.lists(st.integers(0, 10), min_size=2, max_size=3).filter(lambda ratios: sum(map(bool, ratios)) > 1)
ROWS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), min_size=1, max_size=120)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=200), RATIOS, st.integers(0, 5))
def test_every_class_gets_its_share_of_each_split(strata, ratios, seed):
    keys = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(len(strata))]
    parts = assign(keys, strata, ratios, seed)
    for stratum in set(strata):
        own = parts[np.array(strata) == stratum]
        for part, ratio in enumerate(ratios):
            assert abs((own == part).sum() - len(own) * ratio / sum(ratios)) <= 1
            assert ratio > 0 or part not in own


@given(ROWS, RATIOS, st.integers(0, 5))
def test_equal_pictures_stay_together_and_shares_hold_within_the_largest_group(rows, ratios, seed):
    keys = [f"{key}:{label}" for key, label in rows]
    parts = assign(keys, [label for _, label in rows], ratios, seed)
    assert all(len({part for other, part in zip(keys, parts, strict=True) if other == key}) == 1 for key in keys)
    largest = max(Counter(keys).values())
    for stratum in {label for _, label in rows}:
        own = parts[[label == stratum for _, label in rows]]
        for part, ratio in enumerate(ratios):
            assert abs((own == part).sum() - len(own) * ratio / sum(ratios)) <= largest


@given(ROWS, st.randoms(use_true_random=False), st.integers(0, 5))
def test_the_answer_depends_on_content_and_seed_and_not_on_the_order(rows, random, seed):
    def answer(entries):
        parts = assign([str(key) for key, _ in entries], [label for _, label in entries], (8, 1, 1), seed)
        return {key: part for (key, _), part in zip(entries, parts, strict=True)}

    first = answer(rows)
    random.shuffle(rows)
    assert answer(rows) == first


def test_another_seed_draws_another_split():
    keys, strata = [str(n) for n in range(200)], [n % 4 for n in range(200)]
    assert (assign(keys, strata, (8, 2), 0) == assign(keys, strata, (8, 2), 0)).all()
    assert (assign(keys, strata, (8, 2), 0) != assign(keys, strata, (8, 2), 1)).any()


def faces(tmp_path, wrapper: str = ""):
    files = {f"{wrapper}happy/{n}.png": png(n) for n in range(1, 101)}
    files |= {f"{wrapper}sad/{n}.png": png(n) for n in range(101, 121)}
    files |= {f"{wrapper}happy/copy_of_{n}.png": png(n) for n in range(1, 6)}
    return write(tmp_path / "faces", files)


def counts(prepared):
    return {split: Counter(data["label"]) for split, data in prepared.items()}


def test_split_of_raw_pictures(tmp_path, capsys):
    to = tmp_path / "cut"
    command = ["data", "split", str(faces(tmp_path)), "--ratios", "8:1:1", "--stratify", "--seed", "0", "--to", str(to)]
    assert main(command) == 0
    assert capsys.readouterr().out.strip() == str(to)
    cut = load_prepared(to)
    assert {split: data.num_rows for split, data in cut.items()} == load_record(to).rows
    assert sum(data.num_rows for data in cut.values()) == 125
    shas = [set(data["sha"]) for data in cut.values()]
    assert sum(map(len, shas)) == len(set().union(*shas)) == 120
    happy, sad = cut["train"].features["label"].names.index("happy"), cut["train"].features["label"].names.index("sad")
    assert counts(cut)["train"][sad] == 16
    assert counts(cut)["test"][sad] == counts(cut)["validation"][sad] == 2
    assert abs(counts(cut)["train"][happy] - 84) <= 2
    first = load_record(to).fingerprint
    assert main([*command[:-1], str(tmp_path / "again")]) == 0
    assert load_record(tmp_path / "again").fingerprint == first
    assert main(["data", "split", str(to), "--seed", "1", "--to", str(tmp_path / "other")]) == 0
    assert load_record(tmp_path / "other").fingerprint != first


def test_split_never_overwrites(tmp_path, capsys):
    source, to = str(faces(tmp_path)), tmp_path / "cut"
    to.mkdir()
    assert main(["data", "split", source, "--to", str(to)]) == 0, "an empty folder is no loss"
    first = load_record(to).fingerprint
    for again in (source, str(to)):
        assert main(["data", "split", again, "--seed", "1", "--to", str(to)]) == 2
        assert ("--overwrite" if again == source else "is an input of this call") in capsys.readouterr().err
    assert load_record(to).fingerprint == first


@pytest.mark.parametrize("verb", ["split", "rename"])
@pytest.mark.parametrize("prepared_before", [False, True])
def test_pictures_left_out_are_named(tmp_path, capsys, verb, prepared_before):
    source = write(tmp_path / "faces", {f"happy/{n}.png": png(n) for n in range(1, 31)} | {"sad/damaged.jpg": b"no"})
    if prepared_before:
        prepare("image_folder", source, tmp_path / "p")
        source = tmp_path / "p"
    assert main(["data", verb, str(source), "--to", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(tmp_path / "out")
    assert "Skipped 1 row(s) that cannot be used:\n  sad/damaged.jpg: Not a picture" in err


def test_a_split_of_one_split_leaves_its_own_rows_out_only(tmp_path, capsys):
    good = {f"{split}/happy/{n}.png": png(n) for split in ("train", "test") for n in range(1, 21)}
    source = write(tmp_path / "faces", {**good, "train/sad/one.jpg": b"no", "test/sad/two.jpg": b"no"})
    assert main(["data", "split", str(source), "--split", "train", "--to", str(tmp_path / "cut")]) == 0
    assert [row.path for row in load_record(tmp_path / "cut").skipped] == ["train/sad/one.jpg"]
    assert "two.jpg" not in capsys.readouterr().err


def test_split_of_one_split_into_two(tmp_path):
    prepared = prepare("image_folder", faces(tmp_path, "train/"), tmp_path / "p")
    options = SplitOptions(ratios=(9, 1), split="train", stratify=False)
    cut = split_prepared(prepared, tmp_path / "cut", options, load_record(tmp_path / "p"))
    assert list(cut) == ["train", "validation"]
    assert "split 9:1 with seed 0" in load_record(tmp_path / "cut").title
    without = split_prepared(prepared, tmp_path / "two", SplitOptions(ratios=(8, 0, 2)))
    assert list(without) == ["train", "test"]


def test_texts_split_without_strata(tmp_path):
    lines = "".join(f"{n}\t문장 {n}\t{n % 44}\n" for n in range(40))
    prepared = prepare(
        "kote", write(tmp_path / "raw", {"kote.tsv": f"id\ttext\tlabels\n{lines}".encode()}), tmp_path / "p"
    )
    with pytest.raises(UsageError, match="--no-stratify"):
        split_prepared(prepared, tmp_path / "cut")
    cut = split_prepared(prepared, tmp_path / "cut", SplitOptions(stratify=False), load_record(tmp_path / "p"))
    assert {split: data.num_rows for split, data in cut.items()} == {"train": 32, "validation": 4, "test": 4}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ratios", "8"], "8:1:1"),
        (["--ratios", "8:1:1:1"], "8:1:1"),
        (["--ratios", "a:b"], "8:1:1"),
        (["--ratios", "8:-1"], "8:1:1"),
        (["--ratios", "1:0:0"], "8:1:1"),
        (["--ratios", "nan:1"], "8:1:1"),
        (["--ratios", "1000000:1"], "too few"),
        (["--split", "test"], "no split 'test'"),
    ],
)
def test_misuse_of_split_is_one_sentence(arguments, words, tmp_path, capsys):
    source = write(tmp_path / "faces", {f"happy/{n}.png": png(n) for n in range(1, 4)})
    assert main(["data", "split", str(source), *arguments, "--to", str(tmp_path / "cut")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert not (tmp_path / "cut").exists()


def test_ratios():
    assert parse_ratios("8:1:1") == (8, 1, 1)
    assert parse_ratios("0.9:0.1") == (0.9, 0.1)


FILES = {
    "train/angry/Training_9.JPG": png(1),
    "train/angry/Training_2.png": png(2),
    "train/happy/Training_3.jpeg": png(3),
    "validation/angry/PublicTest_1.png": png(4),
}


def manifest_of(folder):
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("layout", ["folders", "flat"])
def test_rename_copies_bytes_under_new_names(tmp_path, layout, capsys):
    source, to = zipped(tmp_path / "raw.zip", FILES), tmp_path / "new"
    assert main(["data", "rename", str(source), "--to", str(to), "--layout", layout]) == 0
    assert capsys.readouterr().out.strip() == str(to)
    lines = manifest_of(to)
    assert list(lines[0]) == ["old_path", "new_name", "split", "label", "sha"]
    assert {line["old_path"]: line["new_name"].split("/")[-1] for line in lines} == {
        "train/angry/Training_2.png": "angry_0001.png",
        "train/angry/Training_9.JPG": "angry_0002.jpg",
        "train/happy/Training_3.jpeg": "happy_0001.jpeg",
        "validation/angry/PublicTest_1.png": "angry_0003.png",
    }
    for line in lines:
        assert (to / line["new_name"]).read_bytes() == FILES[line["old_path"]]
        assert line["new_name"].startswith(f"{line['split']}/{line['label']}/") == (layout == "folders")
    assert len([path for path in to.rglob("*") if path.is_file()]) == 6, "the pictures, the manifest and the mark"
    assert main(["data", "prepare", "image_csv", "--from", str(to), "--to", str(tmp_path / "back")]) == 0
    back = load_prepared(tmp_path / "back")
    assert {split: data.num_rows for split, data in back.items()} == {"train": 3, "validation": 1}
    assert {sha for data in back.values() for sha in data["sha"]} == {line["sha"] for line in lines}


def test_renamed_folders_read_as_class_folders(tmp_path):
    prepared = prepare("image_folder", write(tmp_path / "raw", FILES), tmp_path / "p")
    rename(prepared, tmp_path / "new")
    again = prepare("image_folder", tmp_path / "new", tmp_path / "q")
    assert counts(again) == counts(prepared)


def test_rows_of_a_pixel_table_get_the_suffix_of_their_format(tmp_path):
    source = write(tmp_path / "raw", {"fer2013.csv": b"emotion,pixels,Usage\n0,1 2 3 4,Training\n"})
    (line,) = rename(prepare("fer2013", source, tmp_path / "p"), tmp_path / "new", "flat")
    assert line.new_name == "angry_0001.png"
    assert line.old_path == "fer2013.csv:2"


def test_rename_never_overwrites(tmp_path, capsys):
    source, to = write(tmp_path / "raw", FILES), tmp_path / "new"
    to.mkdir()
    (to / "thesis.txt").write_text("mine")
    assert main(["data", "rename", str(source), "--to", str(to)]) == 2
    assert "name a new folder" in capsys.readouterr().err
    assert [path.name for path in to.iterdir()] == ["thesis.txt"]
    (to / "thesis.txt").unlink()
    assert main(["data", "rename", str(source), "--to", str(to)]) == 0, "an empty folder is no loss"
    assert main(["data", "rename", str(source), "--to", str(to)]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "raw"]


def test_a_failed_copy_leaves_nothing(tmp_path):
    prepared = prepare("image_folder", write(tmp_path / "raw", FILES), tmp_path / "p")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rename(prepared, tmp_path / "new", progress=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "raw"]


def test_rename_of_texts_is_refused(tmp_path, capsys):
    table = "id\ttext\tlabels\n1\t가\t4\n".encode()
    prepare("kote", write(tmp_path / "raw", {"kote.tsv": table}), tmp_path / "kote")
    assert main(["data", "rename", str(tmp_path / "kote"), "--to", str(tmp_path / "new")]) == 2
    assert "Only pictures" in capsys.readouterr().err


@given(st.text(max_size=20))
def test_safe_names_hold_nothing_that_a_file_system_refuses(label):
    name = file_name(label)
    assert name
    assert not set(name) & set('/\\:*?"<>| \n\t\x00')
    assert name not in (".", "..")


def test_korean_labels_stay_korean():
    assert file_name("화남/분노") == "화남_분노"
