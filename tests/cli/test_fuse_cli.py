"""``clip-emotion fuse`` from labelled pictures, with the bundled mini, to a report and a model that others take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import Run, runner
from tests.support.minis import face, write_images

CONFIG = "configs/fuse/fer2013_words.yaml"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuse")
    write_images(folder / "raw", a_class=3)
    (folder / "face.png").write_bytes(face(7))
    return folder


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "140")
    return runner(capfd)


def arguments(home: Path, out: Path, *more: object) -> list[object]:
    places = {
        "data.folder": home / "raw",
        "data.prepared": home / "prepared",
        "cache": home / "cache",
        "caption_file": home / "captions.jsonl",
        "out": out,
        "data.tuning": 3,
        "training.batch": 4,
        "training.fit.steps": 3,
        "seeds": "[0, 1]",
        "rows": "{plain: {}, gate: {head.kind: attention_gate, imbalance.logit_adjustment: 1}}",
    }
    return ["fuse", CONFIG, *(f"{key}={value}" for key, value in places.items()), *more]


def test_what_it_makes_is_reported_labels_and_is_evaluated(home: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "fused"
    code, table, told = run(*arguments(home, out))
    assert code == 0, told
    assert "fer2013 (validation)" in table
    assert "plain" in table
    assert "gate" in table
    assert "% name the right class" in told
    values = json.loads((out / "metrics.json").read_text("utf-8"))
    assert [row["name"] for row in values["rows"]] == ["plain", "gate"]
    assert all(len(row["mcnemar"]) == 2 for row in values["rows"])
    assert "a face that looks" in (out / "report.html").read_text("utf-8")
    captions = (home / "captions.jsonl").read_text("utf-8").splitlines()
    assert json.loads(captions[0])["caption"].startswith("a face that looks ")
    labelled = ("label", home / "face.png", "--labels", "행복,sad", "--face", "none", "--format", "jsonl")
    code, line, told = run(*labelled, "--model", out)
    assert code == 0, told
    assert {one["label"] for one in json.loads(line)["labels"]} == {"행복", "sad"}
    data = ("--data", home / "raw" / "fer2013.zip", "--split", "validation", "--face", "none", "--format", "json")
    code, printed, told = run("evaluate", *data, "--model", out)
    assert code == 0, told
    kept = next(row for row in values["rows"] if row["name"] == values["kept"])
    assert json.loads(printed)["accuracy"] == pytest.approx(kept["both"]["accuracy"]["by_seed"][0])
    code, _, told = run(*arguments(home, out))
    assert code == 2
    assert "holds a fused model already" in told


def test_check_makes_nothing_and_faults_are_one_sentence(home: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "fused"
    code, _, told = run(*arguments(home, out), "--check")
    assert code == 0
    assert "Ready: 2 head(s), 2 seed(s), captions by " in told
    for more, fault in {
        "captions={kind: blip2, model: nowhere/at-all}": "The captioner nowhere/at-all cannot be loaded",
        "captions={kind: parrot}": "captions",
        "data.folder=/nowhere": "/nowhere",
        "training.head.kind=tree": "training.head.kind",
        "text.model=nothing": "Unknown model 'nothing'",
    }.items():
        code, _, told = run(*arguments(home, out, more, "--check"))
        assert code in (1, 2), more
        assert fault in told
    assert not out.exists()
    assert "Give one configuration that is there" in run("fuse", "missing.yaml")[2]
