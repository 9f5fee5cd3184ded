"""The kind ``sentence_teacher``: from a sentence encoder to its answers on the English sentences that train."""

from __future__ import annotations

from collections.abc import Iterable

from safetensors.torch import save as to_safetensors

from clip_emotion.files import write_atomic
from clip_emotion.training.loop.fit import fit
from clip_emotion.training.loop.run_folder import ANSWERS
from clip_emotion.training.mini.answers import TAUGHT, SentenceTeacherObjective
from clip_emotion.training.mini.answers_config import SentenceTeacherConfig
from clip_emotion.training.mini.chats_tasks import chat_rows
from clip_emotion.training.mini.teacher import digest_of, load_sentences, model_folder
from clip_emotion.training.sources import RawSource
from clip_emotion.training.stage import Made, Outcome, RunOptions, Stage

ANSWERED = (TAUGHT, "emocontext", "emorynlp")
"""The corpora of English sentences that the teacher answers on."""


def train_teacher(config: SentenceTeacherConfig, options: RunOptions) -> Outcome:
    """Fine-tune the teacher; ``out`` receives its answers on the English sentences that train."""
    training, validation = chat_rows(config.sources)
    objective = SentenceTeacherObjective(config, load_sentences(), training[TAUGHT], validation[TAUGHT])
    result = fit(objective, config.fit, config.out, options.report, options.resume, SENTENCE_TEACHER.compared(config))
    answers = {}
    for texts in (training[name].texts for name in ANSWERED):
        answers[digest_of(texts)] = objective.read(result.model, objective.sentences.ids(texts)).half()
    write_atomic(config.out / ANSWERS, to_safetensors(answers))
    following = "clip-emotion train configs/train/mini_13_messages.yaml"
    return Outcome(result.metrics, config.out, result.notes, (following,))


def check_teacher(config: SentenceTeacherConfig, source: str, made: Made) -> Iterable[RawSource]:
    """Return the raw data that the stage reads; raises UsageError where the extra ``teacher`` is not installed."""
    model_folder()
    made[config.out] = 0
    return [*config.sources.raw().values(), *config.sources.chats().values()]


SENTENCE_TEACHER = Stage(
    "sentence_teacher",
    SentenceTeacherConfig,
    check_teacher,
    train_teacher,
    uncompared=dict.fromkeys(("fit", "out", "sources"), True),
)
