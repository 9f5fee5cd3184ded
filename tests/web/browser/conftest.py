"""A real server and a real browser: Debian's Chromium through Playwright, or a skip that says what is missing.

``CLIP_EMOTION_SCREENSHOTS=/some/folder`` keeps a picture of every page that is looked at.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clip_emotion.web.settings import RATES
from tests.web.browser.visitor import Looks, Visitor

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))
from web_server import Server, serving

pytest.importorskip("playwright.sync_api", reason="pip install playwright axe-playwright-python")
from playwright.sync_api import Browser

LOOKS = {
    "ko-phone": Looks("ko-KR", 360, 780, phone=True),
    "ko-desk": Looks("ko-KR", 1280, 900),
    "en-phone": Looks("en-GB", 360, 740, phone=True),
    "en-desk": Looks("en-GB", 1440, 900),
}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    rates = json.dumps(dict.fromkeys(RATES, "10000/minute"))
    folder = Path(tmp_path_factory.mktemp("served"))
    with serving(folder / "data", environment={"CLIP_EMOTION_WEB_RATES": rates}) as running:
        yield running


@pytest.fixture(params=LOOKS)
def visitor(request: pytest.FixtureRequest, server: Server, chromium: Browser) -> Iterator[Visitor]:
    """Somebody with a browser of one language and width, who has not signed up yet."""
    looks = LOOKS[request.param]
    context = chromium.new_context(**looks.options(), base_url=server.address)
    context.set_default_timeout(30_000)
    made = Visitor(context.new_page(), looks, request.param)
    yield made
    context.close()
    assert made.complaints == []
