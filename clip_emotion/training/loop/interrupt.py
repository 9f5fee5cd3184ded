"""Holding back what asks a process to stop, until a step has ended and its checkpoint is written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def hold_interrupt() -> Iterator[Callable[[], bool]]:
    """Hold the first Ctrl-C or SIGTERM back while the block runs; hand out a function that tells whether it came.

    A second one takes effect at once. Where signals cannot arrive (in another thread than the main one) or the process
    ignores one, nothing is changed.
    """
    came = threading.Event()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def hold(number: int, frame: FrameType | None) -> None:
        came.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    held = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for number in held:
        signal.signal(number, hold)
    try:
        yield came.is_set
    finally:
        for number in held:
            signal.signal(number, before[number])
