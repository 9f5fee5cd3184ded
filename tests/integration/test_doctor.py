"""``clip-emotion doctor`` tells what is there, and what is missing together with how to get it."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from clip_emotion.cli import doctor as doctor_module
from clip_emotion.cli.main import main
from clip_emotion.models import registry
from clip_emotion.models.mini.config import ImageTowerConfig, MiniConfig, TextTowerConfig
from clip_emotion.models.mini.encoder import MiniEncoder
from clip_emotion.models.mini.image_tower import ImageTower
from clip_emotion.models.mini.text_tower import TextTower
from clip_emotion.vocabulary import shipped_vocabularies


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for a person's home: a cache folder, sound weights, no Kaggle token."""
    text = TextTowerConfig(vocabulary_size=8)
    image = ImageTowerConfig()
    tokenizer = Tokenizer(WordLevel({"[PAD]": 0, "[UNK]": 1}, unk_token="[UNK]"))
    towers = TextTower(text), ImageTower(image)
    config = MiniConfig(text=text, image=image)
    MiniEncoder(config, *towers, tokenizer, torch.device("cpu"), "unsaved").save(tmp_path / "weights" / "mini")
    for module in (doctor_module, registry):
        monkeypatch.setattr(module, "weights_dir", lambda: tmp_path / "weights")
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "kaggle"))
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def diagnose(capsys: pytest.CaptureFixture[str]) -> tuple[int, bool, dict[str, dict[str, Any]]]:
    code = main(["doctor", "--format", "json"])
    report = json.loads(capsys.readouterr().out)
    return code, report["ready"], {finding["name"]: finding for finding in report["findings"]}


def test_a_whole_machine_is_ready(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, ready, found = diagnose(capsys)
    assert (code, ready) == (0, True)
    assert found["torch"]["value"] == metadata.version("torch")
    folder = home / "weights" / "mini"
    fingerprint = registry.load_encoder("mini", "cpu").fingerprint
    megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    assert found["mini"]["value"] == f"{fingerprint}, {megabytes:.1f} MB, reads ko and en ({folder})"
    assert found["cache"]["value"] == f"{home / 'cache'} (made when it is needed)"
    assert set(shipped_vocabularies()) == {word.split(" (")[0] for word in found["vocabularies"]["value"].split(", ")}
    assert found["face finder"]["value"].startswith("mtcnn, on OpenCV 4.")
    assert found["Korean font"]["value"] == "NanumGothic"
    assert not (home / "cache").exists()


def test_everything_absent_comes_with_a_remedy(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    absent = [finding for finding in diagnose(capsys)[2].values() if finding["status"] != "ok"]
    assert {"Kaggle token", "prepared data"} <= {finding["name"] for finding in absent}
    assert all(finding["remedy"] for finding in absent)


@pytest.mark.parametrize("harm", ["gone", "truncated", "a pointer instead of the file"])
def test_harmed_weights_are_missing(harm: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / "weights" / "mini" / "image.safetensors"
    if harm == "gone":
        file.unlink()
    elif harm == "truncated":
        file.write_bytes(file.read_bytes()[:-4])
    else:
        file.write_text("version https://git-lfs.github.com/spec/v1\n")
    code, ready, found = diagnose(capsys)
    assert (code, ready) == (1, False)
    (missing,) = (finding for finding in found.values() if finding["status"] == "missing")
    assert missing["group"] == "Weights"
    assert missing["remedy"]


def test_a_library_too_old_or_absent_is_missing_and_an_extra_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"numpy": "1.20.0"}

    def version(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(doctor_module.metadata, "version", version)
    old = doctor_module._library("numpy>=1.26")
    absent = doctor_module._library("torch>=2.4")
    extra = doctor_module._library("kaggle>=1.6; extra == 'kaggle'")
    assert old is not None
    assert absent is not None
    assert extra is not None
    assert [old.status, absent.status, extra.status] == ["missing", "missing", "optional"]
    assert old.value == "1.20.0, but >=1.26 is needed."
    assert extra.remedy == "Get it: pip install 'clip-emotion[kaggle]'."
    assert doctor_module._library("mypy>=1.11; extra == 'dev'") is None


def test_prepared_data_is_listed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home / "cache" / "prepared" / "kote"
    folder.mkdir(parents=True)
    (folder / "dataset_dict.json").write_text('{"splits": ["train"]}')
    assert diagnose(capsys)[2]["prepared data"]["value"] == f"kote ({folder.parent})"


def test_a_kaggle_folder_of_nobody_is_told(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", "~no-such-user/kaggle")
    code, _, findings = diagnose(capsys)
    assert code == 0
    assert "KAGGLE_CONFIG_DIR is wrong: ~no-such-user/kaggle begins with" in findings["Kaggle token"]["remedy"]


def test_the_kaggle_token_is_found_and_never_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "kaggle").mkdir()
    (home / "kaggle" / "kaggle.json").write_text('{"username": "someone", "key": "c0ffee"}')
    assert diagnose(capsys)[2]["Kaggle token"]["value"] == str(home / "kaggle" / "kaggle.json")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "c0ffee")
    main(["doctor"])
    out, err = capsys.readouterr()
    assert "from the environment" in out
    assert "c0ffee" not in out + err
    assert err.startswith("Ready")
