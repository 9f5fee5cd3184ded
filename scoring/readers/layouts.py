"""The layouts by name, and which of them a text is in."""

from __future__ import annotations

from collections.abc import Iterable

from clip_emotion.errors import UsageError
from scoring.readers.jsonl import JSONL
from scoring.readers.kakaotalk import KAKAOTALK
from scoring.readers.messages import Layout
from scoring.readers.plain import PLAIN
from scoring.readers.table import MACOS, TABLE

# In the order in which they are asked whether a line is theirs; plain last, for it takes any colon.
LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (MACOS, *KAKAOTALK, JSONL, TABLE, PLAIN)}
AUTO = "auto"
_SAMPLE = 500
"""Lines with something on them that are looked at before a text counts as being in no layout."""


def check_layout(name: str) -> None:
    """Raise UsageError where there is no layout of this name, and name those there are."""
    if name != AUTO and name not in LAYOUTS:
        raise UsageError(f"Unknown layout '{name}': use {AUTO} or one of {', '.join(LAYOUTS)}.")


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
