"""Dates in numbers alone, as programs write them for their user's country: which number is the day, which the month.

No single date such as 3/4/26 tells it. A whole export does where one of its numbers can be no month, where a day of the
week stands beside it, or where only one order leaves the messages in the order of time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from clip_emotion.errors import DataError, UsageError

ORDERS: dict[str, str] = {"dmy": "day, month, year", "mdy": "month, day, year", "ymd": "year, month, day"}
"""The orders in which countries write dates."""
_PLACES = {order: tuple(order.index(part) for part in "ymd") for order in ORDERS}
_CENTURY = 2000


@dataclass(frozen=True, slots=True)
class WrittenDate:
    """Three numbers as written, the orders in which they may stand, and the day of the week (0: Monday) if given."""

    numbers: tuple[int, int, int]
    orders: tuple[str, ...]
    weekday: int | None = None

    def read(self, order: str, earliest: int = 0) -> date | None:
        """Return the date in an order, or None where none is meant so: it does not exist, or is before a year.

        A date that begins with its year for certain is read so in any case.
        """
        order = "ymd" if self.orders == ("ymd",) else order
        year, month, day = (self.numbers[place] for place in _PLACES[order])
        try:
            found = date(year if year >= 1000 else year + _CENTURY, month, day)
        except ValueError:
            return None
        wrong_day = self.weekday is not None and found.weekday() != self.weekday
        return None if wrong_day or found.year < earliest or year in range(100, 1000) else found


def written_date(one: str, two: str, three: str, sign: str, weekday: int | None = None) -> WrittenDate:
    """Return the date that three numbers are, parted by a sign; the year is the number of four digits, if there is one.

    With dots between them no country writes the month first, and the year only with a space behind each dot.
    """
    if len(one) == 4:
        orders: tuple[str, ...] = ("ymd",)
    elif len(three) == 4:
        orders = ("dmy",) if sign.startswith(".") else ("dmy", "mdy")
    else:
        orders = {".": ("dmy",), ". ": ("dmy", "ymd")}.get(sign, ("dmy", "mdy", "ymd"))
    return WrittenDate((int(one), int(two), int(three)), orders, weekday)


@dataclass
class OrderEvidence:
    """Collects dates, in the order in which they stand, and says which orders they leave open.

    ``earliest`` is a year in which the program was not there yet, so that no date lies before it. ``given`` is the
    order where it is known beforehand.
    """

    earliest: int = 0
    given: str | None = None
    _misses: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ORDERS, 0))
    _falls: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ORDERS, 0))
    _read: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ORDERS, 0))
    _last: dict[str, date] = field(default_factory=dict)
    _before: WrittenDate | None = None

    def add(self, written: WrittenDate) -> None:
        """Take the next date."""
        if written == self._before:
            return
        self._before = written
        for order in ORDERS:
            found = written.read(order, self.earliest) if order in written.orders else None
            self._read[order] = hash((self._read[order], found))
            if found is None:
                self._misses[order] += 1
                continue
            self._falls[order] += order in self._last and found < self._last[order]
            self._last[order] = found

    def order_of(self, written: WrittenDate) -> str | None:
        """Take the next date and return the order in which it is read, or None where several are open."""
        if self.given is not None:
            return self.given
        self.add(written)
        return self.orders[0] if len(self.orders) == 1 else None

    @property
    def orders(self) -> tuple[str, ...]:
        """The orders in which the fewest dates do not exist and, among these, the fewest go back in time."""
        if self._before is None:
            return tuple(ORDERS)
        fewest = min(self._misses.values())
        left = [order for order in ORDERS if self._misses[order] == fewest]
        falls = min(self._falls[order] for order in left)
        # Where none is quite in order, an export holds strays, and only a clear difference tells.
        most = 2 * falls + 2 if falls else 0
        left = [order for order in left if self._falls[order] <= most]
        # Orders in which all dates so far are the same (5/5/26) differ in nothing.
        return tuple({self._read[order]: order for order in reversed(left)}.values())[::-1]


def told_order(dates: Iterable[WrittenDate], given: str | None, name: str, earliest: int = 0) -> str | None:
    """Return the order of an input's dates: the one that the user gave, else the one that they tell (None: no dates).

    Raises DataError, which asks for ``--date-order``, where they tell none.
    """
    if given is not None:
        return given
    evidence, seen = OrderEvidence(earliest), None
    for written in dates:
        seen = seen or written
        evidence.add(written)
    orders = evidence.orders
    if seen is None:
        return None
    if len(orders) == 1:
        return orders[0]
    meant = [found.isoformat() for order in orders if (found := seen.read(order))]
    shown = "/".join(map(str, seen.numbers))
    raise DataError(
        f"The dates of {name} do not tell day, month and year apart ({shown} may be {' or '.join(meant)}): say which "
        f"with --date-order {' or '.join(orders)}."
    )


def check_order(order: str | None) -> None:
    """Raise UsageError where there is no order of this name, and name those there are."""
    if order is not None and order not in ORDERS:
        known = ", ".join(f"{name} ({words})" for name, words in ORDERS.items())
        raise UsageError(f"Unknown date order '{order}': use one of {known}.")
