"""From files to runs: kinds, folders that are taken, settings that were renamed, and what a run says at its end."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from clip_emotion.cli.main import main
from clip_emotion.config import apply_override, validate
from clip_emotion.dotted import flattened
from clip_emotion.errors import UsageError
from clip_emotion.evaluation.measurement import Measurements
from clip_emotion.models.emotion_clip.checkpoint import RUN_STATE, load_checkpoint_encoder
from clip_emotion.outputs import WriteOptions, held
from clip_emotion.resources import configs_dir
from clip_emotion.training import renamed as renaming
from clip_emotion.training.finetune.config import FinetuneConfig
from clip_emotion.training.finetune.stage import train_emotion_clip
from clip_emotion.training.loop.config import FitConfig
from clip_emotion.training.loop.fit import fit
from clip_emotion.training.loop.objective import Progress
from clip_emotion.training.loop.run_folder import BEST, check_out, draft_name
from clip_emotion.training.registry import STAGES, check_folders, plan
from clip_emotion.training.renamed import EVERY_KIND, RENAMED, renamed
from clip_emotion.training.schema import settings_of, settings_table
from clip_emotion.training.stage import RunOptions
from clip_emotion.vocabulary import Vocabulary
from tests.support.runs import finetune
from tests.support.tuning_world import pattern, run_values, write_config, write_world
from tests.training.test_loop import Lines, settings

NEW, AGAIN, RESUMED = WriteOptions(), WriteOptions(overwrite=True), WriteOptions(resume=True)
SHIPPED = sorted((configs_dir() / "train").glob("*.yaml"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world"))


# -- kinds -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_configuration_is_planned_without_a_notice(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = plan(path)
    assert isinstance(run.config, run.stage.config)
    assert not caplog.records


def test_an_unknown_kind_names_the_known_ones(tmp_path: Path) -> None:
    path = write_config(tmp_path / "run.yaml", {"kind": "no_such"})
    with pytest.raises(UsageError, match=r"kind 'no_such': known kinds are mini_text, .*emotion_clip"):
        plan(path)


@pytest.mark.parametrize("kind", STAGES)
def test_what_only_says_where_things_lie_is_not_compared(kind: str) -> None:
    path = next(path for path in SHIPPED if yaml.safe_load(path.read_text("utf-8"))["kind"] == kind)
    stage, config = plan(path).stage, plan(path).config
    compared = stage.compared(config).values
    assert "kind" in compared
    assert not {"fit", "out"} & set(compared)
    assert "seed" in compared
    assert not [key for key in flattened(compared) if key.endswith((".prepared", ".folder"))]


# -- folders -----------------------------------------------------------------------------------------------------------


def test_a_run_that_relies_on_the_default_out_does_not_replace_an_earlier_one(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values = run_values(world)
    del values["out"]
    config = write_config(tmp_path / "run.yaml", values)
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(config), "fit.steps=2", "--threads", "1"]) == 0
    weights = (tmp_path / "runs" / "finetune" / "model.safetensors").read_bytes()
    capsys.readouterr()
    assert main(["train", str(config), "fit.steps=3", "--threads", "1"]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert (tmp_path / "runs" / "finetune" / "model.safetensors").read_bytes() == weights
    assert main(["train", str(config), "fit.steps=3", "--threads", "1", "--overwrite"]) == 0
    assert (tmp_path / "runs" / "finetune" / "model.safetensors").read_bytes() != weights


def test_two_configurations_of_one_command_need_a_folder_each(world: Path, tmp_path: Path) -> None:
    values = run_values(world, out=str(tmp_path / "out"))
    paths = [write_config(tmp_path / f"{name}.yaml", values) for name in ("a", "b")]
    with pytest.raises(UsageError, match=r"a\.yaml and .*b\.yaml both write into"):
        check_folders([plan(path) for path in paths], AGAIN)


def test_a_run_never_writes_into_what_it_reads(world: Path, tmp_path: Path) -> None:
    path = write_config(tmp_path / "run.yaml", run_values(world, out=str(world / "base")))
    with pytest.raises(UsageError, match="which the run reads from"):
        check_folders([plan(path)], AGAIN)


@pytest.mark.parametrize("options", [NEW, AGAIN, RESUMED])
def test_a_users_own_files_are_never_replaced(options: WriteOptions, tmp_path: Path) -> None:
    for name in ("README.md", "model.safetensors", BEST):
        folder = tmp_path / name.lower()
        folder.mkdir()
        (folder / name).write_text("mine")
        with pytest.raises(UsageError, match="holds other things than a run"):
            check_out(folder, options)


@pytest.mark.parametrize("options", [NEW, AGAIN, RESUMED])
def test_a_kill_during_the_first_checkpoint_leaves_a_folder_that_is_taken(
    options: WriteOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best model is written, and the checkpoint half."""

    def killed(state: object, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise MemoryError

    config = settings(early_stop={"metric": "error", "mode": "min"})
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", killed)
        with pytest.raises(MemoryError):
            fit(Lines(), config, tmp_path, lambda progress: None)
    assert {path.name for path in tmp_path.iterdir()} == {"metrics.jsonl", BEST, draft_name(RUN_STATE)}
    check_out(tmp_path, options)
    result = fit(Lines(), config, tmp_path, lambda progress: None, options.resume)
    assert result.metrics == fit(Lines(), config, tmp_path / "whole", lambda progress: None).metrics


def test_drafts_of_earlier_releases_are_taken_too(tmp_path: Path) -> None:
    for name in ("checkpoint.tmp", "best.tmp", "metrics.jsonl"):
        (tmp_path / name).write_text("")
    check_out(tmp_path, NEW)


def test_two_processes_do_not_train_into_one_folder(world: Path, tmp_path: Path) -> None:
    path = write_config(tmp_path / "run.yaml", run_values(world, out=str(tmp_path / "out")))
    code = "import sys, time; from pathlib import Path; from clip_emotion.outputs import held\n"
    code += "with held(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "out")], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UsageError, match=rf"is being written by process {other.pid}"):
            plan(path).run(lambda progress: None)
        other.kill()
    with held(tmp_path / "out"):
        pass


# -- renamed settings --------------------------------------------------------------------------------------------------


def old_and_new() -> list[tuple[str, str, str]]:
    return [(kind, *pair) for kind, table in RENAMED.items() for pair in [*EVERY_KIND.items(), *table.items()]]


@pytest.mark.parametrize(("kind", "old", "new"), old_and_new())
def test_an_old_name_is_read_as_the_new_one_and_told_once(
    kind: str, old: str, new: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renaming, "_noticed", set())
    values: dict[str, Any] = {"kind": kind}
    apply_override(values, f"{old}=0.5")
    with caplog.at_level(logging.WARNING):
        assert flattened(renamed(values)) == flattened(renamed(values)) == {"kind": kind, new: 0.5}
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        f"The setting {old} is now called {new}"
    ]
    known = {one.key for one in settings_of(STAGES[kind].config)}
    assert new in known
    assert old not in known or isinstance(values[old.split(".")[0]], dict)


def test_an_old_name_on_the_command_line_overrides_the_file(world: Path, tmp_path: Path) -> None:
    path = write_config(tmp_path / "run.yaml", run_values(world, **{"distillation.images": 0.1}))
    assert plan(path, ["keep.pictures=0.7"]).config.distillation.images == 0.7


def test_a_run_of_before_the_renaming_goes_on(world: Path, tmp_path: Path) -> None:
    """Its checkpoint holds the old names, of settings, of metrics and of the parameters' factors."""
    values = run_values(world, out=str(tmp_path / "out"), **{"distillation.words": 0.1, "layer_decay": 0.5})
    whole = finetune(values)
    path = tmp_path / "out" / RUN_STATE
    state = torch.load(path, weights_only=True)
    state["settings"]["keep"] = {
        {"images": "pictures"}.get(name, name): value for name, value in state["settings"].pop("distillation").items()
    }
    state["config"]["keep"] = state["config"].pop("select")
    state["figures"] = dict(Measurements.read(state.pop("metrics")))
    for group in state["optimizer"]["param_groups"]:
        group["rate"] = group.pop("lr_scale")
    torch.save(state, path)
    again = finetune(values, resume=True)
    assert again["accuracy"] == whole["accuracy"]
    with pytest.raises(UsageError, match=r"distillation\.words was 0\.1, now 0\.2"):
        finetune({**values, "distillation": {"words": 0.2}}, resume=True)


def test_a_checkpoint_of_before_a_setting_existed_means_its_default() -> None:
    run = plan(next(path for path in SHIPPED if path.stem == "mini_2_image"))
    settings = run.stage.compared(run.config)
    before = json.loads(json.dumps(settings.values))
    del before["mixup"], before["ease"]["mixup"], before["photograph"], before["faces"]["muxspace_repeat"]
    assert settings.differ_from(before) == ""
    values = {**settings.values, "mixup": 0.2}
    assert replace(settings, values=values).differ_from(before) == "mixup was 0.0, now 0.2"


# -- what is written down ----------------------------------------------------------------------------------------------


def test_the_reference_page_is_that_of_the_configurations() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
    assert page.read_text("utf-8") == f"{settings_table('all').rstrip()}\n", "clip-emotion train --schema all > it"


@pytest.mark.parametrize("kind", STAGES)
def test_every_setting_has_a_type_and_a_meaning(kind: str) -> None:
    for one in settings_of(STAGES[kind].config):
        assert one.type, one.key
        assert one.meaning.endswith("."), one.key
    with pytest.raises(UsageError, match="known kinds are"):
        settings_table("no_such")


def test_kinds_and_settings_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--list"]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == list(STAGES)
    assert main(["train", "--schema", "kobert_kote"]) == 0
    assert '| `fit.select` | `last` \\| `best` | `"last"` |' in capsys.readouterr().out


def test_numbers_that_are_not_finite_are_faults() -> None:
    with pytest.raises(UsageError, match=r"learning_rate: .*finite"):
        validate(FitConfig, {"steps": 1, "learning_rate": float("inf")}, "run.yaml")


# -- what a run says ---------------------------------------------------------------------------------------------------


def test_a_run_says_where_it_began_what_it_kept_and_what_to_type_next(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop = {"metric": "accuracy", "patience": 1}
    values = run_values(world, out=str(tmp_path / "out"), **{"fit.early_stop": stop, "fit.select": "best"})
    values["fit"].update(learning_rate=1e-9, evaluate_every=2, steps=40)
    config = write_config(tmp_path / "run.yaml", values)
    assert main(["train", str(config), "--threads", "1"]) == 0
    said = capsys.readouterr().err
    assert said.splitlines()[1].startswith("Before training  accuracy ")
    # The weights stand still, but a batch's statistics do not: where the best lies depends on the processor.
    stopped = re.search(
        r"Stopped at step (\d+): 1 validation was no better than step (\d+), the best by accuracy \(", said
    )
    assert stopped
    best = int(stopped[2])
    assert int(stopped[1]) == best + 2
    assert f"Kept the model of step {best}, the best by accuracy (" in said
    progress = next(line for line in said.splitlines() if line.startswith("step 2/40"))
    assert "heldout" not in progress, "one line holds the main split alone"
    assert "heldout_muxspace_accuracy" in (tmp_path / "out" / "metrics.jsonl").read_text()
    assert "Classes" in said, "a row a class"
    assert f"clip-emotion label IMAGES --model {tmp_path / 'out'}" in said
    assert (
        f"clip-emotion blend {world / 'base'} {tmp_path / 'out'} --data {config} --to {tmp_path / 'out'}_blend" in said
    )
    assert (tmp_path / "out" / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert '"confusion"' in (tmp_path / "out" / "validation.json").read_text("utf-8")


def test_a_run_goes_on_from_the_weights_of_another(world: Path, tmp_path: Path) -> None:
    before = finetune(run_values(world, out=str(tmp_path / "first"), **{"losses.classify": 0.5}))
    values = run_values(world, base=str(tmp_path / "first"), out=str(tmp_path / "second"), **{"fit.steps": 2})
    told: list[Progress] = []
    train_emotion_clip(validate(FinetuneConfig, values, "test"), RunOptions("test", told.append))
    assert told[0].step == 0
    assert told[0].metrics is not None
    assert {name: told[0].metrics[name] for name in ("accuracy", "cross_entropy")} == pytest.approx(
        {name: before[name] for name in ("accuracy", "cross_entropy")}, abs=1e-5
    )
    other = {**values, "model": {"image_head": {"depth": 2}}}
    with pytest.raises(UsageError, match=r"model\.image_head is .*'depth': 2.*give the same"):
        finetune(other)


def test_pace_leaves_validation_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    class Slow(Lines):
        def loss(self, step: int, progress: float) -> torch.Tensor:
            clock[0] += 1
            return super().loss(step, progress)

        def validate(self, model: Any) -> Any:
            clock[0] += 1000
            return super().validate(model)

    told: list[Progress] = []
    monkeypatch.setattr("clip_emotion.training.loop.fit.time.monotonic", lambda: clock[0])
    fit(Slow(), settings(), tmp_path, told.append)
    assert told[-1].steps_per_second == pytest.approx(1.0)


def test_sigterm_keeps_the_checkpoint_as_ctrl_c_does(tmp_path: Path) -> None:
    import signal

    class Told(Lines):
        def loss(self, step: int, progress: float) -> torch.Tensor:
            if step == 4:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().loss(step, progress)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        fit(Told(), settings(), tmp_path, lambda progress: None)
    assert signal.getsignal(signal.SIGTERM) is before
    assert torch.load(tmp_path / RUN_STATE, weights_only=True)["step"] == 5


def test_the_same_run_writes_the_same_weights_and_files_as_open_as_others(world: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    (tmp_path / "other").write_text("")
    mode = (tmp_path / "other").stat().st_mode
    changes = {"fit.early_stop": {"metric": "accuracy"}, "fit.select": "best", "fit.steps": 4}
    for name in ("a", "b"):
        finetune(run_values(world, out=str(tmp_path / name), **changes))
    for name in ("model.safetensors", BEST):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert {path.stat().st_mode for path in (tmp_path / "a").iterdir() if path.is_file()} == {mode}


def test_a_checkpoint_knows_the_words_it_was_trained_on(world: Path, tmp_path: Path) -> None:
    finetune(run_values(world, out=str(tmp_path / "out"), **{"fit.steps": 2, "templates.choose": True}))
    vocabulary = load_checkpoint_encoder(tmp_path / "out").vocabulary
    assert vocabulary is not None
    chosen = Vocabulary.load(str(tmp_path / "out" / "vocabulary.yaml"))
    assert vocabulary.keys == chosen.keys
    assert all(vocabulary.prompts(language) == chosen.prompts(language) for language in ("ko", "en"))


def test_label_and_evaluate_ask_a_run_about_its_own_words(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finetune(run_values(world, out=str(tmp_path / "out"), **{"fit.steps": 2}))
    image = tmp_path / "face.png"
    image.write_bytes(pattern(3, 1))
    model = ["--model", str(tmp_path / "out"), "--face", "none", "--lang", "en", "--format"]
    assert main(["label", str(image), *model, "jsonl", "--top", "99"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert {entry["label"] for entry in row["labels"]} == set(Vocabulary.load("basic8").keys)
    data = ["--data", str(world / "fer2013.zip"), "--split", "validation"]
    assert main(["evaluate", *data, *model, "json"]) == 0
    assert json.loads(capsys.readouterr().out)["vocabulary"] == "basic8"
