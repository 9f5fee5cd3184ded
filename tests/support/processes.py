"""Processes of their own for tests, which can be killed, forked from a server that has the heavy libraries loaded.

A process that starts from nothing imports torch and its like first, for seconds each; these start at once. Where the
start itself is tested, use ``subprocess``.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

PRELOADED = (
    "torch",
    "datasets",
    "transformers",
    "sklearn.metrics",
    "open_clip",
    "matplotlib.pyplot",
    "clip_emotion.cli.main",
)
STDOUT, STDERR = 1, 2
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(list(PRELOADED))


@dataclass(frozen=True)
class Child:
    """A started process and the files that receive what it prints."""

    process: ForkServerProcess
    out: Path
    err: Path

    def wait(self, seconds: float) -> int:
        """Return the exit code, minus the signal's number where one ended it; raises TimeoutError after the time."""
        self.process.join(seconds)
        code = self.process.exitcode
        if code is None:
            self.process.kill()
            raise TimeoutError(f"still running after {seconds} s: {self.err.read_text('utf-8')}")
        return code

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.process.kill()
        self.process.join()


def start(
    target: Callable[..., object], *arguments: Any, folder: Path, environment: Mapping[str, str] | None = None
) -> Child:
    """Call an importable function in a process of its own, whose output goes to ``out.txt`` and ``err.txt``."""
    out, err = folder / "out.txt", folder / "err.txt"
    for path in (out, err):
        path.touch()
    process = context.Process(target=_call, args=(target, arguments, out, err, dict(environment or {})))
    process.start()
    return Child(process, out, err)


def run_command(arguments: list[str]) -> None:
    """Be ``clip-emotion``: the target of a process that is the command line."""
    from clip_emotion.cli.main import run

    run(arguments)


def _call(
    target: Callable[..., object], arguments: tuple[Any, ...], out: Path, err: Path, environment: dict[str, str]
) -> None:
    os.environ.update(environment)
    for path, stream in ((out, STDOUT), (err, STDERR)):
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
        os.dup2(descriptor, stream)
        os.close(descriptor)
    target(*arguments)
