"""The wheel alone, in an empty folder, labels a picture: nothing is read from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from matplotlib import cbook

ROOT = Path(__file__).resolve().parents[2]


def call(arguments: Sequence[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder with nothing of the checkout on Python's path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CLIP_EMOTION"))}
    environment["XDG_CACHE_HOME"] = str(cwd / "cache")
    result = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert result.returncode == 0, f"{result.args} gave {result.returncode}: {result.stderr}"
    return result


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT], cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a virtual environment that holds the wheel and borrows its dependencies from the running interpreter."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=False, symlinks=os.name != "nt")
    scheme = "nt" if os.name == "nt" else "posix_prefix"
    places = sysconfig.get_paths(scheme=scheme, vars={"base": str(home), "platbase": str(home)})
    pip = [sys.executable, "-m", "pip", "--python", home, "install", "--quiet"]
    call([*pip, "--no-deps", "--no-index", wheel], cwd=home)
    # A line in a .pth file adds a folder without running the .pth files in it: an editable install there stays unseen.
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(places["purelib"], "borrowed.pth").write_text("\n".join(sorted(borrowed)), encoding="utf-8")
    return Path(places["scripts"])


@pytest.mark.real_data
def test_wheel_carries_code_data_and_weights_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"clip_emotion", "scoring", "tuning", f"{'-'.join(wheel.stem.split('-')[:2])}.dist-info"}
    for folder in ("datasets", "configs"):
        shipped = {name.removeprefix("clip_emotion/_data/") for name in names if f"_data/{folder}/" in name}
        kept = {path for path in (ROOT / folder).rglob("*") if path.suffix in (".yaml", ".json", ".tsv")}
        assert shipped == {path.relative_to(ROOT).as_posix() for path in kept}
        assert shipped
    mini = ROOT / "clip_emotion" / "weights" / "mini"
    weights = {path.relative_to(ROOT).as_posix() for path in mini.rglob("*") if path.is_file()}
    assert weights <= set(names)
    assert any(name.endswith(".safetensors") for name in weights)
    assert "clip_emotion/py.typed" in names


@pytest.mark.real_data
def test_wheel_labels_a_picture_in_an_empty_folder(scripts: Path, tmp_path: Path) -> None:
    shutil.copy(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False), tmp_path / "picture.jpg")
    where = call([scripts / "python", "-c", "import clip_emotion; print(clip_emotion.__file__)"], cwd=tmp_path)
    assert not Path(where.stdout.strip()).is_relative_to(ROOT)
    arguments = ["label", "picture.jpg", "--vocab", "kote44", "--lang", "ko", "--format", "jsonl", "--top", "3"]
    result = call([scripts / "clip-emotion", *arguments], cwd=tmp_path)
    (row,) = map(json.loads, result.stdout.splitlines())
    assert row["path"] == "picture.jpg"
    assert row["error"] is None
    probabilities = [label["probability"] for label in row["labels"]]
    assert len(probabilities) == 3
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0 < probabilities[-1] <= probabilities[0] <= 1
