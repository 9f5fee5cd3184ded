"""The door to Ray: a start that fails is one sentence, and what was begun is ended."""

from __future__ import annotations

import pytest

from clip_emotion.errors import ClipEmotionError

ray = pytest.importorskip("ray")


def test_a_start_that_fails_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from clip_emotion.ray_session import ray_session

    ended = []

    def init(**options: object) -> None:
        raise Exception("The current node timed out\nduring startup.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append(True))
    sentence = r"Ray did not start \(The current node timed out during startup"
    with pytest.raises(ClipEmotionError, match=sentence), ray_session({}):
        pass
    assert ended == [True]
