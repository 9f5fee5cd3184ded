"""What tests of the command line share."""

from __future__ import annotations

import pytest

from tests.support.commands import Run, runner


@pytest.fixture
def run(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """Call the command line with a cache of this test's own."""
    monkeypatch.setenv("CLIP_EMOTION_CACHE", str(tmp_path_factory.mktemp("cache")))
    return runner(capfd)
