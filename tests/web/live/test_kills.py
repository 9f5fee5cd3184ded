"""A server that is killed under load leaves nothing half done; ``benchmarks/web_kills.py`` does it fifty times."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.real_data  # servers that start, and their model with them


def test_three_kills(tmp_path: Path) -> None:
    from web_kills import run

    said = run(tmp_path / "data", 3)
    assert said.startswith("3 kills in ")
    assert " 0 answers kept" not in said
