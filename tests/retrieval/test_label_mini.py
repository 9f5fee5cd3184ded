"""``label`` end to end with the weights that come with the project."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clip_emotion import ZeroShotLabeller, load_encoder
from clip_emotion.cli.main import main
from clip_emotion.resources import weights_dir
from tests.support.pictures import GRACE_HOPPER

ROOT = Path(__file__).resolve().parents[2]


def test_a_real_face_gets_korean_words_with_their_probabilities(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "cli.py"), "label", str(GRACE_HOPPER), "--vocab", "kote44", "--top", "44"]
    command += ["--format", "jsonl", "--report", str(tmp_path / "sheet")]
    done = subprocess.run(command, capture_output=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    row = json.loads(done.stdout)
    shares = [entry["probability"] for entry in row["labels"]]
    assert len(shares) == 44
    assert sum(shares) == pytest.approx(1, abs=1e-6)
    assert shares == sorted(shares, reverse=True)
    # Ranked, and not the flat answer of an encoder that learnt nothing.
    assert shares[0] > 2 / 44
    assert all(-1 <= entry["similarity"] <= 1 for entry in row["labels"])
    assert row["face"]["index"] == 0
    assert row["model"] == load_encoder("mini", "cpu").fingerprint
    assert (tmp_path / "sheet" / "index.html").stat().st_size > 10_000


def test_own_words_of_both_languages(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["label", str(GRACE_HOPPER), "--labels", "설렘,당황,serious", "--format", "jsonl"]) == 0
    (row,) = map(json.loads, capfd.readouterr().out.splitlines())
    assert {entry["name"] for entry in row["labels"]} == {"설렘", "당황", "serious"}


def test_the_python_twin_says_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["label", str(GRACE_HOPPER), "--vocab", "basic7", "--format", "jsonl", "--device", "cpu"]) == 0
    (row,) = map(json.loads, capfd.readouterr().out.splitlines())
    (prediction,) = ZeroShotLabeller.load("mini", vocabulary="basic7", device="cpu")(GRACE_HOPPER, top=5)
    assert [label.key for label in prediction.labels] == [entry["label"] for entry in row["labels"]]
    assert prediction.labels[0].probability == pytest.approx(row["labels"][0]["probability"], abs=1e-5)


def test_texts_find_their_words() -> None:
    labeller = ZeroShotLabeller.load("mini", vocabulary="basic7", device="cpu")
    angry, happy = labeller.label_texts(["너무 화가 나서 참을 수가 없다", "I am so happy today, what a joy!"], top=1)
    assert angry[0].key == "angry"
    assert happy[0].key == "happy"


def test_the_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in (weights_dir() / "mini").iterdir()) <= 20 * 2**20
