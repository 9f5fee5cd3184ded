"""The registry of chat layouts: here a layout is added.

A layout is a file with one ``Layout`` record: its name, ``recognise`` (is a line unmistakably of this layout?) and its
parser. Write the file beside ``plain.py``, or in ``kakaotalk/`` for another of KakaoTalk's programs, and list its
record in ``LAYOUTS``; detection, live reading, ``--layout`` and the property tests then know it.
"""

from __future__ import annotations

from clip_emotion.errors import UsageError
from scoring.readers.jsonl import JSONL
from scoring.readers.kakaotalk.android import ANDROID
from scoring.readers.kakaotalk.ios import IOS
from scoring.readers.kakaotalk.macos import MACOS
from scoring.readers.kakaotalk.windows import WINDOWS
from scoring.readers.messages import Layout
from scoring.readers.plain import PLAIN
from scoring.readers.table import TABLE

AUTO = "auto"
LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (MACOS, ANDROID, IOS, WINDOWS, JSONL, TABLE, PLAIN)}
"""The layouts by name, in the order in which they are asked whether a line is theirs; plain takes any colon: last."""


def check_layout(name: str) -> None:
    """Raise UsageError where there is no layout of this name, and name those there are."""
    if name != AUTO and name not in LAYOUTS:
        raise UsageError(f"Unknown layout '{name}': use {AUTO} or one of {', '.join(LAYOUTS)}.")
