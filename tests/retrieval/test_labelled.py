"""Labelled rows from every form that data comes in."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from clip_emotion.data.layouts import labels_in_cell
from clip_emotion.data.prepare import PrepareOptions, prepare
from clip_emotion.errors import DataError, UsageError
from clip_emotion.retrieval.evaluation.labelled import Labelled, open_labelled
from clip_emotion.retrieval.evaluation.selection import RowSelection, parse_slice
from clip_emotion.vocabulary import Vocabulary


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return buffer.getvalue()


def put(root: Path, name: str, content: bytes | str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def faces(root: Path) -> Path:
    for name in ("train/angry/1.png", "val/angry/2.png", "val/행복/3.png", "val/.hidden/4.png", "val/angry/notes.txt"):
        put(root, name, png("red"))
    return root


def read(data: Path | str, **choice: object) -> Labelled:
    with open_labelled(str(data), RowSelection(**choice)) as rows:
        return rows


def labels(rows: Labelled) -> list[str]:
    return [row.label for row in rows.images]


def test_a_folder_with_splits(tmp_path: Path) -> None:
    root = faces(tmp_path / "faces")
    rows = read(root)
    assert (rows.data, rows.split, labels(rows)) == ("faces", "validation", ["angry", "행복"])
    assert [row.read() for row in rows.images] == [png("red")] * 2
    assert read(root, split="training").split == "train"
    assert labels(read(root, split="all")) == ["angry", "angry", "행복"]
    assert read(root, prefer=("train",)).split == "train"


def test_a_zip_reads_as_its_folder(tmp_path: Path) -> None:
    root = faces(tmp_path / "faces")
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for path in sorted(root.rglob("*")):
            archive.write(path, Path("top") / path.relative_to(root))
    with open_labelled(str(tmp_path / "faces.zip"), RowSelection()) as rows:
        assert labels(rows) == ["angry", "행복"]
        assert rows.images[1].read() == png("red")


def test_a_folder_without_splits(tmp_path: Path) -> None:
    put(tmp_path, "sad/a.png", png("blue"))
    put(tmp_path, "happy/b.png", png("blue"))
    rows = read(tmp_path)
    assert (rows.split, labels(rows)) == ("all", ["happy", "sad"])


def test_a_table_of_pictures(tmp_path: Path) -> None:
    put(tmp_path, "pictures/a.png", png("blue"))
    put(tmp_path, "faces.csv", "path,label,split\npictures/a.png,angry,test\npictures/b.png,sad,train\n")
    rows = read(tmp_path / "faces.csv")
    assert (rows.split, labels(rows)) == ("test", ["angry"])
    assert rows.images[0].read() == png("blue")


def test_a_table_of_pictures_from_korean_windows(tmp_path: Path) -> None:
    put(tmp_path, "사진/가.png", png("blue"))
    (tmp_path / "얼굴.csv").write_bytes("경로,감정\r\n사진\\가.png,슬픔\r\n".encode("cp949"))
    (row,) = read(tmp_path / "얼굴.csv").images
    assert (row.name, row.label, row.read()) == ("사진/가.png", "슬픔", png("blue"))


TEXTS = 'id\ttext_en\ttext_ko\tlabels\n1\tgood\t좋다\t0,2\n2\t"a ""b""\tc"\t나쁘다\t1\n3\tcut\n'


@pytest.mark.parametrize("zipped", [False, True])
def test_a_table_of_texts(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / ("t.tsv.gz" if zipped else "t.tsv")
    path.write_bytes(gzip.compress(TEXTS.encode()) if zipped else TEXTS.encode())
    rows = read(path, language="en").texts
    assert [(row.text, row.labels) for row in rows[:2]] == [("good", ("0", "2")), ('a "b"\tc', ("1",))]
    assert rows[2].error
    assert [row.text for row in read(path, language="ko").texts[:2]] == ["좋다", "나쁘다"]
    assert [row.text for row in read(path, text_column="text_en", language="ko", rows=":1").texts] == ["good"]


def test_a_prepared_set_of_pictures_gives_its_raw_twin(tmp_path: Path) -> None:
    root = faces(tmp_path / "faces")
    prepare("image_folder", root, tmp_path / "prepared")
    rows = read(tmp_path / "prepared")
    assert labels(rows) == ["angry", "happy"]
    assert rows.images[0].read() == png("red")
    assert rows.images[0].sha


def test_a_prepared_set_of_texts_gives_label_names(tmp_path: Path) -> None:
    put(tmp_path, "kote.tsv", "id\ttext\tlabels\n1\t고맙다\t4,42\n2\t슬프다\t5\n")
    prepare("kote", tmp_path / "kote.tsv", tmp_path / "prepared")
    rows = read(tmp_path / "prepared", split="all")
    assert [(row.text, row.labels) for row in rows.texts] == [("고맙다", ("고마움", "기쁨")), ("슬프다", ("슬픔",))]


@pytest.mark.parametrize("card", ["image_folder", "image_csv"])
def test_preparing_and_evaluating_read_pictures_alike(tmp_path: Path, card: str) -> None:
    root = tmp_path / "faces"
    folders = ("a/train/angry/1.png", "a/test/x/happy/2.png", "a/val/행복/3.png", "a/sad/4.png")
    for place, colour in zip(folders, ("red", "green", "blue", "white"), strict=True):
        put(root, place, png(colour))
    put(
        tmp_path,
        "faces.csv",
        "new_name,label,set\nfaces\\a\\sad\\4.png,슬픔,PublicTest\n faces/a/val/행복/3.png ,joy,\n",
    )
    source = root if card == "image_folder" else tmp_path / "faces.csv"
    prepared = prepare(card, source, tmp_path / card, PrepareOptions(default_split="rest"))
    names = prepared["rest"].features["label"].names
    rows = {split: [(row["path"], names[row["label"]]) for row in part] for split, part in prepared.items()}
    assert sum(map(len, rows.values())) == (4 if card == "image_folder" else 2)
    for split in rows.keys() - {"rest"}:
        assert seen(read(source, split=split)) == rows[split]
    assert sorted(seen(read(source, split="all"))) == sorted(row for part in rows.values() for row in part)


def seen(rows: Labelled) -> list[tuple[str, str]]:
    basic = Vocabulary.load("basic8")
    return [(row.name, label.key) for row in rows.images if (label := basic.match(row.label))]


def test_preparing_and_evaluating_read_cells_of_labels_alike(tmp_path: Path) -> None:
    put(tmp_path, "kote.tsv", "text\tlabels\n고맙다\t[4, '42']\n")
    (row,) = prepare("kote", tmp_path / "kote.tsv", tmp_path / "kote")["train"]["labels"]
    assert row == [4, 42]
    assert read(tmp_path / "kote.tsv").texts[0].labels == ("4", "42")


def test_rows_and_limit(tmp_path: Path) -> None:
    put(tmp_path, "t.csv", "text,label\n" + "".join(f"t{number},a\n" for number in range(100)))
    path = tmp_path / "t.csv"
    assert [row.text for row in read(path, rows="-2:").texts] == ["t98", "t99"]
    drawn = [row.text for row in read(path, limit=10, seed=1).texts]
    assert len(drawn) == 10
    assert drawn == sorted(drawn, key=lambda text: int(text[1:]))
    assert drawn == [row.text for row in read(path, limit=10, seed=1).texts]
    assert drawn != [row.text for row in read(path, limit=10, seed=2).texts]
    with pytest.raises(UsageError, match="No rows are left"):
        read(path, rows="100:")


def test_slices_and_cells() -> None:
    assert parse_slice("-1000:") == slice(-1000, None)
    assert parse_slice(" 2 : 7 ") == slice(2, 7)
    assert parse_slice(None) == slice(None)
    for wrong in ("5", "a:b", "1:2:3", ""):
        with pytest.raises(UsageError, match="--rows"):
            parse_slice(wrong)
    assert labels_in_cell("[0, '6']") == ("0", "6")
    assert labels_in_cell(" ") == ()


def test_what_cannot_be_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "nothing.zip")
    put(tmp_path, "flat/a.png", png("red"))
    with pytest.raises(DataError, match="in no class folder"):
        read(tmp_path / "flat")
    put(tmp_path, "empty/readme.md", "nothing")
    with pytest.raises(DataError, match="holds no pictures"):
        read(tmp_path / "empty")
    put(tmp_path, "t.csv", "words,mood\nx,y\n")
    with pytest.raises(UsageError, match="--text-column"):
        read(tmp_path / "t.csv")
    put(tmp_path, "tables/a.csv", "text,label\nx,y\n")
    assert read(tmp_path / "tables").texts[0].text == "x"
    put(tmp_path, "tables/b.csv", "text,label\nx,y\n")
    with pytest.raises(UsageError, match="several tables"):
        read(tmp_path / "tables")
    root = faces(tmp_path / "faces")
    with pytest.raises(UsageError, match="no split 'dev2': it has train, validation"):
        read(root, split="dev2")
    with pytest.raises(UsageError, match="choose one with --split"):
        read(root, prefer=())
    with pytest.raises(UsageError):
        read("no_such_set")


def test_a_table_without_a_label_tells_its_columns(tmp_path: Path) -> None:
    put(tmp_path, "faces.csv", "path,emo\na.jpg,happy\n")
    with pytest.raises(UsageError, match=r"a label column \(labels, .*\); it has path, emo: name yours"):
        read(tmp_path / "faces.csv")
