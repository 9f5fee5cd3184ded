"""Twenty people at once, for a few seconds; ``benchmarks/web_load.py`` is fifty for two minutes."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.real_data  # a server under load


def test_people_at_once_are_all_answered() -> None:
    from web_load import load

    seen, rate = load(20, 10)
    assert set(seen.statuses) <= {200, 303}
    assert seen.pictures > 20
    assert rate > 0.5


def test_more_than_may_wait_are_sent_away_at_once() -> None:
    from web_load import load

    seen, _ = load(12, 5, {"CLIP_EMOTION_WEB_QUEUE": "8"})
    assert set(seen.statuses) <= {200, 303, 503}
    assert seen.statuses[503] > 0
    assert seen.statuses[303] > 0
