"""Keeping other libraries' chatter off stderr, and their questions off stdin."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quietly() -> Iterator[None]:
    """Let the loaders say nothing on stderr and ask nothing on stdin while the block runs.

    One sentence of ours says what matters. transformers asks on stdin whether to run code that comes with a model, and
    what was piped in would answer: here every question meets the end of the file.
    """
    before, stdin = logging.root.manager.disable, sys.stdin
    logging.disable(logging.CRITICAL)
    sys.stdin = io.StringIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.stdin = stdin
        logging.disable(before)
