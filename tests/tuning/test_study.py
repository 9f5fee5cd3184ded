"""Studies: validated before they begin, gone on with where they stood, and told in one table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_emotion.config import validate
from clip_emotion.errors import UsageError
from clip_emotion.evaluation.metrics import classification_metrics
from tests.support.commands import runner
from tests.support.minis import write_images
from tuning.study import study as running
from tuning.study.config import StudyConfig, read_study
from tuning.study.records import RunRecord, read_record
from tuning.study.results import results
from tuning.study.runs import StudyRun, chosen, plan_study
from tuning.study.table import classes_table, csv_table, jsonl_table, markdown, rates_table

ROOT = Path(__file__).resolve().parents[2]
STUDIES = sorted((ROOT / "configs" / "study").glob("*.yaml"))
BASE: dict[str, Any] = {
    "kind": "classifier",
    "model": {"architecture": "resnet18", "image_size": 32, "arguments": {"channels": [4, 4, 8, 8]}},
    "data": {"sources": {"fer2013": "fer2013.zip"}, "tuning": 3},
    "batch": 8,
    "transform": None,
    "fit": {"steps": 2, "learning_rate": 0.01, "precision": "fp32", "evaluate_every": 2, "save_every": 1},
}


def values(out: Path, **changes: Any) -> dict[str, Any]:
    rows = {"plain": None, "frozen": {"about": "the last layer", "settings": {"head_only": True}, "origin": 0.7697}}
    return {"title": "두 가지", "base": BASE, "out": str(out), "origin": "RAF-DB", "rows": rows, **changes}


def config(out: Path, **changes: Any) -> StudyConfig:
    return validate(StudyConfig, values(out, **changes), "study.yaml")


def record(row: str, seed: int, answers: Sequence[int], labels: Sequence[int], **changes: Any) -> RunRecord:
    """A finished run that answered so."""
    classes = ("angry", "happy", "sad")
    found = classification_metrics(np.eye(3)[list(answers)], np.array(labels), classes)
    metrics = {**found.to_dict()}
    whole = RunRecord(row, seed, {}, "done", seconds=3.0, parameters=1500, metrics=metrics, classes=classes)
    images = tuple(f"image{at}" for at in range(len(labels)))
    return replace(whole, images=images, labels=tuple(labels), answers=tuple(answers), **changes)


def test_rows_are_the_base_with_their_settings_and_seeds(tmp_path: Path) -> None:
    runs = plan_study(config(tmp_path / "out", seeds=[3, 4], settings={"batch": 16}), "study.yaml")
    assert [run.name for run in runs] == ["plain, seed 3", "plain, seed 4", "frozen, seed 3", "frozen, seed 4"]
    assert [run.planned.config.head_only for run in runs] == [False, False, True, True]
    assert [(run.planned.config.seed, run.planned.config.fit.seed) for run in runs] == [(3, 3), (4, 4)] * 2
    assert {run.planned.config.batch for run in runs} == {16}
    assert len({run.planned.out for run in runs}) == 4
    assert all(run.parameters == runs[0].parameters > 1000 for run in runs)


def test_what_changes_no_result_is_no_other_run(tmp_path: Path) -> None:
    plain = plan_study(config(tmp_path / "a"), "study.yaml")[0]
    moved = plan_study(
        config(tmp_path / "b", settings={"data.folder": "/elsewhere", "workers": 2, "fit.log_every": 7}), "study.yaml"
    )[0]
    assert moved.settings == plain.settings
    assert plain.differs_from(moved.settings) == ""
    older = {**plain.settings, "model": {**plain.settings["model"]}}
    del older["model"]["hidden"]
    assert plain.differs_from(older) == "", "before a setting was there, a run had its default"
    longer = plan_study(config(tmp_path / "a", settings={"fit.steps": 3}), "study.yaml")[0]
    assert longer.differs_from(plain.settings) == "fit.steps was 2, now 3"


def test_all_rows_are_validated_before_any_begins(tmp_path: Path) -> None:
    rows = {
        "right": None,
        "misspelt": {"settings": {"mixupp": 1}},
        "unknown": {"settings": {"model.architecture": "resnt18"}},
        "startless": {"settings": {"start": str(tmp_path / "gone")}},
        "unfit": {"settings": {"model": {"architecture": "vit_tiny_patch16_224", "arguments": {"patch_size": 7}}}},
    }
    with pytest.raises(UsageError) as told:
        plan_study(config(tmp_path / "out", rows=rows), "study.yaml")
    sentence = str(told.value)
    assert "row misspelt has 1 fault(s): mixupp: no such setting (near it: mixup)" in sentence
    assert "row unknown: timm knows no network 'resnt18'" in sentence
    assert f"row startless: start is {tmp_path / 'gone'}, which holds no classifier" in sentence
    assert "row unfit: " in sentence
    assert "row right" not in sentence


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"rows": {}}, "rows: Value should have at least 1 item"),
        ({"rows": {"../out": None}}, "a row's name is letters, digits"),
        ({"baseline": "none"}, "baseline 'none' is no row: rows are plain, frozen"),
        ({"origin": ""}, "origin must say what the rows' origin figures are"),
        ({"seeds": [1, 1]}, "a seed stands twice for plain, frozen"),
        ({"rows": {"a": {"origin": 76.97}}}, "rows.a.origin: Input should be less than or equal to 1"),
    ],
)
def test_a_faulty_study_is_one_sentence(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        config(tmp_path, **changes)


def test_a_base_of_another_kind_and_an_unknown_row_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="base is of kind 'mini_text': a study compares runs of kind classifier"):
        plan_study(config(tmp_path, base={**BASE, "kind": "mini_text"}), "study.yaml")
    study = config(tmp_path / "out")
    with pytest.raises(UsageError, match="No row is called flip: rows are plain, frozen"):
        chosen(plan_study(study, "study.yaml"), study, "plain,flip")


def test_overrides_are_the_studys_own_or_every_rows(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(values(tmp_path / "out"), sort_keys=False), "utf-8")
    study = read_study(path, ["out=there", "fit.steps=9", "seeds=[1, 2]", "rows.frozen.settings.fit.steps=5"])
    assert (study.out, study.seeds) == (Path("there"), (1, 2))
    assert [run.planned.config.fit.steps for run in plan_study(study, "study.yaml")] == [9, 9, 5, 5]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_shipped_studies_are_right_and_open_with_their_command(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = path.read_text("utf-8")
    assert f"# clip-emotion study configs/study/{path.name} data." in text
    study = read_study(path, [] if "\n  start: " not in text else ["start=null"])
    assert study.out == Path("runs/study") / path.stem
    runs = plan_study(study, path.name)
    assert {run.row for run in runs} == set(study.rows)
    assert len({json.dumps(run.settings, sort_keys=True) for run in runs}) >= len(runs) - ("scratch" in study.rows)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=3, max_size=40).filter(
        lambda rows: len({label for label, _, _ in rows}) == 3
    )
)
@settings(deadline=None, max_examples=15)
def test_a_rows_gain_is_the_difference_on_the_same_images(rows: list[tuple[int, int, int]]) -> None:
    labels, ours, theirs = (list(column) for column in zip(*rows, strict=True))
    study = config(Path("out"))
    plain, frozen = results(
        study, {"plain": [record("plain", 0, theirs, labels)], "frozen": [record("frozen", 0, ours, labels)]}
    )
    gain = frozen.gains["accuracy"]
    expected = np.mean(np.equal(ours, labels)) - np.mean(np.equal(theirs, labels))
    assert gain.mean == pytest.approx(expected)
    assert gain.low <= gain.mean + 1e-9
    assert gain.high >= gain.mean - 1e-9
    if ours == theirs:
        assert (gain.low, gain.high) == (0, 0)
    assert plain.gains == {}
    assert plain.recall["happy"] == pytest.approx(np.mean([t == 1 for label, _, t in rows if label == 1]))


def test_seeds_are_averaged_and_their_spread_is_told() -> None:
    labels = [0, 1, 2, 0]
    study = config(Path("out"), seeds=[0, 1])
    both = [record("plain", 0, [0, 1, 2, 0], labels), record("plain", 1, [0, 1, 0, 1], labels)]
    plain, frozen = results(study, {"plain": both, "frozen": [replace(both[0], row="frozen", status="running")]})
    assert plain.rates["accuracy"].mean == pytest.approx(0.75)
    assert plain.spread["accuracy"] == pytest.approx(np.std([1.0, 0.5], ddof=1))
    assert (plain.done, plain.wanted, frozen.done) == (2, 2, 0)
    other = replace(both[0], row="frozen", images=("other", *both[0].images[1:]))
    assert results(study, {"plain": both, "frozen": [other]})[1].gains == {}, "other images are not compared"


def test_tables_hold_the_same_rows_in_each_form() -> None:
    study = config(Path("out"))
    failed = replace(record("frozen", 0, [0], [0]), status="failed", error="It broke.")
    rows = results(study, {"plain": [record("plain", 0, [0, 1, 2, 2], [0, 1, 2, 0])], "frozen": [failed]})
    columns, cells = rates_table(study, rows)
    assert (columns[-1], cells[0][-1]) == ("RAF-DB", "not at hand")
    assert cells[0][:3] == ("plain", "1", "0.750 [0.250, 1.000]")
    assert cells[1] == ("frozen: the last layer", "0 of 1", "failed", *("–",) * 5, "0.7697")
    assert markdown((columns, cells)).splitlines()[1] == "| --- |" + " ---: |" * (len(columns) - 1)
    assert classes_table(rows) == (
        ("recall / F1", "angry", "happy", "sad"),
        [("plain", "0.500 / 0.667", "1.000 / 1.000", "1.000 / 0.667")],
    )
    lines = [json.loads(line) for line in jsonl_table(rows).splitlines()]
    table = list(csv.DictReader(io.StringIO(csv_table(rows))))
    assert [line["accuracy"] for line in lines] == [0.75, None]
    assert [line["accuracy"] for line in table] == ["0.75", ""]
    assert (lines[1]["errors"], table[1]["errors"]) == ("frozen, seed 0: It broke.",) * 2
    unpublished = config(Path("out"), rows={"plain": None}, origin="")
    assert rates_table(unpublished, results(unpublished, {}))[0] == columns[:-1]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_images(folder / "raw", a_class=5)
    study = values(folder / "out")
    (folder / "study.yaml").write_text(yaml.safe_dump(study, allow_unicode=True, sort_keys=False), "utf-8")
    return folder


def overrides(home: Path) -> list[str]:
    return [str(home / "study.yaml"), f"data.folder={home / 'raw'}", f"data.prepared={home / 'prepared'}"]


def runs_of(home: Path, **changes: Any) -> list[StudyRun]:
    places = {"data.folder": str(home / "raw"), "data.prepared": str(home / "prepared")}
    return plan_study(config(home / "out", settings=places, **changes), "study.yaml")


def test_a_study_from_the_command_line(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = runner(capfd, "study", *overrides(home), after=("--threads", "1"))
    code, _, told = run("--only-table")
    assert code == 2
    assert "holds no run of this study yet" in told
    code, out, told = run("--format", "jsonl", "--rows", "plain")
    assert code == 0, told
    assert [json.loads(line)["done"] for line in out.splitlines()] == [1, 0]
    assert "plain, seed 0 (1 of 1): accuracy" in told
    code, out, told = run("--format", "markdown")
    assert code == 0, told
    assert told.count(": training") == 1, "a finished row is not trained again"
    assert "| frozen: the last layer | 1 |" in out
    assert out.count("0.7697") == 1
    assert json.loads((home / "out" / "study.json").read_text("utf-8"))["rows"]["frozen"]["images"] == 35
    assert (home / "out" / "study.png").read_bytes().startswith(b"\x89PNG")
    shown = run("--only-table", "--format", "markdown")
    assert shown == (0, out, "")
    assert not list((home / "out").rglob("checkpoint.pt"))
    code, _, told = run("fit.steps=3")
    assert code == 2
    assert "plain, seed 0: fit.steps was 2, now 3; frozen, seed 0: fit.steps was 2, now 3" in told
    code, _, told = run("fit.steps=3", "--only-table")
    assert code == 0
    assert "Note: plain, seed 0 was made with other settings" in told


def test_an_interrupted_study_goes_on_where_it_stood(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [replace(run, folder=home / "cut" / run.row) for run in runs_of(home)]
    runs = [
        replace(
            run,
            planned=replace(run.planned, config=run.planned.config.model_copy(update={"out": run.folder / "run"})),
        )
        for run in runs
    ]
    told: list[tuple[str, str]] = []
    steps: list[int] = []

    def stop_at_the_first_step(progress: Any) -> None:
        if progress.step:
            raise KeyboardInterrupt

    def tell(run: StudyRun, record: RunRecord) -> None:
        told.append((run.row, record.status))

    with running.claimed(home / "cut", runs), pytest.raises(KeyboardInterrupt):
        running.carry_out(runs, tell, stop_at_the_first_step)
    cut = read_record(runs[0].folder)
    assert cut is not None
    assert cut.status == "running"
    assert read_record(runs[1].folder) is None
    told.clear()
    with running.claimed(home / "cut", runs):
        records = running.carry_out(runs, tell, lambda progress: steps.append(progress.step))
    assert [one.status for one in records] == ["done", "done"]
    assert told == [("plain", "running"), ("plain", "done"), ("frozen", "running"), ("frozen", "done")]
    assert steps == [0, 2], "the first run had its last step behind it, the second began anew"


def test_a_run_that_fails_is_told_and_the_others_go_on(
    home: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = runner(capfd, "study", *overrides(home), f"out={tmp_path / 'out'}", after=("--threads", "1"))
    code, out, told = run("rows.plain.settings.data.limit=700", "--format", "csv")
    assert code == 1
    assert "Failed: plain, seed 0: Class '" in told
    assert [row["done"] for row in csv.DictReader(io.StringIO(out))] == ["0", "1"]
    assert "1 run(s) failed" in told
    code, _, told = run("--rows", "plain", "--overwrite")
    assert code == 0, told


def test_a_folder_of_other_things_is_left_alone(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="name a new folder for the study"), running.claimed(tmp_path, runs_of(home)):
        pass
