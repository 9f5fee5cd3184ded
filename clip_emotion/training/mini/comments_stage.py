"""The kind ``comment_teacher``: from Korean comments with labels to a linear teacher's answers on all that train."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save as to_safetensors

from clip_emotion.evaluation.measurement import Measurements
from clip_emotion.files import write_atomic
from clip_emotion.training.corpora import CORPORA
from clip_emotion.training.loop.objective import Progress, ProgressCallback
from clip_emotion.training.loop.run_folder import ANSWERS
from clip_emotion.training.mini.chats_tasks import chat_rows
from clip_emotion.training.mini.comments import CommentReader, taught_answers
from clip_emotion.training.mini.comments_config import CommentTeacherConfig
from clip_emotion.training.mini.morphemes import check_morphemes, load_morphemes
from clip_emotion.training.mini.teacher import digest_of
from clip_emotion.training.sources import RawSource
from clip_emotion.training.stage import Made, Outcome, RunOptions, Stage


def train_comments(config: CommentTeacherConfig, options: RunOptions) -> Outcome:
    """Fit the teacher; ``out`` receives its answers on the Korean texts that train.

    With ``--resume`` a finished run of the same settings is taken as it is.
    """
    settings = json.dumps(COMMENT_TEACHER.compared(config), sort_keys=True, default=str)
    hit1 = _finished(config.out, settings) if options.resume else None
    if hit1 is None:
        hit1 = _fit(config, options.report, settings)
    metrics = Measurements([CORPORA[config.taught].measured("hit1", hit1)])
    return Outcome(metrics, config.out, (), ("clip-emotion train configs/train/mini_17_messages.yaml",))


def _finished(out: Path, settings: str) -> float | None:
    """Return how often a finished teacher of these settings was right, or None where there is none."""
    if not (out / ANSWERS).is_file():
        return None
    with safe_open(str(out / ANSWERS), "pt") as file:
        told = file.metadata() or {}
    return float(told["hit1"]) if told.get("settings") == settings else None


def _fit(config: CommentTeacherConfig, report: ProgressCallback, settings: str) -> float:
    """Write the teacher's answers and return how often its best label is right on the comments that validate."""
    training, validation = chat_rows(config.sources)
    reader, taught, check = CommentReader(load_morphemes(), config), training[config.taught], validation[config.taught]
    asked = [training[corpus].texts for corpus in config.asked]
    start = time.monotonic()

    def progress(done: int, parts: int) -> None:
        report(Progress(done, parts, math.nan, done / max(1e-9, time.monotonic() - start)))

    own, checked, *others = taught_answers(config, reader, taught, [check.texts, *asked], progress)
    hits = check.targets.gather(1, checked.argmax(dim=1, keepdim=True)) > 0
    hit1 = float(hits.float().mean())
    told = zip([taught.texts, *asked], [own, *others], strict=True)
    answers = {digest_of(texts): said.half() for texts, said in told}
    write_atomic(config.out / ANSWERS, to_safetensors(answers, {"settings": settings, "hit1": str(hit1)}))
    return hit1


def check_comments(config: CommentTeacherConfig, source: str, made: Made) -> Iterable[RawSource]:
    """Return the raw data that the stage reads; raises UsageError where the extra ``teacher`` is not installed."""
    check_morphemes()
    made[config.out] = 0
    return [*config.sources.raw().values(), *config.sources.chats().values()]


COMMENT_TEACHER = Stage(
    "comment_teacher",
    CommentTeacherConfig,
    check_comments,
    train_comments,
    uncompared=dict.fromkeys(("out", "sources"), True),
)
