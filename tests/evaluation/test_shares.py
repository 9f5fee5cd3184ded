"""Shares and their differences: published examples, and what holds of every share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_emotion.errors import UsageError
from clip_emotion.evaluation.shares import Share, difference_interval


@st.composite
def shares(draw: st.DrawFn) -> Share:
    rows = draw(st.integers(1, 500))
    return Share(draw(st.integers(0, rows)), rows)


def test_published_examples() -> None:
    # Newcombe (1998), table II, examples (a) and (h): 56/70 against 48/80, and 10/10 against 0/10.
    assert Share(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert difference_interval(Share(56, 70), Share(48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert difference_interval(Share(10, 10), Share(0, 10)) == pytest.approx((0.6075, 1.0), abs=5e-5)


@given(shares(), shares())
def test_what_holds_of_every_share(one: Share, other: Share) -> None:
    low, high = one.interval
    assert -1e-9 <= low <= one.value + 1e-9
    assert one.value - 1e-9 <= high <= 1 + 1e-9
    assert high > low
    low, high = difference_interval(one, other)
    assert -1 - 1e-9 <= low <= one.value - other.value <= high <= 1 + 1e-9
    assert difference_interval(other, one) == pytest.approx((-high, -low))


@pytest.mark.parametrize(("hits", "rows"), [(0, 0), (3, 2), (-1, 4)])
def test_what_is_no_share_is_refused(hits: int, rows: int) -> None:
    with pytest.raises(UsageError):
        Share(hits, rows)
