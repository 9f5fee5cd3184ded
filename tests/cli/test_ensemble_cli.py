"""``clip-emotion ensemble`` from labelled pictures to a model that the other verbs take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from clip_emotion.models.classifiers.checkpoint import load_classifier
from tests.support.classifiers import saved
from tests.support.commands import Run, runner
from tests.support.minis import face, tiny_mini, write_images

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ensemble")
    write_images(folder / "raw", a_class=3)
    tiny_mini(3).save(folder / "mini")
    saved(folder / "classifier")
    (folder / "face.png").write_bytes(face(7))
    return folder


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "120")
    return runner(capfd)


def arguments(home: Path, out: Path, *more: object) -> list[object]:
    members = [home / "mini", home / "classifier"]
    return ["ensemble", *members, "--data", home / "raw" / "fer2013.zip", "--face", "none", "--out", out, *more]


def test_what_it_makes_labels_embeds_and_is_evaluated(home: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "both"
    code, table, told = run(*arguments(home, out, "--method", "weighted", "--lang", "en"))
    assert code == 0, told
    assert "fer2013.zip (validation) · 21 pictures" in table
    assert "ensemble (weighted)" in table
    assert (
        "fitted on the 21 pictures of validation. The ensemble's figures are cross-fitted: each of up to 5 parts"
        in told
    )
    code, line, told = run(
        "label", home / "face.png", "--labels", "행복,sad", "--face", "none", "--format", "jsonl", "--model", out
    )
    assert code == 0, told
    assert sum(one["probability"] for one in json.loads(line)["labels"]) == pytest.approx(1, abs=1e-3)
    evaluated = ("evaluate", "--data", home / "raw" / "fer2013.zip", "--face", "none", "--format", "json")
    code, printed, told = run(*evaluated, "--model", out)
    assert code == 0, told
    assert json.loads(printed)["n"] == 21
    assert json.loads(printed)["vocabulary"] == "basic7"
    store = tmp_path / "faces.db"
    assert run("embed", home / "face.png", "--store", store, "--face", "none", "--model", out)[0] == 0
    code, stored, told = run("label", "--store", store, "--labels", "행복,sad", "--format", "jsonl", "--model", out)
    assert code == 0, told
    assert json.loads(stored)["labels"][0]["label"] == json.loads(line)["labels"][0]["label"]


def test_weights_are_measured_on_another_split(home: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "both"
    code, table, told = run(*arguments(home, out, "--method", "weighted", "--test", "train", "--limit", 10))
    assert code == 0, told
    assert "fer2013.zip (train) · 10 pictures" in table
    assert "fitted on the 10 pictures of validation. The figures are those of train, which fitted nothing." in told
    for test in ("validation", "all"):
        code, _, told = run(*arguments(home, tmp_path / test, "--method", "weighted", "--test", test))
        assert code == 2
        assert f"--test {test} measures on pictures of --split validation" in told


def test_an_ensemble_replaces_another_alone_and_never_a_member(home: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "both"
    assert run(*arguments(home, out, "--method", "vote"))[0] == 0
    code, _, told = run(*arguments(home, out))
    assert code == 2
    assert "holds a model ensemble already: choose another folder, or add --overwrite to replace it" in told
    assert run(*arguments(home, out, "--overwrite"))[0] == 0
    assert "method: mean" in (out / "ensemble.yaml").read_text("utf-8")
    (out / "notes.txt").write_text("mine")
    code, _, told = run(*arguments(home, out, "--overwrite"))
    assert code == 2
    assert "notes.txt, which clip-emotion did not make" in told
    for place in (home, home / "classifier"):
        code, _, told = run(*arguments(home, place, "--overwrite"))
        assert code == 2
        assert "is an input of this call" in told
    load_classifier(home / "classifier", CPU)


def test_misuse_is_one_sentence(home: Path, tmp_path: Path, run: Run) -> None:
    data = ("--data", home / "raw" / "fer2013.zip", "--out", tmp_path / "both", "--face", "none")
    cases: dict[str, tuple[object, ...]] = {
        "two members or more": (home / "mini", *data, "--vocab", "basic7"),
        "Unknown model 'nowhere'": (home / "mini", "nowhere", *data, "--vocab", "basic7"),
        "does not know 비장함": (home / "mini", home / "classifier", *data, "--labels", "행복,비장함"),
        "are the same model": (home / "mini", home / "mini", *data, "--vocab", "basic7"),
        "Give the words with --vocab": (home / "mini", home / "mini", *data),
        "use --face auto, none or require": (home / "mini", home / "classifier", *data, "--face", "each"),
    }
    for sentence, words in cases.items():
        code, _, told = run("ensemble", *words)
        assert code == 2, told
        assert sentence in told
        assert not (tmp_path / "both").exists()
