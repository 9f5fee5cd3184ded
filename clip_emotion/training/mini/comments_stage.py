"""The kind ``comment_teacher``: from Korean comments with labels to a linear teacher's answers on all that train."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from safetensors.torch import save as to_safetensors

from clip_emotion.evaluation.measurement import Measurements
from clip_emotion.files import write_atomic
from clip_emotion.training.corpora import CORPORA
from clip_emotion.training.loop.objective import Progress
from clip_emotion.training.mini.answers import ANSWERS
from clip_emotion.training.mini.chats_tasks import chat_rows
from clip_emotion.training.mini.comments import CommentReader, taught_answers
from clip_emotion.training.mini.comments_config import CommentTeacherConfig
from clip_emotion.training.mini.morphemes import check_morphemes, load_morphemes
from clip_emotion.training.mini.teacher import digest_of
from clip_emotion.training.sources import RawSource
from clip_emotion.training.stage import Made, Outcome, RunOptions, Stage


def train_comments(config: CommentTeacherConfig, options: RunOptions) -> Outcome:
    """Fit the teacher; ``out`` receives its answers on the Korean texts that train."""
    training, validation = chat_rows(config.sources)
    reader, taught, check = CommentReader(load_morphemes(), config), training[config.taught], validation[config.taught]
    asked = [training[corpus].texts for corpus in config.asked]
    start = time.monotonic()

    def report(done: int, parts: int) -> None:
        options.report(Progress(done, parts, math.nan, done / max(1e-9, time.monotonic() - start)))

    own, checked, *others = taught_answers(config, reader, taught, [check.texts, *asked], report)
    told = zip([taught.texts, *asked], [own, *others], strict=True)
    write_atomic(config.out / ANSWERS, to_safetensors({digest_of(texts): answers.half() for texts, answers in told}))
    hits = check.targets.gather(1, checked.argmax(dim=1, keepdim=True)) > 0
    metrics = Measurements([CORPORA[config.taught].measured("hit1", float(hits.float().mean()))])
    following = f"clip-emotion train configs/train/mini_17_messages.yaml # its answers lie in {config.out}"
    return Outcome(metrics, config.out, (), (following,))


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
