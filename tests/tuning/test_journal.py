"""The journal of a search: what an earlier release wrote is read as what this one writes."""

from __future__ import annotations

import json
from pathlib import Path

from tuning.journal import FILE, Journal, TrialRecord

FIRST_RELEASE = {
    "name": "0001",
    "values": {"fit.learning_rate": 0.001},
    "overrides": {"fit.steps": 60, "fit.learning_rate": 0.001},
    "status": "done",
    "history": [[30, 0.41], [60, 0.5]],
    "value": 0.5,
    "step": 60,
    "figures": {"validation/accuracy": 0.5, "loss": 1.25},
    "seconds": 12.5,
    "error": "",
}


def test_a_journal_of_the_first_release_is_read(tmp_path: Path) -> None:
    (tmp_path / "0001").mkdir()
    (tmp_path / "0001" / FILE).write_text(json.dumps(FIRST_RELEASE), encoding="utf-8")
    (record,) = Journal(tmp_path, "validation/accuracy").records()
    assert record.metrics == {"validation/accuracy": 0.5, "loss": 1.25}
    assert record.history == ((30, 0.41), (60, 0.5))
    assert record.ended


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "score")
    record = TrialRecord("0002", {"a": 1}, {"a": 1}, "stopped", ((1, 0.5),), 0.5, 1, {"score": 0.5}, 2.0)
    journal.write(record)
    assert journal.read("0002") == record
