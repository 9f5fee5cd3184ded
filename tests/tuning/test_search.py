"""Whole searches, with and without Ray: failures, halving, kills, resumes, and what is left in the end."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from clip_emotion.cli.main import main
from clip_emotion.config import load_config
from clip_emotion.errors import ClipEmotionError, MissingExtraError, UsageError
from clip_emotion.outputs import NEW, WriteOptions
from tests.support.processes import start
from tests.support.tune_with_fake import STEPS, climb, height, run_search, search
from tests.support.tuning_world import run_values, write_config, write_world
from tuning.config import SearchConfig
from tuning.journal import Journal, TrialRecord
from tuning.objective import Report, TrialResult
from tuning.search import SearchResult, base_values, read_base, tune
from tuning.searchers import propose

WAIT = 900
"""Seconds after which a search that does not come to its half has hung."""
SPACE = {
    "fit.learning_rate": {"kind": "loguniform", "low": 1e-5, "high": 1e-1},
    "model.depth": {"kind": "int", "low": 0, "high": 4},
    "sampler.kind": {"kind": "choice", "values": ["balanced", "shuffled"]},
}
FAILING = {**SPACE, "fail": {"kind": "choice", "values": ["never", "no", "sentence", "death"]}}
"""With seed 0 the third trial says that it fails, and the process of the fourth dies."""


def silent(record: TrialRecord) -> None:
    """Hear of a trial, and say nothing."""


def searched(folder: Path, resume: bool = False, **changes: Any) -> SearchResult:
    return tune(search(folder, **changes), silent, WriteOptions(resume=resume), climb)


def started(folder: Path) -> list[str]:
    """Every start of a trial so far, and of the runs that compare the winner with the default."""
    log = folder / "out" / "runs.log"
    return [json.loads(line)[0] for line in log.read_text("utf-8").splitlines()] if log.exists() else []


def records_of(folder: Path, part: str = "trials") -> dict[str, TrialRecord]:
    return {record.name: record for record in Journal(folder / "out" / part, "score").records()}


def ended(folder: Path) -> set[str]:
    return {name for name, record in records_of(folder).items() if record.ended}


def kill_at(folder: Path, changes: Mapping[str, Any], count: int) -> set[str]:
    """Start a search, kill it hard when so many trials have ended, and return their names."""
    folder.mkdir(exist_ok=True)
    running, until = start(run_search, folder, changes, folder=folder), time.monotonic() + WAIT
    while len(ended(folder)) < count and time.monotonic() < until and running.process.is_alive():
        time.sleep(0.05)
    assert running.process.is_alive(), running.err.read_text("utf-8")
    running.kill()
    return ended(folder)


class Killed:
    """A search with Ray that was killed at half and went on at once."""

    def __init__(self, folder: Path) -> None:
        changes = {
            "engine": "ray",
            "space": FAILING,
            "settings": {"seconds": 0.5},
            "searcher": {"kind": "tpe", "startup": 3},
            "scheduler": {"kind": "asha", "reduction": 2},
            "resources": {"concurrent": 2},
            "final": {"seeds": [1, 2]},
        }
        self.folder, self.config = folder, search(folder, **changes)
        self.done = kill_at(folder, changes, 4)
        self.before = records_of(folder)
        runs = len(started(folder))
        self.best = searched(folder, resume=True, **changes).best.name
        self.starts = started(folder)[runs:]
        self.records = records_of(folder)


@pytest.fixture(scope="module")
def killed(ray_here: None, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    return Killed(tmp_path_factory.mktemp("killed"))


@pytest.mark.real_data
def test_a_killed_search_with_ray_repeats_no_finished_trial(killed: Killed) -> None:
    assert 4 <= len(killed.done) < 8
    assert not killed.done & set(killed.starts)
    assert {name: killed.before[name] for name in killed.done} == {name: killed.records[name] for name in killed.done}


@pytest.mark.real_data
def test_a_killed_search_with_ray_ends_with_all_its_trials(killed: Killed) -> None:
    assert [*killed.records] == [f"{number:04}" for number in range(1, 9)]
    assert all(record.ended for record in killed.records.values())
    for name, record in killed.before.items():
        assert killed.records[name].values == record.values, "what had begun goes on with the values it had"
    assert killed.records["0001"].values == propose(killed.config, 1, [])


@pytest.mark.real_data
def test_a_failed_trial_is_kept_and_the_search_with_ray_goes_on(killed: Killed) -> None:
    said, died = killed.records["0003"], killed.records["0004"]
    assert (said.values["fail"], said.status, said.error) == ("sentence", "failed", "It was asked to fail.")
    assert (died.values["fail"], died.status) == ("death", "failed")
    assert "process died" in died.error
    others = [record for record in killed.records.values() if record.values["fail"] in ("never", "no")]
    assert {record.status for record in others} <= {"done", "stopped"}


@pytest.mark.real_data
def test_asha_stops_trials_with_ray_and_lets_the_best_end(killed: Killed) -> None:
    done = [record for record in killed.records.values() if record.status == "done"]
    stopped = [record for record in killed.records.values() if record.status == "stopped"]
    assert done
    assert stopped
    assert all(record.step == STEPS == len(record.history) for record in done)
    assert max(height(record.values) for record in done) > max(height(record.values) for record in stopped)
    best = max(done, key=lambda record: height(record.values))
    assert killed.best == best.name


@pytest.mark.real_data
def test_winner_and_default_run_with_each_seed_in_ray(killed: Killed) -> None:
    finals = records_of(killed.folder, "final")
    best = killed.records[killed.best]
    assert {*finals} == {f"{who}_seed{seed}" for who in ("best", "default") for seed in (1, 2)}
    for name, record in finals.items():
        values = best.values if name.startswith("best") else {}
        # As in the fake: what a seed adds to the hill's height.
        assert record.value == pytest.approx(height(values) + 0.001 * int(name[-1]))
        assert len(record.history) == STEPS, "none is stopped early"


@pytest.mark.real_data
def test_a_killed_search_without_ray_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "space": {**SPACE, "fail": {"kind": "choice", "values": ["never", "no", "sentence"]}},
        "settings": {"seconds": 0.1},
        "searcher": {"kind": "tpe", "startup": 3},
        "scheduler": {"kind": "asha", "reduction": 2},
        "final": {"seeds": []},
    }
    done = kill_at(tmp_path / "killed", changes, 4)
    runs = len(started(tmp_path / "killed"))
    resumed = searched(tmp_path / "killed", resume=True, **changes)
    assert 4 <= len(done) < 8
    assert not done & set(started(tmp_path / "killed")[runs:])
    unbroken = searched(tmp_path / "unbroken", **changes)
    assert started(tmp_path / "unbroken") == [f"{number:04}" for number in range(1, 9)]
    assert [replace(record, seconds=0) for record in resumed.records] == [
        replace(record, seconds=0) for record in unbroken.records
    ]
    assert {record.status for record in unbroken.records} == {"done", "stopped", "failed"}


@pytest.mark.real_data
def test_more_trials_carry_a_search_on(tmp_path: Path) -> None:
    first = searched(tmp_path, trials=4, final={"seeds": []})
    more = searched(tmp_path, resume=True, trials=6, final={"seeds": []})
    assert more.records[:4] == first.records
    assert started(tmp_path) == [f"{number:04}" for number in range(1, 7)]


def test_a_search_is_not_mixed_with_another(tmp_path: Path) -> None:
    searched(tmp_path, trials=2, final={"seeds": []})
    with pytest.raises(UsageError, match="go on with --resume"):
        searched(tmp_path, trials=2)
    with pytest.raises(UsageError, match="other settings"):
        searched(tmp_path, resume=True, trials=2, seed=5)
    assert len(started(tmp_path)) == 2


def test_a_search_without_a_good_end_says_why(tmp_path: Path) -> None:
    always: dict[str, Any] = {"settings": {"fail": "sentence"}}
    with pytest.raises(ClipEmotionError, match=r"None of the 8 trials ran to its end.*It was asked to fail"):
        searched(tmp_path / "failing", **always)
    with pytest.raises(ClipEmotionError, match="no metric 'recall': its metrics are score, loss"):
        searched(tmp_path / "misnamed", metric="recall")


def test_an_objective_that_raises_nothing_but_nan_fails_its_trial(tmp_path: Path) -> None:
    def nan_then_good(base: Path, values: Mapping[str, Any], folder: Path, report: Report) -> TrialResult:
        metrics = {"score": float("nan") if folder.name == "0001" else 0.5}
        return TrialResult("stopped" if report(1, metrics) else "done", 1, metrics)

    found = tune(search(tmp_path, trials=2, final={"seeds": []}), silent, NEW, nan_then_good)
    assert [record.status for record in found.records] == ["failed", "done"]
    assert "nan" in found.records[0].error
    assert found.best.name == "0002"


@pytest.mark.parametrize(("spread", "words"), [(0.3, "inside the noise"), (0.0001, "outside the noise")])
def test_a_gain_inside_the_noise_is_called_that(tmp_path: Path, spread: float, words: str) -> None:
    def noisy(base: Path, values: Mapping[str, Any], folder: Path, report: Report) -> TrialResult:
        seed = values.get("fit.seed", 0)
        gain = 0.05 if folder.name.startswith("best") else 0.0
        return TrialResult("done", 1, {"score": 0.5 + gain + spread * np.cos(3.0 * seed + gain)})

    found = tune(search(tmp_path, trials=2, final={"seeds": [1, 2, 3]}), silent, NEW, noisy)
    assert words in found.verdict
    assert json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))["verdict"] == found.verdict


def test_a_failed_run_counts_in_no_comparison(tmp_path: Path) -> None:
    def breaks_late(base: Path, values: Mapping[str, Any], folder: Path, report: Report) -> TrialResult:
        report(1, {"score": 0.9})
        if folder.name == "best_seed1":
            return TrialResult("failed", 1, {"score": 0.9}, "It broke.")
        return TrialResult("done", 2, {"score": 0.5})

    found = tune(search(tmp_path, trials=1, final={"seeds": [1, 2]}), silent, NEW, breaks_late)
    assert found.comparison is None
    assert "cannot be compared with the default: It broke." in found.verdict


def test_results_lie_in_the_folder(tmp_path: Path) -> None:
    found = searched(tmp_path, trials=6, final={"seeds": [1, 2]}, scheduler={"kind": "asha", "reduction": 2})
    out = tmp_path / "out"
    with (out / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [float(row["score"]) for row in rows] == [record.value for record in found.records]
    assert {row["status"] for row in rows} == {"done", "stopped"}
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    assert summary["default"] == {"fit.learning_rate": 1e-4, "model.depth": 1, "sampler.kind": "shuffled"}
    assert summary["best"]["values"] == found.best.values
    assert summary["importance"] == found.importance
    for name in ("parallel.png", "importance.png"):
        with Image.open(out / name) as picture:
            assert min(picture.size) > 200
            assert len(np.unique(np.asarray(picture.convert("L")))) > 50
    assert not list(out.glob("*/*/run")), "weights of ended trials are gone"


def test_one_axis_sets_several_settings(tmp_path: Path) -> None:
    size = {"kind": "choice", "values": [1, 4], "sets": ["model.depth", "fit.seed"]}
    seen: list[Mapping[str, Any]] = []

    def keeps(base: Path, values: Mapping[str, Any], folder: Path, report: Report) -> TrialResult:
        seen.append(values)
        return TrialResult("done", 1, {"score": float(values["model.depth"])})

    found = tune(search(tmp_path, space={"size": size}, final={"seeds": []}), silent, NEW, keeps)
    assert all(values["model.depth"] == values["fit.seed"] for values in seen)
    best = yaml.safe_load((tmp_path / "out" / "best.yaml").read_text("utf-8"))
    assert (found.best.values, best["model"]["depth"], best["fit"]["seed"]) == ({"size": 4}, 4, 4)
    with pytest.raises(ValueError, match=r"several axes set model.depth"):
        search(tmp_path, space={"size": size, "model.depth": SPACE["model.depth"]})


def test_an_axis_may_take_its_default_from_the_settings(tmp_path: Path) -> None:
    space = {**SPACE, "model.width": {"kind": "int", "low": 1, "high": 2}}
    with pytest.raises(UsageError, match=r"has no setting model.width"):
        read_base(search(tmp_path, space=space))
    assert base_values(search(tmp_path, space=space, settings={"model": {"width": 2}}))["model.width"] == 2


def test_without_ray_the_line_that_installs_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "tuning.ray_engine"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'clip-emotion\[tune\]'"):
        searched(tmp_path, engine="ray")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", sorted(Path("configs/tune").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_searches_fit_their_base_configurations(path: Path) -> None:
    config = load_config(SearchConfig, path, [])
    assert read_base(config)["kind"] == "emotion_clip"
    assert f"# clip-emotion train {config.out / 'best.yaml'}" in path.read_text("utf-8").splitlines()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world"))


def two_trials(base: Path, folder: Path) -> dict[str, Any]:
    out, metric = str(folder / "search"), "macro_recall"
    return {"base": str(base), "out": out, "metric": metric, "trials": 2, "engine": "local"}


@pytest.mark.real_data
def test_from_the_command_line_to_a_winner_that_trains(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = run_values(world, **{"fit.steps": 4, "fit.evaluate_every": 2, "fit.save_every": 4, "seed": 0})
    values["model"].update(image_head={"depth": 1, "dim": None}, text_head={"depth": 0, "dim": None}, logit_scale=None)
    base = write_config(tmp_path / "base.yaml", {**values, "sampler": "balanced"})
    searching = {
        **two_trials(base, tmp_path),
        "searcher": {"kind": "random"},
        "scheduler": {"kind": "none"},
        "settings": {"data.validate_on": ["validation"]},
        "space": {
            "fit.learning_rate": {"kind": "loguniform", "low": 1e-4, "high": 1e-1},
            "logit_scale": {"kind": "loguniform", "low": 2.0, "high": 30.0, "sets": ["model.logit_scale"]},
            "size": {"kind": "choice", "values": [None, 8], "sets": ["model.image_head.dim", "model.text_head.dim"]},
            "sampler": {"kind": "choice", "values": ["balanced", "shuffled"]},
        },
        "final": {"seeds": [1, 2]},
    }
    config = write_config(tmp_path / "tune.yaml", searching)
    assert main(["tune", str(config)]) == 0
    shown = capsys.readouterr()
    assert "noise of 2 runs against 2" in shown.out or "keep the default" in shown.out
    records = Journal(tmp_path / "search" / "trials", "macro_recall").records()
    assert [record.status for record in records] == ["done", "done"]
    best = max(records, key=lambda record: record.value or 0.0)
    assert 0 < (best.value or 0.0) <= 1
    assert not any(name.startswith("heldout") for name in best.metrics)
    winner = yaml.safe_load((tmp_path / "search" / "best.yaml").read_text("utf-8"))
    assert winner["fit"]["learning_rate"] == best.values["fit.learning_rate"]
    assert winner["model"]["text_head"]["dim"] == winner["model"]["image_head"]["dim"] == best.values["size"]
    assert main(["train", str(tmp_path / "search" / "best.yaml")]) == 0
    lines = (tmp_path / "search" / "best" / "metrics.jsonl").read_text("utf-8").splitlines()
    assert json.loads(lines[-1])["macro_recall"] == pytest.approx(best.value), "the same run, to its end"
    assert main(["tune", str(config)]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["tune", str(config), "--resume"]) == 0


def test_a_search_is_checked_at_the_ends_of_its_axes(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = write_config(tmp_path / "base.yaml", run_values(world, seed=0, batch=16))
    searching = {
        **two_trials(base, tmp_path),
        "space": {"batch": {"kind": "int", "low": 8, "high": 16}},
    }
    config = write_config(tmp_path / "tune.yaml", searching)
    assert main(["tune", "--check", str(config)]) == 0
    assert "the ends of its 1 axes" in capsys.readouterr().err
    assert main(["tune", "--check", str(config), "space.batch.high=100000"]) != 0
    assert not (tmp_path / "search").exists()
