"""Which layout a text is in."""

from __future__ import annotations

from collections.abc import Iterable

from scoring.readers.layouts import LAYOUTS
from scoring.readers.messages import Layout
from scoring.readers.plain import PLAIN

_SAMPLE = 500
"""Lines with something on them that are looked at before a text counts as being in no layout."""


def layout_of_line(line: str, first: bool) -> Layout | None:
    """Return the layout that a line is unmistakably in, plain included, or None."""
    return next((layout for layout in LAYOUTS.values() if layout.recognise(line, first)), None)


def detect_layout(lines: Iterable[str]) -> Layout | None:
    """Return the layout of a text's (cleaned) lines; plain only where no line speaks for another one."""
    plain: Layout | None = None
    seen = 0
    for line in lines:
        if not line.strip():
            continue
        found = layout_of_line(line, seen == 0)
        if found is not None and found is not PLAIN:
            return found
        plain = plain or found
        seen += 1
        if seen == _SAMPLE:
            break
    return plain
