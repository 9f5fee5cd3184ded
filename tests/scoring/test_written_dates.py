"""Dates in numbers alone: which order they leave open."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_emotion.errors import DataError, UsageError
from scoring.readers import ReadOptions
from scoring.readers.written_dates import ORDERS, OrderEvidence, WrittenDate, told_order, written_date

FORMS = {"dmy": "{0.day}/{0.month}/{0:%y}", "mdy": "{0.month}/{0.day}/{0:%y}", "ymd": "{0:%y}/{0.month}/{0.day}"}


def written(text: str, weekday: int | None = None) -> WrittenDate:
    sign = next(sign for sign in (". ", ".", "-", "/") if sign in text)
    return written_date(*text.split(sign), sign, weekday)


def orders(*texts: str, earliest: int = 0) -> tuple[str, ...]:
    evidence = OrderEvidence(earliest)
    for text in texts:
        evidence.add(written(text))
    return evidence.orders


@pytest.mark.parametrize(
    ("texts", "left"),
    [
        (["2026/1/5"], ("ymd",)),
        (["1/5/2026"], ("dmy", "mdy")),
        (["5.1.2026"], ("dmy",)),
        (["05.01.26"], ("dmy",)),
        (["26. 1. 5"], ("ymd",)),
        (["13/5/2026"], ("dmy",)),
        (["5/13/2026"], ("mdy",)),
        (["5/5/2026"], ("dmy",)),
        (["1/2/2026", "2/1/2026"], ("mdy",)),
        (["2/1/2026", "1/2/2026"], ("dmy",)),
        (["1/5/2026", "1/6/2026", "1/7/2026"], ("dmy", "mdy")),
        (["26/8/31", "26/9/1"], ("ymd",)),
        (["24/8/22", "24/8/23"], ("dmy", "ymd")),
        ([], ("dmy", "mdy", "ymd")),
    ],
)
def test_what_dates_leave_open(texts: list[str], left: tuple[str, ...]) -> None:
    assert orders(*texts, earliest=2009) == left


def test_one_date_that_does_not_exist_settles_nothing_for_the_rest() -> None:
    assert orders("13/13/2026", "13/5/2026") == ("dmy",)


def test_a_stray_among_many_is_outvoted() -> None:
    days = [f"{day}/{month}/2026" for month in range(3, 12) for day in range(1, 13)]
    assert orders(*days[:6], "1/2/2026", *days[6:]) == ("dmy",)


def test_the_day_of_the_week_tells() -> None:
    evidence = OrderEvidence()
    evidence.add(written("1/5/2026", weekday=0))
    assert evidence.orders == ("mdy",)


def test_a_date_that_begins_with_its_year_is_no_question_of_order() -> None:
    assert [written("2026/1/5").read(order) for order in ORDERS] == [date(2026, 1, 5)] * 3


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(ORDERS)),
    st.dates(date(2009, 1, 1), date(2035, 1, 1)),
    st.lists(st.integers(0, 40), min_size=1, max_size=12),
)
def test_the_true_order_is_never_ruled_out(order: str, first: date, steps: list[int]) -> None:
    days, now = [], first
    for step in steps:
        now += timedelta(days=step)
        days.append(now)
    left = orders(*(FORMS[order].format(day) for day in days), earliest=2009)
    read = [[written(FORMS[order].format(day)).read(one) for day in days] for one in left]
    assert days in read


def test_what_is_not_told_is_asked_for() -> None:
    dates = [written("3/4/26")]
    with pytest.raises(DataError, match=r"3/4/26 may be 2026-04-03 or 2026-03-04.*--date-order dmy or mdy") as caught:
        told_order(dates, None, "chat.txt", 2009)
    assert "\n" not in str(caught.value)
    assert told_order(dates, "mdy", "chat.txt") == "mdy"
    assert told_order([], None, "chat.txt") is None
    with pytest.raises(UsageError, match="day, month, year"):
        ReadOptions(date_order="myd").check()


def test_dates_are_read_one_by_one_once_one_order_is_left() -> None:
    evidence = OrderEvidence()
    assert [evidence.order_of(written(text)) for text in ("3/4/26", "3/5/26", "3/25/26")] == [None, None, "mdy"]
    assert OrderEvidence(given="dmy").order_of(written("3/4/26")) == "dmy"
