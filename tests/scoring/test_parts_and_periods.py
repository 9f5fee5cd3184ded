"""Parts of one chat joined, days chosen, scores by day, week and month, and scores in short."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import pytest

from clip_emotion.errors import DataError, UsageError
from scoring.affection.periods import period_scores
from scoring.config import BootstrapConfig, RecencyConfig, ScoreConfig
from scoring.conversation import Conversation, Fault, Turn
from scoring.output.formats import as_dict
from scoring.output.summary_csv import summary_csv
from scoring.readers.dates import DateRange, parse_date
from scoring.readers.joining import join_conversations, parts_of_one_chat
from scoring.result import ConversationScore, Failure, Summary, TurnScore

START = datetime(2026, 1, 5, 9)


def chat(name: str, first_day: int, days: int = 2, speakers: tuple[str, ...] = ("민수", "영희")) -> Conversation:
    times = [START + timedelta(days=first_day + day, hours=at) for day in range(days) for at in range(len(speakers))]
    turns = (
        Turn(at, speakers[at % len(speakers)], f"{name} {time:%d %H}", time) for at, time in enumerate(times, start=1)
    )
    return Conversation(name, tuple(turns), "kakaotalk-ios", 3, (Fault(7, "bad", "x"),))


def test_parts_are_told_by_speakers_and_dates() -> None:
    one, other, third = chat("chat-1.txt", 0), chat("chat-2.txt", 5), chat("chat-3.txt", 9)
    assert parts_of_one_chat([third, one, other]) == [one, other, third]
    assert parts_of_one_chat([one, chat("chat-2.txt", 1)]) == []
    assert parts_of_one_chat([one, chat("chat-2.txt", 5, speakers=("민수", "철수"))]) == []
    assert parts_of_one_chat([one, chat("friends.txt", 5)])
    joined = chat("chat-2.txt", 5, speakers=("민수", "영희", "철수"))
    assert parts_of_one_chat([one, joined])
    assert parts_of_one_chat([one, replace(joined, name="friends.txt")]) == []
    timeless = replace(other, turns=tuple(replace(turn, time=None) for turn in other.turns))
    assert parts_of_one_chat([one, timeless]) == []


def test_parts_are_joined_in_order_of_time() -> None:
    one, other = chat("chat-1.txt", 0), chat("chat-2.txt", 5)
    joined = join_conversations([other, one])
    assert joined.name == "chat-2.txt + 1 more"
    assert [turn.text for turn in joined.turns] == [turn.text for part in (one, other) for turn in part.turns]
    assert [turn.index for turn in joined.turns] == list(range(1, 9))
    assert (joined.system_lines, [fault.reason for fault in joined.faults]) == (
        6,
        ["chat-2.txt: bad", "chat-1.txt: bad"],
    )


def test_what_two_exports_both_hold_counts_once() -> None:
    whole = chat("all.txt", 0, days=6)
    first = replace(whole, turns=whole.turns[:7])
    again = replace(whole.turns[2], index=99)
    second = replace(whole, turns=(*whole.turns[4:7], again, again, *whole.turns[7:]))
    texts = [turn.text for turn in join_conversations([first, second]).turns]
    assert sorted(texts) == sorted([*(turn.text for turn in whole.turns), again.text])


def test_strangers_are_not_joined() -> None:
    with pytest.raises(UsageError, match=r"other\.txt has no speaker in common"):
        join_conversations([chat("a.txt", 0), chat("b.txt", 3), chat("other.txt", 6, speakers=("A", "B"))])


def test_days_are_chosen_and_turns_keep_their_numbers() -> None:
    whole = chat("chat.txt", 0, days=4)
    assert DateRange().select(whole) is whole
    some = DateRange(date(2026, 1, 6), date(2026, 1, 7)).select(whole)
    assert [turn.index for turn in some.turns] == [3, 4, 5, 6]
    assert len(DateRange(first=date(2026, 1, 8)).select(whole).turns) == 2
    untimed = replace(whole, turns=tuple(replace(turn, time=None) if turn.index == 4 else turn for turn in whole.turns))
    assert [turn.index for turn in DateRange(last=date(2026, 1, 6)).select(untimed).turns] == [1, 2, 3, 4]
    with pytest.raises(DataError, match="its own are 2026-01-05 to 2026-01-08"):
        DateRange(first=date(2027, 1, 1)).select(whole)
    with pytest.raises(DataError, match="has no times"):
        DateRange(last=date(2027, 1, 1)).select(replace(whole, turns=(Turn(1, "A", "x"),)))
    with pytest.raises(UsageError, match="later than"):
        DateRange(date(2026, 1, 7), date(2026, 1, 6))


@pytest.mark.parametrize("text", ["2026-01-31", "2026. 1. 31.", "2026/1/31", "2026.1.31", "2026년 1월 31일"])
def test_dates_are_read(text: str) -> None:
    assert parse_date(text) == date(2026, 1, 31)


@pytest.mark.parametrize("text", ["2026-02-30", "scores.json", "2026-01-31.csv", "9" * 5000, "", "31.01.2026"])
def test_what_is_no_date(text: str) -> None:
    assert parse_date(text) is None


def scored(conversation: Conversation) -> ConversationScore:
    values = np.random.default_rng(1).uniform(-1, 1, len(conversation.turns))
    turns = [TurnScore(turn, value, value, {}, {}) for turn, value in zip(conversation.turns, values, strict=True)]
    unscored = TurnScore(replace(conversation.turns[-1], media="photo"), None, None, {}, {}, error="photo")
    whole = Summary(len(turns), 0.25, 1.0, (-0.5, 0.75))
    return ConversationScore(
        conversation.name,
        whole,
        {"민수": whole, "=영희": Summary(0, None, None, None)},
        (),
        (*turns, unscored),
        ScoreConfig(recency=RecencyConfig(kind="linear"), bootstrap=BootstrapConfig(resamples=200)),
        "fake",
        "by hand",
    )


@pytest.mark.parametrize(
    ("period", "starts"),
    [
        ("day", [date(2026, 1, 5) + timedelta(days=day) for day in range(30)]),
        ("week", [date(2026, 1, 5) + timedelta(weeks=week) for week in range(5)]),
        ("month", [date(2026, 1, 1), date(2026, 2, 1)]),
    ],
)
def test_scores_by_period_are_plain_means(period: str, starts: list[date]) -> None:
    score = scored(chat("chat.txt", 0, days=30))
    periods = period_scores(score, period)
    assert [one.start for one in periods] == starts
    assert sum(one.turns for one in periods) == 60
    ends = [*starts[1:], date.max]
    for one, end in zip(periods, ends, strict=True):
        days = ((turn.turn.time or START).date() for turn in score.turns)
        own = [turn.score for turn, day in zip(score.turns, days, strict=True) if one.start <= day < end]
        assert one.score == pytest.approx(np.mean([value for value in own if value is not None]))
        assert one.ci95 is not None
        assert one.ci95[0] <= one.score <= one.ci95[1]


def test_periods_need_times_and_a_known_name() -> None:
    with pytest.raises(UsageError, match="use one of day, week, month"):
        period_scores(scored(chat("chat.txt", 0)), "year")
    with pytest.raises(DataError, match="has no times"):
        period_scores(scored(Conversation("a", (Turn(1, "A", "x"),))), "day")


def test_scores_in_short() -> None:
    score = scored(chat("chat.txt", 0))
    score = replace(score, periods=period_scores(score, "week"))
    rows = list(csv.DictReader(io.StringIO(summary_csv([score, Failure("b.txt", "bad")]), newline="")))
    assert [(row["conversation"], row["speaker"], row["period"]) for row in rows] == [
        ("chat.txt", "", ""),
        ("chat.txt", "민수", ""),
        ("chat.txt", "'=영희", ""),
        ("chat.txt", "", "2026-01-05"),
        ("b.txt", "", ""),
    ]
    assert (rows[0]["turns"], rows[0]["score"], rows[0]["low"], rows[0]["high"]) == ("4", "0.25", "-0.5", "0.75")
    assert (rows[2]["score"], rows[2]["low"], rows[4]["error"]) == ("", "", "bad")
    (period,) = as_dict(score)["periods"]
    assert (period["start"], period["turns"]) == ("2026-01-05", 4)
    assert "periods" not in as_dict(replace(score, periods=()))
