"""What release 0.1.0 wrote can still be read, continued and compared with: ``tests/files/release_0``."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

from clip_emotion.cli.main import main
from clip_emotion.models.mini.encoder import MiniEncoder
from tests.support.tiny_kobert import need_kobert

RELEASE = Path(__file__).resolve().parents[1] / "files" / "release_0"
RUNS = ("faces", "text", "image", "chats", "kobert")
HALF = 3
"""The step of the checkpoints that the killed runs left."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the release made, in one folder."""
    folder = tmp_path_factory.mktemp("release")
    with tarfile.open(RELEASE / "made.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    shutil.copytree(RELEASE / "configs", folder / "configs")
    return folder


@pytest.fixture
def here(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder as the working directory, since the release's files name each other by relative paths."""
    monkeypatch.chdir(made)
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(made / "cache"))
    return made


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def numbers(row: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """What a row of ``label`` says of each label, whatever their order."""
    return {entry["label"]: (entry["probability"], entry["similarity"]) for entry in row["labels"]}


@pytest.mark.parametrize("kind", ["emotion_clip", "mini_text", "mini_image", "mini_chats", "kobert_kote"])
def test_every_key_of_a_training_configuration_is_still_read(kind: str, here: Path) -> None:
    if kind == "kobert_kote":
        need_kobert()
    arguments = ["train", "--check", f"configs/{kind}.yaml", f"out={here / 'unmade'}"]
    assert main(arguments) == 0
    assert not (here / "unmade").exists()


def test_every_key_of_a_search_and_of_a_score_is_still_read(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "--check", "configs/tune.yaml", "out=unmade"]) == 0
    capsys.readouterr()
    # The embedder of the weights lies in the folder too: that of the bundled mini changes with its editions.
    settings = ["--config", "configs/score.yaml", "--embedder", "mini:base"]
    assert main(["score", "chat.txt", "--model", "base", "--vocab", "basic7", "--format", "json", *settings]) == 0
    # What release 0.1.0 said with its defaults, which the file holds, whatever the defaults are today.
    score = json.loads(capsys.readouterr().out)["conversation"]["score"]
    assert score == pytest.approx(0.1039769, abs=1e-6)


@pytest.mark.parametrize("model", ["base", "faces", "blend", "image", "chats"])
def test_models_load_and_say_the_same(model: str, here: Path, tmp_path: Path) -> None:
    kept = here / ("all_rows.jsonl" if model == "base" else f"rows_{model}.jsonl")
    more = [] if model == "base" else ["--lang", "en", "--top", "7"]
    arguments = ["label", "pictures", "--model", model, "--vocab", "basic7", "--face", "none", *more]
    assert main([*arguments, "--out", str(tmp_path / "rows.jsonl")]) == 0
    then, now = rows_of(kept), rows_of(tmp_path / "rows.jsonl")
    assert [row["path"] for row in now] == [row["path"] for row in then]
    assert {row["model"] for row in now} == {row["model"] for row in then}, "the fingerprint, the key of every cache"
    for old, new in zip(then, now, strict=True):
        assert numbers(new).keys() == numbers(old).keys()
        for label, wanted in numbers(old).items():
            assert numbers(new)[label] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "judge"),
    [("kobert", ["--emotions", "kobert", "--kobert", "kobert"]), ("chats", ["--model", "chats", "--vocab", "basic7"])],
)
def test_models_of_messages_load_and_say_the_same(name: str, judge: list[str], here: Path, tmp_path: Path) -> None:
    if name == "kobert":
        need_kobert()
    assert main(["score", "chat.txt", *judge, "--format", "jsonl", "--to", str(tmp_path / "scores.jsonl")]) == 0
    then, now = rows_of(here / f"scores_{name}.jsonl"), rows_of(tmp_path / "scores.jsonl")
    assert [row["text"] for row in now if "text" in row] == [row["text"] for row in then if "text" in row]
    for old, new in zip(then, now, strict=True):
        # The weights of a label are those of the bundled mini, which a later edition may change.
        assert new["emotions"] == pytest.approx(old["emotions"], abs=1e-5)


@pytest.mark.parametrize("run", RUNS)
def test_a_run_that_was_cut_off_goes_on_to_the_same_end(run: str, here: Path, tmp_path: Path) -> None:
    if run == "kobert":
        need_kobert()
    torch.set_num_threads(1)
    out = Path(shutil.copytree(here / f"{run}_half", tmp_path / run))
    more = [f"out={out}", "--resume", "--threads", "1"]
    assert main(["train", f"{run}.yaml", *more]) == 0
    whole, resumed = rows_of(here / run / "metrics.jsonl"), rows_of(out / "metrics.jsonl")
    kept = rows_of(here / f"{run}_half" / "metrics.jsonl")
    assert resumed[: len(kept)][: HALF - 1] == kept[: HALF - 1]
    assert [row["step"] for row in resumed] == [row["step"] for row in whole]
    losses = [[row["loss"] for row in rows] for rows in (whole, resumed)]
    # Another processor rounds otherwise.
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_prepared_sets_are_counted_and_evaluated(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counted = {}
    for name in ("prepared_faces", "prepared_kote", "merged"):
        assert main(["data", "stats", name, "--format", "json"]) == 0
        counted[name] = json.loads(capsys.readouterr().out)["rows"]
    assert counted == {
        "prepared_faces": {"train": 42, "validation": 14},
        "prepared_kote": {"train": 12},
        "merged": {"train": 62, "validation": 14, "test": 4},
    }
    wanted = json.loads((here / "evaluated.json").read_text("utf-8"))
    arguments = ["--data", "merged", "--model", "base", "--vocab", "basic8", "--lang", "en", "--format", "json"]
    assert main(["evaluate", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    for metric in ("n", "accuracy", "top5", "macro_f1", "macro_recall"):
        assert found[metric] == pytest.approx(wanted[metric], abs=1e-6), metric


def test_a_finished_search_runs_no_trial_again(here: Path, tmp_path: Path) -> None:
    search = Path(shutil.copytree(here / "search", tmp_path / "search"))
    before = (search / "trials.csv").read_text("utf-8")
    assert main(["tune", "search.yaml", f"out={search}", "--resume"]) == 0
    assert (search / "trials.csv").read_text("utf-8") == before


LABEL = ["label", "pictures", "--model", "base", "--vocab", "basic7", "--face", "none"]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_rows_that_were_begun_are_carried_on(suffix: str, here: Path, tmp_path: Path) -> None:
    rows = Path(shutil.copy(here / f"rows.{suffix}", tmp_path))
    assert main([*LABEL, "--out", str(rows), "--resume"]) == 0
    read = {
        "jsonl": lambda: [row["path"] for row in rows_of(rows)],
        "parquet": lambda: pq.read_table(rows)["path"].to_pylist(),
    }
    assert read[suffix]() == [str(Path("pictures", f"{at}.png")) for at in range(3)]


def test_a_table_of_fewer_columns_is_not_mixed_with_todays(here: Path, tmp_path: Path) -> None:
    rows = Path(shutil.copy(here / "rows.csv", tmp_path))
    before = rows.read_bytes()
    assert main([*LABEL, "--out", str(rows), "--resume"]) == 2
    assert rows.read_bytes() == before


def test_vocabulary_indexes_are_found_again(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def encode(self: MiniEncoder, texts: list[str]) -> Tensor:
        raise AssertionError("the words were embedded by the release already")

    monkeypatch.setattr(MiniEncoder, "encode_texts", encode)
    arguments = ["label", "pictures", "--model", "base", "--face", "none", "--format", "jsonl"]
    assert main([*arguments, "--vocab", "basic7"]) == 0
    assert main([*arguments, "--vocab", "affection4"]) == 1, "no words of this vocabulary were embedded"
