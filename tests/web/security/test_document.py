"""docs/security.md names tests that there are, and every requirement of ASVS 5.0 on level 1."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "security.md").read_text("utf-8")
LEVEL_1 = """
1.2.1 1.2.2 1.2.3 1.2.4 1.2.5 1.3.1 1.3.2 1.5.1 2.1.1 2.2.1 2.2.2 2.3.1 3.2.1 3.2.2 3.3.1 3.4.1
3.4.2 3.5.1 3.5.2 3.5.3 4.1.1 5.2.1 5.2.2 5.3.1 5.3.2 6.1.1 6.2.1 6.2.2 6.2.3 6.2.4 6.2.5 6.2.6
6.2.7 6.2.8 6.3.1 6.3.2 6.4.1 6.4.2 7.2.1 7.2.2 7.2.3 7.2.4 7.4.1 7.4.2 8.1.1 8.2.1 8.2.2 8.3.1
9.1.1 9.2.1 11.3 11.4.1 12.1.1 12.2.1 12.2.2 13.4.1 14.2.1 14.3.1 15.1.1 15.2.1 15.3.1
"""
"""Of those that the page leaves out, it says why: WebSockets, OAuth."""


def test_every_requirement_is_answered() -> None:
    for one in LEVEL_1.split():
        assert re.search(rf"(?<![\d.]){re.escape(one)}(?![\d])", TEXT), one


def test_every_test_that_is_named_is_there() -> None:
    file, found = "", 0
    for part in re.findall(r"`([^`\s]*(?:test_\w+\.py)?(?:::test_\w+)?)`", TEXT):
        path, _, name = part.partition("::")
        if path.endswith(".py") and "test_" in path:
            file = path if path.startswith("tests/") else f"tests/web/{path}"
            assert (ROOT / file).is_file(), file
        if name:
            assert f"def {name}(" in (ROOT / file).read_text("utf-8"), part
            found += 1
    assert found > 25
