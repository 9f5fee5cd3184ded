"""Every layout from raw files to a data set on disk, on files that the tests make."""

from __future__ import annotations

import gzip
import io
import json
import unicodedata

import datasets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clip_emotion.data.cards import list_cards, load_card
from clip_emotion.data.cleaning import Dropped
from clip_emotion.data.layouts import split_of_file
from clip_emotion.data.prepare import PrepareOptions, guess_card, prepare
from clip_emotion.data.prepared import load_prepared, load_record
from clip_emotion.data.recipes import RECIPES
from clip_emotion.data.recipes.images import png_of_pixels
from clip_emotion.data.stats import class_counts
from clip_emotion.errors import DataError, ImageError, UsageError
from clip_emotion.outputs import WriteOptions
from clip_emotion.vocabulary import Vocabulary
from tests.support.raw_files import FER_FOLDER, duplicates, labels_of, png, write, zipped

OVERWRITE = PrepareOptions(output=WriteOptions(overwrite=True))


def test_every_card_is_whole():
    assert {"fer2013", "kote", "goemotions", "ferplus", "muxspace", "nsmc", "image_folder", "image_csv"} <= set(
        list_cards()
    )
    for name in list_cards():
        card = load_card(name)
        assert card.name == name
        assert set(card.layouts) <= set(RECIPES)
        if card.vocabulary:
            keys = Vocabulary.load(card.vocabulary).keys
            assert set(card.label_map.values()) <= set(keys)
            for per_label in card.counts.values():
                assert isinstance(per_label, int) or set(per_label) <= set(keys)


def test_unknown_card_lists_the_known_ones():
    with pytest.raises(UsageError, match="fer2013"):
        load_card("fer2014")


KAGGLE_FOLDER = {
    "train/angry/Training_1.jpg": png(1),
    "train/happy/Training_2.jpg": png(2),
    "test/sad/PublicTest_1.jpg": png(3),
    "test/fear/PrivateTest_1.jpg": png(4),
}


@pytest.mark.parametrize("files", [FER_FOLDER, KAGGLE_FOLDER], ids=["three splits", "Kaggle's two folders"])
@pytest.mark.parametrize("as_zip", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("wrapper", ["", "fer2013/"])
def test_fer2013_folder_layouts(tmp_path, files, as_zip, wrapper):
    files = {wrapper + name: content for name, content in files.items()}
    source = zipped(tmp_path / "raw.zip", files) if as_zip else write(tmp_path / "raw", files)
    prepared = prepare("fer2013", source, tmp_path / "out")
    assert list(prepared) == ["train", "validation", "test"]
    assert labels_of(prepared) == ["angry", "happy"]
    assert labels_of(prepared, "validation") == ["sad"]
    assert labels_of(prepared, "test") == ["fear"]
    row = prepared["train"][0]
    assert row["path"] == f"{wrapper}train/angry/Training_1.jpg"
    assert np.asarray(row["image"]).flat[0] == 1
    assert row["source"] == source.name


def pixel_line(label: int, values: list[int], usage: str) -> str:
    return f"{label},{' '.join(map(str, values))},{usage}"


@pytest.mark.parametrize("header", ["emotion,pixels,Usage", "emotion, pixels, Usage"])
def test_fer2013_pixel_csv_in_a_zip(tmp_path, header):
    lines = [
        header,
        pixel_line(6, list(range(9)), "Training"),
        pixel_line(0, [7] * 8 + [9], "PublicTest"),
        pixel_line(3, [1] * 8 + [2], "PrivateTest"),
        pixel_line(3, [1] * 8, "PrivateTest"),
        pixel_line(9, [1] * 9, "Training"),
    ]
    source = zipped(tmp_path / "challenge.zip", {"fer2013/fer2013.csv": "\n".join(lines).encode()})
    prepared = prepare("fer2013", source, tmp_path / "out")
    assert {split: labels_of(prepared, split) for split in prepared} == {
        "train": ["neutral"],
        "validation": ["angry"],
        "test": ["happy"],
    }
    assert np.asarray(prepared["train"][0]["image"]).ravel().tolist() == list(range(9))
    reasons = [row.reason for row in load_record(tmp_path / "out").skipped]
    assert "no square" in reasons[0]
    assert "unknown emotion code '9'" in reasons[1]


@given(st.integers(1, 12).flatmap(lambda side: st.lists(st.integers(0, 255), min_size=side**2, max_size=side**2)))
def test_pixel_strings_come_back_as_they_were(values):
    image = Image.open(io.BytesIO(png_of_pixels(" ".join(map(str, values)))))
    assert image.size[0] == image.size[1]
    assert np.asarray(image).ravel().tolist() == values


@given(st.text(max_size=60))
def test_any_other_text_is_an_image_error_or_a_square(text):
    try:
        image = Image.open(io.BytesIO(png_of_pixels(text)))
    except ImageError:
        return
    assert image.size[0] ** 2 == len(text.split())


def test_class_folders_match_by_alias_in_either_unicode_form(tmp_path):
    nfd = unicodedata.normalize("NFD", "화남")
    source = write(tmp_path / "raw", {f"{nfd}/{nfd}.png": png(1), "Happiness/b.png": png(2), "anger/c.png": png(3)})
    prepared = prepare("image_folder", source, tmp_path / "out", PrepareOptions(default_split="test"))
    assert sorted(zip(prepared["test"]["path"], labels_of(prepared, "test"), strict=True)) == [
        ("Happiness/b.png", "happy"),
        ("anger/c.png", "angry"),
        ("화남/화남.png", "angry"),
    ]
    assert prepared["test"].features["label"].names == list(Vocabulary.load("basic7").keys)


def test_contempt_asks_for_the_larger_vocabulary(tmp_path):
    source = write(tmp_path / "raw", {"contempt/a.png": png(1), "happy/b.png": png(2)})
    prepared = prepare("image_folder", source, tmp_path / "out")
    assert prepared["train"].features["label"].names == list(Vocabulary.load("basic8").keys)


def test_unknown_classes_are_refused_by_name_unless_they_are_ones_own(tmp_path):
    source = write(tmp_path / "raw", {"설렘/a.png": png(1), "당황/b.png": png(2)})
    with pytest.raises(UsageError, match="설렘"):
        prepare("image_folder", source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    own = PrepareOptions(vocabulary=Vocabulary.from_words(["당황", "설렘"]))
    prepared = prepare("image_folder", source, tmp_path / "out", own)
    assert prepared["train"].features["label"].names == ["당황", "설렘"]
    assert sorted(labels_of(prepared)) == ["당황", "설렘"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp949"])
def test_image_csv_with_relative_paths_and_a_missing_file(tmp_path, encoding):
    write(tmp_path / "raw", {"사진/가.png": png(1), "사진/나.png": png(2)})
    rows = "경로,감정,분할\n사진/가.png,화남,train\n사진\\나.png,happy,PublicTest\n사진/없음.png,sad,train\n"
    table = tmp_path / "raw" / "표.csv"
    table.write_bytes(rows.encode(encoding))
    for source in (tmp_path / "raw", table):
        prepared = prepare("image_csv", source, tmp_path / "out", OVERWRITE)
        assert labels_of(prepared) == ["angry"]
        assert labels_of(prepared, "validation") == ["happy"]
        (skipped,) = load_record(tmp_path / "out").skipped
        assert skipped.path == "사진/없음.png"


def test_image_csv_refuses_an_unknown_label_by_name(tmp_path):
    source = write(tmp_path / "raw", {"a.png": png(1), "t.csv": b"path,label\na.png,confused\n"})
    with pytest.raises(UsageError, match="confused"):
        prepare("image_csv", source, tmp_path / "out")


def test_muxspace_zip(tmp_path):
    table = b"path,emotion\nimages/a.jpg,happiness\nimages/b.jpg,contempt\nimages/c.jpg,anger\n"
    files = {"labels.csv": table, **{f"images/{name}.jpg": png(n) for n, name in enumerate("abc", 1)}}
    prepared = prepare("muxspace", zipped(tmp_path / "m.zip", files), tmp_path / "out")
    assert labels_of(prepared) == ["happy", "contempt", "angry"]


def test_bad_pictures_are_counted_and_named(tmp_path):
    whole = png(5, size=64)
    files = {
        "happy/empty.png": b"",
        "happy/text.png": b"this is no picture",
        "happy/cut.png": whole[: len(whole) // 2],
        "happy/good.png": whole,
        "happy/notes.txt": b"not a picture by its suffix",
    }
    prepared = prepare("image_folder", write(tmp_path / "raw", files), tmp_path / "out")
    assert prepared["train"]["path"][:] == ["happy/good.png"]
    skipped = {row.path for row in load_record(tmp_path / "out").skipped}
    assert skipped == {"happy/empty.png", "happy/text.png", "happy/cut.png"}


def test_nothing_usable_is_an_error_and_leaves_nothing(tmp_path):
    source = write(tmp_path / "raw", {"happy/empty.png": b""})
    with pytest.raises(DataError, match="No usable row"):
        prepare("image_folder", source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


KOTE_ROWS = [("1", '그가 "좋다"고 했다', "0,43"), ("2", "a\tb", "5")]


def kote_file(header: bool) -> str:
    quoted = [f'{row}\t"{text.replace(chr(34), chr(34) * 2)}"\t{labels}' for row, text, labels in KOTE_ROWS]
    return "\n".join([*(["id\ttext\tlabels"] if header else []), *quoted]) + "\n"


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("zip_it", [True, False])
def test_kote_tables(tmp_path, header, zip_it):
    content = kote_file(header).encode()
    source = write(tmp_path / "raw", {"kote_val.tsv.gz": gzip.compress(content)} if zip_it else {"val.tsv": content})
    prepared = prepare("kote", source, tmp_path / "out")
    assert list(prepared) == ["validation"]
    assert prepared["validation"]["text"][:] == [text for _, text, _ in KOTE_ROWS]
    assert prepared["validation"]["labels"][:] == [[0, 43], [5]]
    feature = prepared["validation"].features["labels"].feature
    assert feature.int2str(0) == "불평/불만"
    assert feature.int2str(43) == "안심/신뢰"


def test_kote_label_outside_the_vocabulary_names_its_row(tmp_path):
    source = write(tmp_path / "raw", {"kote.tsv": "id\ttext\tlabels\n1\t가\t44\n".encode()})
    with pytest.raises(UsageError, match=r"kote\.tsv:2.*'44'"):
        prepare("kote", source, tmp_path / "out")


def test_goemotions_with_translations(tmp_path):
    train = "id\ttext_en\ttext_ko\tlabels\na\tHello\t안녕\t27\nb\tOh no\t아 이런\t3,10\n"
    dev = "id\ttext_en\ttext_ko\tlabels\nc\tWow\t와\t26\n"
    files = {"goemotions_train.tsv": train.encode(), "goemotions_dev.tsv": dev.encode()}
    prepared = prepare("goemotions", write(tmp_path / "raw", files), tmp_path / "out")
    assert prepared["train"][1] == {"text": "Oh no", "text_ko": "아 이런", "labels": [3, 10]}
    assert prepared["validation"].features["labels"].feature.int2str(26) == "surprise"


def test_goemotions_as_published_is_not_quoted(tmp_path):
    files = {"train.tsv": b'"Unclosed, he said\t3,10\tx1\nfine\t27\tx2\n', "dev.tsv": b"ok\t4\tx3\n"}
    prepared = prepare("goemotions", write(tmp_path / "raw", files), tmp_path / "out")
    assert prepared["train"]["text"][:] == ['"Unclosed, he said', "fine"]
    assert prepared["train"]["labels"][:] == [[3, 10], [27]]
    assert prepared["validation"].num_rows == 1


def test_hub_parquet_folder_and_saved_data_set(tmp_path):
    names = list(Vocabulary.load("kote44").keys)
    shuffled = names[::-1]
    feature = datasets.Sequence(datasets.ClassLabel(names=shuffled))
    features = datasets.Features({"ID": datasets.Value("string"), "text": datasets.Value("string"), "labels": feature})
    hub = datasets.Dataset.from_dict({"ID": ["1"], "text": ["가"], "labels": [[0, 43]]}, features=features)
    datasets.DatasetDict({"validation": hub}).save_to_disk(str(tmp_path / "saved"))
    saved = prepare("kote", tmp_path / "saved", tmp_path / "out")
    assert saved["validation"]["labels"][:] == [[0, 43]], "matched by name, whatever the order of the codes"

    (tmp_path / "hub" / "default" / "test").mkdir(parents=True)
    codes = datasets.Dataset.from_dict({"text": ["가", "나"], "labels": [[1], [2, 3]]})
    codes.to_parquet(str(tmp_path / "hub" / "default" / "test" / "0000.parquet"))
    parquet = prepare("kote", tmp_path / "hub", tmp_path / "out", OVERWRITE)
    assert list(parquet) == ["test"]
    assert parquet["test"]["labels"][:] == [[1], [2, 3]]


def test_hub_out_of_reach_is_one_sentence(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(DataError, match="Cannot load 'searle-j/kote' from the Hugging Face Hub") as caught:
        prepare("kote", "hub:", tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_nsmc_ratings(tmp_path):
    table = "text\trating\n좋다\t10\n나쁘다\t1\n\t5\n이상\t11\n".encode()
    prepared = prepare("nsmc", write(tmp_path / "raw", {"nsmc.tsv": table}), tmp_path / "out")
    assert prepared["train"]["rating"][:] == [10, 1]
    assert [row.reason.split()[0] for row in load_record(tmp_path / "out").skipped] == ["empty", "rating"]
    assert class_counts(prepared) == {"train": {"1": 1, "10": 1}}


def test_ferplus_votes(tmp_path):
    header = "path,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    table = f"{header}\ntrain/angry/a.jpg,4,0,0,1,3,2,0,0,0,0\nvalidation/sad/b.jpg,1,0,0,9,0,0,0,0,0,0\n"
    prepared = prepare("ferplus", write(tmp_path / "raw", {"ferplus_votes.csv": table.encode()}), tmp_path / "out")
    assert prepared["train"][0]["angry"] == 3
    assert prepared["validation"][0] == {
        **dict.fromkeys(prepared["validation"].column_names, 0),
        **{"path": "validation/sad/b.jpg", "neutral": 1, "sad": 9},
    }


def test_ferplus_as_published(tmp_path):
    header = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    table = f"{header}\nTraining,fer0000000.png,4,0,0,1,3,2,0,0,0,0\nPrivateTest,,0,0,0,0,0,0,0,0,0,10\n"
    prepared = prepare("ferplus", write(tmp_path / "raw", {"fer2013new.csv": table.encode()}), tmp_path / "out")
    assert prepared["train"]["path"][:] == ["fer0000000.png"]
    assert len(load_record(tmp_path / "out").skipped) == 1


def test_drop_duplicates_cleans_training_and_leaves_evaluation(tmp_path):
    prepared = prepare("image_folder", duplicates(tmp_path), tmp_path / "out", PrepareOptions(drop_duplicates=True))
    assert sorted(prepared["train"]["path"]) == ["train/happy/a.png", "train/sad/own.png"]
    assert prepared["validation"].num_rows == 3
    record = load_record(tmp_path / "out")
    assert record.dropped == Dropped(blank=1, in_evaluation=1, conflicting=2, repeated=1)
    assert record.rows == {"train": 2, "validation": 3}
    assert not set(prepared["train"]["sha"]) & set(prepared["validation"]["sha"])


def test_record_tells_origin_and_the_fingerprint_tells_content(tmp_path):
    source = write(tmp_path / "raw", FER_FOLDER)
    prepare("fer2013", source, tmp_path / "one")
    prepare("fer2013", zipped(tmp_path / "raw.zip", FER_FOLDER), tmp_path / "two")
    one, two = load_record(tmp_path / "one"), load_record(tmp_path / "two")
    assert one.source == str(source)
    assert one.layout == "image_folder"
    assert one.fingerprint == two.fingerprint, "the container does not matter"
    (source / "train/angry/Training_1.jpg").write_bytes(png(77))
    prepare("fer2013", source, tmp_path / "one", OVERWRITE)
    assert load_record(tmp_path / "one").fingerprint != two.fingerprint
    assert json.loads((tmp_path / "one" / "card.json").read_text())["name"] == "fer2013"


def test_prepared_sets_are_found_by_name_and_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match="data prepare fer2013 --from"):
        load_prepared("fer2013")
    prepare("fer2013", write(tmp_path / "raw", FER_FOLDER))
    assert load_prepared("fer2013")["train"].num_rows == 2
    assert load_prepared(tmp_path / "cache" / "prepared" / "fer2013")["test"].num_rows == 1
    with pytest.raises(UsageError, match="neither a prepared folder nor a known data set"):
        load_prepared("nothing")
    with pytest.raises(DataError, match="not a prepared data set"):
        load_prepared(tmp_path / "raw")


def test_source_in_no_known_layout_names_the_layouts(tmp_path):
    with pytest.raises(DataError, match="pixel_csv, image_folder"):
        prepare("fer2013", write(tmp_path / "raw", {"readme.md": b"x"}), tmp_path / "out")


def test_guessing_the_generic_card(tmp_path):
    assert guess_card(write(tmp_path / "a", {"happy/a.png": png(1)})) == "image_folder"
    listed = write(tmp_path / "b", {"images/a.png": png(1), "labels.csv": b"path,label\nimages/a.png,happy\n"})
    assert guess_card(listed) == "image_csv"
    with pytest.raises(DataError, match="--card"):
        guess_card(write(tmp_path / "c", {"a.md": b"x"}))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("goemotions_dev.tsv.gz", "validation"),
        ("val.tsv", "validation"),
        ("kote.tsv", None),
        ("data/train-00000-of-00001.parquet", "train"),
        ("default/test/0000.parquet", "test"),
        ("training_notes/contest.tsv", None),
    ],
)
def test_split_of_file(name, split):
    assert split_of_file(name) == split
