"""A study from its plan to its records: what is finished stays, what was cut off goes on, the rest is trained."""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from clip_emotion.errors import ClipEmotionError, UsageError
from clip_emotion.models.emotion_clip.checkpoint import RUN_STATE
from clip_emotion.outputs import WriteOptions, claim_folder, held, mark_folder
from clip_emotion.training.class_summary import read_classes
from clip_emotion.training.classifier.sharing import shared
from clip_emotion.training.classifier.summary import read_answers
from clip_emotion.training.loop.objective import ProgressCallback
from clip_emotion.training.registry import check
from tuning.objective import RUN_FOLDER
from tuning.study.records import RunRecord, read_record
from tuning.study.runs import StudyRun

MADE = "study"
"""What the folder of a study is, by its mark."""
Tell = Callable[[StudyRun, RunRecord], None]
"""Hears of each run when it begins, when it has ended, and where it had ended before."""


@contextmanager
def claimed(out: Path, runs: Sequence[StudyRun], overwrite: bool = False) -> Iterator[None]:
    """Hold a study's folder for this process; with ``overwrite`` what is there of the runs goes.

    Raises UsageError where the folder holds other things, where another process has it, and where a run is there that
    was made with other settings.
    """
    claim_folder(out, MADE, WriteOptions(overwrite, resume=True))
    with held(out):
        if overwrite:
            for run in runs:
                shutil.rmtree(run.folder, ignore_errors=True)
        others = [_other(run) for run in runs]
        if any(others):
            raise UsageError(
                f"{out} holds runs with other settings ({'; '.join(filter(None, others))}): add --overwrite to train "
                "the rows again, with --rows some of them, or choose another out=FOLDER."
            )
        mark_folder(out, MADE)
        yield


def _other(run: StudyRun) -> str:
    record = read_record(run.folder)
    changed = run.differs_from(record.settings) if record else ""
    return f"{run.name}: {changed}" if changed else ""


def carry_out(runs: Sequence[StudyRun], tell: Tell, report: ProgressCallback) -> list[RunRecord]:
    """Train what has not ended of runs whose folder is claimed, one after the other, and return all records.

    What fails is recorded with its sentence, and is tried again the next time. Only KeyboardInterrupt passes.
    """
    found = []
    with shared():
        for run in runs:
            record = read_record(run.folder)
            if record is None or record.status != "done":
                record = _trained(run, record, tell, report)
            tell(run, record)
            found.append(record)
    return found


def _trained(run: StudyRun, before: RunRecord | None, tell: Tell, report: ProgressCallback) -> RunRecord:
    record = replace(before or run.record(), status="running", error="").write(run.folder)
    tell(run, record)
    began = time.monotonic() - record.seconds
    try:
        run.planned.run(report, resume=True)
        ended = _measured(record, run.folder / RUN_FOLDER)
    except ClipEmotionError as error:
        ended = replace(record, status="failed", error=str(error))
    except Exception as error:  # noqa: BLE001 - a study outlives whatever one of its runs runs into
        ended = replace(record, status="failed", error=f"{type(error).__name__}: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        replace(record, seconds=round(time.monotonic() - began, 1)).write(run.folder)
        raise
    gc.collect()
    return replace(ended, seconds=round(time.monotonic() - began, 1)).write(run.folder)


def _measured(record: RunRecord, folder: Path) -> RunRecord:
    """Take what a finished run says of validation into its record; its checkpoint, of no more use, goes."""
    metrics, answered = read_classes(folder), read_answers(folder)
    classes = tuple(metrics["per_class"])
    numbers = {name: at for at, name in enumerate(classes)}
    ended = replace(
        record,
        status="done",
        metrics=metrics,
        classes=classes,
        images=answered.images,
        labels=tuple(numbers[label] for label in answered.labels),
        answers=tuple(numbers[answer] for answer in answered.answers),
    )
    (folder / RUN_STATE).unlink(missing_ok=True)
    return ended


def check_runs(runs: Sequence[StudyRun]) -> list[Path]:
    """See, without training, that the data of all rows is there and a batch of each can be learned from.

    Returns where the data lies; raises what ``train --check`` raises.
    """
    with shared():
        return check([run.planned for run in runs])
