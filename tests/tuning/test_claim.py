"""The folder of a search: nothing is lost unasked, and a search that cannot run leaves nothing behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clip_emotion.cli.tune import _advice
from clip_emotion.errors import MissingExtraError, UsageError
from clip_emotion.outputs import MARK, NEW, WriteOptions
from tests.support.tune_with_fake import climb, search
from tuning.claim import SNAPSHOT
from tuning.comparison import compare
from tuning.journal import Journal, TrialRecord
from tuning.search import SearchResult, tune

RESUME, OVERWRITE = WriteOptions(resume=True), WriteOptions(overwrite=True)
SHORT = {"trials": 2, "final": {"seeds": []}}


def silent(record: TrialRecord) -> None:
    """Hear of a trial, and say nothing."""


def run(folder: Path, writing: WriteOptions, **changes: object) -> SearchResult:
    return tune(search(folder, **{**SHORT, **changes}), silent, writing, climb)


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_search_that_lacks_a_package_leaves_nothing_behind(tmp_path, monkeypatch, engine) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    for _ in range(2):
        with pytest.raises(MissingExtraError, match=r"'tpe' needs optuna.*\[tune\]"):
            run(tmp_path, NEW, engine=engine, searcher={"kind": "tpe"})
        assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    assert run(tmp_path, NEW, engine="local").best is not None


def test_an_earlier_search_goes_on_or_is_replaced_only_where_the_call_says_so(tmp_path) -> None:
    run(tmp_path, NEW)
    with pytest.raises(UsageError, match=r"--resume.*--overwrite"):
        run(tmp_path, NEW)
    with pytest.raises(UsageError, match="with other settings"):
        run(tmp_path, RESUME, seed=5)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    run(tmp_path, OVERWRITE, seed=5, trials=1)
    assert [record.name for record in Journal(tmp_path / "out" / "trials", "score").records()] == ["0001"]
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_a_search_of_the_first_release_has_no_mark_and_goes_on(tmp_path) -> None:
    first = run(tmp_path, NEW, trials=1)
    (tmp_path / "out" / MARK).unlink()
    more = run(tmp_path, RESUME, trials=2)
    assert more.records[0] == first.records[0]
    assert len(more.records) == 2


@pytest.mark.parametrize("writing", [NEW, RESUME, OVERWRITE], ids=["new", "resume", "overwrite"])
@pytest.mark.parametrize("name", ["best.yaml", "thesis.txt"])
def test_a_foreign_folder_is_left_alone(tmp_path, writing, name) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(UsageError, match="did not make"):
        run(tmp_path, writing)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]
    assert (tmp_path / "out" / name).read_text() == "mine"


def test_the_base_configuration_is_never_written_over(tmp_path) -> None:
    config = search(tmp_path, **SHORT)
    run(tmp_path, NEW)
    (tmp_path / "out" / SNAPSHOT).write_bytes(config.base.read_bytes())
    own = config.model_copy(update={"base": tmp_path / "out" / SNAPSHOT})
    with pytest.raises(UsageError, match="is an input of this call"):
        tune(own, silent, OVERWRITE, climb)


@pytest.mark.parametrize(
    ("default", "best", "recommends"),
    [
        ([0.5, 0.51, 0.49], [0.9, 0.91, 0.89], True),
        ([0.5, 0.6, 0.4], [0.52, 0.61, 0.45], False),
        ([0.5, 0.51, 0.49], [0.1, 0.11, 0.09], False),
    ],
    ids=["better", "inside the noise", "worse"],
)
def test_a_winner_inside_the_noise_is_not_recommended(default, best, recommends) -> None:
    comparison = compare(default, best, 1)
    assert comparison is not None
    record = TrialRecord("0001", {}, {})
    advice = _advice(SearchResult((), record, (), comparison, comparison.verdict, {}), Path("out/best.yaml"))
    assert ("clip-emotion train" in advice) == recommends
    assert ("Keep the default" in advice) != recommends
