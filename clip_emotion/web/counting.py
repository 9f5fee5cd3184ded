"""Counts of a person's labelled pictures: by day or week and basic emotion, and by vocabulary and word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from clip_emotion.web.database.tables import LABEL, Result, now
from clip_emotion.web.wording import OTHER

PERIODS = {"90": 90, "30": 30, "365": 365, "all": None}
"""Days that a dashboard looks back on; the first is meant where none is named."""
UNITS = ("week", "day")
MOST_DAYS, MOST_WEEKS = 400, 530
"""Columns that a chart takes: more days are counted by the week, more weeks show the latest."""


@dataclass(frozen=True)
class Column:
    """A day, or a week by its Monday, with its pictures by basic emotion."""

    begin: date
    families: Mapping[str, int]

    @property
    def total(self) -> int:
        """How many pictures there are."""
        return sum(self.families.values())


@dataclass(frozen=True)
class Counts:
    """What a dashboard tells: ``words`` are pictures by vocabulary and the key of the leading word."""

    unit: str
    columns: tuple[Column, ...]
    words: Mapping[str, Counter[str]]

    @property
    def total(self) -> int:
        """How many pictures there are."""
        return sum(column.total for column in self.columns)

    @property
    def families(self) -> Counter[str]:
        """Pictures by basic emotion."""
        total: Counter[str] = Counter()
        for column in self.columns:
            total.update(column.families)
        return total


def counts_of(db: Session, owner_id: str, period: str, unit: str) -> Counts:
    """Count the saved pictures of a period that ends today; both queries read indexes alone."""
    mine = (Result.owner_id == owner_id) & Result.saved.is_(True) & (Result.kind == LABEL)
    if days := PERIODS[period]:
        mine &= Result.day > now().date() - timedelta(days=days)
    return Counts(*_columns(_by_day(db, mine), unit), _by_word(db, mine))


def _by_day(db: Session, mine: ColumnElement[bool]) -> dict[date, Counter[str]]:
    query = select(Result.day, Result.family, func.count()).where(mine).group_by(Result.day, Result.family)
    found: dict[date, Counter[str]] = {}
    for day, family, count in db.execute(query):
        found.setdefault(day, Counter())[family or OTHER] += count
    return found


def _by_word(db: Session, mine: ColumnElement[bool]) -> dict[str, Counter[str]]:
    columns = (Result.vocabulary, Result.leading)
    found: dict[str, Counter[str]] = {}
    for vocabulary, word, count in db.execute(select(*columns, func.count()).where(mine).group_by(*columns)):
        if word is not None:
            found.setdefault(vocabulary, Counter())[word] += count
    return found


def _columns(days: Mapping[date, Counter[str]], unit: str) -> tuple[str, tuple[Column, ...]]:
    if not days:
        return unit, ()
    first, last = min(days), max(days)
    if (last - first).days >= MOST_DAYS:
        unit = "week"
    step, most = (7, MOST_WEEKS) if unit == "week" else (1, MOST_DAYS)
    begins: dict[date, Counter[str]] = {}
    for day, found in days.items():
        begins.setdefault(_begin(day, step), Counter()).update(found)
    first, last = max(_begin(first, step), _begin(last, step) - timedelta(days=step * (most - 1))), _begin(last, step)
    number = (last - first).days // step + 1
    days_of = (first + timedelta(days=step * at) for at in range(number))
    return unit, tuple(Column(begin, begins.get(begin, Counter())) for begin in days_of)


def _begin(day: date, step: int) -> date:
    return day - timedelta(days=day.weekday()) if step == 7 else day
