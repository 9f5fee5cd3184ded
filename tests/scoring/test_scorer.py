from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.label import Label
from clip_emotion.vocabulary import Vocabulary
from scoring.affection.scorer import AffectionScorer
from scoring.affection.weights import AffectionWeights
from scoring.config import BootstrapConfig, RecencyConfig, ScoreConfig
from scoring.conversation import Conversation, Fault, Turn
from scoring.emotions.base import Judgement
from scoring.result import Summary, TurnScore

VOCABULARY = Vocabulary(
    "three",
    (
        Label("love", {"ko": "사랑", "en": "love"}),
        Label("calm", {"ko": "평온", "en": "calm"}),
        Label("hate", {"ko": "증오", "en": "hate"}),
    ),
)
WEIGHTS = AffectionWeights(VOCABULARY.keys, np.array([1.0, 0.1, -0.8]), "by hand")
RECENCIES = [
    RecencyConfig(kind="linear"),
    RecencyConfig(kind="uniform"),
    RecencyConfig(kind="exponential", half_life=4.0),
    RecencyConfig(kind="exponential", half_life=30.0, unit="minutes"),
    RecencyConfig(kind="peak-end"),
]
every_recency = pytest.mark.parametrize("recency", RECENCIES, ids=["linear", "uniform", "turns", "minutes", "peak-end"])
START = datetime(2024, 5, 1, 9, 0)


class FakeEmotion:
    """A TurnEmotion that draws a turn's probabilities from its text, and knows nothing of a turn without one."""

    name = "fake"
    vocabulary = VOCABULARY

    notices = ("drawn from a hat",)

    def __init__(self) -> None:
        self.calls = 0

    def emotions(self, turns: Sequence[Turn]) -> Judgement:
        self.calls += 1
        rows = [self._row(turn.text) for turn in turns]
        return Judgement(np.array(rows, dtype=np.float64).reshape(len(turns), 3), self._reasons(turns), (self.name,))

    def _reasons(self, turns: Sequence[Turn]) -> dict[int, str]:
        return {}

    def _row(self, text: str) -> np.ndarray:
        if not text.strip() or text == "?":
            return np.full(3, np.nan)
        return np.random.default_rng(sum(map(ord, text)) * 7919 + len(text)).dirichlet(np.ones(3))


def chat(count: int, seed: int = 0, speakers: Sequence[str] = ("민수", "지은", "ann")) -> Conversation:
    """Return a chat of interleaved speakers, with photos left out by the export and a clock that goes back at times."""
    generator = np.random.default_rng(seed)
    turns, minute = [], 0.0
    for index in range(1, count + 1):
        minute += float(generator.integers(-3, 30))
        photo = generator.random() < 0.2
        turns.append(
            Turn(
                index=index,
                speaker=str(generator.choice(list(speakers))),
                text="" if photo else f"말 {generator.integers(10**6)}",
                time=START + timedelta(minutes=minute),
                media="photo" if photo else None,
            )
        )
    return Conversation("chat", tuple(turns), layout="made", system_lines=2, faults=(Fault(9, "odd", "…"),))


def scorer(recency: RecencyConfig | None = None, emotion: FakeEmotion | None = None) -> AffectionScorer:
    config = ScoreConfig(recency=recency or RecencyConfig(), bootstrap=BootstrapConfig(resamples=200))
    return AffectionScorer(emotion or FakeEmotion(), WEIGHTS, config)


def assert_same_turns(live: Sequence[TurnScore], whole: Sequence[TurnScore]) -> None:
    assert len(live) == len(whole)
    for one, other in zip(live, whole, strict=True):
        assert (one.turn, one.error) == (other.turn, other.error)
        assert one.score == pytest.approx(other.score, abs=1e-6)
        assert one.running == pytest.approx(other.running, abs=1e-6)
        assert one.emotions == pytest.approx(other.emotions, abs=1e-6)
        assert one.contributions == pytest.approx(other.contributions, abs=1e-6)


def assert_same_summary(live: Summary, whole: Summary) -> None:
    assert live.turns == whole.turns
    assert live.score == pytest.approx(whole.score, abs=1e-6)
    assert live.raw == pytest.approx(whole.raw, abs=1e-6)
    assert live.contributions == pytest.approx(whole.contributions, abs=1e-6)
    assert live.ci95 is None


@every_recency
@pytest.mark.parametrize("seed", range(3))
def test_live_turns_give_what_the_whole_chat_gives(recency: RecencyConfig, seed: int) -> None:
    conversation = chat(150, seed)
    one = scorer(recency)
    whole = one.score(conversation)
    assert_same_turns([one.update(turn) for turn in conversation.turns], whole.turns)
    total, speakers = one.summary()
    assert_same_summary(total, whole.conversation)
    assert list(speakers) == list(whole.speakers) == list(conversation.speakers)
    for name, summary in speakers.items():
        assert_same_summary(summary, whole.speakers[name])


@every_recency
def test_scores_follow_the_definitions(recency: RecencyConfig) -> None:
    conversation = chat(60, 5)
    result = scorer(recency).score(conversation)
    scored = [turn for turn in result.turns if turn.score is not None]
    values, count = [float(turn.score or 0) for turn in scored], len(scored)
    clocks = [(turn.turn.time or START).timestamp() / 60 for turn in scored]
    assert 30 < count < 60
    for turn in scored:
        by_hand = {key: p * w for (key, p), w in zip(turn.emotions.items(), WEIGHTS.values.tolist(), strict=True)}
        assert turn.contributions == pytest.approx(by_hand)
        assert turn.score == pytest.approx(sum(by_hand.values()))

    def recency_of(t: int) -> float:
        if recency.kind == "exponential" and recency.unit == "minutes":
            return float(2 ** (-(max(clocks) - max(clocks[:t])) / recency.half_life))
        return {"linear": t / count, "uniform": 1.0, "exponential": 2 ** (-(count - t) / recency.half_life)}[
            recency.kind
        ]

    for name in (None, *conversation.speakers):
        own = [t for t in range(1, count + 1) if name is None or scored[t - 1].turn.speaker == name]
        summary = result.conversation if name is None else result.speakers[name]
        assert summary.turns == len(own)
        assert summary.raw == pytest.approx(sum(t / count * values[t - 1] for t in own))
        if recency.kind == "peak-end":
            peak = max(reversed(own), key=lambda t: abs(values[t - 1]))
            expected = (values[peak - 1] + values[own[-1] - 1]) / 2
        else:
            weight = sum(recency_of(t) for t in own)
            expected = sum(recency_of(t) * values[t - 1] for t in own) / weight
        assert summary.score == pytest.approx(expected)
        assert sum(summary.contributions.values()) == pytest.approx(expected)


@every_recency
def test_the_speakers_raw_scores_add_up_and_the_last_running_score_is_the_score(recency: RecencyConfig) -> None:
    result = scorer(recency).score(chat(80, 6))
    assert sum(part.raw or 0 for part in result.speakers.values()) == pytest.approx(result.conversation.raw)
    assert [turn.running for turn in result.turns if turn.running is not None][-1] == pytest.approx(
        result.conversation.score
    )


def test_unscored_turns_change_nothing_but_their_own_rows() -> None:
    conversation = chat(50, 7)
    said = tuple(turn for turn in conversation.turns if turn.text)
    with_photos, without = scorer().score(conversation), scorer().score(Conversation("chat", said))
    assert with_photos.conversation == without.conversation
    assert [turn for turn in with_photos.turns if turn.error is None] == list(without.turns)
    assert {name: part for name, part in with_photos.speakers.items() if part.turns} == dict(without.speakers)


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        (Turn(1, "a", "", media="photo"), "photo: the export holds no picture"),
        (Turn(1, "a", "", media="deleted"), "deleted: the message was deleted"),
        (Turn(1, "a", "", media="video"), "video: the export left it out"),
        (Turn(1, "a", "  "), "no words"),
        (Turn(1, "a", "?"), "nothing that fake could judge by"),
        (Turn(1, "a", "", image=Path("a.jpg")), "nothing that fake could judge by"),
    ],
)
def test_an_unscored_turn_says_why(turn: Turn, reason: str) -> None:
    live, (whole,) = scorer().update(turn), scorer().score(Conversation("x", (turn,))).turns
    assert live == whole == TurnScore(turn, None, None, {}, {}, error=reason)
    assert whole.dominant is None


def test_the_reason_is_the_emotions_own_where_they_tell_one() -> None:
    class Telling(FakeEmotion):
        def _reasons(self, turns: Sequence[Turn]) -> dict[int, str]:
            return {turn.index: "no picture" for turn in turns}

    turns = (Turn(1, "a", "?"), Turn(2, "a", "안녕"), Turn(3, "a", "", media="photo"))
    one = scorer(emotion=Telling())
    whole = one.score(Conversation("x", turns)).turns
    assert [turn.error for turn in whole] == ["no picture", None, "photo: the export holds no picture"]
    assert [one.update(turn).error for turn in turns] == [turn.error for turn in whole]


def test_a_notice_tells_of_a_picture_that_could_not_be_used_beside_its_text() -> None:
    class Telling(FakeEmotion):
        def _reasons(self, turns: Sequence[Turn]) -> dict[int, str]:
            return {2: "picture: The file is empty.", 3: "no picture"}

    turns = (Turn(1, "a", "안녕"), Turn(2, "a", "응", image=Path("a.jpg")), Turn(3, "a", "?"))
    told = "1 turn was scored without a part that could not be used: turn 2, picture: The file is empty."
    assert scorer(emotion=Telling()).score(Conversation("x", turns)).notices == ("drawn from a hat", told)
    assert scorer(emotion=Telling()).score(Conversation("x", turns[::2])).notices == ("drawn from a hat",)


def test_a_chat_of_nothing_has_no_score() -> None:
    for turns in ((), (Turn(1, "a", "", media="photo"),)):
        one = scorer()
        result = one.score(Conversation("x", turns))
        nothing = Summary(turns=0, score=None, raw=None, ci95=None)
        assert result.conversation == nothing
        assert result.speakers == {turn.speaker: nothing for turn in turns}
        assert result.shifts == ()
        for turn in turns:
            one.update(turn)
        assert one.summary() == (nothing, result.speakers)


def test_one_turn_is_the_whole_score_and_has_no_interval() -> None:
    result = scorer().score(Conversation("x", (Turn(1, "a", "안녕"),)))
    assert result.conversation.score == result.conversation.raw == result.turns[0].score
    assert result.conversation.ci95 is None


def test_the_result_says_where_it_comes_from_and_asks_the_emotions_once() -> None:
    emotion, conversation = FakeEmotion(), chat(30, 8)
    result = scorer(emotion=emotion).score(conversation)
    assert emotion.calls == 1
    assert (result.name, result.layout, result.system_lines) == ("chat", "made", 2)
    assert result.faults == conversation.faults
    assert (result.emotions_from, result.weights_from) == ("fake", "by hand")
    assert result.settings == ScoreConfig(vocabulary="three", bootstrap=BootstrapConfig(resamples=200))
    assert result.labels == {"love": "사랑", "calm": "평온", "hate": "증오"}
    assert result.notices == ("drawn from a hat",)
    interval, score = result.conversation.ci95, result.conversation.score
    assert interval is not None
    assert score is not None
    assert interval[0] < score < interval[1]


def test_numbers_in_a_result_are_plain_python() -> None:
    result = scorer().score(chat(40, 9))
    one = scorer()
    rows = [*result.turns, one.update(chat(5, 9).turns[0])]
    for turn in rows:
        numbers = [turn.score, turn.running, *turn.emotions.values(), *turn.contributions.values()]
        assert {type(number) for number in numbers} <= {float, type(None)}
    for summary in (result.conversation, *result.speakers.values(), one.summary()[0]):
        numbers = [summary.score, summary.raw, *(summary.ci95 or ()), *summary.contributions.values()]
        assert {type(number) for number in numbers} <= {float, type(None)}
        assert type(summary.turns) is int


def test_a_warm_chat_that_turns_cold_has_a_shift() -> None:
    class Told(FakeEmotion):
        def _row(self, text: str) -> np.ndarray:
            return np.array([0.8, 0.1, 0.1] if "좋" in text else [0.1, 0.1, 0.8])

    turns = tuple(Turn(index, "a", "좋아" if index <= 12 else "싫어") for index in range(1, 25))
    (shift,) = scorer(emotion=Told()).score(Conversation("x", turns)).shifts
    assert shift.index == 13
    assert shift.before == pytest.approx(0.8 + 0.01 - 0.08)
    assert shift.after == pytest.approx(0.1 + 0.01 - 0.64)


def test_weights_of_other_labels_are_refused() -> None:
    other = AffectionWeights(("love", "hate", "calm"), np.zeros(3), "x")
    with pytest.raises(UsageError, match="vocabulary 'three'"):
        AffectionScorer(FakeEmotion(), other, ScoreConfig())


def test_emotions_of_a_wrong_shape_are_refused() -> None:
    class Broken(FakeEmotion):
        def emotions(self, turns: Sequence[Turn]) -> Judgement:
            return Judgement(np.zeros((len(turns), 2)))

    with pytest.raises(ModelError, match=r"\(1, 2\)"):
        scorer(emotion=Broken()).update(Turn(1, "a", "안녕"))


def test_minutes_need_times_of_the_scored_turns_alone() -> None:
    recency = RecencyConfig(kind="exponential", unit="minutes")
    timed, photo = Turn(1, "a", "안녕", time=START), Turn(2, "b", "", media="photo")
    one = scorer(recency)
    assert one.score(Conversation("x", (timed, photo))).conversation.turns == 1
    bare = Turn(3, "b", "응")
    with pytest.raises(UsageError, match=r"A half-life in time \(10m\) .*--half-life in turns"):
        one.score(Conversation("x", (timed, bare)))
    one.update(timed)
    before = one.summary()
    with pytest.raises(UsageError, match="--half-life in turns"):
        one.update(bare)
    assert one.summary() == before


def test_times_with_and_without_a_zone_go_together() -> None:
    recency = RecencyConfig(kind="exponential", half_life=60.0, unit="minutes")
    turns = (
        Turn(1, "a", "하나", time=datetime(2024, 5, 1, 18, 0, tzinfo=timezone(timedelta(hours=9)))),
        Turn(2, "a", "둘", time=datetime(2024, 5, 1, 10, 0)),
    )
    first, second = (turn.score or 0 for turn in scorer(recency).score(Conversation("x", turns)).turns)
    score = scorer(recency).score(Conversation("x", turns)).conversation.score
    assert score == pytest.approx((first / 2 + second) / 1.5)


def test_scoring_a_whole_chat_leaves_the_live_one_alone_and_reset_forgets_it() -> None:
    one, turns = scorer(), chat(20, 10).turns
    for turn in turns[:10]:
        one.update(turn)
    before = one.summary()
    one.score(chat(30, 11))
    assert one.summary() == before
    one.reset()
    assert one.summary() == (Summary(0, None, None, None), {})
    again = [one.update(turn) for turn in turns]
    assert_same_turns(again, scorer().score(Conversation("x", turns)).turns)


@every_recency
def test_live_memory_does_not_depend_on_the_length(recency: RecencyConfig) -> None:
    class Told(FakeEmotion):
        def emotions(self, turns: Sequence[Turn]) -> Judgement:
            return Judgement(np.full((len(turns), 3), 1 / 3))

    one = scorer(recency, Told())

    def say(first: int, count: int) -> None:
        for index in range(first, first + count):
            one.update(Turn(index, "ab"[index % 2], f"말 {index}", time=START + timedelta(minutes=index)))

    say(1, 100)
    tracemalloc.start()
    try:
        say(101, 100)
        gc.collect()
        early = tracemalloc.get_traced_memory()[0]
        say(201, 1000)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - early
    finally:
        tracemalloc.stop()
    assert grown < 8000  # eight bytes a turn; a list of scores would take more


def test_progress_counts_every_turn_and_changes_no_score() -> None:
    conversation, told = chat(1200, 3), []
    one = scorer()
    assert one.score(conversation, told.append) == scorer().score(conversation)
    assert (sum(told), len(told)) == (1200, 3)


def test_a_result_says_what_its_own_turns_were_judged_by() -> None:
    class Sourced(FakeEmotion):
        def emotions(self, turns: Sequence[Turn]) -> Judgement:
            found = super().emotions(turns).probabilities
            sources = ("given", "fake") if any(turn.emotions for turn in turns) else ("fake",)
            return Judgement(found, sources=sources, notices=("seen",))

    one = scorer(emotion=Sourced())
    own = Turn(1, "a", "안녕", emotions={"love": 1.0})
    assert one.score(Conversation("x", (own,))).emotions_from == "given, else fake"
    plain = one.score(Conversation("x", (Turn(1, "a", "안녕"),)))
    assert plain.emotions_from == "fake"
    assert plain.notices == ("drawn from a hat", "seen")
    assert one.notices == ("drawn from a hat",)
