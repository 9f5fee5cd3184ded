"""``clip-emotion export onnx``: a model that runs without torch, and int8 that labelled pictures have to allow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clip_emotion.models.onnx import quantise
from clip_emotion.models.onnx.card import IMAGE, read_card
from clip_emotion.retrieval.evaluation import int8
from tests.support.commands import Run, runner
from tests.support.minis import face, tiny_mini, zipped

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
CLASSES = ("angry", "happy", "sad")


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path / "cache"))
    return runner(capfd)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mini") / "mini"
    tiny_mini().save(folder)
    return folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [(split, name, at) for split in ("train", "validation") for name in CLASSES for at in range(8)]
    files = {f"{split}/{name}/{at}.png": face(number) for number, (split, name, at) in enumerate(names)}
    return zipped(tmp_path_factory.mktemp("faces") / "faces.zip", files)


def test_an_export_labels_as_the_model_does(run: Run, folder: Path, faces: Path, tmp_path: Path) -> None:
    code, out, err = run("export", "onnx", "--model", folder, "--out", tmp_path / "export")
    assert (code, out) == (0, "")
    assert "fp32 embeddings of pictures: at most" in err
    assert "fp32 embeddings of texts" in err
    shutil.unpack_archive(faces, tmp_path / "faces")
    rows = []
    for model in (folder, tmp_path / "export"):
        code, out, _ = run("label", tmp_path / "faces" / "train", "--labels", "기쁨,슬픔,분노", "--model", model,
                           "--format", "jsonl", "--runtime", "auto")  # fmt: skip
        assert code == 0
        rows.append([json.loads(line) for line in out.splitlines()])
    assert len(rows[0]) == len(rows[1]) == 24
    for ours, theirs in zip(*rows, strict=True):
        assert {**ours, "labels": None} == {**theirs, "labels": None}
        # By word: random towers give words that are too near to each other to keep their places.
        found, expected = ({one["label"]: one["probability"] for one in row["labels"]} for row in (ours, theirs))
        assert found == pytest.approx(expected, abs=1e-4)
    code, _, err = run("export", "onnx", "--model", folder, "--out", tmp_path / "export")
    assert code == 2
    assert "holds an ONNX export already" in err
    code, _, err = run("export", "onnx", "--model", tmp_path / "export", "--out", tmp_path / "again")
    assert code == 2
    assert "is an export already" in err


def test_int8_is_another_model_that_a_store_does_not_mix(
    run: Run, folder: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "MOST_LOST", 1.0)
    out = tmp_path / "int8"
    code, _, err = run("export", "onnx", "--model", folder, "--precision", "int8", "--check-data", faces, "--out", out)
    assert code == 0, err
    assert "int8 (static): top-1" in err
    card = read_card(out)
    assert card.precision == "int8"
    assert card.fingerprint.startswith(f"{card.base_fingerprint}+int8.")
    assert (out / IMAGE).stat().st_size > 0
    shutil.unpack_archive(faces, tmp_path / "faces")
    store = tmp_path / "store.db"
    assert run("embed", tmp_path / "faces", "--model", folder, "--store", store)[0] == 0
    code, _, err = run("embed", tmp_path / "faces", "--model", out, "--store", store)
    assert code == 2
    assert "holds embeddings in fp32, not in int8" in err
    code, _, err = run("embed", tmp_path / "faces", "--model", folder, "--store", store, "--precision", "bf16")
    assert code == 2
    assert "use --precision fp32" in err


def test_int8_that_loses_too_much_is_refused_and_leaves_nothing(
    run: Run, folder: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter((0.75, 0.7))
    monkeypatch.setattr(int8, "_accuracy", lambda encoder, checks: next(answers))
    monkeypatch.setattr(quantise, "_static", lambda package, source, target, batches: shutil.copy(source, target))
    out = tmp_path / "int8"
    code, _, err = run("export", "onnx", "--model", folder, "--precision", "int8", "--check-data", faces, "--out", out)
    assert code == 1
    assert "0.7000 instead of 0.7500 top-1" in err
    assert not out.exists()


@pytest.mark.parametrize(("after", "refused"), [(0.747, False), (0.7469, True), (0.8, False)])
def test_the_gate_is_three_tenths_of_a_point(after: float, refused: bool) -> None:
    if refused:
        with pytest.raises(int8.ModelError, match=r"0\.3 points"):
            int8.check_loss(0.75, after, "faces.zip")
    else:
        int8.check_loss(0.75, after, "faces.zip")


def test_int8_needs_data_that_check_it(run: Run, folder: Path, tmp_path: Path) -> None:
    code, _, err = run("export", "onnx", "--model", folder, "--precision", "int8", "--out", tmp_path / "export")
    assert code == 2
    assert "--check-data go together" in err


def test_leaving_writes_everything_and_calls_what_waits_for_the_end(tmp_path: Path) -> None:
    script = (
        "import atexit, sys; from pathlib import Path; from clip_emotion.cli.main import run\n"
        "atexit.register(lambda: Path(sys.argv[1]).touch())\n"
        "sys.stdout.write('first '); run(['--version'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "called")], capture_output=True, encoding="utf-8", timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("first clip-emotion")
    assert (tmp_path / "called").exists()


def test_workers_of_ray_embed_in_single_precision(run: Run, faces: Path, tmp_path: Path) -> None:
    for verb in (["label", faces], ["embed", faces, "--store", tmp_path / "store.db"]):
        code, _, err = run(*verb, "--engine", "ray", "--precision", "bf16")
        assert code == 2
        assert "leave --precision out" in err
