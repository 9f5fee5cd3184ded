"""A conversation scored from the emotions of its turns: in one go, or live, turn by turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clip_emotion.arrays import FloatArray, IntArray
from clip_emotion.errors import ModelError, UsageError
from scoring.affection import bootstrap, equations, recency
from scoring.affection.change_points import mood_shifts
from scoring.affection.recency import RunningScore
from scoring.config import ScoreConfig
from scoring.conversation import Conversation, Turn
from scoring.emotions.base import Judgement, TurnEmotion, sources_in_words
from scoring.result import ConversationScore, Summary, TurnScore

if TYPE_CHECKING:
    from scoring.affection.weights import AffectionWeights

_MEDIA_REASONS = {"photo": "the export holds no picture", "deleted": "the message was deleted"}
_CHUNK = 512
"""Turns that are judged at a time, after which progress is told."""
_NOTHING = Summary(turns=0, score=None, raw=None, ci95=None)


class AffectionScorer:
    """Scores conversations by an emotion per turn and a weight per label; see ``scoring.affection.equations``.

    ``score`` takes a whole conversation. ``update`` takes one turn at a time and gives the same turn scores and running
    scores; it keeps a few numbers per speaker, however long the conversation. The two do not touch each other.
    ``language`` is that of the labels' shown names, which ``labels`` holds by key; ``notices`` are the emotion's own.
    Raises UsageError where the weights are of other labels.
    """

    def __init__(
        self, emotion: TurnEmotion, weights: AffectionWeights, config: ScoreConfig, language: str = "ko"
    ) -> None:
        vocabulary = emotion.vocabulary
        if tuple(weights.keys) != vocabulary.keys:
            raise UsageError(
                f"The weights are of other labels than vocabulary '{vocabulary.name}', in which {emotion.name} gives "
                "emotions: make both from one vocabulary."
            )
        # What a result says of its vocabulary holds for words given by hand, too.
        self._config = config.model_copy(update={"vocabulary": vocabulary.name})
        self._emotion, self._weights = emotion, weights
        self._keys = vocabulary.keys
        self.notices = tuple(emotion.notices)
        self._language = language
        self.labels: Mapping[str, str] = dict(zip(vocabulary.keys, vocabulary.names(language), strict=True))
        self.reset()

    def score(
        self, conversation: Conversation, progress: Callable[[int], None] = lambda turns: None
    ) -> ConversationScore:
        """Score a whole conversation; every turn has its row, in order, whether it could be scored or not.

        ``progress`` is told how many turns more have been judged. Raises UsageError where the half-life is in minutes
        and a scored turn has no time.
        """
        judgement = self._judge(conversation.turns, progress)
        shares, every = self._weighed(judgement)
        scored = np.flatnonzero(np.isfinite(every))
        turns = [conversation.turns[at] for at in scored.tolist()]
        scores, minutes = every[scored], np.array([turn.minute for turn in turns], dtype=np.float64)
        running = np.full(len(every), np.nan)
        running[scored] = recency.running_scores(scores, self._config.recency, minutes)
        parts = _parts(conversation.speakers, turns)
        parts_scored = {name: self._summary(scores, shares[scored], minutes, part) for name, part in parts.items()}
        return ConversationScore(
            name=conversation.name,
            conversation=self._summary(scores, shares[scored], minutes, np.arange(len(scores))),
            speakers=parts_scored,
            shifts=mood_shifts(scores, turns, self._config.shifts),
            turns=self._rows(conversation.turns, judgement, shares, every, running),
            settings=self._config,
            emotions_from=sources_in_words(judgement.sources) or self._emotion.name,
            weights_from=self._weights.source,
            labels=self.labels,
            language=self._language,
            faults=conversation.faults,
            system_lines=conversation.system_lines,
            layout=conversation.layout,
            notices=tuple(dict.fromkeys((*self.notices, *judgement.notices, *_unused(turns, judgement.reasons)))),
        )

    def update(self, turn: Turn) -> TurnScore:
        """Score the next turn of a live conversation; ``running`` is the conversation's score up to it.

        Raises UsageError, and leaves the conversation as it was, where the half-life is in minutes and the turn has no
        time.
        """
        judgement = self._judge([turn])
        shares, scores = self._weighed(judgement)
        running = np.full(1, np.nan)
        if np.isfinite(scores[0]):
            running[0] = self._whole.update(scores[0], turn.minute, shares=shares[0])
            # A speaker's turns keep their place, and their time, in the whole conversation.
            self._speaker(turn).update(scores[0], self._whole.clock, self._whole.position, shares[0])
        else:
            self._speaker(turn)
        return self._rows([turn], judgement, shares, scores, running)[0]

    def summary(self) -> tuple[Summary, dict[str, Summary]]:
        """Return the live conversation and each speaker's part in it so far; there are no intervals (``ci95``)."""
        speakers = {name: self._so_far(running) for name, running in self._speakers.items()}
        return self._so_far(self._whole), speakers

    def reset(self) -> None:
        """Forget the live conversation and begin another."""
        self._whole = RunningScore(self._config.recency)
        self._speakers: dict[str, RunningScore] = {}

    def _judge(self, turns: Sequence[Turn], progress: Callable[[int], None] = lambda turns: None) -> Judgement:
        parts = []
        for start in range(0, max(len(turns), 1), _CHUNK):
            chunk = turns[start : start + _CHUNK]
            parts.append(self._checked(self._emotion.emotions(chunk), len(chunk)))
            progress(len(chunk))
        return Judgement.joined(parts)

    def _checked(self, judgement: Judgement, count: int) -> Judgement:
        shape = np.shape(judgement.probabilities)
        if shape != (count, len(self._keys)):
            raise ModelError(
                f"{self._emotion.name} gave emotions of shape {shape} for {count} turns and {len(self._keys)} labels: "
                "it must give a row per turn and a column per label."
            )
        return judgement

    def _weighed(self, judgement: Judgement) -> tuple[FloatArray, FloatArray]:
        """Return contributions [T, L] and turn scores [T] of all turns, NaN where unscored."""
        p, weights = judgement.probabilities, self._weights.values
        return equations.contributions(p, weights), equations.turn_scores(p, weights)

    def _summary(self, scores: FloatArray, shares: FloatArray, minutes: FloatArray, part: IntArray) -> Summary:
        if not len(part):
            return _NOTHING
        scheme, own = self._config.recency, scores[part]
        weights = recency.recency_weights(len(scores), scheme, minutes, scores, part)
        return Summary(
            turns=len(part),
            score=equations.weighted_mean(own, weights),
            raw=equations.raw_score(scores, part),
            ci95=bootstrap.score_interval(own, weights, scheme, self._config.bootstrap),
            contributions=self._keyed(weights @ shares[part] / weights.sum()),
        )

    def _so_far(self, running: RunningScore) -> Summary:
        if not running.count:
            return _NOTHING
        raw = running.raw(total=self._whole.position)
        return Summary(running.count, running.score, raw, None, self._keyed(running.shares))

    def _rows(
        self, turns: Sequence[Turn], judgement: Judgement, shares: FloatArray, scores: FloatArray, running: FloatArray
    ) -> tuple[TurnScore, ...]:
        keys, columns = (
            self._keys,
            (judgement.probabilities.tolist(), shares.tolist(), scores.tolist(), running.tolist()),
        )
        return tuple(
            self._row(turn, score, so_far, dict(zip(keys, row, strict=True)), dict(zip(keys, parts, strict=True)))
            if math.isfinite(score)
            else TurnScore(turn, None, None, {}, {}, error=self._reason(turn, judgement.reasons))
            for turn, row, parts, score, so_far in zip(turns, *columns, strict=True)
        )

    def _row(
        self, turn: Turn, score: float, running: float, emotions: dict[str, float], shares: dict[str, float]
    ) -> TurnScore:
        clear = self._config.clarity.is_clear(max(emotions.values()), len(emotions))
        return TurnScore(turn, score, running, emotions, shares, clear=clear)

    def _reason(self, turn: Turn, reasons: Mapping[int, str]) -> str:
        if turn.media is not None:
            return f"{turn.media}: {_MEDIA_REASONS.get(turn.media, 'the export left it out')}"
        if turn.index in reasons:
            return reasons[turn.index]
        if not turn.text.strip() and turn.image is None:
            return "no words"
        return f"nothing that {self._emotion.name} could judge by"

    def _speaker(self, turn: Turn) -> RunningScore:
        return self._speakers.setdefault(turn.speaker, RunningScore(self._config.recency))

    def _keyed(self, values: FloatArray) -> dict[str, float]:
        return dict(zip(self._keys, values.tolist(), strict=True))


def _unused(turns: Sequence[Turn], reasons: Mapping[int, str]) -> tuple[str, ...]:
    """Return a sentence on what could not be used of turns that were scored all the same, if there is any."""
    flawed = [turn.index for turn in turns if turn.index in reasons]
    if not flawed:
        return ()
    count = "1 turn was" if len(flawed) == 1 else f"{len(flawed)} turns were"
    first = reasons[flawed[0]].rstrip(".")
    return (f"{count} scored without a part that could not be used: turn {flawed[0]}, {first}.",)


def _parts(speakers: Sequence[str], turns: Sequence[Turn]) -> dict[str, IntArray]:
    """Return the positions of each speaker's turns among the scored ones; none of a speaker who has no scored turn."""
    places: dict[str, list[int]] = {name: [] for name in speakers}
    for at, turn in enumerate(turns):
        places[turn.speaker].append(at)
    return {name: np.array(own, dtype=np.intp) for name, own in places.items()}
