"""The kinds of training that ``clip-emotion train`` knows, and the way from a file to a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_emotion.errors import DataError, UsageError
from clip_emotion.files import expanded
from clip_emotion.outputs import MARK, WriteOptions, held, mark_folder
from clip_emotion.training.classifier.stage import CLASSIFIER
from clip_emotion.training.finetune.stage import EMOTION_CLIP
from clip_emotion.training.kinds import PlannedConfig, config_of, read_config
from clip_emotion.training.kobert.stage import KOBERT_KOTE
from clip_emotion.training.loop.objective import ProgressCallback
from clip_emotion.training.loop.run_folder import check_out
from clip_emotion.training.mini.answers_stage import SENTENCE_TEACHER
from clip_emotion.training.mini.chats_stage import MINI_CHATS
from clip_emotion.training.mini.comments_stage import COMMENT_TEACHER
from clip_emotion.training.mini.image_stage import MINI_IMAGE
from clip_emotion.training.mini.messages_stage import MINI_MESSAGES
from clip_emotion.training.mini.text_stage import MINI_TEXT
from clip_emotion.training.mini.words_stage import MINI_WORDS
from clip_emotion.training.sources import RawSource
from clip_emotion.training.stage import Made, Outcome, RunOptions, Stage

STAGES: dict[str, Stage[Any]] = {
    stage.kind: stage
    for stage in (
        MINI_TEXT,
        MINI_WORDS,
        MINI_IMAGE,
        MINI_CHATS,
        MINI_MESSAGES,
        SENTENCE_TEACHER,
        COMMENT_TEACHER,
        KOBERT_KOTE,
        EMOTION_CLIP,
        CLASSIFIER,
    )
}


RUN = "training run"
"""What the mark in a run's folder says that it holds."""


@dataclass(frozen=True)
class PlannedRun:
    """A configuration that was read and validated: what is to run, and the file that says so."""

    stage: Stage[Any]
    config: Any
    source: str

    @property
    def out(self) -> Path:
        """The folder that the run writes into."""
        out: Path = self.config.out
        return out

    def run(self, report: ProgressCallback, resume: bool = False) -> Outcome:
        """Train in this process; raises as the kind's own ``run`` does."""
        with self.claimed():
            return self.stage.run(self.config, RunOptions(self.source, report, resume))

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the run's folder for this process, and mark it; raises UsageError where another process has it.

        A run that fails before it wrote anything leaves no folder behind.
        """
        with held(self.out):
            mark_folder(self.out, RUN)
            try:
                yield
            except BaseException:
                if [path.name for path in self.out.iterdir()] == [MARK]:
                    (self.out / MARK).unlink()
                    self.out.rmdir()
                raise


def stage_of(kind: str, source: str) -> Stage[Any]:
    """Return a kind of training; raises UsageError that lists the kinds for an unknown one."""
    config_of(kind, source)
    return STAGES[kind]


def planned(read: PlannedConfig) -> PlannedRun:
    """Return the run that a validated configuration describes."""
    return PlannedRun(STAGES[read.kind], read.config, read.source)


def plan(path: Path, overrides: Sequence[str] = ()) -> PlannedRun:
    """Read a configuration with its overrides and validate it; raises UsageError for an unknown kind and any fault."""
    return planned(read_config(path, overrides))


def train(path: Path, overrides: Sequence[str], report: ProgressCallback, resume: bool = False) -> Outcome:
    """Run what a configuration describes and return its outcome.

    Raises UsageError for an unknown kind and a faulty configuration, before any work is done.
    """
    return plan(path, overrides).run(report, resume)


def check_folders(runs: Sequence[PlannedRun], options: WriteOptions) -> None:
    """See that every run may write into its folder; raises UsageError where a file would be lost.

    A folder that holds a run is taken unless that is resumed or overwritten; one that another run of the same command
    writes into is taken, and so is one that a run reads from.
    """
    sources: dict[Path, str] = {}
    for one in runs:
        place = expanded(one.out).resolve()
        if place in sources:
            raise UsageError(
                f"{sources[place]} and {one.source} both write into {one.out}: give each an out of its own."
            )
        sources[place] = one.source
        if any(place == expanded(folder).resolve() for folder in one.stage.inputs(one.config)):
            raise UsageError(f"{one.source}: out is {one.out}, which the run reads from: name another out=FOLDER.")
        check_out(one.out, options)


def check(runs: Sequence[PlannedRun]) -> list[Path]:
    """See, without training, that runs can follow one another; returns where their data lies.

    KoBERT is fetched where a configuration names it by its Hub name and it is not in the cache. Raises UsageError for
    settings that do not fit together, ModelError for a model that cannot be loaded or that no earlier run makes, and
    DataError that names every source which is missing or in no known layout.
    """
    made: Made = {}
    sources: dict[RawSource, None] = {}
    for one in runs:
        sources.update(dict.fromkeys(one.stage.check(one.config, one.source, made)))
    faults = [fault for fault in (source.fault() for source in sources) if fault]
    if faults:
        raise DataError(" ".join(faults))
    return [source.path for source in sources]
