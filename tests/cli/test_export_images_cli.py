"""``clip-emotion export FORMAT`` and ``import``: from rows and stores out, and people's words back."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest

from clip_emotion.data.faces.options import FaceOptions
from clip_emotion.models import registry
from clip_emotion.models.sharing import data_sets
from clip_emotion.outputs import mark_of
from clip_emotion.retrieval.exports.export import FORMATS
from tests.support.commands import Run, runner
from tests.support.fakes import FakeEncoder
from tests.support.pictures import plain, save
from tests.support.stores import embed

COLOURS = ("red", "green", "blue")
GIVEN = ("--licence", "cc-by-4.0", "--source", "our own camera")


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(registry, "load_encoder", lambda spec="mini", device="auto": FakeEncoder())
    monkeypatch.chdir(tmp_path)
    for colour in COLOURS:
        save(plain(colour), tmp_path / "in" / f"{colour}.png")
    return runner(capfd)


@pytest.fixture
def rows(run: Run, tmp_path: Path) -> Path:
    for suffix in ("jsonl", "csv", "parquet"):
        code, _, err = run("label", "in", "--labels", "red,green,blue", "--face", "none", "--out", f"rows.{suffix}")
        assert code == 0, err
    return tmp_path / "rows.jsonl"


def test_rows_of_every_form_export_alike(run: Run, rows: Path, tmp_path: Path) -> None:
    found = []
    for suffix in ("jsonl", "csv", "parquet"):
        code, out, err = run("export", "label-studio", f"rows.{suffix}", "--out", f"out-{suffix}", "--urls", "upload")
        assert (code, out) == (0, "")
        assert "3 faces of 3 images." in err
        found.append((tmp_path / f"out-{suffix}" / "tasks.json").read_text("utf-8"))
    assert found[0] == found[1] == found[2]
    assert json.loads(found[0])[0]["predictions"][0]["result"][0]["value"]["choices"] == ["blue"]


def test_a_table_that_excel_saved_as_cp949_exports_whole(run: Run, tmp_path: Path) -> None:
    save(plain("red"), tmp_path / "가족 사진" / "하린.png")
    assert run("label", "가족 사진", "--labels", "설렘,당황", "--face", "none", "--out", "korean.csv")[0] == 0
    text = (tmp_path / "korean.csv").read_text("utf-8-sig")
    (tmp_path / "excel.csv").write_text(text.rstrip(), "cp949")
    code, _, err = run("export", "coco", "excel.csv", "--out", "out")
    assert (code, "1 face of 1 image." in err) == (0, True), err
    assert "하린" in (tmp_path / "out" / "annotations.json").read_text("utf-8")


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_a_verb(format: str, run: Run, rows: Path, tmp_path: Path) -> None:
    code, _, err = run("export", format, rows, "--out", "out")
    assert code == 0, err
    assert mark_of(tmp_path / "out") == FORMATS[format].made
    code, _, err = run("export", format, rows, "--out", "out")
    assert code == 2
    assert "already" in err
    (tmp_path / "in" / "red.png").unlink()
    code, _, err = run("export", format, rows, "--out", "out", "--overwrite")
    assert code == 1
    assert "red.png: The file does not exist." in err
    assert "2 faces of 2 images; 1 image could not be used." in err


def test_a_store_goes_out_with_embeddings_and_with_words_where_asked(run: Run, tmp_path: Path) -> None:
    embed(tmp_path / "faces.db", tmp_path / "in")
    code, _, err = run("export", "fiftyone", "--store", "faces.db", "--out", "plain")
    assert code == 0, err
    samples = json.loads((tmp_path / "plain" / "samples.json").read_text("utf-8"))["samples"]
    assert [sample["predictions"] for sample in samples] == [None] * 3
    assert all(sample["embedding"] for sample in samples)
    code, _, err = run("export", "dataset", "--store", "faces.db", "--out", "set")
    assert code == 1
    assert "needs: label the images first, or name words" in err
    code, _, err = run(
        "export", "coco", "--store", "faces.db", "--labels", "red,green,blue", "--top", 2, "--out", "coco"
    )
    assert code == 0, err
    found = json.loads((tmp_path / "coco" / "annotations.json").read_text("utf-8"))
    assert [(one["predicted"], len(one["words"])) for one in found["annotations"]] == [
        ("blue", 2), ("green", 2), ("red", 2),
    ]  # fmt: skip


def test_a_picture_without_a_face_has_none_in_an_export(run: Run, tmp_path: Path) -> None:
    save(plain("red", (200, 200)), tmp_path / "large" / "red.png")
    face = ("--face", "require", "--finder", "haar")
    assert run("label", "large", "--labels", "red,blue", *face, "--out", "none.jsonl")[0] == 0
    embed(tmp_path / "faces.db", tmp_path / "large", faces=FaceOptions("require", "haar"))
    for number, source in enumerate((["none.jsonl"], ["--store", "faces.db"])):
        code, _, err = run("export", "coco", *source, "--out", f"coco{number}")
        assert code == 0, err
        found = json.loads((tmp_path / f"coco{number}" / "annotations.json").read_text("utf-8"))
        assert (len(found["images"]), found["annotations"]) == (1, [])


def test_people_correct_and_their_words_come_back_and_go_out(run: Run, rows: Path, tmp_path: Path) -> None:
    (tmp_path / "back.csv").write_text("path,label,by\nin/red.png,blue,kim\nin/blue.png,blue,kim\n", "utf-8")
    code, out, err = run("import", "back.csv", "--rows", rows, "--out", "people")
    assert code == 0, err
    assert "2 faces judged by 1 person." in err
    assert "all words" in out
    code, out, _ = run("import", "back.csv", "--rows", rows, "--out", "again", "--format", "json")
    assert json.loads(out)["people_and_model"]["overall"]["agreed"] == 0.5
    embed(tmp_path / "faces.db", tmp_path / "in")
    code, _, err = run("adapt", "--examples", "people/examples.csv", "--store", "faces.db", "--out", "own")
    assert code == 0, err
    assert "2 examples of 1 words" in err
    code, _, err = run(
        "export", "imagefolder", rows, "--judgements", "people/judgements.csv", "--only", "confirmed", "--out", "given"
    )
    assert "2 faces of 2 images; left out 1 face without a confirmed word." in err
    table = (tmp_path / "given" / "metadata.csv").read_text("utf-8")
    assert "blue/red.png,blue,blue,people,1,red," in table
    code, _, err = run("import", "back.csv", "--rows", rows, "--out", "people")
    assert code == 2
    (tmp_path / "back.csv").write_text("path,label\nin/other.png,blue\nin/red.png,red\n", "utf-8")
    code, _, err = run("import", "back.csv", "--rows", rows, "--out", "people", "--overwrite")
    assert code == 1
    assert "back.csv, line 2: in/other.png is in none of the rows" in err


def test_judgements_find_rows_whose_paths_begin_in_another_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path / "in")
    assert run("label", ".", "--labels", "red,green,blue", "--face", "none", "--out", "../inner.jsonl")[0] == 0
    monkeypatch.chdir(tmp_path)
    (tmp_path / "judged.csv").write_text("path,label\nred.png,green\n", "utf-8")
    code, _, err = run("import", "judged.csv", "--rows", "inner.jsonl", "--images", "in", "--out", "people")
    assert code == 0, err
    assert "1 face judged by 1 person." in err
    for verb, *given in (("export", "coco", "inner.jsonl", "--judgements"), ("import", "--rows", "inner.jsonl")):
        code, _, err = run(verb, *given, "people/judgements.csv", "--images", "in", "--out", f"{verb}ed")
        assert code == 0, err
    content = json.loads((tmp_path / "exported" / "annotations.json").read_text("utf-8"))
    assert [one["judged"] for one in content["annotations"] if one["judged"]] == [{"0": "green"}]


def test_rows_and_stores_that_are_none_are_told(run: Run, rows: Path, tmp_path: Path) -> None:
    (tmp_path / "torn.jsonl").write_bytes(rows.read_bytes()[:-40])
    (tmp_path / "other.jsonl").write_text('{"path": "a.png"}\n')
    first = json.loads(rows.read_text("utf-8").splitlines()[0])
    first["labels"][0]["probability"] = float("nan")
    (tmp_path / "nan.jsonl").write_text(json.dumps(first) + "\n", "utf-8")
    (tmp_path / "video.jsonl").write_text('{"source": "a.mp4", "frame": 1}\n')
    (tmp_path / "video.csv").write_text("source,frame,time\na.mp4,1,0.2\n", "utf-8-sig")
    (tmp_path / "torn.csv").write_bytes((tmp_path / "rows.csv").read_bytes()[:-60])
    for arguments, code, sentence in (
        ([], 2, "Name either a file of rows"),
        ([rows, "--store", "faces.db"], 2, "Name either a file of rows"),
        (["none.jsonl"], 1, "does not exist"),
        (["in/red.png"], 2, "holds no rows of label"),
        (["torn.jsonl"], 1, "torn.jsonl, row 3: no whole row as label writes it"),
        (["nan.jsonl"], 1, "nan.jsonl, row 1: no whole row as label writes it"),
        (["other.jsonl"], 1, "other.jsonl, row 1: no whole row as label writes it"),
        (["torn.csv"], 1, "torn.csv, row 3: no whole row as label writes it"),
        (["video.jsonl"], 2, "video.jsonl holds rows of videos, and exports take pictures"),
        (["video.csv"], 2, "video.csv holds rows of videos, and exports take pictures"),
        ([rows, "--only", "confirmed"], 1, "for no face did most people say one word (see --judgements)"),
        ([rows, "--images", "in"], 1, "does not exist, since --images says that paths of rows begin in in."),
    ):
        found, _, err = run("export", "coco", *arguments, "--out", "out")
        assert (found, sentence in err) == (code, True), err
        assert not (tmp_path / "out").exists()


class Hub:
    """A Hub that keeps what is sent to it."""

    def __init__(self, private: bool) -> None:
        self.private = private
        self.sent: dict[str, str] = {}

    def create_repo(self, name: str, *, repo_type: str, private: bool, exist_ok: bool) -> None:
        assert (name, repo_type, exist_ok) == ("me/faces", "dataset", True)

    def dataset_info(self, name: str, *, timeout: float) -> SimpleNamespace:
        return SimpleNamespace(private=self.private)

    def upload_folder(
        self, *, repo_id: str, repo_type: str, folder_path: Path, allow_patterns: list[str], **_: Any
    ) -> Any:
        found = [path for pattern in allow_patterns for path in folder_path.glob(pattern)]
        self.sent = {path.relative_to(folder_path).as_posix(): str(path.stat().st_size) for path in found}
        self.sent["README.md"] = (folder_path / "README.md").read_text("utf-8")
        return SimpleNamespace(commit_url=f"https://huggingface.co/datasets/{repo_id}/commit/c0ffee")


@pytest.mark.parametrize("format", ["dataset", "parquet"])
def test_a_data_set_is_pushed_as_parquet_with_its_card(
    format: str, run: Run, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(private=False)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda token=None: hub)
    monkeypatch.setattr(data_sets, "knock", lambda: None)
    code, out, err = run("export", format, rows, "--out", "out", "--push", "me/faces", *GIVEN)
    assert code == 0, err
    assert out.strip() == "https://huggingface.co/datasets/me/faces/commit/c0ffee"
    assert hub.sent.keys() == {"README.md", "data/train-00000-of-00001.parquet"}
    assert "license: cc-by-4.0" in hub.sent["README.md"]
    assert "path: data/train-*" in hub.sent["README.md"]
    code, _, err = run("export", format, rows, "--out", "more", "--push", "me/faces", "--private", *GIVEN)
    assert code == 1
    assert "is public" in err


def test_nothing_is_pushed_without_licence_or_network(run: Run, rows: Path, tmp_path: Path) -> None:
    code, _, err = run("export", "parquet", rows, "--out", "out", "--push", "me/faces")
    assert code == 2
    assert "--licence and --source" in err
    assert not (tmp_path / "out").exists()
    code, _, err = run("export", "parquet", rows, "--out", "out", "--push", "me/faces", *GIVEN)
    assert code == 1
    assert "Cannot push to me/faces: the Hugging Face Hub cannot be reached" in err
    assert (tmp_path / "out" / "README.md").is_file()
