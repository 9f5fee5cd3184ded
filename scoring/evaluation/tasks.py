"""What is asked of scores: each published set of judged dialogues as questions with a truth and rival answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from clip_emotion.arrays import FloatArray, IntArray
from clip_emotion.data.held_out import text_held_out
from clip_emotion.errors import UsageError
from clip_emotion.training.mini.chats_tasks import HELD_OUT
from scoring.affection.equations import turn_scores
from scoring.affection.recency import normalised_score
from scoring.affection.weights import AffectionWeights
from scoring.config import RECENCY_KINDS, ScoreConfig
from scoring.conversation import Turn
from scoring.emotions.base import TurnEmotion
from scoring.evaluation.metrics import fit_thresholds, signs_of
from scoring.evaluation.tables import Dialogue, DialogueSet, Row, Tables, read_dialogues, read_rows

BATCH = 1024
LENGTH, CONSTANT, LAST, TURN = "length", "constant", "last turn", "turn score"
UNSEEN = ", never trained on"
ANSWERS = {
    "turn": (TURN, LENGTH, CONSTANT),
    "conversation": (*RECENCY_KINDS, LAST, LENGTH, CONSTANT),
}
"""Who answers a question about single turns, and who one about whole conversations; the baselines come last."""


class TextScores:
    """Turn scores of texts; each text is judged once, however often it is asked for."""

    def __init__(
        self, emotion: TurnEmotion, weights: AffectionWeights, progress: Callable[[int], None] = lambda steps: None
    ) -> None:
        if emotion.vocabulary.keys != weights.keys:
            raise UsageError(f"The weights belong to other labels than those of '{emotion.vocabulary.name}'.")
        self._emotion, self._weights, self._progress = emotion, weights, progress
        self._known: dict[str, float] = {}
        self.emotions_from, self.weights_from = emotion.name, weights.source

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """Return the turn scores [N]; NaN where nothing can be said of a text."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), BATCH):
            part = new[start : start + BATCH]
            turns = [Turn(index, "", text) for index, text in enumerate(part, start=1)]
            scores = turn_scores(self._emotion.emotions(turns).probabilities, self._weights.values)
            self._known.update(zip(part, scores.tolist(), strict=True))
            self._progress(len(part))
        return np.array([self._known[text] for text in texts], dtype=np.float64)


@dataclass(frozen=True)
class Question:
    """The truth [N] about turns or conversations, and what each of several scores answers [N].

    ``groups`` [N] are the dialogues that the rows belong to. ``level`` is ``turn`` or ``conversation``. ``unjudged``
    counts the rows that are left out, because some answer says nothing of them.
    """

    about: str
    level: str
    metric: str
    truth: FloatArray
    answers: Mapping[str, FloatArray]
    groups: IntArray
    unjudged: int = 0


@dataclass
class TaskContext:
    """What the tasks work with: tables, scores, configuration; they add sentences to ``notices``."""

    tables: Tables
    scores: TextScores
    config: ScoreConfig
    notices: list[str] = field(default_factory=list)


def _chatbot(context: TaskContext) -> Iterator[Question]:
    rows = [row for row in read_rows(context.tables, "chatbot") if row["label"] in ("1", "2")]
    for part, kept in _parts(rows, "question"):
        texts = [row["question"] for row in kept]
        truth = np.array([row["label"] == "2" for row in kept], dtype=np.float64)
        yield _turn_question(f"love against break-up, question{part}", "AUC", context.scores(texts), texts, truth)


def _emocontext(context: TaskContext) -> Iterator[Question]:
    rows = [row for row in read_rows(context.tables, "emocontext") if row["label"] in ("happy", "sad", "angry")]
    for part, kept in _parts(rows, "turn3"):
        truth = np.array([row["label"] == "happy" for row in kept], dtype=np.float64)
        last = [row["turn3"] for row in kept]
        about = "happy against angry and sad"
        yield _turn_question(f"{about}, last turn{part}", "AUC", context.scores(last), last, truth)
        chats = [[row["turn1"], row["turn2"], row["turn3"]] for row in kept]
        yield _conversation_question(f"{about}, three turns{part}", "AUC", chats, truth, context)


def _parts(rows: Sequence[Row], column: str) -> Iterator[tuple[str, Sequence[Row]]]:
    """Yield all rows, then those whose text no training here has seen; what is said of the latter is to be believed."""
    yield "", rows
    unseen = [row for row in rows if text_held_out(row[column], HELD_OUT)]
    if unseen:
        yield UNSEEN, unseen


@dataclass(frozen=True)
class DialogueTask:
    """Dialogues with a sentiment for each turn: one part to evaluate on, one to fit thresholds on."""

    evaluated: DialogueSet
    fitted: DialogueSet

    def __call__(self, context: TaskContext) -> Iterator[Question]:
        """Yield the questions about turns, then those about dialogues."""
        dialogues = read_dialogues(context.tables, self.evaluated)
        texts = [text for dialogue in dialogues for text in dialogue.texts]
        truth = np.array([sign for dialogue in dialogues for sign in dialogue.signs], dtype=np.float64)
        groups = np.repeat(np.arange(len(dialogues)), [len(dialogue.texts) for dialogue in dialogues])
        scores = context.scores(texts)
        about = f"sentiment of the turn, {self.evaluated.part}"
        yield _turn_question(about, "Spearman", scores, texts, truth, groups)
        if context.tables.has(self.fitted.table):
            answers = self._signs(read_dialogues(context.tables, self.fitted), scores, texts, context)
            yield _known_rows(Question(about, "turn", "macro-F1", truth, answers, groups))
        else:
            context.notices.append(f"No {self.fitted.table} to fit thresholds on: the macro-F1 is left out.")
        yield from self._whole(dialogues, context)

    def _signs(
        self, training: Sequence[Dialogue], scores: FloatArray, texts: Sequence[str], context: TaskContext
    ) -> dict[str, FloatArray]:
        """Return the answers as signs, by thresholds (and a majority) of the training part."""
        seen = [text for dialogue in training for text in dialogue.texts]
        truth = np.array([sign for dialogue in training for sign in dialogue.signs], dtype=np.float64)
        found = context.scores(seen)
        known = ~np.isnan(found)
        values, counts = np.unique(truth, return_counts=True)
        by_score = signs_of(scores, fit_thresholds(found[known], truth[known]))
        return {
            TURN: np.where(np.isnan(scores), np.nan, by_score),
            LENGTH: signs_of(_lengths(texts), fit_thresholds(_lengths(seen), truth)),
            CONSTANT: np.full(len(texts), values[np.argmax(counts)]),
        }

    def _whole(self, dialogues: Sequence[Dialogue], context: TaskContext) -> Iterator[Question]:
        chats = [dialogue.texts for dialogue in dialogues]
        mean = np.array([np.mean(dialogue.signs) for dialogue in dialogues])
        last = np.array([dialogue.signs[-1] for dialogue in dialogues], dtype=np.float64)
        part = self.evaluated.part
        yield _conversation_question(f"mean sentiment of the dialogue, {part}", "Spearman", chats, mean, context)
        yield _conversation_question(f"sentiment of the last turn, {part}", "Spearman", chats, last, context)


_MELD = {"negative": -1, "neutral": 0, "positive": 1}
# Zahiri and Choi (2018), "Emotion detection on TV show transcripts": their coarse-grained classes.
_EMORYNLP = {"joyful": 1, "peaceful": 1, "powerful": 1, "neutral": 0, "mad": -1, "sad": -1, "scared": -1}


@dataclass(frozen=True, slots=True)
class Task:
    """The table without which a task cannot be done, and what it asks."""

    table: str
    ask: Callable[[TaskContext], Iterator[Question]]


def _dialogues(name: str, column: str, signs: Mapping[str, int]) -> Task:
    dev, train = (DialogueSet(f"{name}_{part}", column, signs, part) for part in ("dev", "train"))
    return Task(dev.table, DialogueTask(dev, train))


TASKS = {
    "chatbot": Task("chatbot", _chatbot),
    "emocontext": Task("emocontext", _emocontext),
    "meld": _dialogues("meld", "sentiment", _MELD),
    "emorynlp": _dialogues("emorynlp", "emotion", _EMORYNLP),
}
"""What can be evaluated, by the name that --only takes."""


def _turn_question(
    about: str,
    metric: str,
    scores: FloatArray,
    texts: Sequence[str],
    truth: FloatArray,
    groups: IntArray | None = None,
) -> Question:
    answers = {TURN: scores, LENGTH: _lengths(texts), CONSTANT: np.zeros(len(texts))}
    own = np.arange(len(texts)) if groups is None else groups
    return _known_rows(Question(about, "turn", metric, truth, answers, own))


def _conversation_question(
    about: str, metric: str, chats: Sequence[Sequence[str]], truth: FloatArray, context: TaskContext
) -> Question:
    judged = [context.scores(texts) for texts in _all_at_once(chats, context)]
    kept = [scores[~np.isnan(scores)] for scores in judged]
    base = context.config.recency
    answers = {
        kind: np.array([normalised_score(scores, base.model_copy(update={"kind": kind})) for scores in kept])
        for kind in RECENCY_KINDS
    }
    answers[LAST] = np.array([scores[-1] if len(scores) else np.nan for scores in kept])
    answers[LENGTH] = np.array([sum(map(len, texts)) for texts in chats], dtype=np.float64)
    answers[CONSTANT] = np.zeros(len(chats))
    return _known_rows(Question(about, "conversation", metric, truth, answers, np.arange(len(chats))))


def _all_at_once(chats: Sequence[Sequence[str]], context: TaskContext) -> Sequence[Sequence[str]]:
    # Asked for together, texts are judged in whole batches; chat by chat they are then remembered.
    context.scores([text for texts in chats for text in texts])
    return chats


def _known_rows(question: Question) -> Question:
    """Leave out the rows that some answer says nothing of, so that all answers are measured on the same rows."""
    known = ~np.isnan(np.stack(list(question.answers.values()))).any(axis=0)
    answers = {name: answer[known] for name, answer in question.answers.items()}
    unjudged = int((~known).sum())
    truth, groups = question.truth[known], question.groups[known]
    return replace(question, truth=truth, answers=answers, groups=groups, unjudged=unjudged)


def _lengths(texts: Sequence[str]) -> FloatArray:
    return np.array([len(text) for text in texts], dtype=np.float64)
