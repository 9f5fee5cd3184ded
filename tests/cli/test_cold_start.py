"""What commands import: no library that they do not need, for each costs a fresh process up to seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clip_emotion.training.kinds import CONFIGS
from clip_emotion.training.registry import STAGES
from tests.support.pictures import plain, save

ROOT = Path(__file__).resolve().parents[2]
WATCHED = (
    "datasets",
    "torch",
    "transformers",
    "matplotlib",
    "sklearn",
    "faiss",
    "pandas",
    "open_clip",
    "torchvision",
    "fastapi",
    "sqlalchemy",
)
CLASSES = (("red", "angry"), ("blue", "sad"))
SCRIPT = """
import sys
from clip_emotion.cli.main import main
for command, code in {commands!r}:
    assert main(command) == code, command
    print("LOADED", *(name for name in {watched!r} if name in sys.modules), file=sys.stderr)
"""


def loaded(commands: list[tuple[list[str], int]], cache: Path) -> list[set[str]]:
    """Run commands one after the other in one fresh process; return which watched packages were there after each."""
    script = SCRIPT.format(commands=commands, watched=WATCHED)
    places = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "CLIP_EMOTION_CACHE": str(cache), "PYTHONPATH": places}
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, encoding="utf-8", env=environment, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return [set(line.split()[1:]) for line in result.stderr.splitlines() if line.startswith("LOADED")]


@pytest.mark.real_data
def test_commands_import_what_they_need(tmp_path: Path) -> None:
    """The order is that of their needs, so that one process does for all of them."""
    config = tmp_path / "faulty.yaml"
    config.write_text("kind: emotion_clip\nlearning_rat: 3\n", "utf-8")
    chat = tmp_path / "chat.txt"
    chat.write_text("".join(f"민수: 좋아 {turn}\n지은: 나도 {turn}\n" for turn in range(6)), "utf-8")
    faces = [save(plain(colour), tmp_path / "faces" / name / "1.png") for colour, name in CLASSES]
    texts = tmp_path / "texts.tsv"
    texts.write_text("text\tlabel\n기쁘다\thappy\n슬프다\tsad\n", "utf-8")
    data = ["evaluate", "--vocab", "basic7", "--face", "none", "--data"]
    faulty = [([verb, str(config), "--check"], 2) for verb in ("train", "tune")]
    light = [(["--version"], 0), (["--help"], 0), (["data", "list"], 0), *faulty]
    encoding = [(["score", str(chat)], 0), (["label", str(faces[0]), "--face", "none"], 0)]
    measuring = [([*data, str(texts)], 0), ([*data, str(tmp_path / "faces")], 0)]
    seen = loaded([*light, *encoding, *measuring], tmp_path / "cache")
    assert seen[: len(light)] == [set()] * len(light)
    assert seen[len(light) : len(light) + 2] == [{"torch", "faiss"}] * 2
    # scikit-learn, which measures, imports pandas itself.
    assert [one - {"pandas"} for one in seen[-2:]] == [{"torch", "faiss", "sklearn"}] * 2


@pytest.mark.real_data
def test_an_exported_mini_needs_no_torch(tmp_path: Path) -> None:
    """The first process exports the model into the cache; the next ones find it there, also without the option."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    face = save(plain("red"), tmp_path / "1.png")
    label = ["label", str(face), "--labels", "기쁨,슬픔"]
    assert loaded([([*label, "--runtime", "onnx"], 0)], tmp_path / "cache") == [{"torch", "faiss"}]
    commands = [([*label, "--runtime", "onnx"], 0), (label, 0)]
    if sys.platform == "darwin" or Path("/dev/nvidia0").exists():
        commands = commands[:1]
    assert loaded(commands, tmp_path / "cache") == [{"faiss"}] * len(commands)


def test_configurations_are_those_of_the_stages() -> None:
    assert {kind: stage.config for kind, stage in STAGES.items()} == CONFIGS
    assert [stage.kind for stage in STAGES.values()] == list(STAGES)
