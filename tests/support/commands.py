"""The command line called in this process: what it returns, and what it says to programs and to people."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clip_emotion.cli.main import main

Run = Callable[..., tuple[int, str, str]]
"""Takes a command's arguments and returns its exit code, stdout and stderr."""


def runner(capfd: pytest.CaptureFixture[str], *before: str, after: tuple[str, ...] = ()) -> Run:
    """Return what calls the command line with ``before`` in front of its arguments and ``after`` behind them."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([*before, *map(str, arguments), *after])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return call
